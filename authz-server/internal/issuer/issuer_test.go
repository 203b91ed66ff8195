package issuer

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAddressesFollowTheIssuer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ id, url, path, cookie, cookiePath string }{
		{"https://id.example", "https://id.example/login", "/login", "__Host-c", "/"},
		{"https://id.example/", "https://id.example/login", "/login", "__Host-c", "/"},
		{"https://example.com/id", "https://example.com/id/login", "/id/login", "__Secure-c", "/id"},
		{"https://example.com/a/id-1.2/", "https://example.com/a/id-1.2/login", "/a/id-1.2/login", "__Secure-c", "/a/id-1.2"},
		{"http://localhost:9000/id", "http://localhost:9000/id/login", "/id/login", "c", "/id"},
		{"http://[::1]:9000", "http://[::1]:9000/login", "/login", "c", "/"},
	} {
		i, err := Parse(test.id)
		if err != nil {
			t.Errorf("%s: %v", test.id, err)
			continue
		}
		if i.String() != test.id || i.URL("/login") != test.url || i.Path("/login") != test.path || i.Cookie("c") != test.cookie ||
			i.CookiePath() != test.cookiePath {
			t.Errorf("%s: %q %q %q %q %q", test.id, i, i.URL("/login"), i.Path("/login"), i.Cookie("c"), i.CookiePath())
		}
	}
}

func TestAnIssuerHasOneSpelling(t *testing.T) {
	t.Parallel()
	for _, id := range []string{
		"", "id.example", "ftp://id.example", "https://", "https://ID.example", "HTTPS://id.example", "https://u@id.example",
		"https://id.example?x", "https://id.example/?",
		"https://id.example#", "https://id.example/a?b=c", "https://id.example//", "https://id.example//a", "https://id.example/a//",
		"https://id.example/./a", "https://id.example/a/..",
		"https://id.example/%69d", "https://id.example/a b", "https://id.example/가", "https://id.example/a;b", `https://id.example\a`,
		"https://id.example/.well-known/x", "https://id.example/...",
	} {
		if i, err := Parse(id); err == nil {
			t.Errorf("%s is taken: %+v", id, i)
		}
	}
}

func TestOnlyWhatIsBelowThePathIsServed(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"https://example.com/a/id", "https://example.com/a/id/"} {
		i, err := Parse(id)
		if err != nil {
			t.Fatal(err)
		}
		h := i.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Served", r.URL.EscapedPath())
		}), http.NotFoundHandler())
		for path, want := range map[string]string{
			"/a/id":                       "/",
			"/a/id/":                      "/",
			"/a/id/oauth2/token":          "/oauth2/token",
			"/a/id//evil.example":         "//evil.example",
			"/a/id/x%2Fy":                 "/x%2Fy",
			"/a/id/.well-known/jwks.json": "/.well-known/jwks.json",
			"/.well-known/oauth-authorization-server/a/id":   "/.well-known/oauth-authorization-server",
			"/a/id/.well-known/openid-configuration":         "/.well-known/openid-configuration",
			"/.well-known/openid-configuration/a/id":         "/.well-known/openid-configuration",
			"/.well-known/oauth-authorization-server/a/id/x": "",
			"/.well-known/oauth-protected-resource/a/id/x/y": "/.well-known/oauth-protected-resource/x/y",
			"/.well-known/oauth-protected-resource/a/idx":    "",
			"/.well-known/oauth-authorization-server":        "",
			"/.well-known/x/oauth-authorization-server/a/id": "",
			"/":             "",
			"/a":            "",
			"/a/idx":        "",
			"/a/i%64/login": "",
			"/oauth2/token": "",
			"/b/a/id":       "",
			"/login/a/id":   "",
			"/a%2Fid/login": "",
		} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			if got := w.Header().Get("Served"); got != want {
				t.Errorf("%s %s: %q, want %q", id, path, got, want)
			}
		}
	}
}
