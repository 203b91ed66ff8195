package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net"
	"net/url"
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
		DatabaseMaxConnections: 2, DatabaseConnectTimeout: time.Second,
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
		answersAgain(t, db)
	}
	testenv.Eventually(t, "the database is ready", func() bool { return db.Ready(t.Context()) == nil })
}

// answersAgain waits until the database answers. Within limits so short, a busy machine may take it for
// one that does not.
func answersAgain(t *testing.T, db *sqldb.DB) {
	t.Helper()
	testenv.Eventually(t, "the database answers", func() bool {
		_, err := count(t.Context(), db, "things")
		if err != nil {
			wantUnavailable(t, err)
		}
		return err == nil
	})
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
	db := openWith(t, databaseURL, sqldb.Options{DatabaseMaxConnections: 10, DatabaseConnectTimeout: time.Minute})
	kill := killer(t, databaseURL)
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
		`CREATE ROLE crowded LOGIN CONNECTION LIMIT 3`, `GRANT ALL ON ALL TABLES IN SCHEMA public TO crowded`,
		`GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO crowded`,
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
