package interop

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/testenv"
)

// apache finds the web server and its modules where Debian has them. They are not among what CI
// installs (.ci/run), so that their absence skips the test there too.
func apache(t *testing.T) (program, modules string) {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin") { // which is not on everybody's PATH
		for _, name := range []string{"apache2", "httpd"} {
			path, err := exec.LookPath(filepath.Join(dir, name))
			if err != nil {
				continue
			}
			for _, modules := range []string{"/usr/lib/apache2/modules", "/usr/lib64/httpd/modules"} {
				if _, err := os.Stat(filepath.Join(modules, "mod_auth_openidc.so")); err == nil {
					return path, modules
				}
			}
		}
	}
	t.Skip("no Apache with mod_auth_openidc: on Debian, install apache2-bin and libapache2-mod-auth-openidc")
	return "", ""
}

func TestApacheModAuthOpenIDC(t *testing.T) {
	t.Parallel()
	httpd, modules := apache(t)
	m := start(t, "AUTHZ_INSECURE_OUTGOING_LOOPBACK=true") // for the back channel
	port := testenv.FreePort(t)
	origin := "http://127.0.0.1:" + port
	s := secret()
	m.register(metadata{
		"client_id": "apache", "client_name": "Behind Apache", "client_secret": s,
		"redirect_uris":             []string{origin + "/secure/callback"},
		"post_logout_redirect_uris": []string{origin + "/open/"}, "token_endpoint_auth_method": "client_secret_basic",
		"grant_types": []string{"authorization_code", "refresh_token"}, "scope": "openid profile email offline_access",
		"backchannel_logout_uri": origin + "/secure/callback?logout=backchannel", "backchannel_logout_session_required": true,
	})

	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // Apache started by root reads it as somebody else
		t.Fatal(err)
	}
	for _, folder := range []string{"open", "secure"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, folder, "index.html"), []byte("the "+folder+" page"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var config strings.Builder
	for _, module := range []string{"mpm_event", "authn_core", "authz_core", "authz_user", "dir", "headers", "auth_openidc"} {
		fmt.Fprintf(&config, "LoadModule %s_module %s/mod_%s.so\n", module, modules, module)
	}
	fmt.Fprintf(&config, `
ServerName 127.0.0.1
Listen 127.0.0.1:%[1]s
PidFile %[2]s/httpd.pid
Mutex file:%[2]s default
ErrorLog /dev/stderr
DocumentRoot %[2]s
DirectoryIndex index.html

OIDCProviderMetadataURL %[3]s/.well-known/openid-configuration
OIDCClientID apache
OIDCClientSecret "%[4]s"
OIDCProviderTokenEndpointAuth client_secret_basic
OIDCRedirectURI %[5]s/secure/callback
OIDCCryptoPassphrase %[6]s
OIDCScope "openid profile email offline_access"
OIDCPKCEMethod S256
OIDCRemoteUserClaim email

<Location /secure>
  AuthType openid-connect
  Require valid-user
  Header set X-User "expr=%%{REMOTE_USER}"
  Header set X-Subject "%%{OIDC_CLAIM_sub}e"
</Location>
`, port, dir, m.issuer, s, origin, secret()[:20])
	if os.Getuid() == 0 {
		config.WriteString("User nobody\nGroup nogroup\n")
	}
	file := filepath.Join(dir, "httpd.conf")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, exec.Command(httpd, "-d", dir, "-f", file, "-DFOREGROUND"), origin+"/open/")

	b := m.browser("")
	shown := b.visit(origin + "/secure/")
	if shown.Status != http.StatusOK || shown.Body != "the secure page" ||
		shown.Header.Get("X-User") != m.email || shown.Header.Get("X-Subject") == "" || b.logins != 1 {
		t.Fatalf("after %d log-ins the browser is on %s: %d %q %v", b.logins, shown.URL, shown.Status, shown.Body, shown.Header)
	}
	shown = b.visit(origin + "/secure/callback?logout=" + origin + "%2Fopen%2F")
	if shown.URL.String() != origin+"/open/" || shown.Body != "the open page" {
		t.Fatalf("logging out ended on %s: %d %s", shown.URL, shown.Status, shown.Body)
	}
	if shown = b.visit(origin + "/secure/"); b.logins != 2 || shown.Body != "the secure page" {
		t.Errorf("after the log-out, %d log-ins, and the browser is on %s", b.logins, shown.URL)
	}

	// Logging out at the issuer ends the session at Apache too, by the back channel.
	if shown = b.visit(m.issuer + "/oauth2/logout"); shown.Status != http.StatusOK {
		t.Fatalf("logging out at the issuer: %d %s", shown.Status, shown.Body)
	}
	testenv.Eventually(t, "Apache no longer knows the person", func() bool {
		shown = b.visit(origin + "/secure/")
		return b.logins > 2
	})
	if shown.Body != "the secure page" {
		t.Errorf("after the third log-in the browser is on %s (%d)", shown.URL, shown.Status)
	}
}
