// Package deploy holds the tests of what deploys Maru: the gateway's Caddyfile, the container
// files, the manifests.
package deploy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/internal/testenv/program"
)

func TestMain(m *testing.M) {
	// Most tests wait for a gateway, so more of them run at once than there are processors. The
	// flag -parallel counts all the same, because flags are parsed later.
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// caddy compiles the pinned Caddy once, which takes minutes the very first time.
var caddy = sync.OnceValues(func() (string, error) { return stack.Tool(context.Background(), "..", "caddy") })

// gateway is a Caddy with the real Caddyfile on free ports, before upstreams of the test's own.
type gateway struct {
	stack.Origins
	ports stack.Ports
	stack *stack.Stack
	log   *program.Output
	seen  chan string // the upstream and path of each request that reached one, health checks excepted
}

// newGateway plans a gateway before n authorization servers; run starts it, when the upstreams that
// the test wants listen.
func newGateway(t *testing.T, replicas int, env ...string) *gateway {
	t.Helper()
	path, err := caddy()
	if err != nil {
		t.Fatal(err)
	}
	ports, err := stack.FreePorts(replicas)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{Origins: ports.Origins(), ports: ports, log: &program.Output{}, seen: make(chan string, 10_000)}
	g.stack, err = stack.New(stack.Config{
		Root: "..", Dir: t.TempDir(), Ports: ports, Env: append(os.Environ(), env...), Log: g.log,
		Programs: stack.Programs{Caddy: path},
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
	for _, origin := range []string{g.Issuer, g.App, g.API} { // which it opens one after the other
		testenv.Eventually(t, "the gateway listens at "+origin, func() bool {
			conn, err := net.Dial("tcp", strings.TrimPrefix(origin, "http://"))
			return err == nil && conn.Close() == nil
		})
	}
}

// upstream serves handler at port, as the program of that name would; a nil handler echoes the
// request.
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
		select {
		case g.seen <- name + " " + r.URL.Path:
		default: // nobody reads it, and it is full
		}
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
	t.Parallel()
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
	t.Parallel()
	g := newGateway(t, 1)
	server := g.upstream(t, "authz-server", g.ports.Authz[0], nil)
	g.run(t)
	testenv.Eventually(t, "the server answers", func() bool {
		resp,
			_ := get(t, g.Issuer+"/id/login")
		return resp.StatusCode == http.StatusOK
	})
	for _, path := range []string{"/id", "/id/", "/id/oauth2/token",
		"/.well-known/oauth-authorization-server/id", "/id/.well-known/openid-configuration"} {
		if resp, body := get(t, g.Issuer+path); resp.StatusCode != http.StatusOK || decode(t, body).URI != path {
			t.Errorf("%s: %s %s", path, resp.Status, body)
		}
	}
	server.Close()
	for path, contentType := range map[string]string{"/id/oauth2/token": "application/json",
		"/.well-known/oauth-authorization-server/id": "application/json", "/id/login": "text/html; charset=utf-8"} {
		if resp, _ := get(t, g.Issuer+path, "Origin",
			"https://spa.example"); resp.Header.Get("Content-Type") != contentType ||
			(contentType == "application/json") != (resp.Header.Get("Access-Control-Allow-Origin") == "*") {
			t.Errorf("%s while nobody answers: %s %v", path, resp.Status, resp.Header)
		}
	}
}

func TestForwardedHeadersAreTheGatewaysOwn(t *testing.T) {
	t.Parallel()
	g := newGateway(t, 1)
	g.all(t)
	_, body := get(t, g.Issuer+"/", "X-Forwarded-For", "6.6.6.6", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example",
		"Forwarded", "for=6.6.6.6", "X-Real-IP", "6.6.6.6")
	e := decode(t, body)
	host := strings.TrimPrefix(g.Issuer, "http://")
	for name, want := range map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http",
		"X-Forwarded-Host": host, "Forwarded": "", "X-Real-Ip": ""} {
		if got := strings.Join(e.Header.Values(name), ","); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if e.Host != host {
		t.Errorf("Host: %q, want %q", e.Host, host)
	}
}

// Programs believe the gateway alone: they would take a load balancer that they are told of for the
// caller, and all who call for one.
func TestAProgramIsToldTheCallersAddressWhateverIsInBetween(t *testing.T) {
	t.Parallel()
	g := newGateway(t, 1, "GATEWAY_TRUSTED_PROXIES=127.0.0.1/32 198.51.100.0/24")
	g.all(t)
	for forwarded, want := range map[string]string{
		"203.0.113.7":                        "203.0.113.7",
		"6.6.6.6, 203.0.113.7":               "203.0.113.7", // the caller's own invention, and what the load balancer wrote
		"6.6.6.6, 203.0.113.7, 198.51.100.4": "203.0.113.7", // two load balancers
		"":                                   "127.0.0.1",
	} {
		for _, url := range []string{g.Issuer + "/login", g.API + "/user/v1/me", g.API + "/board/v1/boards", g.App + "/"} {
			headers := []string{"Connection", "X-Forwarded-For"} // the caller's wish to take it off
			if forwarded != "" {
				headers = append(headers, "X-Forwarded-For", forwarded)
			}
			_, body := get(t, url, headers...)
			if got := decode(t, body).Header.Values("X-Forwarded-For"); len(got) != 1 || got[0] != want {
				t.Errorf("%s after %q: %q, want %s", url, forwarded, got, want)
			}
		}
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
	t.Parallel()
	g := newGateway(t, 1)
	g.all(t)
	for _, tc := range []struct{ origin, target string }{
		{g.API, "/"}, {g.API, "/metrics"}, {g.API, "/readyz"}, {g.API, "/livez"}, {g.API, "/user"}, {g.API, "/user/"},
		{g.API, "/user/metrics"}, {g.API, "/user/livez"}, {g.API, "/user/readyz"}, {g.API, "/user/debug/pprof/"},
		{g.API, "/board/metrics"}, {g.API, "/board/readyz"}, {g.API, "/board/livez"},
		{g.API, "/user/v1/../metrics"}, {g.API, "/user/v1/%2e%2e/metrics"}, {g.API, "/user/v1/..%2fmetrics"},
		{g.API, "/user/v1/%2e%2e%2fmetrics"},
		{g.API, "//user/metrics"}, {g.API, "/user//metrics"}, {g.API, "/user/%6detrics"},
		{g.API, "/.well-known/oauth-protected-resource"}, {g.API, "/.well-known/oauth-protected-resource/other"},
		{g.API, "/USER/v1/me"}, {g.API, "/%75ser/v1/me"}, {g.API, "/user%2fv1/me"}, {g.API, "/user/V1/me"},
		{g.API, "/user/%761/me"}, {g.API, "/user/openapi.json/x"},
		{g.API, "/user/docs/"}, {g.API, "/user/docs/x"}, {g.API, "/user/docs/x/y.js"},
		{g.API, "/user/docs/..%2fmetrics"}, {g.API, "/board/docsx"}, {g.API, "/board/docs/%64ocs.js"}, {g.API, "/docs"},
		{g.API, "/user/v1"}, {g.API, "/.well-known/oauth-protected-resource%2fuser"}, {g.API, "/x?y=/user/v1/me"},
		{g.Issuer, "/metrics"}, {g.Issuer, "//metrics"}, {g.Issuer, "/%6detrics"}, {g.Issuer, "/x/../metrics"},
		{g.Issuer, "/./metrics"}, {g.Issuer, "/metrics/"},
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
	t.Parallel()
	g := newGateway(t, 1)
	g.upstream(t, "authz1", g.ports.Authz[0], echo("authz1"))
	g.upstream(t, "user", g.ports.User, echo("user"))
	g.upstream(t, "demo", g.ports.Demo, echo("demo"))
	g.run(t)
	prefixes := map[string]string{g.API: "/user/v1", g.Issuer: "/oauth2", g.App: "/boards"}
	for _, path := range []string{
		"/users/a%2Fb", "/users/a%2fb", "/users/a%20b", "/users/%E2%82%AC", "/users/a;b=c,d", "/users/a%252fb",
		"/users/%252e%252e%252fme", "/users/a..b", "/users/..a",
		"/users/...", "/users/.a", "/users/a%2e%2eb", "/users/a/", "/users/(a)'!*$&+=:@~_-", "/users/[a]",
		"/users/%61", "/users/a?next=//x/../y%00\\", "/users/a?b=%2e%2e%2f",
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
		"/users/..%2fme", "/users/..%2Fme", "/users/%2e%2e%2fme", "/users/%2E.%2fme", "/users/../me",
		"/users/%2e%2e/me", "/users/./me", "/users/%2e/me", "/users/me/..", "/users/me/.",
		"/users/me/%2e%2e", "/users/me/..?x=1", "/users/a%2f..%2fme", "/users/a%2f..", "/users//me",
		"/users/%2fme", "/users%2f%2fme", "/users/a%2f/b", "/users/a//",
		"/users/..%5cme", "/users/..\\me", "/users/a%5Cb", "/users/a\\b", "/users/a%00", "/users/%00",
		"/users/a%0d%0aX:%20y", "/users/a%09", "/users/a%7f", "/users/a%1F",
		"/users/a%2Fb\"", "/users/a%2Fb|c", "/users/a%2Fb{c}", "/users/a%2Fb<c>", "/users/a%2Fb^",
		"/users/a%2Fb`", "/users/a%2fb\x80", "/users/a%2fb가",
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
	t.Parallel()
	g := newGateway(t, 1)
	g.all(t)
	for _, origin := range []string{g.Issuer, g.App, g.API} {
		for _, target := range []string{
			"/METRICS", "/Metrics/", "/%4d%45trics", "/metrics%2f", "/metrics/x", "/metrics?x=1", "/metrics%00", "/metrics/.",
			"/oauth2/..%2fmetrics", "/oauth2/%2e%2e/metrics",
		} {
			if resp := raw(t, origin, target); resp.StatusCode != http.StatusNotFound {
				t.Errorf("%s%s: %s, want 404", origin, target, resp.Status)
			}
			if len(g.seen) > 0 {
				t.Errorf("%s%s reached %s", origin, target, <-g.seen)
			}
		}
	}
}

func TestAnotherHostNameIsRefused(t *testing.T) {
	t.Parallel()
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
