package authorize_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// A client whose tokens are bound to its key gets none from the front channel, where no key can be
// proved (RFC 9449 §5.2).
func TestTheFrontChannelGivesNoBearerTokenToABoundClient(t *testing.T) {
	t.Parallel()
	f := providertest.NewWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.InsecureLegacyResponseTypes = true })
	f.AddClient("bound", func(c *client.Client) {
		c.GrantTypes, c.DPoPBound = []string{"authorization_code", "implicit"}, true
		c.ResponseTypes = []string{"code", "code id_token", "code token", "id_token token", "code id_token token"}
	})
	b := f.Browser().LogIn(f.User)
	for _, kind := range []string{"code token", "id_token token", "code id_token token"} {
		if a := b.Authorize("client_id", "bound", "response_type", kind); a.Parameter("access_token") != "" ||
			a.Parameter("error") != "unauthorized_client" {
			t.Errorf("%s: %v", kind, a.Location)
		}
	}
	if a := b.Authorize("client_id", "bound", "response_type", "code id_token"); a.Parameter("code") == "" || a.Parameter("id_token") == "" {
		t.Errorf("what brings no access token: %v", a.Location)
	}
}

// A scheme is the whole word before the colon: an app's own may begin like one of the web's.
func TestAnAppsOwnSchemeThatBeginsLikeHTTPIsNotPostedTo(t *testing.T) {
	t.Parallel()
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

func TestLegacyResponseTypesAreOffUntilSwitchedOn(t *testing.T) {
	t.Parallel()
	f := providertest.NewWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.InsecureLegacyResponseTypes = true })
	f.AddClient("old", func(c *client.Client) {
		c.GrantTypes = []string{"authorization_code", "implicit"}
		c.ResponseTypes = []string{"code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"}
		c.RequirePKCE = false
	})
	b := f.Browser().LogIn(f.User)
	for _, kind := range []string{"id_token", "token id_token", "code id_token", "code token", "code id_token token"} {
		for _, mode := range []string{"", "form_post"} {
			a := b.Authorize("client_id", "old", "response_type", kind, "response_mode", mode)
			if mode == "" && (a.Location == nil || a.Location.Fragment == "" || a.Location.Query().Has("state")) {
				t.Errorf("%s: %d %v", kind, a.Status, a.Location)
			}
			for name, parameter := range map[string]string{"code": "code", "token": "access_token", "id_token": "id_token"} {
				if wanted := slices.Contains(strings.Fields(kind), name); wanted != (a.Parameter(parameter) != "") {
					t.Errorf("%s %s: %s is there: %t", kind, mode, parameter, !wanted)
				}
			}
			if a.Parameter("id_token") == "" {
				continue
			}
			_, id := providertest.Decode(t, a.Parameter("id_token"))
			if id["nonce"] != "n-1" || (id["at_hash"] != nil) != (a.Parameter("access_token") != "") ||
				(id["c_hash"] != nil) != (a.Parameter("code") != "") {
				t.Errorf("%s: %v", kind, id)
			}
			// Where no access token can be had, the claims are in the ID token (OIDC Core §5.4).
			if (id["email"] != nil) != (kind == "id_token") {
				t.Errorf("%s: email in the ID token: %v", kind, id["email"])
			}
		}
	}
	if a := b.Authorize("client_id", "old", "response_type", "id_token", "nonce", ""); a.Parameter("error") != "invalid_request" {
		t.Errorf("without a nonce: %v", a.Location)
	}
	inQuery := []string{"client_id", "old", "response_type", "code token", "response_mode", "query"}
	if a := b.Authorize(inQuery...); a.Parameter("error") != "unsupported_response_mode" {
		t.Errorf("tokens in a query: %v", a.Location)
	}
	if a := f.Userinfo(b.Authorize("client_id", "old", "response_type", "id_token token").Parameter("access_token")); a.Status != 200 {
		t.Errorf("userinfo: %d %s", a.Status, a.Body)
	}
}

func TestSignedAnswersAreJARM(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	for _, mode := range []string{"jwt", "query.jwt", "fragment.jwt", "form_post.jwt"} {
		for _, scope := range []string{"openid", "unknown"} {
			a := b.Authorize("response_mode", mode, "state", "s-1", "scope", scope)
			_, claims := providertest.Decode(t, a.Parameter("response"))
			if claims["iss"] != f.Issuer || claims["aud"] != "app" || claims["exp"] == nil || claims["state"] != "s-1" {
				t.Errorf("%s: %v", mode, claims)
			}
			if (claims["code"] != nil) != (scope == "openid") || (claims["error"] != nil) == (scope == "openid") || a.Parameter("code") != "" {
				t.Errorf("%s %s: %v", mode, scope, claims)
			}
		}
	}
}

func TestFormPostKeepsTheAnswerOutOfTheAddress(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	a := f.Browser().LogIn(f.User).Authorize("response_mode", "form_post", "state", `"><script>alert(1)</script>`)
	if a.Status != 200 || a.Location != nil || !strings.Contains(a.Body, `action="https://app.example/cb?tenant=1"`) ||
		strings.Contains(a.Body, "<script>alert") {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if policy := a.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'self'") ||
		strings.Contains(policy, "unsafe-inline") {
		t.Errorf("policy: %s", policy)
	}
	f.Tokens(f.Redeem(a.Parameter("code")))
}
