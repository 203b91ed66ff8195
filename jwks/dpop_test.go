package jwks_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

const baseURL = "https://api.example/v1"

func newDPoP(t *testing.T, cfg jwks.DPoPConfig) *jwks.DPoP {
	t.Helper()
	if cfg.BaseURL == "" {
		cfg.BaseURL = baseURL
	}
	d, err := jwks.NewDPoP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// send sends a request with a token that is bound to the key, and a proof.
func send(t *testing.T, api http.Handler, key *jwkstest.ProofKey, target string, p jwkstest.Proof) *http.Response {
	t.Helper()
	if p.Method == "" {
		p.Method = "GET"
	}
	r := httptest.NewRequest(p.Method, target, nil)
	key.Authorize(t, r.Header, p)
	return do(api, r)
}

func do(api http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	return w.Result()
}

func TestABoundTokenPassesWithItsProof(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	guard := jwks.NewGuard(iss.Verifier(t, audience), jwks.GuardConfig{DPoP: newDPoP(t, jwks.DPoPConfig{})})
	for _, alg := range []string{"ES256", "EdDSA", "Ed25519", "PS256", "RS256"} {
		key := iss.ProofKey(t, alg)
		token := iss.AccessToken(t, jwkstest.Token{Subject: "mina", Audience: audience, ProofKey: key})
		for _, scheme := range []string{"DPoP ", "dpop ", "DPOP   "} {
			r := httptest.NewRequest("GET", "/notes", nil)
			r.Header.Set("Authorization", scheme+token)
			r.Header.Set("dpop", key.Proof(t, jwkstest.Proof{URL: baseURL + "/notes", Token: token}))
			claims, err := guard.Authenticate(r)
			if err != nil || claims.Subject != "mina" || claims.KeyThumbprint != key.Thumbprint() {
				t.Errorf("%s, %s: %+v, %v", alg, scheme, claims, err)
			}
		}
	}
	// Beside bearer tokens, which are bound to nothing.
	r := httptest.NewRequest("GET", "/notes", nil)
	r.Header.Set("Authorization", "Bearer "+iss.AccessToken(t, jwkstest.Token{Audience: audience}))
	if claims, err := guard.Authenticate(r); err != nil || claims.KeyThumbprint != "" {
		t.Errorf("a bearer token: %+v, %v", claims, err)
	}
}

func TestEveryBadProofIsRefused(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	var log strings.Builder
	api := notes(t, iss, jwks.GuardConfig{
		Realm: "notes", DPoP: newDPoP(t, jwks.DPoPConfig{}),
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	guard := jwks.NewGuard(iss.Verifier(t, audience), jwks.GuardConfig{DPoP: newDPoP(t, jwks.DPoPConfig{})})
	for _, bad := range iss.BadProofs("GET", baseURL+"/notes", audience, jwkstest.Token{Scope: "notes:read"}) {
		r := httptest.NewRequest("GET", "/notes", nil)
		bad.Set(r.Header)
		if claims, err := guard.Authenticate(r); !errors.Is(err, bad.Want) || claims != nil {
			t.Errorf("%s: %v", bad.Name, err)
		}
		log.Reset()
		resp := do(api, r)
		code := "invalid_token"
		if errors.Is(bad.Want, jwks.ErrInvalidProof) {
			code = "invalid_dpop_proof"
		}
		challenge := resp.Header.Get("WWW-Authenticate")
		if resp.StatusCode != 401 || !strings.Contains(challenge, `error="`+code+`"`) || !strings.Contains(challenge, `DPoP `) ||
			!strings.Contains(challenge, `algs="ES256 EdDSA Ed25519 PS256 RS256"`) {
			t.Errorf("%s: status %d, %s", bad.Name, resp.StatusCode, challenge)
		}
		if scheme, _, _ := strings.Cut(bad.Authorization, " "); !strings.HasPrefix(challenge, scheme+" ") {
			t.Errorf("%s: %s", bad.Name, challenge)
		}
		problem(t, resp)
		for _, text := range append(bad.DPoP, bad.Authorization) {
			for part := range strings.SplitSeq(text, ".") {
				if len(part) > 10 && strings.Contains(log.String()+challenge, part) {
					t.Errorf("%s: the answer or the log shows too much: %s", bad.Name, log.String())
				}
			}
		}
	}
}

// The catalogue is right for any URL.
func TestBadProofsAreBadForAnyURL(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	for _, target := range []string{"/", "/?q=1", "/A", "/a/b?c=d/e"} {
		guard := jwks.NewGuard(iss.Verifier(t, audience), jwks.GuardConfig{DPoP: newDPoP(t, jwks.DPoPConfig{BaseURL: "https://api.example"})})
		for _, bad := range iss.BadProofs("POST", "https://api.example"+target, audience) {
			r := httptest.NewRequest("POST", target, nil)
			bad.Set(r.Header)
			if _, err := guard.Authenticate(r); !errors.Is(err, bad.Want) {
				t.Errorf("%s: %s: %v", target, bad.Name, err)
			}
		}
	}
}

func TestBadTokensAreBadWithAProofToo(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	guard := jwks.NewGuard(iss.Verifier(t, audience), jwks.GuardConfig{DPoP: newDPoP(t, jwks.DPoPConfig{})})
	key := iss.ProofKey(t, "")
	for _, bad := range iss.BadTokens(audience, jwkstest.Token{ProofKey: key}) {
		r := httptest.NewRequest("GET", "/notes", nil)
		key.Authorize(t, r.Header, jwkstest.Proof{URL: baseURL + "/notes", Token: bad.Token})
		_, err := guard.Authenticate(r)
		want := bad.Want
		if errors.Is(want, jwks.ErrSenderConstrained) && !errors.Is(err, want) {
			want = jwks.ErrInvalidProof // bound, but to another key
		}
		if errors.Is(want, jwks.ErrMalformed) && errors.Is(err, jwks.ErrInvalidRequest) {
			continue
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", bad.Name, err)
		}
	}
}

func TestAProofIsGoodOnce(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	guard := jwks.NewGuard(iss.Verifier(t, audience), jwks.GuardConfig{DPoP: newDPoP(t, jwks.DPoPConfig{})})
	key := iss.ProofKey(t, "")
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience, ProofKey: key})
	proof := key.Proof(t, jwkstest.Proof{URL: baseURL + "/notes", Token: token})
	var passed, replayed atomic.Int32
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() {
			r := httptest.NewRequest("GET", "/notes", nil)
			r.Header.Set("Authorization", "DPoP "+token)
			r.Header.Set("DPoP", proof)
			switch _, err := guard.Authenticate(r); {
			case err == nil:
				passed.Add(1)
			case errors.Is(err, jwks.ErrReplayedProof):
				replayed.Add(1)
				if refusal := guard.Refuse(err); refusal.Status != 401 || !strings.Contains(refusal.Challenge, `DPoP error="invalid_dpop_proof"`) {
					t.Errorf("%+v", refusal)
				}
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if passed.Load() != 1 || replayed.Load() != 31 {
		t.Errorf("%d passed, %d replayed", passed.Load(), replayed.Load())
	}
	// The id is the key's own: another may use it too, and this one another.
	for _, k := range []*jwkstest.ProofKey{iss.ProofKey(t, ""), iss.ProofKey(t, "EdDSA")} {
		bound := iss.AccessToken(t, jwkstest.Token{Audience: audience, ProofKey: k})
		r := httptest.NewRequest("GET", "/notes", nil)
		k.Authorize(t, r.Header, jwkstest.Proof{URL: baseURL + "/notes", Token: bound,
			Mutate: func(_, claims map[string]any) { claims["jti"] = "the same" }})
		if _, err := guard.Authenticate(r); err != nil {
			t.Error(err)
		}
	}
	// A proof that is refused for something else is not used up.
	r := httptest.NewRequest("POST", "/notes", nil)
	key.Authorize(t, r.Header, jwkstest.Proof{URL: baseURL + "/notes", Token: token})
	if _, err := guard.Authenticate(r); !errors.Is(err, jwks.ErrInvalidProof) {
		t.Error(err)
	}
	r.Method = "GET"
	if _, err := guard.Authenticate(r); err != nil {
		t.Error(err)
	}
}

func TestProofsAgeAndAreForgottenLater(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	start := time.Unix(1_800_000_000, 0)
	now := start.Add(-time.Minute) // of the token
	iss.SetNow(func() time.Time { return now })
	guard := jwks.NewGuard(iss.Verifier(t, audience),
		jwks.GuardConfig{DPoP: newDPoP(t, jwks.DPoPConfig{MaxAge: 30 * time.Second, Leeway: 5 * time.Second})})
	key := iss.ProofKey(t, "")
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience, ProofKey: key})
	request := func() *http.Request {
		r := httptest.NewRequest("GET", "/notes", nil)
		key.Authorize(t, r.Header, jwkstest.Proof{URL: baseURL + "/notes", Token: token, IssuedAt: start})
		return r
	}
	for offset, want := range map[time.Duration]error{
		-6 * time.Second: jwks.ErrInvalidProof, -5 * time.Second: nil, 0: nil, 34 * time.Second: nil, 35 * time.Second: jwks.ErrInvalidProof,
	} {
		now = start.Add(offset)
		if _, err := guard.Authenticate(request()); !errors.Is(err, want) {
			t.Errorf("%v after: %v", offset, err)
		}
	}
	// As long as a proof is good, it is known to be used, whenever that was.
	for first := -5; first < 35; first += 3 {
		now = start.Add(time.Duration(first) * time.Second)
		r := request()
		if _, err := guard.Authenticate(r); err != nil {
			t.Fatal(err)
		}
		for second := first; second < 45; second++ {
			now = start.Add(time.Duration(second) * time.Second)
			if _, err := guard.Authenticate(r); !errors.Is(err, jwks.ErrReplayedProof) && !(second >= 35 && errors.Is(err, jwks.ErrInvalidProof)) {
				t.Fatalf("used after %d and %d seconds: %v", first, second, err)
			}
		}
	}
}

func TestTheMemoryOfProofsIsBounded(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	now := time.Unix(1_800_000_000, 0)
	iss.SetNow(func() time.Time { return now })
	api := notes(t, iss, jwks.GuardConfig{DPoP: newDPoP(t, jwks.DPoPConfig{MaxProofs: 6})})
	key := iss.ProofKey(t, "EdDSA")
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience, Scope: "notes:read", ProofKey: key})
	p := jwkstest.Proof{URL: baseURL + "/notes", Token: token}
	for range 3 {
		if resp := send(t, api, key, "/notes", p); resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
	}
	resp := send(t, api, key, "/notes", p)
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || resp.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("%s, %v", resp.Status, resp.Header)
	}
	problem(t, resp)

	// What one key used up is no reason to refuse others, each as long as it leaves as much as it
	// takes.
	for range 2 {
		other := iss.ProofKey(t, "EdDSA")
		p := jwkstest.Proof{URL: baseURL + "/notes",
			Token: iss.AccessToken(t, jwkstest.Token{Audience: audience, Scope: "notes:read", ProofKey: other})}
		if resp := send(t, api, other, "/notes", p); resp.StatusCode != 200 {
			t.Errorf("another key: %s", resp.Status)
		}
	}
	now = now.Add(2 * time.Minute)
	if resp := send(t, api, key, "/notes", p); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
}

