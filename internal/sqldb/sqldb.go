// Package sqldb opens a service's database, SQLite or Postgres, and lets one SQL text run on both.
//
// What differs between the engines is here and nowhere else: connection settings, how many may
// write at once, the migration lock and the classification of errors. Statements use $1
// placeholders, which both engines bind by number.
//
// A transaction travels in the context: [DB.Tx] puts it there or joins the one that is there, and
// every other method uses it. All methods are safe for concurrent use; the context of a transaction
// belongs to one goroutine.
//
// Every statement is bounded in time (see [Options]), and repeated once if its connection broke and
// repeating is safe. If the database cannot execute it at the moment, the error wraps
// [ErrUnavailable].
//
// Success of a write is reported once it would survive a power failure. On SQLite under Linux, the
// writers that commit at about the same time share one sync for that ([commits]), and meanwhile
// others may read what was committed: [DB.QueryRow] and [All] outside a transaction may return what
// a power failure then undoes, and nobody was told of. Whoever writes because of it is later in the
// same log, and a transaction, even one that only reads, ends after what it saw is on disk.
//
// A database of Postgres may have a replica for reads that may lag: a store chooses statement by
// statement ([DB.Reader], [DB.OrReplica]). The database's URL may name several servers; which of
// them is the primary is found out anew when one fails (servers.go).
//
// A store opens its database by [OpenStore], embeds what [DB.Upkeep] returns, and lists the rows
// that it no longer needs as a table of [Sweep]; long removals go in batches ([DB.Remove],
// [DB.Batches]).
package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/maru-auth/maru/internal/sqldb/internal/fault"
	"github.com/maru-auth/maru/internal/tracing"
)

// An Engine is a database product.
type Engine string

// The engines that a database URL can name.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// DB is an open database. On SQLite it has one connection that writes and a pool of those that
// read; on Postgres one pool does both. One more connection is for health checks, which must not
// wait behind requests.
type DB struct {
	engine   Engine
	opts     Options
	write    *pool
	read     *pool
	checks   *sql.DB
	warning  string
	file     *dataFile       // nil on Postgres
	commits  *commits        // nil: the engine syncs by itself
	held     *sql.DB         // see groupCommits; nil without commits
	postgres *pgx.ConnConfig // nil on SQLite
	servers  *servers        // nil on SQLite

	replica *replica // of this database; nil: there is none
	reader  *DB      // see Reader; nil without a replica
	primary *DB      // of a reader; nil in any other
	second  bool     // a reader asks the replica second

	orReplica *DB // see OrReplica; nil without a replica

	brokenAt atomic.Int64 // unix nanoseconds at which a connection was last found broken
	schema   schemaCheck
	clock    clock
	sweeping *sweepMeters

	statements sync.Map     // query → *preparedQuery on read
	count      atomic.Int32 // of statements
}

// Open is [OpenWith] for tests: without time limits, and with Options.Create.
func Open(ctx context.Context, databaseURL string) (*DB, error) {
	return OpenWith(ctx, Options{DatabaseURL: databaseURL, Create: true})
}

// OpenWith connects to the database that opts.DatabaseURL names: "sqlite:PATH" or "postgres://…".
// It fails if the database does not answer before ctx ends, or if the connection is not protected.
func OpenWith(ctx context.Context, opts Options) (*DB, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	scheme, rest, _ := strings.Cut(opts.DatabaseURL, ":")
	switch scheme {
	case "sqlite":
		return openSQLite(ctx, rest, opts)
	case "postgres", "postgresql":
		return openPostgres(ctx, opts)
	}
	// The URL may hold a password: name its form, never its text.
	return nil, errors.New(`the database URL must be "sqlite:PATH" or "postgres://…"`)
}

// Engine returns the product behind db. Only tests and migrations should care.
func (db *DB) Engine() Engine { return db.engine }

// Warning is a line for the operator about how the database is connected, or empty.
func (db *DB) Warning() string { return db.warning }

// closePatience is how long Close waits for the writer, if there is no limit for requests.
const closePatience = 10 * time.Second

// Close waits for statements under way and closes all connections.
func (db *DB) Close() error {
	var err error
	if db.replica != nil {
		err = db.replica.close()
	}
	if db.commits != nil { // whoever writes just now is to learn whether it lasts
		if db.write.take(context.Background(), cmp.Or(db.opts.DatabaseWaitTimeout, closePatience)) == nil {
			defer db.write.leave()
		}
		db.file.log.Store(nil)
	}
	err = errors.Join(err, db.write.Close(), db.commits.close(), db.checks.Close())
	if db.held != nil {
		err = errors.Join(err, db.held.Close())
	}
	if db.read != db.write {
		err = errors.Join(err, db.read.Close())
	}
	return err
}

type txKey struct{ db *DB }

