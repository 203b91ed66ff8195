package provider_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestScriptsOfOtherOriginsReadErrorsToo(t *testing.T) {
	f := newRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	for _, path := range []string{
		"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json", "/oauth2/token", "/oauth2/par", "/oauth2/userinfo", "/oauth2/revoke",
		"/oauth2/device_authorization", "/oauth2/register", "/oauth2/register/x", "/oauth2/nothing", "/.well-known/nothing",
	} {
		preflight := f.do(f.server.Client(), f.request("OPTIONS", path, nil, "Origin", "https://spa.example",
			"Access-Control-Request-Method", "PATCH", "Access-Control-Request-Headers", "authorization,mcp-protocol-version,x-anything"))
		if preflight.status != http.StatusNoContent || preflight.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(preflight.header.Get("Access-Control-Allow-Methods"), "PATCH") ||
			!strings.HasSuffix(preflight.header.Get("Access-Control-Allow-Headers"), ", authorization,mcp-protocol-version,x-anything") {
			t.Errorf("preflight of %s: %d %v", path, preflight.status, preflight.header)
		}
		refused := f.do(f.server.Client(), f.request("PATCH", path, nil, "Origin", "https://spa.example"))
		want := http.StatusMethodNotAllowed
		if strings.HasSuffix(path, "/nothing") {
			want = http.StatusNotFound
		}
		if refused.status != want || refused.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(refused.header.Get("Access-Control-Expose-Headers"), "Allow") || refused.json(t)["error"] == nil {
			t.Errorf("%s: %d %v %s", path, refused.status, refused.header, refused.body)
		}
		if allow := refused.header.Get("Allow"); want == http.StatusMethodNotAllowed && !strings.Contains(allow, "OPTIONS") || strings.Contains(allow, "GET") != strings.Contains(allow, "HEAD") {
			t.Errorf("%s: Allow %q", path, allow)
		}
	}
	large := url.Values{"grant_type": {"client_credentials"}, "x": {strings.Repeat("x", 128<<10)}}
	for _, path := range []string{"/oauth2/token", "/oauth2/par", "/oauth2/revoke", "/oauth2/device_authorization"} {
		if a := f.do(f.server.Client(), f.request("POST", path, large)); a.status != http.StatusRequestEntityTooLarge || a.header.Get("Access-Control-Allow-Origin") != "*" || a.json(t)["error"] != "invalid_request" {
			t.Errorf("too large for %s: %d %v %s", path, a.status, a.header, a.body)
		}
	}
	// What is made to break out of the header is not repeated.
	if a := f.do(f.server.Client(), f.request("OPTIONS", "/oauth2/token", nil, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "a; b=<c>")); a.header.Get("Access-Control-Allow-Headers") != "Authorization, Content-Type, DPoP, Idempotency-Key, If-Match, If-None-Match" {
		t.Error(a.header)
	}
}

func TestPagesNameTheirMethodsAndNoOtherOriginMayReadThem(t *testing.T) {
	f := one(t)
	for path, allow := range map[string]string{
		"/login": "GET, POST, HEAD, OPTIONS", "/account/profile": "GET, POST, HEAD, OPTIONS", "/device": "GET, POST, HEAD, OPTIONS", "/oauth2/check_session": "GET, HEAD, OPTIONS",
		"/oauth2/authorize": "GET, POST, HEAD, OPTIONS", "/oauth2/logout": "GET, POST, HEAD, OPTIONS", "/oauth2/introspect": "POST, OPTIONS",
	} {
		for _, method := range []string{"DELETE", "OPTIONS"} {
			a := f.do(f.server.Client(), f.request(method, path, nil, "Origin", "https://spa.example", "Access-Control-Request-Method", "GET"))
			if a.header.Get("Allow") != allow || a.header.Get("Access-Control-Allow-Origin") != "" || method == "DELETE" && a.status != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d %v", method, path, a.status, a.header)
			}
		}
	}
	if a := f.browser().get("/nothing"); a.status != http.StatusNotFound || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		t.Errorf("a page that is not there: %d %v", a.status, a.header)
	}
	if a := f.postForm("/oauth2/register", url.Values{"a": {"b"}}); a.status != http.StatusNotFound || !strings.Contains(a.json(t)["error_description"].(string), "operator") {
		t.Errorf("registration that is closed: %d %s", a.status, a.body)
	}
}

func TestHeadAnswersAsGetDoes(t *testing.T) {
	f := one(t)
	b := f.browser().logIn(f.user)
	token := f.tokens(f.exchange(b.code())).access
	for _, path := range []string{
		"/.well-known/openid-configuration", "/.well-known/jwks.json", "/oauth2/userinfo", "/login", "/account", "/device", "/oauth2/check_session", "/oauth2/logout",
		"/oauth2/authorize?client_id=nobody", "/oauth2/authorize?" + parameters().Encode(),
	} {
		var got [2]answer
		for i, method := range []string{"GET", "HEAD"} {
			got[i] = f.do(b.Client, f.request(method, path, nil, "Authorization", "Bearer "+token))
		}
		if got[0].status != got[1].status || got[0].status == http.StatusMethodNotAllowed || got[0].header.Get("Content-Type") != got[1].header.Get("Content-Type") || got[1].location == nil && got[1].body != "" {
			t.Errorf("%s: %d %v, %d %v", path, got[0].status, got[0].header, got[1].status, got[1].header)
		}
	}
}

func TestEveryFormOfIfNoneMatchCounts(t *testing.T) {
	f := one(t)
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"} {
		etag := f.browser().get(path).header.Get("ETag")
		for header, want := range map[string]int{etag: 304, "W/" + etag: 304, `"x", W/` + etag: 304, `W/"x" ,` + etag + `, "y"`: 304, "*": 304, `"x"`: 200, strings.Trim(etag, `"`): 200, "": 200} {
			if a := f.do(f.server.Client(), f.request("GET", path, nil, "If-None-Match", header)); a.status != want {
				t.Errorf("%s, If-None-Match: %s: %d, want %d", path, header, a.status, want)
			}
		}
	}
}

func TestWeightsDecideTheFormOfIntrospection(t *testing.T) {
	f := one(t)
	const signed, plain = "application/token-introspection+jwt", "application/json"
	for accept, want := range map[string]string{
		"": plain, "*/*": plain, plain: plain, "application/*": plain, signed: signed, strings.ToUpper(signed): signed, signed + "; q=0.3": signed, signed + ";q=0": plain,
		signed + ", " + plain: signed, plain + ", " + signed: signed, signed + ";q=0.5, " + plain: plain, signed + ";q=0.9, " + plain + ";q=0.1": signed,
		signed + ", */*;q=0.1": signed, signed + ";q=0.5, */*;q=0.8": plain, signed + ";q=0.5, " + plain + ";q=0.1, */*": signed, signed + ";q=x": plain, signed + ";q=7": plain,
		"text/html, " + signed: signed, "nonsense;;, " + signed: signed,
	} {
		a := f.postForm("/oauth2/introspect", url.Values{"token": {"x"}}, "Accept", accept, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("app:"+secret)))
		if got := a.header.Get("Content-Type"); a.status != http.StatusOK || got != want {
			t.Errorf("Accept: %s: %d %s, want %s", accept, a.status, got, want)
		}
	}
}
