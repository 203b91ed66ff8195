package deploy

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// problem checks an RFC 9457 answer.
func problem(t *testing.T, resp *http.Response, status int) {
	t.Helper()
	var p struct {
		Title  string
		Status int
	}
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
		t.Errorf("the body is not JSON: %v", err)
	}
	if resp.StatusCode != status || p.Status != status || p.Title != http.StatusText(status) ||
		resp.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s, %s, %+v: want a problem document of status %d", resp.Status, resp.Header.Get("Content-Type"), p, status)
	}
	if resp.Header.Get("Server") != "" {
		t.Errorf("Server: %s", resp.Header.Get("Server"))
	}
}

func TestABodyOverTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	g := newGateway(t, 1)
	g.all(t)
	const limit = 1 << 20
	for _, tc := range []struct {
		size, status int
		chunked      bool
	}{{limit, 200, false}, {limit + 1, 413, false}, {limit, 200, true}, {limit + 1, 413, true}} {
		var body io.Reader = bytes.NewReader(make([]byte, tc.size))
		if tc.chunked {
			body = struct{ io.Reader }{body} // of unknown length
		}
		resp, text := do(t, http.MethodPost, g.API+"/user/v1/me", body)
		if resp.StatusCode != tc.status {
			t.Errorf("%d bytes (chunked: %v): %s, want %d", tc.size, tc.chunked, resp.Status, tc.status)
		}
		if resp.StatusCode == 200 && decode(t, text).Body != fmt.Sprint(tc.size) {
			t.Errorf("%d bytes did not arrive whole", tc.size)
		}
	}
}

func TestADeadProgramIsAProblemDocumentAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	g := newGateway(t, 1)
	g.upstream(t, "board", g.ports.Board, nil)
	g.run(t)
	resp, err := client.Get(g.API + "/user/v1/me")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadGateway && resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%s, want 502 or 503", resp.Status)
	}
	problem(t, resp, resp.StatusCode)
	if resp, _ := get(t, g.API+"/board/v1/boards"); resp.StatusCode != http.StatusOK {
		t.Errorf("the board: %s", resp.Status)
	}

	for _, page := range []string{g.App + "/", g.Issuer + "/login"} {
		resp, body := get(t, page)
		if resp.StatusCode < 502 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") ||
			!strings.Contains(body, "다시 시도") ||
			!strings.Contains(body, "<title>Error 50") || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s %v\n%s", page, resp.Status, resp.Header, body)
		}
	}
}

func TestAnErrorOfTheGatewayHasItsInterfacesForm(t *testing.T) {
	t.Parallel()
	g := newGateway(t, 1)
	g.upstream(t, "user", g.ports.User, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	g.run(t)
	// Each answer takes the two seconds for which the gateway looks for a program that serves it.
	for _, path := range []string{
		"/oauth2/token", "/oauth2/par", "/oauth2/revoke", "/oauth2/introspect", "/oauth2/userinfo", "/oauth2/register",
		"/oauth2/register/a-client", "/oauth2/device_authorization", "/.well-known/jwks.json", "/.well-known/openid-configuration",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			resp, body := do(t, http.MethodPost, g.Issuer+path, nil, "Origin", "https://app.example")
			var e struct {
				Error       string `json:"error"`
				Description string `json:"error_description"`
			}
			if err := json.Unmarshal([]byte(body), &e); err != nil || e.Error != "temporarily_unavailable" || e.Description == "" {
				t.Errorf("%s (%v)", body, err)
			}
			passing(t, resp, "application/json")
			if resp.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Error("an app in a browser cannot read it")
			}
		})
	}
	for _, page := range []string{g.Issuer + "/login", g.Issuer + "/oauth2/authorize",
		g.Issuer + "/oauth2/logout", g.Issuer + "/device", g.App + "/"} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			resp, body := get(t, page)
			passing(t, resp, "text/html; charset=utf-8")
			if !strings.Contains(body, "<h1>") {
				t.Error(body)
			}
		})
	}
	for _, path := range []string{"/user/v1/me", "/board/v1/boards",
		"/.well-known/oauth-protected-resource/board", "/board/openapi.json"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			resp, _ := do(t, http.MethodPost, g.API+path, nil)
			passing(t, resp, "application/problem+json")
		})
	}
	t.Run("too large", func(t *testing.T) {
		t.Parallel()
		resp, body := do(t, http.MethodPost, g.Issuer+"/oauth2/token", bytes.NewReader(make([]byte, 2<<20)))
		// The body is looked at only once an upstream is there.
		if resp.StatusCode != http.StatusRequestEntityTooLarge && resp.StatusCode < 502 {
			t.Errorf("%s %s", resp.Status, body)
		}
	})
	if resp, _ := get(t, g.API+"/nowhere"); resp.Header.Get("Retry-After") != "" {
		t.Error("a 404 will not pass by itself")
	}
}

