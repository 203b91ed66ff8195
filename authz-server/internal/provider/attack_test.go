package provider_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// Whoever knows the client_id of a public client can push, so that what is stored for them is bounded.
func TestAnOversizedPushIsNotStored(t *testing.T) {
	f := one(t)
	f.addClient("public", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code"}
	})
	form := parameters("client_id", "public")
	if a := f.postForm("/oauth2/par", form); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for n := range 100 {
		form.Set("unknown"+strings.Repeat("x", n), strings.Repeat("y", 2000))
	}
	wantError(t, f.postForm("/oauth2/par", form), http.StatusRequestEntityTooLarge, "invalid_request") // RFC 9126 §2.3
}

// A client whose tokens are bound to its key gets none from the front channel, where no key can be proved (RFC 9449 §5.2).
func TestTheFrontChannelGivesNoBearerTokenToABoundClient(t *testing.T) {
	f := oneWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.InsecureLegacyResponseTypes = true })
	f.addClient("bound", func(c *client.Client) {
		c.GrantTypes, c.DPoPBound = []string{"authorization_code", "implicit"}, true
		c.ResponseTypes = []string{"code", "code id_token", "code token", "id_token token", "code id_token token"}
	})
	b := f.browser().logIn(f.user)
	for _, kind := range []string{"code token", "id_token token", "code id_token token"} {
		if a := b.authorize(parameters("client_id", "bound", "response_type", kind)); a.parameter("access_token") != "" || a.parameter("error") != "unauthorized_client" {
			t.Errorf("%s: %v", kind, a.location)
		}
	}
	if a := b.authorize(parameters("client_id", "bound", "response_type", "code id_token")); a.parameter("code") == "" || a.parameter("id_token") == "" {
		t.Errorf("what brings no access token: %v", a.location)
	}
}

// A client that registers this server's own keys as its own cannot pass what this server signs off as what the client signs.
func TestTokensOfThisServerAreNothingThatAClientSigns(t *testing.T) {
	f := one(t)
	keys := f.do(f.server.Client(), f.request("GET", "/.well-known/jwks.json", nil)).body
	f.addClient("twin", func(c *client.Client) { c.JWKS, c.UserinfoSignedResponseAlg = json.RawMessage(keys), "RS256" })
	b := f.browser().logIn(f.user)
	jarm := b.authorize(parameters("client_id", "twin", "response_mode", "jwt")).parameter("response")
	_, response := decode(t, jarm)
	code, _ := response["code"].(string)
	got := f.tokens(f.token("twin", secret, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}))
	own := f.tokens(f.token("twin", secret, url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}))
	r := f.request("POST", "/oauth2/introspect", url.Values{"token": {got.access}}, "Accept", "application/token-introspection+jwt")
	r.SetBasicAuth("twin", secret)
	signed := map[string]string{
		"access token": got.access, "client's access token": own.access, "refresh token": got.refresh, "ID token": got.id,
		"JARM": jarm, "userinfo": f.userinfo(got.access).body, "introspection": f.do(f.server.Client(), r).body,
	}
	for name, token := range signed {
		t.Run(name, func(t *testing.T) {
			if _, claims := decode(t, token); claims["iss"] != f.issuer {
				t.Fatalf("not signed by the server: %v", claims)
			}
			if a := b.authorize(parameters("client_id", "twin", "request", token)); a.parameter("error") != "invalid_request_object" || a.parameter("code") != "" {
				t.Errorf("as request object: %v", a.location)
			}
			form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"twin"}}
			wantError(t, f.postForm("/oauth2/token", form, "DPoP", token), http.StatusBadRequest, "invalid_dpop_proof")
			if name != "ID token" {
				if a := b.authorize(parameters("client_id", "twin", "prompt", "none", "id_token_hint", token)); a.parameter("error") != "invalid_request" {
					t.Errorf("as id_token_hint: %v", a.location)
				}
			}
			if !strings.Contains(name, "access token") {
				if a := f.userinfo(token); a.status != http.StatusUnauthorized {
					t.Errorf("as access token: %d %s", a.status, a.body)
				}
			}
			if name != "refresh token" {
				wantError(t, f.token("twin", secret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}), http.StatusBadRequest, "invalid_grant")
			}
		})
	}
	c, err := f.store.Clients.Client(t.Context(), "twin")
	if err != nil {
		t.Fatal(err)
	}
	c.TokenEndpointAuthMethod = "private_key_jwt"
	if err := f.store.Clients.UpdateClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for _, token := range signed {
		form := url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {token}}
		wantError(t, f.postForm("/oauth2/token", form), http.StatusUnauthorized, "invalid_client")
	}
}

// A scheme is the whole word before the colon: an app's own may begin like one of the web's.
func TestAnAppsOwnSchemeThatBeginsLikeHTTPIsNotPostedTo(t *testing.T) {
	f := one(t)
	uris := []string{"http.evil:/cb", "https.evil:/cb", "httpx.evil://host/cb"}
	f.addClient("native", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.ApplicationType, c.GrantTypes, c.RedirectURIs = "none", "native", []string{"authorization_code"}, uris
	})
	b := f.browser().logIn(f.user)
	for _, uri := range uris {
		for _, mode := range []string{"form_post", "form_post.jwt"} {
			a := b.authorize(parameters("client_id", "native", "redirect_uri", uri, "response_mode", mode))
			if a.location == nil || a.parameter("error") != "unsupported_response_mode" || strings.Contains(a.body, "<form") {
				t.Errorf("%s, %s: %d %v", uri, mode, a.status, a.location)
			}
		}
	}
}
