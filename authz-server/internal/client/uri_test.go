package client_test

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

func TestMatchRedirectURI(t *testing.T) {
	t.Parallel()
	c := client.Client{RedirectURIs: []string{
		"https://app.example/callback",
		"https://app.example/with?a=1&b=2",
		"http://127.0.0.1/callback",
		"http://127.0.0.1:8080/port",
		"http://[::1]/callback",
		"http://localhost:3000/callback",
		"http://localhost",
		"https://localhost:8443/secure",
		"com.example.app:/callback",
	}}
	for _, test := range []struct {
		uri  string
		want bool
	}{
		{"https://app.example/callback", true},
		{"https://app.example/with?a=1&b=2", true},
		{"com.example.app:/callback", true},
		// RFC 8252 §7.3: any port on loopback.
		{"http://127.0.0.1/callback", true},
		{"http://127.0.0.1:1/callback", true},
		{"http://127.0.0.1:65535/callback", true},
		{"http://127.0.0.1/port", true},
		{"http://127.0.0.1:9999/port", true},
		{"http://[::1]:5555/callback", true},
		{"http://localhost/callback", true},
		{"http://localhost:41234/callback", true},
		{"http://localhost:41234", true},

		{"", false},
		{"/callback", false},
		{"//app.example/callback", false},
		// scheme
		{"http://app.example/callback", false},
		{"HTTPS://app.example/callback", false},
		{"https://127.0.0.1/callback", false},
		{"https://localhost:3000/callback", false},
		{"http://localhost:8443/secure", false},
		{"https://localhost:9443/secure", false}, // any port is for http alone
		{"HTTP://127.0.0.1/callback", false},
		{"javascript://127.0.0.1/callback", false},
		// upper case
		{"https://APP.example/callback", false},
		{"https://app.example/Callback", false},
		{"http://LOCALHOST:3000/callback", false},
		// user name and password
		{"https://app.example@evil.example/callback", false},
		{"https://user:secret@app.example/callback", false},
		{"http://127.0.0.1@evil.example/callback", false},
		{"http://127.0.0.1:80@evil.example/callback", false},
		{"http://evil.example@127.0.0.1/callback", false},
		{"http://localhost:3000@evil.example/callback", false},
		{"http://[::1]@evil.example/callback", false},
		// subdomains and look-alikes
		{"https://evil.app.example/callback", false},
		{"https://app.example.evil.example/callback", false},
		{"https://app.examplf/callback", false},
		{"http://localhost.evil.example/callback", false},
		{"http://127.0.0.1.evil.example/callback", false},
		{"http://evil.localhost/callback", false},
		// traversal and encoding
		{"https://app.example/callback/../evil", false},
		{"https://app.example/callback/..", false},
		{"https://app.example/%63allback", false},
		{"https://app.example/callback%2f..%2fevil", false},
		{"http://127.0.0.1:80/callback/../evil", false},
		{"http://127.0.0.1:80/%63allback", false},
		{"http://127.0.0.1:80\\callback", false},
		{"http://127.0.0.1:80\\@evil.example/callback", false},
		{"http://127.0.0.1\\.evil.example/callback", false},
		{"http:/\\127.0.0.1/callback", false},
		{"http:\\\\127.0.0.1/callback", false},
		{"http:///127.0.0.1/callback", false},
		// ports
		{"https://app.example:443/callback", false},
		{"https://app.example:8443/callback", false},
		{"http://127.0.0.1:/callback", false},
		{"http://127.0.0.1:0/callback", false},
		{"http://127.0.0.1:65536/callback", false},
		{"http://127.0.0.1:080/callback", false},
		{"http://127.0.0.1:+80/callback", false},
		{"http://127.0.0.1:-80/callback", false},
		{"http://127.0.0.1:8_0/callback", false},
		{"http://127.0.0.1:80:80/callback", false},
		{"http://127.0.0.1:80a/callback", false},
		// trailing dot and slash, query and fragment added
		{"https://app.example./callback", false},
		{"https://app.example/callback/", false},
		{"https://app.example/callback?a=1", false},
		{"https://app.example/callback?", false},
		{"https://app.example/callback#", false},
		{"https://app.example/callback#evil", false},
		{"https://app.example/with?b=2&a=1", false},
		{"https://app.example/with?a=1", false},
		{"http://127.0.0.1./callback", false},
		{"http://localhost.:3000/callback", false},
		{"http://127.0.0.1:80/callback/", false},
		{"http://127.0.0.1:80/callback?code=evil", false},
		{"http://127.0.0.1:80/callback#evil", false},
		{"http://127.0.0.1:80?/callback", false},
		{"http://127.0.0.1:80#/callback", false},
		{"http://localhost:3000/", false},
		// other names of the same host
		{"http://127.0.0.2/callback", false},
		{"http://127.1/callback", false},
		{"http://2130706433/callback", false},
		{"http://0x7f000001/callback", false},
		{"http://0177.0.0.1/callback", false},
		{"http://127.000.000.001/callback", false},
		{"http://0.0.0.0/callback", false},
		{"http://[0:0:0:0:0:0:0:1]/callback", false},
		{"http://[::ffff:127.0.0.1]/callback", false},
		{"http://[::1%25lo]/callback", false},
		{"http://[::1]x/callback", false},
		{"http://[::1/callback", false},
		{"http://::1/callback", false},
		{"http://[::]/callback", false},
		{"http://[127.0.0.1]/callback", false},
		{"http://localhost:8080/port", false},
		// spaces and control characters
		{" https://app.example/callback", false},
		{"https://app.example/callback ", false},
		{"https://app.example/callback\n", false},
		{"https://app.example\t/callback", false},
		{"http://127.0.0.1\x00/callback", false},
		{"http://127.0.0.1:80\r\n/callback", false},
		{"http://127.0.0.1:８０/callback", false},
		// an app's scheme is compared as it is
		{"com.example.app://callback", false},
		{"com.example.app:/callback/", false},
		{"COM.example.app:/callback", false},
		{"https://app.example/callback" + strings.Repeat("x", 5000), false},
	} {
		if got := c.MatchRedirectURI(test.uri); got != test.want {
			t.Errorf("%q matches: %t", test.uri, got)
		}
	}
}