func TestURLsAreComparedNormalized(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	key := iss.ProofKey(t, "EdDSA")
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience, ProofKey: key})
	for _, tc := range []struct {
		base, target, htu string
		good              bool
	}{
		{"https://api.example", "/notes", "https://api.example/notes", true},
		{"https://api.example/", "/notes", "https://api.example/notes", true},
		{"https://api.example:443", "/notes", "https://api.example/notes", true},
		{"https://api.example", "/notes", "https://api.example:443/notes", true},
		{"http://api.example:80", "/notes", "http://api.example/notes", true},
		{"https://API.example", "/notes", "HTTPS://api.EXAMPLE/notes", true},
		{"https://api.example:8443", "/notes", "https://api.example:8443/notes", true},
		{"https://api.example:8443", "/notes", "https://api.example/notes", false},
		{"https://api.example:80", "/notes", "https://api.example/notes", false},
		{"http://[::1]:8080", "/notes", "http://[::1]:8080/notes", true},
		{"https://api.example", "/notes?q=1", "https://api.example/notes", true},
		{"https://api.example", "/notes?q=1", "https://api.example/notes?q=2#top", true},
		{"https://api.example", "/", "https://api.example/", true},
		{"https://api.example", "/", "https://api.example", true},
		{"https://api.example/v1", "/", "https://api.example/v1", true},
		{"https://api.example/v1", "/", "https://api.example/v1/", true},
		{"https://api.example/v1/", "/notes", "https://api.example/v1/notes", true},
		{"https://api.example/v1", "/notes", "https://api.example/notes", false},
		{"https://api.example", "/notes/", "https://api.example/notes", false},
		{"https://api.example", "/Notes", "https://api.example/notes", false},
		{"https://api.example", "/%7emina", "https://api.example/~mina", true},
		{"https://api.example", "/~mina", "https://api.example/%7Emina", true},
		{"https://api.example", "/a%2fb", "https://api.example/a%2Fb", true},
		{"https://api.example", "/a%2Fb", "https://api.example/a/b", false},
		{"https://api.example", "/%EB%82%98", "https://api.example/%eb%82%98", true},
		{"https://api.example", "/%EB%82%98", "https://api.example/나", true},
		{"https://api.example", "/a/../b", "https://api.example/b", false},
		{"https://api.example", "/b", "https://api.example/a/../b", false},
		{"https://api.example", "/b", "https://api.example//b", false},
		{"https://api.example", "//b", "https://api.example/b", false},
	} {
		guard := jwks.NewGuard(iss.Verifier(t, audience), jwks.GuardConfig{DPoP: newDPoP(t, jwks.DPoPConfig{BaseURL: tc.base})})
		r := httptest.NewRequest("GET", "https://elsewhere.example"+tc.target, nil)
		r.Host = "elsewhere.example" // whatever callers and gateways say
		r.Header.Set("X-Forwarded-Host", "elsewhere.example")
		r.Header.Set("X-Forwarded-Proto", "ftp")
		key.Authorize(t, r.Header, jwkstest.Proof{URL: tc.htu, Token: token})
		if _, err := guard.Authenticate(r); (err == nil) != tc.good || err != nil && !errors.Is(err, jwks.ErrInvalidProof) {
			t.Errorf("base %s, request %s, htu %s: %v", tc.base, tc.target, tc.htu, err)
		}
	}
}

