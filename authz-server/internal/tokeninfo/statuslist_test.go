package tokeninfo_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// Whatever ends a token shows in its list, and nothing else does.
func TestWhatEndsATokenShowsInItsStatusList(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		const boardAPI = providertest.APIOrigin + "/board"
		f.AddClient("service", func(c *client.Client) {
			c.GrantTypes, c.RedirectURIs = []string{client.TokenExchange, "client_credentials"}, nil
			c.Audiences, c.TokenExchangeAudiences = []string{providertest.APIOrigin + "/user"}, []string{boardAPI}
		})
		f.AddClient("doomed", nil)
		b := f.Browser().LogIn(f.User)
		get := func() providertest.Tokens {
			return f.Tokens(f.Redeem(b.Code("scope", "openid user:read board:read offline_access")))
		}
		exchange := func(token string) string {
			return f.Tokens(f.PostAs("service", "/oauth2/token", url.Values{
				"grant_type": {client.TokenExchange}, "subject_token": {token}, "audience": {boardAPI},
				"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
			})).Access
		}
		revoke := func(id, token string) {
			if a := f.PostAs(id, "/oauth2/revoke", url.Values{"token": {token}}); a.Status != http.StatusOK {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		untouched := get()
		own := func() string {
			return f.Tokens(f.PostAs("service", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"user:lookup"}})).Access
		}
		alive := []string{untouched.Access, exchange(untouched.Access), own()}

		for _, one := range []struct {
			name string
			end  func() (over, alive []string)
		}{
			{"a token, by itself", func() (over, alive []string) {
				first := get()
				second := f.Tokens(f.Refresh(first.Refresh))
				revoke("app", second.Access)
				return []string{second.Access}, []string{first.Access, f.Tokens(f.Refresh(second.Refresh)).Access}
			}},
			{"a service's own token, by itself", func() (over, alive []string) {
				first, second := own(), own()
				revoke("service", first)
				return []string{first}, []string{second}
			}},
			{"an exchanged token, by itself", func() (over, alive []string) {
				app := get()
				exchanged := exchange(app.Access)
				revoke("service", exchanged)
				f.Clock.Advance(time.Second)
				again := exchange(f.Tokens(f.Refresh(app.Refresh)).Access)
				return []string{exchanged}, []string{app.Access, again} // not in the same place
			}},
			{"a grant, by its refresh token", func() (over, alive []string) {
				first := get()
				second := f.Tokens(f.Refresh(first.Refresh))
				again := f.Tokens(f.Refresh(first.Refresh)) // within the grace: the same refresh token, another access token
				exchanged := exchange(second.Access)
				revoke("app", second.Refresh)
				return []string{first.Access, second.Access, again.Access, exchanged}, nil
			}},
			{"a code that is used twice", func() (over, alive []string) {
				code := b.Code()
				first := f.Tokens(f.Redeem(code))
				f.Redeem(code).WantError(t, 400, "invalid_grant")
				return []string{first.Access}, nil
			}},
			{"a refresh token that is used again", func() (over, alive []string) {
				first := get()
				second := f.Tokens(f.Refresh(first.Refresh))
				f.Clock.Advance(time.Minute)
				f.Refresh(first.Refresh).WantError(t, 400, "invalid_grant")
				return []string{first.Access, second.Access}, nil
			}},
			{"a session, but not what outlives it", func() (over, alive []string) {
				other := f.Browser().LogIn(f.User)
				ends := f.Tokens(f.Redeem(other.Code("scope", "openid user:read")))
				stays := f.Tokens(f.Redeem(other.Code("scope", "openid user:read offline_access")))
				_, claims := providertest.Decode(t, ends.Access)
				must(f.Store.Sessions.EndSession(t.Context(), claims["sid"].(string)))
				return []string{ends.Access}, []string{stays.Access}
			}},
			{"a client", func() (over, alive []string) {
				code := b.Code("client_id", "doomed")
				first := f.Tokens(f.Token("doomed", providertest.CodeGrant(code)))
				exchanged := exchange(first.Access)
				_, err := f.Store.DeleteClient(t.Context(), "doomed")
				must(err)
				return []string{first.Access, exchanged}, nil
			}},
			{"a consent", func() (over, alive []string) {
				first := get()
				second := get()
				must(f.Store.Consents.WithdrawConsent(t.Context(), f.User.ID, "app"))
				// This is the last but one: it ends what was untouched so far.
				return []string{first.Access, second.Access, untouched.Access}, nil
			}},
			{"an account", func() (over, alive []string) {
				first := get()
				must(f.Store.Users.SetDisabled(t.Context(), f.User.ID, true))
				return []string{first.Access}, nil
			}},
		} {
			over, more := one.end()
			if one.name == "a consent" {
				alive = alive[2:]
			}
			for i, token := range over {
				if !f.Invalid(token) {
					t.Errorf("%s: token %d of those that end is valid", one.name, i)
				}
			}
			for i, token := range append(more, alive...) {
				if f.Invalid(token) {
					t.Errorf("%s: token %d of those that live on is invalid", one.name, i)
				}
			}
		}
	})
}

