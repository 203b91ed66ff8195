package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv"
)

// heldSyncs is a database whose log is written to disk when the test says so.
type heldSyncs struct {
	*sqldb.DB
	begun chan struct{} // one for each sync
	end   chan error    // how it ends, after it took place
	count atomic.Int64
	ended atomic.Int64
	// release lets all other syncs end well.
	release func()
}

func openHeld(t *testing.T) *heldSyncs {
	t.Helper()
	return openHeldWith(t, sqldb.Options{})
}

func openHeldWith(t *testing.T, opts sqldb.Options) *heldSyncs {
	t.Helper()
	if !sqldb.GroupCommits {
		t.Skip("SQLite syncs by itself here")
	}
	h := &heldSyncs{begun: make(chan struct{}, 100), end: make(chan error)}
	h.DB = openWith(t, sqldbtest.SQLite(t), opts)
	h.ReplaceSync(func(sync func() error) error {
		h.count.Add(1)
		h.begun <- struct{}{}
		err := <-h.end
		h.ended.Add(1)
		return errors.Join(sync(), err)
	})
	h.release = sync.OnceFunc(func() { close(h.end) })
	t.Cleanup(h.release) // before the database is closed
	return h
}

func (h *heldSyncs) waitForRows(t *testing.T, want int) {
	t.Helper()
	testenv.Eventually(t, fmt.Sprintf("%d rows can be read", want), func() bool {
		n, err := count(t.Context(), h.DB, "things")
		if err != nil {
			t.Fatal(err)
		}
		return n == want
	})
}

// waitForWrites waits until as many have given back the connection that writes. They have committed
// by then, and what they wait for is the disk.
func (h *heldSyncs) waitForWrites(t *testing.T, want int64) {
	t.Helper()
	testenv.Eventually(t, fmt.Sprintf("%d writes are committed", want), func() bool {
		n, _ := h.Writes()
		return n == want
	})
}

