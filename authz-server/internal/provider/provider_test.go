package provider_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// signer is a key of a client.
type signer struct {
	t   testing.TB
	key jose.JSONWebKey
}

func newSigner(t testing.TB, kid string) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{t, jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: "ES256", Use: "sig"}}
}

// set is the public key set, as a client registers it.
func (s *signer) set() json.RawMessage {
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.key.Public()}})
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

func (s *signer) thumbprint() string {
	sum, err := s.key.Thumbprint(crypto.SHA256)
	if err != nil {
		s.t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// sign makes a JWT. change may set headers and claims.
func (s *signer) sign(header map[jose.HeaderKey]any, claims map[string]any) string {
	s.t.Helper()
	if s.key.Algorithm == "Ed25519" { // RFC 9864; go-jose knows EdDSA alone
		whole := map[jose.HeaderKey]any{"alg": "Ed25519", "kid": s.key.KeyID}
		for name, value := range header {
			whole[name] = value
		}
		head, err := json.Marshal(whole)
		if err != nil {
			s.t.Fatal(err)
		}
		body, err := json.Marshal(claims)
		if err != nil {
			s.t.Fatal(err)
		}
		message := b64(string(head)) + "." + b64(string(body))
		return message + "." + b64(string(ed25519.Sign(s.key.Key.(ed25519.PrivateKey), []byte(message))))
	}
	options := &jose.SignerOptions{ExtraHeaders: header}
	made, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(s.key.Algorithm), Key: s.key}, options)
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		s.t.Fatal(err)
	}
	signed, err := made.Sign(text)
	if err != nil {
		s.t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

// proof makes a DPoP proof for a request, with claims changed; nil takes one out.
func (s *signer) proof(f *fixture, method, path string, changes ...any) string {
	claims := map[string]any{"htm": method, "htu": f.issuer + path, "iat": f.clock.now().Unix(), "jti": rand.Text()}
	header := map[jose.HeaderKey]any{"typ": "dpop+jwt", "jwk": s.key.Public()}
	for i := 0; i < len(changes); i += 2 {
		name := changes[i].(string)
		if name == "typ" || name == "jwk" {
			header[jose.HeaderKey(name)] = changes[i+1]
			continue
		}
		claims[name] = changes[i+1]
		if changes[i+1] == nil {
			delete(claims, name)
		}
	}
	return s.sign(header, claims)
}

func ath(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// assertion makes a client assertion (RFC 7523).
func (s *signer) assertion(f *fixture, id string, changes ...any) url.Values {
	claims := map[string]any{"iss": id, "sub": id, "aud": f.issuer, "jti": rand.Text(), "exp": f.clock.now().Add(time.Minute).Unix(), "iat": f.clock.now().Unix()}
	for i := 0; i < len(changes); i += 2 {
		claims[changes[i].(string)] = changes[i+1]
		if changes[i+1] == nil {
			delete(claims, changes[i].(string))
		}
	}
	return url.Values{"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {s.sign(map[jose.HeaderKey]any{"typ": "JWT"}, claims)}}
}

func with(form url.Values, more url.Values) url.Values {
	for name, values := range more {
		form[name] = values
	}
	return form
}

// post posts a form to an endpoint, with headers.
func (f *fixture) postForm(path string, form url.Values, header ...string) answer {
	f.t.Helper()
	return f.do(f.server.Client(), f.request("POST", path, form, header...))
}

// push pushes an authorization request of "app".
func (f *fixture) push(form url.Values) answer {
	f.t.Helper()
	r := f.request("POST", "/oauth2/par", form)
	r.SetBasicAuth(form.Get("client_id"), secret)
	return f.do(f.server.Client(), r)
}

func TestAPushedRequestIsUsedOnceAndAlone(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.addClient("other", nil)
		b := f.browser().logIn(f.user)
		pushed := func() string {
			a := f.push(parameters("state", "pushed", "nonce", "pushed"))
			object := a.json(t)
			if a.status != http.StatusCreated || object["expires_in"] != float64(60) || a.header.Get("Cache-Control") != "no-store" {
				t.Fatalf("%d %s", a.status, a.body)
			}
			return object["request_uri"].(string)
		}
		reference := func(uri string, more ...string) url.Values {
			form := url.Values{"client_id": {"app"}, "request_uri": {uri}}
			for i := 0; i < len(more); i += 2 {
				form.Set(more[i], more[i+1])
			}
			return form
		}
		// What stands beside the reference is injected by whoever could change the address.
		uri := pushed()
		a := b.authorize(reference(uri, "nonce", "injected", "state", "injected", "prompt", "none", "redirect_uri", "https://evil.example/", "scope", "openid board:moderate"))
		if a.parameter("state") != "pushed" || !strings.HasPrefix(a.location.String(), callback) {
			t.Fatalf("%d %v %s", a.status, a.location, a.body)
		}
		got := f.tokens(f.exchange(a.parameter("code")))
		if _, id := decode(t, got.id); id["nonce"] != "pushed" || strings.Contains(got.scope, "moderate") {
			t.Errorf("injected: %v %s", id, got.scope)
		}
		if a := b.authorize(reference(uri)); a.status != http.StatusBadRequest || a.location != nil {
			t.Errorf("used twice: %d %v", a.status, a.location)
		}
		// Another client's.
		form := reference(pushed())
		form.Set("client_id", "other")
		if a := b.authorize(form); a.status != http.StatusBadRequest || a.location != nil {
			t.Errorf("by another client: %d %v", a.status, a.location)
		}
		// Not spent by opening the page, only by the answer; and a slow person does not lose it.
		uri = pushed()
		fresh := f.browser()
		first, second := fresh.authorize(reference(uri)), fresh.authorize(reference(uri))
		if first.location.Path != "/login" || second.location.Path != "/login" {
			t.Fatalf("%v %v", first.location, second.location)
		}
		f.clock.advance(2 * time.Minute)
		fresh.logIn(f.user)
		if a := fresh.get("/oauth2/authorize?interaction=" + url.QueryEscape(first.parameter("interaction"))); a.parameter("code") == "" {
			t.Errorf("after the log-in: %d %v %s", a.status, a.location, a.body)
		}
		if a := fresh.get("/oauth2/authorize?interaction=" + url.QueryEscape(second.parameter("interaction"))); a.parameter("code") != "" {
			t.Error("the request was answered twice")
		}
		// Expired.
		uri = pushed()
		f.clock.advance(61 * time.Second)
		if a := b.authorize(reference(uri)); a.status != http.StatusBadRequest {
			t.Errorf("expired: %d %v", a.status, a.location)
		}
	})
}

func TestAPushedRequestIsAnsweredOnceInARace(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		b := f.browser().logIn(f.user)
		uri := f.push(parameters()).json(t)["request_uri"].(string)
		var codes atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if b.authorize(url.Values{"client_id": {"app"}, "request_uri": {uri}}).parameter("code") != "" {
					codes.Add(1)
				}
			})
		}
		wg.Wait()
		if codes.Load() != 1 {
			t.Fatalf("%d codes", codes.Load())
		}
	})
}

