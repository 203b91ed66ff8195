package tokenendpoint_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

const (
	exchangeGrantType = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessTokenType   = "urn:ietf:params:oauth:token-type:access_token"
)

// addService registers a service that serves a resource and may exchange people's tokens for
// others.
func addService(f *providertest.Fixture, id, serves string, targets ...string) {
	f.AddClient(id, func(c *client.Client) {
		c.GrantTypes, c.RedirectURIs = []string{exchangeGrantType, "client_credentials"}, nil
		c.Audiences, c.TokenExchangeAudiences = []string{serves}, targets
	})
}

// exchange exchanges a token as the service id; changes replace parameters, "" takes one out.
func exchange(f *providertest.Fixture, id, token string, changes ...string) providertest.Answer {
	f.T.Helper()
	form := url.Values{
		"grant_type": {exchangeGrantType}, "subject_token": {token}, "subject_token_type": {accessTokenType},
		"audience": {providertest.APIOrigin + "/user"},
	}
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			form.Del(changes[i])
		}
	}
	return f.Token(id, form)
}

func TestAServiceExchangesAPersonsTokenForANarrowerOne(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		addService(f, "board", providertest.APIOrigin+"/board", providertest.APIOrigin+"/user")
		b := f.Browser().LogIn(f.User)
		app := f.Tokens(f.Redeem(b.Code("scope", "openid profile user:read user:write board:read", "resource",
			providertest.APIOrigin+"/board"), "scope", ""))
		f.Clock.Advance(4 * time.Minute)
		a := exchange(f, "board", app.Access, "scope", "user:read")
		object := a.JSON(t)
		if a.Status != http.StatusOK || object["issued_token_type"] != accessTokenType || object["token_type"] != "Bearer" ||
			object["scope"] != "user:read" || object["refresh_token"] != nil || object["id_token"] != nil {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		if left := object["expires_in"].(float64); left < 350 || left > 360 {
			t.Errorf("lives %v seconds longer", left)
		}
		token := object["access_token"].(string)
		_, given := providertest.Decode(t, app.Access)
		_, made := providertest.Decode(t, token)
		if made["aud"] != providertest.APIOrigin+"/user" || made["client_id"] != "board" || made["sub"] != f.User.ID ||
			made["exp"] != given["exp"] || made["act"].(map[string]any)["sub"] != "board" || made["sid"] != b.SID || made["jti"] == given["jti"] {
			t.Errorf("%v", made)
		}
		if all := exchange(f, "board", app.Access, "audience", "", "resource",
			providertest.APIOrigin+"/user").JSON(t); all["scope"] != "user:read user:write" {
			t.Errorf("without a scope: %v", all)
		}
		if one := exchange(f, "board", app.Access, "audience", "").JSON(t); one["scope"] != "user:read user:write" {
			t.Errorf("the only service that it may be for: %v", one)
		}
		if a := f.Userinfo(token); a.Status == 200 {
			t.Errorf("it opens userinfo: %s", a.Body)
		}
		// The grant ends, and with it all that was made of it.
		live := func() any {
			r := f.Request("POST", "/oauth2/introspect", url.Values{"token": {token}})
			r.SetBasicAuth("board", providertest.Secret)
			return f.Do(r).JSON(t)
		}
		if about := live().(map[string]any); about["active"] != true || about["act"] == nil {
			t.Errorf("%v", about)
		}
		r := f.Request("POST", "/oauth2/revoke", url.Values{"token": {app.Refresh}})
		r.SetBasicAuth("app", providertest.Secret)
		f.Do(r)
		if about := live().(map[string]any); about["active"] != false {
			t.Errorf("it outlives its grant: %v", about)
		}
		exchange(f, "board", app.Access).WantError(t, 400, "invalid_request")
	})
}

