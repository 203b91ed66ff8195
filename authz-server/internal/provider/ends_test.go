package provider_test

import (
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// A thief who knows a secret asks for tokens while it is rotated. Whatever they got is worth nothing
// afterwards, and the client goes on with the new secret at once.
func TestACompromisedSecretIsWorthNothingOnceItIsRotated(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		f := providertest.New(t, databaseURL)
		operator, err := directory.New(directory.Config{Store: beside(t, f, databaseURL), Now: f.Clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		b := f.Browser().LogIn(f.User)
		service := url.Values{"grant_type": {"client_credentials"}, "scope": {"user:lookup"}}
		secret := providertest.Secret
		for range 5 {
			as := func(form url.Values) providertest.Answer { return f.TokenWith("app", secret, form) }
			code := func() string { return b.Code("scope", "openid user:read offline_access") }
			person := f.Tokens(as(providertest.CodeGrant(code())))
			unspent := code()

			var mu sync.Mutex
			access, refresh := []string{person.Access}, []string{person.Refresh}
			var thieves sync.WaitGroup
			started, rotated := make(chan struct{}, 100), make(chan struct{})
			for range 3 {
				thieves.Go(func() {
					for {
						last := false
						select {
						case <-rotated:
							last = true
						default:
						}
						for _, form := range []url.Values{service, providertest.RefreshGrant(person.Refresh)} {
							a := as(form)
							if a.Status >= 500 {
								t.Errorf("%d %s", a.Status, a.Body)
							}
							if a.Status != http.StatusOK {
								continue
							}
							// This replica may remember the client for a little; that such a token is
							// revoked is looked at below.
							if last && form.Has("refresh_token") {
								t.Error("the old secret works after the rotation")
							}
							mu.Lock()
							got := f.Tokens(a)
							access = append(access, got.Access)
							if got.Refresh != "" {
								refresh = append(refresh, got.Refresh)
							}
							mu.Unlock()
						}
						if last {
							return
						}
						select {
						case started <- struct{}{}:
						default:
						}
					}
				})
			}
			for range 3 {
				<-started
			}
			f.Clock.Advance(time.Second)
			made, err := operator.RotateCompromised(t.Context(), "app")
			if err != nil {
				t.Fatal(err)
			}
			close(rotated)
			thieves.Wait()
			fresh := f.Tokens(f.TokenWith("app", made.Secret, service)).Access
			f.Clock.Advance(registry.RememberFor)
			if a := as(service); !invalidClient(a) {
				t.Errorf("the old secret works once the client is forgotten: %d", a.Status)
			}
			for i, token := range access {
				if !f.Invalid(token) {
					t.Errorf("access token %d of %d is valid", i, len(access))
				}
				if a := f.Userinfo(token); a.Status != http.StatusUnauthorized {
					t.Errorf("userinfo with access token %d: %d", i, a.Status)
				}
			}
			if f.Invalid(fresh) {
				t.Error("the first token by the new secret is revoked")
			}
			// Not even who has the new secret can go on with what somebody else may have.
			secret = made.Secret
			for _, token := range refresh {
				as(providertest.RefreshGrant(token)).WantError(t, http.StatusBadRequest, "invalid_grant")
			}
			as(providertest.CodeGrant(unspent)).WantError(t, http.StatusBadRequest, "invalid_grant")
			next := f.Tokens(as(providertest.CodeGrant(code())))
			if removed, err := f.Store.RemoveEnded(t.Context()); err != nil || removed < 2 {
				t.Errorf("%d grants were removed, %v", removed, err)
			}
			if again, err := f.Store.RemoveEnded(t.Context()); again != 0 || err != nil {
				t.Errorf("%d grants were removed again, %v", again, err)
			}
			if got := f.Tokens(as(providertest.RefreshGrant(next.Refresh))); f.Invalid(got.Access) {
				t.Error("a grant that began after the rotation has ended")
			}
		}
	})
}

// saidRoles are those that an access token says.
func saidRoles(t *testing.T, token string) []any {
	t.Helper()
	_, claims := providertest.Decode(t, token)
	all, _ := claims["roles"].([]any)
	return all
}

// Whoever loses a role stays logged in: the app refreshes, and its new token says no role.
func TestARoleThatIsTakenLeavesNoTokenThatSaysIt(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		f := providertest.New(t, databaseURL)
		operator := beside(t, f, databaseURL)
		const boardAPI = providertest.APIOrigin + "/board"
		f.AddClient("service", func(c *client.Client) {
			c.GrantTypes, c.RedirectURIs = []string{client.TokenExchange}, nil
			c.Audiences, c.TokenExchangeAudiences = []string{providertest.APIOrigin + "/user", boardAPI}, []string{boardAPI}
		})
		b := f.Browser().LogIn(f.User)
		if err := operator.Roles.Define(t.Context(), roles.Definition{Role: roles.Role{Resource: "board", Name: "other"}, Scopes: []string{"board:moderate"}}); err != nil {
			t.Fatal(err)
		}
		set := func(names ...string) {
			t.Helper()
			var all []roles.Role
			for _, name := range names {
				all = append(all, roles.Role{Resource: "board", Name: name})
			}
			if err := operator.Roles.Set(t.Context(), f.User.ID, all); err != nil {
				t.Fatal(err)
			}
		}
		exchange := func(token string) string {
			return f.Tokens(f.PostAs("service", "/oauth2/token", url.Values{"grant_type": {client.TokenExchange}, "subject_token": {token},
				"audience": {boardAPI}, "subject_token_type": {exchangeType}})).Access
		}
		active := func(token string) bool {
			return f.PostAs("service", "/oauth2/introspect", url.Values{"token": {token}}).JSON(t)["active"] == true
		}
		without := f.Tokens(f.Redeem(b.Code("scope", "openid user:read board:read offline_access")))
		first := f.Tokens(f.Redeem(b.Code("scope", "openid user:read board:read board:moderate offline_access")))
		second := f.Tokens(f.Refresh(first.Refresh))
		again := f.Tokens(f.Refresh(first.Refresh)) // within the grace
		held := []string{first.Access, second.Access, again.Access, exchange(second.Access)}
		for _, token := range held {
			if !slices.Contains(saidRoles(t, token), any("moderator")) || !active(token) {
				t.Fatal("a token says no role")
			}
		}
		set("moderator", "other") // one more
		for _, token := range held {
			if f.Invalid(token) {
				t.Error("a token is revoked, though no role was lost")
			}
		}
		set("other")
		for i, token := range held {
			if !f.Invalid(token) || active(token) || i < 3 && f.Userinfo(token).Status != http.StatusUnauthorized {
				t.Errorf("token %d is valid", i)
			}
		}
		if f.Invalid(without.Access) || f.Userinfo(without.Access).Status != http.StatusOK {
			t.Error("a token that could not say a role is revoked")
		}
		again = f.Tokens(f.Refresh(first.Refresh))
		next := f.Tokens(f.Refresh(again.Refresh))
		for _, token := range []string{again.Access, next.Access, exchange(next.Access)} {
			if f.Invalid(token) || slices.Contains(saidRoles(t, token), any("moderator")) || !active(token) {
				t.Errorf("the app's new token: %v", saidRoles(t, token))
			}
		}
		// It can be given and taken again, also at the same moment.
		set("moderator")
		given := f.Tokens(f.Refresh(next.Refresh))
		set()
		if !f.Invalid(given.Access) {
			t.Error("the second time, a token is valid")
		}
		// The grant ends like any other.
		f.PostAs("app", "/oauth2/revoke", url.Values{"token": {given.Refresh}})
		if !f.Invalid(next.Access) {
			t.Error("a token is valid after its grant ended")
		}
	})
}