func TestThePageOfAGatewaysErrorHasAStyleTwoLanguagesAndNothingOfTheAddress(t *testing.T) {
	t.Parallel()
	g := newGateway(t, 1)
	g.run(t)
	resp, page := get(t, g.Issuer+"/oauth2/logout?id_token_hint=a-secret")
	_, style, _ := strings.Cut(page, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	if policy := resp.Header.Get("Content-Security-Policy"); style == "" ||
		!strings.Contains(policy, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") ||
		strings.Contains(policy, "unsafe") {
		t.Errorf("the style is blocked: %s, %x", policy, sum)
	}
	for _, want := range []string{`<html lang="en">`, "Try again", "다시 시도", "일시적인 오류가 발생했어요", `href=""`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "a-secret") || resp.Header.Get("Referrer-Policy") != "no-referrer" ||
		strings.Contains(page, "{page") || strings.Contains(page, "니다") {
		t.Errorf("%v\n%s", resp.Header, page)
	}
	if _, page := do(t, http.MethodGet, g.Issuer+"/%5c", nil, "Accept-Language",
		"ko-KR,ko;q=0.9"); !strings.Contains(page, `<html lang="ko">`) || !strings.Contains(page, `href="/">홈으로`) {
		t.Errorf("a page that is not there:\n%s", page)
	}
}

func TestTheErrorPageOfAnotherProductNamesThatOne(t *testing.T) {
	t.Parallel()
	g := newGateway(t, 1, "GATEWAY_BRAND=가온 &amp; Co")
	g.run(t)
	_, page := get(t, g.Issuer+"/login")
	if strings.Contains(page, "Maru") || strings.Contains(page, "마루") || !strings.Contains(page, `<p class="brand">가온 &amp; Co</p>`) ||
		!strings.Contains(page, " · 가온 &amp; Co</title>") {
		t.Error(page)
	}
}

// passing asserts that an answer says that the trouble passes, and when to come again.
func passing(t *testing.T, resp *http.Response, contentType string) {
	t.Helper()
	if resp.StatusCode < 502 || resp.StatusCode > 504 || resp.Header.Get("Retry-After") != "2" ||
		resp.Header.Get("Content-Type") != contentType ||
		resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Server") != "" {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
}

func TestATooLargeTokenRequestIsAnOAuthError(t *testing.T) {
	t.Parallel()
	g := newGateway(t, 1)
	g.all(t)
	resp, body := do(t, http.MethodPost, g.Issuer+"/oauth2/token", bytes.NewReader(make([]byte, 2<<20)))
	if resp.StatusCode != http.StatusRequestEntityTooLarge ||
		resp.Header.Get("Content-Type") != "application/json" ||
		!strings.Contains(body, `"error":"invalid_request"`) || resp.Header.Get("Retry-After") != "" {
		t.Errorf("%s %v %s", resp.Status, resp.Header, body)
	}
}