func TestAnExchangeRefusesWhatIsNotTheServices(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	addService(f, "board", providertest.APIOrigin+"/board", providertest.APIOrigin+"/user", providertest.APIOrigin+"/board")
	addService(f, "stranger", "https://other.example/api", providertest.APIOrigin+"/user")
	addService(f, "nowhere", providertest.APIOrigin+"/board", "https://unknown.example/")
	b := f.Browser().LogIn(f.User)
	app := f.Tokens(f.Redeem(b.Code("scope", "openid user:read board:read")))
	good := exchange(f, "board", app.Access)
	if good.Status != 200 {
		t.Fatalf("%d %s", good.Status, good.Body)
	}
	own := f.Token("board", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}).JSON(t)["access_token"].(string)
	forUser := f.Tokens(f.Redeem(b.Code("scope", "openid user:read")))
	parts := strings.Split(app.Access, ".")
	for name, test := range map[string]struct {
		a    providertest.Answer
		code string
	}{
		"an ID token": {exchange(f, "board", app.ID), "invalid_request"},
		"an ID token, called so": {
			exchange(f, "board", app.ID, "subject_token_type", "urn:ietf:params:oauth:token-type:id_token"), "invalid_request",
		},
		"a refresh token": {exchange(f, "board", app.Refresh), "invalid_request"},
		"a refresh token, called so": {
			exchange(f, "board", app.Refresh, "subject_token_type", "urn:ietf:params:oauth:token-type:refresh_token"), "invalid_request",
		},
		"a JWT": {
			exchange(f, "board", app.Access, "subject_token_type", "urn:ietf:params:oauth:token-type:jwt"), "invalid_request",
		},
		"no type":                     {exchange(f, "board", app.Access, "subject_token_type", ""), "invalid_request"},
		"no token":                    {exchange(f, "board", ""), "invalid_request"},
		"rubbish":                     {exchange(f, "board", "x.y.z"), "invalid_request"},
		"a forged token":              {exchange(f, "board", parts[0]+"."+parts[1]+"."+strings.Repeat("A", len(parts[2]))), "invalid_request"},
		"a service's own token":       {exchange(f, "board", own), "invalid_request"},
		"a token for another service": {exchange(f, "board", forUser.Access), "invalid_request"},
		"a stranger":                  {exchange(f, "stranger", app.Access), "invalid_request"},
		"an actor": {
			exchange(f, "board", app.Access, "actor_token", own, "actor_token_type", accessTokenType), "invalid_request",
		},
		"a refresh token wanted": {
			exchange(f, "board", app.Access, "requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"), "invalid_request",
		},
		"no service, of two":         {exchange(f, "board", app.Access, "audience", ""), "invalid_request"},
		"a foreign service":          {exchange(f, "board", app.Access, "audience", "https://evil.example/"), "invalid_target"},
		"a foreign service beside":   {exchange(f, "board", app.Access, "resource", "https://evil.example/"), "invalid_target"},
		"the issuer":                 {exchange(f, "board", app.Access, "audience", f.Issuer), "invalid_target"},
		"a service without scopes":   {exchange(f, "nowhere", app.Access, "audience", "https://unknown.example/"), "invalid_scope"},
		"more than was granted":      {exchange(f, "board", app.Access, "scope", "user:read user:write"), "invalid_scope"},
		"a scope of another service": {exchange(f, "board", app.Access, "scope", "board:read"), "invalid_scope"},
		"a scope about the person":   {exchange(f, "board", app.Access, "scope", "openid"), "invalid_scope"},
		"a service that nobody granted": {
			exchange(f, "board", f.Tokens(f.Redeem(b.Code("scope", "openid board:read"))).Access), "invalid_scope",
		},
		"a client that may not exchange": {exchange(f, "app", app.Access), "unauthorized_client"},
	} {
		if test.a.Status != http.StatusBadRequest || test.a.JSON(t)["error"] != test.code || test.a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", name, test.a.Status, test.a.Body)
		}
	}
	f.TokenWith("board", "wrong", url.Values{
		"grant_type": {exchangeGrantType}, "subject_token": {app.Access}, "subject_token_type": {accessTokenType},
	}).WantError(t, 401, "invalid_client")

	// Revoked by itself, and expired.
	r := f.Request("POST", "/oauth2/revoke", url.Values{"token": {app.Access}})
	r.SetBasicAuth("app", providertest.Secret)
	f.Do(r)
	exchange(f, "board", app.Access).WantError(t, 400, "invalid_request")
	late := f.Tokens(f.Redeem(b.Code("scope", "openid user:read board:read")))
	f.Clock.Advance(10 * time.Minute)
	exchange(f, "board", late.Access).WantError(t, 400, "invalid_request")
}

