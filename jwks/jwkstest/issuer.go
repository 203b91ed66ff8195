// Package jwkstest has an issuer for tests of services that use package jwks:
// it serves discovery and a key set on loopback and mints any token, good or
// bad.
//
//	iss := jwkstest.NewIssuer(t)
//	api := newService(iss.Verifier(t, audience))
//	good := iss.AccessToken(t, jwkstest.Token{Audience: audience, Scope: "notes:read"})
//	for _, bad := range iss.BadTokens(audience) {
//		// api must refuse bad.Token
//	}
//
// Nothing here belongs in a program that is not a test.
package jwkstest

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks"
)

// An Issuer is an issuer of tokens with an HTTP server of its own. Its methods
// may be used by many goroutines at once.
type Issuer struct {
	tb      testing.TB
	server  *httptest.Server
	mux     *http.ServeMux
	foreign *signingKey // never published

	mu         sync.Mutex
	now        func() time.Time
	current    *signingKey
	published  []*signingKey // the current one is the last
	down       bool
	maxAge     time.Duration
	fetches    int
	discovered int
	status     statusList
}

// NewIssuer starts an issuer with one RSA key, which ends with the test.
func NewIssuer(tb testing.TB) *Issuer {
	tb.Helper()
	i := &Issuer{
		tb:      tb,
		mux:     http.NewServeMux(),
		now:     time.Now,
		maxAge:  5 * time.Minute,
		foreign: takeKey(tb),
		status:  statusList{ttl: 3 * time.Second},
	}
	i.current = takeKey(tb)
	i.published = []*signingKey{i.current}
	i.mux.HandleFunc("GET /.well-known/openid-configuration", i.serveDiscovery)
	i.mux.HandleFunc("GET /.well-known/jwks.json", i.serveKeys)
	i.mux.HandleFunc("GET "+statusPath, i.serveStatusList)
	i.mux.HandleFunc("GET /oauth2/status", i.serveStatusLists)
	i.server = httptest.NewServer(http.HandlerFunc(i.serve))
	tb.Cleanup(i.server.Close)
	return i
}

// URL returns the issuer's identifier, which is also its origin.
func (i *Issuer) URL() string { return i.server.URL }

// JWKSURL returns where the key set is.
func (i *Issuer) JWKSURL() string { return i.server.URL + "/.well-known/jwks.json" }

// Handle adds an endpoint to the issuer's server: a userinfo or token endpoint
// that the service under test calls, say. The pattern is one for
// http.ServeMux. Discovery names /oauth2/authorize, /oauth2/token,
// /oauth2/userinfo and /oauth2/revoke; none of them is there until added.
func (i *Issuer) Handle(pattern string, handler http.Handler) { i.mux.Handle(pattern, handler) }

// SetNow sets the clock that tokens are dated by, which is time.Now at first.
// Give the service's Verifier the same.
func (i *Issuer) SetNow(now func() time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now = now
}

// Now returns the issuer's time.
func (i *Issuer) Now() time.Time {
	i.mu.Lock()
	now := i.now
	i.mu.Unlock()
	return now()
}

// SetDown makes the issuer break off every request, as if it were not there,
// or answer again. It still mints tokens.
func (i *Issuer) SetDown(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

// SetMaxAge sets the max-age of the key set, 5 minutes at first.
func (i *Issuer) SetMaxAge(d time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.maxAge = d
}

// Rotate publishes a new key beside those there are, and signs with it from
// now on.
func (i *Issuer) Rotate() {
	key := takeKey(i.tb)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.current = key
	i.published = append(i.published, key)
}

// Withdraw takes all keys but the current one out of the key set.
func (i *Issuer) Withdraw() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.published = []*signingKey{i.current}
}

// KeyID returns the kid of the current key.
func (i *Issuer) KeyID() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.current.id
}

// Fetches returns how often the key set was asked for while the issuer was
// not down.
func (i *Issuer) Fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

// DiscoveryFetches returns how often the discovery document was asked for
// while the issuer was not down.
func (i *Issuer) DiscoveryFetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.discovered
}