func TestAPushIsCheckedLikeARequest(t *testing.T) {
	f := one(t)
	f.addClient("must-push", func(c *client.Client) { c.RequirePAR = true })
	wantError(t, f.push(parameters("redirect_uri", "https://evil.example/")), 400, "invalid_request")
	wantError(t, f.push(parameters("scope", "wish")), 400, "invalid_scope")
	wantError(t, f.push(parameters("request_uri", "urn:ietf:params:oauth:request_uri:x")), 400, "invalid_request")
	wantError(t, f.push(parameters("code_challenge", "")), 400, "invalid_request")
	wantError(t, f.postForm("/oauth2/par", parameters()), 401, "invalid_client")
	form := parameters()
	form.Set("client_secret", secret)
	wantError(t, f.push(form), 400, "invalid_request")
	if a := f.browser().authorize(parameters("client_id", "must-push")); a.parameter("error") != "invalid_request" {
		t.Errorf("a client that must push did not: %v", a.location)
	}
}

func TestLegacyResponseTypesAreOffUntilSwitchedOn(t *testing.T) {
	f := oneWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.InsecureLegacyResponseTypes = true })
	f.addClient("old", func(c *client.Client) {
		c.GrantTypes = []string{"authorization_code", "implicit"}
		c.ResponseTypes = []string{"code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"}
		c.RequirePKCE = false
	})
	b := f.browser().logIn(f.user)
	for _, kind := range []string{"id_token", "token id_token", "code id_token", "code token", "code id_token token"} {
		for _, mode := range []string{"", "form_post"} {
			a := b.authorize(parameters("client_id", "old", "response_type", kind, "response_mode", mode))
			if mode == "" && (a.location == nil || a.location.Fragment == "" || a.location.Query().Has("state")) {
				t.Errorf("%s: %d %v", kind, a.status, a.location)
			}
			for name, parameter := range map[string]string{"code": "code", "token": "access_token", "id_token": "id_token"} {
				if wanted := slices.Contains(strings.Fields(kind), name); wanted != (a.parameter(parameter) != "") {
					t.Errorf("%s %s: %s is there: %t", kind, mode, parameter, !wanted)
				}
			}
			if a.parameter("id_token") == "" {
				continue
			}
			_, id := decode(t, a.parameter("id_token"))
			if id["nonce"] != "n-1" || (id["at_hash"] != nil) != (a.parameter("access_token") != "") || (id["c_hash"] != nil) != (a.parameter("code") != "") {
				t.Errorf("%s: %v", kind, id)
			}
			// Where no access token can be had, the claims are in the ID token (OIDC Core §5.4).
			if (id["email"] != nil) != (kind == "id_token") {
				t.Errorf("%s: email in the ID token: %v", kind, id["email"])
			}
		}
	}
	if a := b.authorize(parameters("client_id", "old", "response_type", "id_token", "nonce", "")); a.parameter("error") != "invalid_request" {
		t.Errorf("without a nonce: %v", a.location)
	}
	if a := b.authorize(parameters("client_id", "old", "response_type", "code token", "response_mode", "query")); a.parameter("error") != "unsupported_response_mode" {
		t.Errorf("tokens in a query: %v", a.location)
	}
	if a := f.userinfo(b.authorize(parameters("client_id", "old", "response_type", "id_token token")).parameter("access_token")); a.status != 200 {
		t.Errorf("userinfo: %d %s", a.status, a.body)
	}
}

