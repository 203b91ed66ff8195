package provider_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

const newSecret = "a-new-secret-of-the-test-app-that-is-long-enough"

// Another process, such as an operator's command, takes something from a client that this replica
// remembers. For two seconds, who has the old secret may still be let in here by it, and gets nothing
// that is good for anything: codes and refresh tokens are refused, and stay good for the client
// itself, and access tokens are revoked when they are issued.
func TestARememberedClientIsNoUseToWhoeverShouldNotBeIt(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct {
		take func(t *testing.T, other *store.Store) error
		over bool // the old secret is refused once the client is forgotten
		new  bool // the client has the new secret
	}{
		"compromised": {over: true, new: true, take: func(t *testing.T, other *store.Store) error {
			return other.Clients.Compromised(t.Context(), "app", opaque.Hash(newSecret))
		}},
		"disabled": {over: true, take: func(t *testing.T, other *store.Store) error { return other.DisableClient(t.Context(), "app") }},
		"removed": {over: true, take: func(t *testing.T, other *store.Store) error {
			_, err := other.DeleteClient(t.Context(), "app")
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
				f := providertest.New(t, databaseURL)
				other := beside(t, f, databaseURL)
				b := f.Browser().LogIn(f.User)
				own := url.Values{"grant_type": {"client_credentials"}, "scope": {"user:lookup"}}
				held := f.Tokens(f.Redeem(b.Code("scope", "openid offline_access")))
				unspent := b.Code()
				f.Tokens(f.Token("app", own)) // now it is remembered, and there is a block for its tokens
				if err := change.take(t, other); err != nil {
					t.Fatal(err)
				}
				var after string // given to the client after the secret was known to be in strange hands
				if change.new {
					after = b.Code()
				}

				let := f.Token("app", own)
				for what, form := range map[string]url.Values{
					"an earlier code": providertest.CodeGrant(unspent), "an earlier refresh token": providertest.RefreshGrant(held.Refresh),
					"a later code": providertest.CodeGrant(after),
				} {
					if form.Has("code") && form.Get("code") == "" {
						continue
					}
					if a := f.Token("app", form); !invalidClient(a) {
						t.Errorf("%s: %d %s", what, a.Status, a.Body)
					}
				}
				if a := f.PostAs("app", "/oauth2/introspect", url.Values{"token": {held.Access}}); !invalidClient(a) {
					t.Errorf("introspection: %d %s", a.Status, a.Body)
				}
				if let.Status != http.StatusOK {
					t.Errorf("the client was not remembered, and the test shows nothing: %d %s", let.Status, let.Body)
				} else if !f.Invalid(f.Tokens(let).Access) {
					t.Error("an access token that the old secret got is valid")
				}
				if change.new {
					fresh := f.Tokens(f.TokenWith("app", newSecret, providertest.CodeGrant(after)))
					if f.Invalid(fresh.Access) {
						t.Error("the client's own token is dead from birth")
					}
				}
				f.Clock.Advance(registry.RememberFor)
				if a := f.Token("app", own); change.over && !invalidClient(a) {
					t.Errorf("after it was forgotten: %d %s", a.Status, a.Body)
				}
			})
		})
	}
}

// What a client has lost or got by a change elsewhere.
func TestARememberedClientHasWhatItHasNow(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		f := providertest.New(t, databaseURL)
		other := beside(t, f, databaseURL)
		own := func(scope string) url.Values {
			return url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}
		}
		change := func(to func(c *client.Client)) {
			t.Helper()
			f.Tokens(f.Token("app", own("user:lookup"))) // it is remembered
			c, err := other.Clients.Client(t.Context(), "app")
			if err != nil {
				t.Fatal(err)
			}
			to(&c)
			if err := other.Clients.UpdateClient(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		change(func(c *client.Client) { c.Scope = "openid user:lookup" })
		change(func(c *client.Client) { c.Scope = "openid user:lookup user:read board:read offline_access" })
		f.Tokens(f.Token("app", own("board:read"))) // what it got counts at once

		// A refresh says what the client has lost, whatever is remembered.
		refresh := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code("scope", "openid user:read board:read offline_access"))).Refresh
		change(func(c *client.Client) { c.Scope = "openid user:lookup user:read offline_access" })
		if got := f.Tokens(f.Refresh(refresh)).Scope; got != "openid user:read offline_access" {
			t.Errorf("after it lost a scope: %q", got)
		}
		// Another secret is taken at once, and the older one no longer once the client is forgotten.
		f.Tokens(f.Token("app", own("user:lookup")))
		if err := other.Clients.ReplaceClientSecrets(t.Context(), "app", opaque.Hash(newSecret)); err != nil {
			t.Fatal(err)
		}
		f.Tokens(f.TokenWith("app", newSecret, own("user:lookup")))
		f.Clock.Advance(registry.RememberFor)
		if a := f.Token("app", own("user:lookup")); !invalidClient(a) {
			t.Errorf("the old secret: %d %s", a.Status, a.Body)
		}
		// The replica that changes a client remembers nothing of it.
		f.Tokens(f.TokenWith("app", newSecret, own("user:lookup")))
		if err := f.Store.Clients.ReplaceClientSecrets(t.Context(), "app", opaque.Hash(providertest.Secret)); err != nil {
			t.Fatal(err)
		}
		if a := f.TokenWith("app", newSecret, own("user:lookup")); !invalidClient(a) {
			t.Errorf("the old secret, at the replica that replaced it: %d %s", a.Status, a.Body)
		}
	})
}