// A transaction is what [DB.Tx] puts into the context.
type transaction struct {
	*sql.Tx
	cancel  context.CancelFunc
	wrote   bool     // a statement that writes was executed
	renewed bool     // Tx is the second, after the first one's connection broke
	undone  bool     // the database has undone all of it, which may be done again
	after   []func() // see AfterCommit
	batch   *batch   // what must be on disk before anybody hears of the commit
}

// Tx runs f in a transaction: committed if f returns nil, rolled back if it returns an error or
// panics. If ctx already carries a transaction of db, f joins it, and the outer call decides. f
// must use the context that it is given. On Postgres the isolation level is READ COMMITTED: decide
// one-time transitions by the row count of a conditional UPDATE, not by a SELECT before it.
//
// If the database has certainly undone the transaction through no fault of f (a deadlock, a
// connection that broke before the commit was sent), f runs again, twice at most: it must do
// nothing but set variables and use the database. A commit whose outcome is unknown is not
// repeated.
func (db *DB) Tx(ctx context.Context, f func(ctx context.Context) error) error {
	if db.transaction(ctx) != nil {
		return f(ctx)
	}
	ctx, span := tracing.Part(ctx, "transaction")
	defer span.End(nil) // what failed is its statement's to say
	if err := db.checkWriter(); err != nil {
		return err
	}
	tx, err := db.inTurn(ctx, f)
	if err != nil {
		return explain(ctx, err)
	}
	if err := tx.batch.wait(db.opts.answerTimeout()); err != nil {
		return err
	}
	for _, f := range tx.after {
		f()
	}
	return nil
}

// checkWriter returns an error if nothing may be written.
func (db *DB) checkWriter() error {
	if err := db.file.check(); err != nil {
		return err
	}
	return db.commits.check()
}

// inTurn waits for a connection that writes, and runs f in a transaction until that is committed or
// has failed for good.
func (db *DB) inTurn(ctx context.Context, f func(ctx context.Context) error) (*transaction, error) {
	if err := db.write.take(ctx, db.opts.DatabaseWaitTimeout); err != nil {
		return nil, err
	}
	defer db.write.leave()
	defer db.noteWriter(ctx)
	for try := 1; ; try++ {
		tx := new(transaction)
		undone, err := db.tryTx(ctx, tx, f)
		if !undone || try == transactionTries || ctx.Err() != nil {
			return tx, err
		}
		// Those who deadlocked must not meet again at once.
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(rand.N(transactionPause)): //nolint:gosec // G404: nobody gains by guessing it
		}
	}
}

const (
	transactionTries = 3
	transactionPause = 20 * time.Millisecond
)

// tryTx runs f in a transaction once. undone says that nothing came of it, and that it may be tried
// again.
func (db *DB) tryTx(ctx context.Context, tx *transaction, f func(ctx context.Context) error) (undone bool, err error) {
	if err := db.begin(ctx, tx); err != nil {
		return false, err
	}
	defer func() { db.rollback(tx) }()
	if err := f(context.WithValue(ctx, txKey{db}, tx)); err != nil {
		return tx.undone, err
	}
	stop := db.cancelLater(tx.cancel)
	err = tx.Commit()
	stop()
	db.note(err)
	if err != nil {
		return fault.Undone(err), err // any other error may have come after the commit
	}
	if tx.wrote {
		tx.batch = db.commits.join()
	} else {
		tx.batch = db.commits.under()
	}
	return false, nil
}

// AfterCommit calls f when the transaction that ctx carries has been committed, and never if it is
// rolled back; without a transaction, at once. f must be quick and use no database. If the
// connection breaks during the commit, f is not called although the database may have committed.
func (db *DB) AfterCommit(ctx context.Context, f func()) {
	if tx := db.transaction(ctx); tx != nil {
		tx.after = append(tx.after, f)
		return
	}
	f()
}

// InTransaction tells whether ctx carries a transaction of db.
func (db *DB) InTransaction(ctx context.Context) bool { return db.transaction(ctx) != nil }

func (db *DB) transaction(ctx context.Context) *transaction {
	tx, _ := ctx.Value(txKey{db}).(*transaction)
	return tx
}

// begin starts tx. database/sql and pgx keep the context of BEGIN for COMMIT and ROLLBACK, so
// cancelling it bounds all three.
func (db *DB) begin(ctx context.Context, tx *transaction) error {
	return db.repeat(ctx, fault.Broken, func() error {
		under, cancel := context.WithCancel(ctx)
		stop := db.cancelLater(cancel)
		begun, err := db.write.BeginTx(under, nil)
		stop()
		if err != nil {
			cancel()
			return err
		}
		tx.Tx, tx.cancel = begun, cancel
		return nil
	})
}

// rollback ends tx. After a commit it does nothing; if it fails, the connection breaks, which ends
// the transaction too.
func (db *DB) rollback(tx *transaction) {
	stop := db.cancelLater(tx.cancel)
	tx.Rollback() //nolint:errcheck // see above
	stop()
	tx.cancel()
}

