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
	databaseURL := sqldbtest.Postgres(t)
	p := start(t, jwkstest.NewIssuer(t), databaseURL)
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
			token := p.person(fmt.Sprintf("person-%d", i), "user:read user:write")
			for n := 0; !stop.Load(); n++ {
				r := p.call("GET", "/v1/me", token, "")
				if n%3 == 0 {
					r = p.call("PATCH", "/v1/me", token, fmt.Sprintf(`{"bio": "%d"}`, n), "If-Match", "*")
				}
				switch {
				case r.status == http.StatusOK:
					answered.Add(1)
				case r.status == http.StatusServiceUnavailable && r.header.Get("Retry-After") != "" && r.header.Get("Content-Type") == "application/problem+json":
					refused.Add(1)
				default:
					t.Errorf("%v", r)
				}
			}
		})
	}
	for range 15 {
		for before := answered.Load(); answered.Load() < before+40 && !t.Failed(); {
			if r := p.call("GET", "/livez", "", ""); r.status != http.StatusOK {
				t.Error(r)
			}
		}
		if _, err := killer.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
			t.Error(err)
		}
	}
	stop.Store(true)
	wg.Wait()
	t.Logf("%d answered, %d refused", answered.Load(), refused.Load())
}

func TestALockedTableIsAnsweredWithATimeToComeBack(t *testing.T) {
	databaseURL := sqldbtest.Postgres(t)
	p := start(t, jwkstest.NewIssuer(t), databaseURL, "--database-lock-timeout=50ms")
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
	token := p.person("a", "user:read")
	if r := p.call("GET", "/v1/me", token, ""); r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
		t.Errorf("%v %v", r, r.header)
	}
	for _, path := range []string{"/readyz", "/openapi.json"} {
		if r := p.call("GET", path, "", ""); r.status != http.StatusOK {
			t.Errorf("%s: %v", path, r)
		}
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if r := p.call("GET", "/v1/me", token, ""); r.status != http.StatusOK {
		t.Error(r)
	}
}

func TestAFileThatIsRemovedIsNotServedOn(t *testing.T) {
	databaseURL := sqldbtest.SQLite(t)
	p := start(t, jwkstest.NewIssuer(t), databaseURL)
	if r := p.call("GET", "/readyz", "", ""); r.status != http.StatusOK {
		t.Fatal(r)
	}
	if err := os.Remove(strings.TrimPrefix(databaseURL, "sqlite:")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/readyz", "/v1/me"} {
		if r := p.call("GET", path, p.person("a", "user:read"), ""); r.status != http.StatusServiceUnavailable {
			t.Errorf("%s: %v", path, r)
		}
	}
}
