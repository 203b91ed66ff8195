package store

import (
	"context"
	"database/sql"
	"log/slog"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

const (
	purgePage  = 100              // people that are looked at together
	purgeAgain = 10 * time.Second // after a failure
)

func (s *Store) wakePurge() {
	select {
	case s.purges <- struct{}{}:
	default: // it is awake
	}
}

// Purge removes the people who are marked for it, until ctx ends: at once those that were left when
// the program ended, and then those whom [Store.PurgeAuthor] marks. Everybody gets a small step in
// turn, with pauses for other writers, so nobody waits behind one who wrote very much. A sweep looks
// again later, and does the work if this process is gone.
func (s *Store) Purge(ctx context.Context, log *slog.Logger) {
	for {
		var again <-chan time.Time
		if err := s.purgeMarked(ctx); err != nil && ctx.Err() == nil {
			log.Error("people who were deleted cannot be removed yet; it is tried again", "error", err)
			again = time.After(purgeAgain)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.purges:
		case <-again:
		}
	}
}

// marked is a person who is to be removed.
type marked struct {
	author    string
	withPosts bool
	at        int64
}

// purgeMarked goes round all who are marked until nothing is left of anybody.
func (s *Store) purgeMarked(ctx context.Context) error {
	for {
		var after marked
		var did int64
		for {
			people, err := s.marked(ctx, after)
			if err != nil {
				return err
			}
			for _, one := range people {
				n, err := s.purgeStep(ctx, one)
				if did += n; err != nil {
					return err
				}
			}
			if len(people) < purgePage {
				break
			}
			after = people[len(people)-1]
		}
		if did == 0 {
			return nil
		}
	}
}

// purgeStep does one step for a person, and pauses after it if there was something to do.
func (s *Store) purgeStep(ctx context.Context, one marked) (did int64, err error) {
	first := true
	_, err = s.db.Batches(ctx, 1, func(ctx context.Context) (int64, error) {
		if !first {
			return 0, nil
		}
		first = false
		did, err = s.deleteSome(ctx, one.author, one.withPosts)
		return did, err
	})
	return did, err
}

// marked returns the next people who are to be removed.
func (s *Store) marked(ctx context.Context, after marked) ([]marked, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (m marked, err error) {
		return m, rows.Scan(&m.author, &m.withPosts, &m.at)
	}, `SELECT author, with_posts, deleted_at FROM deleted_authors
		WHERE NOT done AND (deleted_at, author) > ($1, $2) ORDER BY deleted_at, author LIMIT $3`, after.at, after.author, purgePage)
}
