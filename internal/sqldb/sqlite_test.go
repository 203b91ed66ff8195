package sqldb_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestAFileThatIsRemovedOrReplacedIsNoticed(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"removed": os.Remove,
		"replaced": func(path string) error {
			return errors.Join(os.WriteFile(path+".new", nil, 0o600), os.Rename(path+".new", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			db := openWith(t, "sqlite:"+path, sqldb.Options{})
			if err := os.Link(path, path+".kept"); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.Ready(t.Context()), change(path)); err != nil {
				t.Fatal(err)
			}
			_, writing := insert(t.Context(), db, "a")
			_, reading := count(t.Context(), db, "things")
			for _, err := range []error{writing, reading, db.Tx(t.Context(), func(context.Context) error { return nil }), db.Ready(t.Context())} {
				wantUnavailable(t, err)
			}
			if err := os.Rename(path+".kept", path); err != nil {
				t.Fatal(err)
			}
			if _, err := insert(t.Context(), db, "a"); err != nil {
				t.Errorf("after it was put back: %v", err)
			}
		})
	}
}

func TestACommandMakesNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "test.db")
	db, err := sqldb.OpenWith(t.Context(), sqldb.Options{DatabaseURL: "sqlite:" + path})
	if err == nil {
		db.Close()
		t.Fatal("it was opened")
	}
	if !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}

func TestALargerDatabaseHasALargerPageCacheWithinBounds(t *testing.T) {
	for size, want := range map[int64]int64{0: 8 << 20, 100 << 20: 8 << 20, 256 << 20: 16 << 20, 512 << 20: 32 << 20, 1 << 40: 32 << 20} {
		if got := sqldb.PageCache(size); got != want {
			t.Errorf("of %d MiB: %d MiB, want %d", size>>20, got>>20, want>>20)
		}
	}
	db := openWith(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"), sqldb.Options{})
	var kib int64
	if err := db.QueryRow(t.Context(), `SELECT cache_size FROM pragma_cache_size`).Scan(&kib); err != nil || kib != -8<<10 {
		t.Errorf("a connection keeps %d: %v", kib, err)
	}
}

func TestTheWriteAheadLogShrinksAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	db := openWith(t, "sqlite:"+path, sqldb.Options{})
	size := func() int64 {
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	write := func() {
		big := bytes.Repeat([]byte(rand.Text()[:16]), 512<<10)
		if _, err := db.Exec(t.Context(), `INSERT INTO things (id, n, live, raw) VALUES ('big', 1, true, $1)
			ON CONFLICT (id) DO UPDATE SET raw = excluded.raw`, big); err != nil {
			t.Fatal(err)
		}
	}
	write()
	if _, err := insert(t.Context(), db, "small"); err != nil {
		t.Fatal(err)
	}
	// A reader keeps what it sees from being overwritten.
	if _, err := sqldb.All(t.Context(), db, func(rows *sql.Rows) (string, error) {
		for range 4 {
			write()
		}
		return "", nil
	}, `SELECT id FROM things ORDER BY n`); err != nil {
		t.Fatal(err)
	}
	if size() < 30<<20 {
		t.Fatalf("the log has only %d bytes: the test shows nothing", size())
	}
	for range 3 {
		write()
	}
	if size() > 20<<20 {
		t.Errorf("the log still has %d bytes", size())
	}
}

func TestTheFileIsItsOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "x y.db")
	open(t, "sqlite:"+path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode(), err)
	}
}

func TestAQueryIsWatchedUnlessItWasAlwaysQuick(t *testing.T) {
	db := openWith(t, sqldbtest.SQLite(t), sqldb.Options{DatabaseStatementTimeout: 100 * time.Millisecond})
	// It counts to as many as it is told: one query, quick or slow.
	const query = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) SELECT count(*) FROM n`
	counted := func(ctx context.Context, most int) error {
		var n int
		return db.QueryRow(ctx, query, most).Scan(&n)
	}
	const endless = 1 << 40
	wantUnavailable(t, counted(t.Context(), endless)) // nothing is known of it yet
	for range 200 {
		if err := counted(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := counted(cancelled, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("for a caller who is gone: %v", err)
	}
	if err := counted(t.Context(), 300_000); err != nil { // slow, but it ends
		t.Errorf("a quick one that is slow for once: %v", err)
	}
	wantUnavailable(t, counted(t.Context(), endless))
}
