package provider_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func role(text string) roles.Role {
	r, err := roles.Parse(text)
	if err != nil {
		panic(err)
	}
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// said are the audience and the roles of an access token, as words.
func said(t *testing.T, token string) string {
	t.Helper()
	_, claims := providertest.Decode(t, token)
	var audience []string
	switch aud := claims["aud"].(type) {
	case string:
		audience = []string{aud}
	case []any:
		for _, one := range aud {
			audience = append(audience, one.(string))
		}
	}
	for i, one := range audience {
		audience[i] = one[strings.LastIndexByte(one, '/')+1:]
	}
	return strings.Join(audience, " ") + ":" + strings.Trim(fmt.Sprint(saidRoles(t, token)), "[]")
}

func TestATokenSaysTheRolesOfItsAudienceAlone(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		f := providertest.New(t, databaseURL)
		ctx, all := t.Context(), f.Store.Roles
		must(t, all.Define(ctx, roles.Definition{Role: role("user/editor"), Scopes: []string{"user:read", "user:write"}}))
		must(t, all.Define(ctx, roles.Definition{Role: role("board/editor"), Scopes: []string{"board:write"}}))
		must(t, all.Define(ctx, roles.Definition{Role: role("user/helper"), Scopes: []string{"user:write"}}))
		group, err := all.CreateGroup(ctx, roles.Group{Name: "editors"})
		must(t, err)
		must(t, all.GiveGroup(ctx, group.ID, role("user/editor")))
		must(t, all.GiveGroup(ctx, group.ID, role("user/helper")))
		must(t, all.AddMember(ctx, group.ID, f.User.ID))
		f.AddClient("pairwise", func(c *client.Client) { c.SubjectType = "pairwise" })
		f.AddClient("service", func(c *client.Client) {
			c.GrantTypes, c.RedirectURIs = []string{client.TokenExchange}, nil
			c.Audiences = []string{providertest.APIOrigin + "/user"}
			c.TokenExchangeAudiences = []string{providertest.APIOrigin + "/board"}
		})
		b := f.Browser().LogIn(f.User)
		for _, test := range []struct {
			scope, want string
			direct      []roles.Role
		}{
			{"openid user:read", "user:editor", nil},
			{"openid user:write", "user:editor helper", nil},
			{"openid user:lookup", "user:", nil},
			{"openid profile", f.Issuer[strings.LastIndexByte(f.Issuer, '/')+1:] + ":", nil},
			{"openid board:write", "board:", nil},
			{"openid board:write board:moderate", "board:moderator", []roles.Role{roles.Moderator}},
			{"openid user:read board:moderate", "user board:moderator", []roles.Role{roles.Moderator}},
			// The board defines an editor too, and this person is not one there.
			{"openid user:read board:read", "user board:", nil},
			{"openid user:write board:write", "user board:helper", nil},
			{"openid user:write board:write", "user board:editor helper", []roles.Role{role("board/editor")}},
			// They are, but this token has no scope that says so to the board.
			{"openid user:write board:read", "user board:helper", []roles.Role{role("board/editor")}},
			{"openid user:write board:write board:moderate", "user board:editor helper moderator", []roles.Role{role("board/editor"), roles.Moderator}},
		} {
			must(t, all.Set(ctx, f.User.ID, test.direct))
			got := f.Tokens(f.Redeem(b.Code("scope", test.scope)))
			if text := said(t, got.Access); text != test.want {
				t.Errorf("%s and %v: the token says %q, not %q", test.scope, test.direct, text, test.want)
			}
			for what, text := range map[string]string{"userinfo": f.Userinfo(got.Access).Body, "the ID token": claimsText(t, got.ID)} {
				if strings.Contains(text, "role") || strings.Contains(text, "editor") {
					t.Errorf("%s says %s", what, text)
				}
			}
			shown := f.PostAs("app", "/oauth2/introspect", url.Values{"token": {got.Access}}).JSON(t)
			if fmt.Sprint(shown["roles"]) != fmt.Sprint(rolesClaim(t, got.Access)) {
				t.Errorf("introspection shows %v", shown["roles"])
			}
		}
		must(t, all.Set(ctx, f.User.ID, nil))
		whole := f.Tokens(f.Redeem(b.Code("scope", "openid user:read board:write")))
		narrow := f.Tokens(f.Refresh(whole.Refresh, "resource", providertest.APIOrigin+"/user"))
		if text := said(t, narrow.Access); text != "user:editor" {
			t.Errorf("narrowed, the token says %q", text)
		}
		exchanged := f.Tokens(f.PostAs("service", "/oauth2/token", url.Values{"grant_type": {client.TokenExchange},
			"subject_token": {narrow.Access}, "subject_token_type": {exchangeType}}))
		if text := said(t, exchanged.Access); text != "board:" {
			t.Errorf("exchanged, the token says %q", text)
		}
		other := f.Tokens(f.Token("pairwise", providertest.CodeGrant(b.Code("client_id", "pairwise", "scope", "openid user:read"))))
		if text := said(t, other.Access); text != "user:editor" {
			t.Errorf("with a pairwise subject, the token says %q", text)
		}
		if own := f.Tokens(f.Token("app", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:moderate user:read"}})); saidRoles(t, own.Access) != nil {
			t.Error("a service has roles")
		}
	})
}

