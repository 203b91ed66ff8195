// Package bulk fills the tables of a database with millions of rows, for measurements: [Fill] those
// of a service. It trades everything for speed: do not use it on a database whose data you need.
package bulk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// A Filler writes into a database whose schema is there. Nobody else may have the database open.
type Filler struct {
	lite     *sql.DB   // nil on Postgres
	postgres *pgx.Conn // nil on SQLite
}

// Open connects to "sqlite:PATH" or "postgres://…". Foreign keys are not checked, on Postgres only if
// the account is a superuser.
func Open(ctx context.Context, databaseURL string) (*Filler, error) {
	if path, ok := strings.CutPrefix(databaseURL, "sqlite:"); ok {
		db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)"+
			"&_pragma=foreign_keys(0)&_pragma=cache_size(-500000)&_pragma=temp_store(MEMORY)&_pragma=locking_mode(EXCLUSIVE)")
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(1)
		return &Filler{lite: db}, db.PingContext(ctx)
	}
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return nil, err
	}
	for _, setting := range []string{`SET session_replication_role = replica`, `SET maintenance_work_mem = '512MB'`} {
		if _, err := conn.Exec(ctx, setting); err != nil && !strings.Contains(setting, "replica") {
			return nil, errors.Join(err, conn.Close(ctx))
		}
	}
	return &Filler{postgres: conn}, nil
}

// Into writes rows into the columns of a table, and returns how many there were.
func (f *Filler) Into(ctx context.Context, table string, columns []string, rows iter.Seq[[]any]) (n int64, err error) {
	if f.lite != nil {
		n, err = f.intoSQLite(ctx, table, columns, rows)
	} else {
		next, stop := iter.Pull(rows)
		defer stop()
		n, err = f.postgres.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromFunc(func() ([]any, error) {
			row, _ := next()
			return row, nil // a nil row ends it
		}))
	}
	if err != nil {
		return n, fmt.Errorf("fill %s: %w", table, err)
	}
	return n, nil
}

// rowsOfStatement is how many rows one INSERT has on SQLite: a call of the engine for each row would
// take twice the time.
const rowsOfStatement = 50

func (f *Filler) intoSQLite(ctx context.Context, table string, columns []string, rows iter.Seq[[]any]) (n int64, err error) {
	tx, err := f.lite.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	in, err := newInserter(ctx, tx, table, columns)
	if err != nil {
		return 0, err
	}
	defer in.many.Close()
	for row := range rows {
		n++
		if err := in.add(ctx, row...); err != nil {
			return n, err
		}
	}
	if err := in.rest(ctx); err != nil {
		return n, err
	}
	return n, tx.Commit()
}

// inserter writes the rows of one table of SQLite, many by one statement.
type inserter struct {
	tx      *sql.Tx
	table   string
	columns []string
	many    *sql.Stmt
	args    []any
}

func newInserter(ctx context.Context, tx *sql.Tx, table string, columns []string) (in *inserter, err error) {
	in = &inserter{tx: tx, table: table, columns: columns, args: make([]any, 0, rowsOfStatement*len(columns))}
	in.many, err = in.prepare(ctx, rowsOfStatement)
	return in, err
}

func (in *inserter) prepare(ctx context.Context, rows int) (*sql.Stmt, error) {
	one := "(?" + strings.Repeat(", ?", len(in.columns)-1) + ")"
	return in.tx.PrepareContext(ctx, "INSERT INTO "+in.table+" ("+strings.Join(in.columns, ", ")+") VALUES "+one+
		strings.Repeat(", "+one, rows-1))
}

func (in *inserter) add(ctx context.Context, row ...any) error {
	if in.args = append(in.args, row...); len(in.args) < cap(in.args) {
		return nil
	}
	_, err := in.many.ExecContext(ctx, in.args...)
	in.args = in.args[:0]
	return err
}

// rest writes the last rows.
func (in *inserter) rest(ctx context.Context) error {
	if len(in.args) == 0 {
		return nil
	}
	rest, err := in.prepare(ctx, len(in.args)/len(in.columns))
	if err != nil {
		return err
	}
	defer rest.Close()
	_, err = rest.ExecContext(ctx, in.args...)
	return err
}

// An Index is dropped while its table is filled: to sort once is several times as fast as to insert
// everywhere.
type Index struct{ Name, Definition string }

// DropIndexes drops all indexes that belong to no constraint, and returns them for MakeIndexes.
func (f *Filler) DropIndexes(ctx context.Context) (dropped []Index, err error) {
	query := `SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name`
	if f.postgres != nil {
		query = `SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
			WHERE c.relnamespace = CAST('public' AS regnamespace)
				AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid) ORDER BY c.relname`
	}
	if f.postgres != nil {
		rows, err := f.postgres.Query(ctx, query)
		if err != nil {
			return nil, err
		}
		if dropped, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Index]); err != nil {
			return nil, err
		}
	} else if dropped, err = f.indexesOfSQLite(ctx, query); err != nil {
		return nil, err
	}
	for _, one := range dropped {
		if err := f.exec(ctx, `DROP INDEX `+one.Name); err != nil {
			return nil, err
		}
	}
	return dropped, nil
}

func (f *Filler) indexesOfSQLite(ctx context.Context, query string) (all []Index, err error) {
	rows, err := f.lite.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var one Index
		if err := rows.Scan(&one.Name, &one.Definition); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// MakeIndexes makes what DropIndexes dropped.
func (f *Filler) MakeIndexes(ctx context.Context, dropped []Index) error {
	for _, one := range dropped {
		if err := f.exec(ctx, one.Definition); err != nil {
			return fmt.Errorf("make the index %s: %w", one.Name, err)
		}
	}
	return nil
}

func (f *Filler) exec(ctx context.Context, statement string) error {
	if f.lite != nil {
		_, err := f.lite.ExecContext(ctx, statement)
		return err
	}
	_, err := f.postgres.Exec(ctx, statement)
	return err
}

// columns lists those of a table; none: it is not there.
func (f *Filler) columns(ctx context.Context, table string) (names []string, err error) {
	if f.postgres != nil {
		rows, err := f.postgres.Query(ctx, `SELECT column_name::text FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1`, table)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowTo[string])
	}
	rows, err := f.lite.QueryContext(ctx, `SELECT name FROM pragma_table_info($1)`, table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// Close ends the connection. On Postgres it gathers statistics first, as autovacuum would soon.
func (f *Filler) Close(ctx context.Context) error {
	if f.lite != nil {
		return f.lite.Close()
	}
	_, err := f.postgres.Exec(ctx, `VACUUM ANALYZE`)
	return errors.Join(err, f.postgres.Close(ctx))
}

// Prewarm has Postgres read all tables and indexes, as far as the operating system's memory has room.
// It does nothing where the extension pg_prewarm is not installed.
func Prewarm(ctx context.Context, databaseURL string) error {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `CREATE EXTENSION IF NOT EXISTS pg_prewarm SCHEMA pg_catalog`); err != nil {
		return nil //nolint:nilerr // see above
	}
	_, err = conn.Exec(ctx, `SELECT pg_prewarm(oid, 'read') FROM pg_class
		WHERE relnamespace = CAST('public' AS regnamespace) AND relkind IN ('r', 'i')`)
	return err
}
