package provider_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

const (
	exchangeGrantType = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessTokenType   = "urn:ietf:params:oauth:token-type:access_token"
)

// addService registers a service that serves a resource and may exchange people's tokens for others.
func (f *fixture) addService(id, serves string, targets ...string) {
	f.addClient(id, func(c *client.Client) {
		c.GrantTypes, c.RedirectURIs = []string{exchangeGrantType, "client_credentials"}, nil
		c.Audiences, c.TokenExchangeAudiences = []string{serves}, targets
	})
}

// change exchanges a token as the service id; changes replace parameters, "" takes one out.
func (f *fixture) change(id, token string, changes ...string) answer {
	f.t.Helper()
	form := url.Values{"grant_type": {exchangeGrantType}, "subject_token": {token}, "subject_token_type": {accessTokenType}, "audience": {apiOrigin + "/user"}}
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			form.Del(changes[i])
		}
	}
	return f.token(id, secret, form)
}

func TestAServiceExchangesAPersonsTokenForANarrowerOne(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.addService("board", apiOrigin+"/board", apiOrigin+"/user")
		b := f.browser().logIn(f.user)
		app := f.tokens(f.exchange(b.code("scope", "openid profile user:read user:write board:read", "resource", apiOrigin+"/board"), "scope", ""))
		f.clock.advance(4 * time.Minute)
		a := f.change("board", app.access, "scope", "user:read")
		object := a.json(t)
		if a.status != http.StatusOK || object["issued_token_type"] != accessTokenType || object["token_type"] != "Bearer" || object["scope"] != "user:read" || object["refresh_token"] != nil || object["id_token"] != nil {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if left := object["expires_in"].(float64); left < 350 || left > 360 {
			t.Errorf("lives %v seconds longer", left)
		}
		token := object["access_token"].(string)
		_, given := decode(t, app.access)
		_, made := decode(t, token)
		if made["aud"] != apiOrigin+"/user" || made["client_id"] != "board" || made["sub"] != f.user.ID || made["exp"] != given["exp"] || made["act"].(map[string]any)["sub"] != "board" || made["sid"] != b.sid || made["jti"] == given["jti"] {
			t.Errorf("%v", made)
		}
		if all := f.change("board", app.access, "audience", "", "resource", apiOrigin+"/user").json(t); all["scope"] != "user:read user:write" {
			t.Errorf("without a scope: %v", all)
		}
		if one := f.change("board", app.access, "audience", "").json(t); one["scope"] != "user:read user:write" {
			t.Errorf("the only service that it may be for: %v", one)
		}
		if a := f.userinfo(token); a.status == 200 {
			t.Errorf("it opens userinfo: %s", a.body)
		}
		// The grant ends, and with it all that was made of it.
		live := func() any {
			r := f.request("POST", "/oauth2/introspect", url.Values{"token": {token}})
			r.SetBasicAuth("board", secret)
			return f.do(f.server.Client(), r).json(t)
		}
		if about := live().(map[string]any); about["active"] != true || about["act"] == nil {
			t.Errorf("%v", about)
		}
		r := f.request("POST", "/oauth2/revoke", url.Values{"token": {app.refresh}})
		r.SetBasicAuth("app", secret)
		f.do(f.server.Client(), r)
		if about := live().(map[string]any); about["active"] != false {
			t.Errorf("it outlives its grant: %v", about)
		}
		wantError(t, f.change("board", app.access), 400, "invalid_request")
	})
}

