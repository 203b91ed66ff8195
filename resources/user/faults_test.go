package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestConnectionsThatPostgresEndsAreNeverABareError(t *testing.T) {
	t.Parallel()
	databaseURL := sqldbtest.Postgres(t)
	p := user.Start(t, jwkstest.NewIssuer(t), databaseURL)
	killer, err := sql.Open("pgx", databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer killer.Close()
	var stop atomic.Bool
	var answered, refused atomic.Int64
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			token := p.Person(fmt.Sprintf("person-%d", i), "user:read user:write")
			for n := 0; !stop.Load(); n++ {
				r := p.Call("GET", "/v1/me", token, "")
				if n%3 == 0 {
					r = p.Call("PATCH", "/v1/me", token, fmt.Sprintf(`{"bio": "%d"}`, n), "If-Match", "*")
				}
				switch {
				case r.Status == http.StatusOK:
					answered.Add(1)
				case r.Status == http.StatusServiceUnavailable && r.Header.Get("Retry-After") != "":
					r.Want(http.StatusServiceUnavailable)
					refused.Add(1)
				default:
					t.Errorf("%v", r)
				}
			}
		})
	}
	for range 15 {
		for before := answered.Load(); answered.Load() < before+40 && !t.Failed(); {
			if r := p.Call("GET", "/livez", "", ""); r.Status != http.StatusOK {
				t.Error(r)
			}
		}
		if _, err := killer.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
			t.Error(err)
		}
	}
	stop.Store(true)
	wg.Wait()
	t.Logf("%d answered, %d refused", answered.Load(), refused.Load())
}

func TestALockedTableIsAnsweredWithATimeToComeBack(t *testing.T) {
	t.Parallel()
	databaseURL := sqldbtest.Postgres(t)
	p := user.Start(t, jwkstest.NewIssuer(t), databaseURL, "--database-lock-timeout=50ms")
	other, err := sql.Open("pgx", databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(t.Context(), `LOCK TABLE people`); err != nil {
		t.Fatal(err)
	}
	token := p.Person("a", "user:read")
	if r := p.Call("GET", "/v1/me", token, ""); r.Status != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
		t.Errorf("%v %v", r, r.Header)
	}
	for _, path := range []string{"/readyz", "/openapi.json"} {
		if r := p.Call("GET", path, "", ""); r.Status != http.StatusOK {
			t.Errorf("%s: %v", path, r)
		}
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if r := p.Call("GET", "/v1/me", token, ""); r.Status != http.StatusOK {
		t.Error(r)
	}
}

func TestAFileThatIsRemovedIsNotServedOn(t *testing.T) {
	t.Parallel()
	databaseURL := sqldbtest.SQLite(t)
	p := user.Start(t, jwkstest.NewIssuer(t), databaseURL)
	if r := p.Call("GET", "/readyz", "", ""); r.Status != http.StatusOK {
		t.Fatal(r)
	}
	if err := os.Remove(strings.TrimPrefix(databaseURL, "sqlite:")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/readyz", "/v1/me"} {
		if r := p.Call("GET", path, p.Person("a", "user:read"), ""); r.Status != http.StatusServiceUnavailable {
			t.Errorf("%s: %v", path, r)
		}
	}
}
