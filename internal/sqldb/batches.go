package sqldb

import (
	"context"
	"time"
)

// batchPause is how long Batches leaves the database to others at least. On SQLite another process looks for the lock again
// and again, with pauses of its own, and would hardly ever meet it free.
const batchPause = 10 * time.Millisecond

// Batches runs step, which does a part of long work of at most size rows in one transaction, until a step does fewer. Between
// two steps it pauses for as long as the first took, so that it takes half of the database's time at most. It returns how many
// rows there were in all. Within a transaction there is nobody to pause for.
func (db *DB) Batches(ctx context.Context, size int64, step func(ctx context.Context) (rows int64, err error)) (rows int64, err error) {
	inside := db.transaction(ctx) != nil
	for {
		began := time.Now()
		n, err := step(ctx)
		rows += n
		if err != nil || n < size {
			return rows, err
		}
		if inside {
			continue
		}
		select {
		case <-ctx.Done():
			return rows, ctx.Err()
		case <-time.After(max(time.Since(began), batchPause)):
		}
	}
}
