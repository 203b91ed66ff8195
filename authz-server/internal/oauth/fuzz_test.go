package oauth_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// Whatever the parameters are, the answer is a page of ours or a redirect to a place that the client registered, and never a
// failure of the server.
func FuzzAuthorize(f *testing.F) {
	fix := one(f)
	key := newSigner(f, "k1")
	fix.addClient("signer", func(c *client.Client) { c.JWKS = key.set() })
	person := fix.browser().logIn(fix.user)
	origin, err := url.Parse(fix.issuer)
	if err != nil {
		f.Fatal(err)
	}
	cookies := person.Jar.Cookies(origin)
	for _, form := range []url.Values{
		parameters(), parameters("prompt", "none"), parameters("max_age", "0"), parameters("claims", `{"id_token":{"sub":{"value":"x"},"acr":{"values":[1,{}]}}}`),
		parameters("response_mode", "form_post.jwt"), parameters("resource", apiOrigin+"/board"), parameters("request", "a.b.c"), parameters("request_uri", "urn:ietf:params:oauth:request_uri:x"),
		parameters("client_id", "signer", "request", key.object(fix, parameters("client_id", "signer"))), parameters("id_token_hint", "e30.e30.e30"), parameters("ui_locales", "ko\x00", "login_hint", "\xff"),
	} {
		f.Add(form.Encode())
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/oauth2/authorize", nil)
		r.URL.RawQuery = query
		for _, cookie := range cookies {
			r.AddCookie(cookie)
		}
		w := httptest.NewRecorder()
		fix.server.Config.Handler.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%d: %s", w.Code, w.Body)
		}
		location := w.Header().Get("Location")
		if location != "" && !strings.HasPrefix(location, callback) && !strings.HasPrefix(location, "/") {
			t.Fatalf("redirected to %q", location)
		}
		if strings.HasPrefix(location, "//") || strings.ContainsAny(location, "\r\n") {
			t.Fatalf("redirected to %q", location)
		}
	})
}