// cancelLater calls cancel when the time to answer is over, unless stop is called before.
func (db *DB) cancelLater(cancel context.CancelFunc) (stop func()) {
	limit := db.opts.answerTimeout()
	if limit == 0 {
		return func() {}
	}
	timer := time.AfterFunc(limit, cancel)
	return func() { timer.Stop() }
}

type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Exec runs a statement that writes and returns how many rows it changed.
func (db *DB) Exec(ctx context.Context, query string, args ...any) (rows int64, err error) {
	span := db.observe(ctx, query, args)
	done, err := db.send(ctx, db.write, true, func(ctx context.Context, on querier) error {
		result, err := on.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		rows, err = result.RowsAffected()
		return err
	})
	span.End(err)
	if err != nil {
		return 0, err
	}
	return rows, done()
}

// A Row is the answer to a statement that returns at most one row. You must call Scan: it gives the
// connection back.
type Row struct {
	ctx  context.Context
	row  *sql.Row
	err  error
	done func() error
	span *tracing.Span // ends with Scan
}

// Scan copies the row's columns into dest. No row is sql.ErrNoRows.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		r.span.End(r.err)
		return r.err
	}
	err := r.scan(dest)
	if errors.Is(err, sql.ErrNoRows) {
		r.span.End(nil) // that is an answer
	} else {
		r.span.End(err)
	}
	return err
}

func (r *Row) scan(dest []any) (err error) {
	defer func() { // also when Scan panics
		failed := r.done()
		r.done = func() error { return nil }
		if failed != nil && (err == nil || errors.Is(err, sql.ErrNoRows)) {
			err = failed
		}
	}()
	return explain(r.ctx, r.row.Scan(dest...))
}

// ExecReturning runs a statement that writes and returns one row (… RETURNING). No row is
// sql.ErrNoRows from Scan.
func (db *DB) ExecReturning(ctx context.Context, query string, args ...any) *Row {
	return db.row(ctx, db.write, true, query, args)
}

// QueryRow runs a statement that reads at most one row. No row is sql.ErrNoRows from Scan.
func (db *DB) QueryRow(ctx context.Context, query string, args ...any) *Row {
	return db.row(ctx, db.read, false, query, args)
}

func (db *DB) row(ctx context.Context, p *pool, writes bool, query string, args []any) *Row {
	r := &Row{ctx: ctx, span: db.observe(ctx, query, args)}
	if !writes {
		if q := db.prepared(ctx, query); q != nil {
			r.done, r.err = db.sendPrepared(ctx, q, func(ctx context.Context) error {
				r.row = q.QueryRowContext(ctx, args...)
				return r.row.Err()
			})
			return r
		}
	}
	r.done, r.err = db.send(ctx, p, writes, func(ctx context.Context, on querier) error {
		r.row = on.QueryRowContext(ctx, query, args...)
		return r.row.Err()
	})
	return r
}

// All runs a statement that reads, or that writes and has a RETURNING, and returns what scan makes
// of each row.
func All[T any](ctx context.Context, db *DB, scan func(rows *sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	span := db.observe(ctx, query, args)
	all, err := read(ctx, db, scan, query, args)
	span.End(err)
	return all, err
}

func read[T any](ctx context.Context, db *DB, scan func(rows *sql.Rows) (T, error), query string, args []any) ([]T, error) {
	var all []T
	read := func(rows *sql.Rows, err error) error {
		if err != nil {
			return err
		}
		defer rows.Close()
		all = nil
		for rows.Next() {
			one, err := scan(rows)
			if err != nil {
				return err
			}
			if all == nil {
				all = make([]T, 0, 8)
			}
			all = append(all, one)
		}
		return rows.Err()
	}
	var done func() error
	var err error
	on, writes := db.read, changes(query)
	if writes {
		on = db.write
	}
	if q := db.prepared(ctx, query); q != nil && !writes {
		done, err = db.sendPrepared(ctx, q, func(ctx context.Context) error {
			return read(q.QueryContext(ctx, args...)) //nolint:sqlclosecheck,rowserrcheck // read does both
		})
	} else {
		done, err = db.send(ctx, on, writes, func(ctx context.Context, on querier) error {
			return read(on.QueryContext(ctx, query, args...)) //nolint:sqlclosecheck,rowserrcheck // read does both
		})
	}
	if err != nil {
		return nil, err
	}
	return all, done()
}

// changes says whether a statement writes. What was lost of such a one is not repeated unseen.
func changes(query string) bool {
	switch verb, _, _ := strings.Cut(strings.TrimSpace(query), " "); verb {
	case "DELETE", "INSERT", "UPDATE":
		return true
	}
	return false
}

// Micros is t as the database keeps it: unix microseconds in a BIGINT. The zero time is 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is the inverse of [Micros], in UTC.
func Time(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
