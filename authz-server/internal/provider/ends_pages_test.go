package provider_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// What people do at their account ends tokens everywhere, and no more tokens than it says.
func TestWhatPeopleEndAtTheirAccountIsRefusedEverywhere(t *testing.T) {
	t.Parallel()
	const password, another = "five unrelated wooden words", "another set of wooden words"
	for name, one := range map[string]struct {
		do                             func(t *testing.T, here, there *providertest.Browser, tokens providertest.Tokens)
		here, offline, device, service bool // whether tokens that were allowed there live on
	}{
		"the password": {do: func(t *testing.T, here, _ *providertest.Browser, _ providertest.Tokens) {
			see(t, here.Post("/account/password", url.Values{"password": {password}, "new_password": {another}}), "/account/sessions?done=password")
		}, here: true, service: true},
		"all other sessions": {do: func(t *testing.T, here, _ *providertest.Browser, _ providertest.Tokens) {
			see(t, here.Post("/account/sessions", url.Values{"others": {"yes"}}), "/account/sessions?done=others")
		}, here: true, service: true},
		"the other session": {do: func(t *testing.T, here, there *providertest.Browser, _ providertest.Tokens) {
			see(t, here.Post("/account/sessions", url.Values{"session": {there.SID}}), "/account/sessions?done=session")
		}, here: true, offline: true, device: true, service: true},
		"the account": {do: func(t *testing.T, here, _ *providertest.Browser, _ providertest.Tokens) {
			if a := here.Post("/account/data", url.Values{"do": {"delete"}, "posts": {"keep"}}); a.Status != http.StatusOK {
				t.Fatalf("%d %v %s", a.Status, a.Location, a.Body)
			}
		}, service: true},
		"what an app was allowed": {do: func(t *testing.T, here, _ *providertest.Browser, _ providertest.Tokens) {
			see(t, here.Post("/account/apps", url.Values{"client": {"app"}}), "/account/apps?done=app")
		}, device: true, service: true},
		"a log-out by an app": {do: func(t *testing.T, _, there *providertest.Browser, tokens providertest.Tokens) {
			there.Get("/oauth2/logout?" + url.Values{"id_token_hint": {tokens.ID}}.Encode())
		}, here: true, offline: true, device: true, service: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
				f := providertest.New(t, databaseURL)
				hash := passwords.Hash(password)
				if err := f.Store.Users.ResetPassword(t.Context(), f.User.ID, hash, ""); err != nil {
					t.Fatal(err)
				}
				f.User.PasswordHash = hash
				f.AddTV("tv", func(c *client.Client) { c.Scope = "openid user:read offline_access" })
				here, there := f.Browser().LogIn(f.User), f.Browser().LogIn(f.User)
				get := func(b *providertest.Browser, scope string) providertest.Tokens {
					return f.Tokens(f.Redeem(b.Code("scope", scope)))
				}
				first := get(here, "openid user:read")
				second := get(there, "openid user:read")
				offline := get(there, "openid user:read offline_access")
				codes := f.StartDevice("tv", url.Values{"scope": {"openid user:read offline_access"}})
				there.Decide(codes.User, "allow")
				device := f.Tokens(f.PollInTime("tv", codes.Device))
				service := f.Tokens(f.Token("app", url.Values{"grant_type": {"client_credentials"}, "scope": {"user:lookup"}}))

				one.do(t, here, there, second)
				f.Clock.Advance(time.Second)
				for what, token := range map[string]struct {
					providertest.Tokens
					lives bool
				}{
					"of this session": {first, one.here}, "of the other session": {second, false}, "that outlives it": {offline, one.offline},
					"of a device": {device, one.device}, "a service's own": {service, one.service},
				} {
					if f.Invalid(token.Access) == token.lives {
						t.Errorf("the list: the token %s: want valid %t", what, token.lives)
					}
					answer := f.PostAs("app", "/oauth2/introspect", url.Values{"token": {token.Access}}).JSON(t)
					if what != "of a device" && answer["active"] != token.lives {
						t.Errorf("introspection: the token %s: want %t: %v", what, token.lives, answer)
					}
					if token.Refresh == "" || token.lives {
						continue
					}
					id := map[bool]string{true: "tv", false: "app"}[what == "of a device"]
					secret := map[bool]string{false: providertest.Secret}[id == "tv"]
					f.TokenWith(id, secret, providertest.RefreshGrant(token.Refresh)).WantError(t, http.StatusBadRequest, "invalid_grant")
				}
			})
		})
	}
}

// see checks where a form led.
func see(t *testing.T, a providertest.Answer, want string) {
	t.Helper()
	if a.Location == nil || a.Location.RequestURI() != want {
		t.Errorf("%d %v, want %s: %.300s", a.Status, a.Location, want, a.Body)
	}
}
