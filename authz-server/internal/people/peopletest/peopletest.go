// Package peopletest gives tests the pages for people on a server of their own, and browsers to use
// them with.
package peopletest

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/factors"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys/keystest"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/people"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv/clock"
	"github.com/maru-auth/maru/internal/testenv/site"
)

// Password is that of every [Site.Person].
const Password = "four unrelated wooden words"

// Site is the pages on a server of their own, with a clock that the test moves. It has one client:
// "app", called Bookshop.
type Site struct {
	t      testing.TB
	Clock  *clock.Clock
	Store  *store.Store
	People *people.People
	Server *httptest.Server
	Router *mux.Router
	Mail   *Inbox // nil: the site sends no mail

	DatabaseURL string // of Store
}

// New makes a site on SQLite.
func New(t testing.TB) *Site { return With(t) }

// With makes a site on SQLite whose settings change changes.
func With(t testing.TB, change ...func(*people.Config)) *Site {
	router := mux.NewRouter()
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	return newSite(t, sqldbtest.SQLite(t), server, router, change...)
}

// NewNamed makes a site on SQLite whose issuer is http://localhost, so that there can be passkeys.
func NewNamed(t testing.TB, change ...func(*people.Config)) *Site { return named(t, change...) }

// NewNamedWithMail is NewNamed with an inbox for what the site sends.
func NewNamedWithMail(t testing.TB) *Site { return named(t, sendsMail) }

func named(t testing.TB, change ...func(*people.Config)) *Site {
	router := mux.NewRouter()
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	server.URL = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	return newSite(t, sqldbtest.SQLite(t), server, router, change...)
}

// NewTLS makes a site on SQLite that is served by https.
func NewTLS(t testing.TB) *Site {
	router := mux.NewRouter()
	return newSite(t, sqldbtest.SQLite(t), site.New(t, router).Server, router)
}

// NewWithMail is [With] an inbox for what the site sends.
func NewWithMail(t testing.TB, change ...func(*people.Config)) *Site {
	return With(t, append(change, sendsMail)...)
}

// EachWithMail is [Each] with an inbox for what the site sends.
func EachWithMail(t *testing.T, test func(t *testing.T, s *Site), change ...func(*people.Config)) {
	Each(t, test, append(change, sendsMail)...)
}

func sendsMail(cfg *people.Config) { cfg.Mail = new(Inbox) }

// Each runs test on each database engine. Each of change changes the site's settings.
func Each(t *testing.T, test func(t *testing.T, s *Site), change ...func(*people.Config)) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		router := mux.NewRouter()
		server := httptest.NewServer(router)
		t.Cleanup(server.Close)
		test(t, newSite(t, databaseURL, server, router, change...))
	})
}

func newSite(t testing.TB, databaseURL string, server *httptest.Server, router *mux.Router, change ...func(*people.Config)) *Site {
	t.Helper()
	s := &Site{t: t, Clock: clock.At(time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)), Server: server, Router: router,
		DatabaseURL: databaseURL}
	var err error
	if s.Store, err = store.Open(t.Context(), databaseURL, s.Clock.Now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.People != nil {
			s.People.Login.Later.Wait()
		}
		if err := s.Store.Close(); err != nil {
			t.Error(err)
		}
	})
	at, err := issuer.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	p, err := pages.New(pages.Config{Issuer: at, Now: s.Clock.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	outgoing, err := fetch.New(fetch.Config{InsecureLoopback: true, Now: s.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	cfg := people.Config{Fetch: outgoing, KEK: keystest.KEK(t), Store: s.Store, Pages: p, Issuer: server.URL, Now: s.Clock.Now, Log: log,
		SecondStepKey: make([]byte, factors.KeySize)}
	for _, one := range change {
		one(&cfg)
	}
	s.Mail, _ = cfg.Mail.(*Inbox)
	if s.People, err = people.New(cfg); err != nil {
		t.Fatal(err)
	}
	p.Routes(router)
	s.People.Routes(router)
	router.HandleFunc("/begin", s.begin)
	app := client.Client{ID: "app", Name: "Bookshop", PolicyURI: "https://app.example/policy", LogoURI: "https://cdn.app.example/logo.png"}
	if err := s.Store.Clients.CreateClient(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	return s
}

// begin stands for the endpoint that sends people here.
func (s *Site) begin(w http.ResponseWriter, r *http.Request) {
	form := r.URL.Query()
	in := requests.Interaction{ClientID: form.Get("client_id"), Form: form, ACR: strings.Fields(form.Get("acr_values")),
		EssentialACR: form.Has("essential")}
	if form.Get("prompt") == "login" || form.Has("max_age") {
		seconds, _ := strconv.Atoi(form.Get("max_age"))
		in.Fresh, in.MaxAge = true, time.Duration(seconds)*time.Second
	}
	handle, err := s.People.Begin(w, r, in)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	io.WriteString(w, handle) //nolint:errcheck // the test will see
}

// Authorize serves the endpoint that decides what is still missing.
func (s *Site) Authorize(handler http.HandlerFunc) { s.Router.HandleFunc("/oauth2/authorize", handler) }

// Person makes an account of somebody called Mina.
func (s *Site) Person(email string) accounts.User {
	s.t.Helper()
	user, err := s.Store.Users.CreateUser(s.t.Context(), accounts.User{Email: email, Name: "Mina", PasswordHash: hashed()})
	if err != nil {
		s.t.Fatal(err)
	}
	return user
}

// hashed is the hash of Password; the same one does for all accounts.
var hashed = sync.OnceValue(func() string { return passwords.Hash(Password) })

// Occupy lets nothing be done or wait in a queue until leave is called.
func Occupy(q **throttle.Queue) (leave func()) {
	usual := *q
	*q = throttle.NewQueue(0)
	return func() { *q = usual }
}

// OccupyTurns takes all turns of the sender with this address until leave is called.
func (s *Site) OccupyTurns(address string) (leave func()) {
	s.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = address + ":1"
	var leaves []func()
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		one, err := s.People.Turn(r)
		if err != nil {
			s.t.Fatal(err)
		}
		leaves = append(leaves, one)
	}
	return func() {
		for _, one := range leaves {
			one()
		}
	}
}
