package provider_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

const exchangeType = "urn:ietf:params:oauth:token-type:access_token"

// beside opens the database once more, as a command in a process of its own does.
func beside(t *testing.T, f *providertest.Fixture, databaseURL string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), databaseURL, f.Clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A client that an operator disabled can do nothing at any endpoint, and its tokens and grants are
// good for nothing. What it had comes back when it is enabled, but for access tokens.
func TestADisabledClientCanDoNothingAnywhere(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		r := providertest.NewRegistrarWith(t, databaseURL, func(cfg *provider.Config, clients *directory.Config) {
			cfg.Registration = registration.Open
			clients.Policy = client.Policy{Scopes: []string{"openid", "user:read"}, DefaultScope: "openid user:read"}
		})
		f := r.Fixture
		const boardAPI = providertest.APIOrigin + "/board"
		f.AddClient("service", func(c *client.Client) {
			c.GrantTypes, c.RedirectURIs = []string{client.TokenExchange, "client_credentials"}, nil
			c.Audiences, c.TokenExchangeAudiences = []string{providertest.APIOrigin + "/user"}, []string{boardAPI}
		})
		f.AddTV("tv", nil)
		registered := r.Register("", `"client_name":"Own"`)
		operator := beside(t, f, databaseURL)

		b := f.Browser().LogIn(f.User)
		code := func() string { return b.Code("scope", "openid user:read board:read offline_access") }
		held := f.Tokens(f.Redeem(code()))
		stays := f.Tokens(f.Token("service", url.Values{"grant_type": {"client_credentials"}, "scope": {"user:lookup"}})).Access
		own := f.Tokens(f.Token("app", url.Values{"grant_type": {"client_credentials"}, "scope": {"user:lookup"}})).Access
		exchange := url.Values{
			"grant_type": {client.TokenExchange}, "subject_token": {held.Access}, "audience": {boardAPI}, "subject_token_type": {exchangeType},
		}
		exchanged := f.Tokens(f.Token("service", exchange)).Access
		unspent := code()
		device := f.StartDevice("tv", url.Values{})

		// Each request succeeds while the client is enabled, and is refused while it is disabled.
		form := func(pairs ...string) url.Values {
			v := url.Values{}
			for i := 0; i < len(pairs); i += 2 {
				v.Set(pairs[i], pairs[i+1])
			}
			return v
		}
		walk := map[string]func() (a providertest.Answer, refused bool){
			"authorize": func() (a providertest.Answer, refused bool) {
				a = b.Authorize()
				return a, a.Status == http.StatusBadRequest && a.Header.Get("Location") == "" && strings.Contains(a.Body, "<html")
			},
			"authorize without a prompt": func() (a providertest.Answer, refused bool) {
				a = b.Authorize("prompt", "none")
				return a, a.Status == http.StatusBadRequest && a.Header.Get("Location") == ""
			},
			"par": func() (a providertest.Answer, refused bool) {
				a = f.PostAs("app", "/oauth2/par", providertest.Parameters("client_id", ""))
				return a, invalidClient(a)
			},
			"client credentials": func() (a providertest.Answer, refused bool) {
				a = f.Token("app", form("grant_type", "client_credentials", "scope", "user:lookup"))
				return a, invalidClient(a)
			},
			"revocation": func() (a providertest.Answer, refused bool) {
				a = f.PostAs("app", "/oauth2/revoke", form("token", "unknown"))
				return a, invalidClient(a)
			},
			"introspection": func() (a providertest.Answer, refused bool) {
				a = f.PostAs("app", "/oauth2/introspect", form("token", "unknown"))
				return a, invalidClient(a)
			},
			"device authorization": func() (a providertest.Answer, refused bool) {
				a = f.PostForm("/oauth2/device_authorization", form("client_id", "tv"))
				return a, invalidClient(a)
			},
			"a device's poll": func() (a providertest.Answer, refused bool) {
				f.Clock.Advance(10 * time.Second)
				a = f.Poll("tv", device.Device)
				if a.Status == http.StatusBadRequest && strings.Contains(a.Body, "authorization_pending") {
					a.Status = http.StatusOK // it waits, as it should
				}
				return a, invalidClient(a)
			},
			"log-out": func() (a providertest.Answer, refused bool) {
				a = f.Browser().Get("/oauth2/logout?" + form("client_id", "app", "post_logout_redirect_uri", "https://app.example/bye").Encode())
				return a, a.Status == http.StatusBadRequest && a.Header.Get("Location") == ""
			},
			"registration": func() (a providertest.Answer, refused bool) {
				a = r.Send("GET", "/oauth2/register/"+registered.ID, registered.Token, "")
				return a, a.Status == http.StatusUnauthorized && strings.Contains(a.Body, "invalid_token")
			},
			"a change of the registration": func() (a providertest.Answer, refused bool) {
				a = r.Send("PUT", "/oauth2/register/"+registered.ID, registered.Token, `{"client_id":"`+registered.ID+`",`+providertest.WebApp+`}`)
				return a, a.Status == http.StatusUnauthorized && strings.Contains(a.Body, "invalid_token")
			},
		}
		each := func(when string, refused bool) {
			t.Helper()
			for name, send := range walk {
				if a, got := send(); got != refused || !refused && a.Status >= 400 {
					t.Errorf("%s, %s: %d %v %s", when, name, a.Status, a.Header, a.Body)
				}
			}
		}
		ids := []string{"app", "tv", registered.ID}
		each("before", false)
		if f.Invalid(held.Access) || f.Invalid(own) || f.Invalid(exchanged) {
			t.Fatal("a token is invalid before")
		}
		for range 2 { // again: it is disabled already
			for _, id := range ids {
				if err := operator.DisableClient(t.Context(), id); err != nil {
					t.Fatal(err)
				}
			}
		}
		f.Clock.Advance(registry.RememberFor) // see TestARememberedClientIsNoUseToWhoeverShouldNotBeIt
		each("disabled", true)
		if a := r.Send("DELETE", "/oauth2/register/"+registered.ID, registered.Token, ""); a.Status != http.StatusUnauthorized {
			t.Errorf("it deleted itself: %d", a.Status)
		}
		for name, a := range map[string]providertest.Answer{
			"code": f.Redeem(unspent), "refresh": f.Refresh(held.Refresh), "a wrong secret": f.TokenWith("app", "wrong", form("grant_type", "client_credentials")),
		} {
			if !invalidClient(a) {
				t.Errorf("%s: %d %s", name, a.Status, a.Body)
			}
		}
		if page := b.Post("/device", form("user_code", device.User)); strings.Contains(page.Body, `id="allow"`) {
			t.Error("a person can allow the device")
		}
		f.Token("service", exchange).WantError(t, http.StatusBadRequest, "invalid_request")
		if a := f.Userinfo(held.Access); a.Status != http.StatusUnauthorized {
			t.Errorf("userinfo: %d %s", a.Status, a.Body)
		}
		for name, token := range map[string]string{"person's": held.Access, "own": own, "exchanged": exchanged} {
			if a := f.PostAs("service", "/oauth2/introspect", form("token", token)); a.JSON(t)["active"] != false {
				t.Errorf("introspection, %s: %s", name, a.Body)
			}
			if !f.Invalid(token) {
				t.Errorf("the list says that the token is valid: %s", name)
			}
		}
		if f.Invalid(stays) {
			t.Error("another client's token is revoked")
		}

		for _, id := range ids {
			if err := operator.Clients.Enable(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		// Nothing lies between, so that what the replica remembers has to be right at once.
		fresh := f.Tokens(f.Refresh(held.Refresh))
		again := f.Tokens(f.Refresh(held.Refresh)) // within the grace: a token that may share a place
		for _, token := range []string{fresh.Access, again.Access} {
			if a := f.Userinfo(token); a.Status != http.StatusOK || f.Invalid(token) {
				t.Errorf("after it was enabled: %d %s", a.Status, a.Body)
			}
		}
		if !f.Invalid(held.Access) || !f.Invalid(own) {
			t.Error("an access token came back to life")
		}
		each("enabled", false)
	})
}

