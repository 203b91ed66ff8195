package backup_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/backup"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

var migrations = fstest.MapFS{
	"0001_things.sql": {Data: []byte("-- +goose Up\nCREATE TABLE things (id TEXT PRIMARY KEY);\n")},
}

func open(t *testing.T, databaseURL string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(t.Context(), migrations); err != nil {
		t.Fatal(err)
	}
	return db
}

func insert(ctx context.Context, db *sqldb.DB, id string) (int64, error) {
	return db.Exec(ctx, `INSERT INTO things (id) VALUES ($1)`, id)
}

func TestABackupUnderLoadIsWholeAndPrivate(t *testing.T) {
	databaseURL := sqldbtest.SQLite(t)
	db := open(t, databaseURL)
	for i := range 500 {
		if _, err := insert(t.Context(), db, fmt.Sprint("before", i)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := insert(ctx, db, fmt.Sprint("during", i)); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	file := filepath.Join(t.TempDir(), "backup.db")
	_, err := backup.SQLite(t.Context(), databaseURL, file)
	stop()
	writing.Wait()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode(), err)
	}
	restored := open(t, "sqlite:"+file)
	var n int
	if err := restored.QueryRow(t.Context(), `SELECT count(*) FROM things WHERE id LIKE 'before%'`).Scan(&n); err != nil ||
		n != 500 {
		t.Fatal(n, err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backup.SQLite(t.Context(), databaseURL, file); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the second backup to one file: %v", err)
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Error("the first backup was changed", err)
	}
}

func TestAFailedBackupLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.db")
	if err := os.WriteFile(broken, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "empty.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"broken.db", "empty.db", "missing.db"} {
		if _, err := backup.SQLite(t.Context(), "sqlite:"+filepath.Join(dir, name), filepath.Join(dir, "copy")); err == nil {
			t.Errorf("%s: a backup was made", name)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("left: %v %v", entries, err)
	}
}

func TestTheAdviceForPostgresWorks(t *testing.T) {
	databaseURL := sqldbtest.Postgres(t)
	file := filepath.Join(t.TempDir(), "dump")
	_, err := backup.SQLite(t.Context(), databaseURL, file)
	if !errors.Is(err, backup.ErrUsePgDump) {
		t.Fatal(err)
	}
	db := open(t, databaseURL)
	if _, err := insert(t.Context(), db, "kept"); err != nil {
		t.Fatal(err)
	}
	shell := func(script string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", strings.ReplaceAll(script, "FILE", file))
		cmd.Env = append(os.Environ(), "URL="+databaseURL)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	if _, err := exec.LookPath("pg_dump"); err != nil {
		testenv.Absent(t, "no pg_dump")
	}
	shell(backup.PgDump)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	// Into an empty database: one that later migrations have changed would keep what they made.
	empty := sqldbtest.Postgres(t)
	databaseURL = empty
	shell(backup.PgRestore)
	restored := open(t, empty)
	var n int
	if err := restored.QueryRow(t.Context(), `SELECT count(*) FROM things`).Scan(&n); err != nil || n != 1 {
		t.Error(n, err)
	}
}
