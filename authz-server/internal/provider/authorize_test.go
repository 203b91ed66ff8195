package provider_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// What is wrong with the client or its redirect URI is shown to the person: a redirect would make this server an open redirector.
func TestAnUnsafeRequestIsAPageAndNoRedirect(t *testing.T) {
	f := one(t)
	f.addClient("native", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code"}
		c.RedirectURIs = []string{"http://127.0.0.1/cb"}
	})
	b := f.browser().logIn(f.user)
	with := func(changes ...string) string { return parameters(changes...).Encode() }
	for name, query := range map[string]string{
		"no client_id":             with("client_id", ""),
		"unknown client":           with("client_id", "nobody"),
		"no redirect_uri":          with("redirect_uri", ""),
		"another redirect_uri":     with("redirect_uri", "https://evil.example/cb"),
		"subdomain":                with("redirect_uri", "https://app.example.evil.example/cb?tenant=1"),
		"userinfo part":            with("redirect_uri", "https://app.example@evil.example/cb?tenant=1"),
		"traversal":                with("redirect_uri", "https://app.example/cb/../evil?tenant=1"),
		"encoded traversal":        with("redirect_uri", "https://app.example/cb%2f..%2fevil?tenant=1"),
		"fragment":                 with("redirect_uri", callback+"#x"),
		"another port":             with("redirect_uri", "https://app.example:444/cb?tenant=1"),
		"query added":              with("redirect_uri", callback+"&next=evil"),
		"query left away":          with("redirect_uri", "https://app.example/cb"),
		"upper case host":          with("redirect_uri", "https://APP.example/cb?tenant=1"),
		"http in place of https":   with("redirect_uri", "http://app.example/cb?tenant=1"),
		"loopback, another scheme": with("client_id", "native", "redirect_uri", "https://127.0.0.1:3000/cb"),
		"loopback, another path":   with("client_id", "native", "redirect_uri", "http://127.0.0.1:3000/cb2"),
		"loopback by userinfo":     with("client_id", "native", "redirect_uri", "http://127.0.0.1:80@evil.example/cb"),
		"two redirect URIs":        with() + "&redirect_uri=https://evil.example/",
		"two clients":              with() + "&client_id=native",
		"script":                   with("redirect_uri", "javascript:alert(1)"),
		"line break":               with("redirect_uri", callback+"\r\nSet-Cookie: a=b"),
	} {
		t.Run(name, func(t *testing.T) {
			a := b.get("/oauth2/authorize?" + query)
			if a.status != http.StatusBadRequest || a.location != nil || !strings.Contains(a.header.Get("Content-Type"), "text/html") {
				t.Fatalf("%d %v %s", a.status, a.location, a.header)
			}
			if !strings.Contains(a.body, "invalid_request") && !strings.Contains(a.body, "invalid_client") {
				t.Errorf("the page does not name the error: %s", a.body)
			}
			if strings.Contains(name, "redirect_uri") && !strings.Contains(a.body, "redirect_uri") {
				t.Errorf("the page does not name the parameter: %s", a.body)
			}
		})
	}
}

func TestAWrongRequestGoesBackToTheClientWithItsState(t *testing.T) {
	f := one(t)
	f.addClient("service", func(c *client.Client) { c.Scope = "board:read" })
	b := f.browser().logIn(f.user)
	for name, test := range map[string]struct {
		changes []string
		want    string
	}{
		"no response_type":        {[]string{"response_type", ""}, "invalid_request"},
		"implicit":                {[]string{"response_type", "token"}, "unsupported_response_type"},
		"hybrid":                  {[]string{"response_type", "code id_token"}, "unsupported_response_type"},
		"unknown response_mode":   {[]string{"response_mode", "smoke"}, "unsupported_response_mode"},
		"scope not registered":    {[]string{"client_id", "service", "scope", "board:write"}, "invalid_scope"},
		"unknown scope":           {[]string{"scope", "openid wish"}, "invalid_scope"},
		"plain challenge":         {[]string{"code_challenge_method", "plain"}, "invalid_request"},
		"method left away":        {[]string{"code_challenge_method", ""}, "invalid_request"},
		"method alone":            {[]string{"code_challenge", ""}, "invalid_request"},
		"challenge too short":     {[]string{"code_challenge", "abc"}, "invalid_request"},
		"challenge no base64url":  {[]string{"code_challenge", strings.Repeat("+", 43)}, "invalid_request"},
		"request object":          {[]string{"request", "eyJhbGciOiJub25lIn0.e30."}, "invalid_request_object"},
		"request_uri":             {[]string{"request_uri", "https://app.example/r"}, "invalid_request_uri"},
		"registration":            {[]string{"registration", "{}"}, "registration_not_supported"},
		"unknown prompt":          {[]string{"prompt", "dance"}, "invalid_request"},
		"prompt none and another": {[]string{"prompt", "none login"}, "invalid_request"},
		"max_age no number":       {[]string{"max_age", "-1"}, "invalid_request"},
		"nonce too long":          {[]string{"nonce", strings.Repeat("n", 3000)}, "invalid_request"},
		"foreign id_token_hint":   {[]string{"id_token_hint", "a.b.c"}, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			form := parameters(test.changes...)
			a := b.authorize(form)
			if a.status != http.StatusSeeOther || !strings.HasPrefix(a.location.String(), callback) {
				t.Fatalf("%d %v %s", a.status, a.location, a.body)
			}
			if a.parameter("error") != test.want || a.parameter("state") != form.Get("state") || a.parameter("iss") != f.issuer || a.parameter("code") != "" {
				t.Errorf("got %v, want %s", a.location, test.want)
			}
			for name := range a.location.Query() {
				if !strings.Contains(" tenant error error_description state iss session_state ", " "+name+" ") {
					t.Errorf("the redirect carries %s", name)
				}
			}
		})
	}
	t.Run("a parameter twice", func(t *testing.T) {
		form := parameters()
		form.Add("nonce", "n-2")
		if a := b.authorize(form); a.parameter("error") != "invalid_request" || a.parameter("state") != form.Get("state") {
			t.Errorf("%v", a.location)
		}
	})
	t.Run("unknown parameters are ignored", func(t *testing.T) {
		if a := b.authorize(parameters("extra", "1", "display", "popup", "acr_values", "9", "claims_locales", "ko")); a.parameter("code") == "" {
			t.Errorf("%v", a.location)
		}
	})
	t.Run("a long state comes back", func(t *testing.T) {
		state := strings.Repeat("s", 2000)
		if a := b.authorize(parameters("state", state)); a.parameter("state") != state {
			t.Errorf("%v", a.location)
		}
	})
	t.Run("as a form post", func(t *testing.T) {
		if a := b.post("/oauth2/authorize", parameters()); a.parameter("code") == "" {
			t.Errorf("%d %v", a.status, a.location)
		}
	})
}