// KeySet returns the published keys, for a Verifier that needs no network. It
// does not follow a rotation.
func (i *Issuer) KeySet() *jwks.KeySet {
	set, err := jwks.ParseKeySet(i.document())
	if err != nil {
		i.tb.Fatalf("jwkstest: %v", err)
	}
	return set
}

// Cache returns a cache of the issuer's keys that has them, and ends with the
// test. The configuration is the zero one but for the issuer, and a Cooldown
// of a millisecond, so that a test may rotate keys at will.
func (i *Issuer) Cache(tb testing.TB) *jwks.Cache {
	tb.Helper()
	cache, err := jwks.NewCache(tb.Context(), jwks.CacheConfig{Issuer: i.URL(), Cooldown: time.Millisecond})
	if err != nil {
		tb.Fatalf("jwkstest: %v", err)
	}
	if err := cache.Ready(tb.Context()); err != nil {
		tb.Fatalf("jwkstest: %v", err)
	}
	return cache
}

// Verifier returns a verifier of the issuer's tokens for the audience, by a
// Cache and StatusLists of its own and the issuer's clock, otherwise with the
// zero configuration.
func (i *Issuer) Verifier(tb testing.TB, audience string) *jwks.Verifier {
	tb.Helper()
	keys := i.Cache(tb)
	v, err := jwks.NewVerifier(jwks.VerifierConfig{
		Issuer:   i.URL(),
		Audience: audience,
		Keys:     keys,
		Status:   i.StatusLists(tb, keys),
		Now:      i.Now,
	})
	if err != nil {
		tb.Fatalf("jwkstest: %v", err)
	}
	return v
}

func (i *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	down := i.down
	i.mu.Unlock()
	if down {
		panic(http.ErrAbortHandler) // breaks the connection off, silently
	}
	i.mux.ServeHTTP(w, r)
}

func (i *Issuer) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.discovered++
	published := i.status.published
	i.mu.Unlock()
	document := map[string]any{
		"issuer":                                i.URL(),
		"jwks_uri":                              i.JWKSURL(),
		"authorization_endpoint":                i.URL() + "/oauth2/authorize",
		"token_endpoint":                        i.URL() + "/oauth2/token",
		"userinfo_endpoint":                     i.URL() + "/oauth2/userinfo",
		"revocation_endpoint":                   i.URL() + "/oauth2/revoke",
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
	}
	if published {
		document["status_list_aggregation_endpoint"] = i.URL() + "/oauth2/status"
	}
	w.Header().Set("Content-Type", "application/json")
	write(w, mustJSON(document))
}

func (i *Issuer) serveKeys(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.fetches++
	maxAge := i.maxAge
	etag := strconv.Quote(i.current.id + "-" + strconv.Itoa(len(i.published)))
	i.mu.Unlock()
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(maxAge.Seconds())))
	w.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	write(w, i.document())
}

// document is the published key set as JSON.
func (i *Issuer) document() []byte {
	i.mu.Lock()
	published := slices.Clone(i.published)
	i.mu.Unlock()
	keys := []map[string]string{} // an empty array rather than null
	for _, key := range published {
		keys = append(keys, key.jwk())
	}
	return mustJSON(map[string]any{"keys": keys})
}

// write answers a client that may have gone away, which is no concern here.
func write(w http.ResponseWriter, data []byte) { _, _ = w.Write(data) }

// mustJSON encodes what can always be encoded.
func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("jwkstest: %v", err))
	}
	return data
}

// idleKeys are keys of tests that have ended. To make one takes a tenth of a
// second, so they are used again; never by two tests at once, or a foreign key
// would not be foreign.
var idleKeys struct {
	sync.Mutex
	keys []*signingKey
}

func takeKey(tb testing.TB) *signingKey {
	tb.Helper()
	idleKeys.Lock()
	var key *signingKey
	if n := len(idleKeys.keys); n > 0 {
		key, idleKeys.keys = idleKeys.keys[n-1], idleKeys.keys[:n-1]
	}
	idleKeys.Unlock()
	if key == nil {
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			tb.Fatalf("jwkstest: %v", err)
		}
		key = newSigningKey(private)
	}
	tb.Cleanup(func() {
		idleKeys.Lock()
		defer idleKeys.Unlock()
		idleKeys.keys = append(idleKeys.keys, key)
	})
	return key
}
