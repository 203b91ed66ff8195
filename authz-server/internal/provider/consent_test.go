package provider_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// asked sends a request that must lead to the consent page, and returns that page with the path of its form.
func (b *browser) asked(form url.Values) (path string, page answer) {
	b.f.t.Helper()
	a := b.authorize(form)
	if a.location == nil || a.location.Path != "/consent" {
		b.f.t.Fatalf("nobody is asked: %v %s", a.location, a.body)
	}
	return a.location.String(), b.get(a.location.String())
}

// allow posts the page's form with the words ticked, and follows it to the answer.
func (b *browser) allow(t *testing.T, path string, page answer, words ...string) answer {
	t.Helper()
	form := hiddenFields(page.body)
	form["scope"] = words
	form.Set(buttonName(t, page.body, "allow"))
	a := b.post(path, form)
	if a.location == nil || a.location.Path != "/oauth2/authorize" {
		t.Fatalf("%d %v %s", a.status, a.location, a.body)
	}
	return b.get(a.location.String())
}

// informed is what userinfo tells for the answer's code.
func (f *fixture) informed(a answer) string {
	f.t.Helper()
	got := f.tokens(f.token("third", secret, url.Values{"grant_type": {"authorization_code"}, "code": {a.parameter("code")}, "redirect_uri": {callback}, "code_verifier": {verifier}}))
	return f.userinfo(got.access).body
}

// The parameter claims is a way to ask for more, so it is asked about like a scope.
func TestClaimsThatNoScopeCoversNeedConsent(t *testing.T) {
	f := one(t)
	f.addClient("third", func(c *client.Client) { c.Trusted = false })
	if err := f.store.Users.SetClaims(t.Context(), f.user.ID, accounts.Claims{PhoneNumber: "+821012345678", Gender: "female", Nickname: "Nick"}); err != nil {
		t.Fatal(err)
	}
	b := f.browser().logIn(f.user)
	plain := parameters("client_id", "third", "scope", "openid")
	path, page := b.asked(plain)
	b.allow(t, path, page)

	phone := parameters("client_id", "third", "scope", "openid", "claims", `{"userinfo":{"phone_number":{"essential":true},"gender":null},"id_token":{"auth_time":null}}`)
	silent := parameters("client_id", "third", "scope", "openid", "claims", phone.Get("claims"), "prompt", "none")
	if a := b.authorize(silent); a.parameter("error") != "consent_required" {
		t.Fatalf("claims beyond the consent were granted silently: %v", a.location)
	}
	path, page = b.asked(phone)
	if !strings.Contains(page.body, "See your phone number") || !strings.Contains(page.body, "See your gender") {
		t.Errorf("the page does not name the claims: %s", page.body)
	}
	info := f.informed(b.allow(t, path, page, "claims:phone_number"))
	if !strings.Contains(info, "+821012345678") || strings.Contains(info, "gender") {
		t.Errorf("allowed the phone number alone, told %s", info)
	}
	if info := f.informed(b.authorize(silent)); !strings.Contains(info, "+821012345678") || strings.Contains(info, "gender") {
		t.Errorf("the second time: %s", info)
	}
	if info := f.informed(b.authorize(plain)); strings.Contains(info, "phone") {
		t.Errorf("not asked for: %s", info)
	}
	// What a scope covers that the person unticked is not told by the back door of the parameter claims.
	path, page = b.asked(parameters("client_id", "third", "scope", "openid email", "claims", `{"userinfo":{"email":null}}`))
	if info := f.informed(b.allow(t, path, page)); strings.Contains(info, "email") {
		t.Errorf("told %s", info)
	}
	// One whom the operator trusts needs no consent.
	if a := b.authorize(parameters("claims", phone.Get("claims"))); a.parameter("code") == "" {
		t.Errorf("%v", a.location)
	}
}

// An app sends the same request at every log-in. Who said no to a part of it is not asked each time.
func TestWhatWasDeclinedIsNotAskedAgainByItself(t *testing.T) {
	f := one(t)
	f.addClient("third", func(c *client.Client) { c.Trusted = false })
	b := f.browser().logIn(f.user)
	all := parameters("client_id", "third", "scope", "openid email user:read")
	path, page := b.asked(all)
	b.allow(t, path, page, "user:read")

	a := b.authorize(all)
	got := f.tokens(f.token("third", secret, url.Values{"grant_type": {"authorization_code"}, "code": {a.parameter("code")}, "redirect_uri": {callback}, "code_verifier": {verifier}}))
	if got.scope != "openid user:read" {
		t.Errorf("granted %q", got.scope)
	}
	// Something new is asked, and what was left out stays so unless it is ticked.
	path, page = b.asked(parameters("client_id", "third", "scope", "openid email board:read"))
	if !strings.Contains(page.body, `value="email">`) || !strings.Contains(page.body, `value="board:read" checked>`) {
		t.Errorf("%s", page.body)
	}
	b.allow(t, path, page, "board:read")
	// A request of which nothing would be granted is asked: an answer without any scope helps nobody.
	b.asked(parameters("client_id", "third", "scope", "email"))
	// The app may insist, and then the latest answer counts.
	path, page = b.asked(parameters("client_id", "third", "scope", "openid email user:read", "prompt", "consent"))
	b.allow(t, path, page, "email")
	if given, err := f.store.Consents.Consent(t.Context(), f.user.ID, "third"); err != nil || strings.Join(given.Scope, " ") != "board:read email openid" || strings.Join(given.Declined, " ") != "user:read" {
		t.Errorf("%+v %v", given, err)
	}
}

// What a person reads comes from the request as it was meant, not from what stands beside it in the address.
func TestPagesFollowAPushedRequest(t *testing.T) {
	f := one(t)
	f.addClient("third", func(c *client.Client) { c.Trusted = false })
	pushed := f.push(parameters("client_id", "third", "scope", "openid", "ui_locales", "ko", "login_hint", "minji@example.org", "display", "popup", "claims", `{"userinfo":{"phone_number":null}}`)).json(t)["request_uri"].(string)
	b := f.browser()
	a := b.authorize(url.Values{"client_id": {"third"}, "request_uri": {pushed}, "ui_locales": {"en"}, "login_hint": {"evil@example.org"}, "claims": {"{}"}})
	if a.location == nil || a.location.Path != "/login" {
		t.Fatalf("%d %v", a.status, a.location)
	}
	page := b.get(a.location.String())
	if page.status != http.StatusOK || !strings.Contains(page.body, `<html lang="ko">`) || !strings.Contains(page.body, "minji@example.org") || strings.Contains(page.body, "evil@example.org") ||
		page.header.Get("Cross-Origin-Opener-Policy") != "" {
		t.Errorf("%v %s", page.header, page.body)
	}
	b.logIn(f.user)
	page = b.get(strings.Replace(a.location.String(), "/login", "/consent", 1))
	if !strings.Contains(page.body, "전화번호 보기") {
		t.Errorf("%s", page.body)
	}
}
