package clientauth_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

// A client that registers this server's own keys as its own cannot pass what this server signs off
// as what the client signs.
func TestTokensOfThisServerAreNothingThatAClientSigns(t *testing.T) {
	t.Parallel()
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
			if a := b.Authorize("client_id", "twin", "request", token); a.Parameter("error") != "invalid_request_object" ||
				a.Parameter("code") != "" {
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
		form := url.Values{
			"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			"client_assertion": {token},
		}
		f.PostForm("/oauth2/token", form).WantError(t, http.StatusUnauthorized, "invalid_client")
	}
}
