package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// KeyLifetime is how long an idempotency key is remembered.
const KeyLifetime = 24 * time.Hour

// An IdempotencyKey names a request that may be sent again: the same Subject, Route and Key create
// one thing within [KeyLifetime], and every repetition gets that thing. The zero value names none:
// each request creates.
//
// Errors of what takes an IdempotencyKey: ErrKeyReused if the same key came with another request;
// ErrNotFound if what the first request created has been deleted since.
type IdempotencyKey struct {
	Subject, Route, Key string
	Request             []byte // a hash of the request
}

// idempotent creates and reads in one transaction, or, for a key that is known, reads what it
// created: read gets the id. The key's row is written first and commits with what is created: of
// parallel requests one creates while the others wait for it, and after a crash there are both or
// neither.
func (s *Store) idempotent(
	ctx context.Context, key IdempotencyKey, id string,
	create func(context.Context) error, read func(ctx context.Context, id string) error,
) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if key.Key != "" {
			created, known, err := s.claim(ctx, key, id)
			switch {
			case err != nil:
				return err
			case known:
				return read(ctx, created)
			}
		}
		if err := create(ctx); err != nil {
			return err
		}
		return read(ctx, id)
	})
}

// claim takes a key for the thing that is about to be created with the id. If the key is known, it
// returns the id of what was created then. Error: ErrKeyReused.
func (s *Store) claim(ctx context.Context, key IdempotencyKey, id string) (created string, known bool, err error) {
	now := s.now()
	// A key that has expired counts as gone: its row, if it is not swept yet, is taken over.
	n, err := s.db.Exec(ctx, `INSERT INTO idempotency_keys (subject, route, request_key, request_hash, resource, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (subject, route, request_key) DO UPDATE
		SET request_hash = excluded.request_hash, resource = excluded.resource, expires_at = excluded.expires_at
		WHERE idempotency_keys.expires_at <= $7`,
		key.Subject, key.Route, key.Key, key.Request, id, sqldb.Micros(now.Add(KeyLifetime)), sqldb.Micros(now))
	if err != nil || n > 0 {
		return "", false, err
	}
	created, err = s.created(ctx, key, now)
	return created, true, err
}

// Known returns the id of what an earlier request with the key created: what is asked before something
// is created may have another answer by now. Error: ErrKeyReused.
func (s *Store) Known(ctx context.Context, key IdempotencyKey) (id string, known bool, err error) {
	if key.Key == "" {
		return "", false, nil
	}
	id, err = s.created(ctx, key, s.now())
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return id, err == nil, err
}

// created is the id of what the request with a key created, which had not expired then.
func (s *Store) created(ctx context.Context, key IdempotencyKey, then time.Time) (id string, err error) {
	var request []byte
	err = s.db.QueryRow(ctx, `SELECT request_hash, resource FROM idempotency_keys
		WHERE subject = $1 AND route = $2 AND request_key = $3 AND expires_at > $4`,
		key.Subject, key.Route, key.Key, sqldb.Micros(then)).Scan(&request, &id)
	if err == nil && !bytes.Equal(request, key.Request) {
		err = ErrKeyReused
	}
	return id, err
}
