package provider_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

var (
	inputs  = regexp.MustCompile(`<input[^>]*type="hidden"[^>]*>`)
	buttons = regexp.MustCompile(`<button[^>]*>`)
	attr    = func(name, tag string) string {
		m := regexp.MustCompile(` ` + name + `="([^"]*)"`).FindStringSubmatch(tag)
		if m == nil {
			return ""
		}
		return m[1]
	}
)

func hiddenFields(page string) url.Values {
	form := url.Values{}
	for _, tag := range inputs.FindAllString(page, -1) {
		form.Add(attr("name", tag), strings.ReplaceAll(attr("value", tag), "&amp;", "&"))
	}
	return form
}

func buttonName(t *testing.T, page, id string) (name, value string) {
	t.Helper()
	for _, tag := range buttons.FindAllString(page, -1) {
		if attr("id", tag) == id {
			return attr("name", tag), attr("value", tag)
		}
	}
	t.Fatalf("no button %s: %s", id, page)
	return "", ""
}

func TestClientCredentials(t *testing.T) {
	f := one(t)
	f.addClient("service", func(c *client.Client) {
		c.GrantTypes, c.Scope, c.RedirectURIs = []string{"client_credentials"}, "user:lookup board:read", nil
	})
	got := f.tokens(f.token("service", secret, url.Values{"grant_type": {"client_credentials"}, "scope": {"user:lookup"}}))
	header, claims := decode(t, got.access)
	if header["typ"] != "at+jwt" || claims["sub"] != "service" || claims["client_id"] != "service" || claims["aud"] != apiOrigin+"/user" || claims["scope"] != "user:lookup" ||
		claims["sid"] != nil || claims["auth_time"] != nil || got.refresh != "" || got.id != "" {
		t.Errorf("%v %v %+v", header, claims, got)
	}
	if all := f.tokens(f.token("service", secret, url.Values{"grant_type": {"client_credentials"}})); all.scope != "user:lookup board:read" {
		t.Errorf("the default scope is %q", all.scope)
	}
	wantError(t, f.token("service", secret, url.Values{"grant_type": {"client_credentials"}, "scope": {"board:write"}}), 400, "invalid_scope")
	wantError(t, f.token("app", secret, url.Values{"grant_type": {"client_credentials"}, "scope": {"openid"}}), 400, "invalid_scope")
	wantError(t, f.token("service", secret, url.Values{"grant_type": {"authorization_code"}, "code": {"x"}}), 400, "unauthorized_client")
	wantError(t, f.token("service", secret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}), 400, "unauthorized_client")
}

