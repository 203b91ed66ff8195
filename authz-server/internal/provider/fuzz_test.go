package provider_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// Whatever the parameters are, the answer is a page of ours or a redirect to a place that the client registered, and never a
// failure of the server. The fuzz target works on what reads them: the endpoint itself waits for the database most of the time.
func FuzzReadAuthorization(f *testing.F) {
	fix := one(f)
	for _, form := range unusualParameters(f, fix) {
		f.Add(form.Encode())
	}
	f.Fuzz(func(t *testing.T, query string) {
		form, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		redirectURI, status, err := fix.provider.Authorize.Explain(t.Context(), form)
		if status >= 500 {
			t.Fatalf("%d: %v", status, err)
		}
		if redirectURI != "" && redirectURI != callback || redirectURI == "" && err == nil {
			t.Fatalf("would redirect to %q, error %v", redirectURI, err)
		}
	})
}

func TestUnusualParametersNeverFailTheServerOrLeadAstray(t *testing.T) {
	fix := one(t)
	person := fix.browser().logIn(fix.user)
	origin, err := url.Parse(fix.issuer)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range unusualParameters(t, fix) {
		r := httptest.NewRequest("GET", "/oauth2/authorize", nil)
		r.URL.RawQuery = form.Encode()
		for _, cookie := range person.Jar.Cookies(origin) {
			r.AddCookie(cookie)
		}
		w := httptest.NewRecorder()
		fix.server.Config.Handler.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%v: %d: %s", form, w.Code, w.Body)
		}
		location := w.Header().Get("Location")
		if location != "" && !strings.HasPrefix(location, callback) && !strings.HasPrefix(location, "/") ||
			strings.HasPrefix(location, "//") || strings.ContainsAny(location, "\r\n") {
			t.Errorf("%v: redirected to %q", form, location)
		}
	}
}

func unusualParameters(t testing.TB, fix *fixture) []url.Values {
	t.Helper()
	key := newSigner(t, "k1")
	fix.addClient("signer", func(c *client.Client) { c.JWKS = key.set() })
	return []url.Values{
		parameters(), parameters("prompt", "none"), parameters("max_age", "0"),
		parameters("claims", `{"id_token":{"sub":{"value":"x"},"acr":{"values":[1,{}]}}}`),
		parameters("response_mode", "form_post.jwt"), parameters("resource", apiOrigin+"/board"),
		parameters("request", "a.b.c"), parameters("request_uri", "urn:ietf:params:oauth:request_uri:x"),
		parameters("client_id", "signer", "request", key.object(fix, parameters("client_id", "signer"))),
		parameters("id_token_hint", "e30.e30.e30"), parameters("ui_locales", "ko\x00", "login_hint", "\xff"),
		parameters("redirect_uri", "//evil.example"), parameters("redirect_uri", callback+"\r\nX: y"), parameters("client_id", "nobody"),
	}
}