func TestWhoIsNotLoggedInIsSentThereAndComesBackToTheirRequest(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		b := f.browser()
		form := parameters()
		a := b.authorize(form)
		handle := a.parameter("interaction")
		if a.location == nil || a.location.Path != "/login" || handle == "" || len(a.location.Query()) != 1 {
			t.Fatalf("%d %v", a.status, a.location)
		}
		back := "/oauth2/authorize?interaction=" + url.QueryEscape(handle)
		if a := b.get(back); a.location == nil || a.location.Path != "/login" {
			t.Fatalf("coming back without a log-in: %d %v", a.status, a.location)
		}
		// Nobody else's browser can go on with the request, logged in or not.
		if a := f.browser().logIn(f.user).get(back); a.status != http.StatusBadRequest || a.location != nil {
			t.Fatalf("another browser: %d %v", a.status, a.location)
		}
		b.logIn(f.user)
		a = b.get(back)
		if a.parameter("code") == "" || a.parameter("state") != form.Get("state") {
			t.Fatalf("after the log-in: %d %v %s", a.status, a.location, a.body)
		}
		f.tokens(f.exchange(a.parameter("code")))
		if a := b.get(back); a.status != http.StatusOK || a.location != nil || !strings.Contains(a.body, "You are logged in already") {
			t.Errorf("the interaction was used twice: %d %v", a.status, a.location)
		}
	})
}

func TestAnInteractionIsAnsweredOnceInARace(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		b := f.browser()
		handle := b.authorize(parameters()).parameter("interaction")
		b.logIn(f.user)
		var codes atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if b.get("/oauth2/authorize?interaction="+url.QueryEscape(handle)).parameter("code") != "" {
					codes.Add(1)
				}
			})
		}
		wg.Wait()
		if codes.Load() != 1 {
			t.Fatalf("%d codes were issued", codes.Load())
		}
	})
}