func TestAnExchangeRefusesWhatIsNotTheServices(t *testing.T) {
	f := one(t)
	f.addService("board", apiOrigin+"/board", apiOrigin+"/user", apiOrigin+"/board")
	f.addService("stranger", "https://other.example/api", apiOrigin+"/user")
	f.addService("nowhere", apiOrigin+"/board", "https://unknown.example/")
	b := f.browser().logIn(f.user)
	app := f.tokens(f.exchange(b.code("scope", "openid user:read board:read")))
	good := f.change("board", app.access)
	if good.status != 200 {
		t.Fatalf("%d %s", good.status, good.body)
	}
	own := f.token("board", secret, url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}).json(t)["access_token"].(string)
	forUser := f.tokens(f.exchange(b.code("scope", "openid user:read")))
	parts := strings.Split(app.access, ".")
	for name, test := range map[string]struct {
		a    answer
		code string
	}{
		"an ID token":                    {f.change("board", app.id), "invalid_request"},
		"an ID token, called so":         {f.change("board", app.id, "subject_token_type", "urn:ietf:params:oauth:token-type:id_token"), "invalid_request"},
		"a refresh token":                {f.change("board", app.refresh), "invalid_request"},
		"a refresh token, called so":     {f.change("board", app.refresh, "subject_token_type", "urn:ietf:params:oauth:token-type:refresh_token"), "invalid_request"},
		"a JWT":                          {f.change("board", app.access, "subject_token_type", "urn:ietf:params:oauth:token-type:jwt"), "invalid_request"},
		"no type":                        {f.change("board", app.access, "subject_token_type", ""), "invalid_request"},
		"no token":                       {f.change("board", ""), "invalid_request"},
		"rubbish":                        {f.change("board", "x.y.z"), "invalid_request"},
		"a forged token":                 {f.change("board", parts[0]+"."+parts[1]+"."+strings.Repeat("A", len(parts[2]))), "invalid_request"},
		"a service's own token":          {f.change("board", own), "invalid_request"},
		"a token for another service":    {f.change("board", forUser.access), "invalid_request"},
		"a stranger":                     {f.change("stranger", app.access), "invalid_request"},
		"an actor":                       {f.change("board", app.access, "actor_token", own, "actor_token_type", accessTokenType), "invalid_request"},
		"a refresh token wanted":         {f.change("board", app.access, "requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"), "invalid_request"},
		"no service, of two":             {f.change("board", app.access, "audience", ""), "invalid_request"},
		"a foreign service":              {f.change("board", app.access, "audience", "https://evil.example/"), "invalid_target"},
		"a foreign service beside":       {f.change("board", app.access, "resource", "https://evil.example/"), "invalid_target"},
		"the issuer":                     {f.change("board", app.access, "audience", f.issuer), "invalid_target"},
		"a service without scopes":       {f.change("nowhere", app.access, "audience", "https://unknown.example/"), "invalid_scope"},
		"more than was granted":          {f.change("board", app.access, "scope", "user:read user:write"), "invalid_scope"},
		"a scope of another service":     {f.change("board", app.access, "scope", "board:read"), "invalid_scope"},
		"a scope about the person":       {f.change("board", app.access, "scope", "openid"), "invalid_scope"},
		"a service that nobody granted":  {f.change("board", f.tokens(f.exchange(b.code("scope", "openid board:read"))).access), "invalid_scope"},
		"a client that may not exchange": {f.change("app", app.access), "unauthorized_client"},
	} {
		if test.a.status != http.StatusBadRequest || test.a.json(t)["error"] != test.code || test.a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", name, test.a.status, test.a.body)
		}
	}
	wantError(t, f.token("board", "wrong", url.Values{"grant_type": {exchangeGrantType}, "subject_token": {app.access}, "subject_token_type": {accessTokenType}}), 401, "invalid_client")

	// Revoked by itself, and expired.
	r := f.request("POST", "/oauth2/revoke", url.Values{"token": {app.access}})
	r.SetBasicAuth("app", secret)
	f.do(f.server.Client(), r)
	wantError(t, f.change("board", app.access), 400, "invalid_request")
	late := f.tokens(f.exchange(b.code("scope", "openid user:read board:read")))
	f.clock.advance(10 * time.Minute)
	wantError(t, f.change("board", late.access), 400, "invalid_request")
}

// A token that the app kept narrow is not widened for a service that it was for; for a further one, what the person granted counts.
func TestAnExchangeWidensNothing(t *testing.T) {
	f := one(t)
	f.addService("board", apiOrigin+"/board", apiOrigin+"/user", apiOrigin+"/board")
	f.addClient("reader", func(c *client.Client) {
		c.GrantTypes, c.RedirectURIs, c.Scope = []string{exchangeGrantType}, nil, "user:read"
		c.Audiences, c.TokenExchangeAudiences = []string{apiOrigin + "/board"}, []string{apiOrigin + "/user"}
	})
	b := f.browser().logIn(f.user)
	whole := f.tokens(f.exchange(b.code("scope", "openid user:read user:write board:read board:write offline_access")))
	narrow := f.tokens(f.refresh(whole.refresh, "scope", "board:read"))
	wantError(t, f.change("board", narrow.access, "audience", apiOrigin+"/board", "scope", "board:write"), 400, "invalid_scope")
	if got := f.change("board", narrow.access, "audience", apiOrigin+"/board").json(t); got["scope"] != "board:read" {
		t.Errorf("%v", got)
	}
	if got := f.change("board", narrow.access).json(t); got["scope"] != "user:read user:write" {
		t.Errorf("%v", got)
	}
	if got := f.change("reader", narrow.access).json(t); got["scope"] != "user:read" {
		t.Errorf("beyond what the service is registered for: %v", got)
	}
}

