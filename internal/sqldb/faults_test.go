package sqldb_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// openWith opens the database that databaseURL names, with the schema of all tests.
func openWith(t *testing.T, databaseURL string, opts sqldb.Options) *sqldb.DB {
	t.Helper()
	opts.DatabaseURL, opts.Create = databaseURL, true
	db, err := sqldb.OpenWith(t.Context(), opts)
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

func count(ctx context.Context, db *sqldb.DB, table string) (n int, err error) {
	return n, db.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&n)
}

// hold runs f in a transaction of another session until the returned function is called.
func hold(t *testing.T, databaseURL string, f func(ctx context.Context, db *sqldb.DB) error) (release func()) {
	t.Helper()
	other, held, done := open(t, databaseURL), make(chan error), make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := other.Tx(context.WithoutCancel(t.Context()), func(ctx context.Context) error {
			err := f(ctx, other)
			held <- err
			<-done
			return err
		}); err != nil {
			t.Error(err)
		}
	}()
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	release = func() { once.Do(func() { close(done); <-ended }) }
	t.Cleanup(release)
	return release
}

func wantUnavailable(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, sqldb.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
}

func TestAnothersWriteLockStopsNeitherReadersNorReadiness(t *testing.T) {
	databaseURL := sqldbtest.SQLite(t)
	db := openWith(t, databaseURL, sqldb.Options{DatabaseLockTimeout: 20 * time.Millisecond, DatabaseStatementTimeout: time.Minute})
	release := hold(t, databaseURL, func(ctx context.Context, other *sqldb.DB) error { return nil }) // BEGIN IMMEDIATE
	if err := db.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := count(t.Context(), db, "things"); err != nil {
		t.Error(err)
	}
	_, err := insert(t.Context(), db, "a")
	wantUnavailable(t, err)
	wantUnavailable(t, db.Tx(t.Context(), func(context.Context) error { return nil }))
	wantUnavailable(t, db.CheckWrites(t.Context()))
	release()
	if err := db.CheckWrites(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := insert(t.Context(), db, "a"); err != nil {
		t.Error(err)
	}
}

func TestALockedTableIsGivenUpInTime(t *testing.T) {
	databaseURL := sqldbtest.Postgres(t)
	db := openWith(t, databaseURL, sqldb.Options{DatabaseMaxConnections: 2, DatabaseLockTimeout: 20 * time.Millisecond, DatabaseWaitTimeout: time.Minute})
	release := hold(t, databaseURL, func(ctx context.Context, other *sqldb.DB) error {
		_, err := other.Exec(ctx, `LOCK TABLE things`)
		return err
	})
	var wg sync.WaitGroup
	for range 10 { // more than there are connections
		wg.Go(func() {
			_, err := count(t.Context(), db, "things")
			wantUnavailable(t, err)
		})
	}
	wg.Wait()
	if _, err := count(t.Context(), db, "more"); err != nil {
		t.Error(err)
	}
	if err := db.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	release()
	if _, err := count(t.Context(), db, "things"); err != nil {
		t.Error(err)
	}
}

func TestAStatementThatTakesTooLongIsGivenUp(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := openWith(t, databaseURL, sqldb.Options{DatabaseStatementTimeout: 100 * time.Millisecond})
		slow := `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i > 0) SELECT count(*) FROM n`
		var n int64
		wantUnavailable(t, db.QueryRow(t.Context(), slow).Scan(&n))
		if _, err := count(t.Context(), db, "things"); err != nil {
			t.Error(err)
		}
	})
}

func TestWaitingForAConnectionEnds(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := openWith(t, databaseURL, sqldb.Options{DatabaseMaxConnections: 1, DatabaseWaitTimeout: 20 * time.Millisecond})
		if err := db.Tx(t.Context(), func(ctx context.Context) error {
			_, err := insert(t.Context(), db, "b") // not in the transaction
			wantUnavailable(t, err)
			if err := db.Ready(t.Context()); err != nil {
				t.Errorf("requests keep readiness waiting: %v", err)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		if _, err := insert(t.Context(), db, "b"); err != nil {
			t.Error(err)
		}
	})
}

func TestAPanicGivesItsConnectionBack(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := openWith(t, databaseURL, sqldb.Options{DatabaseMaxConnections: 1, DatabaseWaitTimeout: time.Second})
		for range 3 {
			func() {
				defer func() { recover() }()
				_, err := sqldb.All(t.Context(), db, func(*sql.Rows) (int, error) { panic("scan") }, `SELECT 1`)
				t.Error(err)
			}()
			func() {
				defer func() { recover() }()
				t.Error(db.Tx(t.Context(), func(context.Context) error { panic("transaction") }))
			}()
		}
		if _, err := insert(t.Context(), db, "a"); err != nil {
			t.Error(err)
		}
		row := db.QueryRow(t.Context(), `SELECT count(*) FROM things`)
		var n int
		if err := row.Scan(&n); err != nil {
			t.Error(err)
		}
		if err := row.Scan(&n); err == nil {
			t.Error("a row was scanned twice")
		}
		if _, err := count(t.Context(), db, "things"); err != nil {
			t.Error(err)
		}
	})
}

