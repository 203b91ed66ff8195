package store

import (
	"bytes"
	"context"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// KeyLifetime is how long an idempotency key is remembered.
const KeyLifetime = 24 * time.Hour

// Once names a request that may be sent again: the same Subject, Route and Key create one thing within [KeyLifetime],
// and every repetition gets that thing. The zero value names none: each request creates.
//
// Errors of what takes a Once: ErrKeyReused when the same key came with another request; ErrNotFound when what the first
// request created has been deleted since.
type Once struct {
	Subject, Route, Key string
	Request             []byte // a hash of the request
}

// once creates and reads in one transaction, or, for a key that is known, reads what it created. The key's row is written
// first and commits with what is created: of parallel requests one creates and the others wait for its end, and after a
// crash there are both or neither.
func (s *Store) once(ctx context.Context, once Once, id string, create func(context.Context) error, read func(context.Context, string) error) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if once.Key != "" {
			now := s.now()
			// An expired key that is not swept yet counts for nothing, and its row is taken over.
			n, err := s.db.Exec(ctx, `INSERT INTO idempotency_keys (subject, route, request_key, request_hash, resource, expires_at)
				VALUES ($1, $2, $3, $4, $5, $6)
				ON CONFLICT (subject, route, request_key) DO UPDATE
				SET request_hash = excluded.request_hash, resource = excluded.resource, expires_at = excluded.expires_at
				WHERE idempotency_keys.expires_at <= $7`,
				once.Subject, once.Route, once.Key, once.Request, id, sqldb.Micros(now.Add(KeyLifetime)), sqldb.Micros(now))
			if err != nil {
				return err
			}
			if n == 0 {
				var request []byte
				err := s.db.QueryRow(ctx, `SELECT request_hash, resource FROM idempotency_keys WHERE subject = $1 AND route = $2 AND request_key = $3`,
					once.Subject, once.Route, once.Key).Scan(&request, &id)
				if err != nil {
					return err
				}
				if !bytes.Equal(request, once.Request) {
					return ErrKeyReused
				}
				return read(ctx, id)
			}
		}
		if err := create(ctx); err != nil {
			return err
		}
		return read(ctx, id)
	})
}
