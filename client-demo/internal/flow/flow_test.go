package flow

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestLocalPath(t *testing.T) {
	for to, want := range map[string]string{
		"/": "/", "/boards/free?q=a&cursor=b": "/boards/free?q=a&cursor=b", "/posts/%EA%B8%80": "/posts/%EA%B8%80", "/a#b": "/a",
		"": "/", "boards": "/", "//evil.example": "/", "/\\evil.example": "/", "https://evil.example/": "/", "/../x": "/", "/a/./b": "/", "/a//b": "/",
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
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	var header, claims map[string]any
	if err := Decode(part(`{"alg":"RS256"}`)+"."+part(`{"sub":"p"}`)+".x", &header, &claims); err != nil || header["alg"] != "RS256" || claims["sub"] != "p" {
		t.Errorf("got %v, %v, %v", header, claims, err)
	}
	for _, bad := range []string{"", "opaque", "a.b", "a.b.c.d", "!.!.!", part(`[]`) + "." + part(`{}`) + ".", part(`{}`) + "." + part(`{`) + "."} {
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

func TestCookiesOfASecureOriginAreBoundToItsHost(t *testing.T) {
	for origin, want := range map[string]string{
		"https://app.example":   "__Host-demo-session=x; Path=/; HttpOnly; Secure; SameSite=Lax",
		"http://localhost:8080": "demo-session=x; Path=/; HttpOnly; SameSite=Lax",
	} {
		w := httptest.NewRecorder()
		New(Config{Origin: origin}).setCookie(w, "session", "x", 0)
		if got := w.Header().Get("Set-Cookie"); got != want {
			t.Errorf("%s: %s, want %s", origin, got, want)
		}
	}
}

func TestWhatHasExpiredIsForgotten(t *testing.T) {
	now := time.Now()
	c := New(Config{Origin: "https://app.example", Now: func() time.Time { return now }})
	for range 3 {
		c.open(httptest.NewRecorder(), &Session{created: now, seen: now})
		c.logins.Add(hash(secret()), &login{expires: now.Add(loginLifetime)})
	}
	now = now.Add(sessionIdle)
	c.open(httptest.NewRecorder(), &Session{created: now, seen: now})
	c.sweepLogins()
	if c.sessions.Len() != 1 || c.logins.Len() != 0 {
		t.Errorf("%d sessions and %d log-ins are kept", c.sessions.Len(), c.logins.Len())
	}
}

func TestThereIsNoEndOfSessionsInMemory(t *testing.T) {
	now := time.Now()
	c := New(Config{Origin: "https://app.example", Now: func() time.Time { return now }})
	for range maxSessions + 5 {
		c.open(httptest.NewRecorder(), &Session{created: now, seen: now})
	}
	if c.sessions.Len() != maxSessions {
		t.Errorf("%d sessions", c.sessions.Len())
	}
}

func TestOnlySoManyLogInsCarryAForm(t *testing.T) {
	c := New(Config{Origin: "https://app.example"})
	first := &login{}
	for i := range maxDrafts + 1 {
		l := &login{}
		if i == 0 {
			l = first
		}
		l.draft.Store(&url.Values{"body": {"x"}})
		key := hash(secret())
		c.logins.Add(key, l)
		c.drafts.Add(key, struct{}{})
	}
	if first.draft.Load() != nil {
		t.Error("the oldest form is still kept")
	}
	if c.logins.Len() != maxDrafts+1 {
		t.Error("a log-in was given up with its form")
	}
}

func TestOfManyAnswersToOneLogInOneCounts(t *testing.T) {
	c := New(Config{Origin: "https://app.example"})
	r := httptest.NewRequest(http.MethodGet, "/callback", nil)
	r.AddCookie(&http.Cookie{Name: "__Host-demo-login", Value: "browser"})
	for range 300 {
		state := secret()
		c.logins.Add(hash(state), &login{browser: hash("browser"), expires: c.now().Add(loginLifetime)})
		var won atomic.Int64
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for range 32 {
			wg.Go(func() {
				<-begin
				if _, err := c.takeLogin(r, url.Values{"state": {state}}); err == nil {
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
