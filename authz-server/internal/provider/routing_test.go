package provider_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestScriptsOfOtherOriginsMayCallWhatIsForThem(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	for path, open := range map[string]bool{
		"/.well-known/openid-configuration": true, "/.well-known/jwks.json": true, "/oauth2/token": true, "/oauth2/userinfo": true,
		"/oauth2/revoke": true, "/oauth2/device_authorization": true, "/oauth2/par": true, "/device": false,
		"/oauth2/authorize": false, "/oauth2/logout": false, "/oauth2/introspect": false, "/login": false, "/account": false,
	} {
		a := f.Do(f.Request("OPTIONS", path, nil, "Origin", "https://spa.example", "Access-Control-Request-Method", "POST",
			"Access-Control-Request-Headers", "authorization"))
		if got := a.Header.Get("Access-Control-Allow-Origin") == "*" && a.Status == http.StatusNoContent; got != open {
			t.Errorf("%s: %d %v", path, a.Status, a.Header)
		}
		if a.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s allows credentials", path)
		}
	}
}

func TestScriptsOfOtherOriginsReadErrorsToo(t *testing.T) {
	t.Parallel()
	f := providertest.NewRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	for _, path := range []string{
		"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json", "/oauth2/token",
		"/oauth2/par", "/oauth2/userinfo", "/oauth2/revoke",
		"/oauth2/device_authorization", "/oauth2/register", "/oauth2/register/x", "/oauth2/nothing", "/.well-known/nothing",
	} {
		preflight := f.Do(f.Request("OPTIONS", path, nil, "Origin", "https://spa.example",
			"Access-Control-Request-Method", "PATCH", "Access-Control-Request-Headers", "authorization,mcp-protocol-version,x-anything"))
		if preflight.Status != http.StatusNoContent || preflight.Header.Get("Access-Control-Allow-Origin") != "*" ||
			!strings.Contains(preflight.Header.Get("Access-Control-Allow-Methods"), "PATCH") ||
			!strings.HasSuffix(preflight.Header.Get("Access-Control-Allow-Headers"), ", authorization,mcp-protocol-version,x-anything") {
			t.Errorf("preflight of %s: %d %v", path, preflight.Status, preflight.Header)
		}
		refused := f.Do(f.Request("PATCH", path, nil, "Origin", "https://spa.example"))
		want := http.StatusMethodNotAllowed
		if strings.HasSuffix(path, "/nothing") {
			want = http.StatusNotFound
		}
		if refused.Status != want || refused.Header.Get("Access-Control-Allow-Origin") != "*" ||
			!strings.Contains(refused.Header.Get("Access-Control-Expose-Headers"), "Allow") || refused.JSON(t)["error"] == nil {
			t.Errorf("%s: %d %v %s", path, refused.Status, refused.Header, refused.Body)
		}
		if allow := refused.Header.Get("Allow"); want == http.StatusMethodNotAllowed && !strings.Contains(allow, "OPTIONS") ||
			strings.Contains(allow, "GET") != strings.Contains(allow, "HEAD") {
			t.Errorf("%s: Allow %q", path, allow)
		}
	}
	large := url.Values{"grant_type": {"client_credentials"}, "x": {strings.Repeat("x", 128<<10)}}
	for _, path := range []string{"/oauth2/token", "/oauth2/par", "/oauth2/revoke", "/oauth2/device_authorization"} {
		if a := f.Do(f.Request("POST", path, large)); a.Status != http.StatusRequestEntityTooLarge ||
			a.Header.Get("Access-Control-Allow-Origin") != "*" || a.JSON(t)["error"] != "invalid_request" {
			t.Errorf("too large for %s: %d %v %s", path, a.Status, a.Header, a.Body)
		}
	}
	// What is made to break out of the header is not repeated.
	breaking := f.Do(f.Request("OPTIONS", "/oauth2/token", nil,
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "a; b=<c>"))
	const allowed = "Authorization, Content-Type, DPoP, Idempotency-Key, If-Match, If-None-Match"
	if breaking.Header.Get("Access-Control-Allow-Headers") != allowed {
		t.Error(breaking.Header)
	}
}

func TestPagesNameTheirMethodsAndNoOtherOriginMayReadThem(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	for path, allow := range map[string]string{
		"/login": "GET, POST, HEAD, OPTIONS", "/account/profile": "GET, POST, HEAD, OPTIONS", "/device": "GET, POST, HEAD, OPTIONS",
		"/oauth2/check_session": "GET, HEAD, OPTIONS",
		"/oauth2/authorize":     "GET, POST, HEAD, OPTIONS", "/oauth2/logout": "GET, POST, HEAD, OPTIONS", "/oauth2/introspect": "POST, OPTIONS",
	} {
		for _, method := range []string{"DELETE", "OPTIONS"} {
			a := f.Do(f.Request(method, path, nil, "Origin", "https://spa.example", "Access-Control-Request-Method", "GET"))
			if a.Header.Get("Allow") != allow || a.Header.Get("Access-Control-Allow-Origin") != "" ||
				method == "DELETE" && a.Status != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d %v", method, path, a.Status, a.Header)
			}
		}
	}
	if a := f.Browser().Get("/nothing"); a.Status != http.StatusNotFound || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
		t.Errorf("a page that is not there: %d %v", a.Status, a.Header)
	}
	if a := f.PostForm("/oauth2/register", url.Values{"a": {"b"}}); a.Status != http.StatusNotFound ||
		!strings.Contains(a.JSON(t)["error_description"].(string), "operator") {
		t.Errorf("registration that is closed: %d %s", a.Status, a.Body)
	}
}

func TestHeadAnswersAsGetDoes(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	token := f.Tokens(f.Redeem(b.Code())).Access
	for _, path := range []string{
		"/.well-known/openid-configuration", "/.well-known/jwks.json", "/oauth2/userinfo", "/login", "/account", "/device",
		"/oauth2/check_session", "/oauth2/logout",
		"/oauth2/authorize?client_id=nobody", "/oauth2/authorize?" + providertest.Parameters().Encode(),
	} {
		var got [2]providertest.Answer
		for i, method := range []string{"GET", "HEAD"} {
			got[i] = b.Send(f.Request(method, path, nil, "Authorization", "Bearer "+token))
		}
		if got[0].Status != got[1].Status || got[0].Status == http.StatusMethodNotAllowed ||
			got[0].Header.Get("Content-Type") != got[1].Header.Get("Content-Type") || got[1].Location == nil && got[1].Body != "" {
			t.Errorf("%s: %d %v, %d %v", path, got[0].Status, got[0].Header, got[1].Status, got[1].Header)
		}
	}
}

func TestEveryFormOfIfNoneMatchCounts(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"} {
		etag := f.Browser().Get(path).Header.Get("ETag")
		for header, want := range map[string]int{
			etag: 304, "W/" + etag: 304, `"x", W/` + etag: 304, `W/"x" ,` + etag + `, "y"`: 304, "*": 304, `"x"`: 200,
			strings.Trim(etag, `"`): 200, "": 200,
		} {
			if a := f.Do(f.Request("GET", path, nil, "If-None-Match", header)); a.Status != want {
				t.Errorf("%s, If-None-Match: %s: %d, want %d", path, header, a.Status, want)
			}
		}
	}
}
