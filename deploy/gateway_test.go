// Package deploy holds the tests of what deploys Maru: the gateway's Caddyfile, the container files, the manifests.
package deploy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/deploy/stack"
)

// caddy compiles the pinned Caddy once, which takes minutes the very first time.
var caddy = sync.OnceValues(func() (string, error) { return stack.Tool(context.Background(), "..", "caddy") })

// gateway is a Caddy with the real Caddyfile on free ports, before upstreams of the test's own.
type gateway struct {
	stack.Origins
	ports stack.Ports
	stack *stack.Stack
	log   *buffer
	seen  chan string // the upstream and path of each request that reached one, health checks excepted
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newGateway plans a gateway before n authorization servers; run starts it, when the upstreams that the test wants listen.
func newGateway(t *testing.T, replicas int) *gateway {
	t.Helper()
	program, err := caddy()
	if err != nil {
		t.Fatal(err)
	}
	ports, err := stack.FreePorts(replicas)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{Origins: ports.Origins(), ports: ports, log: &buffer{}, seen: make(chan string, 10_000)}
	g.stack, err = stack.New(stack.Config{
		Root: "..", Dir: t.TempDir(), Ports: ports, Env: os.Environ(), Log: g.log,
		Programs: stack.Programs{Caddy: program},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *gateway) run(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		g.stack.Stop()
		if t.Failed() {
			log := g.log.String()
			t.Logf("end of the gateway's log:\n%s", log[max(0, len(log)-4000):])
		}
	})
	if err := g.stack.Launch("gateway"); err != nil {
		t.Fatal(err)
	}
	until(t, "the gateway listens", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(g.App, "http://"))
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
}

// upstream serves handler at port, as the program of that name would; a nil handler echoes the request.
func (g *gateway) upstream(t *testing.T, name string, port int, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	if handler == nil {
		handler = echo(name)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if (r.URL.Path == "/readyz" || r.URL.Path == "/livez") && r.Header.Get("X-Forwarded-For") == "" {
			return // a health check of the gateway's own
		}
		g.seen <- name + " " + r.URL.Path
		handler(w, r)
	}))
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// echoed is what an upstream saw.
type echoed struct {
	Upstream, Method, URI, Host, Body string
	Header                            http.Header
}

func echo(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Server", "an upstream that gives itself away")
		json.NewEncoder(w).Encode(echoed{name, r.Method, r.URL.RequestURI(), r.Host, fmt.Sprint(len(body)), r.Header})
	}
}

func (g *gateway) all(t *testing.T) {
	t.Helper()
	for i, port := range g.ports.Authz {
		g.upstream(t, fmt.Sprintf("authz%d", i+1), port, nil)
	}
	g.upstream(t, "user", g.ports.User, nil)
	g.upstream(t, "board", g.ports.Board, nil)
	g.upstream(t, "demo", g.ports.Demo, nil)
	g.run(t)
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain until %s", what)
}

