package api

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
	"github.com/maru-auth/maru/resources/user/internal/store"
)

const audience = "https://api.example/user"

// fixture is the interface without a server of its own.
type fixture struct {
	handler http.Handler
	issuer  *jwkstest.Issuer
	store   *store.Store
	metrics *prometheus.Registry
	log     *bytes.Buffer
	now     *atomic.Int64 // seconds since the epoch, by userinfo's clock
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	f := fixture{issuer: jwkstest.NewIssuer(t), metrics: prometheus.NewRegistry(), log: new(bytes.Buffer), now: new(atomic.Int64)}
	var err error
	if f.store, err = store.Open(t.Context(), sqldbtest.SQLite(t), time.Now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.store.Close() })
	f.handler, err = New(Config{Store: f.store, Now: func() time.Time { return time.Unix(f.now.Load(), 0) }, Config: rest.Config{
		Issuer: f.issuer.URL(), Audience: audience, Verifier: f.issuer.Verifier(t, audience), Keys: f.issuer.KeySet(), Metrics: f.metrics,
		Log: slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f fixture) get(path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w
}

func TestRefusedTokensAreCounted(t *testing.T) {
	f := newFixture(t)
	f.get("/v1/me", "")
	families, err := f.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, family := range families {
		names[family.GetName()] = true
	}
	for _, want := range []string{"events_received_total", "status_list_age_seconds", "tokens_refused_total"} {
		if !names[want] {
			t.Errorf("there is no metric %s: %v", want, names)
		}
	}
}

func TestAFailingDatabaseIsAGeneric500AndAFullLineInTheLog(t *testing.T) {
	f := newFixture(t)
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	w := f.get("/v1/me", f.issuer.AccessToken(t, jwkstest.Token{Subject: "person-7", Audience: audience, Scope: "user:read"}))
	if w.Code != http.StatusInternalServerError || w.Header().Get("Content-Type") != "application/problem+json" ||
		strings.Contains(w.Body.String(), "closed") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if log := f.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "closed") ||
		strings.Contains(log, "person-7") {
		t.Errorf("the log: %s", log)
	}
}

func TestAnAnswerIsNotMuchLongerThanTheRequestThatIsWrong(t *testing.T) {
	f := newFixture(t)
	token := f.issuer.AccessToken(t, jwkstest.Token{Subject: "a", Audience: audience, Scope: "user:write"})
	for name, body := range map[string]string{
		"30,000 tags that are none":     `{"tags":[` + strings.Repeat("0,", 30_000) + `0]}`,
		"12,000 null tags":              `{"tags":[` + strings.Repeat("null,", 12_000) + `"a"]}`,
		"15,000 tags that are the same": `{"tags":[` + strings.Repeat(`"a",`, 15_000) + `"a"]}`,
	} {
		r := httptest.NewRequest(http.MethodPut, "/v1/me/interests", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("If-Match", "*")
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, r)
		if w.Code != http.StatusUnprocessableEntity || w.Body.Len() > 4<<10 {
			t.Errorf("%s: %d, %d bytes", name, w.Code, w.Body.Len())
		}
	}
}

func FuzzPatchBody(f *testing.F) {
	f.Add([]byte(`{"display_name": "A", "bio": null}`))
	f.Add([]byte(`{"bio": "\ud800", "website": "https://a.example"}`))
	f.Add([]byte(`[[[[`))
	issuer := jwkstest.NewIssuer(f)
	people, err := store.Open(f.Context(), sqldbtest.SQLite(f), time.Now)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { people.Close() })
	handler, err := New(Config{Store: people, Config: rest.Config{
		Issuer: issuer.URL(), Audience: audience, Verifier: issuer.Verifier(f, audience), Keys: issuer.KeySet(), Log: slog.New(slog.DiscardHandler),
	}})
	if err != nil {
		f.Fatal(err)
	}
	token := issuer.AccessToken(f, jwkstest.Token{Audience: audience, Scope: "user:write", Lifetime: 24 * time.Hour})
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPatch, "/v1/me", bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("If-Match", "*")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		default:
			t.Fatalf("%q: %d %s", body, w.Code, w.Body)
		}
	})
}