// A token that the app kept narrow is not widened for a service that it was for; for a further one,
// what the person granted counts.
func TestAnExchangeWidensNothing(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	addService(f, "board", providertest.APIOrigin+"/board", providertest.APIOrigin+"/user", providertest.APIOrigin+"/board")
	f.AddClient("reader", func(c *client.Client) {
		c.GrantTypes, c.RedirectURIs, c.Scope = []string{exchangeGrantType}, nil, "user:read"
		c.Audiences, c.TokenExchangeAudiences = []string{providertest.APIOrigin + "/board"}, []string{providertest.APIOrigin + "/user"}
	})
	b := f.Browser().LogIn(f.User)
	whole := f.Tokens(f.Redeem(b.Code("scope", "openid user:read user:write board:read board:write offline_access")))
	narrow := f.Tokens(f.Refresh(whole.Refresh, "scope", "board:read"))
	exchange(f, "board", narrow.Access, "audience", providertest.APIOrigin+"/board", "scope", "board:write").WantError(t, 400, "invalid_scope")
	if got := exchange(f, "board", narrow.Access, "audience", providertest.APIOrigin+"/board").JSON(t); got["scope"] != "board:read" {
		t.Errorf("%v", got)
	}
	if got := exchange(f, "board", narrow.Access).JSON(t); got["scope"] != "user:read user:write" {
		t.Errorf("%v", got)
	}
	if got := exchange(f, "reader", narrow.Access).JSON(t); got["scope"] != "user:read" {
		t.Errorf("beyond what the service is registered for: %v", got)
	}
}

// A moderator's app reads the board by a token that can do no more. Neither the board alone, by way
// of another service, nor the two in league get the rest of what the person granted to the app.
func TestAChainNeverGetsBackWhatItsFirstTokenGaveUp(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		addService(f, "board", providertest.APIOrigin+"/board", providertest.APIOrigin+"/user", providertest.APIOrigin+"/board")
		addService(f, "user", providertest.APIOrigin+"/user", providertest.APIOrigin+"/board", providertest.APIOrigin+"/user")
		// One client that serves both and may exchange its own tokens as well.
		f.AddClient("both", func(c *client.Client) {
			c.GrantTypes, c.RedirectURIs = []string{exchangeGrantType}, nil
			c.Audiences = []string{providertest.APIOrigin + "/board", providertest.APIOrigin + "/user"}
			c.TokenExchangeAudiences = c.Audiences
		})
		whole := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code("scope", "openid user:read user:write board:read board:write board:moderate")))
		narrow := f.Tokens(f.Refresh(whole.Refresh, "scope", "board:read"))
		for _, hops := range [][]string{{"board", "user"}, {"both", "both"}, {"board", "both"}, {"both", "user"}} {
			there := exchange(f, hops[0], narrow.Access, "audience", providertest.APIOrigin+"/user", "scope", "user:read")
			if there.Status != http.StatusOK {
				t.Fatalf("%v: %d %s", hops, there.Status, there.Body)
			}
			token := there.JSON(t)["access_token"].(string)
			for _, scope := range []string{"board:write", "board:moderate", "board:read board:write"} {
				exchange(f, hops[1], token, "audience", providertest.APIOrigin+"/board", "scope", scope).WantError(t, 400, "invalid_scope")
			}
			back := exchange(f, hops[1], token, "audience", providertest.APIOrigin+"/board")
			if back.Status != http.StatusOK || back.JSON(t)["scope"] != "board:read" {
				t.Fatalf("%v: %d %s", hops, back.Status, back.Body)
			}
			token = back.JSON(t)["access_token"].(string)
			if _, claims := providertest.Decode(t, token); claims["roles"] != nil {
				t.Errorf("%v: the token has the roles %v", hops, claims["roles"])
			}
			// Once more round: the first hop asked for user:read alone, and that is all there is.
			again := exchange(f, hops[0], token, "audience", providertest.APIOrigin+"/user")
			if again.Status != http.StatusOK || again.JSON(t)["scope"] != "user:read" {
				t.Errorf("%v: %d %s", hops, again.Status, again.Body)
			}
		}
	})
}

