package clientauth_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestDPoPBindsTokensToAKey(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		key, thief := providertest.NewSigner(t, ""), providertest.NewSigner(t, "")
		b := f.Browser().LogIn(f.User)
		exchange := func(code, proof string) providertest.Answer {
			return f.PostAs("app", "/oauth2/token", providertest.CodeGrant(code), "DPoP", proof)
		}
		a := exchange(b.Code(), key.Proof(f, "POST", "/oauth2/token"))
		if a.Status != 200 || a.JSON(t)["token_type"] != "DPoP" {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		access := a.JSON(t)["access_token"].(string)
		if _, claims := providertest.Decode(t, access); claims["cnf"].(map[string]any)["jkt"] != key.Thumbprint() {
			t.Errorf("cnf: %v", claims["cnf"])
		}
		use := func(scheme, token, proof string) providertest.Answer {
			r := f.Request("GET", "/oauth2/userinfo", nil, "Authorization", scheme+" "+token)
			if proof != "" {
				r.Header.Set("DPoP", proof)
			}
			return f.Do(r)
		}
		good := key.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(access))
		if a := use("dPoP", access, good); a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		bearer := f.Tokens(f.Redeem(b.Code())).Access
		for name, a := range map[string]providertest.Answer{
			"the proof again":             use("DPoP", access, good),
			"as a plain bearer":           use("Bearer", access, ""),
			"as a bearer with a proof":    use("Bearer", access, key.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(access))),
			"without a proof":             use("DPoP", access, ""),
			"another key":                 use("DPoP", access, thief.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(access))),
			"without ath":                 use("DPoP", access, key.Proof(f, "GET", "/oauth2/userinfo")),
			"another token's ath":         use("DPoP", access, key.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(bearer))),
			"another endpoint's proof":    use("DPoP", access, key.Proof(f, "GET", "/oauth2/token", "ath", providertest.ATH(access))),
			"another method's":            use("DPoP", access, key.Proof(f, "POST", "/oauth2/userinfo", "ath", providertest.ATH(access))),
			"an unbound token under DPoP": use("DPoP", bearer, key.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(bearer))),
		} {
			if a.Status != 401 || !strings.Contains(a.Header.Get("WWW-Authenticate"), "error=") {
				t.Errorf("%s: %d %s", name, a.Status, a.Header.Get("WWW-Authenticate"))
			}
		}
		private := key.Key
		for name, proof := range map[string]string{
			"rubbish":         "x.y.z",
			"typ":             key.Proof(f, "POST", "/oauth2/token", "typ", "JWT"),
			"a private key":   key.Proof(f, "POST", "/oauth2/token", "jwk", private),
			"another's jwk":   key.Proof(f, "POST", "/oauth2/token", "jwk", thief.Key.Public()),
			"no jti":          key.Proof(f, "POST", "/oauth2/token", "jti", nil),
			"no iat":          key.Proof(f, "POST", "/oauth2/token", "iat", nil),
			"an hour ago":     key.Proof(f, "POST", "/oauth2/token", "iat", f.Clock.Now().Add(-time.Hour).Unix()),
			"an hour ahead":   key.Proof(f, "POST", "/oauth2/token", "iat", f.Clock.Now().Add(time.Hour).Unix()),
			"another method":  key.Proof(f, "GET", "/oauth2/token"),
			"another address": key.Proof(f, "POST", "/oauth2/par"),
		} {
			code := b.Code()
			exchange(code, proof).WantError(t, 400, "invalid_dpop_proof")
			if a := exchange(code, key.Proof(f, "POST", "/oauth2/token", "htu", f.Issuer+"/oauth2/token?x=1#y")); a.Status != 200 {
				t.Errorf("%s: the refusal cost the code: %s", name, a.Body)
			}
		}
		once := key.Proof(f, "POST", "/oauth2/token")
		if a := exchange(b.Code(), once); a.Status != 200 {
			t.Errorf("%d %s", a.Status, a.Body)
		}
		exchange(b.Code(), once).WantError(t, 400, "invalid_dpop_proof")

		r := f.Request("POST", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}})
		r.SetBasicAuth("app", providertest.Secret)
		r.Header["Dpop"] = []string{key.Proof(f, "POST", "/oauth2/token"), key.Proof(f, "POST", "/oauth2/token")}
		f.Do(r).WantError(t, 400, "invalid_dpop_proof")

		// RFC 9449 §10: a code that was bound at the authorization endpoint.
		bound := func() string { return b.Code("dpop_jkt", key.Thumbprint()) }
		exchange(bound(), thief.Proof(f, "POST", "/oauth2/token")).WantError(t, 400, "invalid_grant")
		f.Redeem(bound()).WantError(t, 400, "invalid_grant")
		if a := exchange(bound(), key.Proof(f, "POST", "/oauth2/token")); a.Status != 200 {
			t.Errorf("the right key: %d %s", a.Status, a.Body)
		}
	})
}

func TestAPublicClientsRefreshTokenIsBoundToItsKey(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("public", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code", "refresh_token"}
	})
	key, thief := providertest.NewSigner(t, ""), providertest.NewSigner(t, "")
	code := f.Browser().LogIn(f.User).Code("client_id", "public")
	a := f.PostForm("/oauth2/token", url.Values{
		"client_id": {"public"}, "grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {providertest.Callback},
		"code_verifier": {providertest.Verifier},
	}, "DPoP", key.Proof(f, "POST", "/oauth2/token"))
	token, _ := a.JSON(t)["refresh_token"].(string)
	form := func() url.Values {
		return url.Values{"client_id": {"public"}, "grant_type": {"refresh_token"}, "refresh_token": {token}}
	}
	f.PostForm("/oauth2/token", form()).WantError(t, 400, "invalid_grant")
	f.PostForm("/oauth2/token", form(), "DPoP", thief.Proof(f, "POST", "/oauth2/token")).WantError(t, 400, "invalid_grant")
	if a := f.PostForm("/oauth2/token", form(), "DPoP", key.Proof(f, "POST", "/oauth2/token")); a.Status != 200 ||
		a.JSON(t)["token_type"] != "DPoP" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestDPoPNonces(t *testing.T) {
	t.Parallel()
	f := providertest.NewWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.DPoPNonces = true })
	key := providertest.NewSigner(t, "")
	call := func(changes ...any) providertest.Answer {
		return f.PostAs("app", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}, "DPoP",
			key.Proof(f, "POST", "/oauth2/token", changes...))
	}
	a := call()
	a.WantError(t, 400, "use_dpop_nonce")
	nonce := a.Header.Get("DPoP-Nonce")
	if a := call("nonce", nonce); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	call("nonce", nonce[:len(nonce)-8]+"AAAAAAAA").WantError(t, 400, "use_dpop_nonce")
	f.Clock.Advance(10 * time.Minute)
	call("nonce", nonce).WantError(t, 400, "use_dpop_nonce")
}
