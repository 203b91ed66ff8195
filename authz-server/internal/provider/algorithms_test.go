package provider_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// signerFor is a client's key for an algorithm of the server.
func signerFor(t testing.TB, owner, kid, alg string) *signer {
	t.Helper()
	switch alg {
	case "RS256", "PS256":
		return newRSASigner(t, owner, kid, alg)
	case "ES256":
		return newSigner(t, kid)
	}
	return newEdSigner(t, kid, alg)
}

// as is the key with another name of its algorithm, in it and in what it signs.
func (s *signer) as(alg string) *signer {
	other := *s
	other.key.Algorithm = alg
	return &other
}

// credentials asks for a client's own token.
func credentials(f *fixture, id string, key *signer, proof string, changes ...any) answer {
	f.t.Helper()
	return f.postForm("/oauth2/token", with(url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}, key.assertion(f, id, changes...)), "DPoP", proof)
}

func useUserinfo(f *fixture, token, proof string) answer {
	f.t.Helper()
	return f.do(f.server.Client(), f.request("GET", "/oauth2/userinfo", nil, "Authorization", "DPoP "+token, "DPoP", proof))
}

func TestEveryAlgorithmOfTheListSignsWhatClientsSend(t *testing.T) {
	f := one(t)
	b := f.browser().logIn(f.user)
	for _, alg := range client.Algorithms {
		key := signerFor(t, "the client", "k1", alg)
		f.addClient(alg, func(c *client.Client) {
			c.JWKS, c.TokenEndpointAuthMethod, c.TokenEndpointAuthSigningAlg, c.RequestObjectSigningAlg = key.set(), "private_key_jwt", alg, alg
			c.GrantTypes = []string{"authorization_code", "client_credentials"}
		})
		a := credentials(f, alg, key, signerFor(t, "the proofs", "", alg).proof(f, "POST", "/oauth2/token"))
		if a.status != 200 || a.json(t)["token_type"] != "DPoP" {
			t.Errorf("%s: assertion and proof: %d %s", alg, a.status, a.body)
		}
		claims := map[string]any{"iss": alg, "aud": f.issuer}
		for name, values := range parameters("client_id", alg) {
			claims[name] = values[0]
		}
		object := key.sign(map[jose.HeaderKey]any{"typ": "oauth-authz-req+jwt"}, claims)
		if a := b.authorize(url.Values{"client_id": {alg}, "response_type": {"code"}, "scope": {"openid"}, "request": {object}}); a.parameter("code") == "" {
			t.Errorf("%s: request object: %d %v", alg, a.status, a.location)
		}
	}
	// Whichever of its names the client registered, the other one passes too.
	for registered, used := range map[string]string{"EdDSA": "Ed25519", "Ed25519": "EdDSA"} {
		key := newEdSigner(t, "k1", registered)
		f.addClient("registered-"+registered, func(c *client.Client) {
			c.JWKS, c.TokenEndpointAuthMethod, c.TokenEndpointAuthSigningAlg, c.GrantTypes = key.set(), "private_key_jwt", registered, []string{"client_credentials"}
			c.RedirectURIs = nil
		})
		if a := credentials(f, "registered-"+registered, key.as(used), key.proof(f, "POST", "/oauth2/token", "jwk", key.as(used).key.Public())); a.status != 200 {
			t.Errorf("%s for %s: %d %s", used, registered, a.status, a.body)
		}
	}
}