// Whatever the path: of a service that a token of the chain was for, no later token carries more
// than that one did.
func TestNoChainOfExchangesWidens(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	services := map[string]string{"board": providertest.APIOrigin + "/board", "user": providertest.APIOrigin + "/user"}
	for id, serves := range services {
		addService(f, id, serves, providertest.APIOrigin+"/board", providertest.APIOrigin+"/user")
	}
	granted := []string{"user:read", "user:write", "user:lookup", "board:read", "board:write", "board:moderate"}
	refresh := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code("scope", strings.Join(granted, " ")))).Refresh
	of := func(service string, scope []string) []string {
		return slices.DeleteFunc(slices.Clone(scope), func(one string) bool { return !strings.HasPrefix(one, service+":") })
	}
	rapid.Check(t, func(r *rapid.T) {
		some := rapid.SliceOfNDistinct(rapid.SampledFrom(granted), 1, len(granted), rapid.ID)
		first := f.Tokens(f.Refresh(refresh, "scope", strings.Join(some.Draw(r, "scope"), " ")))
		refresh = first.Refresh
		limit := map[string][]string{"user": granted, "board": granted}
		for token, hop := first.Access, 0; ; hop++ {
			_, claims := providertest.Decode(t, token)
			scope := strings.Fields(claims["scope"].(string))
			for service := range services {
				carried := of(service, scope)
				for _, one := range carried {
					if !slices.Contains(limit[service], one) {
						r.Fatalf("hop %d: %s came back", hop, one)
					}
				}
				if len(carried) > 0 {
					limit[service] = carried
				}
			}
			by := rapid.SampledFrom([]string{"board", "user"}).Draw(r, "by")
			target := rapid.SampledFrom([]string{"board", "user"}).Draw(r, "target")
			a := exchange(f, by, token, "audience", services[target], "scope", strings.Join(some.Draw(r, "wanted"), " "))
			if rapid.Bool().Draw(r, "all") {
				a = exchange(f, by, token, "audience", services[target])
			}
			if a.Status != http.StatusOK {
				return
			}
			token = a.JSON(t)["access_token"].(string)
		}
	})
}

