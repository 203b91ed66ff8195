package sqldb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/maru-auth/maru/internal/sqldb/internal/fault"
)

// Migrate brings the schema up to date with the numbered .sql files in the root of migrations
// (goose's form), and checks that it then has every table and column that they create. Several
// processes may call it at once: an advisory lock on Postgres, and the single writer on SQLite,
// lets one of them do the work.
//
// A newer program may have migrated the schema further. It is taken as it is if this program is not
// older than the table schema_compatibility allows: so two releases run side by side while one
// replaces the other, and the one before can be put back. Where there is no such table, a newer
// schema is refused.
func (db *DB) Migrate(ctx context.Context, migrations fs.FS) error {
	expected, err := expectedSchema(ctx, migrations)
	if err != nil {
		return err
	}
	found, err := db.foundSchema(ctx)
	if err != nil {
		return fmt.Errorf("read the database's schema: %w", explain(ctx, err))
	}
	if err := found.allows(expected.version); err != nil {
		return err
	}
	if err := db.migrate(ctx, migrations, found.version); err != nil {
		return err
	}
	if err := db.commits.join().wait(0); err != nil { // goose's commits are not ours
		return err
	}
	db.schema.expected.Store(expected)
	return db.checkSchema(ctx)
}

// migrate runs the migrations after that of the version; 0: none was run.
func (db *DB) migrate(ctx context.Context, migrations fs.FS, version int64) error {
	dialect, on := goose.DialectSQLite3, db.write.DB
	var options []goose.ProviderOption
	if db.engine == Postgres {
		dialect = goose.DialectPostgres
		opts := db.opts.ForBatch()
		opts.DatabaseLockTimeout = migrationLockTimeout
		connection := db.postgres.Copy()
		for _, name := range []string{"statement_timeout", "lock_timeout"} {
			delete(connection.RuntimeParams, name)
		}
		limitConnection(connection, opts)
		on = stdlib.OpenDB(*connection)
		defer on.Close()
		outside, err := concurrently(migrations, version)
		if err != nil {
			return fmt.Errorf("read the migrations: %w", err)
		}
		migrations = outside
		options = append(options, goose.WithSessionLocker(&migrationLock{on: on, indexes: outside.indexes}))
	}
	// On SQLite two processes can both see a migration as pending. The second one fails as a whole,
	// finds nothing pending at its next attempt, and goes on.
	const attempts = 5
	started := time.Now()
	for attempt := 1; ; attempt++ {
		provider, err := goose.NewProvider(dialect, on, migrations, options...)
		if err != nil {
			return fmt.Errorf("read the migrations: %w", err)
		}
		if version > 0 {
			// Who has nothing to do need not wait for the lock of who has.
			if pending, err := provider.HasPending(ctx); err == nil && !pending {
				return nil
			}
		}
		_, err = provider.Up(ctx)
		if err == nil {
			return nil
		}
		again := attempt < attempts
		if db.engine == Postgres {
			again = fault.Locked(err) && time.Since(started) < migrationPatience
		}
		if !again || ctx.Err() != nil {
			return fmt.Errorf("migrate the database: %w", err)
		}
		if db.engine == Postgres { // let those through that queued behind us
			select {
			case <-ctx.Done():
			case <-time.After(migrationLockTimeout):
			}
		}
	}
}

// On Postgres, everybody else queues behind a migration that waits for an exclusive lock on a table
// that a transaction uses. So it gives up well before their requests do (--database-lock-timeout),
// and before Postgres takes it or them for the victim of a deadlock (after a second), and tries
// again until migrationPatience is over.
const (
	migrationLockTimeout = 500 * time.Millisecond
	migrationPatience    = 10 * time.Minute
)

// schema is what migrations create.
type schema struct {
	version int64           // the last migration's number; 0: there was none
	oldest  int64           // the version that a program must know at least; 0: the schema does not say
	columns map[string]bool // tables and columns as "table.column", in lower case
}

// allows returns an error if the schema is not for a program that knows it up to the version known.
func (s *schema) allows(known int64) error {
	oldest := s.oldest
	if oldest == 0 {
		oldest = s.version
	}
	if known >= min(oldest, s.version) {
		return nil
	}
	return fmt.Errorf("the database's schema has version %d, for programs that know version %d at least, and this "+
		"program knows %d: newer programs have migrated it; run one of those", s.version, oldest, known)
}

// schemaCheck is what Ready needs to know of the schema.
type schemaCheck struct {
	expected atomic.Pointer[schema] // nil before Migrate
	goodAt   atomic.Int64           // unix nanoseconds
}