// A moderator's app reads the board by a token that can do no more. Neither the board alone, by way of another service, nor the
// two in league get the rest of what the person granted to the app.
func TestAChainNeverGetsBackWhatItsFirstTokenGaveUp(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.addService("board", apiOrigin+"/board", apiOrigin+"/user", apiOrigin+"/board")
		f.addService("user", apiOrigin+"/user", apiOrigin+"/board", apiOrigin+"/user")
		// One client that serves both and may exchange its own tokens as well.
		f.addClient("both", func(c *client.Client) {
			c.GrantTypes, c.RedirectURIs = []string{exchangeGrantType}, nil
			c.Audiences = []string{apiOrigin + "/board", apiOrigin + "/user"}
			c.TokenExchangeAudiences = c.Audiences
		})
		whole := f.tokens(f.exchange(f.browser().logIn(f.user).code("scope", "openid user:read user:write board:read board:write board:moderate")))
		narrow := f.tokens(f.refresh(whole.refresh, "scope", "board:read"))
		for _, hops := range [][]string{{"board", "user"}, {"both", "both"}, {"board", "both"}, {"both", "user"}} {
			there := f.change(hops[0], narrow.access, "audience", apiOrigin+"/user", "scope", "user:read")
			if there.status != http.StatusOK {
				t.Fatalf("%v: %d %s", hops, there.status, there.body)
			}
			token := there.json(t)["access_token"].(string)
			for _, scope := range []string{"board:write", "board:moderate", "board:read board:write"} {
				wantError(t, f.change(hops[1], token, "audience", apiOrigin+"/board", "scope", scope), 400, "invalid_scope")
			}
			back := f.change(hops[1], token, "audience", apiOrigin+"/board")
			if back.status != http.StatusOK || back.json(t)["scope"] != "board:read" {
				t.Fatalf("%v: %d %s", hops, back.status, back.body)
			}
			token = back.json(t)["access_token"].(string)
			if _, claims := decode(t, token); claims["roles"] != nil {
				t.Errorf("%v: the token has the roles %v", hops, claims["roles"])
			}
			// Once more round: the first hop asked for user:read alone, and that is all there is.
			again := f.change(hops[0], token, "audience", apiOrigin+"/user")
			if again.status != http.StatusOK || again.json(t)["scope"] != "user:read" {
				t.Errorf("%v: %d %s", hops, again.status, again.body)
			}
		}
	})
}

// Whatever the path: of a service that a token of the chain was for, no later token carries more than that one did.
func TestNoChainOfExchangesWidens(t *testing.T) {
	f := one(t)
	services := map[string]string{"board": apiOrigin + "/board", "user": apiOrigin + "/user"}
	for id, serves := range services {
		f.addService(id, serves, apiOrigin+"/board", apiOrigin+"/user")
	}
	granted := []string{"user:read", "user:write", "user:lookup", "board:read", "board:write", "board:moderate"}
	refresh := f.tokens(f.exchange(f.browser().logIn(f.user).code("scope", strings.Join(granted, " ")))).refresh
	of := func(service string, scope []string) []string {
		return slices.DeleteFunc(slices.Clone(scope), func(one string) bool { return !strings.HasPrefix(one, service+":") })
	}
	rapid.Check(t, func(r *rapid.T) {
		some := rapid.SliceOfNDistinct(rapid.SampledFrom(granted), 1, len(granted), rapid.ID)
		first := f.tokens(f.refresh(refresh, "scope", strings.Join(some.Draw(r, "scope"), " ")))
		refresh = first.refresh
		limit := map[string][]string{"user": granted, "board": granted}
		for token, hop := first.access, 0; ; hop++ {
			_, claims := decode(t, token)
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
			a := f.change(by, token, "audience", services[target], "scope", strings.Join(some.Draw(r, "wanted"), " "))
			if rapid.Bool().Draw(r, "all") {
				a = f.change(by, token, "audience", services[target])
			}
			if a.status != http.StatusOK {
				return
			}
			token = a.json(t)["access_token"].(string)
		}
	})
}