var client = &http.Client{
	Timeout:       30 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func get(t *testing.T, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	return do(t, http.MethodGet, url, nil, headers...)
}

func do(t *testing.T, method, url string, body io.Reader, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func decode(t *testing.T, body string) echoed {
	t.Helper()
	var e echoed
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatalf("not an upstream's answer: %v\n%s", err, body)
	}
	return e
}

func TestEachOriginLeadsToItsProgram(t *testing.T) {
	g := newGateway(t, 1)
	g.all(t)
	for _, tc := range []struct{ url, upstream, uri string }{
		{g.Issuer + "/", "authz1", "/"},
		{g.Issuer + "/.well-known/openid-configuration", "authz1", "/.well-known/openid-configuration"},
		{g.Issuer + "/oauth2/authorize?state=a%20b&scope=openid+x", "authz1", "/oauth2/authorize?state=a%20b&scope=openid+x"},
		{g.Issuer + "/livez", "authz1", "/livez"},
		{g.Issuer + "/readyz", "authz1", "/readyz"},
		{g.API + "/user/v1/me", "user", "/v1/me"},
		{g.API + "/user/v1/users/a%2Fb?x=1", "user", "/v1/users/a%2Fb?x=1"},
		{g.API + "/user/openapi.json", "user", "/openapi.json"},
		{g.API + "/user/docs", "user", "/docs"},
		{g.API + "/user/docs/swagger-ui-bundle.js", "user", "/docs/swagger-ui-bundle.js"},
		{g.API + "/board/docs/oauth2-redirect.html?code=c&state=s", "board", "/docs/oauth2-redirect.html?code=c&state=s"},
		{g.API + "/board/v1/boards?cursor=%2B", "board", "/v1/boards?cursor=%2B"},
		{g.API + "/board/openapi.json", "board", "/openapi.json"},
		{g.API + "/.well-known/oauth-protected-resource/user", "user", "/.well-known/oauth-protected-resource"},
		{g.API + "/.well-known/oauth-protected-resource/board", "board", "/.well-known/oauth-protected-resource"},
		{g.App + "/boards/free?page=2", "demo", "/boards/free?page=2"},
	} {
		resp, body := get(t, tc.url)
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", tc.url, resp.Status)
			continue
		}
		if e := decode(t, body); e.Upstream != tc.upstream || e.URI != tc.uri {
			t.Errorf("%s went to %s %s, want %s %s", tc.url, e.Upstream, e.URI, tc.upstream, tc.uri)
		}
		for _, name := range []string{"Server", "Via"} {
			if v := resp.Header.Values(name); len(v) > 0 {
				t.Errorf("%s: %s: %q tells what serves it", tc.url, name, v)
			}
		}
	}
}

func TestThePathOfAnIssuerArrivesUnchanged(t *testing.T) {
	g := newGateway(t, 1)
	server := g.upstream(t, "authz-server", g.ports.Authz[0], nil)
	g.run(t)
	until(t, "the server answers", func() bool { resp, _ := get(t, g.Issuer+"/id/login"); return resp.StatusCode == http.StatusOK })
	for _, path := range []string{"/id", "/id/", "/id/oauth2/token", "/.well-known/oauth-authorization-server/id", "/id/.well-known/openid-configuration"} {
		if resp, body := get(t, g.Issuer+path); resp.StatusCode != http.StatusOK || decode(t, body).URI != path {
			t.Errorf("%s: %s %s", path, resp.Status, body)
		}
	}
	server.Close()
	for path, contentType := range map[string]string{"/id/oauth2/token": "application/json", "/.well-known/oauth-authorization-server/id": "application/json", "/id/login": "text/html; charset=utf-8"} {
		if resp, _ := get(t, g.Issuer+path, "Origin", "https://spa.example"); resp.Header.Get("Content-Type") != contentType || (contentType == "application/json") != (resp.Header.Get("Access-Control-Allow-Origin") == "*") {
			t.Errorf("%s while nobody answers: %s %v", path, resp.Status, resp.Header)
		}
	}
}

func TestForwardedHeadersAreTheGatewaysOwn(t *testing.T) {
	g := newGateway(t, 1)
	g.all(t)
	_, body := get(t, g.Issuer+"/", "X-Forwarded-For", "6.6.6.6", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example",
		"Forwarded", "for=6.6.6.6", "X-Real-IP", "6.6.6.6")
	e := decode(t, body)
	host := strings.TrimPrefix(g.Issuer, "http://")
	for name, want := range map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": host, "Forwarded": "", "X-Real-Ip": ""} {
		if got := strings.Join(e.Header.Values(name), ","); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if e.Host != host {
		t.Errorf("Host: %q, want %q", e.Host, host)
	}
}