// Tokens are asked for while the role goes: none that says it is good afterwards.
func TestARoleIsTakenInARaceWithTokens(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		f := providertest.New(t, databaseURL)
		operator := beside(t, f, databaseURL)
		b := f.Browser().LogIn(f.User)
		for range 8 {
			if err := operator.Roles.Set(t.Context(), f.User.ID, []roles.Role{roles.Moderator}); err != nil {
				t.Fatal(err)
			}
			var mu sync.Mutex
			var held []string
			var wg sync.WaitGroup
			for range 3 {
				code := b.Code("scope", "openid board:moderate offline_access")
				refresh := f.Tokens(f.Redeem(b.Code("scope", "openid board:moderate offline_access"))).Refresh
				for _, form := range []url.Values{providertest.CodeGrant(code), providertest.RefreshGrant(refresh)} {
					wg.Go(func() {
						if a := f.Token("app", form); a.Status == http.StatusOK {
							mu.Lock()
							defer mu.Unlock()
							held = append(held, f.Tokens(a).Access)
						} else {
							a.WantError(t, http.StatusServiceUnavailable, "temporarily_unavailable")
						}
					})
				}
			}
			wg.Go(func() {
				if err := operator.Roles.Set(t.Context(), f.User.ID, nil); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			for _, token := range held {
				if len(saidRoles(t, token)) > 0 && !f.Invalid(token) {
					t.Error("a token says the role that is gone")
				}
			}
		}
	})
}