func TestACommitIsReportedOnceItIsOnDisk(t *testing.T) {
	const returning = `INSERT INTO things (id, n, live, raw) VALUES ($1, 1, true, x'00') ON CONFLICT DO NOTHING RETURNING id`
	for name, write := range map[string]func(ctx context.Context, db *heldSyncs, id string) error{
		"statement": func(ctx context.Context, db *heldSyncs, id string) error {
			_, err := insert(ctx, db.DB, id)
			return err
		},
		"transaction": func(ctx context.Context, db *heldSyncs, id string) error {
			return db.Tx(ctx, func(ctx context.Context) error {
				_, err := insert(ctx, db.DB, id)
				return err
			})
		},
		"one row of a statement": func(ctx context.Context, db *heldSyncs, id string) error {
			return db.ExecReturning(ctx, returning, id).Scan(&id)
		},
		"rows of a statement": func(ctx context.Context, db *heldSyncs, id string) error {
			_, err := sqldb.All(ctx, db.DB, scanText, returning, id)
			return err
		},
		"nothing left to change": func(ctx context.Context, db *heldSyncs, id string) error {
			var text string
			if err := db.ExecReturning(ctx, returning, "first").Scan(&text); !errors.Is(err, sql.ErrNoRows) {
				return fmt.Errorf("got %w, want no row", err)
			}
			return nil
		},
		"transaction that only reads": func(ctx context.Context, db *heldSyncs, id string) error {
			return db.Tx(ctx, func(ctx context.Context) error {
				n, err := count(ctx, db.DB, "things")
				if n != 1 {
					err = fmt.Errorf("it sees %d rows: %w", n, err)
				}
				return err
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := openHeld(t)
			before, _ := db.Writes()
			report := func(err error, syncs int64) error {
				if ended := db.ended.Load(); err == nil && ended < syncs {
					err = fmt.Errorf("success is reported after %d syncs, want %d", ended, syncs)
				}
				return err
			}
			first, second := make(chan error, 1), make(chan error, 1)
			go func() {
				_, err := insert(t.Context(), db.DB, "first")
				first <- report(err, 1)
			}()
			<-db.begun // its sync is under way; nobody else is kept from committing
			db.waitForWrites(t, before+1)
			onlyReads := name == "transaction that only reads"
			go func() {
				err := write(t.Context(), db, "second")
				if onlyReads { // the first sync has what it saw
					second <- report(err, 1)
				} else {
					second <- report(err, 2)
				}
			}()
			db.waitForWrites(t, before+2)
			db.end <- nil
			if err := <-first; err != nil {
				t.Error(err)
			}
			if !onlyReads {
				<-db.begun // of the second, which began too late for the first sync
			}
			db.release()
			if err := <-second; err != nil {
				t.Error(err)
			}
		})
	}
}

// A statement may fail only after its rows were written: at the end of its time, or when they are
// read. Others see them all the same.
func TestWhatAFailedStatementHasWrittenIsOnDiskBeforeAnybodyHearsOfIt(t *testing.T) {
	failing := func(ctx context.Context, db *heldSyncs) error {
		_, err := sqldb.All(ctx, db.DB, func(*sql.Rows) (string, error) { return "", errors.New("not read") },
			`INSERT INTO things (id, n, live, raw) VALUES ('lost', 1, true, x'00') RETURNING id`)
		if err == nil {
			t.Error("it did not fail")
		}
		return nil
	}
	for name, write := range map[string]func(ctx context.Context, db *heldSyncs) error{
		"a statement": failing,
		"a transaction": func(ctx context.Context, db *heldSyncs) error {
			return db.Tx(ctx, func(ctx context.Context) error { return failing(ctx, db) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := openHeld(t)
			before, _ := db.Writes()
			wrote, read := make(chan error, 1), make(chan error, 1)
			go func() { wrote <- write(t.Context(), db) }()
			db.waitForWrites(t, before+1)
			go func() {
				var n int
				err := db.Tx(t.Context(), func(ctx context.Context) (err error) { n, err = count(ctx, db.DB, "things"); return err })
				if ended := db.ended.Load(); err == nil && n > 0 && ended == 0 {
					err = fmt.Errorf("%d rows are reported that no sync has written to disk", n)
				}
				read <- err
			}()
			db.waitForWrites(t, before+2)
			db.release()
			for _, err := range []error{<-wrote, <-read} {
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestClosingWaitsForWhoeverWrites(t *testing.T) {
	db, err := sqldb.Open(t.Context(), sqldbtest.SQLite(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), migrations); err != nil {
		t.Fatal(err)
	}
	began, goOn := make(chan struct{}), make(chan struct{})
	wrote, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		wrote <- db.Tx(t.Context(), func(ctx context.Context) error {
			close(began)
			<-goOn
			_, err := insert(ctx, db, "last")
			return err
		})
	}()
	<-began
	var ended atomic.Bool
	go func() { closed <- db.Close(); ended.Store(true) }()
	testenv.Eventually(t, "closing waits", func() bool { return db.Waiting() > 0 || ended.Load() })
	close(goOn)
	if err := <-wrote; err != nil {
		t.Errorf("the last change: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{"reading": errorOf(count(t.Context(), db, "things")), "writing": errorOf(insert(t.Context(), db, "late"))} {
		if err == nil || !strings.Contains(err.Error(), "closed") {
			t.Errorf("%s what is closed: %v", what, err)
		}
	}
}

func errorOf[T any](_ T, err error) error { return err }

func TestCommitsShareASync(t *testing.T) {
	db := openHeld(t)
	before, _ := db.Writes()
	const many = 40
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := insert(t.Context(), db.DB, "first"); err != nil {
			t.Error(err)
		}
	})
	<-db.begun
	for i := range many {
		wg.Go(func() {
			if err := db.Tx(t.Context(), func(ctx context.Context) error {
				_, err := insert(ctx, db.DB, fmt.Sprint(i))
				return err
			}); err != nil {
				t.Error(err)
			}
		})
	}
	db.waitForWrites(t, before+many+1)
	db.end <- nil
	<-db.begun
	db.end <- nil
	wg.Wait()
	if n := db.count.Load(); n != 2 {
		t.Errorf("%d commits took %d syncs, want 2", many+1, n)
	}
}

func TestAfterAFailedSyncNothingIsWritten(t *testing.T) {
	db := openHeld(t)
	const waiting = 5
	failures := make(chan error, waiting)
	followed := false
	go func() {
		failures <- db.Tx(t.Context(), func(ctx context.Context) error {
			db.AfterCommit(ctx, func() { followed = true })
			_, err := insert(ctx, db.DB, "first")
			return err
		})
	}()
	<-db.begun
	for i := range waiting - 1 {
		go func() {
			_, err := insert(t.Context(), db.DB, fmt.Sprint(i))
			failures <- err
		}()
	}
	db.waitForRows(t, waiting)
	db.end <- errors.New("the disk is gone")
	for range waiting {
		err := <-failures
		wantUnavailable(t, err)
		if err == nil || !strings.Contains(err.Error(), "the disk is gone") {
			t.Error(err)
		}
	}
	if followed {
		t.Error("what follows the commit ran")
	}
	_, writing := insert(t.Context(), db.DB, "later")
	for _, err := range []error{
		writing, db.Ready(t.Context()), db.CheckWrites(t.Context()),
		db.Tx(t.Context(), func(context.Context) error { t.Error("a transaction began"); return nil }),
	} {
		wantUnavailable(t, err)
	}
	if n, err := count(t.Context(), db.DB, "things"); n != waiting || err != nil {
		t.Errorf("%d rows, %v: reading goes on", n, err)
	}
	if n := db.count.Load(); n != 1 {
		t.Errorf("%d syncs after the one that failed", n-1)
	}
}

func TestALogThatIsNotInItsPlaceIsNeitherWrittenNorReplaced(t *testing.T) {
	if !sqldb.GroupCommits {
		t.Skip("SQLite syncs by itself here")
	}
	databaseURL := sqldbtest.SQLite(t)
	db := openWith(t, databaseURL, sqldb.Options{})
	log := strings.TrimPrefix(databaseURL, "sqlite:") + "-wal"
	if err := os.Rename(log, log+".away"); err != nil {
		t.Fatal(err)
	}
	_, err := insert(t.Context(), db, "a")
	wantUnavailable(t, err)
	if !strings.Contains(err.Error(), log) {
		t.Error(err)
	}
	wantUnavailable(t, db.Ready(t.Context()))
	_, err = count(t.Context(), db, "things") // by a new connection, which would make another log
	wantUnavailable(t, err)
	if _, err := os.Stat(log); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another log was made: %v", err)
	}
	if err := os.Rename(log+".away", log); err != nil {
		t.Fatal(err)
	}
	if n, err := count(t.Context(), db, "things"); n != 0 || err != nil {
		t.Errorf("%d rows, %v: what was refused is there", n, err)
	}
	if _, err := insert(t.Context(), db, "a"); err != nil {
		t.Error(err)
	}
}

func TestADiskThatHangsHoldsNobodyUpForLong(t *testing.T) {
	t.Parallel()
	db := openHeldWith(t, sqldb.Options{DatabaseStatementTimeout: 10 * time.Millisecond}) // and two seconds of grace
	_, err := insert(t.Context(), db.DB, "a")
	wantUnavailable(t, err)
	if err == nil || !strings.Contains(err.Error(), "whether it holds is unknown") {
		t.Error(err)
	}
	wantUnavailable(t, db.CheckWrites(t.Context())) // so the log and the metrics tell of it
}

func TestManyMayOpenANewFileAtOnce(t *testing.T) {
	folder := t.TempDir()
	for round := range 50 {
		databaseURL := "sqlite:" + filepath.Join(folder, fmt.Sprint(round), "test.db")
		start := make(chan struct{})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				<-start
				db, err := sqldb.Open(t.Context(), databaseURL)
				if err != nil {
					t.Error(err)
					return
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		close(start)
		wg.Wait()
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

func TestClosingTwiceIsNoError(t *testing.T) {
	db := open(t, sqldbtest.SQLite(t))
	if err := errors.Join(db.Close(), db.Close()); err != nil {
		t.Error(err)
	}
}

// SQLite itself does not wait when it turns a file into a WAL database and another connection is
// about to.
func TestOpeningANewFileWaitsForWhoeverWritesIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	other, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.ExecContext(t.Context(), `CREATE TABLE numbers (n BIGINT)`); err != nil {
		t.Fatal(err)
	}
	writing, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	const patience = 100 * time.Millisecond
	began := time.Now()
	db, err := sqldb.OpenWith(t.Context(), sqldb.Options{DatabaseURL: "sqlite:" + path, DatabaseLockTimeout: patience})
	if err == nil {
		db.Close()
		t.Fatal("opened while another has its lock")
	}
	if waited := time.Since(began); waited < patience {
		t.Fatalf("given up after %s: %v", waited, err)
	}
	if err := writing.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := count(t.Context(), openUnmigrated(t, "sqlite:"+path, sqldb.Options{}), "numbers"); err != nil {
		t.Fatal(err)
	}
}

func TestStatementsInTransactionsAreKeptUpToABound(t *testing.T) {
	db := openWith(t, sqldbtest.SQLite(t), sqldb.Options{})
	kept := func() int {
		n, err := db.KeptStatements(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	write := func(query string) {
		if err := db.Tx(t.Context(), func(ctx context.Context) error {
			_, err := db.Exec(ctx, query)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	write(`UPDATE things SET n = n + 1`)
	before := kept()
	for range 30 { // watched at first, and then not
		write(`UPDATE things SET n = n + 1`)
	}
	if n := kept(); n != before {
		t.Errorf("a statement that runs again takes %d places", n-before+1)
	}
	for i := range sqldb.MaxStatements + 10 {
		write(fmt.Sprintf(`UPDATE things SET n = n + %d`, i))
	}
	if n := kept(); n != sqldb.MaxStatements {
		t.Errorf("%d statements are kept, want %d", n, sqldb.MaxStatements)
	}
}

func TestAStatementRunsWhileItsOwnRowsAreRead(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		for _, id := range []string{"a", "b", "c"} {
			if _, err := insert(t.Context(), db, id); err != nil {
				t.Fatal(err)
			}
		}
		const query = `SELECT id FROM things WHERE id >= $1 ORDER BY id`
		for range 2 {
			var seen []string
			err := db.Tx(t.Context(), func(ctx context.Context) error {
				first, err := sqldb.All(ctx, db, scanText, query, "a")
				if err != nil {
					return err
				}
				seen = first
				if db.Engine() != sqldb.SQLite { // Postgres has one answer at a time on a connection
					return nil
				}
				_, err = sqldb.All(ctx, db, func(rows *sql.Rows) (string, error) {
					inner, err := sqldb.All(ctx, db, scanText, query, "c")
					if err != nil || len(inner) != 1 {
						return "", fmt.Errorf("inner %v: %w", inner, err)
					}
					return scanText(rows)
				}, query, "b")
				return err
			})
			if err != nil || strings.Join(seen, "") != "abc" {
				t.Fatal(seen, err)
			}
			// A changed schema compiles it anew.
			if _, err := db.Exec(t.Context(), `CREATE TABLE IF NOT EXISTS another (id TEXT)`); err != nil {
				t.Fatal(err)
			}
		}
	})
}