// raw sends a request line as it is: an HTTP client would clean the path first.
func raw(t *testing.T, origin, target string) *http.Response {
	t.Helper()
	host := strings.TrimPrefix(origin, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", target, host)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("GET %s: %v", target, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("GET %s: %v", target, err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp
}

func TestWhatIsInsideCannotBeReachedFromOutside(t *testing.T) {
	g := newGateway(t, 1)
	g.all(t)
	for _, tc := range []struct{ origin, target string }{
		{g.API, "/"}, {g.API, "/metrics"}, {g.API, "/readyz"}, {g.API, "/livez"}, {g.API, "/user"}, {g.API, "/user/"},
		{g.API, "/user/metrics"}, {g.API, "/user/livez"}, {g.API, "/user/readyz"}, {g.API, "/user/debug/pprof/"},
		{g.API, "/board/metrics"}, {g.API, "/board/readyz"}, {g.API, "/board/livez"},
		{g.API, "/user/v1/../metrics"}, {g.API, "/user/v1/%2e%2e/metrics"}, {g.API, "/user/v1/..%2fmetrics"}, {g.API, "/user/v1/%2e%2e%2fmetrics"},
		{g.API, "//user/metrics"}, {g.API, "/user//metrics"}, {g.API, "/user/%6detrics"},
		{g.API, "/.well-known/oauth-protected-resource"}, {g.API, "/.well-known/oauth-protected-resource/other"},
		{g.API, "/USER/v1/me"}, {g.API, "/%75ser/v1/me"}, {g.API, "/user%2fv1/me"}, {g.API, "/user/V1/me"}, {g.API, "/user/%761/me"}, {g.API, "/user/openapi.json/x"},
		{g.API, "/user/docs/"}, {g.API, "/user/docs/x"}, {g.API, "/user/docs/x/y.js"}, {g.API, "/user/docs/..%2fmetrics"}, {g.API, "/board/docsx"}, {g.API, "/board/docs/%64ocs.js"}, {g.API, "/docs"},
		{g.API, "/user/v1"}, {g.API, "/.well-known/oauth-protected-resource%2fuser"}, {g.API, "/x?y=/user/v1/me"},
		{g.Issuer, "/metrics"}, {g.Issuer, "//metrics"}, {g.Issuer, "/%6detrics"}, {g.Issuer, "/x/../metrics"}, {g.Issuer, "/./metrics"}, {g.Issuer, "/metrics/"},
		{g.App, "/metrics"}, {g.App, "/readyz"}, {g.App, "/livez"},
	} {
		resp := raw(t, tc.origin, tc.target)
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s%s: %s, want 404", tc.origin, tc.target, resp.Status)
		}
		select {
		case seen := <-g.seen:
			t.Errorf("%s%s reached %s", tc.origin, tc.target, seen)
		default:
		}
		if tc.origin == g.API {
			problem(t, resp, http.StatusNotFound)
		}
	}
}

