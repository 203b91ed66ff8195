package keycache_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks/internal/keycache"
	"github.com/maru-auth/maru/jwks/jose"
)

func TestCacheControlDecidesWithinBounds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		cache, age string
		lifetime   time.Duration
	}{
		{"max-age=300", "", 300 * time.Second},
		{"public, max-age=300, must-revalidate", "", 300 * time.Second},
		{`MAX-AGE="300"`, "", 300 * time.Second},
		{"max-age=300", "100", 200 * time.Second},
		{"max-age=300", "900", time.Minute},
		{"", "", 10 * time.Minute},
		{"private", "", 10 * time.Minute},
		{"no-cache", "", time.Minute},
		{"no-store, max-age=300", "", time.Minute},
		{"max-age=0", "", time.Minute},
		{"max-age=-5", "", time.Minute},
		{"max-age=soon", "", time.Minute},
		{"max-age=86400", "", time.Hour},
		{"max-age=99999999999999999999999999", "", time.Hour},
	} {
		t.Run(tc.cache+" "+tc.age, func(t *testing.T) {
			f := &fakeIssuer{cache: tc.cache, age: tc.age}
			bubble(t, f, nil, func(ctx context.Context, c *keycache.Cache) {
				mustReady(t, ctx, c)
				start := f.start(0)
				for f.fetches() == 1 {
					time.Sleep(time.Second)
				}
				// Before the end, but not much.
				if took := f.start(1).Sub(start); took > tc.lifetime || took < tc.lifetime*8/10 {
					t.Errorf("refreshed after %v, want a little less than %v", took, tc.lifetime)
				}
			})
		})
	}
}

func TestAnUnchangedSetIsNotSentAgain(t *testing.T) {
	t.Parallel()
	f := &fakeIssuer{cache: "max-age=300", etags: true}
	bubble(t, f, nil, func(ctx context.Context, c *keycache.Cache) {
		mustReady(t, ctx, c)
		time.Sleep(time.Hour)
		wantKey(t, ctx, c, "a")
		f.set(func(f *fakeIssuer) {
			if f.matched != len(f.starts)-1 || f.matched < 11 {
				t.Errorf("%d of %d fetches answered with 304", f.matched, len(f.starts))
			}
			f.kids = []string{"b"}
		})
		time.Sleep(5 * time.Minute)
		wantKey(t, ctx, c, "b")
		wantNoKey(t, ctx, c, "a", jose.ErrUnknownKey)
	})
}

func TestAnUnchangedSetGetsTheLifeItsAnswerSays(t *testing.T) {
	t.Parallel()
	f := &fakeIssuer{cache: "max-age=300", etags: true}
	bubble(t, f, nil, func(ctx context.Context, c *keycache.Cache) {
		mustReady(t, ctx, c)
		f.set(func(f *fakeIssuer) { f.cache = "max-age=3000" })
		for f.fetches() < 3 {
			time.Sleep(time.Second)
		}
		if pause := f.start(2).Sub(f.start(1)); pause < 2400*time.Second || pause > 3000*time.Second {
			t.Errorf("refreshed after %v", pause)
		}
		f.set(func(f *fakeIssuer) { f.cache = "" }) // says nothing: as before
		for f.fetches() < 5 {
			time.Sleep(time.Second)
		}
		if pause := f.start(4).Sub(f.start(3)); pause < 2400*time.Second || pause > 3000*time.Second {
			t.Errorf("refreshed after %v", pause)
		}
	})
}