func TestPromptAndMaxAge(t *testing.T) {
	f := one(t)
	f.addClient("third", func(c *client.Client) { c.Trusted = false })
	other, err := f.store.Users.CreateUser(t.Context(), accounts.User{Email: "other@example.com", Name: "Other", PasswordHash: "x"})
	if err != nil {
		t.Fatal(err)
	}
	nobody, person := f.browser(), f.browser().logIn(f.user)
	hint := f.tokens(f.exchange(person.code())).id
	f.clock.advance(5 * time.Second)

	for name, test := range map[string]struct {
		b       *browser
		changes []string
		path    string // where the person is sent, or
		code    bool   // whether the client gets its code, or
		refusal string // an error
	}{
		"none, nobody there":               {b: nobody, changes: []string{"prompt", "none"}, refusal: "login_required"},
		"none, logged in":                  {b: person, changes: []string{"prompt", "none"}, code: true},
		"none, no consent":                 {b: person, changes: []string{"prompt", "none", "client_id", "third"}, refusal: "consent_required"},
		"none, hint of this person":        {b: person, changes: []string{"prompt", "none", "id_token_hint", hint}, code: true},
		"none, hint of another":            {b: f.browser().logIn(other), changes: []string{"prompt", "none", "id_token_hint", hint}, refusal: "login_required"},
		"hint of another":                  {b: f.browser().logIn(other), changes: []string{"id_token_hint", hint}, path: "/login"},
		"login":                            {b: person, changes: []string{"prompt", "login"}, path: "/login"},
		"select_account":                   {b: person, changes: []string{"prompt", "select_account"}, path: "/login"},
		"consent of a trusted client":      {b: person, changes: []string{"prompt", "consent"}, path: "/consent"},
		"create, nobody there":             {b: nobody, changes: []string{"prompt", "create"}, path: "/signup"},
		"create, logged in":                {b: person, changes: []string{"prompt", "create"}, path: "/signup"},
		"max_age not reached":              {b: person, changes: []string{"max_age", "10000"}, code: true},
		"max_age passed":                   {b: person, changes: []string{"max_age", "3"}, path: "/login"},
		"max_age 0":                        {b: person, changes: []string{"max_age", "0"}, path: "/login"},
		"max_age passed, silent":           {b: person, changes: []string{"max_age", "3", "prompt", "none"}, refusal: "login_required"},
		"consent of a third party":         {b: person, changes: []string{"client_id", "third"}, path: "/consent"},
		"not logged in, nothing else said": {b: nobody, path: "/login"},
	} {
		t.Run(name, func(t *testing.T) {
			a := test.b.authorize(parameters(test.changes...))
			if a.location == nil {
				t.Fatalf("%d %s", a.status, a.body)
			}
			if test.path != "" && a.location.Path != test.path || test.code != (a.parameter("code") != "") || a.parameter("error") != test.refusal {
				t.Errorf("%v", a.location)
			}
		})
	}

	t.Run("login moves auth_time", func(t *testing.T) {
		for _, changes := range [][]string{{"prompt", "login"}, {"max_age", "0"}} {
			_, before := decode(t, f.tokens(f.exchange(person.code())).id)
			f.clock.advance(2 * time.Second)
			handle := person.authorize(parameters(changes...)).parameter("interaction")
			if a := person.get("/oauth2/authorize?interaction=" + url.QueryEscape(handle)); a.location.Path != "/login" {
				t.Fatalf("%v: coming back without a new log-in: %v", changes, a.location)
			}
			person.logIn(f.user)
			a := person.get("/oauth2/authorize?interaction=" + url.QueryEscape(handle))
			if _, after := decode(t, f.tokens(f.exchange(a.parameter("code"))).id); after["auth_time"].(float64) <= before["auth_time"].(float64) {
				t.Errorf("%v: auth_time went from %v to %v", changes, before["auth_time"], after["auth_time"])
			}
		}
	})
}

func TestConsentDecidesWhatIsGranted(t *testing.T) {
	f := one(t)
	f.addClient("third", func(c *client.Client) { c.Trusted = false })
	b := f.browser().logIn(f.user)
	ask := func(scope string) (handle string) {
		a := b.authorize(parameters("client_id", "third", "scope", scope))
		if a.location.Path != "/consent" {
			t.Fatalf("%v", a.location)
		}
		return a.parameter("interaction")
	}
	// The page: what stands in it, and where its buttons lead.
	decide := func(handle, button string, scope ...string) answer {
		page := b.get("/consent?interaction=" + url.QueryEscape(handle))
		if page.status != http.StatusOK || !strings.Contains(page.body, `id="allow"`) || !strings.Contains(page.body, `id="deny"`) || !strings.Contains(page.body, "third") {
			t.Fatalf("consent page: %d %s", page.status, page.body)
		}
		form := hiddenFields(page.body)
		form["scope"] = scope
		form.Set(buttonName(t, page.body, button))
		a := b.post("/consent?interaction="+url.QueryEscape(handle), form)
		if a.location == nil || a.location.Path != "/oauth2/authorize" {
			t.Fatalf("after %s: %d %v %s", button, a.status, a.location, a.body)
		}
		return b.get(a.location.String())
	}

	if a := decide(ask("openid user:read"), "deny"); a.parameter("error") != "access_denied" || a.parameter("state") == "" {
		t.Fatalf("after a denial: %v", a.location)
	}
	a := decide(ask("openid user:read board:read"), "allow", "openid", "user:read")
	got := f.tokens(f.token("third", secret, url.Values{"grant_type": {"authorization_code"}, "code": {a.parameter("code")}, "redirect_uri": {callback}, "code_verifier": {verifier}}))
	if got.scope != "openid user:read" {
		t.Errorf("granted %q", got.scope)
	}
	// What was agreed to is not asked again, and nothing more than that is granted silently.
	if a := b.authorize(parameters("client_id", "third", "scope", "openid user:read", "prompt", "none")); a.parameter("code") == "" {
		t.Errorf("asked again: %v", a.location)
	}
	if a := b.authorize(parameters("client_id", "third", "scope", "openid user:read board:write", "prompt", "none")); a.parameter("error") != "consent_required" {
		t.Errorf("more was granted silently: %v", a.location)
	}
	if err := f.store.Consents.WithdrawConsent(t.Context(), f.user.ID, "third"); err != nil {
		t.Fatal(err)
	}
	if a := f.userinfo(got.access); a.status != http.StatusUnauthorized {
		t.Errorf("the token works after the consent was withdrawn: %d", a.status)
	}
	ask("openid user:read")
}
