package provider_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

// suiteClaims are the claims of scopes (OIDC Core §5.4).
var suiteClaims = map[string]string{
	"profile": "name family_name given_name middle_name nickname preferred_username profile picture website gender birthdate " +
		"zoneinfo locale updated_at",
	"email": "email email_verified", "address": "address", "phone": "phone_number phone_number_verified",
}

func TestBasicOP(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	p := s.register("code")
	all := "openid profile email address phone"
	for module, test := range map[string]struct {
		changes  []string
		userinfo string            // claims that must be in userinfo beside sub, and in no other place
		id       map[string]string // claims of the ID token; "*": any
	}{
		"oidcc-server":        {},
		"oidcc-scope-profile": {changes: []string{"scope", "openid profile"}, userinfo: suiteClaims["profile"]},
		"oidcc-scope-email":   {changes: []string{"scope", "openid email"}, userinfo: suiteClaims["email"]},
		"oidcc-scope-address": {changes: []string{"scope", "openid address"}, userinfo: suiteClaims["address"]},
		"oidcc-scope-phone":   {changes: []string{"scope", "openid phone"}, userinfo: suiteClaims["phone"]},
		"oidcc-scope-all": {
			changes: []string{"scope", all}, userinfo: suiteClaims["profile"] + " " + suiteClaims["email"] + " address " + suiteClaims["phone"],
		},
		"oidcc-claims-locales":                                 {changes: []string{"claims_locales", "se"}},
		"oidcc-ensure-other-scope-order-succeeds":              {changes: []string{"scope", "email openid"}, userinfo: suiteClaims["email"]},
		"oidcc-display-page":                                   {changes: []string{"display", "page"}},
		"oidcc-display-popup":                                  {changes: []string{"display", "popup"}},
		"oidcc-ui-locales":                                     {changes: []string{"ui_locales", "se"}},
		"oidcc-login-hint":                                     {changes: []string{"login_hint", "buffy@suite.example"}},
		"oidcc-max-age-10000":                                  {changes: []string{"max_age", "10000"}, id: map[string]string{"auth_time": "*"}},
		"oidcc-ensure-request-with-acr-values-succeeds":        {changes: []string{"acr_values", "1 2"}, id: map[string]string{"acr": "1"}},
		"oidcc-ensure-request-with-unknown-parameter-succeeds": {changes: []string{"extra", "foobar"}},
		"oidcc-claims-essential": {
			changes: []string{"claims", `{"userinfo":{"name":{"essential":true}}}`}, userinfo: "name",
		},
		"oidcc-ensure-request-without-nonce-succeeds-for-code": {changes: []string{"nonce", ""}},
		"oidcc-ensure-request-with-a-state-of-128-succeeds":    {changes: []string{"state", strings.Repeat("aZ0-._~!", 16)}},
		"oidcc-ensure-request-with-a-nonce-of-64-succeeds":     {changes: []string{"nonce", strings.Repeat("n", 64)}},
		"oidcc-claims-locales and the claim in a language": {
			changes: []string{"claims", `{"userinfo":{"name#ko":null,"email":null}}`}, userinfo: "email",
		},
		"oidcc-claims-essential, in the ID token": {
			changes: []string{
				"claims", `{"id_token":{"email":{"essential":true},"auth_time":{"essential":true}}}`,
			}, id: map[string]string{"email": suiteEmail, "auth_time": "*"},
		},
		"oidcc-prompt-select-account, nobody there":       {changes: []string{"prompt", "select_account"}},
		"oidcc-prompt-consent":                            {changes: []string{"prompt", "consent"}},
		"oidcc-a request without state (RFC 6749 §4.1.1)": {changes: []string{"state", ""}},
		"oidcc-login-hint of an account":                  {changes: []string{"login_hint", suiteEmail}},
	} {
		t.Run(module, func(t *testing.T) {
			got, id := p.logIn(s.Browser(), test.changes...)
			info := s.Userinfo(got.Access).JSON(t)
			for _, name := range strings.Fields(test.userinfo) {
				if info[name] == nil || info[name] == "" || id[name] != nil {
					t.Errorf("%s: in userinfo %v, in the ID token %v", name, info[name], id[name])
				}
			}
			if want := len(strings.Fields(test.userinfo)) + 1; len(info) != want || info["sub"] != id["sub"] {
				t.Errorf("userinfo has %d claims, want %d: %v", len(info), want, info)
			}
			for name, want := range test.id {
				if id[name] == nil || want != "*" && id[name] != want {
					t.Errorf("%s of the ID token: %v", name, id[name])
				}
			}
			if header, _ := providertest.Decode(t, got.ID); header["alg"] != "RS256" || header["kid"] == "" {
				t.Errorf("oidcc-idtoken-signature: %v", header)
			}
		})
	}

	t.Run("oidcc-server-client-secret-post", func(t *testing.T) {
		s.register("code", "token_endpoint_auth_method", "client_secret_post").logIn(s.Browser())
	})
	t.Run("oidcc-ensure-request-with-valid-pkce-succeeds", func(t *testing.T) {
		a := p.authorize(s.Browser(), p.request("code_challenge", providertest.Challenge(providertest.Verifier), "code_challenge_method", "S256"))
		s.Tokens(p.redeem(a.Parameter("code"), "code_verifier", providertest.Verifier))
	})
	t.Run("oidcc-ensure-post-request-succeeds", func(t *testing.T) {
		// From the client's site: no cookie comes with it, and the answer has the browser come
		// again with them.
		b := s.Browser()
		a := b.Send(s.Request("POST", "/oauth2/authorize", p.request(), "Origin", "https://suite.example", "Sec-Fetch-Site", "cross-site"))
		if a.Location == nil || a.Location.Path != "/oauth2/authorize" {
			t.Fatalf("%d %v %s", a.Status, a.Location, a.Body)
		}
		s.Tokens(p.redeem(visit(b, a.Location.RequestURI()).Parameter("code")))
	})
	t.Run("oidcc-response-type-missing", func(t *testing.T) {
		if a := p.authorize(s.Browser(), p.request("response_type", "")); a.Parameter("error") != "invalid_request" {
			t.Errorf("%d %v", a.Status, a.Location)
		}
	})
	t.Run("oidcc-ensure-registered-redirect-uri, oidcc-ensure-redirect-uri-in-authorization-request", func(t *testing.T) {
		for _, uri := range []string{"https://suite.example/callback/xyz", "https://suite.example/callback?x=1", ""} {
			// In place, and not at a page of its own: the suite looks at the authorization
			// endpoint's address.
			a := s.Browser().Get("/oauth2/authorize?" + p.request("redirect_uri", uri).Encode())
			if a.Status != 400 || a.Location != nil || !strings.Contains(a.Body, "redirect_uri") || !strings.Contains(a.Body, "invalid_request") {
				t.Errorf("%q: %d %v %s", uri, a.Status, a.Location, a.Body)
			}
		}
	})
	t.Run("oidcc-prompt-login", func(t *testing.T) {
		b := s.Browser()
		_, first := p.logIn(b)
		s.Clock.Advance(2 * time.Second)
		form := p.request("prompt", "login")
		if a := b.AuthorizeForm(form); a.Location == nil || a.Location.Path != "/login" {
			t.Fatalf("no page asks for a log-in: %d %v", a.Status, a.Location)
		}
		if _, second := p.logIn(b, "prompt", "login"); second["auth_time"].(float64) <= first["auth_time"].(float64) ||
			second["sub"] != first["sub"] {
			t.Errorf("%v, then %v", first, second)
		}
	})
	t.Run("oidcc-prompt-none-not-logged-in", func(t *testing.T) {
		if a := s.Browser().AuthorizeForm(p.request("prompt", "none")); a.Parameter("error") != "login_required" {
			t.Errorf("%d %v", a.Status, a.Location)
		}
	})
	t.Run("oidcc-prompt-none-logged-in, oidcc-id-token-hint", func(t *testing.T) {
		b := s.Browser()
		got, first := p.logIn(b)
		s.Clock.Advance(time.Second)
		for _, hint := range []string{"", got.ID} {
			a := b.AuthorizeForm(p.request("prompt", "none", "id_token_hint", hint))
			again := claimsOf(s.Fixture, s.Tokens(p.redeem(a.Parameter("code"))).ID)
			if again["sub"] != first["sub"] || again["auth_time"] != first["auth_time"] {
				t.Errorf("%v, then %v", first, again)
			}
		}
	})
	t.Run("oidcc-max-age-1", func(t *testing.T) {
		b := s.Browser()
		_, first := p.logIn(b)
		s.Clock.Advance(2 * time.Second)
		if _, second := p.logIn(b, "max_age", "1"); second["auth_time"].(float64) <= first["auth_time"].(float64) {
			t.Errorf("%v, then %v", first, second)
		}
	})
	t.Run("oidcc-codereuse, oidcc-codereuse-30seconds", func(t *testing.T) {
		for _, wait := range []time.Duration{0, 30 * time.Second, 5 * time.Minute} {
			code := p.authorize(s.Browser(), p.request()).Parameter("code")
			got := s.Tokens(p.redeem(code))
			s.Clock.Advance(wait)
			p.redeem(code).WantError(t, 400, "invalid_grant")
			if a := s.Userinfo(got.Access); a.Status != 401 {
				t.Errorf("after %s the access token works: %d", wait, a.Status)
			}
		}
	})
	t.Run("oidcc-refresh-token", func(t *testing.T) {
		grants := []string{"authorization_code", "refresh_token"}
		one, other := s.register("code", "grant_types", grants), s.register("code", "grant_types", grants)
		refresh := func(p party, token string) providertest.Answer {
			return p.call(providertest.RefreshGrant(token))
		}
		var last string
		for _, p := range []party{one, other} {
			got, first := p.logIn(s.Browser(), "scope", "openid offline_access", "prompt", "consent")
			s.Clock.Advance(2 * time.Second)
			next := s.Tokens(refresh(p, got.Refresh))
			id := claimsOf(s.Fixture, next.ID)
			for _, name := range []string{"iss", "sub", "aud", "auth_time", "azp"} {
				if id[name] != first[name] {
					t.Errorf("%s went from %v to %v", name, first[name], id[name])
				}
			}
			if id["iat"].(float64) <= first["iat"].(float64) || id["nonce"] != nil && id["nonce"] != first["nonce"] || next.Access == got.Access {
				t.Errorf("%v, then %v", first, id)
			}
			if a := s.Userinfo(next.Access); a.Status != 200 {
				t.Errorf("%d %s", a.Status, a.Body)
			}
			last = next.Refresh
		}
		refresh(one, last).WantError(t, 400, "invalid_grant")
		s.Tokens(refresh(other, last))
	})
	t.Run("oidcc-ensure-request-object-with-redirect-uri", func(t *testing.T) {
		key := providertest.NewSigner(t, "k1")
		p := s.register("code", "jwks", key.JWKS())
		form := p.request("redirect_uri", "https://suite.example/other")
		claims := map[string]any{"iss": p.id, "aud": s.Issuer, "redirect_uri": p.redirect}
		for _, name := range []string{"client_id", "response_type", "scope", "state", "nonce"} {
			claims[name] = form.Get(name)
		}
		form.Set("request", key.Sign(nil, claims))
		if a := p.authorize(s.Browser(), form); a.Parameter("code") == "" || !strings.HasPrefix(a.Location.String(), p.redirect+"?") {
			t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
		}
	})
	t.Run("oidcc-unsigned-request-object, oidcc-request-uri-unsigned: refused, and not ignored", func(t *testing.T) {
		object := "eyJhbGciOiJub25lIn0." + b64(`{"client_id":"`+p.id+`","response_type":"code","redirect_uri":"`+p.redirect+
			`","scope":"openid"}`) + "."
		if a := p.authorize(s.Browser(), p.request("request", object)); a.Parameter("error") != "invalid_request_object" {
			t.Errorf("by value: %d %v", a.Status, a.Location)
		}
		s.Pages.Set("/unsigned", object)
		p := s.register("code", "request_uris", []string{s.Site.URL + "/unsigned#hash"})
		if a := p.authorize(s.Browser(), p.request("request_uri",
			s.Site.URL+"/unsigned#hash")); a.Parameter("error") != "invalid_request_object" {
			t.Errorf("by reference: %d %v", a.Status, a.Location)
		}
	})
}

