package tokenendpoint_test

import (
	"net/url"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("service", func(c *client.Client) {
		c.GrantTypes, c.Scope, c.RedirectURIs = []string{"client_credentials"}, "user:lookup board:read", nil
	})
	got := f.Tokens(f.Token("service", url.Values{"grant_type": {"client_credentials"}, "scope": {"user:lookup"}}))
	header, claims := providertest.Decode(t, got.Access)
	if header["typ"] != "at+jwt" || claims["sub"] != "service" || claims["client_id"] != "service" ||
		claims["aud"] != providertest.APIOrigin+"/user" || claims["scope"] != "user:lookup" ||
		claims["sid"] != nil || claims["auth_time"] != nil || got.Refresh != "" || got.ID != "" {
		t.Errorf("%v %v %+v", header, claims, got)
	}
	if all := f.Tokens(f.Token("service", url.Values{"grant_type": {"client_credentials"}})); all.Scope != "user:lookup board:read" {
		t.Errorf("the default scope is %q", all.Scope)
	}
	f.Token("service", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:write"}}).WantError(t, 400, "invalid_scope")
	f.Token("app", url.Values{"grant_type": {"client_credentials"}, "scope": {"openid"}}).WantError(t, 400, "invalid_scope")
	f.Token("service", url.Values{"grant_type": {"authorization_code"}, "code": {"x"}}).WantError(t, 400, "unauthorized_client")
	f.Token("service", providertest.RefreshGrant("x")).WantError(t, 400, "unauthorized_client")
}
