package sqldb_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pressly/goose/v3/lock"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestBehindAPoolerThatSharesConnectionsEverythingWorks(t *testing.T) {
	pooled := sqldbtest.PgBouncer(t, sqldbtest.EmptyPostgres(t))
	opts := sqldb.Options{
		DatabaseTransactionPooling: true, DatabaseStatementTimeout: 30 * time.Second, DatabaseLockTimeout: 30 * time.Second,
	}
	// Several processes migrate at once.
	dbs := make([]*sqldb.DB, 4)
	var wg sync.WaitGroup
	for i := range dbs {
		dbs[i] = openUnmigrated(t, pooled, opts)
		wg.Go(func() {
			if err := dbs[i].Migrate(t.Context(), migrations); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	// Transactions of many connections meet on two.
	for i, db := range dbs {
		for worker := range 4 {
			wg.Go(func() {
				for n := range 20 {
					id := fmt.Sprintf("%d-%d-%d", i, worker, n)
					if err := db.Tx(t.Context(), func(ctx context.Context) error {
						if _, err := insert(ctx, db, id); err != nil {
							return err
						}
						_, err := db.Exec(ctx, `UPDATE things SET n = n + $1 WHERE id = $2`, n, id)
						return err
					}); err != nil {
						t.Error(err)
						return
					}
					var got int
					if err := db.QueryRow(t.Context(), `SELECT n FROM things WHERE id = $1`, id).Scan(&got); err != nil || got != n+1 {
						t.Errorf("%s: %d, %v", id, got, err)
					}
				}
			})
		}
	}
	wg.Wait()
	if n, err := count(t.Context(), dbs[0], "things"); err != nil || n != 4*4*20 {
		t.Errorf("%d rows: %v", n, err)
	}
	if err := dbs[0].Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAPoolerWithoutItsSettingIsNamed(t *testing.T) {
	_, err := sqldb.OpenWith(t.Context(), sqldb.Options{
		DatabaseURL: sqldbtest.PgBouncer(t, sqldbtest.EmptyPostgres(t)), DatabaseStatementTimeout: time.Second,
	})
	if err == nil || !strings.Contains(err.Error(), "--database-transaction-pooling") {
		t.Errorf("%v", err)
	}
}

func TestAMigrationWaitsForThatOfAnEarlierVersion(t *testing.T) {
	databaseURL := sqldbtest.EmptyPostgres(t)
	earlier, db := openUnmigrated(t, databaseURL, sqldb.Options{}), openUnmigrated(t, databaseURL, sqldb.Options{})
	if err := earlier.Tx(t.Context(), func(ctx context.Context) error {
		var none any
		if err := earlier.QueryRow(ctx, `SELECT pg_advisory_lock($1)`, lock.DefaultLockID).Scan(&none); err != nil {
			return err
		}
		soon, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if err := db.Migrate(soon, migrations); err == nil {
			t.Error("two migrate at once")
		}
		return earlier.QueryRow(ctx, `SELECT pg_advisory_unlock($1)`, lock.DefaultLockID).Scan(&none)
	}); err != nil {
		t.Error(err)
	}
	if err := db.Migrate(t.Context(), migrations); err != nil {
		t.Error(err)
	}
}