func TestAProgramGetsExactlyThePathThatWasSentOrNothing(t *testing.T) {
	g := newGateway(t, 1)
	g.upstream(t, "authz1", g.ports.Authz[0], echo("authz1"))
	g.upstream(t, "user", g.ports.User, echo("user"))
	g.upstream(t, "demo", g.ports.Demo, echo("demo"))
	g.run(t)
	prefixes := map[string]string{g.API: "/user/v1", g.Issuer: "/oauth2", g.App: "/boards"}
	for _, path := range []string{
		"/users/a%2Fb", "/users/a%2fb", "/users/a%20b", "/users/%E2%82%AC", "/users/a;b=c,d", "/users/a%252fb", "/users/%252e%252e%252fme", "/users/a..b", "/users/..a",
		"/users/...", "/users/.a", "/users/a%2e%2eb", "/users/a/", "/users/(a)'!*$&+=:@~_-", "/users/[a]", "/users/%61", "/users/a?next=//x/../y%00\\", "/users/a?b=%2e%2e%2f",
	} {
		for origin, prefix := range prefixes {
			resp := raw(t, origin, prefix+path)
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s%s: %s", prefix, path, resp.Status)
				continue
			}
			if e := decode(t, string(body)); e.URI != strings.TrimPrefix(prefix+path, "/user") {
				t.Errorf("%s%s arrived as %s", prefix, path, e.URI)
			}
		}
	}
	for len(g.seen) > 0 {
		<-g.seen
	}
	for _, path := range []string{
		"/users/..%2fme", "/users/..%2Fme", "/users/%2e%2e%2fme", "/users/%2E.%2fme", "/users/../me", "/users/%2e%2e/me", "/users/./me", "/users/%2e/me", "/users/me/..", "/users/me/.",
		"/users/me/%2e%2e", "/users/me/..?x=1", "/users/a%2f..%2fme", "/users/a%2f..", "/users//me", "/users/%2fme", "/users%2f%2fme", "/users/a%2f/b", "/users/a//",
		"/users/..%5cme", "/users/..\\me", "/users/a%5Cb", "/users/a\\b", "/users/a%00", "/users/%00", "/users/a%0d%0aX:%20y", "/users/a%09", "/users/a%7f", "/users/a%1F",
		"/users/a%2Fb\"", "/users/a%2Fb|c", "/users/a%2Fb{c}", "/users/a%2Fb<c>", "/users/a%2Fb^", "/users/a%2Fb`", "/users/a%2fb\x80", "/users/a%2fb가",
		"/..%2fmetrics", "/%2e%2e%2fmetrics", "/..%2f..%2fmetrics", "/../metrics", "//metrics",
	} {
		for origin, prefix := range prefixes {
			if resp := raw(t, origin, prefix+path); resp.StatusCode != http.StatusNotFound {
				t.Errorf("%s%s: %s, want 404", prefix, path, resp.Status)
			}
			if len(g.seen) > 0 {
				t.Errorf("%s%s reached %s", prefix, path, <-g.seen)
			}
		}
	}
	// RFC 9112 §3.2.2: the target may be absolute.
	resp := raw(t, g.API, g.API+"/user/v1/users/a%2Fb")
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || decode(t, string(body)).URI != "/v1/users/a%2Fb" {
		t.Errorf("an absolute target: %s %s (%v)", resp.Status, body, err)
	}
	if resp := raw(t, g.API, g.API+"/user/v1/users/..%2fme"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("an absolute target with dots: %s", resp.Status)
	}
}

func TestMetricsSpelledOtherwiseStayInside(t *testing.T) {
	g := newGateway(t, 1)
	g.all(t)
	for _, origin := range []string{g.Issuer, g.App, g.API} {
		for _, target := range []string{"/METRICS", "/Metrics/", "/%4d%45trics", "/metrics%2f", "/metrics/x", "/metrics?x=1", "/metrics%00", "/metrics/.", "/oauth2/..%2fmetrics", "/oauth2/%2e%2e/metrics"} {
			if resp := raw(t, origin, target); resp.StatusCode != http.StatusNotFound {
				t.Errorf("%s%s: %s, want 404", origin, target, resp.Status)
			}
			if len(g.seen) > 0 {
				t.Errorf("%s%s reached %s", origin, target, <-g.seen)
			}
		}
	}
}

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
	if resp.StatusCode != status || p.Status != status || p.Title != http.StatusText(status) || resp.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s, %s, %+v: want a problem document of status %d", resp.Status, resp.Header.Get("Content-Type"), p, status)
	}
	if resp.Header.Get("Server") != "" {
		t.Errorf("Server: %s", resp.Header.Get("Server"))
	}
}

func TestAnotherHostNameIsRefused(t *testing.T) {
	g := newGateway(t, 1)
	g.all(t)
	for _, origin := range []string{g.Issuer, g.API, g.App} {
		req, err := http.NewRequest(http.MethodGet, origin+"/user/v1/me", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "rebound.example"
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMisdirectedRequest || len(g.seen) > 0 {
			t.Errorf("%s under another name: %s, %d requests reached a program", origin, resp.Status, len(g.seen))
		}
	}
}

func TestABodyOverTheLimitIsRefused(t *testing.T) {
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
		if resp.StatusCode < 502 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || !strings.Contains(body, "다시 시도") ||
			!strings.Contains(body, "<title>Error 50") || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s %v\n%s", page, resp.Status, resp.Header, body)
		}
	}
}

