package interop

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/testenv"
)

// TestOAuth2Proxy is for an explicit wish: the proxy is pinned in deploy/tools as a Go tool, and
// its first compilation takes minutes, which CI does not spend. `make interop` asks for it.
func TestOAuth2Proxy(t *testing.T) {
	t.Parallel()
	if wanted, err := strconv.ParseBool(os.Getenv("INTEROP_OAUTH2_PROXY")); err != nil || !wanted {
		t.Skip("set INTEROP_OAUTH2_PROXY=true to compile oauth2-proxy, which takes some minutes the first time")
	}
	proxy, err := stack.Tool(t.Context(), root, "oauth2-proxy")
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Seen-Token", r.Header.Get("X-Forwarded-Access-Token"))
		fmt.Fprintf(w, "the upstream page for %s", r.Header.Get("X-Forwarded-Email"))
	}))
	t.Cleanup(upstream.Close)

	m := start(t)
	port, s := testenv.FreePort(t), secret()
	origin := "http://127.0.0.1:" + port
	m.register(metadata{
		"client_id": "proxy", "client_name": "Behind the proxy", "client_secret": s,
		"redirect_uris":             []string{origin + "/oauth2/callback"},
		"post_logout_redirect_uris": []string{origin + "/"}, "token_endpoint_auth_method": "client_secret_basic",
		"grant_types": []string{"authorization_code", "refresh_token"}, "scope": "openid profile email offline_access",
	})
	cmd := exec.Command(proxy,
		"--config="+filepath.Join("oauth2-proxy", "oauth2-proxy.cfg"), // the recipe; what follows goes before it
		"--oidc-issuer-url="+m.issuer, "--client-secret="+s, "--redirect-url="+origin+"/oauth2/callback",
		"--http-address=127.0.0.1:"+port, "--upstream="+upstream.URL, "--cookie-secure=false",
		"--cookie-secret="+rand.Text()[:16], "--cookie-refresh=1s",
		"--insecure-oidc-allow-unverified-email", // nobody has confirmed the address of an account made by an operator
		"--whitelist-domain=localhost:*",
	)
	run(t, cmd, origin+"/ping")

	b := m.browser("")
	shown := b.visit(origin + "/")
	if want := "the upstream page for " + m.email; shown.Status != http.StatusOK || shown.Body != want || b.logins != 1 {
		t.Fatalf("after %d log-ins the browser is on %s: %d %q", b.logins, shown.URL, shown.Status, shown.Body)
	}

	// The proxy refreshes by itself as often as it was told to: here a second.
	token := shown.Header.Get("X-Seen-Token")
	if token == "" {
		t.Fatal("the upstream got no access token")
	}
	testenv.Eventually(t, "the proxy refreshes", func() bool {
		shown = b.visit(origin + "/")
		got := shown.Header.Get("X-Seen-Token")
		return shown.Status == http.StatusOK && got != "" && got != token
	})
	if b.logins != 1 {
		t.Errorf("%d log-ins, want 1", b.logins)
	}

	// Its log-out ends its own session alone; the issuer still knows the person, and asks for
	// nothing.
	b.visit(origin + "/oauth2/sign_out")
	if b.logins != 1 {
		t.Errorf("after the proxy's log-out %d log-ins, want 1", b.logins)
	}
	// With the way on to the issuer's log-out the person is asked there, and has to log in again.
	b.visit(m.issuer + "/oauth2/logout")
	b.visit(origin + "/oauth2/sign_out")
	if shown = b.visit(origin + "/"); b.logins != 2 || shown.Status != http.StatusOK {
		t.Errorf("after the issuer's log-out %d log-ins, want 2; the browser is on %s (%d)", b.logins, shown.URL, shown.Status)
	}
}