func TestManyRefreshesOfAGrantAreAllRevoked(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		b := f.Browser().LogIn(f.User)
		last := f.Tokens(f.Redeem(b.Code()))
		held := []string{last.Access}
		for i := range 300 { // more than the row notes
			if i == 150 {
				f.Clock.Advance(9 * time.Minute)
			}
			last = f.Tokens(f.Refresh(last.Refresh))
			held = append(held, last.Access)
		}
		if f.Tokens(f.Refresh(last.Refresh)).Access == "" {
			t.Fatal("no token")
		}
		g, err := f.Store.Grants.Grant(t.Context(), strings.Split(claim(f, last.Access, "jti"), ".")[0])
		if err != nil || len(g.Statuses) > 1600 {
			t.Fatalf("the row has %d bytes of statuses, %v", len(g.Statuses), err)
		}
		if _, err := f.Store.Grants.RevokeGrant(t.Context(), g.ID); err != nil {
			t.Fatal(err)
		}
		for i, token := range held {
			if !f.Invalid(token) {
				t.Fatalf("token %d is valid", i)
			}
		}
	})
}

// A token that shares the place of an earlier one expires after that one.
func TestATokenThatSharesAPlaceEndsWithItsGrant(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		first := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code()))
		second := f.Tokens(f.Refresh(first.Refresh))
		f.Clock.Advance(9 * time.Second)
		shares := f.Tokens(f.Refresh(first.Refresh)) // within the grace
		f.Clock.Advance(10*time.Minute - 5*time.Second)
		if a := f.Userinfo(second.Access); a.Status != http.StatusUnauthorized {
			t.Fatalf("the earlier token: %d", a.Status)
		}
		if a := f.Userinfo(shares.Access); a.Status != http.StatusOK {
			t.Fatalf("the later token: %d %s", a.Status, a.Body)
		}
		if a := f.PostAs("app", "/oauth2/revoke", url.Values{"token": {second.Refresh}}); a.Status != http.StatusOK {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		if !f.Invalid(shares.Access) {
			t.Error("the later token is valid after its grant has ended")
		}
	})
}

func TestATokenThatSharesAPlaceEndsWithItsClient(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		const boardAPI = providertest.APIOrigin + "/board"
		f.AddClient("service", func(c *client.Client) {
			c.GrantTypes, c.RedirectURIs = []string{client.TokenExchange}, nil
			c.Audiences, c.TokenExchangeAudiences = []string{providertest.APIOrigin + "/user"}, []string{boardAPI}
		})
		exchange := func(token string) string {
			return f.Tokens(f.PostAs("service", "/oauth2/token", url.Values{
				"grant_type": {client.TokenExchange}, "subject_token": {token}, "audience": {boardAPI},
				"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
			})).Access
		}
		get := func() providertest.Tokens {
			return f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code("scope", "openid user:read board:read offline_access")))
		}
		exchange(get().Access) // leases the block
		f.Clock.Advance(9*time.Minute + 50*time.Second)
		app := get()
		first := exchange(app.Access) // from the end of that block's time
		f.Clock.Advance(9*time.Minute + 50*time.Second)
		shares := exchange(f.Tokens(f.Refresh(app.Refresh)).Access)
		uri, index := f.Place(first)
		if other, another := f.Place(shares); other != uri || another != index {
			t.Fatal("it does not share the place")
		}
		f.Clock.Advance(2 * time.Minute)
		if _, err := f.Store.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if f.Invalid(shares) {
			t.Fatal("it is over already")
		}
		if err := f.Store.DisableClient(t.Context(), "service"); err != nil {
			t.Fatal(err)
		}
		if !f.Invalid(shares) {
			t.Error("the token is valid, though its client is disabled")
		}
	})
}

func claim(f *providertest.Fixture, token, name string) string {
	_, claims := providertest.Decode(f.T, token)
	text, _ := claims[name].(string)
	return text
}

