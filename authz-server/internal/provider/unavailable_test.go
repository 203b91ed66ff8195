package provider_test

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestWithoutItsDatabaseTheServerAsksToTryAgainAndItsKeysStayPublic(t *testing.T) {
	t.Parallel()
	databaseURL := sqldbtest.SQLite(t)
	f := providertest.New(t, databaseURL)
	f.AddClient("service", func(c *client.Client) { c.GrantTypes = []string{client.ClientCredentials} })
	b := f.Browser().LogIn(f.User)
	got := f.Tokens(f.Redeem(b.Code()))
	if err := os.Remove(strings.TrimPrefix(databaseURL, "sqlite:")); err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]providertest.Answer{
		"token":    f.Token("service", url.Values{"grant_type": {"client_credentials"}}),
		"refresh":  f.Refresh(got.Refresh),
		"userinfo": f.Userinfo(got.Access),
		"introspect": f.PostForm("/oauth2/introspect", url.Values{
			"token": {got.Access}, "client_id": {"app"}, "client_secret": {providertest.Secret},
		}),
		"revoke": f.PostForm("/oauth2/revoke", url.Values{"token": {got.Refresh}, "client_id": {"app"}, "client_secret": {providertest.Secret}}),
	} {
		if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" ||
			!strings.Contains(a.Body, `"temporarily_unavailable"`) {
			t.Errorf("%s: %d %v %s", name, a.Status, a.Header, a.Body)
		}
	}
	for _, path := range []string{
		"/oauth2/authorize?client_id=app", "/account", "/device?user_code=BBBB-BBBB", "/oauth2/logout?client_id=app",
	} {
		a := b.Get(path)
		if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" ||
			!strings.Contains(a.Body, "temporarily_unavailable") || !strings.Contains(a.Body, "<html") {
			t.Errorf("%s: %d %v %.300s", path, a.Status, a.Header, a.Body)
		}
	}
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/jwks.json"} {
		if a := b.Get(path); a.Status != http.StatusOK {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
}