func TestAnErrorOfTheGatewayHasItsInterfacesForm(t *testing.T) {
	g := newGateway(t, 1)
	g.upstream(t, "user", g.ports.User, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	g.run(t)
	for _, path := range []string{"/oauth2/token", "/oauth2/par", "/oauth2/revoke", "/oauth2/introspect", "/oauth2/userinfo", "/oauth2/register", "/oauth2/register/a-client",
		"/oauth2/device_authorization", "/.well-known/jwks.json", "/.well-known/openid-configuration"} {
		resp, body := do(t, http.MethodPost, g.Issuer+path, nil, "Origin", "https://app.example")
		var e struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		if err := json.Unmarshal([]byte(body), &e); err != nil || e.Error != "temporarily_unavailable" || e.Description == "" {
			t.Errorf("%s: %s (%v)", path, body, err)
		}
		passing(t, path, resp, "application/json")
		if resp.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: an app in a browser cannot read it", path)
		}
	}
	for _, path := range []string{"/login", "/oauth2/authorize", "/oauth2/logout", "/device"} {
		resp, body := get(t, g.Issuer+path)
		passing(t, path, resp, "text/html; charset=utf-8")
		if !strings.Contains(body, "<h1>") {
			t.Errorf("%s: %s", path, body)
		}
	}
	resp, _ := get(t, g.App+"/")
	passing(t, "the demo app", resp, "text/html; charset=utf-8")

	// The page has a style, in the two languages a way to try again, and nothing of the address.
	resp, page := get(t, g.Issuer+"/oauth2/logout?id_token_hint=a-secret")
	_, style, _ := strings.Cut(page, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	if policy := resp.Header.Get("Content-Security-Policy"); style == "" || !strings.Contains(policy, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the style is blocked: %s, %x", policy, sum)
	}
	for _, want := range []string{`<html lang="en">`, "Try again", "다시 시도", "일시적인 오류가 발생했어요", `href=""`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "a-secret") || resp.Header.Get("Referrer-Policy") != "no-referrer" || strings.Contains(page, "{page") || strings.Contains(page, "니다") {
		t.Errorf("%v\n%s", resp.Header, page)
	}
	if _, page := do(t, http.MethodGet, g.Issuer+"/%5c", nil, "Accept-Language", "ko-KR,ko;q=0.9"); !strings.Contains(page, `<html lang="ko">`) || !strings.Contains(page, `href="/">홈으로`) {
		t.Errorf("a page that is not there:\n%s", page)
	}
	for _, path := range []string{"/user/v1/me", "/board/v1/boards", "/.well-known/oauth-protected-resource/board", "/board/openapi.json"} {
		resp, _ := do(t, http.MethodPost, g.API+path, nil)
		passing(t, path, resp, "application/problem+json")
	}

	resp, body := do(t, http.MethodPost, g.Issuer+"/oauth2/token", bytes.NewReader(make([]byte, 2<<20)))
	if resp.StatusCode != http.StatusRequestEntityTooLarge && resp.StatusCode < 502 { // the body is looked at only once an upstream is there
		t.Errorf("too large: %s %s", resp.Status, body)
	}
	if resp, _ := get(t, g.API+"/nowhere"); resp.Header.Get("Retry-After") != "" {
		t.Error("a 404 will not pass by itself")
	}
}

// passing checks that an answer says that the trouble passes, and when to come again.
func passing(t *testing.T, what string, resp *http.Response, contentType string) {
	t.Helper()
	if resp.StatusCode < 502 || resp.StatusCode > 504 || resp.Header.Get("Retry-After") != "2" || resp.Header.Get("Content-Type") != contentType ||
		resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Server") != "" {
		t.Errorf("%s: %s %v", what, resp.Status, resp.Header)
	}
}

func TestATooLargeTokenRequestIsAnOAuthError(t *testing.T) {
	g := newGateway(t, 1)
	g.all(t)
	resp, body := do(t, http.MethodPost, g.Issuer+"/oauth2/token", bytes.NewReader(make([]byte, 2<<20)))
	if resp.StatusCode != http.StatusRequestEntityTooLarge || resp.Header.Get("Content-Type") != "application/json" || !strings.Contains(body, `"error":"invalid_request"`) || resp.Header.Get("Retry-After") != "" {
		t.Errorf("%s %v %s", resp.Status, resp.Header, body)
	}
}