func TestNoncesAreAskedForAndRenewed(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	now := time.Unix(1_800_000_000, 0)
	iss.SetNow(func() time.Time { return now })
	nonceKey := []byte(strings.Repeat("k", 32))
	api := notes(t, iss, jwks.GuardConfig{DPoP: newDPoP(t, jwks.DPoPConfig{RequireNonce: true, NonceKey: nonceKey})})
	replica := notes(t, iss, jwks.GuardConfig{DPoP: newDPoP(t, jwks.DPoPConfig{RequireNonce: true, NonceKey: nonceKey})})
	stranger := notes(t, iss, jwks.GuardConfig{DPoP: newDPoP(t, jwks.DPoPConfig{RequireNonce: true})})
	key := iss.ProofKey(t, "")
	call := func(api http.Handler, nonce string) *http.Response {
		t.Helper()
		token := iss.AccessToken(t, jwkstest.Token{Audience: audience, Scope: "notes:read", ProofKey: key})
		return send(t, api, key, "/notes", jwkstest.Proof{URL: baseURL + "/notes", Token: token, Nonce: nonce})
	}
	refused := func(resp *http.Response) (nonce string) {
		t.Helper()
		nonce = resp.Header.Get("DPoP-Nonce")
		if resp.StatusCode != 401 || nonce == "" || resp.Header.Get("Cache-Control") != "no-store" ||
			!strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), `DPoP error="use_dpop_nonce"`) {
			t.Errorf("%s, %v", resp.Status, resp.Header)
		}
		return nonce
	}
	passed := func(resp *http.Response) (nonce string) {
		t.Helper()
		if resp.StatusCode != 200 {
			t.Errorf("%s, %v", resp.Status, resp.Header)
		}
		return resp.Header.Get("DPoP-Nonce")
	}
	first := refused(call(api, ""))
	for _, wrong := range []string{"x", first + "x", first[1:], strings.ToUpper(first)} {
		if again := refused(call(api, wrong)); again != first {
			t.Errorf("another nonce: %s", again)
		}
	}
	if fresh := passed(call(api, first)); fresh != "" {
		t.Errorf("a nonce that does not change is told: %s", fresh)
	}
	passed(call(replica, first))
	refused(call(stranger, first))
	now = now.Add(2 * time.Minute)
	second := passed(call(api, first)) // still good, and the next is told in time
	if second == "" || second == first {
		t.Errorf("nonce %q", second)
	}
	passed(call(api, second))
	now = now.Add(2 * time.Minute)
	refused(call(api, first))
	if third := passed(call(api, second)); third == "" || third == second {
		t.Errorf("nonce %q", third)
	}
	// What is wrong otherwise is said first: a nonce would not help.
	r := httptest.NewRequest("POST", "/notes", nil)
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience, ProofKey: key})
	key.Authorize(t, r.Header, jwkstest.Proof{URL: baseURL + "/notes", Token: token})
	if resp := do(api, r); !strings.Contains(resp.Header.Get("WWW-Authenticate"), "invalid_dpop_proof") {
		t.Error(resp.Header)
	}
}

