package sqldb_test

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv"
)

// outside is migrations and one outside a transaction, which makes the index things_note.
func outside(statements string) fstest.MapFS {
	more := with(migrations, "0003_index.sql", "")
	more["0003_index.sql"].Data = []byte("-- +goose NO TRANSACTION\n-- +goose Up\n" + statements)
	return more
}

var indexed = outside("-- For looks.\nCREATE INDEX IF NOT EXISTS things_note ON things (id)\n\tWHERE id <> '';\n")

// indexes is how many valid indexes are called things_note.
func indexes(t *testing.T, db *sqldb.DB) (n int) {
	t.Helper()
	query := `SELECT count(*) FROM sqlite_schema WHERE name = 'things_note'`
	if db.Engine() == sqldb.Postgres {
		query = `SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname = 'things_note' AND i.indisvalid`
	}
	if err := db.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAnIndexOutsideATransactionIsMadeOnce(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		if err := db.Migrate(t.Context(), migrations); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := db.Migrate(t.Context(), indexed); err != nil || indexes(t, db) != 1 {
				t.Fatalf("%d indexes: %v", indexes(t, db), err)
			}
			// As if the program had ended before it could note the version.
			if _, err := db.Exec(t.Context(), `DELETE FROM goose_db_version WHERE version_id = 3`); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestNoWriterWaitsForAnIndexOutsideATransaction(t *testing.T) {
	databaseURL := sqldbtest.Postgres(t)
	db := open(t, databaseURL)
	if err := db.Migrate(t.Context(), migrations); err != nil {
		t.Fatal(err)
	}
	migrated := make(chan error, 1)
	err := db.Tx(t.Context(), func(ctx context.Context) error {
		if _, err := insert(ctx, db, "open"); err != nil { // the index must wait for this transaction
			return err
		}
		go func() { migrated <- db.Migrate(context.WithoutCancel(t.Context()), indexed) }()
		testenv.Eventually(t, "the index is being made", func() bool {
			var n int
			if err := db.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
				WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'`).Scan(&n); err != nil {
				t.Error(err)
			}
			return n > 0
		})
		// A plain CREATE INDEX would wait for the table, and everybody else behind it.
		var waiting int
		if err := db.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = CAST('things' AS regclass)`).Scan(&waiting); err != nil {
			return err
		}
		if waiting > 0 {
			t.Errorf("%d wait for the table", waiting)
		}
		_, err := insert(t.Context(), db, "beside") // by another connection
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-migrated; err != nil || indexes(t, db) != 1 {
		t.Errorf("%d indexes: %v", indexes(t, db), err)
	}
}

func TestTheRemainsOfAnIndexAreMadeAnew(t *testing.T) {
	databaseURL := sqldbtest.Postgres(t)
	db := open(t, databaseURL)
	if err := db.Migrate(t.Context(), migrations); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		if _, err := insert(t.Context(), db, id); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec(t.Context(), `CREATE UNIQUE INDEX CONCURRENTLY things_note ON things ((1))`); err == nil {
		t.Fatal("there is no failure to leave remains")
	}
	if indexes(t, db) != 0 {
		t.Fatal("the remains are a valid index")
	}
	if err := db.Migrate(t.Context(), indexed); err != nil || indexes(t, db) != 1 {
		t.Errorf("%d indexes: %v", indexes(t, db), err)
	}
}

func TestAMigrationOutsideATransactionMustBeRepeatable(t *testing.T) {
	db := open(t, sqldbtest.Postgres(t))
	for _, statements := range []string{
		"CREATE INDEX things_note ON things (id);\n",
		"CREATE INDEX IF NOT EXISTS things_note ON things (id);\nUPDATE things SET id = id || 'x';\n",
		"ALTER TABLE things ADD COLUMN more TEXT;\n",
	} {
		if err := db.Migrate(t.Context(), outside(statements)); err == nil || !strings.Contains(err.Error(), "0003_index.sql") {
			t.Errorf("%s: %v", statements, err)
		}
	}
}