func claimsText(t *testing.T, token string) string {
	t.Helper()
	_, claims := providertest.Decode(t, token)
	return fmt.Sprint(claims)
}

func rolesClaim(t *testing.T, token string) any {
	t.Helper()
	_, claims := providertest.Decode(t, token)
	return claims["roles"]
}

// Tokens are asked for while a group, its role or the definition goes: none that says the role is
// good afterwards.
func TestARoleOfManyIsTakenInARaceWithTokens(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		f := providertest.New(t, databaseURL)
		operator := beside(t, f, databaseURL)
		ctx := t.Context()
		must(t, operator.Roles.Set(ctx, f.User.ID, nil))
		b := f.Browser().LogIn(f.User)
		ways := []func(g roles.Group) error{
			func(g roles.Group) error { return operator.Roles.RemoveGroup(ctx, g.ID) },
			func(g roles.Group) error { return operator.Roles.TakeGroup(ctx, g.ID, role("board/editor")) },
			func(roles.Group) error { return operator.Roles.Undefine(ctx, role("board/editor")) },
			func(g roles.Group) error { return operator.Roles.RemoveMember(ctx, g.ID, f.User.ID) },
		}
		for round := range 8 {
			if err := operator.Roles.Define(ctx, roles.Definition{Role: role("board/editor"), Scopes: []string{"board:write"}}); err != nil && !errors.Is(err, store.ErrExists) {
				t.Fatal(err)
			}
			must(t, f.Provider.Catalog.Refresh(ctx))
			g, err := operator.Roles.CreateGroup(ctx, roles.Group{Name: fmt.Sprint("group ", round)})
			must(t, err)
			must(t, operator.Roles.GiveGroup(ctx, g.ID, role("board/editor")))
			must(t, operator.Roles.AddMember(ctx, g.ID, f.User.ID))
			var mu sync.Mutex
			var held []string
			var wg sync.WaitGroup
			for range 3 {
				code := b.Code("scope", "openid board:write offline_access")
				refresh := f.Tokens(f.Redeem(b.Code("scope", "openid board:write offline_access"))).Refresh
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
				if err := ways[round%len(ways)](g); err != nil {
					t.Error(err)
				}
				if _, err := operator.Roles.Purge(ctx); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			for _, token := range held {
				if len(saidRoles(t, token)) > 0 && !f.Invalid(token) {
					t.Errorf("round %d: a token says the role that is gone", round)
				}
			}
			must(t, f.Provider.Catalog.Refresh(ctx))
		}
	})
}

