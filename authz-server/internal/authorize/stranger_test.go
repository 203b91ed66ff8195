package authorize_test

import (
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// Any page can send its visitors here and get them back without a click. An app that they allowed
// nothing learns neither whether they are a certain person, whose id the board shows beside every
// post, nor when or by what they logged in.
func TestAnAppThatNobodyAllowedAnythingLearnsNotWhoIsLoggedIn(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("third", func(c *client.Client) { c.Trusted = false })
	other, err := f.Store.Users.CreateUser(t.Context(), accounts.User{Email: "other@example.com", Name: "Other", PasswordHash: "x"})
	if err != nil {
		t.Fatal(err)
	}
	person := f.Browser().LogIn(f.User)
	hint := f.Tokens(f.Redeem(person.Code())).ID
	f.Clock.Advance(time.Minute)
	sub := func(id string) string { return `{"id_token":{"sub":{"value":"` + id + `"}}}` }
	const essential = `{"id_token":{"acr":{"essential":true,"value":"phr"}}}`
	answers := map[string][]string{}
	for _, asked := range [][]string{
		{}, {"claims", sub(f.User.ID)}, {"claims", sub(other.ID)}, {"id_token_hint", hint}, {"claims", essential},
		{"max_age", "1"}, {"max_age", "3600"},
	} {
		for _, b := range []*providertest.Browser{person, f.Browser().LogIn(other)} {
			a := b.Authorize(append([]string{"client_id", "third", "scope", "openid", "prompt", "none"}, asked...)...)
			answer := a.Parameter("error") + ": " + a.Parameter("error_description")
			answers[answer] = append(answers[answer], append(asked, "")[0])
		}
	}
	if len(answers) != 1 {
		t.Errorf("the answers differ: %q", answers)
	}
	// One that they allowed something knows them, and is told if it is somebody else by now.
	if err := f.Store.Consents.GrantConsent(t.Context(), f.User.ID, "third", []string{"openid"}); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{f.User.ID: "", other.ID: "login_required"} {
		if a := person.Authorize("client_id", "third", "scope", "openid", "prompt", "none", "claims", sub(id)); a.Parameter("error") != want {
			t.Errorf("%v, not %q", a.Location, want)
		}
	}
}
