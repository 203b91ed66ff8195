package provider_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestClientCredentials(t *testing.T) {
	f := providertest.One(t)
	f.AddClient("service", func(c *client.Client) {
		c.GrantTypes, c.Scope, c.RedirectURIs = []string{"client_credentials"}, "user:lookup board:read", nil
	})
	got := f.Tokens(f.Token("service", url.Values{"grant_type": {"client_credentials"}, "scope": {"user:lookup"}}))
	header, claims := providertest.Decode(t, got.Access)
	if header["typ"] != "at+jwt" || claims["sub"] != "service" || claims["client_id"] != "service" || claims["aud"] != providertest.APIOrigin+"/user" || claims["scope"] != "user:lookup" ||
		claims["sid"] != nil || claims["auth_time"] != nil || got.Refresh != "" || got.ID != "" {
		t.Errorf("%v %v %+v", header, claims, got)
	}
	if all := f.Tokens(f.Token("service", url.Values{"grant_type": {"client_credentials"}})); all.Scope != "user:lookup board:read" {
		t.Errorf("the default scope is %q", all.Scope)
	}
	f.Token("service", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:write"}}).WantError(t, 400, "invalid_scope")
	f.Token("app", url.Values{"grant_type": {"client_credentials"}, "scope": {"openid"}}).WantError(t, 400, "invalid_scope")
	f.Token("service", url.Values{"grant_type": {"authorization_code"}, "code": {"x"}}).WantError(t, 400, "unauthorized_client")
	f.Token("service", providertest.RefreshGrant("x")).WantError(t, 400, "unauthorized_client")
}

func TestAClientMustAuthenticateInTheOneWayThatItRegistered(t *testing.T) {
	f := providertest.NewWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.StrictAuthMethod = true })
	f.AddClient("post", func(c *client.Client) { c.TokenEndpointAuthMethod = "client_secret_post" })
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
		"basic":                        {grant(), basic("app", providertest.Secret), 200, ""},
		"post":                         {grant("client_id", "post", "client_secret", providertest.Secret), none, 200, ""},
		"basic with its own client_id": {grant("client_id", "app"), basic("app", providertest.Secret), 200, ""},
		"wrong secret":                 {grant(), basic("app", providertest.Secret+"x"), 401, "invalid_client"},
		"empty secret":                 {grant(), basic("app", ""), 401, "invalid_client"},
		"unknown client":               {grant(), basic("nobody", providertest.Secret), 401, "invalid_client"},
		"nobody":                       {grant(), none, 401, "invalid_client"},
		"client_id without a secret":   {grant("client_id", "app"), none, 401, "invalid_client"},
		"post by a basic client":       {grant("client_id", "app", "client_secret", providertest.Secret), none, 401, "invalid_client"},
		"basic by a post client":       {grant(), basic("post", providertest.Secret), 401, "invalid_client"},
		"basic beside another client":  {grant("client_id", "post"), basic("app", providertest.Secret), 400, "invalid_request"},
		"both ways at once":            {grant("client_id", "app", "client_secret", providertest.Secret), basic("app", providertest.Secret), 400, "invalid_request"},
		"an assertion":                 {grant("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", "x"), none, 401, "invalid_client"},
		"basic with two spaces": {grant(), func(r *http.Request) {
			basic("app", providertest.Secret)(r)
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), " ", "  ", 1))
		}, 200, ""},
		"basic in small letters": {grant(), func(r *http.Request) {
			basic("app", providertest.Secret)(r)
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "Basic ", "basic   ", 1))
		}, 200, ""},
		"basic twice": {grant(), func(r *http.Request) {
			basic("app", providertest.Secret)(r)
			r.Header.Add("Authorization", r.Header.Get("Authorization"))
		}, 400, "invalid_request"},
		"basic without a colon":   {grant(), func(r *http.Request) { r.Header.Set("Authorization", "Basic YXBw") }, 401, "invalid_client"},
		"basic that is no base64": {grant(), func(r *http.Request) { r.Header.Set("Authorization", "Basic app:secret") }, 401, "invalid_client"},
		"basic without anything":  {grant(), func(r *http.Request) { r.Header.Set("Authorization", "Basic") }, 401, "invalid_client"},
		"Bearer":                  {grant("client_id", "app"), func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, 401, "invalid_client"},
		"client_id twice":         {grant("client_id", "app", "client_id", "post"), basic("app", providertest.Secret), 400, "invalid_request"},
		"unknown grant":           {url.Values{"grant_type": {"password"}}, basic("app", providertest.Secret), 400, "unsupported_grant_type"},
		"no grant":                {url.Values{"x": {"y"}}, basic("app", providertest.Secret), 400, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			r := f.Request("POST", "/oauth2/token", test.form)
			test.auth(r)
			a := f.Do(r)
			if test.status == http.StatusOK {
				f.Tokens(a)
				return
			}
			a.WantError(t, test.status, test.code)
			// Whoever did not use Basic is not asked for it: a browser would show its own log-in window.
			used := strings.HasPrefix(strings.ToLower(r.Header.Get("Authorization")), "basic")
			if challenge := a.Header.Get("WWW-Authenticate"); strings.HasPrefix(challenge, "Basic ") != (used && test.status == http.StatusUnauthorized) {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
		})
	}
	t.Run("parameters in the URL", func(t *testing.T) {
		r := f.Request("POST", "/oauth2/token?grant_type=client_credentials", url.Values{"x": {"y"}})
		r.SetBasicAuth("app", providertest.Secret)
		f.Do(r).WantError(t, 400, "invalid_request")
	})
	t.Run("another content type", func(t *testing.T) {
		r := f.Request("POST", "/oauth2/token", grant(), "Content-Type", "application/json")
		r.SetBasicAuth("app", providertest.Secret)
		f.Do(r).WantError(t, 400, "invalid_request")
	})
	t.Run("a rotated secret overlaps", func(t *testing.T) {
		if err := f.Store.Clients.AddClientSecret(t.Context(), "app", opaque.Hash("the-new-secret-of-the-test-app-0123456789"), f.Clock.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		f.Tokens(f.Token("app", grant()))
		f.Tokens(f.TokenWith("app", "the-new-secret-of-the-test-app-0123456789", grant()))
		f.Clock.Advance(2 * time.Hour)
		f.Token("app", grant()).WantError(t, 401, "invalid_client")
		f.Tokens(f.TokenWith("app", "the-new-secret-of-the-test-app-0123456789", grant()))
	})
}