func TestASlowReplicaIsNotADeadOne(t *testing.T) {
	g := newGateway(t, 1)
	var checks atomic.Int32
	answered := make(chan struct{}, 100)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", g.ports.Authz[0]))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Forwarded-For") == "" { // the gateway's own question
			if r.URL.Path == "/readyz" {
				if n := checks.Add(1); n == 2 || n == 3 { // two failures in a row
					w.WriteHeader(http.StatusServiceUnavailable)
				}
				time.Sleep(2 * time.Second)
				answered <- struct{}{}
			}
			return
		}
		echo("authz1")(w, r)
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	g.run(t)
	for range 6 {
		<-answered
		if resp, body := get(t, g.Issuer+"/login"); resp.StatusCode != http.StatusOK {
			t.Errorf("after %d slow health checks: %s %s", checks.Load(), resp.Status, body)
		}
	}
}

func TestKeysAndDiscoveryAreServedWhileNoReplicaIsReady(t *testing.T) {
	g := newGateway(t, 2)
	unready := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/readyz" {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			if r.URL.Path == "/livez" && r.Header.Get("X-Forwarded-For") == "" {
				return
			}
			echo(name)(w, r)
		})
	}
	serve := func(name string, port int) *http.Server {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: unready(name)}
		go s.Serve(l)
		t.Cleanup(func() { s.Close() })
		return s
	}
	one := serve("authz1", g.ports.Authz[0])
	serve("authz2", g.ports.Authz[1])
	serve("user", g.ports.User)
	serve("board", g.ports.Board)
	g.run(t)
	until(t, "nobody is ready for anything else", func() bool {
		a, _ := get(t, g.Issuer+"/login")
		b, _ := get(t, g.API+"/user/v1/me")
		return a.StatusCode == http.StatusServiceUnavailable && b.StatusCode == http.StatusServiceUnavailable
	})
	published := []string{
		g.Issuer + "/.well-known/jwks.json", g.Issuer + "/.well-known/openid-configuration", g.Issuer + "/.well-known/oauth-authorization-server",
		g.API + "/.well-known/oauth-protected-resource/user", g.API + "/.well-known/oauth-protected-resource/board", g.API + "/user/openapi.json", g.API + "/board/openapi.json",
	}
	ask := func() {
		for _, url := range published {
			if resp, body := get(t, url); resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %s %s", url, resp.Status, body)
			}
		}
	}
	ask()
	one.Close() // and one of them dead: whichever is alive answers
	for range 4 {
		ask()
	}
}

func TestAKilledReplicaIsNotSeenByCallers(t *testing.T) {
	g := newGateway(t, 2)
	one := g.upstream(t, "authz1", g.ports.Authz[0], nil)
	g.upstream(t, "authz2", g.ports.Authz[1], nil)
	g.run(t)
	upstreams := map[string]int{}
	for range 20 {
		_, body := get(t, g.Issuer+"/")
		upstreams[decode(t, body).Upstream]++
	}
	if upstreams["authz1"] < 5 || upstreams["authz2"] < 5 {
		t.Errorf("the load is not spread: %v", upstreams)
	}

	var failed atomic.Int32
	var callers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp, err := client.Get(g.Issuer + "/")
				if err != nil || resp.StatusCode != http.StatusOK {
					failed.Add(1)
				}
				if err == nil {
					resp.Body.Close()
				}
			}
		})
	}
	one.Listener.Close()
	one.CloseClientConnections()
	// A POST too, when the connection was refused, for then nothing was sent. One that was on its way over a connection that
	// broke is not tried again, so that the first ones may fail.
	inARow := 0
	until(t, "the broken connections are used up", func() bool {
		resp, _ := do(t, http.MethodPost, g.Issuer+"/oauth2/token", strings.NewReader("x"))
		if inARow++; resp.StatusCode != http.StatusOK {
			inARow = 0
		}
		return inARow == 5
	})
	for range 50 {
		resp, body := do(t, http.MethodPost, g.Issuer+"/oauth2/token", strings.NewReader("x"))
		if resp.StatusCode != http.StatusOK || decode(t, body).Upstream != "authz2" {
			t.Errorf("POST after the death of a replica: %s %s", resp.Status, body)
		}
	}
	close(stop)
	callers.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d GETs failed while a replica died", n)
	}
}

