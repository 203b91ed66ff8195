package store

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// Name is an author's name as the user service gave it.
type Name struct {
	ID, Name  string
	Unknown   bool // the user service does not know the id; never kept
	FetchedAt time.Time
}

// Names reads the names that are known of the ids, of which there may be some hundreds.
func (s *Store) Names(ctx context.Context, ids []string) ([]Name, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	args := make([]any, len(ids))
	places := make([]string, len(ids))
	for i, id := range ids {
		args[i], places[i] = id, "$"+strconv.Itoa(i+1)
	}
	return sqldb.All(ctx, s.db.Reader(), func(rows *sql.Rows) (n Name, err error) {
		var fetchedAt int64
		err = rows.Scan(&n.ID, &n.Name, &fetchedAt)
		n.FetchedAt = sqldb.Time(fetchedAt)
		return n, err
	}, `SELECT id, name, fetched_at FROM author_names WHERE id IN (`+strings.Join(places, ", ")+`)`, args...)
}

// SaveNames keeps names, and removes those that are Unknown. It keeps none of a person who is deleted:
// the user service may hear of that later, and nothing would remove the name again.
func (s *Store) SaveNames(ctx context.Context, names []Name) error {
	// In one order everywhere: otherwise two replicas that save the same names at once could
	// deadlock.
	names = slices.SortedFunc(slices.Values(names), func(a, b Name) int { return strings.Compare(a.ID, b.ID) })
	return s.db.Tx(ctx, func(ctx context.Context) error {
		for _, n := range names {
			var err error
			if n.Unknown {
				_, err = s.db.Exec(ctx, `DELETE FROM author_names WHERE id = $1`, n.ID)
			} else {
				_, err = s.db.Exec(ctx, `INSERT INTO author_names (id, name, fetched_at)
					SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS BIGINT)
					WHERE NOT EXISTS (SELECT 1 FROM deleted_authors WHERE author = $1)
					ON CONFLICT (id) DO UPDATE SET name = excluded.name, fetched_at = excluded.fetched_at
					WHERE author_names.fetched_at <= excluded.fetched_at`, n.ID, n.Name, sqldb.Micros(n.FetchedAt))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