func TestFormPostOP(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	for _, kind := range []string{"code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"} {
		p := s.register(kind)
		form := p.request("response_mode", "form_post")
		a := p.authorize(s.Browser(), form)
		for name, in := range map[string]string{"code": "code", "id_token": "id_token", "access_token": "token"} {
			if (a.Parameter(name) != "") != slices.Contains(strings.Fields(kind), in) {
				t.Errorf("%s: %s is %q", kind, name, a.Parameter(name))
			}
		}
		if a.Status != 200 || a.Location != nil || a.Parameter("state") != form.Get("state") ||
			!strings.Contains(a.Body, `action="`+p.redirect+`"`) || !strings.Contains(a.Body, "<script src=") {
			t.Errorf("%s: %d %v %s", kind, a.Status, a.Location, a.Body)
		}
		if code := a.Parameter("code"); code != "" {
			s.Tokens(p.redeem(code))
		}
		a = p.authorize(s.Browser(), p.request("response_mode", "form_post", "prompt", "none"))
		if a.Location != nil || a.Parameter("error") != "login_required" {
			t.Errorf("%s, an error: %d %v %s", kind, a.Status, a.Location, a.Body)
		}
	}
}

func TestImplicitAndHybridOP(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	for _, kind := range []string{"id_token", "id_token token", "code id_token", "code token", "code id_token token"} {
		t.Run(kind, func(t *testing.T) {
			p := s.register(kind)
			b := s.Browser()
			got, id := p.logIn(b, "scope", "openid email")
			if got.Access != "" && s.Userinfo(got.Access).JSON(t)["email"] != suiteEmail {
				t.Error("userinfo does not tell the address")
			}
			if (id["email"] != nil) != (kind == "id_token") {
				t.Errorf("the ID token has the address: %v", id)
			}
			t.Run("oidcc-ensure-request-without-nonce-fails", func(t *testing.T) {
				want := "invalid_request"
				if !strings.Contains(kind, "id_token") { // without an ID token in the front channel none is needed
					want = ""
				}
				if a := p.authorize(b, p.request("nonce", "")); a.Parameter("error") != want || a.Location.Fragment == "" {
					t.Errorf("%d %v", a.Status, a.Location)
				}
			})
			if !strings.Contains(kind, "code") {
				return
			}
			t.Run("both ID tokens are of one person, and a code used twice ends the front channel's token too", func(t *testing.T) {
				a := p.authorize(b, p.request())
				back := s.Tokens(p.redeem(a.Parameter("code")))
				if front := a.Parameter("id_token"); front != "" && claimsOf(s.Fixture, front)["sub"] != claimsOf(s.Fixture, back.ID)["sub"] {
					t.Error("the ID tokens are of two people")
				}
				p.redeem(a.Parameter("code")).WantError(t, 400, "invalid_grant")
				for _, token := range []string{a.Parameter("access_token"), back.Access} {
					if token != "" && s.Userinfo(token).Status != 401 {
						t.Error("an access token works after the code was used twice")
					}
				}
			})
		})
	}
}

// prompt=create leads to the sign-up page, whose fields the suite knows, and back to the client.
func TestSignupOnTheWayToAClient(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	p := s.register("code")
	b := s.Browser()
	a := b.AuthorizeForm(p.request("prompt", "create"))
	if a.Location == nil || a.Location.Path != "/signup" {
		t.Fatalf("%d %v", a.Status, a.Location)
	}
	page := b.Get(a.Location.String())
	for _, id := range []string{"email", "password", "name"} {
		document, err := html.Parse(strings.NewReader(page.Body))
		if err != nil {
			t.Fatal(err)
		}
		if field := byID(document, id); field == nil || attribute(field, "name") != id {
			t.Errorf("the page has no field whose id and name are %s: %s", id, page.Body)
		}
	}
	after := click(b, a.Location, page, "signup", "email", "new@example.com", "password", suitePassword, "name", "New Person")
	if after.Location == nil {
		t.Fatalf("%d %s", after.Status, after.Body)
	}
	if a := visit(b, after.Location.RequestURI()); a.Parameter("code") == "" {
		t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
	}
}