// The administration of the server is for people with a role that is for it, and for operators'
// clients; and its tokens are for nothing else.
func TestTokensForTheAdministration(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		f := providertest.New(t, databaseURL)
		ctx := t.Context()
		admin := f.Issuer + "/admin"
		f.AddClient("console", func(c *client.Client) { c.Scope += " admin:read admin:write" })
		f.AddClient("asking", func(c *client.Client) { c.Scope += " admin:read"; c.Trusted = false })
		f.AddTV("tv", func(c *client.Client) { c.Scope += " admin:read" })
		b := f.Browser().LogIn(f.User) // a moderator
		const everything = "openid board:read admin:read offline_access"
		redeem := func(code string, more ...string) providertest.Tokens {
			t.Helper()
			form := providertest.CodeGrant(code)
			for i := 0; i < len(more); i += 2 {
				form.Set(more[i], more[i+1])
			}
			return f.Tokens(f.Token("console", form))
		}

		// Without the role, the scope is left out.
		got := redeem(b.Code("client_id", "console", "scope", everything))
		if text := said(t, got.Access); text != "board:" || strings.Contains(got.Scope, "admin") {
			t.Errorf("%q, scope %q", text, got.Scope)
		}
		a := f.Token("console", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.Refresh}, "scope": {everything}})
		if again := f.Tokens(a); strings.Contains(again.Scope, "admin") {
			t.Errorf("refreshed: %q", again.Scope)
		}
		if a := b.Authorize("client_id", "console", "scope", "admin:read"); a.Parameter("error") != "access_denied" {
			t.Errorf("admin:read alone: %v", a.Location)
		}
		path, page := b.Asked(providertest.Parameters("client_id", "asking", "scope", everything))
		if strings.Contains(page.Body, "admin:read") {
			t.Error("the page asks for what the person cannot grant")
		}
		a = b.Allow(t, path, page, "openid", "board:read", "admin:read")
		if got := f.Tokens(f.Token("asking", providertest.CodeGrant(a.Parameter("code")))); strings.Contains(got.Scope, "admin") {
			t.Errorf("a form with more than the page: %q", got.Scope)
		}
		codes := f.StartDevice("tv", url.Values{"scope": {everything}})
		b.Decide(codes.User, "allow")
		if got := f.Tokens(f.PollInTime("tv", codes.Device)); strings.Contains(got.Scope, "admin") {
			t.Errorf("a device: %q", got.Scope)
		}

		// With it, a token is for the administration or for the rest.
		must(t, f.Store.Roles.Give(ctx, f.User.ID, roles.Admin))
		got = redeem(b.Code("client_id", "console", "scope", everything))
		if text := said(t, got.Access); text != "board:" || strings.Contains(got.Scope, "admin") {
			t.Errorf("for the rest: %q, scope %q", text, got.Scope)
		}
		a = f.Token("console", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.Refresh}, "resource": {admin}})
		apart := f.Tokens(a)
		if text := said(t, apart.Access); text != "admin:admin" || !strings.Contains(apart.Scope, "admin:read") {
			t.Errorf("for the administration: %q, scope %q", text, apart.Scope)
		}
		form := providertest.RefreshGrant(apart.Refresh)
		form["resource"] = []string{admin, providertest.APIOrigin + "/board"}
		f.Token("console", form).WantError(t, http.StatusBadRequest, "invalid_target")
		alone := redeem(b.Code("client_id", "console", "scope", "openid admin:read admin:write"))
		if text := said(t, alone.Access); text != "admin:admin" {
			t.Errorf("asked for alone: %q", text)
		}
		service := f.Tokens(f.Token("console", url.Values{"grant_type": {"client_credentials"}, "scope": {"admin:read user:lookup"}}))
		if text := said(t, service.Access); text != "user:" || strings.Contains(service.Scope, "admin") {
			t.Errorf("a service for both: %q, scope %q", text, service.Scope)
		}
		service = f.Tokens(f.Token("console", url.Values{"grant_type": {"client_credentials"}, "scope": {"admin:read"}}))
		if text := said(t, service.Access); text != "admin:" {
			t.Errorf("a service: %q", text)
		}
		if _, page := b.Asked(providertest.Parameters("client_id", "asking", "scope", everything, "prompt", "consent")); !strings.Contains(page.Body, "admin:read") {
			t.Error("an administrator is not asked")
		}

		// Who loses the role loses the tokens, and what makes others.
		must(t, f.Store.Roles.Take(ctx, f.User.ID, roles.Admin))
		for _, token := range []string{apart.Access, alone.Access} {
			if !f.Invalid(token) {
				t.Error("a token outlives the role")
			}
		}
		f.Token("console", providertest.RefreshGrant(alone.Refresh)).WantError(t, http.StatusBadRequest, "invalid_grant")
		if supported := f.Do(f.Request("GET", "/.well-known/openid-configuration", nil)).JSON(t)["scopes_supported"]; slices.Contains(supported.([]any), any("admin:read")) {
			t.Error("discovery announces it")
		}
		app, err := f.Store.Clients.Client(ctx, "app")
		must(t, err)
		for _, scope := range []string{"openid admin:read", "scim"} { // of a client that registered itself
			app.Scope = scope
			if err := app.Check(client.Policy{Scopes: client.Scopes(append(client.Builtin(providertest.APIOrigin), client.Administration(admin)))}); err == nil {
				t.Errorf("it can have %s", scope)
			}
		}
	})
}