func TestSignedAnswersAreJARM(t *testing.T) {
	f := one(t)
	b := f.browser().logIn(f.user)
	for _, mode := range []string{"jwt", "query.jwt", "fragment.jwt", "form_post.jwt"} {
		for _, scope := range []string{"openid", "unknown"} {
			a := b.authorize(parameters("response_mode", mode, "state", "s-1", "scope", scope))
			_, claims := decode(t, a.parameter("response"))
			if claims["iss"] != f.issuer || claims["aud"] != "app" || claims["exp"] == nil || claims["state"] != "s-1" {
				t.Errorf("%s: %v", mode, claims)
			}
			if (claims["code"] != nil) != (scope == "openid") || (claims["error"] != nil) == (scope == "openid") || a.parameter("code") != "" {
				t.Errorf("%s %s: %v", mode, scope, claims)
			}
		}
	}
}

func TestFormPostKeepsTheAnswerOutOfTheAddress(t *testing.T) {
	f := one(t)
	a := f.browser().logIn(f.user).authorize(parameters("response_mode", "form_post", "state", `"><script>alert(1)</script>`))
	if a.status != 200 || a.location != nil || !strings.Contains(a.body, `action="https://app.example/cb?tenant=1"`) || strings.Contains(a.body, "<script>alert") {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if policy := a.header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'self'") || strings.Contains(policy, "unsafe-inline") {
		t.Errorf("policy: %s", policy)
	}
	f.tokens(f.exchange(a.parameter("code")))
}

