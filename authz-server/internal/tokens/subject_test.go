package tokens_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

func TestPairwiseSubjectsCannotBeLinked(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	for id, redirect := range map[string]string{"one": "https://one.example/cb", "two": "https://two.example/cb"} {
		f.AddClient(id, func(c *client.Client) {
			c.SubjectType, c.RedirectURIs = "pairwise", []string{redirect}
		})
	}
	b := f.Browser().LogIn(f.User)
	subjects := map[string]bool{f.User.ID: true}
	for id, redirect := range map[string]string{"one": "https://one.example/cb", "two": "https://two.example/cb"} {
		code := b.Code("client_id", id, "redirect_uri", redirect)
		got := f.Tokens(f.Token(id, url.Values{
			"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {providertest.Verifier},
		}))
		_, token := providertest.Decode(t, got.ID)
		subject := token["sub"].(string)
		if subjects[subject] {
			t.Errorf("%s: the subject %s is known elsewhere", id, subject)
		}
		subjects[subject] = true
		if f.Userinfo(got.Access).JSON(t)["sub"] != subject {
			t.Error("userinfo tells another subject")
		}
		for _, one := range []string{got.Access, got.Refresh, got.ID} {
			if _, claims := providertest.Decode(t, one); claims["sub"] != subject {
				t.Errorf("a token tells the subject %v", claims["sub"])
			}
		}
		if a := b.Authorize("client_id", id, "redirect_uri", redirect, "prompt", "none", "id_token_hint", got.ID); a.Parameter("code") == "" {
			t.Errorf("the hint is not understood: %v", a.Location)
		}
		if a := b.Get("/oauth2/logout?" + url.Values{"id_token_hint": {got.ID}}.Encode()); !strings.Contains(a.Body, "You are logged out") {
			t.Errorf("log-out by the hint: %d %s", a.Status, a.Body)
		}
		b.LogIn(f.User)
	}
}
