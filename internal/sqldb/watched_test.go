package sqldb_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestAWatchedStatementEndsWithItsContextHoweverQuickItWas(t *testing.T) {
	t.Parallel()
	const numbers = `(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) SELECT count(*) FROM n)`
	read := func(ctx context.Context, db *sqldb.DB, to int64) error {
		_, err := sqldb.All(ctx, db, func(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) }, `SELECT `+numbers, to)
		return err
	}
	write := func(ctx context.Context, db *sqldb.DB, to int64) error {
		_, err := db.Exec(ctx, `UPDATE things SET n = `+numbers, to)
		return err
	}
	within := func(f func(context.Context, *sqldb.DB, int64) error) func(context.Context, *sqldb.DB, int64) error {
		return func(ctx context.Context, db *sqldb.DB, to int64) error {
			return db.Tx(ctx, func(ctx context.Context) error { return f(ctx, db, to) })
		}
	}
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		if _, err := insert(t.Context(), db, "one"); err != nil {
			t.Fatal(err)
		}
		alwaysQuick := func(count func(ctx context.Context, db *sqldb.DB, to int64) error) {
			for range 50 {
				if err := count(t.Context(), db, 10); err != nil {
					t.Fatal(err)
				}
			}
		}
		for name, count := range map[string]func(ctx context.Context, db *sqldb.DB, to int64) error{
			"a query": read, "a query in a transaction": within(read), "a change": write, "a change in a transaction": within(write),
		} {
			alwaysQuick(count)
			endsInTime(t, name, func(ctx context.Context) error { return count(sqldb.Watched(ctx), db, 1e10) })
		}
		alwaysQuick(write)
		endsInTime(t, "a part of long work", func(ctx context.Context) error {
			_, err := db.Batches(ctx, 2, func(ctx context.Context) (int64, error) { return 0, write(ctx, db, 1e10) })
			return err
		})
	})
}

// endsInTime holds count, which would take an hour, to its context.
func endsInTime(t *testing.T, name string, count func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := count(ctx); err == nil {
		t.Errorf("%s: it counted all", name)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("%s: it took %s", name, took)
	}
}