// RFC 9449 §4.3, number 11: with a nonce, the service dates the proof itself. It
// is good once for as long as the nonce is.
func TestWithANonceTheClientsClockDoesNotMatter(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	now := time.Unix(1_800_000_000, 0)
	iss.SetNow(func() time.Time { return now })
	api := notes(t, iss, jwks.GuardConfig{DPoP: newDPoP(t, jwks.DPoPConfig{RequireNonce: true})})
	key := iss.ProofKey(t, "")
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience, Scope: "notes:read", ProofKey: key})
	p := jwkstest.Proof{URL: baseURL + "/notes", Token: token}
	p.Nonce = send(t, api, key, "/notes", p).Header.Get("DPoP-Nonce")
	var first *http.Request
	for _, wrong := range []time.Duration{-24 * time.Hour, -2 * time.Minute, 0, 2 * time.Minute, 24 * time.Hour} {
		p.IssuedAt = now.Add(wrong)
		r := httptest.NewRequest("GET", "/notes", nil)
		key.Authorize(t, r.Header, p)
		if resp := do(api, r); resp.StatusCode != 200 {
			t.Errorf("a clock that is off by %v: %s, %v", wrong, resp.Status, resp.Header)
		}
		if first == nil {
			first = r
		}
	}
	for range 3 {
		if resp := do(api, first); resp.StatusCode != 401 || !strings.Contains(resp.Header.Get("WWW-Authenticate"), "used before") {
			t.Errorf("after %v again: %s, %v", now, resp.Status, resp.Header)
		}
		now = now.Add(79 * time.Second) // two periods of a proof without nonce would be over
	}
	p.Mutate = func(_, claims map[string]any) { delete(claims, "iat") }
	if resp := send(t, api, key, "/notes", p); resp.StatusCode != 401 {
		t.Errorf("without iat: %s", resp.Status)
	}
}

