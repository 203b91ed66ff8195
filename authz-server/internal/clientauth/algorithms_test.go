package clientauth_test

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

func TestEveryAlgorithmOfTheListSignsWhatClientsSend(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	for _, alg := range client.Algorithms {
		key := providertest.SignerFor(t, "the client", "k1", alg)
		f.AddClient(alg, func(c *client.Client) {
			c.JWKS, c.TokenEndpointAuthMethod, c.TokenEndpointAuthSigningAlg, c.RequestObjectSigningAlg = key.JWKS(), "private_key_jwt", alg, alg
			c.GrantTypes = []string{"authorization_code", "client_credentials"}
		})
		a := f.ClientCredentials(alg, key, providertest.SignerFor(t, "the proofs", "", alg).Proof(f, "POST", "/oauth2/token"))
		if a.Status != 200 || a.JSON(t)["token_type"] != "DPoP" {
			t.Errorf("%s: assertion and proof: %d %s", alg, a.Status, a.Body)
		}
		claims := map[string]any{"iss": alg, "aud": f.Issuer}
		for name, values := range providertest.Parameters("client_id", alg) {
			claims[name] = values[0]
		}
		object := key.Sign(map[jose.HeaderKey]any{"typ": "oauth-authz-req+jwt"}, claims)
		if a := b.AuthorizeForm(url.Values{
			"client_id": {alg}, "response_type": {"code"}, "scope": {"openid"}, "request": {object},
		}); a.Parameter("code") == "" {
			t.Errorf("%s: request object: %d %v", alg, a.Status, a.Location)
		}
	}
	// Whichever of its names the client registered, the other one passes too.
	for registered, used := range map[string]string{"EdDSA": "Ed25519", "Ed25519": "EdDSA"} {
		key := providertest.NewEd25519Signer(t, "k1", registered)
		f.AddClient("registered-"+registered, func(c *client.Client) {
			c.JWKS, c.TokenEndpointAuthMethod, c.TokenEndpointAuthSigningAlg, c.GrantTypes = key.JWKS(), "private_key_jwt", registered,
				[]string{"client_credentials"}
			c.RedirectURIs = nil
		})
		if a := f.ClientCredentials("registered-"+registered, key.As(used),
			key.Proof(f, "POST", "/oauth2/token", "jwk", key.As(used).Key.Public())); a.Status != 200 {
			t.Errorf("%s for %s: %d %s", used, registered, a.Status, a.Body)
		}
	}
}

// FAPI 2.0 Security Profile §5.4.1, RFC 7517 §4.4.
func TestProofsAreSignedAsProfileAndKeyDemand(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	own := providertest.NewSigner(t, "own")
	c := f.AddFAPIClient("fapi", own, func(c *client.Client) { c.GrantTypes = append(c.GrantTypes, "client_credentials") })
	f.AddClient("plain", func(c *client.Client) {
		c.JWKS, c.TokenEndpointAuthMethod = own.JWKS(), "private_key_jwt"
		c.GrantTypes = []string{"authorization_code", "client_credentials"}
	})
	rs256, ps256 := providertest.NewRSASigner(t, "the proofs", "", "RS256"),
		providertest.NewRSASigner(t, "the proofs", "", "RS256").As("PS256")

	push := func(id string, key *providertest.Signer) providertest.Answer {
		return f.PostForm("/oauth2/par", providertest.Merge(providertest.Parameters("client_id", id), own.Assertion(f, id)), "DPoP",
			key.Proof(f, "POST", "/oauth2/par"))
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
	if a := f.UserinfoWithProof(token, rs256.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(token))); a.Status != 401 ||
		!strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "DPoP ") ||
		!strings.Contains(a.Header.Get("WWW-Authenticate"), `error="invalid_dpop_proof"`) {
		t.Errorf("RS256 at userinfo: %d %v", a.Status, a.Header)
	}
	if a := f.UserinfoWithProof(token, ps256.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(token))); a.Status != 200 {
		t.Errorf("PS256 at userinfo: %d %s", a.Status, a.Body)
	}
	f.ClientCredentials("fapi", own, rs256.Proof(f, "POST", "/oauth2/token")).WantError(t, 400, "invalid_dpop_proof")
	for alg, key := range map[string]*providertest.Signer{"RS256": rs256, "ES256": providertest.NewSigner(t, "")} {
		a := f.ClientCredentials("plain", own, key.Proof(f, "POST", "/oauth2/token"))
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
		if a := f.ClientCredentials("plain", own, proof); a.Status != 400 || a.JSON(t)["error"] != "invalid_dpop_proof" {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
}

// FAPI 2.0 Security Profile §5.3.2.1: 10 seconds ahead are taken, whatever it is that a client
// signs.
func TestClocksOfClientsMayDifferByTenSeconds(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	key := providertest.NewSigner(t, "k1")
	f.AddClient("signing", func(c *client.Client) {
		c.JWKS, c.TokenEndpointAuthMethod = key.JWKS(), "private_key_jwt"
		c.GrantTypes = []string{"authorization_code", "client_credentials"}
	})
	f.Clock.Stop() // one second more or less decides
	in := func(seconds int) int64 { return f.Clock.Now().Unix() + int64(seconds) }
	assertion := func(changes ...any) bool {
		return f.ClientCredentials("signing", key, key.Proof(f, "POST", "/oauth2/token"), changes...).Status == 200
	}
	proof := func(changes ...any) bool {
		return f.ClientCredentials("signing", key, key.Proof(f, "POST", "/oauth2/token", changes...)).Status == 200
	}
	object := func(changes ...any) bool {
		claims := map[string]any{"iss": "signing", "aud": f.Issuer}
		for name, values := range providertest.Parameters("client_id", "signing") {
			claims[name] = values[0]
		}
		for i := 0; i < len(changes); i += 2 {
			claims[changes[i].(string)] = changes[i+1]
		}
		a := b.AuthorizeForm(url.Values{
			"client_id": {"signing"}, "response_type": {"code"}, "scope": {"openid"}, "request": {key.Sign(nil, claims)},
		})
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
	t.Parallel()
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
