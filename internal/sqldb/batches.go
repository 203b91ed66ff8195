package sqldb

import (
	"context"
	"strconv"
	"time"
)

// BatchRows is how many rows one statement of long work removes or changes at most, unless the
// work says otherwise: on SQLite every other writer waits for it.
const BatchRows = 200

// batchPause is how long Batches leaves the database to others at least. On SQLite another process
// looks for the lock again and again, with pauses of its own, and would hardly ever meet it free.
const batchPause = 10 * time.Millisecond

// Batches runs step, which does a part of long work of at most size rows in one transaction, until
// a step does fewer. Between two steps it pauses for twice as long as the first took, so that it
// takes a third of the database's time at most. It returns how many rows there were in all. Within
// a transaction it does not pause, since nobody else can get in.
func (db *DB) Batches(ctx context.Context, size int64, step func(ctx context.Context) (rows int64, err error)) (rows int64, err error) {
	inside := db.transaction(ctx) != nil
	ctx = Watched(ctx) // how long a step takes depends on what has piled up
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
		case <-time.After(max(2*time.Since(began), batchPause)):
		}
	}
}

// Rows names rows of a table that grows, so that [DB.Remove] can remove them in batches. All fields
// are SQL, and none of them comes from a user.
type Rows struct {
	Table string
	Key   string // the columns of the primary key, with commas
	Where string // the condition; $1, $2… stand for the arguments, and each must occur
	// Order is an ORDER BY that an index follows. Postgres would otherwise look for a few old rows
	// by reading the table from its beginning.
	Order string
}

// Remove removes the rows in batches of at most [BatchRows], with pauses for others between them,
// and returns how many there were. Several processes may remove the same rows at once.
func (db *DB) Remove(ctx context.Context, rows Rows, args ...any) (int64, error) {
	return db.remove(ctx, rows, BatchRows, args...)
}

// shortBatch is how long a batch of a removal should take, and fewRows is how many rows it has at
// least, unless the caller wants fewer. On SQLite others wait for it, and on a slow disk 200 rows of
// a table with many indexes take too long.
const (
	shortBatch = 8 * time.Millisecond
	fewRows    = 12
)

func (db *DB) remove(ctx context.Context, rows Rows, batch int64, args ...any) (removed int64, err error) {
	limit := batch
	_, err = db.Batches(ctx, 1, func(ctx context.Context) (more int64, err error) {
		began := time.Now()
		n, err := db.Exec(ctx, rows.statement(limit), args...)
		removed += n
		if err != nil || n < limit {
			return 0, err
		}
		limit = nextLimit(limit, batch, time.Since(began))
		return 1, nil
	})
	return removed, err
}

// nextLimit is how many rows the next batch has, after one of limit rows took so long.
func nextLimit(limit, most int64, took time.Duration) int64 {
	switch {
	case took > shortBatch:
		return max(limit/2, min(most, fewRows))
	case took < shortBatch/4:
		return min(limit*2, most)
	}
	return limit
}

// statement removes one batch. It says the limit as a number: of a parameter Postgres would not
// know that it is small, and plan to read the whole table. It says the condition twice: on Postgres
// another transaction may change a row after the inner query has picked it and before it is
// removed, and only the outer condition is asked again of the changed row (READ COMMITTED).
func (r Rows) statement(limit int64) string {
	return `DELETE FROM ` + r.Table + ` WHERE (` + r.Where + `) AND (` + r.Key + `) IN
		(SELECT ` + r.Key + ` FROM ` + r.Table + ` WHERE ` + r.Where + ` ORDER BY ` + r.Order + ` LIMIT ` + strconv.FormatInt(limit, 10) + `)`
}