func TestTheWatchTellsOfADatabaseThatTakesNoWrites(t *testing.T) {
	databaseURL := sqldbtest.SQLite(t)
	db := openWith(t, databaseURL, sqldb.Options{DatabaseLockTimeout: 20 * time.Millisecond})
	hold(t, databaseURL, func(context.Context, *sqldb.DB) error { return nil })
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	reader, writer := io.Pipe()
	metrics := prometheus.NewRegistry()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		db.Watch(ctx, slog.New(slog.NewTextHandler(writer, nil)), metrics)
	}()
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil || !strings.Contains(line, "takes no writes") {
		t.Fatal(line, err)
	}
	go io.Copy(io.Discard, reader)
	stop()
	<-ended
	writer.Close()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		got[family.GetName()] = family.GetMetric()[0].GetGauge().GetValue()
	}
	if got["database_ready"] != 1 || got["database_writable"] != 0 {
		t.Error(got)
	}
}

// proxy stands between a test and Postgres, and can fall silent as a network does.
type proxy struct {
	url    string
	silent atomic.Pointer[chan struct{}] // nil, or closed when it speaks again
}

func startProxy(t *testing.T, databaseURL string) *proxy {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	network, address := "tcp", u.Host
	if folder := u.Query().Get("host"); strings.HasPrefix(folder, "/") {
		network, address = "unix", filepath.Join(folder, ".s.PGSQL.5432")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := new(proxy)
	u.Host, u.RawQuery = listener.Addr().String(), "sslmode=disable"
	p.url = u.String()
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		listener.Close()
		p.speak()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial(network, address)
			if err != nil {
				client.Close()
				continue
			}
			stop := context.AfterFunc(ctx, func() { client.Close(); server.Close() })
			for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
				wg.Go(func() {
					p.forward(way[1], way[0])
					stop()
					client.Close()
					server.Close()
				})
			}
		}
	})
	return p
}

func (p *proxy) forward(to io.Writer, from io.Reader) {
	var buffer [4096]byte
	for {
		n, err := from.Read(buffer[:])
		if silence := p.silent.Load(); silence != nil {
			<-*silence
		}
		if err != nil {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) fallSilent() { silence := make(chan struct{}); p.silent.Store(&silence) }

func (p *proxy) speak() {
	if silence := p.silent.Swap(nil); silence != nil {
		close(*silence)
	}
}

func TestASilentPostgresIsGivenUpInTime(t *testing.T) {
	p := startProxy(t, sqldbtest.Postgres(t))
	db := openWith(t, p.url, sqldb.Options{
		DatabaseMaxConnections: 2, DatabaseConnectTimeout: 100 * time.Millisecond,
		DatabaseWaitTimeout: 100 * time.Millisecond, DatabaseStatementTimeout: 100 * time.Millisecond,
	})
	p.fallSilent()
	began := time.Now()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := count(t.Context(), db, "things")
			wantUnavailable(t, err)
			wantUnavailable(t, db.Tx(t.Context(), func(ctx context.Context) error {
				_, err := insert(ctx, db, "a")
				return err
			}))
		})
	}
	wg.Wait()
	wantUnavailable(t, db.Ready(t.Context()))
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("giving up took %s", took)
	}
	p.speak()
	for range 8 {
		if _, err := count(t.Context(), db, "things"); err != nil {
			t.Error(err)
		}
	}
	if err := db.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// terminate ends all other sessions of the database.
func terminate(ctx context.Context, killer *sqldb.DB) error {
	_, err := sqldb.All(ctx, killer, func(rows *sql.Rows) (done bool, err error) { return done, rows.Scan(&done) },
		`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
			AND application_name <> 'killer'`)
	return err
}

