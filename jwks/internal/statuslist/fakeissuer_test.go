package statuslist_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/maru-auth/maru/jwks/internal/statuslist"
	"github.com/maru-auth/maru/jwks/jose"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	fakeURL = "https://issuer.example"
	listURL = fakeURL + "/oauth2/status/one"
	allURL  = fakeURL + "/oauth2/status"
)

// fakeIssuer is an issuer in the shape of a transport, so that lists can be
// followed in a synctest bubble, where time passes at will.
type fakeIssuer struct {
	mu        sync.Mutex
	keys      map[string]ed25519.PrivateKey
	key       string // id of the key that signs
	revoked   map[int]bool
	withdrawn []string
	ttl       any           // nil: none
	lifetime  time.Duration // exp − iat
	behind    time.Duration // of the clock that lists are signed by
	resign    time.Duration // how old a list gets
	delay     time.Duration // before an answer
	down      bool
	etags     bool
	status    int                                 // if not 0
	mutate    func(header, claims map[string]any) // of a list
	answer    func(*http.Request) *http.Response  // anything, if not nil
	all       string                              // the answer at allURL

	signed   string
	signedAt time.Time
	requests []time.Time
	matched  int // answers 304
	busy     map[string]int
	most     int // requests for one list at once
}

func newFake() *fakeIssuer {
	f := &fakeIssuer{keys: make(map[string]ed25519.PrivateKey), revoked: make(map[int]bool), ttl: 3,
		lifetime: 30 * time.Second, resign: 10 * time.Second, etags: true, busy: make(map[string]int)}
	f.addKey("a")
	return f
}

// addKey makes a key that signs from now on.
func (f *fakeIssuer) addKey(id string) {
	f.keys[id] = ed25519.NewKeyFromSeed(bytes.Repeat([]byte(id), ed25519.SeedSize)[:ed25519.SeedSize])
	f.key = id
}

func (f *fakeIssuer) set(change func(*fakeIssuer)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
	f.signed = ""
}

func (f *fakeIssuer) fetches() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.requests)
}

// Keys is that of a KeySource.
func (f *fakeIssuer) Keys(_ context.Context, id string) ([]jose.Key, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	private, ok := f.keys[id]
	if !ok {
		return nil, jose.ErrUnknownKey
	}
	public := base64.RawURLEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
	key, err := jose.ParseKey([]byte(`{"kty":"OKP","crv":"Ed25519","kid":"` + id + `","x":"` + public + `"}`))
	return []jose.Key{key}, err
}

// list signs a list for uri. The caller holds the mutex.
func (f *fakeIssuer) list(uri string) string {
	bits := make([]byte, 1<<10)
	for index, revoked := range f.revoked {
		if revoked {
			bits[index/8] |= 1 << (index % 8)
		}
	}
	now := time.Now().Add(-f.behind)
	header := map[string]any{"alg": "EdDSA", "typ": "statuslist+jwt", "kid": f.key}
	claims := map[string]any{
		"iss": fakeURL, "sub": uri, "iat": now.Unix(), "exp": now.Add(f.lifetime).Unix(),
		"status_list": map[string]any{"bits": 1, "lst": compress(bits)},
	}
	if f.ttl != nil {
		claims["ttl"] = f.ttl
	}
	if f.withdrawn != nil {
		claims["withdrawn_keys"] = f.withdrawn
	}
	if f.mutate != nil {
		f.mutate(header, claims)
	}
	return sign(f.keys[f.key], header, claims)
}

func sign(key ed25519.PrivateKey, header, claims map[string]any) string {
	part := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(data)
	}
	message := part(header) + "." + part(claims)
	return message + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(message)))
}

func compress(data []byte) string {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, _ = w.Write(data)
	_ = w.Close()
	return base64.RawURLEncoding.EncodeToString(out.Bytes())
}

func (f *fakeIssuer) RoundTrip(req *http.Request) (*http.Response, error) {
	uri := req.URL.String()
	f.mu.Lock()
	f.requests = append(f.requests, time.Now())
	f.busy[uri]++
	f.most = max(f.most, f.busy[uri])
	delay := f.delay
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.busy[uri]--
	}()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.down:
		return nil, errors.New("connection refused")
	case f.answer != nil:
		resp := f.answer(req)
		resp.Request = req
		return resp, nil
	case f.status != 0:
		return response(f.status, "", nil), nil
	}
	if uri == allURL {
		return response(http.StatusOK, f.all, http.Header{"Content-Type": {"application/json"}}), nil
	}
	if f.signed == "" || time.Since(f.signedAt) >= f.resign || uri != listURL {
		f.signed, f.signedAt = f.list(uri), time.Now()
	}
	header := http.Header{"Content-Type": {"application/statuslist+jwt"}}
	if f.etags {
		etag := strconv.Quote(f.signed[len(f.signed)-16:])
		header.Set("ETag", etag)
		if req.Header.Get("If-None-Match") == etag {
			f.matched++
			return response(http.StatusNotModified, "", header), nil
		}
	}
	return response(http.StatusOK, f.signed, header), nil
}

func response(status int, body string, header http.Header) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), ProtoMajor: 1, ProtoMinor: 1}
}

// listAnswer answers with a text as a list.
func listAnswer(text string) func(*http.Request) *http.Response {
	return func(*http.Request) *http.Response {
		return response(http.StatusOK, text, http.Header{"Content-Type": {"application/statuslist+jwt"}})
	}
}

// process is a verifier's process as far as its lists can tell.
type process struct {
	*statuslist.Follower
	t   testing.TB
	log *syncBuffer
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.buf.String(), text)
}

func start(t testing.TB, ctx context.Context, f *fakeIssuer, change func(*statuslist.Config)) *process {
	t.Helper()
	log := &syncBuffer{}
	cfg := statuslist.Config{Issuer: fakeURL, Keys: f, Algorithms: []string{"EdDSA"}, Client: &http.Client{Transport: f},
		Log: slog.New(slog.NewTextHandler(log, nil))}
	if change != nil {
		change(&cfg)
	}
	follower, err := statuslist.New(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &process{follower, t, log}
}

// following runs a test in a bubble, with an issuer whose list revokes index 7.
func following(t *testing.T, change func(*statuslist.Config), test func(t *testing.T, f *fakeIssuer, p *process)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.revoked[7] = true
		p := start(t, t.Context(), f, change)
		test(t, f, p)
	})
}

// want checks what is said of the index in the issuer's list; nil: VALID.
func (p *process) want(index uint64, want error) {
	p.t.Helper()
	p.wantOf(listURL, index, want)
}

func (p *process) wantOf(uri string, index uint64, want error) {
	p.t.Helper()
	if err := p.Check(p.t.Context(), uri, index); !errors.Is(err, want) || want == nil && err != nil {
		p.t.Errorf("%s %d: %v, want %v", uri, index, err, want)
	}
}
