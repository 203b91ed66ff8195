package flow

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coreos/go-oidc/v3/oidc"
)

func TestLocalPath(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]string{
		"/": "/", "/boards/free?q=a&cursor=b": "/boards/free?q=a&cursor=b", "/posts/%EA%B8%80": "/posts/%EA%B8%80", "/a#b": "/a",
		"": "/", "boards": "/", "//evil.example": "/", "/\\evil.example": "/", "https://evil.example/": "/", "/../x": "/",
		"/a/./b": "/", "/a//b": "/",
		"/login": "/", "/callback": "/", "/signup": "/", "/a b": "/", "/a\nb": "/", "/" + strings.Repeat("a", 3000): "/", "/%zz": "/",
	} {
		if got := LocalPath(to); got != want {
			t.Errorf("LocalPath(%q) = %q, want %q", to, got, want)
		}
	}
}

func FuzzLocalPath(f *testing.F) {
	for _, seed := range []string{"/", "//x", "/\\x", "/%2f/x", "/a?b=//x", "http://x", "/a/../../x"} {
		f.Add(seed)
	}
	const origin = "https://app.example"
	base, err := url.Parse(origin + "/callback")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, to string) {
		local := LocalPath(to)
		for _, address := range []string{local, origin + local} {
			u, err := base.Parse(address)
			if err != nil || u.Scheme+"://"+u.Host != origin || u.User != nil {
				t.Errorf("LocalPath(%q) = %q leads to %v (%v)", to, local, u, err)
			}
		}
		if LocalPath(local) != local {
			t.Errorf("LocalPath(%q) = %q, which is none itself", to, local)
		}
	})
}