func TestMatchPostLogoutURIIsExact(t *testing.T) {
	t.Parallel()
	c := client.Client{
		PostLogoutRedirectURIs: []string{"https://app.example/bye", "http://localhost:3000/bye"},
		RedirectURIs:           []string{"https://app.example/callback"},
	}
	for uri, want := range map[string]bool{
		"https://app.example/bye":       true,
		"http://localhost:3000/bye":     true,
		"http://localhost:3001/bye":     false,
		"https://app.example/bye?a=1":   false,
		"https://app.example/bye/":      false,
		"https://app.example/callback":  false,
		"https://evil.example/bye":      false,
		"https://APP.example/bye":       false,
		"https://app.example/bye#frag":  false,
		"https://app.example/x/../bye":  false,
		"https://app.example@evil/bye":  false,
		"":                              false,
		"http://localhost:3000/bye?a=1": false,
	} {
		if got := c.MatchPostLogoutURI(uri); got != want {
			t.Errorf("%q matches: %t", uri, got)
		}
	}
}

func TestAppsRegisterSchemesOfTheirOwn(t *testing.T) {
	t.Parallel()
	check := func(method, kind string, uris ...string) error {
		c := client.Client{ID: "c", RedirectURIs: uris, PostLogoutRedirectURIs: uris, TokenEndpointAuthMethod: method, ApplicationType: kind}
		return c.Check(client.Policy{})
	}
	// As agents register them, beside https and loopback.
	for _, uri := range []string{
		"cursor://anysphere.cursor-mcp/oauth/callback", "vscode://vscode.github-authentication/did-authenticate?windowId=1",
		"vscode-insiders://a.b/c",
		"windsurf://callback", "raycast://oauth?package_name=Extension", "example+app://callback",
		"com.example.app:/callback", "com.example.app://callback",
	} {
		if err := check(client.AuthNone, "", uri, "https://www.cursor.com/agents/callback", "http://127.0.0.1/callback"); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
		if err := check("", "native", uri); err != nil {
			t.Errorf("%s of a native app with a secret: %v", uri, err)
		}
		if err := check("", "web", uri); err == nil || !strings.Contains(err.Error(), "public or native") {
			t.Errorf("%s of a web app with a secret: %v", uri, err)
		}
	}
	for _, uri := range []string{
		"javascript://app.example/%0aalert(1)", "vbscript://a/b", "data://text/html,x", "blob://app.example/x",
		"file://host/etc/passwd", "about://blank", "view-source://app.example/",
		"intent://scan/", "android-app://com.example/", "chrome-extension://abcdefgh/page", "moz-extension://a/b",
		"filesystem://a/b", "ms-settings://network", "ms-appx-web://a/b",
		"search-ms://a/b", "mailto://a/b", "tel://1", "sms://1", "ftp://a/b", "ws://a/b", "wss://a/b", "ldap://a/b",
		"smb://a/b", "urn:ietf:wg:oauth:2.0:oob", "c://windows/x", "web+app://a/b",
		"cursor:/callback", "cursor:callback", "cursor:///callback", "cursor://", "cursor://user@host/callback",
		"cursor://a/../b", "cursor://a/%2e%2e/b", "cursor://a/#x", "Cursor://a/b", "cur_sor://a/b", "cursor://a b/c",
	} {
		if err := check(client.AuthNone, "native", uri); err == nil {
			t.Errorf("%s is taken", uri)
		}
	}
}