// A token says by which algorithm the proofs of its key are to be signed, where
// the key does not (an RSA key).
func TestATokenNarrowsTheAlgorithmsOfItsProofs(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	api := notes(t, iss, jwks.GuardConfig{DPoP: newDPoP(t, jwks.DPoPConfig{})})
	for _, tc := range []struct {
		key    string
		claim  any
		status int
		reason string
	}{
		{"PS256", "PS256", 200, ""}, {"RS256", "RS256", 200, ""}, {"RS256", nil, 200, ""}, {"EdDSA", "Ed25519", 200, ""},
		{"RS256", "PS256", 401, "invalid_dpop_proof"}, {"PS256", "RS256", 401, "invalid_dpop_proof"},
		{"ES256", "unheard-of", 401, "invalid_dpop_proof"},
		{"PS256", []string{"PS256"}, 401, "invalid_token"},
	} {
		key := iss.ProofKey(t, tc.key)
		token := iss.AccessToken(t, jwkstest.Token{Audience: audience, Scope: "notes:read", ProofKey: key,
			Mutate: func(_, claims map[string]any) {
				if tc.claim != nil {
					claims["dpop_alg"] = tc.claim
				}
			}})
		resp := send(t, api, key, "/notes", jwkstest.Proof{URL: baseURL + "/notes", Token: token})
		if resp.StatusCode != tc.status || !strings.Contains(resp.Header.Get("WWW-Authenticate"), tc.reason) {
			t.Errorf("a proof by %s, dpop_alg %v: %s, %v", tc.key, tc.claim, resp.Status, resp.Header)
		}
	}
}

