package provider_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/keys/keystest"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/people"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const (
	apiOrigin = "https://api.example"
	callback  = "https://app.example/cb?tenant=1"
	secret    = "a-secret-of-the-test-app-that-is-long-enough"
	verifier  = "a-verifier-with-more-than-enough-random-characters-in-it"
)

// clock is the time of a fixture. It goes on by itself and can be moved.
type clock struct {
	sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.Lock()
	defer c.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.Lock()
	defer c.Unlock()
	c.ahead += d
}

// fixture is an authorization server with the client "app" and one person.
type fixture struct {
	t        testing.TB
	clock    clock
	issuer   string
	store    *store.Store
	ring     *keys.Ring
	user     accounts.User
	server   *httptest.Server
	provider *provider.Provider
}

func newFixture(t testing.TB, databaseURL string) *fixture {
	t.Helper()
	return oneWith(t, databaseURL, func(*provider.Config) {})
}

// oneWith is a fixture with settings changed.
func oneWith(t testing.TB, databaseURL string, change func(*provider.Config)) *fixture {
	t.Helper()
	f := &fixture{t: t}
	log := slog.New(slog.DiscardHandler)
	f.server = httptest.NewUnstartedServer(nil)
	f.issuer = "http://" + f.server.Listener.Addr().String()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	f.store, err = store.Open(t.Context(), databaseURL, f.clock.now)
	must(err)
	t.Cleanup(func() {
		if err := f.store.Close(); err != nil {
			t.Error(err)
		}
	})
	keystest.Fill(t, f.store.Keys, f.clock.now())
	f.ring, err = keys.Open(t.Context(), keys.Config{Store: f.store.Keys, KEK: keystest.KEK(t), Now: f.clock.now, Log: log, TokenLifetime: 10 * time.Minute, RefreshLifetime: 90 * 24 * time.Hour})
	must(err)
	rendered, err := pages.New(pages.Config{Now: f.clock.now, Log: log})
	must(err)
	outgoing, err := fetch.New(fetch.Config{InsecureLoopback: true})
	must(err)
	known, err := directory.New(directory.Config{Store: f.store, Fetch: outgoing, Policy: client.Policy{Scopes: client.Scopes(client.Builtin(apiOrigin)), InsecureLoopback: true}, Now: f.clock.now, Log: log})
	must(err)
	config := provider.Config{Issuer: f.issuer, Resources: client.Builtin(apiOrigin), Store: f.store, Clients: known, Fetch: outgoing, PairwiseSalt: make([]byte, 32), Keys: f.ring, Pages: rendered, Log: log, Now: f.clock.now}
	change(&config)
	people, err := people.New(people.Config{
		Issuer: f.issuer, Store: f.store, Pages: rendered, Log: log, Now: f.clock.now, InsecureLegacyResponseTypes: config.InsecureLegacyResponseTypes,
	})
	must(err)
	config.People = people
	server, err := provider.New(config)
	must(err)
	router := mux.NewRouter()
	f.provider = server
	server.Routes(router)
	people.Routes(router)
	rendered.Routes(router)
	f.server.Config.Handler = router
	f.server.Start()
	t.Cleanup(f.server.Close)

	f.addClient("app", nil)
	f.user, err = f.store.Users.CreateUser(t.Context(), accounts.User{Email: "minji@example.com", Name: "김민지", PasswordHash: "x", Roles: []string{"moderator"}})
	must(err)
	return f
}

// each runs test on both engines. What does not depend on the database runs on SQLite alone, by one.
func each(t *testing.T, test func(t *testing.T, f *fixture)) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) { test(t, newFixture(t, databaseURL)) })
}

func one(t testing.TB) *fixture { return newFixture(t, sqldbtest.SQLite(t)) }

// addClient registers a confidential client that may do everything, but for what change says.
func (f *fixture) addClient(id string, change func(c *client.Client)) {
	f.t.Helper()
	c := client.Client{
		ID: id, Name: id, RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{"https://app.example/bye"},
		GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"}, Scope: strings.Join(client.Scopes(client.Builtin(apiOrigin)), " "),
		TokenEndpointAuthMethod: "client_secret_basic", Trusted: true,
	}
	if change != nil {
		change(&c)
	}
	if err := c.Check(client.Policy{Scopes: client.Scopes(client.Builtin(apiOrigin)), LegacyResponseTypes: true, InsecureLoopback: true}); err != nil {
		f.t.Fatal(err)
	}
	if err := f.store.Clients.CreateClient(f.t.Context(), c); err != nil {
		f.t.Fatal(err)
	}
	if !c.Public() {
		if err := f.store.Clients.AddClientSecret(f.t.Context(), id, opaque.Hash(secret), time.Time{}); err != nil {
			f.t.Fatal(err)
		}
	}
}

// browser is a person's browser. It follows no redirects: tests look at each.
type browser struct {
	*http.Client
	f   *fixture
	sid string
}

func (f *fixture) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return &browser{Client: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, f: f}
}

