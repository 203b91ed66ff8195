package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

var migrations = fstest.MapFS{
	"0001_things.sql": {Data: []byte("-- +goose Up\nCREATE TABLE things " +
		"(id TEXT PRIMARY KEY, n BIGINT NOT NULL, live BOOLEAN NOT NULL, raw BYTEA NOT NULL);\n")},
	"0002_more.sql": {Data: []byte("-- +goose Up\nCREATE TABLE more (id TEXT PRIMARY KEY);\n")},
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
	if err := db.Migrate(t.Context(), migrations); err != nil {
		t.Fatal(err)
	}
	return db
}

func insert(ctx context.Context, db *sqldb.DB, id string) (int64, error) {
	return db.Exec(ctx, `INSERT INTO things (id, n, live, raw) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, id, 1, true, []byte{0, 255})
}

func TestValuesComeBackAsTheyWere(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		if n, err := insert(t.Context(), db, "한글"); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := insert(t.Context(), db, "한글"); n != 0 || err != nil {
			t.Fatalf("the second insert changed %d rows: %v", n, err)
		}
		var id string
		var n int64
		var live bool
		var raw []byte
		row := db.ExecReturning(t.Context(), `UPDATE things SET live = false, n = n + $1
			WHERE id = $2 AND live RETURNING id, n, live, raw`, 41, "한글")
		if err := row.Scan(&id, &n, &live, &raw); err != nil || id != "한글" || n != 42 || live || string(raw) != "\x00\xff" {
			t.Fatal(id, n, live, raw, err)
		}
		_, err := db.Exec(t.Context(), `INSERT INTO things (id, n, live, raw) VALUES ($1, 1, true, $2)`, "한글", []byte("x"))
		if !sqldb.IsDuplicate(err) {
			t.Fatalf("a duplicate key gave %v", err)
		}
		ids, err := sqldb.All(t.Context(), db, func(rows *sql.Rows) (id string, err error) { return id, rows.Scan(&id) }, `SELECT id FROM things`)
		if err != nil || len(ids) != 1 || ids[0] != "한글" {
			t.Fatal(ids, err)
		}
	})
}

func TestTxJoinsTheOuterOneAndRollsBackAsAWhole(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		fail := errors.New("fail")
		err := db.Tx(t.Context(), func(ctx context.Context) error {
			return errors.Join(db.Tx(ctx, func(ctx context.Context) error {
				_, err := insert(ctx, db, "a")
				return err
			}), fail)
		})
		if !errors.Is(err, fail) {
			t.Fatal(err)
		}
		var n int
		if err := db.QueryRow(t.Context(), `SELECT count(*) FROM things`).Scan(&n); err != nil || n != 0 {
			t.Fatalf("%d rows are left: %v", n, err)
		}
	})
}

func TestAConditionalUpdateHasOneWinner(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		if _, err := insert(t.Context(), db, "once"); err != nil {
			t.Fatal(err)
		}
		var winners atomic.Int64
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				n, err := db.Exec(t.Context(), `UPDATE things SET live = false WHERE id = $1 AND live`, "once")
				if err != nil {
					t.Error(err)
				}
				winners.Add(n)
			})
		}
		wg.Wait()
		if winners.Load() != 1 {
			t.Fatalf("%d of 32 won", winners.Load())
		}
	})
}

func TestWhatFollowsACommitWaitsForTheOuterOne(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		failure := errors.New("rolled back")
		for _, end := range []error{failure, nil} {
			called := 0
			err := db.Tx(t.Context(), func(ctx context.Context) error {
				if err := db.Tx(ctx, func(ctx context.Context) error {
					db.AfterCommit(ctx, func() { called++ })
					_, err := insert(ctx, db, "a")
					return err
				}); err != nil {
					return err
				}
				if called > 0 {
					t.Error("called before the commit")
				}
				return end
			})
			if !errors.Is(err, end) || (called == 1) != (end == nil) {
				t.Errorf("after %v it was called %d times: %v", end, called, err)
			}
		}
		called := false
		if db.AfterCommit(t.Context(), func() { called = true }); !called {
			t.Error("not called without a transaction")
		}
	})
}

func TestAWrongURLIsRefusedWithoutItsPassword(t *testing.T) {
	for _, databaseURL := range []string{
		"", "sqlite:", "mysql://u:secret@h/d", "postgres://u:sec%ret@h/d",
		"postgres://u:secret@127.0.0.1:1/d?connect_timeout=1",
	} {
		db, err := sqldb.Open(t.Context(), databaseURL)
		if err == nil {
			t.Errorf("%q was accepted", databaseURL)
			db.Close()
		} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "sec%ret") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

func TestTimesKeepMicroseconds(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.FixedZone("KST", 9*3600))
	if got := sqldb.Time(sqldb.Micros(at)); !got.Equal(at.Truncate(time.Microsecond)) || got.Location() != time.UTC {
		t.Fatal(got)
	}
	if !sqldb.Time(sqldb.Micros(time.Time{})).IsZero() {
		t.Fatal("the zero time did not come back")
	}
}

func TestAnObserverIsToldOfEveryStatement(t *testing.T) {
	db := open(t, sqldbtest.SQLite(t))
	var told []string
	ctx := sqldb.Observe(t.Context(), func(query string, _ []any) { told = append(told, query) })
	if err := db.Tx(ctx, func(ctx context.Context) error {
		_, err := insert(ctx, db, "a")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var id string
	if err := db.QueryRow(ctx, `SELECT id FROM things`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	if err := db.ExecReturning(ctx, `DELETE FROM things RETURNING id`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	scan := func(rows *sql.Rows) (id string, err error) { return id, rows.Scan(&id) }
	if _, err := sqldb.All(ctx, db, scan, `SELECT id FROM more`); err != nil {
		t.Fatal(err)
	}
	want := []string{"INSERT", "SELECT id FROM things", "DELETE", "SELECT id FROM more"}
	if len(told) != len(want) {
		t.Fatalf("told of %q", told)
	}
	for i, prefix := range want {
		if !strings.HasPrefix(told[i], prefix) {
			t.Errorf("statement %d is %q, want %s…", i, told[i], prefix)
		}
	}
}
