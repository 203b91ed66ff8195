package keycache_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/maru-auth/maru/jwks/internal/keycache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const fakeURL = "https://issuer.example"

// fakeIssuer is an issuer in the shape of a transport, so that the Cache can
// be tested in a synctest bubble, where time passes at will.
type fakeIssuer struct {
	mu      sync.Mutex
	kids    []string
	cache   string        // Cache-Control; empty: none
	age     string        // Age
	delay   time.Duration // before an answer
	down    bool
	etags   bool
	status  int                                // of the key set, if not 0
	body    func() string                      // of the key set, if not nil
	doc     func() map[string]any              // discovery, if not nil
	answer  func(*http.Request) *http.Response // anything, if not nil
	starts  []time.Time                        // of fetches of the key set
	found   int                                // fetches of the discovery document
	matched int                                // answers 304
	busy    int                                // requests under way
	most    int                                // at once
}

func (f *fakeIssuer) set(change func(*fakeIssuer)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fakeIssuer) fetches() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.starts)
}

func (f *fakeIssuer) start(n int) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.starts[n]
}

func (f *fakeIssuer) RoundTrip(req *http.Request) (*http.Response, error) {
	f.mu.Lock()
	discovery := strings.HasSuffix(req.URL.Path, "/openid-configuration")
	if discovery {
		f.found++
	} else {
		f.starts = append(f.starts, time.Now())
	}
	f.busy++
	f.most = max(f.most, f.busy)
	delay := f.delay
	f.mu.Unlock()
	defer f.set(func(f *fakeIssuer) { f.busy-- })

	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, errors.New("connection refused")
	}
	if f.answer != nil {
		if resp := f.answer(req); resp != nil {
			resp.Request = req
			return resp, nil
		}
	}
	if discovery {
		doc := map[string]any{"issuer": fakeURL, "jwks_uri": fakeURL + "/keys"}
		if f.doc != nil {
			doc = f.doc()
		}
		data, _ := json.Marshal(doc)
		return response(http.StatusOK, string(data), nil), nil
	}
	header := http.Header{}
	if f.cache != "" {
		header.Set("Cache-Control", f.cache)
	}
	if f.age != "" {
		header.Set("Age", f.age)
	}
	if f.etags {
		etag := `"` + strings.Join(f.kids, ",") + `"`
		header.Set("ETag", etag)
		if req.Header.Get("If-None-Match") == etag {
			f.matched++
			return response(http.StatusNotModified, "", header), nil
		}
	}
	body := keySetOf(f.kids...)
	if f.body != nil {
		body = f.body()
	}
	status := http.StatusOK
	if f.status != 0 {
		status = f.status
	}
	return response(status, body, header), nil
}

func response(status int, body string, header http.Header) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}
}

// keySetOf makes a key set with these ids. The keys are small and cheap.
func keySetOf(kids ...string) string {
	keys := []string{}
	for _, kid := range kids {
		seed := make([]byte, ed25519.SeedSize)
		copy(seed, kid)
		public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
		keys = append(keys, fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","use":"sig","kid":%q,"x":%q}`,
			kid, base64.RawURLEncoding.EncodeToString(public)))
	}
	return `{"keys":[` + strings.Join(keys, ",") + `]}`
}

// bubble runs a test where time passes at will, with an issuer that has the
// key "a", and a cache of its keys.
func bubble(t *testing.T, f *fakeIssuer, change func(*keycache.Config), test func(ctx context.Context, c *keycache.Cache)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if f.kids == nil {
			f.kids = []string{"a"}
		}
		cfg := keycache.Config{Issuer: fakeURL, Client: &http.Client{Transport: f}}
		if change != nil {
			change(&cfg)
		}
		c, err := keycache.New(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		test(t.Context(), c)
	})
}

func mustReady(t *testing.T, ctx context.Context, c *keycache.Cache) {
	t.Helper()
	if err := c.Ready(ctx); err != nil {
		t.Fatalf("not ready: %v", err)
	}
}

func wantKey(t *testing.T, ctx context.Context, c *keycache.Cache, kid string) {
	t.Helper()
	keys, err := c.Keys(ctx, kid)
	if err != nil || len(keys) != 1 || keys[0].ID() != kid {
		t.Fatalf("key %q: got %v, %v", kid, keys, err)
	}
}

func wantNoKey(t *testing.T, ctx context.Context, c *keycache.Cache, kid string, want error) {
	t.Helper()
	if keys, err := c.Keys(ctx, kid); !errors.Is(err, want) || keys != nil {
		t.Fatalf("key %q: got %v, %v; want %v", kid, keys, err, want)
	}
}
