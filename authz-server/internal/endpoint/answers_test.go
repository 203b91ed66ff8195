package endpoint_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

// Whoever followed a wrong link has a way out: to the app, if somebody vouched for it, and to their
// account.
func TestEveryErrorPageHasAButton(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("homely", func(c *client.Client) { c.ClientURI = "https://app.example/home" })
	b := f.Browser()
	if a := b.Authorize("client_id", "homely", "redirect_uri", "https://evil.example/"); !strings.Contains(a.Body,
		`id="return" href="https://app.example/home"`) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	for _, path := range []string{
		"/oauth2/authorize", "/oauth2/authorize?client_id=nobody", "/oauth2/authorize?interaction=x", "/login?interaction=x", "/consent",
		"/oauth2/logout?id_token_hint=x", "/oauth2/authorize?posted=x",
	} {
		if a := b.Get(path); a.Status != http.StatusBadRequest || !strings.Contains(a.Body, `class="button plain full" href="/account"`) {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
}
