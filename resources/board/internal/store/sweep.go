package store

import (
	"context"
	"database/sql"
	"strconv"

	"github.com/maru-auth/maru/internal/sqldb"
)

// sweepBatch is how many rows one statement of a sweep removes at most: on SQLite writers wait for it.
const sweepBatch = 200

// batchLimit is sweepBatch as SQL. Of a parameter Postgres would not know how small it is, and plan to read the whole table.
var batchLimit = strconv.Itoa(sweepBatch)

// Sweep removes what nobody needs any more, in small batches with pauses: idempotency keys that have expired, and posts that
// were deleted with their comments. Several replicas may sweep at once.
func (s *Store) Sweep(ctx context.Context) error {
	_, err := s.db.Batches(ctx, sweepBatch, func(ctx context.Context) (int64, error) { return s.SweepKeys(ctx, sweepBatch) })
	if err != nil {
		return err
	}
	_, err = s.db.Batches(ctx, 1, s.SweepPosts)
	return err
}

// SweepKeys removes up to limit expired idempotency keys and returns how many it removed.
func (s *Store) SweepKeys(ctx context.Context, limit int) (int64, error) {
	return s.db.Exec(ctx, `DELETE FROM idempotency_keys WHERE (subject, route, request_key) IN
		(SELECT subject, route, request_key FROM idempotency_keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT `+strconv.Itoa(limit)+`)`,
		sqldb.Micros(s.now()))
}

// SweepPosts removes a batch of a deleted post's rows and returns how many it removed; 0: there are none left.
func (s *Store) SweepPosts(ctx context.Context) (int64, error) {
	posts, err := sqldb.All(ctx, s.db, func(rows *sql.Rows) (id string, err error) { return id, rows.Scan(&id) },
		`SELECT id FROM posts WHERE removed ORDER BY id LIMIT 1`)
	if err != nil || len(posts) == 0 {
		return 0, err
	}
	return s.purge(ctx, posts[0])
}