// RFC 7517 §4.4: a jwk that names an algorithm is for no other.
func TestTheKeyInAProofIsForItsAlgorithm(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	api := notes(t, iss, jwks.GuardConfig{DPoP: newDPoP(t, jwks.DPoPConfig{})})
	for _, tc := range []struct {
		alg, inKey string
		status     int
	}{
		{"PS256", "PS256", 200}, {"ES256", "ES256", 200}, {"EdDSA", "Ed25519", 200}, {"Ed25519", "EdDSA", 200},
		{"RS256", "PS256", 401}, {"PS256", "RS256", 401}, {"PS256", "RSA-OAEP", 401}, {"EdDSA", "ES256", 401}, {"ES256", "ES384", 401},
	} {
		key := iss.ProofKey(t, tc.alg)
		p := jwkstest.Proof{URL: baseURL + "/notes",
			Token: iss.AccessToken(t, jwkstest.Token{Audience: audience, Scope: "notes:read", ProofKey: key})}
		p.Mutate = func(header, _ map[string]any) { header["jwk"].(map[string]string)["alg"] = tc.inKey }
		if resp := send(t, api, key, "/notes", p); resp.StatusCode != tc.status {
			t.Errorf("%s by a key for %s: %s", tc.alg, tc.inKey, resp.Status)
		}
	}
}

func TestDPoPCanBeRequired(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	api := notes(t, iss, jwks.GuardConfig{DPoP: newDPoP(t, jwks.DPoPConfig{Required: true, Algorithms: []string{"ES256"}})})
	plain := iss.AccessToken(t, jwkstest.Token{Audience: audience, Scope: "notes:read"})
	resp := call(api, "GET", "/notes", "Bearer "+plain)
	if got := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != 401 || !strings.HasPrefix(got, `DPoP error="invalid_token"`) ||
		strings.Contains(got, "Bearer") || !strings.HasSuffix(got, `, algs="ES256"`) {
		t.Errorf("%s, %s", resp.Status, got)
	}
	problem(t, resp)
	resp = call(api, "GET", "/notes")
	if got := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != 401 || got != `DPoP algs="ES256"` {
		t.Errorf("%s, %s", resp.Status, got)
	}
	for alg, status := range map[string]int{"ES256": 200, "EdDSA": 401} {
		key := iss.ProofKey(t, alg)
		token := iss.AccessToken(t, jwkstest.Token{Audience: audience, Scope: "notes:read", ProofKey: key})
		if resp := send(t, api, key, "/notes", jwkstest.Proof{URL: baseURL + "/notes", Token: token}); resp.StatusCode != status {
			t.Errorf("%s: %s", alg, resp.Status)
		}
	}
}