// A scope that the operator took from the app is gone from all that is made of its grants, by
// whatever way.
func TestAScopeThatAClientLostComesByNoGrant(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	addService(f, "board", providertest.APIOrigin+"/board", providertest.APIOrigin+"/user", providertest.APIOrigin+"/board")
	b := f.Browser().LogIn(f.User)
	const scope = "openid user:read user:write board:read offline_access"
	before := f.Tokens(f.Redeem(b.Code("scope", scope)))
	code := b.Code("scope", scope)
	c, err := f.Store.Clients.Client(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	c.Scope = "openid user:read board:read"
	if err := f.Store.Clients.UpdateClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := f.Tokens(f.Redeem(code)); got.Scope != "openid user:read board:read" {
		t.Errorf("the code gave %q", got.Scope)
	}
	exchange(f, "board", before.Access, "scope", "user:write").WantError(t, 400, "invalid_scope")
	if got := exchange(f, "board", before.Access).JSON(t); got["scope"] != "user:read" {
		t.Errorf("the exchange gave %v", got)
	}
	f.Refresh(before.Refresh, "scope", "user:write").WantError(t, 400, "invalid_scope")
	after := f.Tokens(f.Refresh(before.Refresh))
	if after.Scope != "openid user:read board:read" {
		t.Errorf("the refresh gave %q", after.Scope)
	}
	// Offline access as well: from now on the grant lives as long as its session.
	if err := f.Store.Sessions.EndSession(t.Context(), b.SID); err != nil {
		t.Fatal(err)
	}
	f.Refresh(after.Refresh).WantError(t, 400, "invalid_grant")
	if c, err = f.Store.Clients.Client(t.Context(), "app"); err != nil {
		t.Fatal(err)
	}
	c.Scope = "email"
	if err := f.Store.Clients.UpdateClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	f.Refresh(after.Refresh).WantError(t, 400, "invalid_scope")
}

func TestAChainOfServicesIsVisibleAndEnds(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	addService(f, "board", providertest.APIOrigin+"/board", providertest.APIOrigin+"/user", providertest.APIOrigin+"/board")
	addService(f, "user", providertest.APIOrigin+"/user", providertest.APIOrigin+"/board", providertest.APIOrigin+"/user")
	b := f.Browser().LogIn(f.User)
	token := f.Tokens(f.Redeem(b.Code("scope", "openid user:read board:read"))).Access
	for i, id := range []string{"board", "user", "board", "user"} {
		target := providertest.APIOrigin + "/user"
		if id == "user" {
			target = providertest.APIOrigin + "/board"
		}
		a := exchange(f, id, token, "audience", target)
		if a.Status != 200 {
			t.Fatalf("hop %d: %d %s", i, a.Status, a.Body)
		}
		token = a.JSON(t)["access_token"].(string)
	}
	_, claims := providertest.Decode(t, token)
	var actors []string
	for act, ok := claims["act"].(map[string]any); ok; act, ok = act["act"].(map[string]any) {
		actors = append(actors, act["sub"].(string))
	}
	if !slices.Equal(actors, []string{"user", "board", "user", "board"}) {
		t.Errorf("%v", actors)
	}
	exchange(f, "board", token).WantError(t, 400, "invalid_request")
}

func TestAnExchangeNeedsTheKeyOfABoundToken(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	addService(f, "board", providertest.APIOrigin+"/board", providertest.APIOrigin+"/user")
	key, servicesKey := providertest.NewSigner(t, ""), providertest.NewSigner(t, "")
	r := f.Request("POST", "/oauth2/token", providertest.CodeGrant(f.Browser().LogIn(f.User).Code()), "DPoP",
		key.Proof(f, "POST", "/oauth2/token"))
	r.SetBasicAuth("app", providertest.Secret)
	bound := f.Do(r).JSON(t)["access_token"].(string)
	change := func(token, proof string) providertest.Answer {
		return f.PostAs("board", "/oauth2/token", url.Values{
			"grant_type": {exchangeGrantType}, "subject_token": {token}, "subject_token_type": {accessTokenType},
		}, "DPoP", proof)
	}
	exchange(f, "board", bound).WantError(t, 400, "invalid_request")
	change(bound, servicesKey.Proof(f, "POST", "/oauth2/token")).WantError(t, 400, "invalid_request")
	a := change(bound, key.Proof(f, "POST", "/oauth2/token"))
	if a.Status != 200 || a.JSON(t)["token_type"] != "DPoP" {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if _, claims := providertest.Decode(t, a.JSON(t)["access_token"].(string)); claims["cnf"].(map[string]any)["jkt"] != key.Thumbprint() {
		t.Errorf("%v", claims)
	}
	// A service can have its new token bound to a key of its own.
	plain := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code())).Access
	own := change(plain, servicesKey.Proof(f, "POST", "/oauth2/token")).JSON(t)["access_token"].(string)
	if _, claims := providertest.Decode(t, own); claims["cnf"].(map[string]any)["jkt"] != servicesKey.Thumbprint() {
		t.Errorf("%v", claims)
	}
}

// The service behind sees the person as it would if the app called it directly: nobody learns whose
// a pairwise subject is.
func TestAnExchangeKeepsAPairwiseSubject(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	addService(f, "board", providertest.APIOrigin+"/board", providertest.APIOrigin+"/user")
	f.AddClient("private", func(c *client.Client) { c.SubjectType = "pairwise" })
	code := f.Browser().LogIn(f.User).Code("client_id", "private")
	given := f.Tokens(f.Token("private", providertest.CodeGrant(code)))
	_, before := providertest.Decode(t, given.Access)
	_, after := providertest.Decode(t, exchange(f, "board", given.Access).JSON(t)["access_token"].(string))
	if before["sub"] == f.User.ID || after["sub"] != before["sub"] {
		t.Errorf("%v, then %v", before["sub"], after["sub"])
	}
}
