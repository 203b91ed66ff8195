package sqldb

import (
	"context"
	"database/sql"
	"sync/atomic"
	"time"
)

// maxStatements bounds what prepare keeps, should some query be put together from parts.
const maxStatements = 500

// A preparedQuery is a query of SQLite's reading pool. SQLite takes several times as long to
// compile a query as to run it; pgx prepares statements itself, and a transaction has its own
// connection.
type preparedQuery struct {
	*sql.Stmt
	habit
}

// A habit is how quick a statement of SQLite has been. Watching a statement, so that it ends with its
// context, costs the driver as much as running it: goroutines for each statement and work for each
// row. One that was always quick is therefore not watched until it is slow once. The plans of the
// stores' statements are tested, so that what they look at is bounded; and on SQLite a reader waits
// for nobody.
type habit struct {
	quick atomic.Int32 // how often it was quick since it was slow last, up to quickRuns
}

const (
	quickRun  = 5 * time.Millisecond
	quickRuns = 20
)

// watched tells whether the statement must end with ctx.
func (h *habit) watched(ctx context.Context) bool {
	return h.quick.Load() < quickRuns || ctx.Value(watchedKey{}) != nil
}

// took notes how long the statement has run.
func (h *habit) took(t time.Duration) {
	if t > quickRun {
		h.quick.Store(0)
	} else if h.quick.Load() < quickRuns {
		h.quick.Add(1)
	}
}

// prepared returns the prepared form of a query for the reading pool, or nil if there is none.
func (db *DB) prepared(ctx context.Context, query string) *preparedQuery {
	if db.engine != SQLite || db.transaction(ctx) != nil {
		return nil
	}
	if known, ok := db.statements.Load(query); ok {
		return known.(*preparedQuery)
	}
	if db.count.Load() >= maxStatements {
		return nil
	}
	stmt, err := db.read.PrepareContext(ctx, query)
	if err != nil {
		return nil // running it will report the error
	}
	q := &preparedQuery{Stmt: stmt}
	if first, raced := db.statements.LoadOrStore(query, q); raced {
		stmt.Close()
		return first.(*preparedQuery)
	}
	db.count.Add(1)
	return q
}

type watchedKey struct{}

// Watched returns a context in which each statement ends with the context, however quick it has
// always been: for those whose time depends on what somebody asks for, or on what has piled up.
func Watched(ctx context.Context) context.Context {
	return context.WithValue(ctx, watchedKey{}, true)
}

// sendPrepared is send for a prepared query.
func (db *DB) sendPrepared(ctx context.Context, q *preparedQuery, f func(ctx context.Context) error) (done func() error, err error) {
	began := time.Now()
	var end func() error
	if q.watched(ctx) {
		end, err = db.send(ctx, db.read, false, func(ctx context.Context, _ querier) error { return f(ctx) })
	} else {
		end, err = db.sendUnwatched(ctx, f)
	}
	if err != nil {
		return nil, err
	}
	return func() error {
		err := end()
		q.took(time.Since(began))
		return err
	}, nil
}

func (db *DB) sendUnwatched(ctx context.Context, f func(ctx context.Context) error) (done func() error, err error) {
	if err := db.file.checkRecently(); err != nil {
		return nil, err
	}
	if err := db.read.take(ctx, db.opts.DatabaseWaitTimeout); err != nil {
		return nil, err
	}
	defer func() {
		if done == nil { // also when f panicked
			db.read.leave()
		}
	}()
	if err := ctx.Err(); err != nil {
		return nil, explain(ctx, err)
	}
	if err := f(context.WithoutCancel(ctx)); err != nil {
		return nil, explain(ctx, err)
	}
	return func() error { db.read.leave(); return nil }, nil
}