func TestASecretIsTakenInTheHeaderAndInTheBodyAlike(t *testing.T) {
	f := providertest.One(t)
	f.AddClient("post", func(c *client.Client) { c.TokenEndpointAuthMethod = "client_secret_post" })
	f.AddClient("public", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code"}
	})
	signer := providertest.NewSigner(t, "k")
	f.AddClient("signs", func(c *client.Client) { c.TokenEndpointAuthMethod, c.JWKS = "private_key_jwt", signer.JWKS() })
	call := func(path, id, secret string, inBody bool, form url.Values) providertest.Answer {
		if !inBody {
			r := f.Request("POST", path, form)
			r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
			return f.Do(r)
		}
		form.Set("client_id", id)
		form.Set("client_secret", secret)
		return f.Do(f.Request("POST", path, form))
	}
	for _, id := range []string{"app", "post"} {
		for _, inBody := range []bool{true, false} {
			f.Tokens(call("/oauth2/token", id, providertest.Secret, inBody, url.Values{"grant_type": {"client_credentials"}}))
			for _, path := range []string{"/oauth2/introspect", "/oauth2/revoke"} {
				if a := call(path, id, providertest.Secret, inBody, url.Values{"token": {"x"}}); a.Status != 200 {
					t.Errorf("%s of %s, in the body %t: %d %s", path, id, inBody, a.Status, a.Body)
				}
			}
			if a := call("/oauth2/par", id, providertest.Secret, inBody, providertest.Parameters("client_id", id)); a.Status != 201 {
				t.Errorf("push of %s, in the body %t: %d %s", id, inBody, a.Status, a.Body)
			}
			call("/oauth2/token", id, providertest.Secret+"x", inBody, url.Values{"grant_type": {"client_credentials"}}).WantError(t, 401, "invalid_client")
		}
	}
	// A secret is no stand-in for the key of a client that signs, and a public client has none, whatever is sent.
	for _, id := range []string{"signs", "public"} {
		for _, inBody := range []bool{true, false} {
			call("/oauth2/token", id, providertest.Secret, inBody, url.Values{"grant_type": {"client_credentials"}}).WantError(t, 401, "invalid_client")
		}
	}
	call("/oauth2/token", "signs", "", false, url.Values{"grant_type": {"client_credentials"}}).WantError(t, 401, "invalid_client")
}