func TestChallengesNameBothSchemes(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	api := notes(t, iss, jwks.GuardConfig{Realm: "notes", ResourceMetadata: metadataURL, Scope: "notes:read notes:write",
		DPoP: newDPoP(t, jwks.DPoPConfig{Algorithms: []string{"ES256", "PS256"}})})
	key := iss.ProofKey(t, "")
	dpop := `DPoP realm="notes", algs="ES256 PS256", resource_metadata="` + metadataURL + `"`
	if got := call(api, "GET", "/notes").Header.Get("WWW-Authenticate"); got !=
		`Bearer realm="notes", scope="notes:read notes:write", resource_metadata="`+metadataURL+`", `+dpop {
		t.Errorf("without a token: %s", got)
	}
	got := call(api, "GET", "/notes", "Bearer x").Header.Get("WWW-Authenticate")
	if !strings.HasPrefix(got, `Bearer realm="notes", error="invalid_token"`) || !strings.HasSuffix(got, ", "+dpop) ||
		strings.Contains(got, "scope=") {
		t.Errorf("with a bad bearer token: %s", got)
	}
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience, Scope: "notes:read", ProofKey: key})
	resp := send(t, api, key, "/notes", jwkstest.Proof{Method: "POST", URL: baseURL + "/notes", Token: token})
	want := `DPoP realm="notes", error="insufficient_scope", error_description="The access token does not have the scope that is needed.", ` +
		`scope="notes:read notes:write", algs="ES256 PS256", resource_metadata="` + metadataURL + `"`
	if got := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != 403 || got != want {
		t.Errorf("%s: %s", resp.Status, got)
	}
	resp = call(api, "GET", "/notes?access_token=x", "DPoP "+token)
	if got := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != 400 ||
		!strings.HasPrefix(got, `DPoP realm="notes", error="invalid_request"`) {
		t.Errorf("%s: %s", resp.Status, got)
	}
	resp = call(api, "GET", "/notes", "DPoP "+token, "Bearer "+token)
	if resp.StatusCode != 400 {
		t.Error(resp.Status)
	}
}

func TestWithoutDPoPBoundTokensStayRefused(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	guard := jwks.NewGuard(iss.Verifier(t, audience), jwks.GuardConfig{})
	key := iss.ProofKey(t, "")
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience, ProofKey: key})
	for scheme, want := range map[string]error{"DPoP ": jwks.ErrNoToken, "Bearer ": jwks.ErrSenderConstrained} {
		r := httptest.NewRequest("GET", "/notes", nil)
		r.Header.Set("Authorization", scheme+token)
		r.Header.Set("DPoP", key.Proof(t, jwkstest.Proof{URL: baseURL + "/notes", Token: token}))
		if _, err := guard.Authenticate(r); !errors.Is(err, want) {
			t.Errorf("%s: %v", scheme, err)
		}
	}
	if _, err := iss.Verifier(t, audience).Verify(t.Context(), token); !errors.Is(err, jwks.ErrSenderConstrained) {
		t.Error(err)
	}
}

func TestWrongDPoPConfigurationsAreRefused(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]jwks.DPoPConfig{
		"no base":       {},
		"relative":      {BaseURL: "/notes"},
		"another kind":  {BaseURL: "ftp://api.example"},
		"no host":       {BaseURL: "https:///notes"},
		"a user":        {BaseURL: "https://u@api.example"},
		"a query":       {BaseURL: "https://api.example?x"},
		"no URL":        {BaseURL: "https://api.example/%zz"},
		"negative age":  {BaseURL: baseURL, MaxAge: -1},
		"long age":      {BaseURL: baseURL, MaxAge: time.Hour},
		"long leeway":   {BaseURL: baseURL, Leeway: time.Hour},
		"no memory":     {BaseURL: baseURL, MaxProofs: -1},
		"short key":     {BaseURL: baseURL, NonceKey: []byte("short")},
		"algorithm":     {BaseURL: baseURL, Algorithms: []string{"HS256"}},
		"no signature":  {BaseURL: baseURL, Algorithms: []string{"none"}},
		"empty key set": {BaseURL: baseURL, NonceKey: []byte{}},
	} {
		if d, err := jwks.NewDPoP(cfg); err == nil || d != nil {
			t.Errorf("%s: no error", name)
		}
	}
}