func TestResourcesNarrowTheAudience(t *testing.T) {
	f := one(t)
	b := f.browser().logIn(f.user)
	aud := func(token string) any { _, claims := decode(t, token); return claims["aud"] }
	got := f.tokens(f.exchange(b.code("resource", apiOrigin+"/board")))
	if aud(got.access) != apiOrigin+"/board" {
		t.Errorf("at the authorization endpoint: %v", aud(got.access))
	}
	wide := f.tokens(f.exchange(b.code(), "resource", apiOrigin+"/user"))
	if aud(wide.access) != apiOrigin+"/user" {
		t.Errorf("at the token endpoint: %v", aud(wide.access))
	}
	if again := f.tokens(f.refresh(wide.refresh, "resource", apiOrigin+"/board")); aud(again.access) != apiOrigin+"/board" {
		t.Errorf("at a refresh: %v", aud(again.access))
	}
	wantError(t, f.refresh(got.refresh, "resource", apiOrigin+"/user"), 400, "invalid_target")
	if a := b.authorize(parameters("resource", "https://evil.example/")); a.parameter("error") != "invalid_target" {
		t.Errorf("unknown: %v", a.location)
	}
	wantError(t, f.token("app", secret, url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}, "resource": {apiOrigin + "/user"}}), 400, "invalid_target")
}

func TestTheClaimsParameter(t *testing.T) {
	f := one(t)
	if err := f.store.Users.SetClaims(t.Context(), f.user.ID, accounts.Claims{GivenName: "민지", PhoneNumber: "+82 10 1234 5678", Address: accounts.Address{Country: "KR"}}); err != nil {
		t.Fatal(err)
	}
	b := f.browser().logIn(f.user)
	got := f.tokens(f.exchange(b.code("scope", "openid", "claims", `{"userinfo":{"name":{"essential":true},"gender":null},"id_token":{"given_name":null,"auth_time":{"essential":true}}}`)))
	_, id := decode(t, got.id)
	info := f.userinfo(got.access).json(t)
	if id["given_name"] != "민지" || id["name"] != nil || info["name"] != "김민지" || info["given_name"] != nil || len(info) != 2 {
		t.Errorf("ID token %v, userinfo %v", id, info)
	}
	if _, again := decode(t, f.tokens(f.refresh(got.refresh)).id); again["given_name"] != "민지" {
		t.Errorf("after a refresh: %v", again)
	}
	all := f.userinfo(f.tokens(f.exchange(b.code("scope", "openid profile email address phone"))).access).json(t)
	if all["phone_number_verified"] != false || all["address"].(map[string]any)["country"] != "KR" || all["family_name"] != nil {
		t.Errorf("%v", all)
	}
	for claims, want := range map[string]string{
		`{"id_token":{"sub":{"value":"` + f.user.ID + `"}}}`:         "",
		`{"id_token":{"sub":{"value":"somebody"}}}`:                  "login_required",
		`{"id_token":{"acr":{"essential":true,"values":["9"]}}}`:     "unmet_authentication_requirements",
		`{"id_token":{"acr":{"essential":true,"values":["9","1"]}}}`: "",
		`{"id_token":{"acr":{"values":["9"]}}}`:                      "",
		`{`:                                                          "invalid_request",
	} {
		if a := b.authorize(parameters("claims", claims)); a.parameter("error") != want {
			t.Errorf("%s: %v", claims, a.location)
		}
	}
}

