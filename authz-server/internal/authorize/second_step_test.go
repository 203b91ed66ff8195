package authorize_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// insists asks for a second step, without which there is no answer.
var insists = []string{"claims", `{"id_token":{"acr":{"essential":true,"values":["2"]}}}`}

// leads fails unless the answer leads to this path of the server, and returns path and query.
func leads(t *testing.T, a providertest.Answer, path string) string {
	t.Helper()
	if a.Status != http.StatusSeeOther || a.Location == nil || a.Location.Path != path {
		t.Fatalf("%d to %v, not to %s:\n%s", a.Status, a.Location, path, a.Body)
	}
	return a.Location.RequestURI()
}

// setUp sets up an app at the page, and returns its secret and the answer to its first code.
func setUp(t *testing.T, f *providertest.Fixture, b *providertest.Browser, page string) (secret string, a providertest.Answer) {
	t.Helper()
	path, _, _ := strings.Cut(page, "?")
	leads(t, b.Post(page, url.Values{}), path)
	key := regexp.MustCompile(`<code translate="no">([A-Z2-7 ]+)</code>`).FindStringSubmatch(b.Get(page).Body)
	if key == nil {
		t.Fatal("no key")
	}
	secret = strings.ReplaceAll(key[1], " ", "")
	return secret, b.Post(page, url.Values{"otp": {codeOf(t, f, secret)}})
}

func codeOf(t *testing.T, f *providertest.Fixture, secret string) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, f.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// wantProof fails unless the tokens of a code say how the person proved who they are.
func wantProof(t *testing.T, f *providertest.Fixture, code, acr, amr string) {
	t.Helper()
	tokens := f.Tokens(f.Redeem(code))
	for _, token := range []string{tokens.ID, tokens.Access} {
		if _, claims := providertest.Decode(t, token); claims["acr"] != acr || fmt.Sprint(claims["amr"]) != amr {
			t.Errorf("acr %v, amr %v", claims["acr"], claims["amr"])
		}
	}
}

// Somebody without a second step is not turned away by an app that insists on one: they set it up
// on the way, and arrive.
func TestASecondStepIsSetUpForAnAppThatInsistsOnIt(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	page := leads(t, b.Authorize(insists...), "/login/setup")
	if a := b.Get(page); a.Status != http.StatusOK || !strings.Contains(a.Body, `id="set-up"`) || strings.Contains(a.Body, "<svg") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	_, a := setUp(t, f, b, page)
	next := regexp.MustCompile(`id="done" href="([^"]+)"`).FindStringSubmatch(a.Body)
	if a.Status != http.StatusOK || next == nil {
		t.Fatal(a.Status, a.Body)
	}
	leads(t, b.Get(page), "/oauth2/authorize") // it is on
	wantProof(t, f, b.Get(next[1]).Parameter("code"), "2", "[pwd otp mfa]")

	if a := f.Browser().LogIn(f.User).Authorize(append(insists, "prompt", "none")...); a.Parameter("error") == "" {
		t.Error("prompt=none shows a page")
	}
}

// Whoever finds a session left open does not lock its person out by an app of their own.
func TestASecondStepIsSetUpAfterARecentProofAlone(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	f.Clock.Advance(11 * time.Minute)
	page := leads(t, b.Authorize(insists...), "/login/setup")
	leads(t, b.Get(page), "/login")
	leads(t, b.Post(page, url.Values{}), "/login")
	if _, err := f.Store.Factors.TOTP(t.Context(), f.User.ID); err == nil {
		t.Error("a key was made")
	}
	// Nobody is logged in, or no app asked:
	leads(t, f.Browser().Get("/login/setup"), "/login")
	leads(t, b.Get("/login/setup"), "/account")
}

// A right password alone is worth nothing at any endpoint, whatever is asked for.
func TestAPendingLoginGetsNoCode(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	user, err := f.Store.Users.CreateUser(t.Context(), accounts.User{Email: "mina@example.org", Name: "Mina",
		PasswordHash: passwords.Hash("four unrelated wooden words")})
	if err != nil {
		t.Fatal(err)
	}
	secret, a := setUp(t, f, f.Browser().LogIn(user), "/account/security/app")
	if a.Status != http.StatusOK {
		t.Fatal(a.Body)
	}
	b := f.Browser()
	login := leads(t, b.Authorize(), "/login")
	b.Get(login)
	verify := leads(t, b.Post(login, url.Values{"email": {"mina@example.org"}, "password": {"four unrelated wooden words"}}), "/login/verify")
	_, interaction, _ := strings.Cut(verify, "?")
	leads(t, b.Get("/oauth2/authorize?"+interaction), "/login")
	leads(t, b.Get("/consent?"+interaction), "/oauth2/authorize")
	for _, ask := range [][]string{nil, {"prompt", "login"}, {"acr_values", "1"}, {"max_age", "0"}, {"client_id", "other"}} {
		if len(ask) > 0 && ask[0] == "client_id" {
			f.AddClient("other", nil)
		}
		leads(t, b.Authorize(ask...), "/login")
	}
	if a := b.Authorize("prompt", "none"); a.Parameter("error") != "login_required" {
		t.Errorf("%v", a.Location)
	}
	f.Clock.Advance(30 * time.Second)
	next := leads(t, b.Post(verify, url.Values{"otp": {codeOf(t, f, secret)}}), "/oauth2/authorize")
	answer := b.Get(next)
	if answer.Parameter("code") == "" { // the app is new to this person
		path := leads(t, answer, "/consent")
		page := b.Get(path)
		answer = b.Get(b.Press(t, path, page, "allow", "profile", "email", "user:read", "board:read"))
	}
	wantProof(t, f, answer.Parameter("code"), "2", "[pwd otp mfa]")
}

// acr_values and a session that is weaker: the code raises it.
func TestAWeakSessionIsRaisedForAnApp(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	secret, a := setUp(t, f, f.Browser().LogIn(f.User), "/account/security/app")
	if a.Status != http.StatusOK {
		t.Fatal(a.Body)
	}
	b := f.Browser().LogIn(f.User) // as one that began before, or in a trusted browser
	wantProof(t, f, b.Code(), "1", "[pwd]")
	verify := leads(t, b.Authorize("acr_values", "2"), "/login/verify")
	if a := b.Post(verify, url.Values{"otp": {codeOf(t, f, secret)}}); a.Status != http.StatusUnprocessableEntity {
		t.Errorf("a code that was used: %d", a.Status)
	}
	f.Clock.Advance(30 * time.Second)
	next := leads(t, b.Post(verify, url.Values{"otp": {codeOf(t, f, secret)}}), "/oauth2/authorize")
	wantProof(t, f, b.Get(next).Parameter("code"), "2", "[pwd otp mfa]")
	wantProof(t, f, b.Code("acr_values", "2"), "2", "[pwd otp mfa]") // once for all apps
}
