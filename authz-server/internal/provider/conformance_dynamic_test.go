package provider_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

func TestDynamicOP(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	t.Run("oidcc-redirect-uri-query-OK, -query-mismatch, -query-added", func(t *testing.T) {
		p := s.register("code", "redirect_uris", []string{"https://suite.example/callback?foo=bar"})
		if a := p.authorize(s.Browser(), p.request()); a.Parameter("code") == "" || a.Parameter("foo") != "bar" {
			t.Errorf("%d %v", a.Status, a.Location)
		}
		for _, uri := range []string{
			"https://suite.example/callback?foo=other", "https://suite.example/callback?foo=bar&x=1", "https://suite.example/callback",
		} {
			if a := p.authorize(s.Browser(), p.request("redirect_uri", uri)); a.Status != 400 || a.Location != nil ||
				!strings.Contains(a.Body, "redirect_uri") {
				t.Errorf("%s: %d %v", uri, a.Status, a.Location)
			}
		}
	})
	t.Run("oidcc-registration-logo-uri, -policy-uri, -tos-uri: on the log-in page and on the consent page", func(t *testing.T) {
		p := s.register("code", "logo_uri", "https://suite.example/logo.png", "policy_uri", "https://suite.example/policy", "tos_uri",
			"https://suite.example/tos")
		b := s.Browser()
		a := b.AuthorizeForm(p.request())
		shown := func(what string, a providertest.Answer) {
			for _, uri := range []string{"logo.png", "policy", "tos"} {
				if !strings.Contains(a.Body, `"https://suite.example/`+uri+`"`) {
					t.Errorf("%s does not show %s: %s", what, uri, a.Body)
				}
			}
		}
		at, page := a.Location, b.Get(a.Location.String())
		shown("the log-in page", page)
		a = b.Get(click(b, at, page, "login", "email", suiteEmail, "password", suitePassword).Location.String())
		if a.Location == nil || a.Location.Path != "/consent" {
			t.Fatalf("%d %v", a.Status, a.Location)
		}
		at, page = a.Location, b.Get(a.Location.String())
		shown("the consent page", page)
		a = visit(b, click(b, at, page, "deny").Location.RequestURI())
		if a.Parameter("error") != "access_denied" {
			t.Errorf("after a denial: %v", a.Location)
		}
	})
	t.Run("oidcc-userinfo-rs256", func(t *testing.T) {
		p := s.register("code", "userinfo_signed_response_alg", "RS256")
		got, id := p.logIn(s.Browser(), "scope", "openid email")
		a := s.Userinfo(got.Access)
		if claims := claimsOf(s.Fixture, a.Body); a.Header.Get("Content-Type") != "application/jwt" || claims["sub"] != id["sub"] ||
			claims["email"] != suiteEmail || claims["iss"] != s.Issuer || claims["aud"] != p.id {
			t.Errorf("%v", claims)
		}
	})
	t.Run("oidcc-request-uri-signed-rs256", func(t *testing.T) {
		key := providertest.NewRSASigner(t, "the client", "k1", "RS256")
		s.Pages.Set("/jwks", string(key.JWKS()))
		p := s.register("code", "jwks_uri", s.Site.URL+"/jwks", "request_uris", []string{s.Site.URL + "/request#abc"},
			"request_object_signing_alg", "RS256")
		s.Pages.Set("/request", key.Sign(nil, map[string]any{
			"iss": p.id, "aud": s.Issuer, "client_id": p.id, "response_type": "code", "redirect_uri": p.redirect, "scope": "openid",
			"state": "inside", "nonce": "inside",
		}))
		a := visit(s.Browser(), "/oauth2/authorize?"+url.Values{
			"client_id": {p.id}, "response_type": {"code"}, "scope": {"openid"}, "request_uri": {s.Site.URL + "/request#abc"},
		}.Encode())
		if a.Parameter("state") != "inside" || claimsOf(s.Fixture, s.Tokens(p.redeem(a.Parameter("code"))).ID)["nonce"] != "inside" {
			t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
		}
	})
	t.Run("oidcc-registration-jwks-uri, oidcc-refresh-token-rp-key-rotation", func(t *testing.T) {
		key := providertest.NewSigner(t, "k1")
		s.Pages.Set("/keys", string(key.JWKS()))
		p := s.register("code", "jwks_uri", s.Site.URL+"/keys", "token_endpoint_auth_method", "private_key_jwt", "grant_types",
			[]string{"authorization_code", "refresh_token"})
		call := func(form url.Values) providertest.Answer {
			return s.PostForm("/oauth2/token", providertest.Merge(form, key.Assertion(s.Fixture, p.id)))
		}
		code := p.authorize(s.Browser(), p.request()).Parameter("code")
		got := s.Tokens(call(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {p.redirect}}))
		s.Clock.Advance(time.Minute)
		key = providertest.NewSigner(t, "k2")
		s.Pages.Set("/keys", string(key.JWKS()))
		s.Tokens(call(providertest.RefreshGrant(got.Refresh)))
	})
	t.Run("oidcc-server-rotate-keys", func(t *testing.T) {
		p := s.register("code")
		before, _ := p.logIn(s.Browser())
		if err := s.Ring.Rotate(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		after, _ := p.logIn(s.Browser())
		published := s.Do(s.Request("GET", "/.well-known/jwks.json", nil)).Body
		old, _ := providertest.Decode(t, before.ID)
		new, _ := providertest.Decode(t, after.ID)
		if old["kid"] == new["kid"] || !strings.Contains(published, old["kid"].(string)) || !strings.Contains(published, new["kid"].(string)) {
			t.Errorf("%v, %v: %s", old, new, published)
		}
	})
	t.Run("oidcc-registration-sector-uri", func(t *testing.T) {
		uris := []string{"https://one.example/callback", "https://two.example/callback"}
		text, err := json.Marshal(uris)
		if err != nil {
			t.Fatal(err)
		}
		s.Pages.Set("/sector", string(text))
		p := s.register("code", "redirect_uris", uris, "subject_type", "pairwise", "sector_identifier_uri", s.Site.URL+"/sector")
		if _, id := p.logIn(s.Browser()); id["sub"] == s.person.ID {
			t.Error("the subject is the public one")
		}
	})
	t.Run("oidcc-default-max-age, require_auth_time", func(t *testing.T) {
		p := s.register("code", "default_max_age", 1, "require_auth_time", true)
		b := s.Browser()
		_, first := p.logIn(b)
		s.Clock.Advance(3 * time.Second)
		if _, second := p.logIn(b); second["auth_time"].(float64) <= first["auth_time"].(float64) {
			t.Errorf("%v, then %v", first, second)
		}
	})
}

