package authorize_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// What is wrong with the client or its redirect URI is shown to the person: a redirect would make
// this server an open redirector.
func TestAnUnsafeRequestIsAPageAndNoRedirect(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("native", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code"}
		c.RedirectURIs = []string{"http://127.0.0.1/cb"}
	})
	b := f.Browser().LogIn(f.User)
	with := func(changes ...string) string { return providertest.Parameters(changes...).Encode() }
	for name, query := range map[string]string{
		"no client_id":             with("client_id", ""),
		"unknown client":           with("client_id", "nobody"),
		"no redirect_uri":          with("redirect_uri", ""),
		"another redirect_uri":     with("redirect_uri", "https://evil.example/cb"),
		"subdomain":                with("redirect_uri", "https://app.example.evil.example/cb?tenant=1"),
		"userinfo part":            with("redirect_uri", "https://app.example@evil.example/cb?tenant=1"),
		"traversal":                with("redirect_uri", "https://app.example/cb/../evil?tenant=1"),
		"encoded traversal":        with("redirect_uri", "https://app.example/cb%2f..%2fevil?tenant=1"),
		"fragment":                 with("redirect_uri", providertest.Callback+"#x"),
		"another port":             with("redirect_uri", "https://app.example:444/cb?tenant=1"),
		"query added":              with("redirect_uri", providertest.Callback+"&next=evil"),
		"query left away":          with("redirect_uri", "https://app.example/cb"),
		"upper case host":          with("redirect_uri", "https://APP.example/cb?tenant=1"),
		"http in place of https":   with("redirect_uri", "http://app.example/cb?tenant=1"),
		"loopback, another scheme": with("client_id", "native", "redirect_uri", "https://127.0.0.1:3000/cb"),
		"loopback, another path":   with("client_id", "native", "redirect_uri", "http://127.0.0.1:3000/cb2"),
		"loopback by userinfo":     with("client_id", "native", "redirect_uri", "http://127.0.0.1:80@evil.example/cb"),
		"two redirect URIs":        with() + "&redirect_uri=https://evil.example/",
		"two clients":              with() + "&client_id=native",
		"script":                   with("redirect_uri", "javascript:alert(1)"),
		"line break":               with("redirect_uri", providertest.Callback+"\r\nSet-Cookie: a=b"),
	} {
		t.Run(name, func(t *testing.T) {
			a := b.Get("/oauth2/authorize?" + query)
			if a.Status != http.StatusBadRequest || a.Location != nil || !strings.Contains(a.Header.Get("Content-Type"), "text/html") {
				t.Fatalf("%d %v %s", a.Status, a.Location, a.Header)
			}
			if !strings.Contains(a.Body, "invalid_request") && !strings.Contains(a.Body, "invalid_client") {
				t.Errorf("the page does not name the error: %s", a.Body)
			}
			if strings.Contains(name, "redirect_uri") && !strings.Contains(a.Body, "redirect_uri") {
				t.Errorf("the page does not name the parameter: %s", a.Body)
			}
		})
	}
}

func TestAWrongRequestGoesBackToTheClientWithItsState(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("service", func(c *client.Client) { c.Scope = "board:read" })
	b := f.Browser().LogIn(f.User)
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
			form := providertest.Parameters(test.changes...)
			a := b.AuthorizeForm(form)
			if a.Status != http.StatusSeeOther || !strings.HasPrefix(a.Location.String(), providertest.Callback) {
				t.Fatalf("%d %v %s", a.Status, a.Location, a.Body)
			}
			if a.Parameter("error") != test.want || a.Parameter("state") != form.Get("state") || a.Parameter("iss") != f.Issuer ||
				a.Parameter("code") != "" {
				t.Errorf("got %v, want %s", a.Location, test.want)
			}
			for name := range a.Location.Query() {
				if !strings.Contains(" tenant error error_description state iss session_state ", " "+name+" ") {
					t.Errorf("the redirect carries %s", name)
				}
			}
		})
	}
	t.Run("a parameter twice", func(t *testing.T) {
		form := providertest.Parameters()
		form.Add("nonce", "n-2")
		if a := b.AuthorizeForm(form); a.Parameter("error") != "invalid_request" || a.Parameter("state") != form.Get("state") {
			t.Errorf("%v", a.Location)
		}
	})
	t.Run("unknown parameters are ignored", func(t *testing.T) {
		if a := b.Authorize("extra", "1", "display", "popup", "acr_values", "9", "claims_locales", "ko"); a.Parameter("code") == "" {
			t.Errorf("%v", a.Location)
		}
	})
	t.Run("a long state comes back", func(t *testing.T) {
		state := strings.Repeat("s", 2000)
		if a := b.Authorize("state", state); a.Parameter("state") != state {
			t.Errorf("%v", a.Location)
		}
	})
	t.Run("as a form post", func(t *testing.T) {
		if a := b.Post("/oauth2/authorize", providertest.Parameters()); a.Parameter("code") == "" {
			t.Errorf("%d %v", a.Status, a.Location)
		}
	})
}