// What matches is the registered string, or goes to this machine by the same host and path:
// whatever net/url reads in it.
func FuzzMatchRedirectURI(f *testing.F) {
	for _, seed := range []string{
		"http://127.0.0.1:80/cb", "http://[::1]:1/cb", "http://localhost:2/cb?x", "http://a@127.0.0.1/cb", "https://app.example/cb",
	} {
		f.Add(seed, "http://127.0.0.1/cb")
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, uri, registered string) {
		c := client.Client{ID: "c", RedirectURIs: []string{registered}}
		if c.Check(client.Policy{}) != nil || !c.MatchRedirectURI(uri) || uri == registered {
			return
		}
		got, err := url.Parse(uri)
		if err != nil {
			t.Fatalf("%q matches %q and cannot be parsed: %v", uri, registered, err)
		}
		want, err := url.Parse(registered)
		if err != nil {
			t.Fatal(err)
		}
		addr, addrErr := netip.ParseAddr(got.Hostname())
		if got.Scheme != "http" || got.Hostname() != "localhost" && (addrErr != nil || !addr.IsLoopback()) {
			t.Fatalf("%q matches %q and leads off this machine", uri, registered)
		}
		got.Host, want.Host = got.Hostname(), want.Hostname()
		if got.User != nil || got.String() != want.String() {
			t.Fatalf("%q matches %q", uri, registered)
		}
	})
}

func FuzzMatchPostLogoutURI(f *testing.F) {
	f.Add("https://app.example/bye", "https://app.example/bye?x")
	f.Fuzz(func(t *testing.T, uri, registered string) {
		c := client.Client{PostLogoutRedirectURIs: []string{registered}}
		if c.MatchPostLogoutURI(uri) != (uri == registered) {
			t.Fatalf("%q, %q", uri, registered)
		}
	})
}

// Whatever Check lets through is safe to redirect to: as this reads it independently.
func FuzzCheckRedirectURI(f *testing.F) {
	for _, seed := range []string{
		"https://app.example/cb", "http://127.0.0.1:8080/cb", "com.example.app:/cb", "javascript:alert(1)", "https://a/%2e%2e/b",
		"https://[::1%25eth0]/", "data:text/html,x", "http://a.b@localhost/",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	known := strings.Fields("javascript vbscript data blob file about intent mailto ws wss ftp")
	f.Fuzz(func(t *testing.T, uri string, public bool) {
		c := client.Client{ID: "c", RedirectURIs: []string{uri}, PostLogoutRedirectURIs: []string{uri}}
		if public {
			c.TokenEndpointAuthMethod = client.AuthNone
		}
		if c.Check(client.Policy{}) != nil {
			return
		}
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatalf("%q passes and cannot be parsed: %v", uri, err)
		}
		if !u.IsAbs() || u.User != nil || u.Fragment != "" || strings.ContainsAny(uri, "#*\\ \r\n\t") || u.Opaque != "" {
			t.Fatalf("%q passes", uri)
		}
		switch {
		case u.Scheme == "https" && u.Host != "":
		case u.Scheme == "http" && (u.Hostname() == "localhost" || netip.MustParseAddr(u.Hostname()).IsLoopback()):
		case public && strings.Contains(u.Scheme, "."):
		case public && u.Host != "" && !slices.Contains(known, u.Scheme):
		default:
			t.Fatalf("%q passes", uri)
		}
		for _, segment := range strings.Split(u.Path, "/") {
			if segment == ".." || segment == "." {
				t.Fatalf("%q passes", uri)
			}
		}
		if !slices.Contains(c.RedirectURIs, uri) || !c.MatchRedirectURI(uri) || !c.MatchPostLogoutURI(uri) {
			t.Fatalf("%q does not match itself", uri)
		}
	})
}

func TestOnlyAddressesThatOpenAnAppAreLinks(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]bool{
		"https://app.example/cb": true, "http://127.0.0.1/cb": true, "com.example.app:/cb": true,
		"cursor://anysphere.cursor-mcp/oauth/callback": true,
		"javascript:alert(1)":                          false, "data:text/html,x": false, "vbscript:x": false, "java\tscript:x": false,
		"blob:x": false, "": false, "/here": false, "x:1": false,
	} {
		if got := client.Linkable(uri); got != want {
			t.Errorf("%q: %v", uri, got)
		}
	}
}
