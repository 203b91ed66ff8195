package sqldb_test

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pressly/goose/v3/lock"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv"
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

// with is migrations and one more, with that number, which does what the statements say.
func with(base fstest.MapFS, name string, statements ...string) fstest.MapFS {
	more := maps.Clone(base)
	more[name] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + strings.Join(statements, ";\n") + ";\n")}
	return more
}

// Three releases: of a schema that says for whom it is, of one that expands it, and of one that
// removes what the first used and the second does not.
var (
	firstRelease = with(migrations, "0003_compatibility.sql",
		`CREATE TABLE schema_compatibility (oldest_version BIGINT NOT NULL)`, `INSERT INTO schema_compatibility (oldest_version) VALUES (3)`)
	secondRelease = with(firstRelease, "0004_wide.sql", `ALTER TABLE things ADD COLUMN wide BIGINT NOT NULL DEFAULT 7`)
	thirdRelease  = with(secondRelease, "0005_contract_more.sql", `DROP TABLE more`, `UPDATE schema_compatibility SET oldest_version = 4`)
)

func TestAnOlderProgramStartsOnASchemaThatOnlyExpanded(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		for _, release := range []fstest.MapFS{firstRelease, secondRelease, firstRelease} {
			if err := db.Migrate(t.Context(), release); err != nil {
				t.Fatal(err)
			}
			db.ForgetSchema()
			if err := db.Ready(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := insert(t.Context(), db, "a thing"); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestAContractEndsProgramsThatAreTooOldForItAlone(t *testing.T) {
	started := func(t *testing.T, databaseURL string, release fstest.MapFS) (*sqldb.DB, error) {
		t.Helper()
		db, err := sqldb.Open(t.Context(), databaseURL)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db, db.Migrate(t.Context(), release)
	}
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		first, err1 := started(t, databaseURL, firstRelease)
		second, err2 := started(t, databaseURL, secondRelease)
		_, err3 := started(t, databaseURL, thirdRelease)
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		first.ForgetSchema()
		second.ForgetSchema()
		_, restart := started(t, databaseURL, secondRelease)
		if err := errors.Join(restart, second.Ready(t.Context())); err != nil {
			t.Errorf("the release before: %v", err)
		}
		_, restart = started(t, databaseURL, firstRelease)
		for what, err := range map[string]error{"its start": restart, "readiness": first.Ready(t.Context())} {
			if err == nil || !strings.Contains(err.Error(), "know version 4 at least, and this program knows 3") {
				t.Errorf("%s of a release that is too old: %v", what, err)
			}
		}
	})
}

func TestAProgramWithNothingToMigrateWaitsForNoOtherThatMigrates(t *testing.T) {
	databaseURL := sqldbtest.Postgres(t)
	db := open(t, databaseURL)
	if err := db.Tx(t.Context(), func(ctx context.Context) error {
		if _, err := db.Exec(ctx, `SELECT pg_advisory_xact_lock(`+strconv.FormatInt(lock.DefaultLockID, 10)+`)`); err != nil {
			return err
		}
		limited, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		return db.Migrate(limited, migrations)
	}); err != nil {
		t.Error(err)
	}
}

// A transaction that is slow to end holds the lock of its table. The migration must not have all
// other transactions wait behind it.
func TestAMigrationThatWaitsForALockHoldsUpNobody(t *testing.T) {
	databaseURL := sqldbtest.Postgres(t)
	db := open(t, databaseURL)
	held, migrated := make(chan struct{}), make(chan error)
	go func() {
		<-held
		other, err := sqldb.Open(t.Context(), databaseURL)
		if err == nil {
			err = errors.Join(other.Migrate(t.Context(), secondRelease), other.Close())
		}
		migrated <- err
	}()
	if err := db.Tx(t.Context(), func(ctx context.Context) error {
		if _, err := insert(ctx, db, "slow"); err != nil {
			return err
		}
		close(held)
		// Twice the migration waits, and gives up; meanwhile somebody waits behind it.
		for range 2 {
			testenv.Eventually(t, "the migration waits for the table", func() bool {
				var waiting int
				err := db.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'
					AND relation = CAST('things' AS regclass)`).Scan(&waiting)
				return err == nil && waiting > 0
			})
			if _, err := insert(t.Context(), db, "behind"); err != nil { // by another connection
				return err
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := <-migrated; err != nil {
		t.Error(err)
	}
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