func TestAClientMustAuthenticateInTheOneWayThatItRegistered(t *testing.T) {
	f := oneWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.StrictAuthMethod = true })
	f.addClient("post", func(c *client.Client) { c.TokenEndpointAuthMethod = "client_secret_post" })
	grant := func(more ...string) url.Values {
		form := url.Values{"grant_type": {"client_credentials"}}
		for i := 0; i < len(more); i += 2 {
			form.Add(more[i], more[i+1])
		}
		return form
	}
	basic := func(id, secret string) func(r *http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) }
	}
	none := func(*http.Request) {}
	for name, test := range map[string]struct {
		form   url.Values
		auth   func(r *http.Request)
		status int
		code   string
	}{
		"basic":                        {grant(), basic("app", secret), 200, ""},
		"post":                         {grant("client_id", "post", "client_secret", secret), none, 200, ""},
		"basic with its own client_id": {grant("client_id", "app"), basic("app", secret), 200, ""},
		"wrong secret":                 {grant(), basic("app", secret+"x"), 401, "invalid_client"},
		"empty secret":                 {grant(), basic("app", ""), 401, "invalid_client"},
		"unknown client":               {grant(), basic("nobody", secret), 401, "invalid_client"},
		"nobody":                       {grant(), none, 401, "invalid_client"},
		"client_id without a secret":   {grant("client_id", "app"), none, 401, "invalid_client"},
		"post by a basic client":       {grant("client_id", "app", "client_secret", secret), none, 401, "invalid_client"},
		"basic by a post client":       {grant(), basic("post", secret), 401, "invalid_client"},
		"basic beside another client":  {grant("client_id", "post"), basic("app", secret), 400, "invalid_request"},
		"both ways at once":            {grant("client_id", "app", "client_secret", secret), basic("app", secret), 400, "invalid_request"},
		"an assertion":                 {grant("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", "x"), none, 401, "invalid_client"},
		"basic with two spaces": {grant(), func(r *http.Request) {
			basic("app", secret)(r)
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), " ", "  ", 1))
		}, 200, ""},
		"basic in small letters": {grant(), func(r *http.Request) {
			basic("app", secret)(r)
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "Basic ", "basic   ", 1))
		}, 200, ""},
		"basic twice": {grant(), func(r *http.Request) {
			basic("app", secret)(r)
			r.Header.Add("Authorization", r.Header.Get("Authorization"))
		}, 400, "invalid_request"},
		"basic without a colon":   {grant(), func(r *http.Request) { r.Header.Set("Authorization", "Basic YXBw") }, 401, "invalid_client"},
		"basic that is no base64": {grant(), func(r *http.Request) { r.Header.Set("Authorization", "Basic app:secret") }, 401, "invalid_client"},
		"basic without anything":  {grant(), func(r *http.Request) { r.Header.Set("Authorization", "Basic") }, 401, "invalid_client"},
		"Bearer":                  {grant("client_id", "app"), func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, 401, "invalid_client"},
		"client_id twice":         {grant("client_id", "app", "client_id", "post"), basic("app", secret), 400, "invalid_request"},
		"unknown grant":           {url.Values{"grant_type": {"password"}}, basic("app", secret), 400, "unsupported_grant_type"},
		"no grant":                {url.Values{"x": {"y"}}, basic("app", secret), 400, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			r := f.request("POST", "/oauth2/token", test.form)
			test.auth(r)
			a := f.do(f.server.Client(), r)
			if test.status == http.StatusOK {
				f.tokens(a)
				return
			}
			wantError(t, a, test.status, test.code)
			// Whoever did not use Basic is not asked for it: a browser would show its own log-in window.
			used := strings.HasPrefix(strings.ToLower(r.Header.Get("Authorization")), "basic")
			if challenge := a.header.Get("WWW-Authenticate"); strings.HasPrefix(challenge, "Basic ") != (used && test.status == http.StatusUnauthorized) {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
		})
	}
	t.Run("parameters in the URL", func(t *testing.T) {
		r := f.request("POST", "/oauth2/token?grant_type=client_credentials", url.Values{"x": {"y"}})
		r.SetBasicAuth("app", secret)
		wantError(t, f.do(f.server.Client(), r), 400, "invalid_request")
	})
	t.Run("another content type", func(t *testing.T) {
		r := f.request("POST", "/oauth2/token", grant(), "Content-Type", "application/json")
		r.SetBasicAuth("app", secret)
		wantError(t, f.do(f.server.Client(), r), 400, "invalid_request")
	})
	t.Run("a rotated secret overlaps", func(t *testing.T) {
		if err := f.store.Clients.AddClientSecret(t.Context(), "app", opaque.Hash("the-new-secret-of-the-test-app-0123456789"), f.clock.now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		f.tokens(f.token("app", secret, grant()))
		f.tokens(f.token("app", "the-new-secret-of-the-test-app-0123456789", grant()))
		f.clock.advance(2 * time.Hour)
		wantError(t, f.token("app", secret, grant()), 401, "invalid_client")
		f.tokens(f.token("app", "the-new-secret-of-the-test-app-0123456789", grant()))
	})
}