// A scope that the operator took from the app is gone from all that is made of its grants, by whatever way.
func TestAScopeThatAClientLostComesByNoGrant(t *testing.T) {
	f := one(t)
	f.addService("board", apiOrigin+"/board", apiOrigin+"/user", apiOrigin+"/board")
	b := f.browser().logIn(f.user)
	const scope = "openid user:read user:write board:read offline_access"
	before := f.tokens(f.exchange(b.code("scope", scope)))
	code := b.code("scope", scope)
	c, err := f.store.Clients.Client(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	c.Scope = "openid user:read board:read"
	if err := f.store.Clients.UpdateClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := f.tokens(f.exchange(code)); got.scope != "openid user:read board:read" {
		t.Errorf("the code gave %q", got.scope)
	}
	wantError(t, f.change("board", before.access, "scope", "user:write"), 400, "invalid_scope")
	if got := f.change("board", before.access).json(t); got["scope"] != "user:read" {
		t.Errorf("the exchange gave %v", got)
	}
	wantError(t, f.refresh(before.refresh, "scope", "user:write"), 400, "invalid_scope")
	after := f.tokens(f.refresh(before.refresh))
	if after.scope != "openid user:read board:read" {
		t.Errorf("the refresh gave %q", after.scope)
	}
	// Offline access as well: from now on the grant lives as long as its session.
	if err := f.store.Sessions.EndSession(t.Context(), b.sid); err != nil {
		t.Fatal(err)
	}
	wantError(t, f.refresh(after.refresh), 400, "invalid_grant")
	if c, err = f.store.Clients.Client(t.Context(), "app"); err != nil {
		t.Fatal(err)
	}
	c.Scope = "email"
	if err := f.store.Clients.UpdateClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	wantError(t, f.refresh(after.refresh), 400, "invalid_scope")
}

func TestAChainOfServicesIsVisibleAndEnds(t *testing.T) {
	f := one(t)
	f.addService("board", apiOrigin+"/board", apiOrigin+"/user", apiOrigin+"/board")
	f.addService("user", apiOrigin+"/user", apiOrigin+"/board", apiOrigin+"/user")
	b := f.browser().logIn(f.user)
	token := f.tokens(f.exchange(b.code("scope", "openid user:read board:read"))).access
	for i, id := range []string{"board", "user", "board", "user"} {
		target := apiOrigin + "/user"
		if id == "user" {
			target = apiOrigin + "/board"
		}
		a := f.change(id, token, "audience", target)
		if a.status != 200 {
			t.Fatalf("hop %d: %d %s", i, a.status, a.body)
		}
		token = a.json(t)["access_token"].(string)
	}
	_, claims := decode(t, token)
	var actors []string
	for act, ok := claims["act"].(map[string]any); ok; act, ok = act["act"].(map[string]any) {
		actors = append(actors, act["sub"].(string))
	}
	if !slices.Equal(actors, []string{"user", "board", "user", "board"}) {
		t.Errorf("%v", actors)
	}
	wantError(t, f.change("board", token), 400, "invalid_request")
}

func TestAnExchangeNeedsTheKeyOfABoundToken(t *testing.T) {
	f := one(t)
	f.addService("board", apiOrigin+"/board", apiOrigin+"/user")
	key, servicesKey := newSigner(t, ""), newSigner(t, "")
	r := f.request("POST", "/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "code": {f.browser().logIn(f.user).code()}, "redirect_uri": {callback}, "code_verifier": {verifier}}, "DPoP", key.proof(f, "POST", "/oauth2/token"))
	r.SetBasicAuth("app", secret)
	bound := f.do(f.server.Client(), r).json(t)["access_token"].(string)
	change := func(token, proof string) answer {
		r := f.request("POST", "/oauth2/token", url.Values{"grant_type": {exchangeGrantType}, "subject_token": {token}, "subject_token_type": {accessTokenType}}, "DPoP", proof)
		r.SetBasicAuth("board", secret)
		return f.do(f.server.Client(), r)
	}
	wantError(t, f.change("board", bound), 400, "invalid_request")
	wantError(t, change(bound, servicesKey.proof(f, "POST", "/oauth2/token")), 400, "invalid_request")
	a := change(bound, key.proof(f, "POST", "/oauth2/token"))
	if a.status != 200 || a.json(t)["token_type"] != "DPoP" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if _, claims := decode(t, a.json(t)["access_token"].(string)); claims["cnf"].(map[string]any)["jkt"] != key.thumbprint() {
		t.Errorf("%v", claims)
	}
	// A service can have its new token bound to a key of its own.
	plain := f.tokens(f.exchange(f.browser().logIn(f.user).code())).access
	if _, claims := decode(t, change(plain, servicesKey.proof(f, "POST", "/oauth2/token")).json(t)["access_token"].(string)); claims["cnf"].(map[string]any)["jkt"] != servicesKey.thumbprint() {
		t.Errorf("%v", claims)
	}
}

// The service behind sees the person as it would if the app called it directly: nobody learns whose a pairwise subject is.
func TestAnExchangeKeepsAPairwiseSubject(t *testing.T) {
	f := one(t)
	f.addService("board", apiOrigin+"/board", apiOrigin+"/user")
	f.addClient("private", func(c *client.Client) { c.SubjectType = "pairwise" })
	code := f.browser().logIn(f.user).code("client_id", "private")
	given := f.tokens(f.token("private", secret, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}))
	_, before := decode(t, given.access)
	_, after := decode(t, f.change("board", given.access).json(t)["access_token"].(string))
	if before["sub"] == f.user.ID || after["sub"] != before["sub"] {
		t.Errorf("%v, then %v", before["sub"], after["sub"])
	}
}

func TestIntrospectionAnswersCanBeSigned(t *testing.T) {
	f := one(t)
	for id, alg := range map[string]string{"plain": "", "elliptic": "ES256", "edwards": "EdDSA", "pss": "PS256"} {
		f.addClient(id, func(c *client.Client) {
			c.Audiences, c.IntrospectionSignedResponseAlg = []string{apiOrigin + "/board"}, alg
		})
	}
	token := f.tokens(f.exchange(f.browser().logIn(f.user).code())).access
	ask := func(id, token, accept string) answer {
		r := f.request("POST", "/oauth2/introspect", url.Values{"token": {token}}, "Accept", accept)
		r.SetBasicAuth(id, secret)
		return f.do(f.server.Client(), r)
	}
	var set jose.JSONWebKeySet
	jwks := f.do(f.server.Client(), f.request("GET", "/.well-known/jwks.json", nil))
	if err := json.Unmarshal([]byte(jwks.body), &set); err != nil {
		t.Fatal(err)
	}
	for id, alg := range map[string]jose.SignatureAlgorithm{"plain": jose.RS256, "elliptic": jose.ES256, "edwards": jose.EdDSA, "pss": jose.PS256} {
		for _, about := range []string{token, "rubbish"} {
			a := ask(id, about, "application/json;q=0.5, application/token-introspection+jwt")
			if a.status != 200 || a.header.Get("Content-Type") != "application/token-introspection+jwt" || a.header.Get("Cache-Control") != "no-store" {
				t.Fatalf("%d %v %s", a.status, a.header, a.body)
			}
			jws, err := jose.ParseSignedCompact(a.body, []jose.SignatureAlgorithm{alg})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := jws.Verify(set.Key(jws.Signatures[0].Header.KeyID)[0]); err != nil {
				t.Error(err)
			}
			header, claims := decode(t, a.body)
			inner, _ := claims["token_introspection"].(map[string]any)
			if header["typ"] != "token-introspection+jwt" || claims["iss"] != f.issuer || claims["aud"] != id || claims["iat"] == nil || claims["sub"] != nil || claims["exp"] != nil || len(claims) != 4 {
				t.Errorf("%v %v", header, claims)
			}
			if active := about == token; inner["active"] != active || (inner["sub"] == f.user.ID) != active || (!active && len(inner) != 1) {
				t.Errorf("%v", inner)
			}
			// It is no token.
			if a := f.userinfo(a.body); a.status != http.StatusUnauthorized {
				t.Errorf("userinfo took it: %d", a.status)
			}
		}
	}
	for _, accept := range []string{"application/json", "*/*", "application/token-introspection+jwt;q=0", "text/application/token-introspection+jwt",
		"application/token-introspection+jwt" + strings.Repeat(", a/b", 250)} {
		if a := ask("elliptic", token, accept); a.header.Get("Content-Type") != "application/json" || a.json(t)["active"] != true {
			t.Errorf("%s: %v", accept, a.header)
		}
	}
}
