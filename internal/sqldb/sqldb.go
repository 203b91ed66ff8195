// Package sqldb opens a service's database, SQLite or Postgres, and lets one SQL text run on both.
//
// What differs between the engines lives here and nowhere else: the connection settings, who may write at once,
// the migration lock and the classification of errors. Statements use $1 placeholders, which both engines bind by number.
//
// A transaction travels in the context: [DB.Tx] puts it there and joins one that is there already, and every other
// method uses it. All methods are safe for concurrent use; one transaction's context belongs to one goroutine.
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the "pgx" driver
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// An Engine is a database product.
type Engine string

// The engines that a database URL can name.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// DB is an open database. On SQLite it has one writing connection and a pool of reading ones; on Postgres one pool does both.
type DB struct {
	engine  Engine
	write   *sql.DB
	read    *sql.DB
	warning string

	statements sync.Map     // query → *sql.Stmt on read; see prepared
	count      atomic.Int32 // of statements
}

// Open connects to the database that databaseURL names: "sqlite:PATH" (the file and its folder are made when missing)
// or "postgres://…" (TLS by its sslmode parameter). It fails when the database does not answer before ctx ends.
func Open(ctx context.Context, databaseURL string) (*DB, error) {
	scheme, rest, _ := strings.Cut(databaseURL, ":")
	switch scheme {
	case "sqlite":
		return openSQLite(ctx, rest)
	case "postgres", "postgresql":
		return openPostgres(ctx, databaseURL)
	}
	// The URL may hold a password: name its form, never its text.
	return nil, errors.New(`the database URL must be "sqlite:PATH" or "postgres://…"`)
}

func openSQLite(ctx context.Context, path string) (*DB, error) {
	path = strings.TrimPrefix(path, "//")
	if path == "" || strings.ContainsAny(path, "?#") {
		return nil, errors.New(`the database URL "sqlite:PATH" needs a file's path without ? or #`)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the database's folder: %w", err)
	}
	// The file holds people's data: nobody else on the machine reads it. SQLite gives -wal and -shm the same mode.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // G304: the operator names the file
	if err != nil {
		return nil, fmt.Errorf("open the database file: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	// synchronous=FULL: in WAL mode NORMAL may lose acknowledged commits when power fails.
	const common = "&_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)&_pragma=synchronous(FULL)"
	name := "file:" + (&url.URL{Path: path}).EscapedPath()
	write, err := sql.Open("sqlite", name+"?_txlock=immediate&_pragma=journal_mode(WAL)"+common)
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	if err := write.PingContext(ctx); err != nil { // makes the file a WAL database before a reader opens it
		return nil, errors.Join(fmt.Errorf("open the database: %w", err), write.Close())
	}
	read, err := sql.Open("sqlite", name+"?_pragma=query_only(1)"+common)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(max(4, 2*runtime.GOMAXPROCS(0)))
	read.SetMaxIdleConns(max(4, 2*runtime.GOMAXPROCS(0)))
	return &DB{engine: SQLite, write: write, read: read}, nil
}

func openPostgres(ctx context.Context, databaseURL string) (*DB, error) {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return nil, errors.New("the database URL cannot be parsed; percent-encode special characters in its password")
	}
	pool, err := sql.Open("pgx", databaseURL)
	if err != nil {
		return nil, errors.New("the database URL is not one that Postgres understands")
	}
	pool.SetMaxOpenConns(max(10, 4*runtime.GOMAXPROCS(0)))
	pool.SetMaxIdleConns(max(10, 4*runtime.GOMAXPROCS(0)))
	pool.SetConnMaxIdleTime(5 * time.Minute)
	pool.SetConnMaxLifetime(time.Hour)
	if err := pool.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to Postgres at %s: %w", u.Host, err), pool.Close())
	}
	db := &DB{engine: Postgres, write: pool, read: pool}
	if !encrypted(u) {
		db.warning = "the connection to Postgres at " + u.Host + " may not be encrypted; add sslmode=verify-full to the database URL"
	}
	return db, nil
}

// encrypted tells whether the connection stays on this machine or insists on TLS.
func encrypted(u *url.URL) bool {
	host := u.Hostname()
	if h := u.Query().Get("host"); h != "" {
		host = h
	}
	if host == "" || host == "localhost" || strings.HasPrefix(host, "/") {
		return true
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return true
	}
	switch u.Query().Get("sslmode") {
	case "require", "verify-ca", "verify-full":
		return true
	}
	return false
}

