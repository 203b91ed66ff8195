package logout_test

import (
	"html"
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// An ID token of the attacker's own account is easily had.
func TestALogOutOfAStrangersClientAsksBeforeItRedirects(t *testing.T) {
	t.Parallel()
	r := providertest.NewRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	made := r.Register("", `"post_logout_redirect_uris":["https://evil.example/bye"],"frontchannel_logout_uri":"https://app.example/frame"`)
	attacker := r.Browser().LogIn(r.User)
	if err := r.Store.Consents.DecideConsent(t.Context(), r.User.ID, made.ID, []string{"openid"}, nil); err != nil {
		t.Fatal(err)
	}
	code := attacker.Code("client_id", made.ID, "scope", "openid")
	got := r.Tokens(r.TokenWith(made.ID, made.Secret, providertest.CodeGrant(code)))
	bye := "/oauth2/logout?" + url.Values{
		"id_token_hint": {got.ID}, "post_logout_redirect_uri": {"https://evil.example/bye"}, "state": {"s"},
	}.Encode()
	a := r.Browser().Get(bye)
	body := html.UnescapeString(a.Body)
	if a.Location != nil || strings.Contains(body, "http-equiv") || strings.Contains(body, "<script") || strings.Contains(body, "<iframe") {
		t.Errorf("a browser without a session was sent on: %d %v %s", a.Status, a.Location, a.Body)
	}
	if !strings.Contains(body, "<strong>evil.example</strong>") || !strings.Contains(body, `href="https://evil.example/bye?state=s"`) {
		t.Errorf("the page does not name where the link leads: %s", a.Body)
	}
	// Nor is a browser sent on that brings no token: with nobody logged in there is a link, with
	// somebody the question.
	bare := "/oauth2/logout?" + url.Values{"client_id": {made.ID}, "post_logout_redirect_uri": {"https://evil.example/bye"}}.Encode()
	if a := r.Browser().Get(bare); a.Location != nil || a.Status != 200 || strings.Contains(a.Body, "<script") ||
		!strings.Contains(a.Body, `href="https://evil.example/bye"`) {
		t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
	}
	asked := r.Browser().LogIn(r.User)
	a = asked.Get(bare)
	if a.Location != nil || !strings.Contains(a.Body, `id="logout"`) {
		t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
	}
	if a = asked.Post("/oauth2/logout", providertest.HiddenFields(a.Body)); a.Location == nil ||
		a.Location.String() != "https://evil.example/bye" {
		t.Errorf("who agreed is not led on: %d %v %s", a.Status, a.Location, a.Body)
	}
	// The person whose token it is goes on at once.
	person := r.Browser().LogIn(r.User)
	code = person.Code("client_id", made.ID, "scope", "openid")
	got = r.Tokens(r.TokenWith(made.ID, made.Secret, providertest.CodeGrant(code)))
	bye = "/oauth2/logout?" + url.Values{"id_token_hint": {got.ID}, "post_logout_redirect_uri": {"https://evil.example/bye"}}.Encode()
	if a := person.Get(bye); !strings.Contains(a.Body, "5; url=https://evil.example/bye") { // after the frame
		t.Errorf("%d %v %v", a.Status, a.Location, a.Header)
	}
}
