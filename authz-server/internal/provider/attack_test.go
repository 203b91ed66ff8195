package provider_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// Whoever knows the client_id of a public client can push, so that what is stored for them is bounded.
func TestAnOversizedPushIsNotStored(t *testing.T) {
	f := providertest.One(t)
	f.AddClient("public", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code"}
	})
	form := providertest.Parameters("client_id", "public")
	if a := f.PostForm("/oauth2/par", form); a.Status != http.StatusCreated {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	for n := range 100 {
		form.Set("unknown"+strings.Repeat("x", n), strings.Repeat("y", 2000))
	}
	f.PostForm("/oauth2/par", form).WantError(t, http.StatusRequestEntityTooLarge, "invalid_request") // RFC 9126 §2.3
}

// A client whose tokens are bound to its key gets none from the front channel, where no key can be proved (RFC 9449 §5.2).
func TestTheFrontChannelGivesNoBearerTokenToABoundClient(t *testing.T) {
	f := providertest.NewWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.InsecureLegacyResponseTypes = true })
	f.AddClient("bound", func(c *client.Client) {
		c.GrantTypes, c.DPoPBound = []string{"authorization_code", "implicit"}, true
		c.ResponseTypes = []string{"code", "code id_token", "code token", "id_token token", "code id_token token"}
	})
	b := f.Browser().LogIn(f.User)
	for _, kind := range []string{"code token", "id_token token", "code id_token token"} {
		if a := b.Authorize("client_id", "bound", "response_type", kind); a.Parameter("access_token") != "" || a.Parameter("error") != "unauthorized_client" {
			t.Errorf("%s: %v", kind, a.Location)
		}
	}
	if a := b.Authorize("client_id", "bound", "response_type", "code id_token"); a.Parameter("code") == "" || a.Parameter("id_token") == "" {
		t.Errorf("what brings no access token: %v", a.Location)
	}
}

// A client that registers this server's own keys as its own cannot pass what this server signs off as what the client signs.
func TestTokensOfThisServerAreNothingThatAClientSigns(t *testing.T) {
	f := providertest.One(t)
	keys := f.Do(f.Request("GET", "/.well-known/jwks.json", nil)).Body
	f.AddClient("twin", func(c *client.Client) { c.JWKS, c.UserinfoSignedResponseAlg = json.RawMessage(keys), "RS256" })
	b := f.Browser().LogIn(f.User)
	jarm := b.Authorize("client_id", "twin", "response_mode", "jwt").Parameter("response")
	_, response := providertest.Decode(t, jarm)
	code, _ := response["code"].(string)
	got := f.Tokens(f.Token("twin", providertest.CodeGrant(code)))
	own := f.Tokens(f.Token("twin", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}))
	r := f.Request("POST", "/oauth2/introspect", url.Values{"token": {got.Access}}, "Accept", "application/token-introspection+jwt")
	r.SetBasicAuth("twin", providertest.Secret)
	signed := map[string]string{
		"access token": got.Access, "client's access token": own.Access, "refresh token": got.Refresh, "ID token": got.ID,
		"JARM": jarm, "userinfo": f.Userinfo(got.Access).Body, "introspection": f.Do(r).Body,
	}
	for name, token := range signed {
		t.Run(name, func(t *testing.T) {
			if _, claims := providertest.Decode(t, token); claims["iss"] != f.Issuer {
				t.Fatalf("not signed by the server: %v", claims)
			}
			if a := b.Authorize("client_id", "twin", "request", token); a.Parameter("error") != "invalid_request_object" || a.Parameter("code") != "" {
				t.Errorf("as request object: %v", a.Location)
			}
			form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"twin"}}
			f.PostForm("/oauth2/token", form, "DPoP", token).WantError(t, http.StatusBadRequest, "invalid_dpop_proof")
			if name != "ID token" {
				if a := b.Authorize("client_id", "twin", "prompt", "none", "id_token_hint", token); a.Parameter("error") != "invalid_request" {
					t.Errorf("as id_token_hint: %v", a.Location)
				}
			}
			if !strings.Contains(name, "access token") {
				if a := f.Userinfo(token); a.Status != http.StatusUnauthorized {
					t.Errorf("as access token: %d %s", a.Status, a.Body)
				}
			}
			if name != "refresh token" {
				f.Token("twin", providertest.RefreshGrant(token)).WantError(t, http.StatusBadRequest, "invalid_grant")
			}
		})
	}
	c, err := f.Store.Clients.Client(t.Context(), "twin")
	if err != nil {
		t.Fatal(err)
	}
	c.TokenEndpointAuthMethod = "private_key_jwt"
	if err := f.Store.Clients.UpdateClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for _, token := range signed {
		form := url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {token}}
		f.PostForm("/oauth2/token", form).WantError(t, http.StatusUnauthorized, "invalid_client")
	}
}

// A scheme is the whole word before the colon: an app's own may begin like one of the web's.
func TestAnAppsOwnSchemeThatBeginsLikeHTTPIsNotPostedTo(t *testing.T) {
	f := providertest.One(t)
	uris := []string{"http.evil:/cb", "https.evil:/cb", "httpx.evil://host/cb"}
	f.AddClient("native", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.ApplicationType, c.GrantTypes, c.RedirectURIs = "none", "native", []string{"authorization_code"}, uris
	})
	b := f.Browser().LogIn(f.User)
	for _, uri := range uris {
		for _, mode := range []string{"form_post", "form_post.jwt"} {
			a := b.Authorize("client_id", "native", "redirect_uri", uri, "response_mode", mode)
			if a.Location == nil || a.Parameter("error") != "unsupported_response_mode" || strings.Contains(a.Body, "<form") {
				t.Errorf("%s, %s: %d %v", uri, mode, a.Status, a.Location)
			}
		}
	}
}
