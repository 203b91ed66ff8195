package store

import (
	"context"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// sweeps is what nobody needs any more.
func (s *Store) sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "expired idempotency keys", Rows: sqldb.Rows{
			Table: "idempotency_keys", Key: "subject, route, request_key", Where: "expires_at <= $1", Order: "expires_at"}},
		{Name: "ids of events", Rows: sqldb.Rows{
			Table: "received_events", Key: "id", Where: "expires_at <= $1", Order: "expires_at"}},
		{Name: "what deleted people wrote", Step: s.sweepAuthors, Batch: 1},
		{Name: "deleted posts and their comments", Step: s.sweepPosts, Batch: 1},
		{Name: "marks of deleted people", Keep: keepMarks, Rows: sqldb.Rows{
			Table: "deleted_authors", Key: "author", Where: "done AND deleted_at <= $1", Order: "deleted_at"}},
	}
}

// sweepPosts removes a batch of one deleted post's rows and returns how many; 0: there are none
// left.
func (s *Store) sweepPosts(ctx context.Context, _ time.Time) (rows int64, err error) {
	posts, err := s.ids(ctx, `SELECT id FROM posts WHERE removed ORDER BY id LIMIT 1`)
	if err != nil || len(posts) == 0 {
		return 0, err
	}
	return s.purge(ctx, posts[0])
}
