package provider_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// credentials asks for a client's own token.
func credentials(f *providertest.Fixture, id string, key *providertest.Signer, proof string, changes ...any) providertest.Answer {
	f.T.Helper()
	return f.PostForm("/oauth2/token", providertest.Merge(url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}, key.Assertion(f, id, changes...)), "DPoP", proof)
}

func useUserinfo(f *providertest.Fixture, token, proof string) providertest.Answer {
	f.T.Helper()
	return f.Do(f.Request("GET", "/oauth2/userinfo", nil, "Authorization", "DPoP "+token, "DPoP", proof))
}

func TestEveryAlgorithmOfTheListSignsWhatClientsSend(t *testing.T) {
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	for _, alg := range client.Algorithms {
		key := providertest.SignerFor(t, "the client", "k1", alg)
		f.AddClient(alg, func(c *client.Client) {
			c.JWKS, c.TokenEndpointAuthMethod, c.TokenEndpointAuthSigningAlg, c.RequestObjectSigningAlg = key.JWKS(), "private_key_jwt", alg, alg
			c.GrantTypes = []string{"authorization_code", "client_credentials"}
		})
		a := credentials(f, alg, key, providertest.SignerFor(t, "the proofs", "", alg).Proof(f, "POST", "/oauth2/token"))
		if a.Status != 200 || a.JSON(t)["token_type"] != "DPoP" {
			t.Errorf("%s: assertion and proof: %d %s", alg, a.Status, a.Body)
		}
		claims := map[string]any{"iss": alg, "aud": f.Issuer}
		for name, values := range providertest.Parameters("client_id", alg) {
			claims[name] = values[0]
		}
		object := key.Sign(map[jose.HeaderKey]any{"typ": "oauth-authz-req+jwt"}, claims)
		if a := b.AuthorizeForm(url.Values{"client_id": {alg}, "response_type": {"code"}, "scope": {"openid"}, "request": {object}}); a.Parameter("code") == "" {
			t.Errorf("%s: request object: %d %v", alg, a.Status, a.Location)
		}
	}
	// Whichever of its names the client registered, the other one passes too.
	for registered, used := range map[string]string{"EdDSA": "Ed25519", "Ed25519": "EdDSA"} {
		key := providertest.NewEd25519Signer(t, "k1", registered)
		f.AddClient("registered-"+registered, func(c *client.Client) {
			c.JWKS, c.TokenEndpointAuthMethod, c.TokenEndpointAuthSigningAlg, c.GrantTypes = key.JWKS(), "private_key_jwt", registered, []string{"client_credentials"}
			c.RedirectURIs = nil
		})
		if a := credentials(f, "registered-"+registered, key.As(used), key.Proof(f, "POST", "/oauth2/token", "jwk", key.As(used).Key.Public())); a.Status != 200 {
			t.Errorf("%s for %s: %d %s", used, registered, a.Status, a.Body)
		}
	}
}

