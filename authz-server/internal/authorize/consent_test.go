package authorize_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// informed is what userinfo tells for the answer's code.
func informed(f *providertest.Fixture, a providertest.Answer) string {
	f.T.Helper()
	got := f.Tokens(f.Token("third", providertest.CodeGrant(a.Parameter("code"))))
	return f.Userinfo(got.Access).Body
}

// The parameter claims is a way to ask for more, so it is asked about like a scope.
func TestClaimsThatNoScopeCoversNeedConsent(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("third", func(c *client.Client) { c.Trusted = false })
	claims := accounts.Claims{PhoneNumber: "+821012345678", Gender: "female", Nickname: "Nick"}
	if err := f.Store.Users.SetClaims(t.Context(), f.User.ID, claims); err != nil {
		t.Fatal(err)
	}
	b := f.Browser().LogIn(f.User)
	plain := providertest.Parameters("client_id", "third", "scope", "openid")
	path, page := b.Asked(plain)
	b.Allow(t, path, page)

	phone := providertest.Parameters("client_id", "third", "scope", "openid", "claims",
		`{"userinfo":{"phone_number":{"essential":true},"gender":null},"id_token":{"auth_time":null}}`)
	silent := providertest.Parameters("client_id", "third", "scope", "openid", "claims", phone.Get("claims"), "prompt", "none")
	if a := b.AuthorizeForm(silent); a.Parameter("error") != "consent_required" {
		t.Fatalf("claims beyond the consent were granted silently: %v", a.Location)
	}
	path, page = b.Asked(phone)
	if !strings.Contains(page.Body, "See your phone number") || !strings.Contains(page.Body, "See your gender") {
		t.Errorf("the page does not name the claims: %s", page.Body)
	}
	info := informed(f, b.Allow(t, path, page, "claims:phone_number"))
	if !strings.Contains(info, "+821012345678") || strings.Contains(info, "gender") {
		t.Errorf("allowed the phone number alone, told %s", info)
	}
	if info := informed(f, b.AuthorizeForm(silent)); !strings.Contains(info, "+821012345678") || strings.Contains(info, "gender") {
		t.Errorf("the second time: %s", info)
	}
	if info := informed(f, b.AuthorizeForm(plain)); strings.Contains(info, "phone") {
		t.Errorf("not asked for: %s", info)
	}
	// What a scope covers that the person unticked is not told by the back door of the parameter
	// claims.
	path, page = b.Asked(providertest.Parameters("client_id", "third", "scope", "openid email", "claims", `{"userinfo":{"email":null}}`))
	if info := informed(f, b.Allow(t, path, page)); strings.Contains(info, "email") {
		t.Errorf("told %s", info)
	}
	// One whom the operator trusts needs no consent.
	if a := b.Authorize("claims", phone.Get("claims")); a.Parameter("code") == "" {
		t.Errorf("%v", a.Location)
	}
}

// An app sends the same request at every log-in. Who said no to a part of it is not asked each
// time.
func TestWhatWasDeclinedIsNotAskedAgainByItself(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("third", func(c *client.Client) { c.Trusted = false })
	b := f.Browser().LogIn(f.User)
	all := providertest.Parameters("client_id", "third", "scope", "openid email user:read")
	path, page := b.Asked(all)
	b.Allow(t, path, page, "user:read")

	a := b.AuthorizeForm(all)
	got := f.Tokens(f.Token("third", providertest.CodeGrant(a.Parameter("code"))))
	if got.Scope != "openid user:read" {
		t.Errorf("granted %q", got.Scope)
	}
	// Something new is asked, and what was left out stays so unless it is ticked.
	path, page = b.Asked(providertest.Parameters("client_id", "third", "scope", "openid email board:read"))
	if !strings.Contains(page.Body, `value="email">`) || !strings.Contains(page.Body, `value="board:read" checked>`) {
		t.Errorf("%s", page.Body)
	}
	b.Allow(t, path, page, "board:read")
	// A request of which nothing would be granted is asked: an answer without any scope helps
	// nobody.
	b.Asked(providertest.Parameters("client_id", "third", "scope", "email"))
	// The app may insist, and then the latest answer counts.
	path, page = b.Asked(providertest.Parameters("client_id", "third", "scope", "openid email user:read", "prompt", "consent"))
	b.Allow(t, path, page, "email")
	if given, err := f.Store.Consents.Consent(t.Context(), f.User.ID, "third"); err != nil ||
		strings.Join(given.Scope, " ") != "board:read email openid" || strings.Join(given.Declined, " ") != "user:read" {
		t.Errorf("%+v %v", given, err)
	}
}

// What a person reads comes from the request as it was meant, not from what stands beside it in the
// address.
func TestPagesFollowAPushedRequest(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("third", func(c *client.Client) { c.Trusted = false })
	pushed := f.Push("client_id", "third", "scope", "openid", "ui_locales", "ko", "login_hint", "minji@example.org", "display",
		"popup", "claims", `{"userinfo":{"phone_number":null}}`).JSON(t)["request_uri"].(string)
	b := f.Browser()
	a := b.AuthorizeForm(url.Values{
		"client_id": {"third"}, "request_uri": {pushed}, "ui_locales": {"en"}, "login_hint": {"evil@example.org"}, "claims": {"{}"},
	})
	if a.Location == nil || a.Location.Path != "/login" {
		t.Fatalf("%d %v", a.Status, a.Location)
	}
	page := b.Get(a.Location.String())
	if page.Status != http.StatusOK || !strings.Contains(page.Body, `<html lang="ko">`) ||
		!strings.Contains(page.Body, "minji@example.org") || strings.Contains(page.Body, "evil@example.org") ||
		page.Header.Get("Cross-Origin-Opener-Policy") != "" {
		t.Errorf("%v %s", page.Header, page.Body)
	}
	b.LogIn(f.User)
	page = b.Get(strings.Replace(a.Location.String(), "/login", "/consent", 1))
	if !strings.Contains(page.Body, "전화번호 보기") {
		t.Errorf("%s", page.Body)
	}
}

// An agent that nobody registered: its client_id is the address of what it says about itself.
func TestAClientOfADocumentAsksForConsent(t *testing.T) {
	t.Parallel()
	r := providertest.NewRegistrar(t, sqldbtest.SQLite(t), "")
	id := r.Site.URL + "/agent.json"
	r.Pages.Set("/agent.json", `{"client_id":"`+id+`","client_name":"Agent","redirect_uris":["https://app.example/cb?tenant=1"],
		"token_endpoint_auth_method":"none","scope":"openid","trusted":true}`)
	b := r.Browser().LogIn(r.User)
	a := b.Authorize("client_id", id, "scope", "openid")
	if a.Location == nil || !strings.HasPrefix(a.Location.Path, "/consent") {
		t.Fatalf("status %d, %v, %s", a.Status, a.Location, a.Body)
	}
	if a := b.Authorize("client_id", r.Site.URL+"/none.json", "scope", "openid"); a.Status < 400 || a.Location != nil {
		t.Errorf("one that is not there: status %d, %v", a.Status, a.Location)
	}
}
