package authors_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
	"github.com/maru-auth/maru/resources/board/internal/authors"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a user service and the issuer of the board's token.
type service struct {
	t      *testing.T
	issuer *jwkstest.Issuer
	server *httptest.Server

	requests atomic.Int64 // for names
	tokens   atomic.Int64 // issued
	clock    atomic.Int64 // seconds added to the time

	mu     sync.Mutex
	names  map[string]string
	answer http.HandlerFunc // instead of names; nil: names
}

func newService(t *testing.T) *service {
	s := &service{t: t, issuer: jwkstest.NewIssuer(t), names: map[string]string{"u1": "안나", "u2": "Bob", "u3": ""}}
	s.issuer.Handle("POST /oauth2/token", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		if id != "board" || secret != "s3cret" || r.FormValue("grant_type") != "client_credentials" ||
			r.FormValue("scope") != "user:lookup" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":600}`, s.tokens.Add(1))
	}))
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		s.mu.Lock()
		answer := s.answer
		s.mu.Unlock()
		if answer == nil {
			answer = s.list
		}
		answer(w, r)
	}))
	t.Cleanup(s.server.Close)
	return s
}

func (s *service) list(w http.ResponseWriter, r *http.Request) {
	ids := strings.Split(r.URL.Query().Get("ids"), ",")
	if r.URL.Path != "/user/v1/users" || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer token-") || len(ids) > 100 {
		s.t.Errorf("unexpected request %s with %d ids", r.URL.Path, len(ids))
	}
	type profile struct {
		ID          string `json:"id"`
		DisplayName string `json:"display_name"`
	}
	items := []profile{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if name, ok := s.names[id]; ok {
			items = append(items, profile{id, name})
		}
	}
	json.NewEncoder(w).Encode(map[string]any{"items": items})
}

func (s *service) set(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *service) rename(id, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[id] = name
}

func (s *service) now() time.Time {
	return time.Now().Add(time.Duration(s.clock.Load()) * time.Second)
}

func (s *service) config(st *store.Store) authors.Config {
	return authors.Config{
		UserAPI: s.server.URL + "/user/", Issuer: s.issuer.URL(), ClientID: "board", ClientSecret: "s3cret",
		Store: st, Now: s.now, Log: slog.New(slog.DiscardHandler),
	}
}

func newStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), sqldbtest.SQLite(t), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// run starts the look-up and stops it with the test.
func run(t *testing.T, cfg authors.Config) *authors.Names {
	t.Helper()
	n, err := authors.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); n.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return n
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("never came true: %s", what) // not Fatal: other goroutines call this too
			return
		}
	}
}

// learn reads until the names of ids are there: a busy machine may be late for the second that a
// reader waits.
func learn(t *testing.T, n *authors.Names, ids ...string) {
	t.Helper()
	eventually(t, "the names", func() bool { return len(n.Of(t.Context(), ids)) == len(ids) })
}

func TestNamesComeInBulkAndAreRemembered(t *testing.T) {
	s := newService(t)
	n := run(t, s.config(newStore(t)))
	learn(t, n, "u1", "u2")
	for range 3 {
		got := n.Of(t.Context(), []string{"u1", "u2", "u3", "nobody", "", "a,b", "u\x001"})
		if len(got) != 2 || got["u1"] != "안나" || got["u2"] != "Bob" {
			t.Errorf("got %v", got)
		}
	}
	// One for the two names, one for those whom nobody knows.
	if requests, tokens := s.requests.Load(), s.tokens.Load(); requests > 2 || tokens != 1 {
		t.Errorf("%d requests and %d tokens", requests, tokens)
	}
}

func TestOneAuthorWhomTheServiceRefusesKeepsNobodyElsesNameAway(t *testing.T) {
	for _, status := range []int{
		http.StatusBadRequest, http.StatusRequestURITooLong, http.StatusUnprocessableEntity,
		http.StatusRequestHeaderFieldsTooLarge,
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			s := newService(t)
			s.set(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Query().Get("ids"), "poison") {
					w.WriteHeader(status)
					return
				}
				s.list(w, r)
			})
			n := run(t, s.config(newStore(t)))
			ids := []string{"poison"}
			for i := range 60 {
				ids = append(ids, fmt.Sprint("user-", i))
				s.rename(ids[i+1], fmt.Sprint("name-", i))
			}
			eventually(t, "the names of the others", func() bool { return len(n.Of(t.Context(), ids)) == 60 })
			s.rename("late", "Comer")
			learn(t, n, "late") // whatever was asked for meanwhile has been answered: one fetch comes after the other
			before := s.requests.Load()
			n.Of(t.Context(), ids)
			if asked := s.requests.Load() - before; asked != 0 {
				t.Errorf("the refused question was asked again %d times at once", asked)
			}
		})
	}
}

