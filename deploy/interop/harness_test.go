// Package interop logs people in to an authorization server that runs as a process, by stock
// clients of others that know OpenID Connect and nothing of Maru: Go's, Node's, a browser's, and
// two proxies.
//
// The person's browser is driven as the OpenID Foundation's conformance suite drives one: it knows
// pages by their address, fields by their names, and buttons by their ids.
package interop

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/internal/testenv/program"
)

// root of the repository.
var root = filepath.Join("..", "..")

func TestMain(m *testing.M) {
	// The tests wait for processes of others; see deploy/e2e.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	code := m.Run()
	for _, dir := range []string{installed, virtual} {
		if dir == "" {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// built is the authorization server, compiled once.
var built = sync.OnceValues(func() (string, error) {
	programs, err := stack.BuildForTests(context.Background(), root)
	return programs.AuthzServer, err
})

// run starts a process that ends with the test, and waits until it answers at ready.
func run(t *testing.T, cmd *exec.Cmd, ready string) *program.Program {
	t.Helper()
	p := program.Start(t, cmd)
	p.UntilReady(ready)
	return p
}

// maru is an authorization server of a test's own, with one person's account.
type maru struct {
	t               *testing.T
	issuer          string
	program         string
	env             []string
	email, password string
}

const personName = "김마루"

func start(t *testing.T, settings ...string) *maru {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails
	port := testenv.FreePort(t)
	who := strings.ToLower(rand.Text())
	m := &maru{t: t, issuer: "http://localhost:" + port, program: path, email: who + "@example.com",
		password: "long-and-odd-" + who}
	m.env = append(os.Environ(),
		"AUTHZ_LISTEN=127.0.0.1:"+port,
		"AUTHZ_SHUTDOWN_DELAY=0s",
		"AUTHZ_ISSUER="+m.issuer,
		"AUTHZ_DATABASE_URL=sqlite:"+filepath.Join(t.TempDir(), "authz.db"),
		"AUTHZ_KEY_ENCRYPTION_KEY="+base64.StdEncoding.EncodeToString(key),
	)
	m.env = append(m.env, settings...)
	cmd := exec.Command(path, "serve")
	cmd.Env = m.env
	log := run(t, cmd, "http://127.0.0.1:"+port+"/readyz")
	t.Cleanup(func() {
		if strings.Contains(log.String(), "msg=panic") {
			t.Errorf("the authorization server panicked:\n%s", log)
		}
	})
	m.command(m.password, "user", "create", "--email", m.email, "--name", personName, "--password-stdin")
	return m
}

// in is the same server, whose failures are those of a part of the test.
func (m *maru) in(t *testing.T) *maru {
	of := *m
	of.t = t
	return &of
}

// command runs a command of the authorization server.
func (m *maru) command(stdin string, args ...string) {
	m.t.Helper()
	cmd := exec.Command(m.program, args...)
	cmd.Env, cmd.Stdin = m.env, strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("authz-server %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// metadata is that of a client (RFC 7591 §2).
type metadata map[string]any

// register makes a client known, as an operator does.
func (m *maru) register(client metadata) {
	m.t.Helper()
	text, err := json.Marshal(client)
	if err != nil {
		m.t.Fatal(err)
	}
	m.command(string(text), "client", "import", "-")
}

// browser is a person's, without scripts.
type browser struct {
	t      *testing.T
	m      *maru
	client *http.Client
	stop   string // redirects to addresses that begin so are not followed: there the client takes over
	logins int    // how often the person had to log in
	denies bool   // the person refuses consent
}

func (m *maru) browser(stop string) *browser {
	m.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		m.t.Fatal(err)
	}
	b := &browser{t: m.t, m: m, stop: stop}
	b.client = &http.Client{Jar: jar, Timeout: 30 * time.Second, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if b.stop != "" && strings.HasPrefix(req.URL.String(), b.stop) {
			return http.ErrUseLastResponse
		}
		if len(via) > 15 {
			return fmt.Errorf("redirected for ever: %s", req.URL.Redacted())
		}
		return nil
	}}
	return b
}

// page is what the browser ends on. If Status is a redirect, URL is the client's, and was not
// opened.
type page struct {
	URL    *url.URL
	Status int
	Header http.Header
	Body   string
}

// visit opens an address and does on the way what the pages ask for.
func (b *browser) visit(address string) page {
	b.t.Helper()
	shown := b.read(b.send(http.MethodGet, address, "", ""))
	for range 10 {
		if shown.Status >= 300 && shown.Status < 400 || !strings.HasPrefix(shown.URL.String(), b.m.issuer+"/") {
			return shown
		}
		switch {
		case shown.Status != http.StatusOK:
			return shown
		case shown.URL.Path == "/login":
			b.logins++
			shown = b.press(shown, "login", url.Values{"email": {b.m.email}, "password": {b.m.password}})
		case shown.URL.Path == "/consent" && b.denies:
			shown = b.press(shown, "deny", nil)
		case shown.URL.Path == "/consent":
			shown = b.press(shown, "allow", nil)
		case shown.URL.Path == "/oauth2/logout" && strings.Contains(shown.Body, `id="logout"`):
			shown = b.press(shown, "logout", nil)
		default:
			return shown
		}
	}
	b.t.Fatalf("the pages have no end: %s", shown.URL)
	return page{}
}

// callback visits an address, and returns the one at which the client takes over.
func (b *browser) callback(address string) *url.URL {
	b.t.Helper()
	shown := b.visit(address)
	if !strings.HasPrefix(shown.URL.String(), b.stop) {
		b.t.Fatalf("the browser is not back at the client, but on %s (%d): %s", shown.URL, shown.Status, shown.Body)
	}
	return shown.URL
}

func (b *browser) read(resp *http.Response, err error) page {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		b.t.Fatal(err)
	}
	shown := page{resp.Request.URL, resp.StatusCode, resp.Header, string(text)}
	if at, err := resp.Location(); err == nil {
		shown.URL = at
	}
	return shown
}

// press fills fields of the form around the button of that id, and presses it.
func (b *browser) press(shown page, id string, fields url.Values) page {
	b.t.Helper()
	doc, err := html.Parse(strings.NewReader(shown.Body))
	if err != nil {
		b.t.Fatal(err)
	}
	var form *html.Node
	values := url.Values{}
	for n := range doc.Descendants() {
		if attribute(n, "id") == id {
			if name := attribute(n, "name"); name != "" {
				values.Set(name, attribute(n, "value"))
			}
			for form = n; form != nil && form.Data != "form"; form = form.Parent {
			}
			break
		}
	}
	if form == nil {
		b.t.Fatalf("no form with a button #%s on %s: %s", id, shown.URL, shown.Body)
	}
	for n := range form.Descendants() {
		name, kind := attribute(n, "name"), attribute(n, "type")
		if n.Data != "input" || name == "" || kind == "submit" || has(n, "disabled") ||
			(kind == "checkbox" || kind == "radio") && !has(n, "checked") {
			continue
		}
		values.Add(name, attribute(n, "value"))
	}
	for name := range fields {
		if !values.Has(name) {
			b.t.Fatalf("the form of #%s on %s has no field %q", id, shown.URL, name)
		}
		values.Set(name, fields.Get(name))
	}
	target, err := shown.URL.Parse(attribute(form, "action"))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.read(b.send(http.MethodPost, target.String(), shown.URL.Scheme+"://"+shown.URL.Host, values.Encode()))
}

// send makes a request with those headers of browsers that servers look at: what it would like to
// have, and, of a form, which origin it is from.
func (b *browser) send(method, address, origin, form string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(b.t.Context(), method, address, strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	if origin != "" {
		req.Header.Set("Origin", origin)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return b.client.Do(req)
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, attribute string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == attribute })
}

// secret is long enough, and has what must be percent-encoded in HTTP Basic authentication (RFC
// 6749 §2.3.1).
func secret() string { return rand.Text() + "+/%:&=" + rand.Text() }

// bounded is a context for one test's calls.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}
