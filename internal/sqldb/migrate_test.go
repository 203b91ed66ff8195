package sqldb_test

import (
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestANewerSchemaIsRefused(t *testing.T) {
	newer := fstest.MapFS{"0003_later.sql": {Data: []byte("-- +goose Up\nCREATE TABLE later (id TEXT PRIMARY KEY);\n")}}
	for name, file := range migrations {
		newer[name] = file
	}
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		if err := db.Migrate(t.Context(), newer); err != nil {
			t.Fatal(err)
		}
		err := db.Migrate(t.Context(), migrations)
		if err == nil || !strings.Contains(err.Error(), "version 3") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v", err)
		}
	})
}

func TestAMissingColumnOrTableIsNoticed(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		for _, one := range [][2]string{{"things.live", `ALTER TABLE things DROP COLUMN live`}, {"more.id", `DROP TABLE more`}} {
			what, statement := one[0], one[1]
			if _, err := db.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
			db.ForgetSchema()
			for _, err := range []error{db.Ready(t.Context()), db.Migrate(t.Context(), migrations)} {
				if err == nil || !strings.Contains(err.Error(), what) {
					t.Errorf("%s: %v", what, err)
				}
			}
		}
	})
}

func TestReplicasMayMigrateAtOnce(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				db, err := sqldb.Open(t.Context(), databaseURL)
				if err != nil {
					t.Error(err)
					return
				}
				defer db.Close()
				if err := db.Migrate(t.Context(), migrations); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}
