package authorize_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

// Whatever the parameters are, the answer is a page of ours or a redirect to a place that the
// client registered, and never a failure of the server. The fuzz target works on what reads them:
// the endpoint itself waits for the database most of the time.
func FuzzReadRequest(f *testing.F) {
	fix := providertest.One(f)
	for _, form := range unusualParameters(f, fix) {
		f.Add(form.Encode())
	}
	f.Fuzz(func(t *testing.T, query string) {
		form, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		redirectURI, status, err := fix.Provider.Authorize.Explain(t.Context(), form)
		if status >= 500 {
			t.Fatalf("%d: %v", status, err)
		}
		if redirectURI != "" && redirectURI != providertest.Callback || redirectURI == "" && err == nil {
			t.Fatalf("would redirect to %q, error %v", redirectURI, err)
		}
	})
}

func TestUnusualParametersNeverFailTheServerOrLeadAstray(t *testing.T) {
	t.Parallel()
	fix := providertest.One(t)
	person := fix.Browser().LogIn(fix.User)
	origin, err := url.Parse(fix.Issuer)
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
		fix.Server.Config.Handler.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%v: %d: %s", form, w.Code, w.Body)
		}
		location := w.Header().Get("Location")
		if location != "" && !strings.HasPrefix(location, providertest.Callback) && !strings.HasPrefix(location, "/") ||
			strings.HasPrefix(location, "//") || strings.ContainsAny(location, "\r\n") {
			t.Errorf("%v: redirected to %q", form, location)
		}
	}
}

func unusualParameters(t testing.TB, fix *providertest.Fixture) []url.Values {
	t.Helper()
	key := providertest.NewSigner(t, "k1")
	fix.AddClient("signer", func(c *client.Client) { c.JWKS = key.JWKS() })
	return []url.Values{
		providertest.Parameters(), providertest.Parameters("prompt", "none"), providertest.Parameters("max_age", "0"),
		providertest.Parameters("claims", `{"id_token":{"sub":{"value":"x"},"acr":{"values":[1,{}]}}}`),
		providertest.Parameters("response_mode", "form_post.jwt"), providertest.Parameters("resource", providertest.APIOrigin+"/board"),
		providertest.Parameters("request", "a.b.c"), providertest.Parameters("request_uri", "urn:ietf:params:oauth:request_uri:x"),
		providertest.Parameters("client_id", "signer", "request", key.RequestObject(fix, providertest.Parameters("client_id", "signer"))),
		providertest.Parameters("id_token_hint", "e30.e30.e30"), providertest.Parameters("ui_locales", "ko\x00", "login_hint", "\xff"),
		providertest.Parameters("redirect_uri", "//evil.example"),
		providertest.Parameters("redirect_uri", providertest.Callback+"\r\nX: y"), providertest.Parameters("client_id", "nobody"),
	}
}
