package store

import (
	"context"
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

// PurgeAuthor notes that a person is to be removed, for an event, and leaves the work to
// [Store.Purge], which it wakes: a person may have written very much, and the event's sender waits.
// withPosts what they wrote goes; otherwise it stays, without an author. They write nothing new for
// a day. Errors: ErrReceived.
func (s *Store) PurgeAuthor(ctx context.Context, r Receipt, author string, withPosts bool) error {
	return s.once(ctx, r, func(ctx context.Context) error {
		if err := s.markAuthor(ctx, author, withPosts); err != nil {
			return err
		}
		s.db.AfterCommit(ctx, s.wakePurge)
		return nil
	})
}

// OutdateName notes that an author has another name now, for an event: the one that is kept counts
// as old. It returns whether one is kept. Errors: ErrReceived.
func (s *Store) OutdateName(ctx context.Context, r Receipt, author string) (kept bool, err error) {
	err = s.once(ctx, r, func(ctx context.Context) error {
		n, err := s.db.Exec(ctx, `UPDATE author_names SET fetched_at = 0 WHERE id = $1`, author)
		kept = n > 0
		return err
	})
	return kept, err
}
