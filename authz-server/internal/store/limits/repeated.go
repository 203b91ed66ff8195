package limits

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// RepeatLifetime is how long a request can be repeated.
const RepeatLifetime = 24 * time.Hour

// ErrKeyReused says that a key came before, with another request.
var ErrKeyReused = errors.New("the key was used for another request")

// Repeated remembers what requests made, so that a request that is sent again makes nothing new.
type Repeated struct {
	db  *sqldb.DB
	now func() time.Time
}

// NewRepeated returns the requests in db.
func NewRepeated(db *sqldb.DB, now func() time.Time) *Repeated { return &Repeated{db, now} }

// Claim takes a key for a request, which is a hash. Call it in the transaction of what the request
// makes, and [Repeated.Made] at its end: of requests at once, one makes something while the others
// wait for it, and after a crash there are both or neither. If the key is known, made is the id of
// what was made then. [ErrKeyReused]: it was for another request.
func (s *Repeated) Claim(ctx context.Context, key string, request []byte) (made string, known bool, err error) {
	now := s.now()
	// A key that has expired counts as gone: its row, if it is not swept yet, is taken over.
	n, err := s.db.Exec(ctx, `INSERT INTO repeated_requests (key_hash, request, made, expires_at) VALUES ($1, $2, '', $3)
		ON CONFLICT (key_hash) DO UPDATE SET request = excluded.request, made = '', expires_at = excluded.expires_at
		WHERE repeated_requests.expires_at <= $4`,
		opaque.Hash(key), request, sqldb.Micros(now.Add(RepeatLifetime)), sqldb.Micros(now))
	if err != nil || n > 0 {
		return "", false, err
	}
	made, err = s.made(ctx, key, request, now)
	return made, true, err
}

// Known tells what [Repeated.Claim] would of a key that is known, without claiming it.
func (s *Repeated) Known(ctx context.Context, key string, request []byte) (made string, known bool, err error) {
	made, err = s.made(ctx, key, request, s.now())
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return made, err == nil, err
}

// made is what the request with a key made, which had not expired then. [sql.ErrNoRows]: there is none.
func (s *Repeated) made(ctx context.Context, key string, request []byte, then time.Time) (id string, err error) {
	var before []byte
	err = s.db.QueryRow(ctx, `SELECT request, made FROM repeated_requests WHERE key_hash = $1 AND expires_at > $2`,
		opaque.Hash(key), sqldb.Micros(then)).Scan(&before, &id)
	if err == nil && !bytes.Equal(before, request) {
		err = ErrKeyReused
	}
	return id, err
}

// Made notes the id of what the request with that key made.
func (s *Repeated) Made(ctx context.Context, key, id string) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE repeated_requests SET made = $1 WHERE key_hash = $2`, id, opaque.Hash(key)))
}

// Sweeps lists requests that can be repeated no more.
func (s *Repeated) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "requests that were repeatable", Rows: sqldb.Rows{
			Table: "repeated_requests", Key: "key_hash", Where: "expires_at <= $1", Order: "expires_at"}},
	}
}