func TestStatusListsArePublished(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	get := func(path string, header ...string) providertest.Answer {
		return f.Do(f.Request("GET", path, nil, header...))
	}
	if a := get("/oauth2/status"); a.Status != 200 || strings.TrimSpace(a.Body) != `{"status_lists":[]}` {
		t.Errorf("without a token: %d %s", a.Status, a.Body)
	}
	token := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code())).Access
	f.Clock.Advance(time.Second)
	uri, _ := f.Place(token)
	path := strings.TrimPrefix(uri, f.Issuer)
	a := get(path, "Origin", "https://app.example")
	header, claims := providertest.Decode(t, a.Body)
	if a.Header.Get("Content-Type") != "application/statuslist+jwt" || a.Header.Get("Cache-Control") != "public, max-age=1" ||
		a.Header.Get("Access-Control-Allow-Origin") != "*" || header["typ"] != "statuslist+jwt" || header["alg"] != "RS256" ||
		claims["sub"] != uri || claims["iss"] != f.Issuer || claims["exp"].(float64)-claims["iat"].(float64) != 30 || claims["ttl"] != 3.0 {
		t.Errorf("%v %v %v", a.Header, header, claims)
	}
	if again := get(path, "If-None-Match", a.Header.Get("ETag")); again.Status != http.StatusNotModified || again.Body != "" {
		t.Errorf("%d %s", again.Status, again.Body)
	}
	if a := get("/oauth2/status"); !strings.Contains(a.Body, `"`+uri+`"`) {
		t.Errorf("the list of lists: %s", a.Body)
	}
	get(path+"?time=1700000000").WantError(t, http.StatusNotImplemented, "invalid_request")
	for _, none := range []string{"/oauth2/status/", "/oauth2/status/aaaaaaaaaaaa", "/oauth2/status/..", path + "/x"} {
		if a := get(none); a.Status != http.StatusNotFound {
			t.Errorf("%s: %d", none, a.Status)
		}
	}
}

// A token that the browser gets without a code is revoked as well.
func TestTokensOfTheImplicitFlowHaveAStatus(t *testing.T) {
	t.Parallel()
	f := providertest.NewWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.InsecureLegacyResponseTypes = true })
	f.AddClient("old", func(c *client.Client) {
		c.ResponseTypes, c.GrantTypes = []string{"code id_token token"}, []string{"authorization_code", "implicit"}
	})
	a := f.Browser().LogIn(f.User).Authorize("client_id", "old", "response_type", "code id_token token", "nonce", "n")
	front := a.Parameter("access_token")
	back := f.Tokens(f.Token("old", providertest.CodeGrant(a.Parameter("code")))).Access
	f.Token("old", providertest.CodeGrant(a.Parameter("code"))).WantError(t, 400, "invalid_grant")
	if !f.Invalid(front) || !f.Invalid(back) {
		t.Error("a token is valid after its code came twice")
	}
}

// Programs that get a token for each thing that they do, and revoke it afterwards.
func TestTokensThatAreRevokedOneByOneTakeNothingFromTheNext(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		rows := func(token string) int {
			g, err := f.Store.Grants.Grant(t.Context(), strings.Split(claim(f, token, "jti"), ".")[0])
			if err != nil {
				t.Fatal(err)
			}
			return len(g.Statuses)
		}
		revoke := func(a providertest.Answer) {
			if f.Clock.Advance(time.Second); a.Status != http.StatusOK {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
		}
		last := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code()))
		for i := range 100 { // more than the row notes
			if a := f.Userinfo(last.Access); a.Status != http.StatusOK {
				t.Fatalf("token %d: %d %s", i, a.Status, a.Body)
			}
			revoke(f.PostAs("app", "/oauth2/revoke", url.Values{"token": {last.Access}}))
			last = f.Tokens(f.Refresh(last.Refresh))
		}
		if n := rows(last.Access); n > 1600 {
			t.Errorf("the row has %d bytes of statuses", n)
		}
		g, err := f.Store.Grants.Grant(t.Context(), strings.Split(claim(f, last.Access, "jti"), ".")[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Store.Grants.RevokeGrant(t.Context(), g.ID); err != nil {
			t.Fatal(err)
		}
		if !f.Invalid(last.Access) {
			t.Error("the last token does not end with its grant")
		}

		key := providertest.NewSigner(t, "k")
		fapi := f.AddFAPIClient("fapi", key, nil)
		kept := fapi.Redeem(fapi.Authorize(f.Browser().LogIn(f.User)).Parameter("code")).JSON(t)["refresh_token"].(string)
		access := ""
		for range 100 {
			access, _ = fapi.Token(providertest.RefreshGrant(kept)).JSON(t)["access_token"].(string)
			revoke(f.PostForm("/oauth2/revoke", providertest.Merge(url.Values{"token": {access}}, key.Assertion(f, "fapi"))))
		}
		if n := rows(access); n > 1600 {
			t.Errorf("the row of a client that keeps its refresh token has %d bytes of statuses", n)
		}
	})
}

// A period of the row does not last so long that there is no place left to share, whenever tokens are
// issued.
func TestTheRowOfAGrantThatIsUsedAllTheTimeStaysSmall(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		last := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code()))
		id := strings.Split(claim(f, last.Access, "jti"), ".")[0]
		for i := range 250 {
			f.Clock.Advance(7 * time.Second)
			last = f.Tokens(f.Refresh(last.Refresh))
			if g, err := f.Store.Grants.Grant(t.Context(), id); err != nil || len(g.Statuses) > 1600 {
				t.Fatalf("after %d refreshes the row has %d bytes of statuses, %v", i, len(g.Statuses), err)
			}
		}
	})
}