// schemaEvery is how long a schema that was found right needs no new check, which takes a
// millisecond.
const schemaEvery = 5 * time.Second

// checkSchema returns an error that names a table or column that is missing, or says that this
// program has become too old. There may be more than expected: a newer program is being rolled out.
func (db *DB) checkSchema(ctx context.Context) error {
	expected := db.schema.expected.Load()
	if expected == nil || time.Since(time.Unix(0, db.schema.goodAt.Load())) < schemaEvery {
		return nil
	}
	ctx, cancel := db.limit(ctx)
	defer cancel()
	var found *schema
	err := db.repeat(ctx, fault.Broken, func() (err error) {
		found, err = db.foundSchema(ctx)
		return err
	})
	if err != nil {
		return explain(ctx, err)
	}
	if err := found.allows(expected.version); err != nil {
		return err
	}
	// What a newer program has removed, it says that this one does not use.
	if found.version <= expected.version {
		if err := found.has(expected); err != nil {
			return err
		}
	}
	db.schema.goodAt.Store(time.Now().UnixNano())
	return nil
}

// has returns an error if anything that is expected is missing.
func (s *schema) has(expected *schema) error {
	var missing []string
	for name := range expected.columns {
		if !s.columns[name] {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the database's schema is not what this program expects: it lacks %s, %d columns in all",
			slices.Min(missing), len(missing))
	}
	return nil
}

// foundSchema reads the versions after the columns, so that what is missing since a migration in
// between is not missed.
func (db *DB) foundSchema(ctx context.Context) (_ *schema, err error) {
	found := &schema{}
	if found.columns, err = columns(ctx, db.engine, db.checks); err != nil {
		return nil, err
	}
	if found.columns["goose_db_version.version_id"] {
		err = db.checks.QueryRowContext(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version`).Scan(&found.version)
		if err != nil {
			return nil, err
		}
	}
	if found.columns["schema_compatibility.oldest_version"] {
		err = db.checks.QueryRowContext(ctx, `SELECT COALESCE(MAX(oldest_version), 0) FROM schema_compatibility`).Scan(&found.oldest)
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// columns lists tables and columns in lower case.
func columns(ctx context.Context, engine Engine, on *sql.DB) (map[string]bool, error) {
	query := `SELECT m.name || '.' || c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'`
	if engine == Postgres {
		query = `SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
			WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
				AND pg_table_is_visible(c.oid) AND c.relnamespace <> CAST('pg_catalog' AS regnamespace)`
	}
	rows, err := on.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		found[strings.ToLower(name)] = true
	}
	return found, rows.Err()
}

var schemas sync.Map // sha256 of the migrations → *schema

// expectedSchema runs the migrations on an SQLite database in memory. Columns have the same names
// on both engines.
func expectedSchema(ctx context.Context, migrations fs.FS) (*schema, error) {
	key, err := digest(migrations)
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	if known, ok := schemas.Load(key); ok {
		return known.(*schema), nil
	}
	made, err := schemaUpTo(ctx, migrations, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	schemas.Store(key, made)
	return made, nil
}

// schemaUpTo is what the migrations up to a version make.
func schemaUpTo(ctx context.Context, migrations fs.FS, version int64) (*schema, error) {
	memory, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	defer memory.Close()
	memory.SetMaxOpenConns(1) // each connection would have a database of its own
	provider, err := goose.NewProvider(goose.DialectSQLite3, memory, migrations)
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	if _, err := provider.UpTo(ctx, version); err != nil {
		return nil, fmt.Errorf("migrate in memory: %w", err)
	}
	made := &schema{}
	if made.columns, err = columns(ctx, SQLite, memory); err != nil {
		return nil, err
	}
	for _, source := range provider.ListSources() {
		if source.Version <= version {
			made.version = max(made.version, source.Version)
		}
	}
	return made, nil
}

func digest(migrations fs.FS) (sum [sha256.Size]byte, err error) {
	names, err := fs.Glob(migrations, "*.sql")
	if err != nil {
		return sum, err
	}
	hash := sha256.New()
	for _, name := range names {
		text, err := fs.ReadFile(migrations, name)
		if err != nil {
			return sum, err
		}
		fmt.Fprintf(hash, "%s %d\n%s", name, len(text), text)
	}
	if len(names) == 0 {
		return sum, errors.New("there are none")
	}
	hash.Sum(sum[:0])
	return sum, nil
}