func TestManyReadersCauseFewRequests(t *testing.T) {
	s := newService(t)
	n := run(t, s.config(newStore(t)))
	var ids []string
	for i := range 250 {
		ids = append(ids, fmt.Sprint("user-", i))
		s.rename(ids[i], fmt.Sprint("name-", i))
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			learn(t, n, ids...)
		})
	}
	wg.Wait()
	// Three batches; a reader that looked just before an answer may have asked for its batch again.
	if requests := s.requests.Load(); requests > 12 {
		t.Errorf("%d requests for 250 names", requests)
	}
}

func TestAnOldNameIsUsedAndRenewedBehindTheReader(t *testing.T) {
	s := newService(t)
	n := run(t, s.config(newStore(t)))
	learn(t, n, "u1")
	n.Of(t.Context(), []string{"late"})
	s.rename("u1", "Anna")
	s.rename("late", "Comer")
	s.clock.Add(6 * 60)
	if got := n.Of(t.Context(), []string{"u1"}); got["u1"] != "안나" {
		t.Errorf("got %v, want the old name at once", got)
	}
	eventually(t, "the new name", func() bool { return n.Of(t.Context(), []string{"u1"})["u1"] == "Anna" })
	eventually(t, "the name of one who was unknown", func() bool { return n.Of(t.Context(), []string{"late"})["late"] == "Comer" })
}

func TestNamesOutliveTheUserServiceAndARestart(t *testing.T) {
	s := newService(t)
	st := newStore(t)
	first := run(t, s.config(st))
	learn(t, first, "u1")
	s.rename("u9", "Nine")
	learn(t, first, "u9") // the answer about u1 has been kept: one fetch comes after the other
	s.server.Close()
	s.issuer.SetDown(true)
	s.clock.Add(30 * 24 * 3600)
	if got := first.Of(t.Context(), []string{"u1"}); got["u1"] != "안나" {
		t.Errorf("after the service went down: %v", got)
	}
	restarted := run(t, s.config(st))
	if got := restarted.Of(t.Context(), []string{"u1"}); got["u1"] != "안나" {
		t.Errorf("after a restart: %v", got)
	}
	unconfigured := s.config(st)
	unconfigured.UserAPI = ""
	if got := run(t, unconfigured).Of(t.Context(), []string{"u1", "u2"}); got["u1"] != "안나" || len(got) != 1 {
		t.Errorf("without a user service: %v", got)
	}
}

// The board hears of a new name before the user service does, asks, gets the old one, and restarts.
func TestANameThatMayBeOutdatedIsAskedForAgainAfterARestart(t *testing.T) {
	s := newService(t)
	s.rename("u8", "Eight")
	s.rename("u9", "Nine")
	st := newStore(t)
	first := run(t, s.config(st))
	learn(t, first, "u1")
	if err := first.Outdate(t.Context(), store.Receipt{ID: "event", Until: s.now().Add(time.Hour)}, "u1"); err != nil {
		t.Fatal(err)
	}
	learn(t, first, "u8")
	learn(t, first, "u9") // the answer about u1 has been kept: one fetch comes after the other
	s.rename("u1", "Anna")
	restarted := run(t, s.config(st))
	eventually(t, "the new name", func() bool { return restarted.Of(t.Context(), []string{"u1"})["u1"] == "Anna" })
}