func TestAReplicaThatIsNotReadyGetsNothing(t *testing.T) {
	g := newGateway(t, 2)
	var ready atomic.Bool
	g.upstream(t, "authz2", g.ports.Authz[1], nil)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", g.ports.Authz[0]))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		echo("authz1")(w, r)
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	g.run(t)

	run := func() (ok, one int) {
		for range 10 {
			resp, body := get(t, g.Issuer+"/")
			if resp.StatusCode == http.StatusOK {
				ok++
				if strings.Contains(body, "authz1") {
					one++
				}
			}
		}
		return ok, one
	}
	until(t, "only the ready replica is asked", func() bool { ok, one := run(); return ok == 10 && one == 0 })
	ready.Store(true)
	until(t, "the other one is asked as well", func() bool { ok, one := run(); return ok == 10 && one >= 4 })
}

func TestOnlyWhatCannotDoAThingTwiceIsTriedAgain(t *testing.T) {
	g := newGateway(t, 1)
	var asked sync.Map
	g.upstream(t, "user", g.ports.User, func(w http.ResponseWriter, r *http.Request) {
		n, _ := asked.LoadOrStore(r.Method, new(atomic.Int32))
		if n.(*atomic.Int32).Add(1) == 1 {
			panic(http.ErrAbortHandler) // the connection breaks after the request arrived
		}
		echo("user")(w, r)
	})
	g.run(t)
	for method, want := range map[string]struct{ status, times int }{
		http.MethodGet: {200, 2}, http.MethodHead: {200, 2}, http.MethodPost: {502, 1}, http.MethodPatch: {502, 1}, http.MethodDelete: {502, 1},
	} {
		resp, _ := do(t, method, g.API+"/user/v1/me", nil)
		n, ok := asked.Load(method)
		if !ok {
			t.Errorf("%s did not arrive", method)
			continue
		}
		if times := int(n.(*atomic.Int32).Load()); resp.StatusCode != want.status || times != want.times {
			t.Errorf("%s: %s after %d times, want %d after %d", method, resp.Status, times, want.status, want.times)
		}
	}
}

func TestTheLogIsJSONAndKeepsSecretsOut(t *testing.T) {
	g := newGateway(t, 1)
	g.upstream(t, "authz1", g.ports.Authz[0], func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "s", Value: "hush-set"})
		http.Redirect(w, r, "https://app.example/callback?code=hush-location", http.StatusSeeOther)
	})
	g.run(t)
	get(t, g.Issuer+"/oauth2/authorize?code=hush-query", "Authorization", "Bearer hush-token", "Cookie", "s=hush-cookie", "Referer", "https://x.example/?t=hush-referer")
	get(t, g.App+"/gone?code=hush-query") // an error is logged by another logger
	until(t, "both requests are logged", func() bool { return strings.Count(g.log.String(), `"status":`) >= 2 })
	log := g.log.String()
	if !strings.Contains(log, "/oauth2/authorize?…") || !strings.Contains(log, "https://app.example/callback?…") || !strings.Contains(log, "/gone?…") {
		t.Error("the log does not tell which paths were asked for")
	}
	for line := range strings.Lines(log) {
		_, text, _ := strings.Cut(line, "| ")
		if !json.Valid([]byte(text)) {
			t.Errorf("not JSON: %s", line)
		}
		if strings.Contains(line, "hush") {
			t.Errorf("a secret is in the log: %s", line)
		}
	}
}

