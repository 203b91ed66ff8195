package tokens_test

import (
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestAnIDTokenTellsWhoThePersonIsWhereTheClientIsSetSo(t *testing.T) {
	t.Parallel()
	f := providertest.NewWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.InsecureLegacyResponseTypes = true })
	f.AddClient("named", func(c *client.Client) {
		c.IDTokenClaims, c.GrantTypes, c.ResponseTypes = true, append(c.GrantTypes, "implicit"),
			[]string{"code", "code id_token", "id_token token"}
	})
	b := f.Browser().LogIn(f.User)
	redeem := func(clientID, scope string) providertest.Tokens {
		return f.Tokens(f.Token(clientID, providertest.CodeGrant(b.Code("client_id", clientID, "scope", scope))))
	}

	got := redeem("named", "openid profile email")
	_, id := providertest.Decode(t, got.ID)
	if id["name"] != "김민지" || id["email"] != "minji@example.com" || id["email_verified"] != false || id["sub"] != f.User.ID ||
		id["aud"] != "named" {
		t.Errorf("%v", id)
	}
	info := f.Userinfo(got.Access).JSON(t)
	for _, name := range []string{"name", "email", "email_verified", "updated_at"} {
		if info[name] == nil || info[name] != id[name] {
			t.Errorf("%s is %v at userinfo, and %v in the ID token", name, info[name], id[name])
		}
	}
	refreshed := f.Tokens(f.Token("named", providertest.RefreshGrant(got.Refresh)))
	if _, id := providertest.Decode(t, refreshed.ID); id["name"] != "김민지" {
		t.Errorf("after a refresh: %v", id)
	}

	// What the person did not grant is not in it, nor is it for clients that are not set so.
	if _, id := providertest.Decode(t, redeem("named", "openid email").ID); id["email"] == nil || id["name"] != nil {
		t.Errorf("scope openid email: %v", id)
	}
	if _, id := providertest.Decode(t, redeem("app", "openid profile email").ID); id["name"] != nil || id["email"] != nil {
		t.Errorf("another client: %v", id)
	}

	// An ID token in an address does without them when another follows.
	front := func(responseType string) map[string]any {
		a := b.Authorize("client_id", "named", "scope", "openid profile email", "response_type", responseType, "nonce", "n-0S6_WzA2Mj")
		_, id := providertest.Decode(t, a.Parameter("id_token"))
		return id
	}
	if id := front("code id_token"); id["name"] != nil || id["email"] != nil {
		t.Errorf("beside a code: %v", id)
	}
	if id := front("id_token token"); id["name"] != "김민지" {
		t.Errorf("without a code: %v", id)
	}
}