func TestDecodeTakesOnlyWhatIsAJWT(t *testing.T) {
	t.Parallel()
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	var header, claims map[string]any
	err := Decode(part(`{"alg":"RS256"}`)+"."+part(`{"sub":"p"}`)+".x", &header, &claims)
	if err != nil || header["alg"] != "RS256" || claims["sub"] != "p" {
		t.Errorf("got %v, %v, %v", header, claims, err)
	}
	for _, bad := range []string{"", "opaque", "a.b", "a.b.c.d", "!.!.!",
		part(`[]`) + "." + part(`{}`) + ".", part(`{}`) + "." + part(`{`) + "."} {
		if err := Decode(bad, &header, &claims); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("e30.e30.")
	f.Fuzz(func(_ *testing.T, text string) {
		var header, claims map[string]any
		Decode(text, &header, &claims)
	})
}

func newClient(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCookiesOfASecureOriginAreBoundToItsHost(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]string{
		"https://app.example":   "__Host-demo-session=x; Path=/; HttpOnly; Secure; SameSite=Lax",
		"http://localhost:8080": "demo-session=x; Path=/; HttpOnly; SameSite=Lax",
	} {
		w := httptest.NewRecorder()
		newClient(t, Config{Origin: origin}).cookies.set(w, "session", "x", 0)
		if got := w.Header().Get("Set-Cookie"); got != want {
			t.Errorf("%s: %s, want %s", origin, got, want)
		}
	}
}

func TestWhatHasExpiredIsForgotten(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := newClient(t, Config{Origin: "https://app.example", Now: func() time.Time { return now }})
	var draft string
	for range 3 {
		c.open(httptest.NewRecorder(), &Session{created: now, seen: now})
		draft = c.drafts.put(netip.Addr{}, url.Values{"body": {"x"}}, now, now.Add(loginLifetime))
	}
	now = now.Add(sessionIdle)
	c.open(httptest.NewRecorder(), &Session{created: now, seen: now})
	if got := c.drafts.take(draft, now); got != nil {
		t.Errorf("a form is kept: %v", got)
	}
	c.drafts.put(netip.Addr{}, url.Values{"body": {"x"}}, now, now.Add(loginLifetime))
	if c.sessions.Len() != 1 || len(c.drafts.order) != 1 || len(c.drafts.byKey) != 1 {
		t.Errorf("%d sessions and %d forms are kept", c.sessions.Len(), len(c.drafts.order))
	}
}

func TestThereIsNoEndOfSessionsInMemory(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := newClient(t, Config{Origin: "https://app.example", Now: func() time.Time { return now }})
	for i := range maxSessions + 5 {
		c.sessions.Add(hash(fmt.Sprint(i)), &Session{created: now, seen: now})
	}
	c.open(httptest.NewRecorder(), &Session{created: now, seen: now})
	if c.sessions.Len() > maxSessions {
		t.Errorf("%d sessions", c.sessions.Len())
	}
}

func TestAPersonWithManySessionsLosesTheirOwnOldestOnly(t *testing.T) {
	t.Parallel()
	c := newClient(t, Config{Origin: "https://app.example"})
	begin := func(subject string) *Session {
		s := &Session{Subject: subject, created: c.now(), seen: c.now()}
		c.open(httptest.NewRecorder(), s)
		return s
	}
	other, first, second := begin("other"), begin("p"), begin("p")
	c.sessions.Get(first.key) // it is used: second is the oldest now
	for range maxSessionsOf - 1 {
		begin("p")
	}
	if !second.over(c.now()) || first.over(c.now()) || other.over(c.now()) {
		t.Error("the wrong session ended")
	}
	if n := c.sessions.Len(); n != maxSessionsOf+1 {
		t.Errorf("%d sessions", n)
	}
}

func TestOneAddressPushesOutNobodyElsesForm(t *testing.T) {
	t.Parallel()
	var d drafts
	now := time.Now()
	form := url.Values{"body": {strings.Repeat("x", maxDraft-draftOverhead-len("body"))}}
	put := func(addr string) string { return d.put(netip.MustParseAddr(addr), form, now, now.Add(time.Minute)) }
	mine, own := put("192.0.2.1"), put("192.0.2.2")
	for range 1000 {
		put("192.0.2.2")
	}
	for i := range 1000 {
		put(fmt.Sprintf("2001:db8::%x", i+1)) // all of one customer
	}
	if d.take(mine, now) == nil {
		t.Error("another's form was pushed out")
	}
	if d.take(mine, now) != nil {
		t.Error("a form was taken twice")
	}
	if d.take(own, now) != nil {
		t.Error("an address has no bound of its own")
	}
	if n := len(d.order); n != 2*maxDraftsFrom || d.bytes != n*maxDraft {
		t.Errorf("%d forms of %d bytes are kept", n, d.bytes)
	}
	for i := range 1000 {
		put(fmt.Sprintf("198.51.%d.%d", i/250, i%250))
	}
	if d.bytes > maxDrafts || len(d.order) != len(d.byKey) {
		t.Errorf("%d bytes in %d and %d forms", d.bytes, len(d.order), len(d.byKey))
	}
	form.Set("body", strings.Repeat("x", maxDraft))
	if put("192.0.2.9") != "" {
		t.Error("a form was kept that is too large")
	}
}

// begin begins a log-in in the browser that has the cookies of r, and returns its state and its
// cookie.
func begin(t *testing.T, c *Client, r *http.Request, in Login) (string, []*http.Cookie) {
	t.Helper()
	c.provider.value, c.provider.tried = &issuer{}, c.now()
	w := httptest.NewRecorder()
	if err := c.Begin(w, r, in); err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return to.Query().Get("state"), w.Result().Cookies()
}

func TestManyLogInsUnderWayTakeNoMemoryAndDisturbNoOther(t *testing.T) {
	t.Parallel()
	c := newClient(t, Config{Origin: "https://app.example"})
	r := httptest.NewRequest(http.MethodGet, "/login", nil)
	state, cookies := begin(t, c, r, Login{To: "/boards"})
	for range 25_000 { // more than there once was room for
		begin(t, c, r, Login{})
	}
	r = httptest.NewRequest(http.MethodGet, "/callback", nil)
	for _, cookie := range cookies {
		r.AddCookie(cookie)
	}
	if l, err := c.takeLogin(httptest.NewRecorder(), r, url.Values{"state": {state}}); err != nil || l.To != "/boards" {
		t.Errorf("got %+v, %v", l, err)
	}
	if n := c.sessions.Len() + c.spent.Len() + len(c.drafts.order); n != 1 {
		t.Errorf("%d things are kept", n)
	}
}

func TestABrowserKeepsFewLogInsUnderWay(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := newClient(t, Config{Origin: "https://app.example", Now: func() time.Time { return now }})
	jar := map[string]*http.Cookie{"__Host-demo-login-0123456789abcdef": {Name: "__Host-demo-login-0123456789abcdef", Value: "planted"}}
	var states []string
	for range maxLoginsAside + 2 {
		now = now.Add(time.Second)
		r := httptest.NewRequest(http.MethodGet, "/login", nil)
		for _, cookie := range jar {
			r.AddCookie(cookie)
		}
		state, cookies := begin(t, c, r, Login{To: "/boards?" + strings.Repeat("a&", 900)})
		states = append(states, state)
		for _, cookie := range cookies {
			if jar[cookie.Name] = cookie; cookie.MaxAge < 0 {
				delete(jar, cookie.Name)
			}
			if n := len(cookie.String()); n > 4096 {
				t.Errorf("a cookie of %d bytes", n)
			}
		}
	}
	if len(jar) != maxLoginsAside {
		t.Errorf("%d cookies", len(jar))
	}
	for i, state := range states {
		if _, kept := jar["__Host-demo-"+loginCookie(state)]; kept != (i >= 2) {
			t.Errorf("log-in %d of %d: kept is %v", i, len(states), kept)
		}
	}
}

func TestASealIsBoundToItsKeyAndPurpose(t *testing.T) {
	t.Parallel()
	key := bytes.Repeat([]byte{7}, KeySize)
	one, err := newSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	replica, err := newSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	other, err := newSealer(nil)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := one.seal("login", login{Verifier: "verifier"})
	if err != nil || strings.Contains(sealed, base64.RawURLEncoding.EncodeToString([]byte("verifier"))) {
		t.Fatal(sealed, err)
	}
	var l login
	if err := replica.open("login", sealed, &l); err != nil || l.Verifier != "verifier" {
		t.Errorf("a replica with the same key: %+v, %v", l, err)
	}
	if other.open("login", sealed, &l) == nil {
		t.Error("opened with another key")
	}
	if one.open("logout", sealed, &l) == nil {
		t.Error("opened for another purpose")
	}
	for i := range sealed {
		changed := []byte(sealed)
		if changed[i]++; i == len(sealed)-1 {
			changed[i] = '!' // the last character has bits that stand for nothing
		}
		if one.open("login", string(changed), &l) == nil {
			t.Errorf("opened though byte %d was changed", i)
		}
	}
	for _, bad := range []string{"", "AAAA", strings.Repeat("A", maxSealed+1)} {
		if one.open("login", bad, &l) == nil {
			t.Errorf("%q was opened", bad)
		}
	}
	if _, err := newSealer([]byte("short")); err == nil {
		t.Error("a short key was taken")
	}
}

func TestOfManyAnswersToOneLogInOneCounts(t *testing.T) {
	t.Parallel()
	c := newClient(t, Config{Origin: "https://app.example"})
	for range 300 {
		state, cookies := begin(t, c, httptest.NewRequest(http.MethodGet, "/login", nil), Login{})
		r := httptest.NewRequest(http.MethodGet, "/callback", nil)
		for _, cookie := range cookies {
			r.AddCookie(cookie)
		}
		var won atomic.Int64
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for range 32 {
			wg.Go(func() {
				<-begin
				if _, err := c.takeLogin(httptest.NewRecorder(), r, url.Values{"state": {state}}); err == nil {
					won.Add(1)
				}
			})
		}
		close(begin)
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d of 32 answers counted", won.Load())
		}
	}
}

