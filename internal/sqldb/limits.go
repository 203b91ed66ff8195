package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/maru-auth/maru/internal/sqldb/internal/fault"
)

// A pool is a pool of connections whose queue is first come, first served. Unlike that of
// database/sql, it bounds the wait for a connection apart from the use of it.
type pool struct {
	*sql.DB
	places chan struct{}
	waits  waits
	left   atomic.Int64 // how often a place was given back
}

func newPool(db *sql.DB, size int) *pool {
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return &pool{DB: db, places: make(chan struct{}, size)}
}

// take waits for a place, for at most limit (0: as long as it takes).
func (p *pool) take(ctx context.Context, limit time.Duration) (err error) {
	select {
	case p.places <- struct{}{}:
		return nil
	default:
	}
	began := p.waits.begin()
	defer func() { p.waits.end(began, err == nil) }()
	var over <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case p.places <- struct{}{}:
		return nil
	case <-over:
		return unavailable(fmt.Errorf("no connection became free within %s", limit))
	case <-ctx.Done():
		return explain(ctx, fmt.Errorf("wait for a connection: %w", ctx.Err()))
	}
}

func (p *pool) leave() {
	p.left.Add(1)
	<-p.places
}

// Writes says whether what was read from the database still holds. While n stays the same, this
// process has changed nothing since: whoever writes raises it before they hear that it is done.
// Read it before what you want to keep. sole says that nobody else should write either, which is so
// on SQLite, whose file belongs to one process; what another process does write to it, n does not
// tell.
func (db *DB) Writes() (n int64, sole bool) { return db.write.left.Load(), db.engine == SQLite }

// send runs f, which sends one statement to the transaction of ctx, or else to p, within the time
// limits, and once more if its connection broke and that is safe. writes says whether the statement
// writes. If send returns no error, the caller calls done once it has read the answer: what was
// written outside a transaction holds if done returns no error.
func (db *DB) send(ctx context.Context, p *pool, writes bool, f func(ctx context.Context, on querier) error) (done func() error, err error) {
	if db.primary != nil {
		return db.sendToReader(ctx, writes, f)
	}
	tx := db.transaction(ctx)
	if tx == nil { // else the transaction has looked
		check := db.file.checkRecently
		if writes {
			check = db.checkWriter
			defer db.noteWriter(ctx)
		}
		if err := check(); err != nil {
			return nil, err
		}
		if err := p.take(ctx, db.opts.DatabaseWaitTimeout); err != nil {
			return nil, err
		}
	}
	limited, cancel := db.limit(ctx)
	end := func() {
		cancel()
		if tx == nil {
			p.leave()
		}
	}
	defer func() {
		if done != nil {
			return
		}
		// It failed, or f panicked. What was written may be committed all the same, and seen by others.
		if writes && tx == nil {
			db.commits.join()
		}
		end()
	}()
	if tx != nil {
		err = db.sendIn(ctx, limited, tx, writes, f)
	} else {
		safe := fault.Broken
		if writes {
			safe = fault.Unexecuted
		}
		err = db.repeat(limited, safe, func() error { return f(limited, p) })
	}
	if err != nil {
		return nil, explain(ctx, err)
	}
	return func() error {
		if tx != nil || !writes {
			end()
			return nil
		}
		b := db.commits.join()
		end()
		return b.wait(db.opts.answerTimeout())
	}, nil
}

// sendIn sends a statement in a transaction. If the connection breaks before anything was written,
// a new transaction replaces the old one unseen: under READ COMMITTED, what was read before binds
// later statements no more in the same transaction than in a new one.
func (db *DB) sendIn(ctx, limited context.Context, tx *transaction, writes bool, f func(ctx context.Context, on querier) error) error {
	err := f(limited, tx)
	db.note(err)
	if fault.Undone(err) || fault.Demoted(err) {
		tx.undone = true
	}
	if fault.Broken(err) {
		if tx.wrote || tx.renewed || db.engine != Postgres {
			tx.undone = db.engine == Postgres // no commit was sent
			return err
		}
		db.rollback(tx)
		tx.renewed = true
		// Not under the limited context: the transaction would end with this statement.
		if err := db.begin(withoutTransaction(ctx, db), tx); err != nil {
			return err
		}
		err = f(limited, tx)
	}
	if writes {
		tx.wrote = true // even if it failed: its rows may have been written, and only not read
	}
	return err
}

func withoutTransaction(ctx context.Context, db *DB) context.Context {
	return context.WithValue(ctx, txKey{db}, (*transaction)(nil))
}

func (db *DB) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if limit := db.opts.answerTimeout(); limit > 0 {
		return context.WithTimeout(ctx, limit)
	}
	return ctx, func() {}
}

// crowdedPause is how long to wait before asking Postgres again for a connection that it had no
// room for.
const crowdedPause = 50 * time.Millisecond

// repeat runs f, and once more if its connection broke and safe says that repeating is harmless, or
// if Postgres has undone a statement because others were in its way, or because its server is no
// primary any more. While Postgres has no room for another connection, f runs again and again, for as
// long as a request may wait for one.
func (db *DB) repeat(ctx context.Context, safe func(error) bool, f func() error) error {
	start, repeated := time.Now(), false
	for {
		err := f()
		if err == nil || db.engine != Postgres {
			return err
		}
		if fault.Crowded(err) &&
			(db.opts.DatabaseWaitTimeout == 0 || time.Since(start) < db.opts.DatabaseWaitTimeout) {
			select {
			case <-ctx.Done():
				return err
			case <-time.After(crowdedPause):
				continue
			}
		}
		db.note(err)
		if repeated || ctx.Err() != nil || !fault.Undone(err) && !fault.Demoted(err) && !(fault.Broken(err) && safe(err)) {
			return err
		}
		repeated = true
	}
}

// note draws conclusions for other connections from an error of one.
func (db *DB) note(err error) {
	switch {
	case err == nil || db.engine != Postgres:
	case fault.Broken(err):
		db.noteBroken()
	case fault.Demoted(err):
		db.servers.demoted()
	}
}

// noteBroken makes every other connection prove that it works before it is used again.
func (db *DB) noteBroken() { db.brokenAt.Store(time.Now().UnixNano()) }