// FAPI 2.0 Security Profile §5.4.1, RFC 7517 §4.4.
func TestProofsAreSignedAsProfileAndKeyDemand(t *testing.T) {
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	own := providertest.NewSigner(t, "own")
	c := f.AddFAPIClient("fapi", own, func(c *client.Client) { c.GrantTypes = append(c.GrantTypes, "client_credentials") })
	f.AddClient("plain", func(c *client.Client) {
		c.JWKS, c.TokenEndpointAuthMethod = own.JWKS(), "private_key_jwt"
		c.GrantTypes = []string{"authorization_code", "client_credentials"}
	})
	rs256, ps256 := providertest.NewRSASigner(t, "the proofs", "", "RS256"), providertest.NewRSASigner(t, "the proofs", "", "RS256").As("PS256")

	push := func(id string, key *providertest.Signer) providertest.Answer {
		return f.PostForm("/oauth2/par", providertest.Merge(providertest.Parameters("client_id", id), own.Assertion(f, id)), "DPoP", key.Proof(f, "POST", "/oauth2/par"))
	}
	push("fapi", rs256).WantError(t, 400, "invalid_dpop_proof")
	for id, key := range map[string]*providertest.Signer{"fapi": ps256, "plain": rs256} {
		if a := push(id, key); a.Status != 201 {
			t.Errorf("%s: %d %s", id, a.Status, a.Body)
		}
	}
	redeem := func(id, code string, key *providertest.Signer) providertest.Answer {
		return f.PostForm("/oauth2/token", providertest.Merge(providertest.CodeGrant(code), own.Assertion(f, id)),
			"DPoP", key.Proof(f, "POST", "/oauth2/token"))
	}
	code := c.Authorize(b).Parameter("code")
	redeem("fapi", code, rs256).WantError(t, 400, "invalid_dpop_proof")
	a := redeem("fapi", code, ps256) // the refusal did not cost the code
	if a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	// The token says which algorithm of the RSA key it is for, here as at the resource services.
	token := a.JSON(t)["access_token"].(string)
	if _, claims := providertest.Decode(t, token); claims["dpop_alg"] != "PS256" {
		t.Errorf("%v", claims)
	}
	if a := useUserinfo(f, token, rs256.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(token))); a.Status != 401 || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "DPoP ") ||
		!strings.Contains(a.Header.Get("WWW-Authenticate"), `error="invalid_dpop_proof"`) {
		t.Errorf("RS256 at userinfo: %d %v", a.Status, a.Header)
	}
	if a := useUserinfo(f, token, ps256.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(token))); a.Status != 200 {
		t.Errorf("PS256 at userinfo: %d %s", a.Status, a.Body)
	}
	credentials(f, "fapi", own, rs256.Proof(f, "POST", "/oauth2/token")).WantError(t, 400, "invalid_dpop_proof")
	for alg, key := range map[string]*providertest.Signer{"RS256": rs256, "ES256": providertest.NewSigner(t, "")} {
		a := credentials(f, "plain", own, key.Proof(f, "POST", "/oauth2/token"))
		_, claims := providertest.Decode(t, a.JSON(t)["access_token"].(string))
		if bound, _ := claims["dpop_alg"].(string); bound != map[string]string{"RS256": "RS256"}[alg] {
			t.Errorf("%s: %v", alg, claims)
		}
	}
	// A key that names an algorithm is for no other.
	for name, proof := range map[string]string{
		"PS256 by a key for RS256": ps256.Proof(f, "POST", "/oauth2/token", "jwk", rs256.Key.Public()),
		"RS256 by a key for PS256": rs256.Proof(f, "POST", "/oauth2/token", "jwk", ps256.Key.Public()),
		"PS256 by one for OAEP":    ps256.Proof(f, "POST", "/oauth2/token", "jwk", ps256.As("RSA-OAEP").Key.Public()),
	} {
		if a := credentials(f, "plain", own, proof); a.Status != 400 || a.JSON(t)["error"] != "invalid_dpop_proof" {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
}

// FAPI 2.0 Security Profile §5.3.2.1: 10 seconds ahead are taken, whatever it is that a client signs.
func TestClocksOfClientsMayDifferByTenSeconds(t *testing.T) {
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	key := providertest.NewSigner(t, "k1")
	f.AddClient("signing", func(c *client.Client) {
		c.JWKS, c.TokenEndpointAuthMethod = key.JWKS(), "private_key_jwt"
		c.GrantTypes = []string{"authorization_code", "client_credentials"}
	})
	in := func(seconds int) int64 { return f.Clock.Now().Unix() + int64(seconds) }
	assertion := func(changes ...any) bool {
		return credentials(f, "signing", key, key.Proof(f, "POST", "/oauth2/token"), changes...).Status == 200
	}
	proof := func(changes ...any) bool {
		return credentials(f, "signing", key, key.Proof(f, "POST", "/oauth2/token", changes...)).Status == 200
	}
	object := func(changes ...any) bool {
		claims := map[string]any{"iss": "signing", "aud": f.Issuer}
		for name, values := range providertest.Parameters("client_id", "signing") {
			claims[name] = values[0]
		}
		for i := 0; i < len(changes); i += 2 {
			claims[changes[i].(string)] = changes[i+1]
		}
		a := b.AuthorizeForm(url.Values{"client_id": {"signing"}, "response_type": {"code"}, "scope": {"openid"}, "request": {key.Sign(nil, claims)}})
		return a.Parameter("code") != ""
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
	late := key.Assertion(f, "signing", "exp", in(1))
	use := func() providertest.Answer {
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}
		return f.PostForm("/oauth2/token", providertest.Merge(form, late))
	}
	if a := use(); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	f.Clock.Advance(10 * time.Second)
	if _, err := f.Store.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := use(); a.Status != 401 || !strings.Contains(a.Body, "used before") {
		t.Errorf("again: %d %s", a.Status, a.Body)
	}
}

// RFC 9449 §4.3, number 11.
func TestWithANonceTheClientsClockDoesNotMatter(t *testing.T) {
	f := providertest.NewWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.DPoPNonces = true })
	key := providertest.NewSigner(t, "")
	call := func(proof string) providertest.Answer {
		return f.PostAs("app", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}, "DPoP", proof)
	}
	nonce := call(key.Proof(f, "POST", "/oauth2/token")).Header.Get("DPoP-Nonce")
	var first string
	for _, wrong := range []time.Duration{-24 * time.Hour, -2 * time.Minute, 2 * time.Minute, 24 * time.Hour} {
		proof := key.Proof(f, "POST", "/oauth2/token", "nonce", nonce, "iat", f.Clock.Now().Add(wrong).Unix())
		if a := call(proof); a.Status != 200 {
			t.Errorf("a clock that is off by %v: %d %s", wrong, a.Status, a.Body)
		}
		if first == "" {
			first = proof
		}
	}
	call(key.Proof(f, "POST", "/oauth2/token", "nonce", nonce, "iat", nil)).WantError(t, 400, "invalid_dpop_proof")
	for range 4 { // used once, for as long as the nonce is good
		if _, err := f.Store.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		call(first).WantError(t, 400, "invalid_dpop_proof")
		f.Clock.Advance(70 * time.Second)
	}
	f.Clock.Advance(5 * time.Minute)
	call(first).WantError(t, 400, "use_dpop_nonce")
}

