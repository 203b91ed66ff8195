package provider_test

import (
	"net/url"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestAnIDTokenTellsWhoThePersonIsWhereTheClientIsSetSo(t *testing.T) {
	f := oneWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.InsecureLegacyResponseTypes = true })
	f.addClient("named", func(c *client.Client) {
		c.IDTokenClaims, c.GrantTypes, c.ResponseTypes = true, append(c.GrantTypes, "implicit"), []string{"code", "code id_token", "id_token token"}
	})
	b := f.browser().logIn(f.user)
	redeem := func(clientID, scope string) tokens {
		return f.tokens(f.token(clientID, secret, url.Values{
			"grant_type": {"authorization_code"}, "code": {b.code("client_id", clientID, "scope", scope)}, "redirect_uri": {callback}, "code_verifier": {verifier},
		}))
	}

	got := redeem("named", "openid profile email")
	_, id := decode(t, got.id)
	if id["name"] != "김민지" || id["email"] != "minji@example.com" || id["email_verified"] != false || id["sub"] != f.user.ID || id["aud"] != "named" {
		t.Errorf("%v", id)
	}
	info := f.userinfo(got.access).json(t)
	for _, name := range []string{"name", "email", "email_verified", "updated_at"} {
		if info[name] == nil || info[name] != id[name] {
			t.Errorf("%s is %v at userinfo, and %v in the ID token", name, info[name], id[name])
		}
	}
	refreshed := f.tokens(f.token("named", secret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.refresh}}))
	if _, id := decode(t, refreshed.id); id["name"] != "김민지" {
		t.Errorf("after a refresh: %v", id)
	}

	// What the person did not grant is not in it, nor is it for clients that are not set so.
	if _, id := decode(t, redeem("named", "openid email").id); id["email"] == nil || id["name"] != nil {
		t.Errorf("scope openid email: %v", id)
	}
	if _, id := decode(t, redeem("app", "openid profile email").id); id["name"] != nil || id["email"] != nil {
		t.Errorf("another client: %v", id)
	}

	// An ID token in an address does without them when another follows.
	front := func(responseType string) map[string]any {
		a := b.authorize(parameters("client_id", "named", "scope", "openid profile email", "response_type", responseType, "nonce", "n-0S6_WzA2Mj"))
		_, id := decode(t, a.parameter("id_token"))
		return id
	}
	if id := front("code id_token"); id["name"] != nil || id["email"] != nil {
		t.Errorf("beside a code: %v", id)
	}
	if id := front("id_token token"); id["name"] != "김민지" {
		t.Errorf("without a code: %v", id)
	}
}

func TestAClientThatRegistersItselfGetsNoClaimsInIDTokens(t *testing.T) {
	r := newRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	made := r.read(r.send("POST", "/oauth2/register", "", `{`+webApp+`,"id_token_claims":true}`), 201)
	if c, err := r.store.Clients.Client(t.Context(), made.ID); err != nil || c.IDTokenClaims {
		t.Errorf("%+v %v", c, err)
	}
}
