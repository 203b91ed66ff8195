package peopletest

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
)

// Browser keeps cookies, follows no redirect, and says where its forms come from as browsers do.
type Browser struct {
	*Site
	Jar    http.CookieJar
	Header http.Header // of every request
}

func (s *Site) Browser() *Browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &Browser{Site: s, Jar: jar, Header: http.Header{"Accept-Language": {"en"},
		"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0 Safari/537.36"}}}
}

// Answer is what came back.
type Answer struct {
	Status   int
	Header   http.Header
	Body     string
	Location string
}

func (b *Browser) Do(r *http.Request) Answer {
	b.t.Helper()
	for name, values := range b.Header {
		if r.Header.Get(name) == "" {
			r.Header[name] = values
		}
	}
	c := *b.Server.Client()
	c.Jar = b.Jar
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := c.Do(r)
	if err != nil {
		b.t.Error(err)
		return Answer{}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Error(err)
	}
	return Answer{resp.StatusCode, resp.Header, string(body), resp.Header.Get("Location")}
}

func (b *Browser) Request(method, path, body string) *http.Request {
	b.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, b.Server.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *Browser) Get(path string) Answer {
	b.t.Helper()
	return b.Do(b.Request(http.MethodGet, path, ""))
}

func (b *Browser) FormRequest(path, body string) *http.Request {
	r := b.Request(http.MethodPost, path, body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", b.Server.URL)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

// Post sends a form of names and values, one after the other.
func (b *Browser) Post(path string, fields ...string) Answer {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.Do(b.FormRequest(path, form.Encode()))
}

// Begin makes an interaction of the client app.
func (b *Browser) Begin(parameters ...string) (handle string) {
	b.t.Helper()
	form := url.Values{"client_id": {"app"}}
	for i := 0; i < len(parameters); i += 2 {
		form.Set(parameters[i], parameters[i+1])
	}
	a := b.Get("/begin?" + form.Encode())
	if a.Status != http.StatusOK {
		b.t.Fatalf("begin: %d %s", a.Status, a.Body)
	}
	return a.Body
}

// LogIn logs in at /login without an interaction. It leads to the account, or back to a page of it
// that was asked for before.
func (b *Browser) LogIn(email string) {
	b.t.Helper()
	b.Get("/login")
	if a := b.Post("/login", "email", email, "password", Password); a.Status != http.StatusSeeOther ||
		!strings.HasPrefix(a.Location, "/account") {
		b.t.Fatalf("log in: %d %s\n%s", a.Status, a.Location, a.Body)
	}
}

// Cookie is the value of a cookie that the browser has, or empty.
func (b *Browser) Cookie(name string) string {
	u, err := url.Parse(b.Server.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, cookie := range b.Jar.Cookies(u) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	return ""
}

// LoggedIn tells whether the browser has a live session.
func (b *Browser) LoggedIn() bool {
	b.t.Helper()
	a := b.Get("/account")
	if a.Status != http.StatusOK && (a.Status != http.StatusSeeOther || a.Location != "/login") {
		b.t.Fatalf("/account: %d", a.Status)
	}
	return a.Status == http.StatusOK
}

// Want fails unless the answer has the status and every text.
func (a Answer) Want(t testing.TB, status int, texts ...string) {
	t.Helper()
	if a.Status != status {
		t.Errorf("status %d, not %d:\n%s", a.Status, status, a.Body)
	}
	for _, text := range texts {
		if !strings.Contains(a.Body, text) {
			t.Errorf("the page lacks %q:\n%s", text, a.Body)
		}
	}
}

// WantRedirect fails unless the answer leads to location by a GET.
func (a Answer) WantRedirect(t testing.TB, location string) {
	t.Helper()
	if a.Status != http.StatusSeeOther || a.Location != location {
		t.Errorf("%d to %q, not to %q:\n%s", a.Status, a.Location, location, a.Body)
	}
}

var requestID = regexp.MustCompile(`<dt>Request</dt><dd><code>[^<]*</code></dd>`)

// Text is the body without what differs from request to request.
func (a Answer) Text() string { return requestID.ReplaceAllString(a.Body, "") }

// SessionID is the id of the browser's session.
func (b *Browser) SessionID() string {
	b.t.Helper()
	return b.Session().ID
}

// Session is the browser's session.
func (b *Browser) Session() accounts.Session {
	b.t.Helper()
	session, _, err := b.Store.Sessions.SessionByCookie(b.t.Context(), b.Cookie("maru-session"))
	if err != nil {
		b.t.Fatal(err)
	}
	return session
}

// Interaction is what is stored of an interaction of the browser.
func (b *Browser) Interaction(handle string) requests.Interaction {
	b.t.Helper()
	in, err := b.Store.Interactions.Interaction(b.t.Context(), handle, b.Cookie("maru-browser"))
	if err != nil {
		b.t.Fatal(err)
	}
	return in
}

// Forget takes a cookie from the browser, as when its session is over.
func (b *Browser) Forget(t testing.TB, name string) {
	t.Helper()
	u, err := url.Parse(b.Server.URL)
	if err != nil {
		t.Fatal(err)
	}
	b.Jar.SetCookies(u, []*http.Cookie{{Name: name, MaxAge: -1, Path: "/"}})
}
