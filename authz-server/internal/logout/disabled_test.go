package logout_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

// What a client kept that was disabled or removed, because it harmed people, ends no session of theirs
// from elsewhere.
func TestTheIDTokenOfAClientThatIsGoneLogsNobodyOut(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		f.AddClient("bad", func(c *client.Client) { c.Name = "Bad" })
		b := f.Browser().LogIn(f.User)
		hint := f.Tokens(f.Token("bad", providertest.CodeGrant(b.Code("client_id", "bad")))).ID
		loggedIn := func(when string) {
			t.Helper()
			if a := b.Authorize("prompt", "none"); a.Parameter("code") == "" {
				t.Fatalf("%s, the person is logged out: %v", when, a.Location)
			}
		}
		if err := f.Store.DisableClient(t.Context(), "bad"); err != nil {
			t.Fatal(err)
		}
		for _, form := range []url.Values{{"id_token_hint": {hint}}, {"id_token_hint": {hint}, "client_id": {"bad"}}} {
			if a := f.PostForm("/oauth2/logout", form); a.Status != http.StatusOK {
				t.Errorf("%d %s", a.Status, a.Body)
			}
			loggedIn("after a hint of a disabled client")
		}
		if _, err := f.Store.DeleteClient(t.Context(), "bad"); err != nil {
			t.Fatal(err)
		}
		f.PostForm("/oauth2/logout", url.Values{"id_token_hint": {hint}})
		loggedIn("after a hint of a removed client")
		// Its person gets out with it, at the page that asks.
		path := "/oauth2/logout?" + url.Values{"id_token_hint": {hint}}.Encode()
		if a := b.Post("/oauth2/logout", providertest.HiddenFields(b.Get(path).Body)); a.Status != http.StatusOK {
			t.Errorf("%d %s", a.Status, a.Body)
		}
		if a := b.Authorize("prompt", "none"); a.Parameter("error") != "login_required" {
			t.Errorf("%v", a.Location)
		}
	})
}
