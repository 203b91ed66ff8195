package sqldb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/maru-auth/maru/internal/sqldb/internal/fault"
)

// OldestPostgres is the oldest version of Postgres that programs are tested with, as its
// server_version_num.
const OldestPostgres = 150000

// Inspection is what a database says of itself, to whoever only looks.
type Inspection struct {
	Engine  Engine
	Version string // such as "17.2"
	Number  int    // of the version, as Postgres counts: 170002. 0 on SQLite

	TimeZone string // of Postgres's sessions. Nothing that is stored depends on it
	Encoding string // of Postgres's database: UTF8
	ReadOnly bool   // Postgres takes no writes: it is a standby, or was told so
	Places   int    // how many connections Postgres takes from ordinary accounts; 0: not known
	Unsafe   string // settings of Postgres by which it loses what it has acknowledged, such as "fsync=off"

	Mode fs.FileMode // of SQLite's file

	Schema int64 // the last migration that was run; 0: none was
	Known  int64 // the last one that this program knows
	Unfit  error // why this program cannot use the schema; nil: it can, once it has run what it knows

	Ahead time.Duration // how far this machine's clock is ahead of Postgres's
	Clock error         // that this is too far
}

// OpenReadOnly opens a database to look at it: it makes and migrates nothing, and no statement can
// write. SQLite may move what is in its log into the file, as it does whenever a database is closed.
func OpenReadOnly(ctx context.Context, opts Options) (*DB, error) {
	opts.Create, opts.DatabaseReadURL = false, ""
	if err := opts.check(); err != nil {
		return nil, err
	}
	scheme, path, _ := strings.Cut(opts.DatabaseURL, ":")
	switch scheme {
	case "sqlite":
		return readSQLite(ctx, strings.TrimPrefix(path, "//"), opts)
	case "postgres", "postgresql":
		db, err := newPostgres(opts, new(history))
		if err != nil {
			return nil, err
		}
		err = db.repeat(ctx, fault.Broken, func() error { return db.checks.PingContext(ctx) })
		if err != nil {
			return nil, errors.Join(fmt.Errorf("connect to Postgres at %s: %w%s", db.postgres.Host, err, hint(err)), db.Close())
		}
		return db, nil
	}
	return nil, errors.New(`the database URL must be "sqlite:PATH" or "postgres://…"`)
}

func readSQLite(ctx context.Context, path string, opts Options) (*DB, error) {
	if path == "" || strings.ContainsAny(path, "?#") {
		return nil, errors.New(`the database URL "sqlite:PATH" needs a file's path without ? or #`)
	}
	file, err := openFile(path, false)
	if err != nil {
		return nil, err
	}
	// Not mode=ro: a reader of a WAL database may have to make its index.
	name := "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=rw&_pragma=query_only(1)&_pragma=busy_timeout(3000)"
	read, err := openPool(name, file, false)
	if err != nil {
		return nil, err
	}
	checks, err := openPool(name, file, false)
	if err != nil {
		return nil, errors.Join(err, read.Close())
	}
	checks.SetMaxOpenConns(1)
	one := newPool(read, 1)
	db := &DB{engine: SQLite, opts: opts, write: one, read: one, checks: checks, file: file, sweeping: newSweepMeters()}
	var tables int
	if err := checks.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&tables); err != nil {
		return nil, errors.Join(fmt.Errorf("read the database: %w", err), db.Close())
	}
	return db, nil
}

// Inspect asks the database about itself, and compares its schema with the migrations in the folder
// "migrations" of embedded. It changes nothing.
func (db *DB) Inspect(ctx context.Context, embedded fs.FS) (i Inspection, err error) {
	i.Engine = db.engine
	if db.engine == Postgres {
		err = db.inspectPostgres(ctx, &i)
	} else {
		err = db.inspectSQLite(ctx, &i)
	}
	if err != nil {
		return i, explain(ctx, err)
	}
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		return i, err
	}
	expected, err := expectedSchema(ctx, files)
	if err != nil {
		return i, err
	}
	found, err := db.foundSchema(ctx)
	if err != nil {
		return i, fmt.Errorf("read the database's schema: %w", explain(ctx, err))
	}
	i.Schema, i.Known = found.version, expected.version
	switch {
	case found.version == 0 && len(found.columns) > 0:
		i.Unfit = errors.New("the database has tables, and none of them is this program's")
	case found.version == 0:
	case found.version < expected.version:
		if expected, err = schemaUpTo(ctx, files, found.version); err == nil {
			i.Unfit = found.has(expected)
		}
	default:
		if i.Unfit = found.allows(expected.version); i.Unfit == nil && found.version == expected.version {
			i.Unfit = found.has(expected)
		}
	}
	return i, err
}

func (db *DB) inspectSQLite(ctx context.Context, i *Inspection) error {
	info, err := os.Stat(db.file.path)
	if err != nil {
		return err
	}
	i.Mode = info.Mode()
	return db.checks.QueryRowContext(ctx, `SELECT sqlite_version()`).Scan(&i.Version)
}

func (db *DB) inspectPostgres(ctx context.Context, i *Inspection) error {
	var fsync, pages, commit, readOnly string
	err := db.checks.QueryRowContext(ctx, `SELECT current_setting('server_version'),
		CAST(current_setting('server_version_num') AS INTEGER), current_setting('TimeZone'),
		pg_encoding_to_char(encoding), current_setting('transaction_read_only'), current_setting('fsync'),
		current_setting('full_page_writes'), current_setting('synchronous_commit'),
		CAST(current_setting('max_connections') AS INTEGER) - CAST(current_setting('superuser_reserved_connections') AS INTEGER)
		FROM pg_database WHERE datname = current_database()`).
		Scan(&i.Version, &i.Number, &i.TimeZone, &i.Encoding, &readOnly, &fsync, &pages, &commit, &i.Places)
	if err != nil {
		return err
	}
	i.ReadOnly = readOnly == "on"
	for name, value := range map[string]string{"fsync": fsync, "full_page_writes": pages, "synchronous_commit": commit} {
		if value == "off" {
			i.Unsafe = strings.TrimSpace(i.Unsafe + " " + name + "=off")
		}
	}
	ahead, err := db.compareClocks(ctx)
	if errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
		return err
	}
	i.Ahead, i.Clock = ahead, err
	return nil
}