// FAPI 2.0 Security Profile §5.4.1, RFC 7517 §4.4.
func TestProofsAreSignedAsProfileAndKeyDemand(t *testing.T) {
	f := one(t)
	b := f.browser().logIn(f.user)
	own := newSigner(t, "own")
	c := f.fapiClient("fapi", own, func(c *client.Client) { c.GrantTypes = append(c.GrantTypes, "client_credentials") })
	f.addClient("plain", func(c *client.Client) {
		c.JWKS, c.TokenEndpointAuthMethod = own.set(), "private_key_jwt"
		c.GrantTypes = []string{"authorization_code", "client_credentials"}
	})
	rs256, ps256 := newRSASigner(t, "the proofs", "", "RS256"), newRSASigner(t, "the proofs", "", "RS256").as("PS256")

	push := func(id string, key *signer) answer {
		return f.postForm("/oauth2/par", with(parameters("client_id", id), own.assertion(f, id)), "DPoP", key.proof(f, "POST", "/oauth2/par"))
	}
	wantError(t, push("fapi", rs256), 400, "invalid_dpop_proof")
	for id, key := range map[string]*signer{"fapi": ps256, "plain": rs256} {
		if a := push(id, key); a.status != 201 {
			t.Errorf("%s: %d %s", id, a.status, a.body)
		}
	}
	redeem := func(id, code string, key *signer) answer {
		return f.postForm("/oauth2/token", with(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}, own.assertion(f, id)),
			"DPoP", key.proof(f, "POST", "/oauth2/token"))
	}
	code := c.authorize(b).parameter("code")
	wantError(t, redeem("fapi", code, rs256), 400, "invalid_dpop_proof")
	a := redeem("fapi", code, ps256) // the refusal did not cost the code
	if a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	// The token says which algorithm of the RSA key it is for, here as at the resource services.
	token := a.json(t)["access_token"].(string)
	if _, claims := decode(t, token); claims["dpop_alg"] != "PS256" {
		t.Errorf("%v", claims)
	}
	if a := useUserinfo(f, token, rs256.proof(f, "GET", "/oauth2/userinfo", "ath", ath(token))); a.status != 401 || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "DPoP ") ||
		!strings.Contains(a.header.Get("WWW-Authenticate"), `error="invalid_dpop_proof"`) {
		t.Errorf("RS256 at userinfo: %d %v", a.status, a.header)
	}
	if a := useUserinfo(f, token, ps256.proof(f, "GET", "/oauth2/userinfo", "ath", ath(token))); a.status != 200 {
		t.Errorf("PS256 at userinfo: %d %s", a.status, a.body)
	}
	wantError(t, credentials(f, "fapi", own, rs256.proof(f, "POST", "/oauth2/token")), 400, "invalid_dpop_proof")
	for alg, key := range map[string]*signer{"RS256": rs256, "ES256": newSigner(t, "")} {
		a := credentials(f, "plain", own, key.proof(f, "POST", "/oauth2/token"))
		_, claims := decode(t, a.json(t)["access_token"].(string))
		if bound, _ := claims["dpop_alg"].(string); bound != map[string]string{"RS256": "RS256"}[alg] {
			t.Errorf("%s: %v", alg, claims)
		}
	}
	// A key that names an algorithm is for no other.
	for name, proof := range map[string]string{
		"PS256 by a key for RS256": ps256.proof(f, "POST", "/oauth2/token", "jwk", rs256.key.Public()),
		"RS256 by a key for PS256": rs256.proof(f, "POST", "/oauth2/token", "jwk", ps256.key.Public()),
		"PS256 by one for OAEP":    ps256.proof(f, "POST", "/oauth2/token", "jwk", ps256.as("RSA-OAEP").key.Public()),
	} {
		if a := credentials(f, "plain", own, proof); a.status != 400 || a.json(t)["error"] != "invalid_dpop_proof" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

// FAPI 2.0 Security Profile §5.3.2.1: 10 seconds ahead are taken, whatever it is that a client signs.
func TestClocksOfClientsMayDifferByTenSeconds(t *testing.T) {
	f := one(t)
	b := f.browser().logIn(f.user)
	key := newSigner(t, "k1")
	f.addClient("signing", func(c *client.Client) {
		c.JWKS, c.TokenEndpointAuthMethod = key.set(), "private_key_jwt"
		c.GrantTypes = []string{"authorization_code", "client_credentials"}
	})
	in := func(seconds int) int64 { return f.clock.now().Unix() + int64(seconds) }
	assertion := func(changes ...any) bool {
		return credentials(f, "signing", key, key.proof(f, "POST", "/oauth2/token"), changes...).status == 200
	}
	proof := func(changes ...any) bool {
		return credentials(f, "signing", key, key.proof(f, "POST", "/oauth2/token", changes...)).status == 200
	}
	object := func(changes ...any) bool {
		claims := map[string]any{"iss": "signing", "aud": f.issuer}
		for name, values := range parameters("client_id", "signing") {
			claims[name] = values[0]
		}
		for i := 0; i < len(changes); i += 2 {
			claims[changes[i].(string)] = changes[i+1]
		}
		a := b.authorize(url.Values{"client_id": {"signing"}, "response_type": {"code"}, "scope": {"openid"}, "request": {key.sign(nil, claims)}})
		return a.parameter("code") != ""
	}
	for name, send := range map[string]func(changes ...any) bool{"assertion": assertion, "request object": object, "proof": proof} {
		for _, tc := range []struct {
			claim   string
			seconds int
			good    bool
		}{
			{"iat", 10, true}, {"iat", 11, false}, {"iat", 61, false},
			{"nbf", 10, true}, {"nbf", 11, false}, {"nbf", 61, false},
			{"exp", -9, true}, {"exp", -10, false},
		} {
			if name == "proof" && tc.claim != "iat" { // it has no others
				continue
			}
			if good := send(tc.claim, in(tc.seconds)); good != tc.good {
				t.Errorf("%s: %s in %d s: taken: %t", name, tc.claim, tc.seconds, good)
			}
		}
		for _, wrong := range []any{"soon", 1e300, -1, []int{1}} {
			if send("iat", wrong) {
				t.Errorf("%s: iat %v was taken", name, wrong)
			}
		}
	}
	if !proof("iat", in(-69)) || proof("iat", in(-70)) {
		t.Error("the age of proofs")
	}
	// What counts a while longer is used once all the same.
	late := key.assertion(f, "signing", "exp", in(1))
	use := func() answer {
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}
		return f.postForm("/oauth2/token", with(form, late))
	}
	if a := use(); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	f.clock.advance(10 * time.Second)
	if _, err := f.store.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := use(); a.status != 401 || !strings.Contains(a.body, "used before") {
		t.Errorf("again: %d %s", a.status, a.body)
	}
}