func TestWhatTheLogSaysOfAnotherProgramsErrorIsShort(t *testing.T) {
	t.Parallel()
	long := errors.New(strings.Repeat("가", 1<<20))
	err := briefly(long)
	if text := err.Error(); len(text) > maxText+len("…") || !utf8.ValidString(text) || !errors.Is(err, long) {
		t.Errorf("%d bytes", len(text))
	}
}

// Anybody may send a log-out token, and answer a log-in that they began. What comes of it is logged.
func TestStrangersChooseLittleOfWhatTheLogSays(t *testing.T) {
	t.Parallel()
	c := newClient(t, Config{Origin: "https://app.example", Issuer: "https://id.example"})
	long := strings.Repeat("x", 10_000)
	state, cookies := begin(t, c, httptest.NewRequest(http.MethodGet, "/login", nil), Login{})
	r := httptest.NewRequest(http.MethodGet, "/callback?"+url.Values{
		"state": {state}, "error": {long}, "error_description": {long},
	}.Encode(), nil)
	for _, cookie := range cookies {
		r.AddCookie(cookie)
	}
	var refused *RefusedError
	if _, err := c.Finish(httptest.NewRecorder(), r); !errors.As(err, &refused) || len(refused.Code) > maxText+len("…") ||
		len(err.Error()) > 1000 {
		t.Errorf("an answer: %d bytes: %.100v", len(err.Error()), err)
	}

	c.provider.value = &issuer{verifier: oidc.NewVerifier("https://id.example", newKeySet(c, ""), &oidc.Config{ClientID: "demo"})}
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	token := part(`{"alg":"`+long+`"}`) + "." + part(`{"iss":"https://id.example"}`) + ".eHg"
	if _, err := c.LogoutToken(t.Context(), token); !errors.Is(err, ErrBadLogoutToken) || len(err.Error()) > 1000 {
		t.Errorf("a log-out token: %d bytes: %.100v", len(err.Error()), err)
	}
}
