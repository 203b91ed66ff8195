package sqldb_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestAWatchedQueryEndsWithItsContextHoweverQuickItWas(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db, err := sqldb.Open(t.Context(), databaseURL)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		count := func(ctx context.Context, to int64) error {
			_, err := sqldb.All(ctx, db, func(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) },
				`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) SELECT count(*) FROM n`, to)
			return err
		}
		for range 50 {
			if err := count(t.Context(), 10); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(sqldb.Watched(t.Context()), 50*time.Millisecond)
		defer cancel()
		began := time.Now()
		if err := count(ctx, 1e10); err == nil { // which takes an hour
			t.Error("it counted all")
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}
