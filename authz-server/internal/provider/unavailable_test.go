package provider_test

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestWithoutItsDatabaseTheServerAsksToTryAgainAndItsKeysStayPublic(t *testing.T) {
	databaseURL := sqldbtest.SQLite(t)
	f := newFixture(t, databaseURL)
	f.addClient("service", func(c *client.Client) { c.GrantTypes = []string{client.ClientCredentials} })
	b := f.browser().logIn(f.user)
	got := f.tokens(f.exchange(b.code()))
	if err := os.Remove(strings.TrimPrefix(databaseURL, "sqlite:")); err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]answer{
		"token":      f.token("service", secret, url.Values{"grant_type": {"client_credentials"}}),
		"refresh":    f.refresh(got.refresh),
		"userinfo":   f.userinfo(got.access),
		"introspect": f.postForm("/oauth2/introspect", url.Values{"token": {got.access}, "client_id": {"app"}, "client_secret": {secret}}),
		"revoke":     f.postForm("/oauth2/revoke", url.Values{"token": {got.refresh}, "client_id": {"app"}, "client_secret": {secret}}),
	} {
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, `"temporarily_unavailable"`) {
			t.Errorf("%s: %d %v %s", name, a.status, a.header, a.body)
		}
	}
	for _, path := range []string{"/oauth2/authorize?client_id=app", "/account", "/device?user_code=BBBB-BBBB", "/oauth2/logout?client_id=app"} {
		a := b.get(path)
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "temporarily_unavailable") || !strings.Contains(a.body, "<html") {
			t.Errorf("%s: %d %v %.300s", path, a.status, a.header, a.body)
		}
	}
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/jwks.json"} {
		if a := b.get(path); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}