func TestPairwiseSubjectsCannotBeLinked(t *testing.T) {
	f := one(t)
	for id, redirect := range map[string]string{"one": "https://one.example/cb", "two": "https://two.example/cb"} {
		f.addClient(id, func(c *client.Client) {
			c.SubjectType, c.RedirectURIs = "pairwise", []string{redirect}
		})
	}
	b := f.browser().logIn(f.user)
	subjects := map[string]bool{f.user.ID: true}
	for id, redirect := range map[string]string{"one": "https://one.example/cb", "two": "https://two.example/cb"} {
		code := b.code("client_id", id, "redirect_uri", redirect)
		got := f.tokens(f.token(id, secret, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier}}))
		_, token := decode(t, got.id)
		subject := token["sub"].(string)
		if subjects[subject] {
			t.Errorf("%s: the subject %s is known elsewhere", id, subject)
		}
		subjects[subject] = true
		if f.userinfo(got.access).json(t)["sub"] != subject {
			t.Error("userinfo tells another subject")
		}
		for _, one := range []string{got.access, got.refresh, got.id} {
			if _, claims := decode(t, one); claims["sub"] != subject {
				t.Errorf("a token tells the subject %v", claims["sub"])
			}
		}
		if a := b.authorize(parameters("client_id", id, "redirect_uri", redirect, "prompt", "none", "id_token_hint", got.id)); a.parameter("code") == "" {
			t.Errorf("the hint is not understood: %v", a.location)
		}
		if a := b.get("/oauth2/logout?" + url.Values{"id_token_hint": {got.id}}.Encode()); !strings.Contains(a.body, "You are logged out") {
			t.Errorf("log-out by the hint: %d %s", a.status, a.body)
		}
		b.logIn(f.user)
	}
}

func TestDPoPBindsTokensToAKey(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		key, thief := newSigner(t, ""), newSigner(t, "")
		b := f.browser().logIn(f.user)
		exchange := func(code, proof string) answer {
			r := f.request("POST", "/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}, "DPoP", proof)
			r.SetBasicAuth("app", secret)
			return f.do(f.server.Client(), r)
		}
		a := exchange(b.code(), key.proof(f, "POST", "/oauth2/token"))
		if a.status != 200 || a.json(t)["token_type"] != "DPoP" {
			t.Fatalf("%d %s", a.status, a.body)
		}
		access := a.json(t)["access_token"].(string)
		if _, claims := decode(t, access); claims["cnf"].(map[string]any)["jkt"] != key.thumbprint() {
			t.Errorf("cnf: %v", claims["cnf"])
		}
		use := func(scheme, token, proof string) answer {
			r := f.request("GET", "/oauth2/userinfo", nil, "Authorization", scheme+" "+token)
			if proof != "" {
				r.Header.Set("DPoP", proof)
			}
			return f.do(f.server.Client(), r)
		}
		good := key.proof(f, "GET", "/oauth2/userinfo", "ath", ath(access))
		if a := use("dPoP", access, good); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		bearer := f.tokens(f.exchange(b.code())).access
		for name, a := range map[string]answer{
			"the proof again":             use("DPoP", access, good),
			"as a plain bearer":           use("Bearer", access, ""),
			"as a bearer with a proof":    use("Bearer", access, key.proof(f, "GET", "/oauth2/userinfo", "ath", ath(access))),
			"without a proof":             use("DPoP", access, ""),
			"another key":                 use("DPoP", access, thief.proof(f, "GET", "/oauth2/userinfo", "ath", ath(access))),
			"without ath":                 use("DPoP", access, key.proof(f, "GET", "/oauth2/userinfo")),
			"another token's ath":         use("DPoP", access, key.proof(f, "GET", "/oauth2/userinfo", "ath", ath(bearer))),
			"another endpoint's proof":    use("DPoP", access, key.proof(f, "GET", "/oauth2/token", "ath", ath(access))),
			"another method's":            use("DPoP", access, key.proof(f, "POST", "/oauth2/userinfo", "ath", ath(access))),
			"an unbound token under DPoP": use("DPoP", bearer, key.proof(f, "GET", "/oauth2/userinfo", "ath", ath(bearer))),
		} {
			if a.status != 401 || !strings.Contains(a.header.Get("WWW-Authenticate"), "error=") {
				t.Errorf("%s: %d %s", name, a.status, a.header.Get("WWW-Authenticate"))
			}
		}
		private := key.key
		for name, proof := range map[string]string{
			"rubbish":         "x.y.z",
			"typ":             key.proof(f, "POST", "/oauth2/token", "typ", "JWT"),
			"a private key":   key.proof(f, "POST", "/oauth2/token", "jwk", private),
			"another's jwk":   key.proof(f, "POST", "/oauth2/token", "jwk", thief.key.Public()),
			"no jti":          key.proof(f, "POST", "/oauth2/token", "jti", nil),
			"no iat":          key.proof(f, "POST", "/oauth2/token", "iat", nil),
			"an hour ago":     key.proof(f, "POST", "/oauth2/token", "iat", f.clock.now().Add(-time.Hour).Unix()),
			"an hour ahead":   key.proof(f, "POST", "/oauth2/token", "iat", f.clock.now().Add(time.Hour).Unix()),
			"another method":  key.proof(f, "GET", "/oauth2/token"),
			"another address": key.proof(f, "POST", "/oauth2/par"),
		} {
			code := b.code()
			wantError(t, exchange(code, proof), 400, "invalid_dpop_proof")
			if a := exchange(code, key.proof(f, "POST", "/oauth2/token", "htu", f.issuer+"/oauth2/token?x=1#y")); a.status != 200 {
				t.Errorf("%s: the refusal cost the code: %s", name, a.body)
			}
		}
		once := key.proof(f, "POST", "/oauth2/token")
		if a := exchange(b.code(), once); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
		wantError(t, exchange(b.code(), once), 400, "invalid_dpop_proof")

		r := f.request("POST", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}})
		r.SetBasicAuth("app", secret)
		r.Header["Dpop"] = []string{key.proof(f, "POST", "/oauth2/token"), key.proof(f, "POST", "/oauth2/token")}
		wantError(t, f.do(f.server.Client(), r), 400, "invalid_dpop_proof")

		// RFC 9449 §10: a code that was bound at the authorization endpoint.
		bound := func() string { return b.code("dpop_jkt", key.thumbprint()) }
		wantError(t, exchange(bound(), thief.proof(f, "POST", "/oauth2/token")), 400, "invalid_grant")
		wantError(t, f.exchange(bound()), 400, "invalid_grant")
		if a := exchange(bound(), key.proof(f, "POST", "/oauth2/token")); a.status != 200 {
			t.Errorf("the right key: %d %s", a.status, a.body)
		}
	})
}

