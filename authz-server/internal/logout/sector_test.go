package logout_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// A stranger registers a client with the redirect URI of another app, for the name by which that app
// knows people. Codes go to the app, which drops them; the name must not come with a log-out.
func TestALogOutTellsNobodyTheSubjectOfAnothersSector(t *testing.T) {
	t.Parallel()
	r := providertest.NewRegistrarWith(t, sqldbtest.SQLite(t), func(cfg *provider.Config, clients *directory.Config) {
		cfg.Registration = registration.Open
		clients.Policy = client.Policy{Scopes: []string{"openid"}, DefaultScope: "openid", InsecureLoopback: true}
	})
	r.AddClient("victim", func(c *client.Client) { c.SubjectType = client.SubjectPairwise })
	b := r.Browser().LogIn(r.User)
	_, id := providertest.Decode(t, r.Tokens(r.Token("victim", providertest.CodeGrant(b.Code("client_id", "victim")))).ID)
	evil := newReceiver(t)
	const pairwise = `"subject_type":"pairwise","backchannel_logout_uri":"`
	if a := r.Apply("", pairwise+evil.URL+`/out"`); a.Status == http.StatusCreated {
		path, page := b.Asked(providertest.Parameters("client_id", r.Read(a, http.StatusCreated).ID, "scope", "openid"))
		b.Allow(t, path, page, "openid")
		b.Post("/oauth2/logout", url.Values{})
		deliver(r.Fixture)
		for _, token := range evil.tokens() {
			if _, claims := providertest.Decode(t, token); claims["sub"] == id["sub"] {
				t.Errorf("a stranger is told by which subject another app knows the person: %v", claims)
			}
		}
	}
	for _, uri := range []string{evil.URL + "/out", "https://app.example.evil.example/out", "https://evil.example/app.example"} {
		r.WantRefused(uri, r.Apply("", pairwise+uri+`"`), http.StatusBadRequest, client.InvalidMetadata, "backchannel_logout_uri")
	}
	r.Register("", pairwise+`https://app.example:8443/out"`)
	r.Register("", `"backchannel_logout_uri":"https://logout.example/out"`)
}
