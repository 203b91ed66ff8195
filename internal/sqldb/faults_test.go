package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// openWith opens the database that databaseURL names, with the schema of all tests.
func openWith(t *testing.T, databaseURL string, opts sqldb.Options) *sqldb.DB {
	t.Helper()
	db := openUnmigrated(t, databaseURL, opts)
	if err := db.Migrate(t.Context(), migrations); err != nil {
		t.Fatal(err)
	}
	return db
}

func openUnmigrated(t *testing.T, databaseURL string, opts sqldb.Options) *sqldb.DB {
	t.Helper()
	opts.DatabaseURL, opts.Create = databaseURL, true
	db, err := sqldb.OpenWith(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func scanText(rows *sql.Rows) (text string, err error) { return text, rows.Scan(&text) }

func count(ctx context.Context, db *sqldb.DB, table string) (n int, err error) {
	return n, db.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&n)
}

// hold runs f in a transaction of another session until the returned function is called.
func hold(t *testing.T, databaseURL string, f func(ctx context.Context, db *sqldb.DB) error) (release func()) {
	t.Helper()
	other, held, done := open(t, databaseURL), make(chan error), make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := other.Tx(context.WithoutCancel(t.Context()), func(ctx context.Context) error {
			err := f(ctx, other)
			held <- err
			<-done
			return err
		}); err != nil {
			t.Error(err)
		}
	}()
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	release = func() { once.Do(func() { close(done); <-ended }) }
	t.Cleanup(release)
	return release
}

func wantUnavailable(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, sqldb.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
}

func TestAnothersWriteLockStopsNeitherReadersNorReadiness(t *testing.T) {
	databaseURL := sqldbtest.SQLite(t)
	db := openWith(t, databaseURL, sqldb.Options{DatabaseLockTimeout: 20 * time.Millisecond, DatabaseStatementTimeout: time.Minute})
	release := hold(t, databaseURL, func(ctx context.Context, other *sqldb.DB) error { return nil }) // BEGIN IMMEDIATE
	if err := db.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := count(t.Context(), db, "things"); err != nil {
		t.Error(err)
	}
	_, err := insert(t.Context(), db, "a")
	wantUnavailable(t, err)
	wantUnavailable(t, db.Tx(t.Context(), func(context.Context) error { return nil }))
	wantUnavailable(t, db.CheckWrites(t.Context()))
	release()
	if err := db.CheckWrites(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := insert(t.Context(), db, "a"); err != nil {
		t.Error(err)
	}
}

func TestALockedTableIsGivenUpInTime(t *testing.T) {
	databaseURL := sqldbtest.Postgres(t)
	db := openWith(t, databaseURL, sqldb.Options{
		DatabaseMaxConnections: 2, DatabaseLockTimeout: 20 * time.Millisecond, DatabaseWaitTimeout: time.Minute,
	})
	release := hold(t, databaseURL, func(ctx context.Context, other *sqldb.DB) error {
		_, err := other.Exec(ctx, `LOCK TABLE things`)
		return err
	})
	var wg sync.WaitGroup
	for range 10 { // more than there are connections
		wg.Go(func() {
			_, err := count(t.Context(), db, "things")
			wantUnavailable(t, err)
		})
	}
	wg.Wait()
	if _, err := count(t.Context(), db, "more"); err != nil {
		t.Error(err)
	}
	if err := db.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	release()
	if _, err := count(t.Context(), db, "things"); err != nil {
		t.Error(err)
	}
}

func TestAStatementThatTakesTooLongIsGivenUp(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := openWith(t, databaseURL, sqldb.Options{DatabaseStatementTimeout: 100 * time.Millisecond})
		slow := `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i > 0) SELECT count(*) FROM n`
		var n int64
		wantUnavailable(t, db.QueryRow(t.Context(), slow).Scan(&n))
		answersAgain(t, db)
	})
}

func TestWaitingForAConnectionEnds(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := openWith(t, databaseURL, sqldb.Options{DatabaseMaxConnections: 1, DatabaseWaitTimeout: 20 * time.Millisecond})
		if err := db.Tx(t.Context(), func(ctx context.Context) error {
			_, err := insert(t.Context(), db, "b") // not in the transaction
			wantUnavailable(t, err)
			if err := db.Ready(t.Context()); err != nil {
				t.Errorf("requests keep readiness waiting: %v", err)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		if _, err := insert(t.Context(), db, "b"); err != nil {
			t.Error(err)
		}
	})
}

func TestAPanicGivesItsConnectionBack(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := openWith(t, databaseURL, sqldb.Options{DatabaseMaxConnections: 1, DatabaseWaitTimeout: time.Second})
		for range 3 {
			func() {
				defer func() { recover() }()
				_, err := sqldb.All(t.Context(), db, func(*sql.Rows) (int, error) { panic("scan") }, `SELECT 1`)
				t.Error(err)
			}()
			func() {
				defer func() { recover() }()
				t.Error(db.Tx(t.Context(), func(context.Context) error { panic("transaction") }))
			}()
		}
		if _, err := insert(t.Context(), db, "a"); err != nil {
			t.Error(err)
		}
		row := db.QueryRow(t.Context(), `SELECT count(*) FROM things`)
		var n int
		if err := row.Scan(&n); err != nil {
			t.Error(err)
		}
		if err := row.Scan(&n); err == nil {
			t.Error("a row was scanned twice")
		}
		if _, err := count(t.Context(), db, "things"); err != nil {
			t.Error(err)
		}
	})
}