// logIn gives the browser a session of the person, as the log-in page would.
func (b *browser) logIn(user accounts.User) *browser {
	b.f.t.Helper()
	session, cookie, err := b.f.store.Sessions.CreateSession(b.f.t.Context(), accounts.Session{UserID: user.ID, ACR: "1", AMR: []string{"pwd"}}, user.PasswordHash)
	if err != nil {
		b.f.t.Fatal(err)
	}
	u, err := url.Parse(b.f.issuer)
	if err != nil {
		b.f.t.Fatal(err)
	}
	b.Jar.SetCookies(u, []*http.Cookie{{Name: "maru-session", Value: cookie, Path: "/"}})
	b.sid = session.ID
	return b
}

// answer is what came back: of a redirect the target, else the body.
type answer struct {
	status   int
	header   http.Header
	body     string
	location *url.URL
}

// parameter is a parameter of the answer: of the redirect's fragment or query, or of the form that posts itself.
func (a answer) parameter(name string) string {
	if a.location == nil {
		return hiddenFields(a.body).Get(name)
	}
	if in, err := url.ParseQuery(a.location.EscapedFragment()); err == nil && len(in) > 0 {
		return in.Get(name)
	}
	return a.location.Query().Get(name)
}

// json is the body as an object.
func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(a.body), &object); err != nil {
		t.Fatalf("status %d, no JSON object: %s", a.status, a.body)
	}
	return object
}

func (f *fixture) do(c *http.Client, r *http.Request) answer {
	f.t.Helper()
	resp, err := c.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
	if resp.Header.Get("Location") != "" {
		if a.location, err = resp.Location(); err != nil {
			f.t.Fatal(err)
		}
	}
	return a
}

func (f *fixture) request(method, path string, body url.Values, header ...string) *http.Request {
	f.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = f.issuer + path
	}
	var reader io.Reader
	if body != nil {
		reader = strings.NewReader(body.Encode())
	}
	r, err := http.NewRequestWithContext(context.WithoutCancel(f.t.Context()), method, path, reader)
	if err != nil {
		f.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func (b *browser) get(path string) answer { return b.f.do(b.Client, b.f.request("GET", path, nil)) }

// post posts a form as the server's own page would.
func (b *browser) post(path string, form url.Values) answer {
	return b.f.do(b.Client, b.f.request("POST", path, form, "Origin", b.f.issuer, "Sec-Fetch-Site", "same-origin"))
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// parameters are those of a good authorization request of "app", with pairs of names and values changed; "" takes one out.
func parameters(changes ...string) url.Values {
	form := url.Values{
		"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {callback}, "scope": {"openid profile email user:read board:read"},
		"state": {"s-" + rand.Text()}, "nonce": {"n-1"}, "code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			form.Del(changes[i])
		}
	}
	return form
}

func (b *browser) authorize(form url.Values) answer {
	return b.get("/oauth2/authorize?" + form.Encode())
}

// code is a new authorization code for the person logged in.
func (b *browser) code(changes ...string) string {
	b.f.t.Helper()
	a := b.authorize(parameters(changes...))
	code := a.parameter("code")
	if code == "" {
		b.f.t.Fatalf("no code: status %d, %v, %s", a.status, a.location, a.body)
	}
	return code
}

// token calls the token endpoint as client id. With an empty secret the id goes in the body.
func (f *fixture) token(id, secret string, form url.Values) answer {
	f.t.Helper()
	r := f.request("POST", "/oauth2/token", form)
	if secret == "" {
		form.Set("client_id", id)
		r = f.request("POST", "/oauth2/token", form)
	} else {
		r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	}
	return f.do(f.server.Client(), r)
}

func (f *fixture) exchange(code string, changes ...string) answer {
	f.t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			form.Del(changes[i])
		}
	}
	return f.token("app", secret, form)
}

func (f *fixture) refresh(token string, changes ...string) answer {
	f.t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
	}
	return f.token("app", secret, form)
}

// tokens are what a successful token request answered.
type tokens struct{ access, refresh, id, scope string }

func (f *fixture) tokens(a answer) tokens {
	f.t.Helper()
	if a.status != http.StatusOK {
		f.t.Fatalf("token endpoint: %d %s", a.status, a.body)
	}
	object := a.json(f.t)
	text := func(name string) string { s, _ := object[name].(string); return s }
	if object["token_type"] != "Bearer" || object["expires_in"] != float64(600) || a.header.Get("Cache-Control") != "no-store" {
		f.t.Errorf("token answer: %v %v", object, a.header)
	}
	return tokens{text("access_token"), text("refresh_token"), text("id_token"), text("scope")}
}

// decode reads a JWT's header and claims without looking at its signature.
func decode(t *testing.T, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %q", token)
	}
	for i, into := range []*map[string]any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

func (f *fixture) userinfo(token string) answer {
	f.t.Helper()
	return f.do(f.server.Client(), f.request("GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+token))
}

// wantError checks an error answer of a back-channel endpoint.
func wantError(t *testing.T, a answer, status int, code string) {
	t.Helper()
	if a.status != status || a.json(t)["error"] != code {
		t.Errorf("got %d %s, want %d %s", a.status, a.body, status, code)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("an error can be cached: %v", a.header)
	}
}