func TestASecretIsTakenInTheHeaderAndInTheBodyAlike(t *testing.T) {
	f := one(t)
	f.addClient("post", func(c *client.Client) { c.TokenEndpointAuthMethod = "client_secret_post" })
	f.addClient("public", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code"}
	})
	signer := newSigner(t, "k")
	f.addClient("signs", func(c *client.Client) { c.TokenEndpointAuthMethod, c.JWKS = "private_key_jwt", signer.set() })
	call := func(path, id, secret string, inBody bool, form url.Values) answer {
		if !inBody {
			r := f.request("POST", path, form)
			r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
			return f.do(f.server.Client(), r)
		}
		form.Set("client_id", id)
		form.Set("client_secret", secret)
		return f.do(f.server.Client(), f.request("POST", path, form))
	}
	for _, id := range []string{"app", "post"} {
		for _, inBody := range []bool{true, false} {
			f.tokens(call("/oauth2/token", id, secret, inBody, url.Values{"grant_type": {"client_credentials"}}))
			for _, path := range []string{"/oauth2/introspect", "/oauth2/revoke"} {
				if a := call(path, id, secret, inBody, url.Values{"token": {"x"}}); a.status != 200 {
					t.Errorf("%s of %s, in the body %t: %d %s", path, id, inBody, a.status, a.body)
				}
			}
			if a := call("/oauth2/par", id, secret, inBody, parameters("client_id", id)); a.status != 201 {
				t.Errorf("push of %s, in the body %t: %d %s", id, inBody, a.status, a.body)
			}
			wantError(t, call("/oauth2/token", id, secret+"x", inBody, url.Values{"grant_type": {"client_credentials"}}), 401, "invalid_client")
		}
	}
	// A secret is no stand-in for the key of a client that signs, and a public client has none, whatever is sent.
	for _, id := range []string{"signs", "public"} {
		for _, inBody := range []bool{true, false} {
			wantError(t, call("/oauth2/token", id, secret, inBody, url.Values{"grant_type": {"client_credentials"}}), 401, "invalid_client")
		}
	}
	wantError(t, call("/oauth2/token", "signs", "", false, url.Values{"grant_type": {"client_credentials"}}), 401, "invalid_client")
}