func TestABadAnswerKeepsTheGoodKeys(t *testing.T) {
	t.Parallel()
	redirect := func(to string) func(*http.Request) *http.Response {
		return func(req *http.Request) *http.Response {
			if req.URL.Path != "/keys" {
				return nil
			}
			return response(http.StatusFound, "", http.Header{"Location": {to}})
		}
	}
	moved := func(issuer, keysAt any) func(*fakeIssuer) {
		return func(f *fakeIssuer) {
			f.doc = func() map[string]any { return map[string]any{"issuer": issuer, "jwks_uri": keysAt} }
			f.answer = func(req *http.Request) *http.Response {
				if req.URL.Path == "/keys" {
					return response(http.StatusGone, "", nil)
				}
				return nil
			}
		}
	}
	for name, change := range map[string]func(*fakeIssuer){
		"not JSON":             func(f *fakeIssuer) { f.body = func() string { return "<html>sorry</html>" } },
		"two documents":        func(f *fakeIssuer) { f.body = func() string { return keySetOf("a") + keySetOf("b") } },
		"no keys":              func(f *fakeIssuer) { f.body = func() string { return "{}" } },
		"keys are no array":    func(f *fakeIssuer) { f.body = func() string { return `{"keys":{"a":1}}` } },
		"keys twice":           func(f *fakeIssuer) { f.body = func() string { return `{"keys":[],"keys":[]}` } },
		"empty":                func(f *fakeIssuer) { f.body = func() string { return "" } },
		"too long":             func(f *fakeIssuer) { f.body = func() string { return keySetOf("b") + strings.Repeat(" ", 1<<20) } },
		"status 500":           func(f *fakeIssuer) { f.status = 500 },
		"status 404":           func(f *fakeIssuer) { f.status = 404 },
		"status 203":           func(f *fakeIssuer) { f.status = 203 },
		"status 304 unasked":   func(f *fakeIssuer) { f.status = 304 },
		"redirect elsewhere":   func(f *fakeIssuer) { f.answer = redirect("https://elsewhere.example/stolen") },
		"redirect to http":     func(f *fakeIssuer) { f.answer = redirect("http://issuer.example/stolen") },
		"redirect in a circle": func(f *fakeIssuer) { f.answer = redirect(fakeURL + "/keys") },
		"another issuer":       moved(fakeURL+"/", fakeURL+"/new"),
		"no issuer":            moved(nil, fakeURL+"/new"),
		"issuer by another case": func(f *fakeIssuer) {
			moved(nil, fakeURL+"/new")(f)
			doc := f.doc()
			doc["Issuer"] = fakeURL
			f.doc = func() map[string]any { return doc }
		},
		"keys without TLS": moved(fakeURL, "http://issuer.example/new"),
		"keys in a file":   moved(fakeURL, "file:///etc/passwd"),
		"no place of keys": moved(fakeURL, nil),
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeIssuer{cache: "max-age=3600"}
			bubble(t, f, nil, func(ctx context.Context, c *keycache.Cache) {
				mustReady(t, ctx, c)
				f.set(change)
				f.set(func(f *fakeIssuer) { f.kids = []string{"b"} })
				time.Sleep(2 * time.Hour)
				wantKey(t, ctx, c, "a")
				wantNoKey(t, ctx, c, "b", keycache.ErrUnavailable)
			})
		})
	}
}

func TestRedirectsWithinTheOriginAreFollowed(t *testing.T) {
	t.Parallel()
	f := &fakeIssuer{answer: func(req *http.Request) *http.Response {
		if req.URL.Path != "/keys" {
			return nil
		}
		return response(http.StatusFound, "", http.Header{"Location": {"/moved"}})
	}}
	bubble(t, f, nil, func(ctx context.Context, c *keycache.Cache) { wantKey(t, ctx, c, "a") })
}

func TestAKeySetThatMovedIsFoundAgain(t *testing.T) {
	t.Parallel()
	f := &fakeIssuer{etags: true}
	bubble(t, f, nil, func(ctx context.Context, c *keycache.Cache) {
		mustReady(t, ctx, c)
		f.set(func(f *fakeIssuer) {
			f.kids = []string{"b"}
			f.doc = func() map[string]any {
				return map[string]any{"issuer": fakeURL, "jwks_uri": fakeURL + "/new"}
			}
			f.answer = func(req *http.Request) *http.Response {
				switch {
				case req.URL.Path == "/keys":
					return response(http.StatusGone, "", nil)
				case req.URL.Path == "/new" && req.Header.Get("If-None-Match") != "":
					t.Error("the new place was asked with the old one's etag")
				}
				return nil
			}
		})
		time.Sleep(15 * time.Minute)
		wantKey(t, ctx, c, "b")
	})
}

func TestDiscoveryIsOverWithAKeySetURL(t *testing.T) {
	t.Parallel()
	f := &fakeIssuer{}
	configure := func(cfg *keycache.Config) { cfg.JWKSURL = fakeURL + "/anywhere" }
	bubble(t, f, configure, func(ctx context.Context, c *keycache.Cache) {
		wantKey(t, ctx, c, "a")
		time.Sleep(3 * time.Hour)
		f.set(func(f *fakeIssuer) {
			if f.found != 0 {
				t.Errorf("%d discoveries", f.found)
			}
		})
	})
}

func TestKeysWithoutTLSAreWarnedOf(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]bool{
		"http://issuer.example": true, "https://issuer.example": false,
		"http://localhost:9000": false, "http://127.0.0.1:1": false, "http://[::1]:1": false,
	} {
		var log strings.Builder
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := keycache.New(ctx, keycache.Config{Issuer: issuer, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "without TLS"); got != want {
			t.Errorf("%s: warned %v", issuer, got)
		}
	}
}