// RFC 9449 §9, RFC 6750 §3: the error is in the challenge of the scheme that was used, or clients do not find it.
func TestUserinfoTellsTheErrorInTheChallengeOfTheScheme(t *testing.T) {
	f := providertest.NewWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.DPoPNonces = true })
	key := providertest.NewSigner(t, "")
	redeem := func(code, nonce string) providertest.Answer {
		r := f.Request("POST", "/oauth2/token", providertest.CodeGrant(code),
			"DPoP", key.Proof(f, "POST", "/oauth2/token", "nonce", nonce))
		r.SetBasicAuth("app", providertest.Secret)
		return f.Do(r)
	}
	code := f.Browser().LogIn(f.User).Code()
	a := redeem(code, redeem(code, "").Header.Get("DPoP-Nonce"))
	token, _ := a.JSON(t)["access_token"].(string)
	if a.Status != 200 || token == "" {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	a = useUserinfo(f, token, key.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(token)))
	challenges, nonce := a.Header.Values("WWW-Authenticate"), a.Header.Get("DPoP-Nonce")
	if a.Status != 401 || len(challenges) != 1 || !strings.HasPrefix(challenges[0], "DPoP ") || !strings.Contains(challenges[0], `error="use_dpop_nonce"`) ||
		!strings.Contains(challenges[0], `algs="`+strings.Join(client.Algorithms, " ")+`"`) || nonce == "" {
		t.Fatalf("%d %v", a.Status, a.Header)
	}
	if a := useUserinfo(f, token, key.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(token), "nonce", nonce)); a.Status != 200 {
		t.Errorf("with the nonce: %d %s", a.Status, a.Body)
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
		a := f.Do(f.Request("GET", "/oauth2/userinfo", nil, header...))
		for _, challenge := range a.Header.Values("WWW-Authenticate") {
			told := strings.HasPrefix(challenge, tc.scheme+" ") && tc.code != ""
			if strings.Contains(challenge, "error=") != told || told && !strings.Contains(challenge, `error="`+tc.code+`"`) {
				t.Errorf("%.20q: %s", tc.authorization, challenge)
			}
		}
		if a.Status != 401 || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), tc.scheme+" ") {
			t.Errorf("%.20q: %d %v", tc.authorization, a.Status, a.Header)
		}
	}
}

// FAPI 2.0 Security Profile §5.4.1 is about what the server signs as well. Ordinary clients keep RS256.
func TestAccessTokensAreSignedByTheProfile(t *testing.T) {
	for _, alg := range append([]string{""}, client.ProfileAlgorithms...) {
		f := providertest.NewWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.ProfileTokenAlg = alg })
		b := f.Browser().LogIn(f.User)
		key, proofs := providertest.NewSigner(t, "k1"), providertest.NewSigner(t, "")
		c := f.AddFAPIClient("fapi", key, func(c *client.Client) { c.GrantTypes = append(c.GrantTypes, "client_credentials") })
		want := alg
		if alg == "" {
			want = "RS256"
		}
		form := providertest.CodeGrant(c.Authorize(b).Parameter("code"))
		object := f.PostForm("/oauth2/token", providertest.Merge(form, key.Assertion(f, "fapi")), "DPoP", proofs.Proof(f, "POST", "/oauth2/token")).JSON(t)
		person := object["access_token"].(string)
		form = providertest.RefreshGrant(object["refresh_token"].(string))
		refreshed := f.PostForm("/oauth2/token", providertest.Merge(form, key.Assertion(f, "fapi")), "DPoP", proofs.Proof(f, "POST", "/oauth2/token")).JSON(t)["access_token"].(string)
		own := credentials(f, "fapi", key, proofs.Proof(f, "POST", "/oauth2/token")).JSON(t)["access_token"].(string)
		for name, token := range map[string]string{"a person's": person, "a refreshed one": refreshed, "the client's own": own} {
			if header, _ := providertest.Decode(t, token); header["alg"] != want || header["typ"] != "at+jwt" {
				t.Errorf("%q, %s: %v", alg, name, header)
			}
			about := f.PostForm("/oauth2/introspect", providertest.Merge(url.Values{"token": {token}}, key.Assertion(f, "fapi")))
			if about.JSON(t)["active"] != true {
				t.Errorf("%q, %s: %s", alg, name, about.Body)
			}
		}
		if a := useUserinfo(f, person, proofs.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(person))); a.Status != 200 {
			t.Errorf("%q at userinfo: %d %s", alg, a.Status, a.Body)
		}
		f.PostForm("/oauth2/revoke", providertest.Merge(url.Values{"token": {person}}, key.Assertion(f, "fapi")))
		if a := useUserinfo(f, person, proofs.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(person))); a.Status != 401 {
			t.Errorf("%q after its revocation: %d", alg, a.Status)
		}
		if header, _ := providertest.Decode(t, f.Tokens(f.Redeem(b.Code())).Access); header["alg"] != "RS256" {
			t.Errorf("%q for an ordinary client: %v", alg, header)
		}
	}
}