func TestATroubledUserServiceNeverSlowsReaders(t *testing.T) {
	release := make(chan struct{})
	for name, answer := range map[string]http.HandlerFunc{
		"refuses connections": nil,
		"hangs": func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		},
		"says 500":              func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) },
		"says 401":              func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(401) },
		"says 200 and nothing":  func(w http.ResponseWriter, r *http.Request) {},
		"says 200 and HTML":     func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>") },
		"says 200 and an error": func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"error":"no"}`) },
		"says 200 and null":     func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"items":null}`) },
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		},
		"never ends": func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := w.Write([]byte(strings.Repeat(" ", 1<<16))); err != nil {
					return
				}
			}
		},
		"cuts off": func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			st := newStore(t)
			if err := st.SaveNames(t.Context(), []store.Name{{ID: "u1", Name: "안나", FetchedAt: time.Now()}}); err != nil {
				t.Fatal(err)
			}
			if answer == nil {
				s.server.Close()
			}
			s.set(answer)
			n := run(t, s.config(st))
			start := time.Now()
			for i := range 20 {
				if got := n.Of(t.Context(), []string{"u1", fmt.Sprint("unknown-", i)}); got["u1"] != "안나" || len(got) != 1 {
					t.Errorf("got %v", got)
				}
			}
			// One reader may wait for a second; the others must not.
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("20 readers took %v", took)
			}
		})
	}
	close(release)
}

func TestTheServiceIsFoundAgain(t *testing.T) {
	s := newService(t)
	var refused atomic.Bool
	s.set(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		refused.Store(true)
	})
	n := run(t, s.config(newStore(t)))
	if got := n.Of(t.Context(), []string{"u1"}); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	eventually(t, "the refusal", refused.Load) // which may take longer than a reader waits
	s.set(nil)
	eventually(t, "the name", func() bool { return n.Of(t.Context(), []string{"u1"})["u1"] == "안나" })
	if tokens := s.tokens.Load(); tokens < 2 {
		t.Error("the refused token was used again")
	}
}

func TestAnAnswerIsBelievedOnlyAboutWhatWasAskedAndCleaned(t *testing.T) {
	s := newService(t)
	s.set(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"items": []map[string]string{
			{"id": "u1", "display_name": " a\x00\r\nb\u0007 "},
			{"id": "u2", "display_name": strings.Repeat("가", 5000)},
			{"id": "victim", "display_name": "liar"},
		}})
	})
	n := run(t, s.config(newStore(t)))
	learn(t, n, "u1", "u2")
	got := n.Of(t.Context(), []string{"u1", "u2"})
	if got["u1"] != "ab" || got["u2"] != strings.Repeat("가", 100) {
		t.Errorf("got %q", got)
	}
	s.set(nil)
	for range 3 {
		if got := n.Of(t.Context(), []string{"victim"}); len(got) != 0 {
			t.Errorf("got %q", got)
		}
	}
}

func TestTheLogNamesNobodyWhileTheUserServiceIsAway(t *testing.T) {
	s := newService(t)
	log := make(lines, 100)
	cfg := s.config(newStore(t))
	cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	s.server.Close()
	run(t, cfg).Of(t.Context(), []string{"id-of-a-person"})
	if line := <-log; !strings.Contains(line, "cannot get the names") || strings.Contains(line, "id-of-a-person") {
		t.Error(line)
	}
}

// lines are what is written to it.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

func TestTheSecretGoesToTheIssuerOnly(t *testing.T) {
	for name, document := range map[string]string{
		"another issuer":      `{"issuer":"https://evil.example","token_endpoint":"%s/oauth2/token"}`,
		"no endpoint":         `{"issuer":"%s"}`,
		"an endpoint of none": `{"issuer":"%s","token_endpoint":"javascript:alert(1)"}`,
		"rubbish":             `]%s`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			var asked atomic.Int64
			issuer := httptest.NewUnstartedServer(nil)
			issuer.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/.well-known/openid-configuration" {
					t.Errorf("request to %s", r.URL.Path)
				}
				asked.Add(1)
				fmt.Fprintf(w, document, "http://"+r.Host)
			})
			issuer.Start()
			defer issuer.Close()
			cfg := s.config(newStore(t))
			cfg.Issuer = issuer.URL
			if got := run(t, cfg).Of(t.Context(), []string{"u1"}); len(got) != 0 {
				t.Errorf("got %v", got)
			}
			eventually(t, "a question", func() bool { return asked.Load() > 0 }) // it may take longer than a reader waits
		})
	}
}

func TestAWrongSettingIsNamed(t *testing.T) {
	for setting, cfg := range map[string]authors.Config{
		"--client-id": {UserAPI: "http://x"},
		"--user-api":  {UserAPI: "user.example/user", ClientID: "board", ClientSecret: "s"},
	} {
		if _, err := authors.New(cfg); err == nil || !strings.Contains(err.Error(), setting) {
			t.Errorf("%s: %v", setting, err)
		}
	}
}