// RFC 9449 §4.3, number 11.
func TestWithANonceTheClientsClockDoesNotMatter(t *testing.T) {
	f := oneWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.DPoPNonces = true })
	key := newSigner(t, "")
	call := func(proof string) answer {
		r := f.request("POST", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}, "DPoP", proof)
		r.SetBasicAuth("app", secret)
		return f.do(f.server.Client(), r)
	}
	nonce := call(key.proof(f, "POST", "/oauth2/token")).header.Get("DPoP-Nonce")
	var first string
	for _, wrong := range []time.Duration{-24 * time.Hour, -2 * time.Minute, 2 * time.Minute, 24 * time.Hour} {
		proof := key.proof(f, "POST", "/oauth2/token", "nonce", nonce, "iat", f.clock.now().Add(wrong).Unix())
		if a := call(proof); a.status != 200 {
			t.Errorf("a clock that is off by %v: %d %s", wrong, a.status, a.body)
		}
		if first == "" {
			first = proof
		}
	}
	wantError(t, call(key.proof(f, "POST", "/oauth2/token", "nonce", nonce, "iat", nil)), 400, "invalid_dpop_proof")
	for range 4 { // used once, for as long as the nonce is good
		if _, err := f.store.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantError(t, call(first), 400, "invalid_dpop_proof")
		f.clock.advance(70 * time.Second)
	}
	f.clock.advance(5 * time.Minute)
	wantError(t, call(first), 400, "use_dpop_nonce")
}