func TestUserinfo(t *testing.T) {
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	got := f.Tokens(f.Redeem(b.Code("scope", "openid profile email")))
	object := f.Userinfo(got.Access).JSON(t)
	if object["sub"] != f.User.ID || object["name"] != "김민지" || object["email"] != "minji@example.com" || object["email_verified"] != false {
		t.Errorf("%v", object)
	}
	if _, number := object["updated_at"].(float64); !number {
		t.Errorf("updated_at: %v", object["updated_at"])
	}
	if _, there := object["locale"]; there {
		t.Error("a claim without a value is there")
	}
	do := func(r *http.Request) providertest.Answer { return f.Do(r) }
	if a := do(f.Request("POST", "/oauth2/userinfo", nil, "Authorization", "bearer "+got.Access)); a.Status != 200 {
		t.Errorf("POST with a header: %d", a.Status)
	}
	if a := do(f.Request("POST", "/oauth2/userinfo", url.Values{"access_token": {got.Access}})); a.Status != 200 {
		t.Errorf("POST with a form: %d", a.Status)
	}
	if less := f.Userinfo(f.Tokens(f.Redeem(b.Code("scope", "openid"))).Access).JSON(t); len(less) != 1 {
		t.Errorf("scope openid alone tells %v", less)
	}

	service := f.Tokens(f.Token("app", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}})).Access
	expired := f.Tokens(f.Redeem(b.Code())).Access
	f.Clock.Advance(11 * time.Minute)
	fresh := f.Tokens(f.Redeem(b.Code()))
	for name, test := range map[string]struct {
		r      *http.Request
		status int
		want   string
	}{
		"no token":          {f.Request("GET", "/oauth2/userinfo", nil), 401, ""},
		"in the URL":        {f.Request("GET", "/oauth2/userinfo?access_token="+fresh.Access, nil), 401, ""},
		"ID token":          {f.Request("GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+fresh.ID), 401, "invalid_token"},
		"refresh token":     {f.Request("GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+fresh.Refresh), 401, "invalid_token"},
		"expired":           {f.Request("GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+expired), 401, "invalid_token"},
		"tampered":          {f.Request("GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+fresh.Access[:len(fresh.Access)-6]+"AAAAAA"), 401, "invalid_token"},
		"a service's token": {f.Request("GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+service), 401, "invalid_token"},
		"twice":             {f.Request("POST", "/oauth2/userinfo", url.Values{"access_token": {fresh.Access}}, "Authorization", "Bearer "+fresh.Access), 400, "invalid_request"},
		"Basic":             {f.Request("GET", "/oauth2/userinfo", nil, "Authorization", "Basic eDp5"), 400, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			a := do(test.r)
			challenge := a.Header.Get("WWW-Authenticate")
			if a.Status != test.status || !strings.HasPrefix(challenge, "Bearer ") || (test.want == "") == strings.Contains(challenge, "error=") || !strings.Contains(challenge, test.want) {
				t.Errorf("%d %q", a.Status, challenge)
			}
		})
	}
	t.Run("without openid", func(t *testing.T) {
		a := f.Userinfo(f.Tokens(f.Redeem(b.Code("scope", "board:read"))).Access)
		if a.Status != http.StatusForbidden || !strings.Contains(a.Header.Get("WWW-Authenticate"), "insufficient_scope") {
			t.Errorf("%d %v", a.Status, a.Header)
		}
	})
}

func TestIntrospectionTellsAClientOnlyOfTokensThatItMayKnow(t *testing.T) {
	f := providertest.One(t)
	f.AddClient("board", func(c *client.Client) { c.Audiences = []string{providertest.APIOrigin + "/board"} })
	f.AddClient("stranger", nil)
	f.AddClient("public", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code"}
	})
	b := f.Browser().LogIn(f.User)
	forBoard := f.Tokens(f.Redeem(b.Code("scope", "openid board:read")))
	forUser := f.Tokens(f.Redeem(b.Code("scope", "openid user:read")))
	ask := func(id, token string) providertest.Answer {
		return f.PostAs(id, "/oauth2/introspect", url.Values{"token": {token}})
	}
	for name, test := range map[string]struct {
		caller, token string
		active        bool
	}{
		"its own":                              {"app", forBoard.Access, true},
		"its own refresh token":                {"app", forBoard.Refresh, true},
		"its audience":                         {"board", forBoard.Access, true},
		"another audience":                     {"board", forUser.Access, false},
		"a stranger":                           {"stranger", forBoard.Access, false},
		"another's refresh token":              {"board", forBoard.Refresh, false},
		"an ID token":                          {"app", forBoard.ID, false},
		"rubbish":                              {"app", "rubbish", false},
		"a token that only looks like a token": {"app", "a.b.c", false},
	} {
		t.Run(name, func(t *testing.T) {
			a := ask(test.caller, test.token)
			object := a.JSON(t)
			if a.Status != 200 || object["active"] != test.active || (!test.active && len(object) != 1) {
				t.Errorf("%d %s", a.Status, a.Body)
			}
			if test.active && (object["sub"] != f.User.ID || object["client_id"] != "app" || object["scope"] != "openid board:read" || object["exp"] == nil) {
				t.Errorf("%s", a.Body)
			}
		})
	}
	f.Do(f.Request("POST", "/oauth2/introspect", url.Values{"token": {forBoard.Access}})).WantError(t, 401, "invalid_client")
	f.Do(f.Request("POST", "/oauth2/introspect", url.Values{"token": {forBoard.Access}, "client_id": {"public"}})).WantError(t, 401, "invalid_client")
	f.Refresh(forBoard.Refresh)
	if ask("app", forBoard.Refresh).JSON(t)["active"] != false {
		t.Error("a used refresh token is active")
	}
	f.Clock.Advance(11 * time.Minute)
	if ask("app", forBoard.Access).JSON(t)["active"] != false {
		t.Error("an expired token is active")
	}
}

func TestRevocation(t *testing.T) {
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		f.AddClient("other", nil)
		b := f.Browser().LogIn(f.User)
		revoke := func(id, token string, more ...string) providertest.Answer {
			form := url.Values{"token": {token}}
			for i := 0; i < len(more); i += 2 {
				form.Set(more[i], more[i+1])
			}
			return f.PostAs(id, "/oauth2/revoke", form)
		}
		first, second := f.Tokens(f.Redeem(b.Code())), f.Tokens(f.Redeem(b.Code()))
		revoke("other", first.Access).WantError(t, 400, "unauthorized_client")
		revoke("other", first.Refresh).WantError(t, 400, "unauthorized_client")
		if f.Userinfo(first.Access).Status != 200 {
			t.Fatal("another client revoked the token")
		}
		// An access token by itself: the grant goes on.
		if a := revoke("app", first.Access, "token_type_hint", "refresh_token"); a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		if f.Userinfo(first.Access).Status != 401 {
			t.Error("the revoked access token works")
		}
		next := f.Tokens(f.Refresh(first.Refresh))
		// A refresh token: the grant with all its tokens.
		if a := revoke("app", next.Refresh); a.Status != 200 || a.Body != "" {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		f.Refresh(next.Refresh).WantError(t, 400, "invalid_grant")
		if f.Userinfo(next.Access).Status != 401 {
			t.Error("the grant's access token works")
		}
		if f.Userinfo(second.Access).Status != 200 {
			t.Error("another grant was revoked as well")
		}
		for _, token := range []string{"rubbish", "a.b.c", next.Refresh, second.ID} {
			if a := revoke("app", token); a.Status != 200 {
				t.Errorf("%.10s: %d %s", token, a.Status, a.Body)
			}
		}
		revoke("app", "").WantError(t, 400, "invalid_request")
	})
}

// fosite answers 200 when the store fails; a client would believe that a stolen token is dead.
func TestAFailureToRevokeIsNoSuccess(t *testing.T) {
	f := providertest.One(t)
	got := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code()))
	if err := f.Store.Close(); err != nil {
		t.Fatal(err)
	}
	r := f.Request("POST", "/oauth2/revoke", url.Values{"token": {got.Refresh}})
	r.SetBasicAuth("app", providertest.Secret)
	a := f.Do(r)
	a.WantError(t, 500, "server_error")
	if strings.Contains(a.Body, "sql") || strings.Contains(a.Body, "database") {
		t.Errorf("the answer tells of the inside: %s", a.Body)
	}
}

func TestLogout(t *testing.T) {
	f := providertest.One(t)
	f.AddClient("other", func(c *client.Client) { c.PostLogoutRedirectURIs = []string{"https://other.example/bye"} })
	const bye = "https://app.example/bye"
	type start struct {
		b  *providertest.Browser
		id string
	}
	begin := func() start {
		b := f.Browser().LogIn(f.User)
		return start{b, f.Tokens(f.Redeem(b.Code())).ID}
	}
	loggedIn := func(b *providertest.Browser) bool { return b.Authorize("prompt", "none").Parameter("code") != "" }
	path := func(pairs ...string) string {
		form := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return "/oauth2/logout?" + form.Encode()
	}

	t.Run("hint and registered address", func(t *testing.T) {
		s := begin()
		a := s.b.Get(path("id_token_hint", s.id, "post_logout_redirect_uri", bye, "state", "s&1"))
		if a.Status != 303 || a.Location.String() != bye+"?state=s%261" || loggedIn(s.b) {
			t.Errorf("%d %v", a.Status, a.Location)
		}
		if a := s.b.Get(path("id_token_hint", s.id, "post_logout_redirect_uri", bye)); a.Status != 303 {
			t.Errorf("again, with the session gone: %d %s", a.Status, a.Body)
		}
	})
	t.Run("expired hint", func(t *testing.T) {
		s := begin()
		f.Clock.Advance(time.Hour)
		if a := s.b.Get(path("id_token_hint", s.id, "post_logout_redirect_uri", bye)); a.Status != 303 || loggedIn(s.b) {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
	t.Run("posted across origins, without the cookie", func(t *testing.T) {
		s := begin()
		if a := postFromElsewhere(s.b, "/oauth2/logout", url.Values{"id_token_hint": {s.id}, "post_logout_redirect_uri": {bye}}); a.Status != 303 || a.Location.String() != bye || loggedIn(s.b) {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
	t.Run("address with client_id alone: asks first", func(t *testing.T) {
		s := begin()
		a := s.b.Get(path("client_id", "app", "post_logout_redirect_uri", bye, "state", "s&1"))
		if a.Status != 200 || !strings.Contains(a.Body, `id="logout"`) || !loggedIn(s.b) {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		a = s.b.Post("/oauth2/logout", providertest.HiddenFields(a.Body))
		if a.Status != 303 || a.Location.String() != bye+"?state=s%261" || loggedIn(s.b) {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
	t.Run("nothing said: asks first", func(t *testing.T) {
		s := begin()
		a := s.b.Get("/oauth2/logout")
		if a.Status != 200 || !strings.Contains(a.Body, `id="logout"`) || !loggedIn(s.b) {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		a = s.b.Post("/oauth2/logout", providertest.HiddenFields(a.Body))
		if a.Status != 200 || !strings.Contains(a.Body, "You are logged out") || loggedIn(s.b) {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
	t.Run("another site cannot log a person out", func(t *testing.T) {
		s := begin()
		for _, site := range []string{"cross-site", "same-site"} {
			a := s.b.Send(f.Request("POST", "/oauth2/logout", url.Values{"confirm": {"yes"}}, "Origin", "https://evil.example", "Sec-Fetch-Site", site))
			if a.Status != 200 || !loggedIn(s.b) {
				t.Errorf("%s: %d %s", site, a.Status, a.Body)
			}
		}
	})
	t.Run("the hint of another person asks first", func(t *testing.T) {
		other, err := f.Store.Users.CreateUser(t.Context(), accounts.User{Email: "other@example.com", Name: "Other", PasswordHash: "x"})
		if err != nil {
			t.Fatal(err)
		}
		s := begin()
		b := f.Browser().LogIn(other)
		if a := b.Get(path("id_token_hint", s.id, "post_logout_redirect_uri", bye)); a.Status != 200 || !loggedIn(b) {
			t.Errorf("%d %v", a.Status, a.Location)
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
			if a := s.b.Get(change(s)); a.Location != nil || a.Status != 400 || !strings.Contains(a.Body, "Cannot log you out") || !loggedIn(s.b) {
				t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
			}
		})
	}
}

// Everything that discovery announces is there.
func TestDiscoveryAnnouncesWhatWorks(t *testing.T) {
	f := providertest.One(t)
	get := func(path string, header ...string) providertest.Answer {
		return f.Do(f.Request("GET", path, nil, header...))
	}
	openid, oauth2 := get("/.well-known/openid-configuration"), get("/.well-known/oauth-authorization-server")
	if openid.Body != oauth2.Body || openid.Header.Get("Content-Type") != "application/json" || openid.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%v %s", openid.Header, oauth2.Body)
	}
	if again := get("/.well-known/openid-configuration", "If-None-Match", openid.Header.Get("ETag")); again.Status != http.StatusNotModified {
		t.Errorf("with its ETag: %d", again.Status)
	}
	document := openid.JSON(t)
	if document["issuer"] != f.Issuer {
		t.Errorf("issuer: %v", document["issuer"])
	}
	for name, value := range document {
		if address, ok := value.(string); ok && (strings.HasSuffix(name, "_endpoint") || name == "jwks_uri") {
			if a := get(address); a.Status == http.StatusNotFound {
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
	b := f.Browser().LogIn(f.User)
	for _, scope := range list("scopes_supported") {
		if a := b.Authorize("scope", scope); a.Parameter("code") == "" {
			t.Errorf("scope %s: %v", scope, a.Location)
		}
	}
	for _, mode := range list("response_modes_supported") {
		if a := b.Authorize("response_mode", mode); a.Parameter("code")+a.Parameter("response") == "" {
			t.Errorf("response_mode %s: %v", mode, a.Location)
		}
	}
	for _, kind := range list("response_types_supported") {
		if a := b.Authorize("response_type", kind); a.Parameter("error") != "" {
			t.Errorf("response_type %s: %v", kind, a.Location)
		}
	}
	for _, prompt := range list("prompt_values_supported") {
		if a := b.Authorize("prompt", prompt); a.Parameter("error") != "" {
			t.Errorf("prompt %s: %v", prompt, a.Location)
		}
	}
	f.AddClient("all", func(c *client.Client) {
		c.GrantTypes, c.TokenExchangeAudiences = list("grant_types_supported"), []string{providertest.APIOrigin + "/user"}
	})
	for _, grant := range list("grant_types_supported") {
		if code := f.Token("all", url.Values{"grant_type": {grant}}).JSON(t)["error"]; code == "unsupported_grant_type" || code == "unauthorized_client" {
			t.Errorf("grant_type %s: %v", grant, code)
		}
	}
	jwks := get("/.well-known/jwks.json")
	if !strings.Contains(jwks.Header.Get("Cache-Control"), "max-age=") || jwks.Header.Get("ETag") == "" || strings.Contains(jwks.Body, `"d"`) || jwks.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("JWKS: %v %s", jwks.Header, jwks.Body)
	}
}

func TestScriptsOfOtherOriginsMayCallWhatIsForThem(t *testing.T) {
	f := providertest.One(t)
	for path, open := range map[string]bool{
		"/.well-known/openid-configuration": true, "/.well-known/jwks.json": true, "/oauth2/token": true, "/oauth2/userinfo": true, "/oauth2/revoke": true, "/oauth2/device_authorization": true, "/oauth2/par": true, "/device": false,
		"/oauth2/authorize": false, "/oauth2/logout": false, "/oauth2/introspect": false, "/login": false, "/account": false,
	} {
		a := f.Do(f.Request("OPTIONS", path, nil, "Origin", "https://spa.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization"))
		if got := a.Header.Get("Access-Control-Allow-Origin") == "*" && a.Status == http.StatusNoContent; got != open {
			t.Errorf("%s: %d %v", path, a.Status, a.Header)
		}
		if a.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s allows credentials", path)
		}
	}
}