// killer opens a database so that terminate spares it.
func killer(t *testing.T, databaseURL string) *sqldb.DB {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("application_name", "killer")
	u.RawQuery = query.Encode()
	return open(t, u.String())
}

func TestConnectionsThatBrokeWhileIdleCostNothing(t *testing.T) {
	databaseURL := sqldbtest.Postgres(t)
	db, kill := openWith(t, databaseURL, sqldb.Options{DatabaseMaxConnections: 10, DatabaseConnectTimeout: time.Minute}), killer(t, databaseURL)
	fill := func() { // every connection of the pool is used
		var wg, all sync.WaitGroup
		all.Add(10)
		for range 10 {
			wg.Go(func() {
				if err := db.Tx(t.Context(), func(ctx context.Context) error {
					_, err := count(ctx, db, "things")
					all.Done()
					all.Wait()
					return err
				}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	for name, request := range map[string]func(ctx context.Context, i int) error{
		"read":  func(ctx context.Context, _ int) error { _, err := count(ctx, db, "things"); return err },
		"write": func(ctx context.Context, i int) error { _, err := insert(ctx, db, "w"+string(rune('a'+i))); return err },
		"transaction": func(ctx context.Context, i int) error {
			return db.Tx(ctx, func(ctx context.Context) error { _, err := insert(ctx, db, "t"+string(rune('a'+i))); return err })
		},
		"readiness": func(ctx context.Context, _ int) error { return db.Ready(ctx) },
	} {
		fill()
		if err := terminate(t.Context(), kill); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				if err := request(t.Context(), i); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		wg.Wait()
	}
	if n, err := count(t.Context(), db, "things"); n != 20 || err != nil {
		t.Errorf("%d rows of 20: %v", n, err)
	}
}

func TestATransactionIsRenewedUntilItHasWritten(t *testing.T) {
	databaseURL := sqldbtest.Postgres(t)
	db, kill := openWith(t, databaseURL, sqldb.Options{}), killer(t, databaseURL)
	if err := db.Tx(t.Context(), func(ctx context.Context) error {
		if _, err := count(ctx, db, "things"); err != nil {
			return err
		}
		if err := terminate(t.Context(), kill); err != nil {
			return err
		}
		_, err := insert(ctx, db, "a")
		return err
	}); err != nil {
		t.Errorf("before the first write: %v", err)
	}
	wantUnavailable(t, db.Tx(t.Context(), func(ctx context.Context) error {
		if _, err := insert(ctx, db, "b"); err != nil {
			return err
		}
		if err := terminate(t.Context(), kill); err != nil {
			t.Fatal(err)
		}
		_, err := insert(ctx, db, "c")
		return err
	}))
	if n, err := count(t.Context(), db, "things"); n != 1 || err != nil {
		t.Errorf("%d rows: %v", n, err)
	}
}

func TestUnderLoadABrokenConnectionIsNeverABareError(t *testing.T) {
	databaseURL := sqldbtest.Postgres(t)
	db, kill := openWith(t, databaseURL, sqldb.Options{}), killer(t, databaseURL)
	ctx, stop := context.WithCancel(t.Context())
	var done, refused atomic.Int64
	note := func(err error) {
		switch {
		case err == nil:
			done.Add(1)
		case errors.Is(err, sqldb.ErrUnavailable):
			refused.Add(1)
		default:
			t.Error(err)
		}
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, err := count(t.Context(), db, "things")
				note(err)
				_, err = insert(t.Context(), db, "a")
				note(err)
				note(db.Tx(t.Context(), func(ctx context.Context) error {
					_, err := db.Exec(ctx, `UPDATE things SET n = n + 1 WHERE id = $1`, "a")
					if err == nil {
						_, err = count(ctx, db, "more")
					}
					return err
				}))
			}
		})
	}
	for range 20 {
		if err := terminate(t.Context(), kill); err != nil {
			t.Error(err)
		}
		for before := done.Load(); done.Load() < before+50; {
			time.Sleep(time.Millisecond)
		}
	}
	stop()
	wg.Wait()
	t.Logf("%d answered, %d refused", done.Load(), refused.Load())
}

func TestWhenPostgresHasNoPlaceRequestsWaitForOne(t *testing.T) {
	databaseURL := sqldbtest.Postgres(t)
	admin := open(t, databaseURL)
	for _, statement := range []string{
		`CREATE ROLE crowded LOGIN CONNECTION LIMIT 3`, `GRANT ALL ON ALL TABLES IN SCHEMA public TO crowded`, `GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO crowded`,
	} {
		if _, err := admin.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, statement := range []string{`DROP OWNED BY crowded`, `DROP ROLE crowded`} {
			if _, err := admin.Exec(context.Background(), statement); err != nil {
				t.Error(err)
			}
		}
	})
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User("crowded")
	db := openWith(t, u.String(), sqldb.Options{DatabaseMaxConnections: 10, DatabaseWaitTimeout: time.Minute})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := db.Tx(t.Context(), func(ctx context.Context) error {
				_, err := count(ctx, db, "things")
				return err
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

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

func TestAClockThatIsOffIsNoticed(t *testing.T) {
	for name, test := range map[string]struct {
		off  time.Duration
		says string
	}{
		"right": {0, ""}, "a day ahead": {24 * time.Hour, "ahead of"}, "a minute behind": {-time.Minute, "behind"},
	} {
		t.Run(name, func(t *testing.T) {
			now := func() time.Time { return time.Now().Add(test.off) }
			db := openWith(t, sqldbtest.Postgres(t), sqldb.Options{Now: now})
			for _, err := range []error{db.Ready(t.Context()), db.CheckClock(t.Context())} {
				if (err != nil) != (test.says != "") || err != nil && !strings.Contains(err.Error(), test.says) {
					t.Errorf("%v, want %q", err, test.says)
				}
			}
			db = openWith(t, sqldbtest.SQLite(t), sqldb.Options{Now: now})
			if err := errors.Join(db.Ready(t.Context()), db.CheckClock(t.Context())); err != nil {
				t.Errorf("SQLite has no clock of its own: %v", err)
			}
		})
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
		if _, err := db.Exec(t.Context(), `INSERT INTO things (id, n, live, raw) VALUES ('big', 1, true, $1) ON CONFLICT (id) DO UPDATE SET raw = excluded.raw`, bytes.Repeat([]byte(rand.Text()[:16]), 512<<10)); err != nil {
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

func TestAWayToPostgresThatIsNotProtectedIsRefused(t *testing.T) {
	for databaseURL, exposed := range map[string]string{
		"postgres://u:p@localhost/d":                                              "",
		"postgres://u:p@127.0.0.1,[::1]/d?sslmode=disable":                        "",
		"postgres:///d?host=/run/postgresql":                                      "",
		"postgres://u:p@db.example/d?sslmode=verify-full":                         "",
		"postgres://u:p@a.example:5432,b.example:5433/d?sslmode=verify-full":      "",
		"postgres://u:p@db.example/d?sslrootcert=system":                          "",
		"postgres://u:p@db.example/d":                                             "db.example",
		"postgres://u:p@db.example/d?sslmode=require":                             "db.example",
		"postgres://u:p@db.example/d?sslmode=verify-ca":                           "db.example",
		"postgres://u:p@db.example/d?sslmode=prefer":                              "db.example",
		"postgres://u:p@db.example/d?sslmode=disable":                             "db.example",
		"postgres://u:p@localhost,db.example/d?sslmode=disable":                   "db.example",
		"postgres://u:p@localhost/d?host=db.example&sslmode=disable":              "db.example",
		"postgres://u:p@a.example,b.example/d?sslmode=require":                    "a.example b.example",
		"postgres://u:p@localhost.example/d?sslmode=disable":                      "localhost.example",
		"postgres://u:p@10.0.0.1/d?sslmode=verify-full&sslmode=disable":           "10.0.0.1",
		"postgres://u:p@[2001:db8::1]:5432/d?sslmode=allow&application_name=127.": "2001:db8::1",
	} {
		got, err := sqldb.ExposedHosts(databaseURL)
		if err != nil || strings.Join(got, " ") != exposed {
			t.Errorf("%s: %q %v, want %q", databaseURL, got, err, exposed)
		}
	}
	t.Run("by the environment", func(t *testing.T) {
		t.Setenv("PGHOST", "db.example")
		t.Setenv("PGSSLMODE", "disable")
		db, err := sqldb.OpenWith(t.Context(), sqldb.Options{DatabaseURL: "postgres://u:secret@/d"})
		if err == nil {
			db.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "db.example") || !strings.Contains(err.Error(), "--insecure-database-transport") || strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
	})
}