// A service is added and removed while the server runs.
func TestAResourceIsAddedAndRemovedWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		f := providertest.New(t, databaseURL)
		operator := beside(t, f, databaseURL)
		ctx := t.Context()
		const id = "https://orders.example/v1"
		f.AddClient("shop", func(c *client.Client) { c.Scope += " orders:read orders:write"; c.Trusted = false })
		settings := client.Builtin(providertest.APIOrigin)
		orders := registry.Resource{Resource: client.Resource{Name: "orders", ID: id, Scopes: []string{"orders:read", "orders:write"}}}
		supported := func() bool {
			t.Helper()
			return slices.Contains(f.Do(f.Request("GET", "/.well-known/openid-configuration", nil)).JSON(t)["scopes_supported"].([]any), any("orders:read"))
		}
		service := url.Values{"grant_type": {"client_credentials"}, "scope": {"orders:read"}}
		b := f.Browser().LogIn(f.User)

		f.Token("shop", service).WantError(t, http.StatusBadRequest, "invalid_scope")
		must(t, operator.Resources.Create(ctx, orders, settings))
		must(t, f.Provider.Catalog.Refresh(ctx))
		if !supported() {
			t.Error("discovery does not announce its scopes")
		}
		if text := said(t, f.Tokens(f.Token("shop", service)).Access); text != "v1:" {
			t.Errorf("a service's token: %q", text)
		}
		must(t, operator.Roles.Define(ctx, roles.Definition{Role: role("orders/picker"), Scopes: []string{"orders:read"}}))
		must(t, f.Provider.Catalog.Refresh(ctx))
		must(t, operator.Roles.Give(ctx, f.User.ID, role("orders/picker")))
		path, page := b.Asked(providertest.Parameters("client_id", "shop", "scope", "openid board:read orders:read offline_access"))
		a := b.Allow(t, path, page, "openid", "board:read", "orders:read", "offline_access")
		got := f.Tokens(f.Token("shop", providertest.CodeGrant(a.Parameter("code"))))
		if text := said(t, got.Access); text != "board v1:picker" {
			t.Errorf("a person's token: %q", text)
		}

		for want, one := range map[string]client.Resource{
			"exists already":      {Name: "orders", ID: "https://other.example", Scopes: []string{"a"}},
			"already":             {Name: "other", ID: id, Scopes: []string{"a"}},
			"belongs to " + id:    {Name: "other", ID: "https://other.example", Scopes: []string{"orders:read"}},
			"OpenID Connect":      {Name: "other", ID: "https://other.example", Scopes: []string{"openid"}},
			"1 to 32":             {Name: "Other", ID: "https://other.example", Scopes: []string{"a"}},
			"absolute URI":        {Name: "other", ID: "other", Scopes: []string{"a"}},
			"at least one scope":  {Name: "other", ID: "https://other.example"},
			"and can have":        {Name: "other", ID: "https://other.example", Scopes: make([]string, client.MaxScopes+1)},
			"belongs to https://": {Name: "other", ID: "https://other.example", Scopes: []string{"user:read"}},
		} {
			if err := operator.Resources.Create(ctx, registry.Resource{Resource: one}, settings); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v: %v", one, err)
			}
		}

		if err := operator.Resources.Remove(ctx, "orders"); !errors.Is(err, registry.ErrHasRoles) {
			t.Error(err)
		}
		must(t, operator.Roles.Undefine(ctx, role("orders/picker")))
		_, err := operator.Roles.Purge(ctx)
		must(t, err)
		must(t, operator.Resources.Remove(ctx, "orders"))
		if err := operator.Resources.Remove(ctx, "orders"); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		must(t, f.Provider.Catalog.Refresh(ctx))
		a = f.Token("shop", providertest.RefreshGrant(got.Refresh))
		next := f.Tokens(a)
		if text := said(t, next.Access); text != "board:" || strings.Contains(next.Scope, "orders") {
			t.Errorf("the next token: %q, scope %q", text, next.Scope)
		}
		f.Token("shop", service).WantError(t, http.StatusBadRequest, "invalid_scope")
		if supported() {
			t.Error("discovery announces its scopes")
		}
	})
}