// What the suite's browser looks for on the pages of a log-out, in both languages, and that a
// log-out holds.
func TestLogoutOP(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	p := s.register("code")
	titles := map[string][3]string{"en": {"Log out?", "You are logged out", "Cannot log you out"}, "ko": {"로그아웃", "로그아웃", "로그아웃"}}
	title := func(a providertest.Answer) string {
		document, err := html.Parse(strings.NewReader(a.Body))
		if err != nil {
			t.Fatal(err)
		}
		for node := range document.Descendants() {
			if node.Data == "title" && node.FirstChild != nil {
				return node.FirstChild.Data
			}
		}
		return ""
	}
	for language, want := range titles {
		t.Run("no parameters, "+language, func(t *testing.T) {
			b := s.Browser()
			p.logIn(b)
			at, err := url.Parse(s.Issuer + "/oauth2/logout?ui_locales=" + language)
			if err != nil {
				t.Fatal(err)
			}
			page := b.Get(at.String())
			if !strings.Contains(page.Body, want[0]) || !strings.Contains(title(page), want[0][:7]) {
				t.Errorf("the question: %q %s", title(page), page.Body)
			}
			page = click(b, at, page, "logout")
			if page.Status != 200 || page.Location != nil || !strings.Contains(page.Body, want[1]) || !strings.Contains(title(page), want[1]) {
				t.Errorf("the end: %d %q %s", page.Status, title(page), page.Body)
			}
			if a := b.AuthorizeForm(p.request("prompt", "none")); a.Parameter("error") != "login_required" {
				t.Errorf("afterwards: %v", a.Location)
			}
			page = b.Get("/oauth2/logout?id_token_hint=x.y.z&ui_locales=" + language)
			if page.Status != 400 || page.Location != nil || !strings.Contains(page.Body, want[2]) {
				t.Errorf("a bad hint: %d %s", page.Status, page.Body)
			}
		})
	}
	t.Run("oidcc-rp-initiated-logout, with the hint and the address of a client that registered itself", func(t *testing.T) {
		b := s.Browser()
		got, _ := p.logIn(b)
		bye := url.Values{
			"id_token_hint": {got.ID}, "post_logout_redirect_uri": {"https://suite.example/bye"}, "state": {strings.Repeat("s", 128)},
		}
		if a := visit(b, "/oauth2/logout?"+bye.Encode()); a.Location == nil || a.Location.Host != "suite.example" ||
			a.Parameter("state") != strings.Repeat("s", 128) || len(a.Location.Query()) != 1 {
			t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
		}
		if a := b.AuthorizeForm(p.request("prompt", "none")); a.Parameter("error") != "login_required" {
			t.Errorf("afterwards: %v", a.Location)
		}
	})
	t.Run("session_state comes with every answer, an error too", func(t *testing.T) {
		b := s.Browser()
		if a := b.AuthorizeForm(p.request("prompt", "none")); a.Parameter("session_state") == "" || a.Parameter("error") == "" {
			t.Errorf("%v", a.Location)
		}
		if a := p.authorize(b, p.request()); !strings.Contains(a.Parameter("session_state"), ".") ||
			strings.Contains(a.Parameter("session_state"), " ") {
			t.Errorf("%v", a.Location)
		}
	})
}