// Engine names the product behind db. Only tests and migrations should care.
func (db *DB) Engine() Engine { return db.engine }

// Warning is a line for the operator about how the database is connected, or empty.
func (db *DB) Warning() string { return db.warning }

// Ping checks that the database answers: what /readyz asks.
func (db *DB) Ping(ctx context.Context) error { return db.write.PingContext(ctx) }

// Close waits for statements under way and closes all connections.
func (db *DB) Close() error {
	if db.read == db.write {
		return db.write.Close()
	}
	return errors.Join(db.read.Close(), db.write.Close())
}

type txKey struct{ db *DB }

// Tx runs f in a transaction: committed when f returns nil, rolled back when it returns an error or panics. If ctx
// already carries a transaction of db, f joins it, and the outer one decides. f must use the context that it is given.
// On Postgres the isolation is READ COMMITTED: decide one-time transitions by a conditional UPDATE's row count, not by a SELECT before it.
func (db *DB) Tx(ctx context.Context, f func(ctx context.Context) error) error {
	if _, ok := ctx.Value(txKey{db}).(*sql.Tx); ok {
		return f(ctx)
	}
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing; after a panic there is nobody to tell
	if err := f(context.WithValue(ctx, txKey{db}, tx)); err != nil {
		return err
	}
	return tx.Commit()
}

type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// maxStatements bounds what prepared keeps, should some query be put together from parts.
const maxStatements = 500

// prepared returns the prepared form of a query for the reading pool, or nil where there is none to be had. SQLite takes
// several times as long to compile a query as to run it. pgx prepares by itself, and a transaction has its own connection.
func (db *DB) prepared(ctx context.Context, query string) *sql.Stmt {
	if db.engine != SQLite || ctx.Value(txKey{db}) != nil {
		return nil
	}
	if stmt, ok := db.statements.Load(query); ok {
		return stmt.(*sql.Stmt)
	}
	if db.count.Load() >= maxStatements {
		return nil
	}
	stmt, err := db.read.PrepareContext(ctx, query)
	if err != nil {
		return nil // running it will tell
	}
	if first, raced := db.statements.LoadOrStore(query, stmt); raced {
		stmt.Close()
		return first.(*sql.Stmt)
	}
	db.count.Add(1)
	return stmt
}

func (db *DB) on(ctx context.Context, pool *sql.DB) querier {
	if tx, ok := ctx.Value(txKey{db}).(*sql.Tx); ok {
		return tx
	}
	return pool
}

// Exec runs a statement that writes and returns how many rows it changed.
func (db *DB) Exec(ctx context.Context, query string, args ...any) (rows int64, err error) {
	observe(ctx, query, args)
	res, err := db.on(ctx, db.write).ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// ExecReturning runs a statement that writes and returns one row (… RETURNING). No row is sql.ErrNoRows from Scan.
func (db *DB) ExecReturning(ctx context.Context, query string, args ...any) *sql.Row {
	observe(ctx, query, args)
	return db.on(ctx, db.write).QueryRowContext(ctx, query, args...)
}

// QueryRow runs a statement that reads at most one row. No row is sql.ErrNoRows from Scan.
func (db *DB) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	observe(ctx, query, args)
	if stmt := db.prepared(ctx, query); stmt != nil {
		return stmt.QueryRowContext(ctx, args...)
	}
	return db.on(ctx, db.read).QueryRowContext(ctx, query, args...)
}

// All runs a statement that only reads and returns every row, as scan makes it.
func All[T any](ctx context.Context, db *DB, scan func(rows *sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	observe(ctx, query, args)
	var rows *sql.Rows
	var err error
	if stmt := db.prepared(ctx, query); stmt != nil {
		rows, err = stmt.QueryContext(ctx, args...)
	} else {
		rows, err = db.on(ctx, db.read).QueryContext(ctx, query, args...)
	}
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// IsDuplicate tells whether err is the violation of a primary key or a UNIQUE constraint.
// Prefer ON CONFLICT DO NOTHING and the row count: on Postgres an error ends the transaction.
func IsDuplicate(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23505"
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) &&
		(lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
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
