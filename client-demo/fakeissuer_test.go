package main

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/internal/testenv/testkey"
)

const (
	testClient = "demo"
	testSecret = "a secret/with:signs"
)

// fakeIssuer is a small OpenID provider that asks for no password: everybody is person. Tests set
// its fields to make it lie.
type fakeIssuer struct {
	server *httptest.Server
	key    *rsa.PrivateKey
	now    func() time.Time

	audiences []string // of access tokens

	down      atomic.Bool // answer nothing
	refreshes atomic.Int64
	logouts   atomic.Int64
	keyReads  atomic.Int64 // of the key set
	moreKeys  atomic.Bool  // the key set begins with keys that this app cannot use
	noKeys    atomic.Bool  // the key set cannot be fetched
	revoked   atomic.Int64

	mu          sync.Mutex
	person      string
	name        string
	roles       []string
	lifetime    int64                                 // of access tokens, seconds
	answer      func(url.Values)                      // changes the answer to the authorization request
	idClaims    func(map[string]any)                  // changes what an ID token says
	idKey       *rsa.PrivateKey                       // signs ID tokens instead of key
	refuse      string                                // error code for every refresh
	holdRefresh chan struct{}                         // a refresh waits until it is closed
	asked       url.Values                            // the last authorization request
	hint        string                                // the last id_token_hint
	codes       map[string]grant                      // by code
	refresh     map[string]grant                      // by refresh token
	access      map[string]string                     // subject, by access token
	meta        func(document map[string]any)         // changes the discovery document
	extra       func(w http.ResponseWriter) (ok bool) // answers the token endpoint instead
	unfollowed  bool                                  // the services do not learn which tokens are revoked
	ended       []string                              // tokens that were revoked
	noRevoking  string                                // error code for every revocation
	holdRevoke  chan struct{}                         // a revocation waits until it is closed
}

type grant struct {
	person, nonce, challenge, scope string
	authTime                        int64
}

