package sqldbtest_test

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"testing"
	"testing/fstest"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) {
	schema := fstest.MapFS{"1_things.sql": {Data: []byte("-- +goose Up\nCREATE TABLE things (name TEXT);\n")}}
	sqldbtest.MainMigrated(m, func(ctx context.Context, databaseURL string) error {
		db, err := sqldb.Open(ctx, databaseURL)
		if err != nil {
			return err
		}
		return errors.Join(db.Migrate(ctx, schema), db.Close())
	})
}

func open(t *testing.T, databaseURL string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), databaseURL)
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

func TestEachDatabaseHasTheSchemaAndNothingOfAnother(t *testing.T) {
	for _, round := range []string{"first", "second"} {
		t.Run(round, func(t *testing.T) {
			sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
				db := open(t, databaseURL)
				var n int
				if err := db.QueryRow(t.Context(), `SELECT count(*) FROM things`).Scan(&n); err != nil || n != 0 {
					t.Errorf("%d things (%v)", n, err)
				}
				if _, err := db.Exec(t.Context(), `INSERT INTO things (name) VALUES ('one')`); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestAnEmptyDatabaseHasNoSchema(t *testing.T) {
	sqldbtest.EachEmpty(t, func(t *testing.T, databaseURL string) {
		if _, err := open(t, databaseURL).Exec(t.Context(), `CREATE TABLE things (name TEXT)`); err != nil {
			t.Error(err)
		}
	})
}

func TestAStoppedClusterLeavesNothingBehind(t *testing.T) {
	clusterURL, stop, err := sqldbtest.Start()
	if errors.Is(err, sqldbtest.ErrNoPostgres) {
		sqldbtest.Postgres(t) // skips
	}
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(clusterURL)
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(u.Query().Get("host")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still there (%v)", err)
	}
}
