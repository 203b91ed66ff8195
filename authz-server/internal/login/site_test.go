package login_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/login"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// site is the pages on a server of their own, with a clock that the test moves.
type site struct {
	t       *testing.T
	store   *store.Store
	service *login.Service
	server  *httptest.Server
	router  *mux.Router

	mu  sync.Mutex
	now time.Time
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func newSite(t *testing.T, databaseURL string, secure bool) *site {
	t.Helper()
	s := &site{t: t, now: time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)}
	var err error
	if s.store, err = store.Open(t.Context(), databaseURL, s.clock); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	log := slog.New(slog.DiscardHandler)
	router := mux.NewRouter()
	s.router = router
	s.server = httptest.NewUnstartedServer(router)
	origin := "http://" + s.server.Listener.Addr().String()
	if secure {
		origin = "https://" + s.server.Listener.Addr().String()
	}
	at, err := issuer.Parse(origin)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pages.New(pages.Config{Issuer: at, Now: s.clock, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if s.service, err = login.New(login.Config{Store: s.store, Pages: p, Issuer: origin, Now: s.clock, Log: log}); err != nil {
		t.Fatal(err)
	}
	p.Routes(router)
	s.service.Routes(router)
	// Stands for the endpoint that sends people here.
	router.HandleFunc("/begin", func(w http.ResponseWriter, r *http.Request) {
		form := r.URL.Query()
		handle, err := s.service.Begin(w, r, store.Interaction{ClientID: form.Get("client_id"), Form: form})
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		io.WriteString(w, handle)
	})
	if secure {
		s.server.StartTLS()
	} else {
		s.server.Start()
	}
	t.Cleanup(s.server.Close)
	if err := s.store.CreateClient(t.Context(), client.Client{ID: "app", Name: "Bookshop", PolicyURI: "https://app.example/policy", LogoURI: "https://cdn.app.example/logo.png"}); err != nil {
		t.Fatal(err)
	}
	return s
}

// authorize stands for the endpoint that decides what is still missing.
func (s *site) authorize(handler http.HandlerFunc) { s.router.HandleFunc("/oauth2/authorize", handler) }

func onSQLite(t *testing.T) *site { return newSite(t, sqldbtest.SQLite(t), false) }

func eachSite(t *testing.T, test func(t *testing.T, s *site)) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) { test(t, newSite(t, databaseURL, false)) })
}

const password = "four unrelated wooden words"

// person makes an account.
func (s *site) person(email string) store.User {
	s.t.Helper()
	user, err := s.store.CreateUser(s.t.Context(), store.User{Email: email, Name: "Mina", PasswordHash: hashed()})
	if err != nil {
		s.t.Fatal(err)
	}
	return user
}

// hashed is the hash of password; the same one does for all accounts.
var hashed = sync.OnceValue(func() string { return login.HashPassword(password) })

// browser keeps cookies, follows no redirect, and says where its forms come from as browsers do.
type browser struct {
	*site
	jar    http.CookieJar
	header http.Header // of every request
}

func (s *site) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{site: s, jar: jar, header: http.Header{"Accept-Language": {"en"}, "User-Agent": {"Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0 Safari/537.36"}}}
}

// answer is what came back.
type answer struct {
	status   int
	header   http.Header
	body     string
	location string
}

func (b *browser) do(r *http.Request) answer {
	b.t.Helper()
	for name, values := range b.header {
		if r.Header.Get(name) == "" {
			r.Header[name] = values
		}
	}
	c := *b.server.Client()
	c.Jar = b.jar
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := c.Do(r)
	if err != nil {
		b.t.Error(err)
		return answer{}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Error(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body), resp.Header.Get("Location")}
}

func (b *browser) request(method, path, body string) *http.Request {
	b.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, b.server.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *browser) get(path string) answer {
	b.t.Helper()
	return b.do(b.request(http.MethodGet, path, ""))
}

func (b *browser) formRequest(path, body string) *http.Request {
	r := b.request(http.MethodPost, path, body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", b.server.URL)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

// post sends a form of names and values, one after the other.
func (b *browser) post(path string, fields ...string) answer {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.do(b.formRequest(path, form.Encode()))
}

// begin makes an interaction of the client app.
func (b *browser) begin(parameters ...string) (handle string) {
	b.t.Helper()
	form := url.Values{"client_id": {"app"}}
	for i := 0; i < len(parameters); i += 2 {
		form.Set(parameters[i], parameters[i+1])
	}
	a := b.get("/begin?" + form.Encode())
	if a.status != http.StatusOK {
		b.t.Fatalf("begin: %d %s", a.status, a.body)
	}
	return a.body
}

// logIn logs in at /login without an interaction. It leads to the account, or back to a page of it that was asked for before.
func (b *browser) logIn(email string) {
	b.t.Helper()
	b.get("/login")
	if a := b.post("/login", "email", email, "password", password); a.status != http.StatusSeeOther || !strings.HasPrefix(a.location, "/account") {
		b.t.Fatalf("log in: %d %s\n%s", a.status, a.location, a.body)
	}
}

// cookie is the value of a cookie that the browser has, or empty.
func (b *browser) cookie(name string) string {
	u, err := url.Parse(b.server.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, cookie := range b.jar.Cookies(u) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	return ""
}

// loggedIn tells whether the browser has a live session.
func (b *browser) loggedIn() bool {
	b.t.Helper()
	a := b.get("/account")
	if a.status != http.StatusOK && (a.status != http.StatusSeeOther || a.location != "/login") {
		b.t.Fatalf("/account: %d", a.status)
	}
	return a.status == http.StatusOK
}

// want fails unless the answer has the status and every text.
func (a answer) want(t *testing.T, status int, texts ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("status %d, not %d:\n%s", a.status, status, a.body)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			t.Errorf("the page lacks %q:\n%s", text, a.body)
		}
	}
}

// wantRedirect fails unless the answer leads to location by a GET.
func (a answer) wantRedirect(t *testing.T, location string) {
	t.Helper()
	if a.status != http.StatusSeeOther || a.location != location {
		t.Errorf("%d to %q, not to %q:\n%s", a.status, a.location, location, a.body)
	}
}

var requestID = regexp.MustCompile(`<dt>Request</dt><dd><code>[^<]*</code></dd>`)

// text is the body without what differs from request to request.
func (a answer) text() string { return requestID.ReplaceAllString(a.body, "") }
