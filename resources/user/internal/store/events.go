package store

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// A Receipt is of an event that was received: its ID, and until when it can come again.
type Receipt struct {
	ID    string
	Until time.Time
}

// once does what an event asks for, and notes that it has, in one transaction: after a crash there
// are both or neither, and of deliveries at once one acts while the others wait. Errors:
// ErrReceived.
func (s *Store) once(ctx context.Context, r Receipt, act func(ctx context.Context) error) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		n, err := s.db.Exec(ctx, `INSERT INTO received_events (id, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
			r.ID, sqldb.Micros(r.Until))
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrReceived
		}
		return act(ctx)
	})
}

// PurgePerson removes all that is kept about the person with the id, for an event, and keeps them
// from coming back for a day ([Store.EnsureProfile]). A person who is not there is marked all the
// same. Errors: ErrReceived.
func (s *Store) PurgePerson(ctx context.Context, r Receipt, id string) error {
	return s.once(ctx, r, func(ctx context.Context) error { return s.deletePerson(ctx, id) })
}

// NamePerson writes the name that the account has since a time into a profile that follows the
// issuer, for an event. It leaves alone a profile that has a newer name: from a later event, or
// from userinfo, asked with a token that was issued later. It makes no profile. Errors:
// ErrReceived.
func (s *Store) NamePerson(ctx context.Context, r Receipt, id, name string, since time.Time) error {
	return s.once(ctx, r, func(ctx context.Context) error {
		now := sqldb.Micros(s.now())
		_, err := s.db.Exec(ctx, `UPDATE people SET display_name = $2, named_at = $3,
				profile_version = CASE WHEN display_name = $2 THEN profile_version ELSE CAST($4 AS TEXT) END,
				updated_at = CASE WHEN display_name = $2 THEN updated_at ELSE CAST($5 AS BIGINT) END
			WHERE id = $1 AND deleted_at = 0 AND NOT edited AND named_at <= $3 AND asked_at <= $3`,
			id, name, sqldb.Micros(since), rand.Text(), now)
		return err
	})
}