// RFC 9449 §9, RFC 6750 §3: the error is in the challenge of the scheme that was used, or clients do not find it.
func TestUserinfoTellsTheErrorInTheChallengeOfTheScheme(t *testing.T) {
	f := oneWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.DPoPNonces = true })
	key := newSigner(t, "")
	redeem := func(code, nonce string) answer {
		r := f.request("POST", "/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}},
			"DPoP", key.proof(f, "POST", "/oauth2/token", "nonce", nonce))
		r.SetBasicAuth("app", secret)
		return f.do(f.server.Client(), r)
	}
	code := f.browser().logIn(f.user).code()
	a := redeem(code, redeem(code, "").header.Get("DPoP-Nonce"))
	token, _ := a.json(t)["access_token"].(string)
	if a.status != 200 || token == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	a = useUserinfo(f, token, key.proof(f, "GET", "/oauth2/userinfo", "ath", ath(token)))
	challenges, nonce := a.header.Values("WWW-Authenticate"), a.header.Get("DPoP-Nonce")
	if a.status != 401 || len(challenges) != 1 || !strings.HasPrefix(challenges[0], "DPoP ") || !strings.Contains(challenges[0], `error="use_dpop_nonce"`) ||
		!strings.Contains(challenges[0], `algs="`+strings.Join(client.Algorithms, " ")+`"`) || nonce == "" {
		t.Fatalf("%d %v", a.status, a.header)
	}
	if a := useUserinfo(f, token, key.proof(f, "GET", "/oauth2/userinfo", "ath", ath(token), "nonce", nonce)); a.status != 200 {
		t.Errorf("with the nonce: %d %s", a.status, a.body)
	}
	for _, tc := range []struct{ authorization, scheme, code string }{
		{"DPoP " + token + "x", "DPoP", "invalid_token"},
		{"Bearer " + token, "Bearer", "invalid_token"},
		{"Bearer x.y.z", "Bearer", "invalid_token"},
		{"", "Bearer", ""},
	} {
		var header []string
		if tc.authorization != "" {
			header = []string{"Authorization", tc.authorization}
		}
		a := f.do(f.server.Client(), f.request("GET", "/oauth2/userinfo", nil, header...))
		for _, challenge := range a.header.Values("WWW-Authenticate") {
			told := strings.HasPrefix(challenge, tc.scheme+" ") && tc.code != ""
			if strings.Contains(challenge, "error=") != told || told && !strings.Contains(challenge, `error="`+tc.code+`"`) {
				t.Errorf("%.20q: %s", tc.authorization, challenge)
			}
		}
		if a.status != 401 || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), tc.scheme+" ") {
			t.Errorf("%.20q: %d %v", tc.authorization, a.status, a.header)
		}
	}
}

// FAPI 2.0 Security Profile §5.4.1 is about what the server signs as well. Ordinary clients keep RS256.
func TestAccessTokensAreSignedByTheProfile(t *testing.T) {
	for _, alg := range append([]string{""}, client.ProfileAlgorithms...) {
		f := oneWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.ProfileTokenAlg = alg })
		b := f.browser().logIn(f.user)
		key, proofs := newSigner(t, "k1"), newSigner(t, "")
		c := f.fapiClient("fapi", key, func(c *client.Client) { c.GrantTypes = append(c.GrantTypes, "client_credentials") })
		want := alg
		if alg == "" {
			want = "RS256"
		}
		form := url.Values{"grant_type": {"authorization_code"}, "code": {c.authorize(b).parameter("code")}, "redirect_uri": {callback}, "code_verifier": {verifier}}
		object := f.postForm("/oauth2/token", with(form, key.assertion(f, "fapi")), "DPoP", proofs.proof(f, "POST", "/oauth2/token")).json(t)
		person := object["access_token"].(string)
		form = url.Values{"grant_type": {"refresh_token"}, "refresh_token": {object["refresh_token"].(string)}}
		refreshed := f.postForm("/oauth2/token", with(form, key.assertion(f, "fapi")), "DPoP", proofs.proof(f, "POST", "/oauth2/token")).json(t)["access_token"].(string)
		own := credentials(f, "fapi", key, proofs.proof(f, "POST", "/oauth2/token")).json(t)["access_token"].(string)
		for name, token := range map[string]string{"a person's": person, "a refreshed one": refreshed, "the client's own": own} {
			if header, _ := decode(t, token); header["alg"] != want || header["typ"] != "at+jwt" {
				t.Errorf("%q, %s: %v", alg, name, header)
			}
			about := f.postForm("/oauth2/introspect", with(url.Values{"token": {token}}, key.assertion(f, "fapi")))
			if about.json(t)["active"] != true {
				t.Errorf("%q, %s: %s", alg, name, about.body)
			}
		}
		if a := useUserinfo(f, person, proofs.proof(f, "GET", "/oauth2/userinfo", "ath", ath(person))); a.status != 200 {
			t.Errorf("%q at userinfo: %d %s", alg, a.status, a.body)
		}
		f.postForm("/oauth2/revoke", with(url.Values{"token": {person}}, key.assertion(f, "fapi")))
		if a := useUserinfo(f, person, proofs.proof(f, "GET", "/oauth2/userinfo", "ath", ath(person))); a.status != 401 {
			t.Errorf("%q after its revocation: %d", alg, a.status)
		}
		if header, _ := decode(t, f.tokens(f.exchange(b.code())).access); header["alg"] != "RS256" {
			t.Errorf("%q for an ordinary client: %v", alg, header)
		}
	}
}