func TestAPublicClientsRefreshTokenIsBoundToItsKey(t *testing.T) {
	f := one(t)
	f.addClient("public", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code", "refresh_token"}
	})
	key, thief := newSigner(t, ""), newSigner(t, "")
	code := f.browser().logIn(f.user).code("client_id", "public")
	a := f.postForm("/oauth2/token", url.Values{"client_id": {"public"}, "grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}, "DPoP", key.proof(f, "POST", "/oauth2/token"))
	token, _ := a.json(t)["refresh_token"].(string)
	form := func() url.Values {
		return url.Values{"client_id": {"public"}, "grant_type": {"refresh_token"}, "refresh_token": {token}}
	}
	wantError(t, f.postForm("/oauth2/token", form()), 400, "invalid_grant")
	wantError(t, f.postForm("/oauth2/token", form(), "DPoP", thief.proof(f, "POST", "/oauth2/token")), 400, "invalid_grant")
	if a := f.postForm("/oauth2/token", form(), "DPoP", key.proof(f, "POST", "/oauth2/token")); a.status != 200 || a.json(t)["token_type"] != "DPoP" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestDPoPNonces(t *testing.T) {
	f := oneWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.DPoPNonces = true })
	key := newSigner(t, "")
	call := func(changes ...any) answer {
		r := f.request("POST", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}, "DPoP", key.proof(f, "POST", "/oauth2/token", changes...))
		r.SetBasicAuth("app", secret)
		return f.do(f.server.Client(), r)
	}
	a := call()
	wantError(t, a, 400, "use_dpop_nonce")
	nonce := a.header.Get("DPoP-Nonce")
	if a := call("nonce", nonce); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	wantError(t, call("nonce", nonce[:len(nonce)-8]+"AAAAAAAA"), 400, "use_dpop_nonce")
	f.clock.advance(10 * time.Minute)
	wantError(t, call("nonce", nonce), 400, "use_dpop_nonce")
}