func TestWhoIsNotLoggedInIsSentThereAndComesBackToTheirRequest(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		b := f.Browser()
		form := providertest.Parameters()
		a := b.AuthorizeForm(form)
		handle := a.Parameter("interaction")
		if a.Location == nil || a.Location.Path != "/login" || handle == "" || len(a.Location.Query()) != 1 {
			t.Fatalf("%d %v", a.Status, a.Location)
		}
		back := "/oauth2/authorize?interaction=" + url.QueryEscape(handle)
		if a := b.Get(back); a.Location == nil || a.Location.Path != "/login" {
			t.Fatalf("coming back without a log-in: %d %v", a.Status, a.Location)
		}
		// Nobody else's browser can go on with the request, logged in or not.
		if a := f.Browser().LogIn(f.User).Get(back); a.Status != http.StatusBadRequest || a.Location != nil {
			t.Fatalf("another browser: %d %v", a.Status, a.Location)
		}
		b.LogIn(f.User)
		a = b.Get(back)
		if a.Parameter("code") == "" || a.Parameter("state") != form.Get("state") {
			t.Fatalf("after the log-in: %d %v %s", a.Status, a.Location, a.Body)
		}
		f.Tokens(f.Redeem(a.Parameter("code")))
		if a := b.Get(back); a.Status != http.StatusOK || a.Location != nil || !strings.Contains(a.Body, "You are logged in already") {
			t.Errorf("the interaction was used twice: %d %v", a.Status, a.Location)
		}
	})
}

func TestAnInteractionIsAnsweredOnceInARace(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		b := f.Browser()
		handle := b.Authorize().Parameter("interaction")
		b.LogIn(f.User)
		var codes atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if b.Get("/oauth2/authorize?interaction="+url.QueryEscape(handle)).Parameter("code") != "" {
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
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("third", func(c *client.Client) { c.Trusted = false })
	other, err := f.Store.Users.CreateUser(t.Context(), accounts.User{Email: "other@example.com", Name: "Other", PasswordHash: "x"})
	if err != nil {
		t.Fatal(err)
	}
	nobody, person := f.Browser(), f.Browser().LogIn(f.User)
	hint := f.Tokens(f.Redeem(person.Code())).ID
	f.Clock.Advance(5 * time.Second)

	for name, test := range map[string]struct {
		b       *providertest.Browser
		changes []string
		path    string // where the person is sent, or
		code    bool   // whether the client gets its code, or
		refusal string // an error
	}{
		"none, nobody there":        {b: nobody, changes: []string{"prompt", "none"}, refusal: "login_required"},
		"none, logged in":           {b: person, changes: []string{"prompt", "none"}, code: true},
		"none, no consent":          {b: person, changes: []string{"prompt", "none", "client_id", "third"}, refusal: "consent_required"},
		"none, hint of this person": {b: person, changes: []string{"prompt", "none", "id_token_hint", hint}, code: true},
		"none, hint of another": {
			b: f.Browser().LogIn(other), changes: []string{"prompt", "none", "id_token_hint", hint}, refusal: "login_required",
		},
		"hint of another":                  {b: f.Browser().LogIn(other), changes: []string{"id_token_hint", hint}, path: "/login"},
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
			a := test.b.Authorize(test.changes...)
			if a.Location == nil {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			if test.path != "" && a.Location.Path != test.path || test.code != (a.Parameter("code") != "") || a.Parameter("error") != test.refusal {
				t.Errorf("%v", a.Location)
			}
		})
	}

	t.Run("login moves auth_time", func(t *testing.T) {
		for _, changes := range [][]string{{"prompt", "login"}, {"max_age", "0"}} {
			_, before := providertest.Decode(t, f.Tokens(f.Redeem(person.Code())).ID)
			f.Clock.Advance(2 * time.Second)
			handle := person.Authorize(changes...).Parameter("interaction")
			if a := person.Get("/oauth2/authorize?interaction=" + url.QueryEscape(handle)); a.Location.Path != "/login" {
				t.Fatalf("%v: coming back without a new log-in: %v", changes, a.Location)
			}
			person.LogIn(f.User)
			a := person.Get("/oauth2/authorize?interaction=" + url.QueryEscape(handle))
			_, after := providertest.Decode(t, f.Tokens(f.Redeem(a.Parameter("code"))).ID)
			if after["auth_time"].(float64) <= before["auth_time"].(float64) {
				t.Errorf("%v: auth_time went from %v to %v", changes, before["auth_time"], after["auth_time"])
			}
		}
	})
}

