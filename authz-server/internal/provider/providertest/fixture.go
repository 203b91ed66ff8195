// Package providertest is the world of the black-box tests of the protocol: an authorization server
// with a client and a person, and what plays the parts around it: browsers, clients that sign,
// devices, and apps that register themselves. Tests of every room of the protocol share it.
package providertest

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/factors"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/keys/keystest"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/people"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/queue"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv/clock"
)

// What the client "app" and its requests are made of.
const (
	APIOrigin = "https://api.example"
	Callback  = "https://app.example/cb?tenant=1"
	Secret    = "a-secret-of-the-test-app-that-is-long-enough"
	Verifier  = "a-verifier-with-more-than-enough-random-characters-in-it"
)

// Fixture is an authorization server with the client "app" and one person. Each has a database and
// a clock of its own, so tests that make one can run in parallel.
type Fixture struct {
	T        testing.TB
	Clock    *clock.Clock // stands still until a test moves it
	Issuer   string
	Store    *store.Store
	Ring     *keys.Ring
	User     accounts.User
	Server   *httptest.Server
	Provider *provider.Provider
	Queue    *queue.Worker // delivers what leaves the server, when a test says so
}

// Each runs test on both database engines.
func Each(t *testing.T, test func(t *testing.T, f *Fixture)) {
	t.Helper()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) { test(t, New(t, databaseURL)) })
}

// One returns a fixture on SQLite, for what does not depend on the database.
func One(t testing.TB) *Fixture {
	t.Helper()
	return New(t, sqldbtest.SQLite(t))
}

// New returns a fixture on a database.
func New(t testing.TB, databaseURL string) *Fixture {
	t.Helper()
	return NewWith(t, databaseURL, func(*provider.Config) {})
}

// NewWith returns a fixture with settings changed.
func NewWith(t testing.TB, databaseURL string, change func(*provider.Config)) *Fixture {
	t.Helper()
	return newFixture(t, databaseURL, change, func(*people.Config) {})
}

// WithPeople returns a fixture with settings of the pages for people changed.
func WithPeople(t testing.TB, databaseURL string, change func(*people.Config)) *Fixture {
	t.Helper()
	return newFixture(t, databaseURL, func(*provider.Config) {}, change)
}

func newFixture(t testing.TB, databaseURL string, change func(*provider.Config), ofPeople func(*people.Config)) *Fixture {
	t.Helper()
	f := &Fixture{T: t, Clock: clock.At(time.Now()), Server: httptest.NewUnstartedServer(nil)}
	f.Issuer = "http://" + f.Server.Listener.Addr().String()
	f.openStore(databaseURL)
	config := f.config()
	change(&config)
	f.serve(config, ofPeople)

	f.AddClient("app", nil)
	var err error
	f.User, err = f.Store.Users.CreateUser(t.Context(), accounts.User{
		Email: "minji@example.com", Name: "김민지", PasswordHash: "x", Roles: []roles.Role{roles.Moderator},
	})
	f.must(err)
	return f
}

func (f *Fixture) must(err error) {
	f.T.Helper()
	if err != nil {
		f.T.Fatal(err)
	}
}

// openStore opens the database, and the ring of keys in it.
func (f *Fixture) openStore(databaseURL string) {
	f.T.Helper()
	var err error
	f.Store, err = store.Open(f.T.Context(), databaseURL, f.Clock.Now)
	f.must(err)
	f.T.Cleanup(func() {
		if err := f.Store.Close(); err != nil {
			f.T.Error(err)
		}
	})
	keystest.Fill(f.T, f.Store.Keys, f.Clock.Now())
	f.Ring, err = keys.Open(f.T.Context(), keys.Config{
		Store: f.Store.Keys, KEK: keystest.KEK(f.T), Now: f.Clock.Now, Log: slog.New(slog.DiscardHandler),
		TokenLifetime: 10 * time.Minute, RefreshLifetime: 90 * 24 * time.Hour,
	})
	f.must(err)
}

// config is that of a server with every scope, which may fetch from this machine.
func (f *Fixture) config() provider.Config {
	f.T.Helper()
	log := slog.New(slog.DiscardHandler)
	rendered, err := pages.New(pages.Config{Now: f.Clock.Now, Log: log})
	f.must(err)
	outgoing, err := fetch.New(fetch.Config{InsecureLoopback: true, Now: f.Clock.Now})
	f.must(err)
	known, err := directory.New(directory.Config{
		Store: f.Store, Fetch: outgoing, Policy: client.Policy{Scopes: everyScope(), InsecureLoopback: true}, Now: f.Clock.Now, Log: log,
	})
	f.must(err)
	worker, err := queue.New(queue.Config{Outbox: f.Store.Outbox, Log: log, Now: f.Clock.Now})
	f.must(err)
	return provider.Config{
		Issuer: f.Issuer, Resources: append(client.Builtin(APIOrigin), client.Administration(f.Issuer+"/admin")), Store: f.Store, Clients: known, Fetch: outgoing, Queue: worker,
		PairwiseSalt: make([]byte, 32), StatusSecret: make([]byte, 32), Keys: f.Ring, Pages: rendered, Log: log, Now: f.Clock.Now,
	}
}

// serve starts the server, with the pages of the log-in.
func (f *Fixture) serve(config provider.Config, change func(*people.Config)) {
	f.T.Helper()
	ofPeople := people.Config{
		Issuer: f.Issuer, Store: f.Store, Pages: config.Pages, Log: config.Log, Now: f.Clock.Now,
		SecondStepKey:               make([]byte, factors.KeySize),
		InsecureLegacyResponseTypes: config.InsecureLegacyResponseTypes,
	}
	change(&ofPeople)
	var err error
	config.People, err = people.New(ofPeople)
	f.must(err)
	f.T.Cleanup(config.People.Login.Later.Wait)
	f.Queue = config.Queue
	f.Provider, err = provider.New(config)
	f.must(err)
	router := mux.NewRouter()
	f.Provider.Routes(router)
	config.People.Routes(router)
	config.Pages.Routes(router)
	f.Server.Config.Handler = router
	f.Server.Start()
	f.T.Cleanup(f.Server.Close)
}

func everyScope() []string { return client.Scopes(client.Builtin(APIOrigin)) }

// AddClient registers a confidential client that an operator trusts and that may have everything,
// but for what change says. Its secret is [Secret].
func (f *Fixture) AddClient(id string, change func(c *client.Client)) {
	f.T.Helper()
	c := client.Client{
		ID: id, Name: id, RedirectURIs: []string{Callback}, PostLogoutRedirectURIs: []string{"https://app.example/bye"},
		GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"}, Scope: strings.Join(everyScope(), " "),
		TokenEndpointAuthMethod: "client_secret_basic", Trusted: true,
	}
	if change != nil {
		change(&c)
	}
	f.must(c.Check(client.Policy{Scopes: append(everyScope(), client.ScopeAdminRead, client.ScopeAdminWrite, "orders:read", "orders:write"), OwnScopes: []string{client.ScopeSCIM}, LegacyResponseTypes: true, InsecureLoopback: true}))
	f.must(f.Store.Clients.CreateClient(f.T.Context(), c))
	if !c.Public() {
		f.must(f.Store.Clients.AddClientSecret(f.T.Context(), id, opaque.Hash(Secret), time.Time{}))
	}
}