func newFakeIssuer(t *testing.T, now func() time.Time) *fakeIssuer {
	i := &fakeIssuer{key: testkey.RSA(t, "issuer"), now: now, person: "person-1", name: "김지수", lifetime: 600,
		codes: map[string]grant{}, refresh: map[string]grant{}, access: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /jwks", i.jwks)
	mux.HandleFunc("GET /authorize", i.authorize)
	mux.HandleFunc("POST /token", i.token)
	mux.HandleFunc("POST /revoke", i.revoke)
	mux.HandleFunc("GET /logout", i.logout)
	i.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i.down.Load() {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Access-Control-Allow-Origin", "*")
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(i.server.Close)
	return i
}

func (i *fakeIssuer) set(change func(*fakeIssuer)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change(i)
}

func (i *fakeIssuer) discovery(w http.ResponseWriter, _ *http.Request) {
	base := i.server.URL
	document := map[string]any{
		"issuer": base, "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token", "jwks_uri": base + "/jwks",
		"end_session_endpoint": base + "/logout", "revocation_endpoint": base + "/revoke",
		"id_token_signing_alg_values_supported":          []string{"RS256"},
		"authorization_response_iss_parameter_supported": true,
	}
	i.mu.Lock()
	if i.meta != nil {
		i.meta(document)
	}
	i.mu.Unlock()
	json.NewEncoder(w).Encode(document)
}

func (i *fakeIssuer) jwks(w http.ResponseWriter, _ *http.Request) {
	i.keyReads.Add(1)
	if i.noKeys.Load() {
		http.Error(w, "no keys", http.StatusBadGateway)
		return
	}
	set := struct {
		Keys []any `json:"keys"`
	}{[]any{jose.JSONWebKey{Key: i.key.Public(), KeyID: "k1", Algorithm: "RS256", Use: "sig"}}}
	if i.moreKeys.Load() {
		set.Keys = append([]any{
			map[string]any{"kty": "EC", "crv": "secp256k1", "kid": "k0", "x": "AA", "y": "AA"},
			map[string]any{"kty": "OKP", "crv": "Ed448", "kid": "k1", "x": "AA"}, // with the good key's id
			map[string]any{"kty": "ML-DSA", "kid": "k2", "pub": "AA"},
			map[string]any{"kty": "RSA", "kid": "k3"},
			map[string]any{"kty": "oct", "kid": "k4", "k": "AA"},
			map[string]any{"kid": 7}, "no key", nil,
		}, set.Keys...)
	}
	json.NewEncoder(w).Encode(set)
}

func (i *fakeIssuer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked = q
	if q.Get("code_challenge_method") != "S256" || q.Get("client_id") != testClient {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	i.codes[code] = grant{i.person, q.Get("nonce"), q.Get("code_challenge"), q.Get("scope"), i.now().Unix()}
	answer := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {i.server.URL}}
	if i.answer != nil {
		i.answer(answer)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+answer.Encode(), http.StatusSeeOther)
}

func (i *fakeIssuer) token(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	id, _ = url.QueryUnescape(id)
	secret, _ = url.QueryUnescape(secret)
	if id != testClient || secret != testSecret {
		oauthError(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	r.ParseForm()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.extra != nil && i.extra(w) {
		return
	}
	var g grant
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		code := r.PostForm.Get("code")
		sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
		var ok bool
		g, ok = i.codes[code]
		delete(i.codes, code)
		if !ok || base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge {
			oauthError(w, http.StatusBadRequest, "invalid_grant")
			return
		}
	case "refresh_token":
		i.refreshes.Add(1)
		if hold := i.holdRefresh; hold != nil {
			i.mu.Unlock()
			<-hold
			i.mu.Lock()
		}
		old := r.PostForm.Get("refresh_token")
		var ok bool
		g, ok = i.refresh[old]
		if i.refuse != "" || !ok {
			code := i.refuse
			if code == "" {
				code = "invalid_grant"
			}
			oauthError(w, http.StatusBadRequest, code)
			return
		}
		delete(i.refresh, old)
		g.nonce = ""
	default:
		oauthError(w, http.StatusBadRequest, "unsupported_grant_type")
		return
	}
	now := i.now().Unix()
	access := i.sign(i.key, "at+jwt", map[string]any{"iss": i.server.URL, "sub": g.person, "aud": i.audiences, "client_id": testClient,
		"scope": g.scope, "iat": now, "exp": now + i.lifetime, "jti": rand.Text(), "roles": i.roles, "auth_time": g.authTime,
		"status": map[string]any{"status_list": map[string]any{"idx": 81734, "uri": i.server.URL + "/oauth2/status/7f3a"}}})
	claims := map[string]any{"iss": i.server.URL, "sub": g.person, "aud": testClient, "iat": now, "exp": now + 600,
		"auth_time": g.authTime, "name": i.name, "at_hash": atHash(access)}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	if i.idClaims != nil {
		i.idClaims(claims)
	}
	key := i.key
	if i.idKey != nil {
		key = i.idKey
	}
	refresh := i.sign(i.key, "rt+jwt", map[string]any{"iss": i.server.URL, "aud": i.server.URL, "sub": g.person,
		"client_id": testClient, "jti": rand.Text(), "iat": now, "exp": now + 30*86400})
	i.access[access], i.refresh[refresh] = g.person, g
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": i.lifetime, "scope": g.scope,
		"id_token": i.sign(key, "JWT", claims), "refresh_token": refresh})
}

func (i *fakeIssuer) revoke(w http.ResponseWriter, r *http.Request) {
	i.revoked.Add(1)
	id, secret, _ := r.BasicAuth()
	id, _ = url.QueryUnescape(id)
	secret, _ = url.QueryUnescape(secret)
	i.mu.Lock()
	defer i.mu.Unlock()
	if hold := i.holdRevoke; hold != nil {
		i.mu.Unlock()
		<-hold
		i.mu.Lock()
	}
	if id != testClient || secret != testSecret || i.noRevoking != "" {
		oauthError(w, http.StatusBadRequest, cmp.Or(i.noRevoking, "invalid_client"))
		return
	}
	token := r.PostFormValue("token")
	i.ended = append(i.ended, token)
	if delete(i.refresh, token); !i.unfollowed {
		delete(i.access, token)
	}
}

func oauthError(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": code})
}

func (i *fakeIssuer) logout(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	i.mu.Lock()
	i.hint = q.Get("id_token_hint")
	i.mu.Unlock()
	i.logouts.Add(1)
	http.Redirect(w, r, q.Get("post_logout_redirect_uri")+"?"+url.Values{"state": {q.Get("state")}}.Encode(), http.StatusSeeOther)
}

func (i *fakeIssuer) sign(key *rsa.PrivateKey, typ string, claims map[string]any) string {
	return signAs("k1", key, typ, claims)
}

func signAs(kid string, key *rsa.PrivateKey, typ string, claims map[string]any) string {
	return signWith(kid, key, map[string]any{"typ": typ}, claims)
}

// signWith signs with these header members beside alg and kid.
func signWith(kid string, key *rsa.PrivateKey, header, claims map[string]any) string {
	options := &jose.SignerOptions{}
	for name, value := range header {
		options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, options)
	if err != nil {
		panic(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		panic(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return compact
}

// atHash is the claim at_hash (OpenID Connect Core §3.1.3.6).
func atHash(access string) string {
	sum := sha256.Sum256([]byte(access))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// whose returns the subject and roles of the access token that r carries, or answers 401.
func (i *fakeIssuer) whose(w http.ResponseWriter, r *http.Request) (person string, moderator, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	token := r.Header.Get("Authorization")
	if len(token) > 7 {
		person, ok = i.access[token[7:]]
	}
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", error_description="no good token"`)
		problem(w, http.StatusUnauthorized, "no good token")
	}
	return person, slices.Contains(i.roles, "moderator"), ok
}

// revokeAccess makes the services refuse every access token issued so far.
func (i *fakeIssuer) revokeAccess() {
	i.set(func(i *fakeIssuer) { clear(i.access) })
}