func TestTheLogKeepsTheFewNamedHeadersAndNoPadding(t *testing.T) {
	g := newGateway(t, 1)
	g.upstream(t, "authz1", g.ports.Authz[0], func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "the-id-of-the-request")
		w.Header().Set("Dpop-Nonce", "hush-nonce")
	})
	g.run(t)
	padding := strings.Repeat("x", 12_000)
	get(t, g.Issuer+"/oauth2/userinfo", "DPoP", "hush-proof", "X-Padding", padding, "Signature", "hush-signature", "User-Agent", "a browser", "Referer", "https://x.example/from")
	get(t, g.Issuer+"/login/"+padding, "User-Agent", padding, "Referer", "https://x.example/"+padding, "Accept", padding)
	do(t, strings.Repeat("M", 20_000), g.Issuer+"/method", nil)
	req, err := http.NewRequest(http.MethodGet, g.Issuer+"/host", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = padding + ".example"
	if resp, err := client.Do(req); err != nil {
		t.Fatal(err)
	} else {
		resp.Body.Close()
	}
	get(t, g.App+"/gone", "X-Padding", padding, "DPoP", "hush-proof") // nobody serves it
	until(t, "all requests are logged", func() bool { return strings.Count(g.log.String(), `"status":`) >= 5 })
	log := g.log.String()
	for _, kept := range []string{`"user_agent":"a browser"`, `"referer":"https://x.example/from"`, `"request_id":"the-id-of-the-request"`, `"client_ip":"127.0.0.1"`} {
		if !strings.Contains(log, kept) {
			t.Errorf("the log has no %s", kept)
		}
	}
	if strings.Contains(log, "hush") || strings.Contains(log, "X-Padding") {
		t.Error("the log has headers that it should not")
	}
	for line := range strings.Lines(log) {
		if len(line) > 4000 {
			t.Errorf("a line of %d bytes: %s", len(line), line[:1000])
		}
	}
}

func TestTheLogFileIsRotated(t *testing.T) {
	program, err := caddy()
	if err != nil {
		t.Fatal(err)
	}
	adapt := exec.Command(program, "adapt", "--config", "Caddyfile", "--adapter", "caddyfile")
	adapt.Env = append(os.Environ(), "XDG_CONFIG_HOME="+t.TempDir(), "XDG_DATA_HOME="+t.TempDir(), "GATEWAY_LOG="+stack.GatewayLog(`/var/log/the gateway.log`))
	out, err := adapt.Output()
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Logging struct {
			Logs map[string]struct {
				Writer struct {
					Filename string
					Size     int `json:"roll_size_mb"`
					Keep     int `json:"roll_keep"`
				}
			}
		}
	}
	if err := json.Unmarshal(out, &config); err != nil {
		t.Fatal(err)
	}
	if len(config.Logging.Logs) < 2 {
		t.Errorf("logs: %s", out)
	}
	for name, log := range config.Logging.Logs {
		if w := log.Writer; w.Filename != "/var/log/the gateway.log" || w.Size == 0 || w.Keep == 0 || w.Size*(w.Keep+1) > 200 {
			t.Errorf("%s: %+v", name, w)
		}
	}
}

func TestProductionsHostNamesMakeAValidGatewayWithTLS(t *testing.T) {
	program, err := caddy()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "validate", "--config", "Caddyfile", "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+t.TempDir(), "XDG_DATA_HOME="+t.TempDir(),
		"GATEWAY_ISSUER=https://id.example.com", "GATEWAY_API=https://api.example.com", "GATEWAY_APP=https://app.example.com", "GATEWAY_OTHERS=http://",
		"GATEWAY_BIND=0.0.0.0", "GATEWAY_AUTHZ=10.0.0.1:9100 10.0.0.2:9100", "GATEWAY_TRUSTED_PROXIES=10.0.0.0/8 fd00::/8", "GATEWAY_ADMIN=unix//tmp/gateway-admin.sock")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	adapt := exec.Command(program, "adapt", "--config", "Caddyfile", "--adapter", "caddyfile")
	adapt.Env = cmd.Env
	out, err := adapt.Output()
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Apps struct {
			HTTP struct {
				Servers map[string]struct{ Listen []string }
			}
		}
	}
	if err := json.Unmarshal(out, &config); err != nil {
		t.Fatal(err)
	}
	var listens []string
	for _, s := range config.Apps.HTTP.Servers {
		listens = append(listens, s.Listen...)
	}
	if !strings.Contains(strings.Join(listens, " "), "0.0.0.0:443") {
		t.Errorf("listens on %v, want port 443 among them", listens)
	}
}
