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
//
// Watching a statement, so that it ends with its context, costs the driver as much as running it:
// goroutines for each statement and work for each row. A query that was always quick is therefore
// not watched until it is slow once. The plans of the stores' queries are tested, so that what they
// look at is bounded; and on SQLite a reader waits for nobody.
type preparedQuery struct {
	*sql.Stmt
	quick atomic.Int32 // how often it was quick since it was slow last, up to quickRuns
}

const (
	quickRun  = 5 * time.Millisecond
	quickRuns = 20
)

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
	if q.quick.Load() < quickRuns || ctx.Value(watchedKey{}) != nil {
		end, err = db.send(ctx, db.read, false, func(ctx context.Context, _ querier) error { return f(ctx) })
	} else {
		end, err = db.sendUnwatched(ctx, f)
	}
	if err != nil {
		return nil, err
	}
	return func() error {
		err := end()
		if time.Since(began) > quickRun {
			q.quick.Store(0)
		} else if q.quick.Load() < quickRuns {
			q.quick.Add(1)
		}
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