func TestConsentDecidesWhatIsGranted(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("third", func(c *client.Client) { c.Trusted = false })
	b := f.Browser().LogIn(f.User)
	ask := func(scope string) (handle string) {
		a := b.Authorize("client_id", "third", "scope", scope)
		if a.Location.Path != "/consent" {
			t.Fatalf("%v", a.Location)
		}
		return a.Parameter("interaction")
	}
	// The page: what stands in it, and where its buttons lead.
	decide := func(handle, button string, scope ...string) providertest.Answer {
		page := b.Get("/consent?interaction=" + url.QueryEscape(handle))
		if page.Status != http.StatusOK || !strings.Contains(page.Body, `id="allow"`) || !strings.Contains(page.Body, `id="deny"`) ||
			!strings.Contains(page.Body, "third") {
			t.Fatalf("consent page: %d %s", page.Status, page.Body)
		}
		form := providertest.HiddenFields(page.Body)
		form["scope"] = scope
		form.Set(providertest.ButtonName(t, page.Body, button))
		a := b.Post("/consent?interaction="+url.QueryEscape(handle), form)
		if a.Location == nil || a.Location.Path != "/oauth2/authorize" {
			t.Fatalf("after %s: %d %v %s", button, a.Status, a.Location, a.Body)
		}
		return b.Get(a.Location.String())
	}

	if a := decide(ask("openid user:read"), "deny"); a.Parameter("error") != "access_denied" || a.Parameter("state") == "" {
		t.Fatalf("after a denial: %v", a.Location)
	}
	a := decide(ask("openid user:read board:read"), "allow", "openid", "user:read")
	got := f.Tokens(f.Token("third", providertest.CodeGrant(a.Parameter("code"))))
	if got.Scope != "openid user:read" {
		t.Errorf("granted %q", got.Scope)
	}
	// What was agreed to is not asked again, and nothing more than that is granted silently.
	if a := b.Authorize("client_id", "third", "scope", "openid user:read", "prompt", "none"); a.Parameter("code") == "" {
		t.Errorf("asked again: %v", a.Location)
	}
	more := []string{"client_id", "third", "scope", "openid user:read board:write", "prompt", "none"}
	if a := b.Authorize(more...); a.Parameter("error") != "consent_required" {
		t.Errorf("more was granted silently: %v", a.Location)
	}
	if err := f.Store.Consents.WithdrawConsent(t.Context(), f.User.ID, "third"); err != nil {
		t.Fatal(err)
	}
	if a := f.Userinfo(got.Access); a.Status != http.StatusUnauthorized {
		t.Errorf("the token works after the consent was withdrawn: %d", a.Status)
	}
	ask("openid user:read")
}