// An operator's command dies after it disabled a client, before it revoked what others exchanged from
// the client's grants: a replica's sweep does that, also if the client is enabled before.
func TestTokensExchangedFromADisabledClientsGrantsEndThoughTheCommandDies(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		f := providertest.New(t, databaseURL)
		f.AddClient("service", func(c *client.Client) {
			c.GrantTypes, c.RedirectURIs = []string{client.TokenExchange}, nil
			c.Audiences, c.TokenExchangeAudiences = []string{providertest.APIOrigin + "/user"}, []string{providertest.APIOrigin + "/board"}
		})
		replica := beside(t, f, databaseURL)
		for _, enabled := range []bool{false, true} {
			held := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code("scope", "openid user:read board:read")))
			exchanged := f.Tokens(f.Token("service", url.Values{
				"grant_type": {client.TokenExchange}, "subject_token": {held.Access}, "subject_token_type": {exchangeType},
			})).Access
			ctx, die := context.WithCancel(t.Context())
			err := beside(t, f, databaseURL).DisableClient(storetest.BeforeStatements(ctx, func(query string) {
				if strings.Contains(query, "exchanges_ended_at > 0") {
					die()
				}
			}), "app")
			if !errors.Is(err, context.Canceled) || f.Invalid(exchanged) || !f.Invalid(held.Access) {
				t.Fatalf("the command was to die half-way: %v", err)
			}
			if enabled {
				storetest.OK(t, replica.Clients.Enable(t.Context(), "app"))
			}
			_, err = replica.Sweep(t.Context())
			storetest.OK(t, err)
			if !f.Invalid(exchanged) {
				t.Errorf("the exchanged token lives on; enabled: %t", enabled)
			}
			storetest.OK(t, replica.Clients.Enable(t.Context(), "app"))
			f.Clock.Advance(registry.RememberFor)
		}
	})
}

// invalidClient tells whether an answer is what an unknown client gets (RFC 6749 §5.2).
func invalidClient(a providertest.Answer) bool {
	return a.Status == http.StatusUnauthorized && strings.Contains(a.Body, `"invalid_client"`)
}

// A document cannot bring back the client that it describes.
func TestADisabledClientIsNotReadAnewFromItsDocument(t *testing.T) {
	t.Parallel()
	r := providertest.NewRegistrar(t, sqldbtest.SQLite(t), registration.Closed)
	id := r.Site.URL + "/client"
	r.Pages.Set("/client", `{"client_id":"`+id+`","client_name":"Document",`+providertest.WebApp+`}`)
	b := r.Browser().LogIn(r.User)
	if a := b.Authorize("client_id", id, "scope", "openid"); a.Status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if err := r.Store.DisableClient(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if a := b.Authorize("client_id", id, "scope", "openid"); a.Status != http.StatusBadRequest || a.Header.Get("Location") != "" {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		r.Clock.Advance(25 * time.Hour)
		if _, err := r.Store.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		b = r.Browser()
	}
	if c, err := r.Store.Clients.Registered(t.Context(), id); err != nil || c.DisabledAt.IsZero() {
		t.Errorf("%+v %v", c, err)
	}
}