func TestUserinfo(t *testing.T) {
	f := one(t)
	b := f.browser().logIn(f.user)
	got := f.tokens(f.exchange(b.code("scope", "openid profile email")))
	object := f.userinfo(got.access).json(t)
	if object["sub"] != f.user.ID || object["name"] != "김민지" || object["email"] != "minji@example.com" || object["email_verified"] != false {
		t.Errorf("%v", object)
	}
	if _, number := object["updated_at"].(float64); !number {
		t.Errorf("updated_at: %v", object["updated_at"])
	}
	if _, there := object["locale"]; there {
		t.Error("a claim without a value is there")
	}
	do := func(r *http.Request) answer { return f.do(f.server.Client(), r) }
	if a := do(f.request("POST", "/oauth2/userinfo", nil, "Authorization", "bearer "+got.access)); a.status != 200 {
		t.Errorf("POST with a header: %d", a.status)
	}
	if a := do(f.request("POST", "/oauth2/userinfo", url.Values{"access_token": {got.access}})); a.status != 200 {
		t.Errorf("POST with a form: %d", a.status)
	}
	if less := f.userinfo(f.tokens(f.exchange(b.code("scope", "openid"))).access).json(t); len(less) != 1 {
		t.Errorf("scope openid alone tells %v", less)
	}

	service := f.tokens(f.token("app", secret, url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}})).access
	expired := f.tokens(f.exchange(b.code())).access
	f.clock.advance(11 * time.Minute)
	fresh := f.tokens(f.exchange(b.code()))
	for name, test := range map[string]struct {
		r      *http.Request
		status int
		want   string
	}{
		"no token":          {f.request("GET", "/oauth2/userinfo", nil), 401, ""},
		"in the URL":        {f.request("GET", "/oauth2/userinfo?access_token="+fresh.access, nil), 401, ""},
		"ID token":          {f.request("GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+fresh.id), 401, "invalid_token"},
		"refresh token":     {f.request("GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+fresh.refresh), 401, "invalid_token"},
		"expired":           {f.request("GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+expired), 401, "invalid_token"},
		"tampered":          {f.request("GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+fresh.access[:len(fresh.access)-6]+"AAAAAA"), 401, "invalid_token"},
		"a service's token": {f.request("GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+service), 401, "invalid_token"},
		"twice":             {f.request("POST", "/oauth2/userinfo", url.Values{"access_token": {fresh.access}}, "Authorization", "Bearer "+fresh.access), 400, "invalid_request"},
		"Basic":             {f.request("GET", "/oauth2/userinfo", nil, "Authorization", "Basic eDp5"), 400, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			a := do(test.r)
			challenge := a.header.Get("WWW-Authenticate")
			if a.status != test.status || !strings.HasPrefix(challenge, "Bearer ") || (test.want == "") == strings.Contains(challenge, "error=") || !strings.Contains(challenge, test.want) {
				t.Errorf("%d %q", a.status, challenge)
			}
		})
	}
	t.Run("without openid", func(t *testing.T) {
		a := f.userinfo(f.tokens(f.exchange(b.code("scope", "board:read"))).access)
		if a.status != http.StatusForbidden || !strings.Contains(a.header.Get("WWW-Authenticate"), "insufficient_scope") {
			t.Errorf("%d %v", a.status, a.header)
		}
	})
}

func TestIntrospectionTellsAClientOnlyOfTokensThatItMayKnow(t *testing.T) {
	f := one(t)
	f.addClient("board", func(c *client.Client) { c.Audiences = []string{apiOrigin + "/board"} })
	f.addClient("stranger", nil)
	f.addClient("public", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code"}
	})
	b := f.browser().logIn(f.user)
	forBoard := f.tokens(f.exchange(b.code("scope", "openid board:read")))
	forUser := f.tokens(f.exchange(b.code("scope", "openid user:read")))
	ask := func(id, token string) answer {
		r := f.request("POST", "/oauth2/introspect", url.Values{"token": {token}})
		r.SetBasicAuth(id, secret)
		return f.do(f.server.Client(), r)
	}
	for name, test := range map[string]struct {
		caller, token string
		active        bool
	}{
		"its own":                              {"app", forBoard.access, true},
		"its own refresh token":                {"app", forBoard.refresh, true},
		"its audience":                         {"board", forBoard.access, true},
		"another audience":                     {"board", forUser.access, false},
		"a stranger":                           {"stranger", forBoard.access, false},
		"another's refresh token":              {"board", forBoard.refresh, false},
		"an ID token":                          {"app", forBoard.id, false},
		"rubbish":                              {"app", "rubbish", false},
		"a token that only looks like a token": {"app", "a.b.c", false},
	} {
		t.Run(name, func(t *testing.T) {
			a := ask(test.caller, test.token)
			object := a.json(t)
			if a.status != 200 || object["active"] != test.active || (!test.active && len(object) != 1) {
				t.Errorf("%d %s", a.status, a.body)
			}
			if test.active && (object["sub"] != f.user.ID || object["client_id"] != "app" || object["scope"] != "openid board:read" || object["exp"] == nil) {
				t.Errorf("%s", a.body)
			}
		})
	}
	wantError(t, f.do(f.server.Client(), f.request("POST", "/oauth2/introspect", url.Values{"token": {forBoard.access}})), 401, "invalid_client")
	wantError(t, f.do(f.server.Client(), f.request("POST", "/oauth2/introspect", url.Values{"token": {forBoard.access}, "client_id": {"public"}})), 401, "invalid_client")
	f.refresh(forBoard.refresh)
	if ask("app", forBoard.refresh).json(t)["active"] != false {
		t.Error("a used refresh token is active")
	}
	f.clock.advance(11 * time.Minute)
	if ask("app", forBoard.access).json(t)["active"] != false {
		t.Error("an expired token is active")
	}
}

func TestRevocation(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.addClient("other", nil)
		b := f.browser().logIn(f.user)
		revoke := func(id, token string, more ...string) answer {
			form := url.Values{"token": {token}}
			for i := 0; i < len(more); i += 2 {
				form.Set(more[i], more[i+1])
			}
			r := f.request("POST", "/oauth2/revoke", form)
			r.SetBasicAuth(id, secret)
			return f.do(f.server.Client(), r)
		}
		first, second := f.tokens(f.exchange(b.code())), f.tokens(f.exchange(b.code()))
		wantError(t, revoke("other", first.access), 400, "unauthorized_client")
		wantError(t, revoke("other", first.refresh), 400, "unauthorized_client")
		if f.userinfo(first.access).status != 200 {
			t.Fatal("another client revoked the token")
		}
		// An access token by itself: the grant goes on.
		if a := revoke("app", first.access, "token_type_hint", "refresh_token"); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if f.userinfo(first.access).status != 401 {
			t.Error("the revoked access token works")
		}
		next := f.tokens(f.refresh(first.refresh))
		// A refresh token: the grant with all its tokens.
		if a := revoke("app", next.refresh); a.status != 200 || a.body != "" {
			t.Fatalf("%d %s", a.status, a.body)
		}
		wantError(t, f.refresh(next.refresh), 400, "invalid_grant")
		if f.userinfo(next.access).status != 401 {
			t.Error("the grant's access token works")
		}
		if f.userinfo(second.access).status != 200 {
			t.Error("another grant was revoked as well")
		}
		for _, token := range []string{"rubbish", "a.b.c", next.refresh, second.id} {
			if a := revoke("app", token); a.status != 200 {
				t.Errorf("%.10s: %d %s", token, a.status, a.body)
			}
		}
		wantError(t, revoke("app", ""), 400, "invalid_request")
	})
}

// fosite answers 200 when the store fails; a client would believe that a stolen token is dead.
func TestAFailureToRevokeIsNoSuccess(t *testing.T) {
	f := one(t)
	got := f.tokens(f.exchange(f.browser().logIn(f.user).code()))
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	r := f.request("POST", "/oauth2/revoke", url.Values{"token": {got.refresh}})
	r.SetBasicAuth("app", secret)
	a := f.do(f.server.Client(), r)
	wantError(t, a, 500, "server_error")
	if strings.Contains(a.body, "sql") || strings.Contains(a.body, "database") {
		t.Errorf("the answer tells of the inside: %s", a.body)
	}
}

func TestLogout(t *testing.T) {
	f := one(t)
	f.addClient("other", func(c *client.Client) { c.PostLogoutRedirectURIs = []string{"https://other.example/bye"} })
	const bye = "https://app.example/bye"
	type start struct {
		b  *browser
		id string
	}
	begin := func() start {
		b := f.browser().logIn(f.user)
		return start{b, f.tokens(f.exchange(b.code())).id}
	}
	loggedIn := func(b *browser) bool { return b.authorize(parameters("prompt", "none")).parameter("code") != "" }
	path := func(pairs ...string) string {
		form := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return "/oauth2/logout?" + form.Encode()
	}

	t.Run("hint and registered address", func(t *testing.T) {
		s := begin()
		a := s.b.get(path("id_token_hint", s.id, "post_logout_redirect_uri", bye, "state", "s&1"))
		if a.status != 303 || a.location.String() != bye+"?state=s%261" || loggedIn(s.b) {
			t.Errorf("%d %v", a.status, a.location)
		}
		if a := s.b.get(path("id_token_hint", s.id, "post_logout_redirect_uri", bye)); a.status != 303 {
			t.Errorf("again, with the session gone: %d %s", a.status, a.body)
		}
	})
	t.Run("expired hint", func(t *testing.T) {
		s := begin()
		f.clock.advance(time.Hour)
		if a := s.b.get(path("id_token_hint", s.id, "post_logout_redirect_uri", bye)); a.status != 303 || loggedIn(s.b) {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("posted across origins, without the cookie", func(t *testing.T) {
		s := begin()
		if a := s.b.postFromElsewhere("/oauth2/logout", url.Values{"id_token_hint": {s.id}, "post_logout_redirect_uri": {bye}}); a.status != 303 || a.location.String() != bye || loggedIn(s.b) {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("address with client_id alone: asks first", func(t *testing.T) {
		s := begin()
		a := s.b.get(path("client_id", "app", "post_logout_redirect_uri", bye, "state", "s&1"))
		if a.status != 200 || !strings.Contains(a.body, `id="logout"`) || !loggedIn(s.b) {
			t.Fatalf("%d %s", a.status, a.body)
		}
		a = s.b.post("/oauth2/logout", hiddenFields(a.body))
		if a.status != 303 || a.location.String() != bye+"?state=s%261" || loggedIn(s.b) {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("nothing said: asks first", func(t *testing.T) {
		s := begin()
		a := s.b.get("/oauth2/logout")
		if a.status != 200 || !strings.Contains(a.body, `id="logout"`) || !loggedIn(s.b) {
			t.Fatalf("%d %s", a.status, a.body)
		}
		a = s.b.post("/oauth2/logout", hiddenFields(a.body))
		if a.status != 200 || !strings.Contains(a.body, "You are logged out") || loggedIn(s.b) {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("another site cannot log a person out", func(t *testing.T) {
		s := begin()
		for _, site := range []string{"cross-site", "same-site"} {
			a := f.do(s.b.Client, f.request("POST", "/oauth2/logout", url.Values{"confirm": {"yes"}}, "Origin", "https://evil.example", "Sec-Fetch-Site", site))
			if a.status != 200 || !loggedIn(s.b) {
				t.Errorf("%s: %d %s", site, a.status, a.body)
			}
		}
	})
	t.Run("the hint of another person asks first", func(t *testing.T) {
		other, err := f.store.Users.CreateUser(t.Context(), accounts.User{Email: "other@example.com", Name: "Other", PasswordHash: "x"})
		if err != nil {
			t.Fatal(err)
		}
		s := begin()
		b := f.browser().logIn(other)
		if a := b.get(path("id_token_hint", s.id, "post_logout_redirect_uri", bye)); a.status != 200 || !loggedIn(b) {
			t.Errorf("%d %v", a.status, a.location)
		}
	})
	for name, change := range map[string]func(s start) string{
		"address not registered": func(s start) string {
			return path("id_token_hint", s.id, "post_logout_redirect_uri", "https://evil.example/")
		},
		"registered for another client": func(s start) string {
			return path("id_token_hint", s.id, "post_logout_redirect_uri", "https://other.example/bye")
		},
		"query added": func(s start) string { return path("id_token_hint", s.id, "post_logout_redirect_uri", bye+"?x=1") },
		"changed hint": func(s start) string {
			return path("id_token_hint", s.id[:len(s.id)-6]+"AAAAAA", "post_logout_redirect_uri", bye)
		},
		"address without a hint":               func(start) string { return path("post_logout_redirect_uri", bye) },
		"address of another client_id":         func(start) string { return path("post_logout_redirect_uri", bye, "client_id", "other") },
		"address with an unknown client_id":    func(start) string { return path("post_logout_redirect_uri", bye, "client_id", "nobody") },
		"half an address with client_id alone": func(start) string { return path("post_logout_redirect_uri", bye+"/x", "client_id", "app") },
		"hint of another client_id": func(s start) string {
			return path("id_token_hint", s.id, "post_logout_redirect_uri", bye, "client_id", "other")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin()
			if a := s.b.get(change(s)); a.location != nil || a.status != 400 || !strings.Contains(a.body, "Cannot log you out") || !loggedIn(s.b) {
				t.Errorf("%d %v %s", a.status, a.location, a.body)
			}
		})
	}
}

// Everything that discovery announces is there.
func TestDiscoveryAnnouncesWhatWorks(t *testing.T) {
	f := one(t)
	get := func(path string, header ...string) answer {
		return f.do(f.server.Client(), f.request("GET", path, nil, header...))
	}
	openid, oauth2 := get("/.well-known/openid-configuration"), get("/.well-known/oauth-authorization-server")
	if openid.body != oauth2.body || openid.header.Get("Content-Type") != "application/json" || openid.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%v %s", openid.header, oauth2.body)
	}
	if again := get("/.well-known/openid-configuration", "If-None-Match", openid.header.Get("ETag")); again.status != http.StatusNotModified {
		t.Errorf("with its ETag: %d", again.status)
	}
	document := openid.json(t)
	if document["issuer"] != f.issuer {
		t.Errorf("issuer: %v", document["issuer"])
	}
	for name, value := range document {
		if address, ok := value.(string); ok && (strings.HasSuffix(name, "_endpoint") || name == "jwks_uri") {
			if a := get(address); a.status == http.StatusNotFound {
				t.Errorf("%s: nothing is at %s", name, address)
			}
		}
	}
	list := func(name string) (values []string) {
		for _, value := range document[name].([]any) {
			values = append(values, value.(string))
		}
		return values
	}
	b := f.browser().logIn(f.user)
	for _, scope := range list("scopes_supported") {
		if a := b.authorize(parameters("scope", scope)); a.parameter("code") == "" {
			t.Errorf("scope %s: %v", scope, a.location)
		}
	}
	for _, mode := range list("response_modes_supported") {
		if a := b.authorize(parameters("response_mode", mode)); a.parameter("code")+a.parameter("response") == "" {
			t.Errorf("response_mode %s: %v", mode, a.location)
		}
	}
	for _, kind := range list("response_types_supported") {
		if a := b.authorize(parameters("response_type", kind)); a.parameter("error") != "" {
			t.Errorf("response_type %s: %v", kind, a.location)
		}
	}
	for _, prompt := range list("prompt_values_supported") {
		if a := b.authorize(parameters("prompt", prompt)); a.parameter("error") != "" {
			t.Errorf("prompt %s: %v", prompt, a.location)
		}
	}
	f.addClient("all", func(c *client.Client) {
		c.GrantTypes, c.TokenExchangeAudiences = list("grant_types_supported"), []string{apiOrigin + "/user"}
	})
	for _, grant := range list("grant_types_supported") {
		if code := f.token("all", secret, url.Values{"grant_type": {grant}}).json(t)["error"]; code == "unsupported_grant_type" || code == "unauthorized_client" {
			t.Errorf("grant_type %s: %v", grant, code)
		}
	}
	jwks := get("/.well-known/jwks.json")
	if !strings.Contains(jwks.header.Get("Cache-Control"), "max-age=") || jwks.header.Get("ETag") == "" || strings.Contains(jwks.body, `"d"`) || jwks.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("JWKS: %v %s", jwks.header, jwks.body)
	}
}

func TestScriptsOfOtherOriginsMayCallWhatIsForThem(t *testing.T) {
	f := one(t)
	for path, open := range map[string]bool{
		"/.well-known/openid-configuration": true, "/.well-known/jwks.json": true, "/oauth2/token": true, "/oauth2/userinfo": true, "/oauth2/revoke": true, "/oauth2/device_authorization": true, "/oauth2/par": true, "/device": false,
		"/oauth2/authorize": false, "/oauth2/logout": false, "/oauth2/introspect": false, "/login": false, "/account": false,
	} {
		a := f.do(f.server.Client(), f.request("OPTIONS", path, nil, "Origin", "https://spa.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization"))
		if got := a.header.Get("Access-Control-Allow-Origin") == "*" && a.status == http.StatusNoContent; got != open {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
		if a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s allows credentials", path)
		}
	}
}
