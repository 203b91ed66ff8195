// Package e2e tests Maru as it runs: separate processes behind the gateway, on free ports, seen from outside only.
package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/net/html"
	"golang.org/x/oauth2"

	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

// root of the repository.
var root = filepath.Join("..", "..")

// programs compiles everything once.
var programs = sync.OnceValues(func() (stack.Programs, error) { return stack.BuildForTests(context.Background(), root) })

// running is a stack of a test's own.
type running struct {
	*stack.Stack
	stack.Origins
	ports stack.Ports
	dir   string // its databases and keys
	log   *log
}

// log keeps what the processes print, for a test that fails.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// panics are the lines that tell of one, which callers saw as a 500.
func (l *log) panics() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for line := range strings.Lines(l.b.String()) {
		if strings.Contains(line, "msg=panic") {
			found = append(found, line)
		}
	}
	return found
}

// requests is how many requests the part has logged.
func (l *log) requests(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for line := range strings.Lines(l.b.String()) {
		if name, _, _ := strings.Cut(line, " "); name == part && strings.Contains(line, "msg=request ") {
			n++
		}
	}
	return n
}

// end is the last n lines, each cut to a length that can be read.
func (l *log) end(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := strings.Split(l.b.String(), "\n")
	lines = lines[max(0, len(lines)-n):]
	for i, line := range lines {
		lines[i] = line[:min(len(line), 300)]
	}
	return strings.Join(lines, "\n")
}

// start runs a stack with as many authorization servers as said, and the settings env. It stops when the test ends.
func start(t *testing.T, replicas int, env ...string) *running {
	t.Helper()
	return startWith(t, stack.Config{Env: env}, replicas)
}

// startWith is start with what else cfg says; its Env comes on top of this process's.
func startWith(t *testing.T, cfg stack.Config, replicas int) *running {
	t.Helper()
	p, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	ports, err := stack.FreePorts(replicas)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{ports: ports, dir: t.TempDir(), log: &log{}}
	cfg.Root, cfg.Dir, cfg.Programs, cfg.Ports, cfg.Env, cfg.Log = root, r.dir, p, ports, append(os.Environ(), cfg.Env...), r.log
	r.Stack, err = stack.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Origins = r.Stack.Origins()
	t.Cleanup(func() {
		r.Stop()
		for _, line := range r.log.panics() {
			t.Errorf("a program panicked: %s", line)
		}
		if t.Failed() {
			t.Logf("the end of the log:\n%s", r.log.end(40))
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	return r
}

// postgres returns settings that put each service on a Postgres database of its own.
func postgres(t *testing.T) []string {
	t.Helper()
	return []string{
		"AUTHZ_DATABASE_URL=" + sqldbtest.Postgres(t),
		"USER_DATABASE_URL=" + sqldbtest.Postgres(t),
		"BOARD_DATABASE_URL=" + sqldbtest.Postgres(t),
	}
}

// restart kills the part as a power failure would, starts it again, and returns when the whole stack is ready.
func (r *running) restart(t *testing.T, part string) {
	t.Helper()
	if err := r.Kill(part); err != nil {
		t.Fatal(err)
	}
	r.launch(t, part)
}

func (r *running) launch(t *testing.T, part string) {
	t.Helper()
	if err := r.Launch(part); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain until %s", what)
}

// answer is a response, read.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
}

func (a answer) String() string {
	return fmt.Sprintf("%d %s", a.Status, a.Body[:min(len(a.Body), 500)])
}

// decode reads a JSON answer of that status into v.
func (a answer) decode(t *testing.T, status int, v any) {
	t.Helper()
	if a.Status != status {
		t.Fatalf("status %d, want %d: %s", a.Status, status, a)
	}
	if err := json.Unmarshal(a.Body, v); err != nil {
		t.Fatalf("%v: %s", err, a)
	}
}

// plain is a client that follows no redirects and keeps no cookies.
var plain = &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// try makes a request; body is sent as JSON unless it is a form or nil.
func try(method, address, token string, body any, headers ...string) (answer, error) {
	return tryBy(plain, method, address, token, body, headers...)
}

func tryBy(client *http.Client, method, address, token string, body any, headers ...string) (answer, error) {
	var content io.Reader
	contentType := ""
	switch b := body.(type) {
	case nil:
	case url.Values:
		content, contentType = strings.NewReader(b.Encode()), "application/x-www-form-urlencoded"
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return answer{}, err
		}
		content, contentType = bytes.NewReader(text), "application/json"
	}
	req, err := http.NewRequest(method, address, content)
	if err != nil {
		return answer{}, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, text}, err
}

func call(t *testing.T, method, address, token string, body any, headers ...string) answer {
	t.Helper()
	a, err := try(method, address, token, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// person is somebody with a browser that knows no script: cookies, redirects and forms.
type person struct {
	t               *testing.T
	browser         *http.Client
	Name            string
	Email, Password string
}

// callback is where the sample app would listen: nothing does, and the browser stops there.
const callback = "http://127.0.0.1:1/callback"

func newPerson(t *testing.T, transport http.RoundTripper) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	who := strings.ToLower(rand.Text())
	return &person{
		t: t, Name: "Person " + who[:6], Email: who + "@example.com", Password: "long-and-odd-" + who,
		browser: &http.Client{Jar: jar, Transport: transport, Timeout: 30 * time.Second, CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if strings.HasPrefix(req.URL.String(), callback) {
				return http.ErrUseLastResponse
			}
			if len(via) > 15 {
				return fmt.Errorf("redirected for ever: %s", req.URL.Redacted())
			}
			return nil
		}},
	}
}

// page is what the browser shows, or, with Callback, where an app takes over.
type page struct {
	person   *person
	URL      *url.URL
	Status   int
	Header   http.Header
	Doc      *html.Node
	Callback url.Values // the parameters at the app's callback; nil: the browser is elsewhere
}

func (p *person) open(address string) page {
	p.t.Helper()
	resp, err := p.browser.Get(address)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.read(resp)
}

func (p *person) read(resp *http.Response) page {
	p.t.Helper()
	defer resp.Body.Close()
	shown := page{person: p, URL: resp.Request.URL, Status: resp.StatusCode, Header: resp.Header}
	if at, err := resp.Location(); err == nil {
		shown.URL, shown.Callback = at, at.Query()
		return shown
	}
	doc, err := html.Parse(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	shown.Doc = doc
	return shown
}

func attribute(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

func (g page) byID(id string) *html.Node {
	if g.Doc == nil {
		return nil
	}
	for n := range g.Doc.Descendants() {
		if v, ok := attribute(n, "id"); ok && v == id {
			return n
		}
	}
	return nil
}

// text is what a person reads on the page.
func (g page) text() string {
	if g.Doc == nil {
		return ""
	}
	var b strings.Builder
	for n := range g.Doc.Descendants() {
		if n.Type == html.TextNode {
			b.WriteString(n.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// press fills the fields of the form around the button of that id, and presses it.
func (g page) press(id string, fields ...string) page {
	t := g.person.t
	t.Helper()
	button := g.byID(id)
	if button == nil {
		t.Fatalf("no button #%s on %s (%d): %s", id, g.URL, g.Status, g.text())
	}
	form := button
	for form != nil && form.Data != "form" {
		form = form.Parent
	}
	if form == nil {
		t.Fatalf("#%s stands in no form", id)
	}
	values := url.Values{}
	var names []string
	for n := range form.Descendants() {
		name, ok := attribute(n, "name")
		if _, disabled := attribute(n, "disabled"); !ok || disabled || n.Data != "input" && n.Data != "textarea" && n.Data != "select" {
			continue
		}
		names = append(names, name)
		value, _ := attribute(n, "value")
		switch n.Data {
		case "textarea":
			if n.FirstChild != nil {
				value = strings.TrimPrefix(n.FirstChild.Data, "\n")
			}
		case "select":
			value = chosen(n)
		}
		if kind, _ := attribute(n, "type"); kind == "checkbox" || kind == "radio" {
			if _, checked := attribute(n, "checked"); !checked {
				continue
			}
		}
		values.Add(name, value)
	}
	for i := 0; i < len(fields); i += 2 {
		if !slices.Contains(names, fields[i]) {
			t.Fatalf("the form of #%s has no field %q, it has %q", id, fields[i], names)
		}
		values.Set(fields[i], fields[i+1])
	}
	if name, ok := attribute(button, "name"); ok {
		value, _ := attribute(button, "value")
		values.Set(name, value)
	}
	action, _ := attribute(form, "action")
	target, err := g.URL.Parse(action)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := g.person.browser.PostForm(target.String(), values)
	if err != nil {
		t.Fatal(err)
	}
	return g.person.read(resp)
}

// chosen is the value of a select: that of the selected option, or of the first.
func chosen(n *html.Node) string {
	first, found := "", false
	for option := range n.Descendants() {
		if option.Data != "option" {
			continue
		}
		value, _ := attribute(option, "value")
		if _, selected := attribute(option, "selected"); selected {
			return value
		}
		if !found {
			first, found = value, true
		}
	}
	return first
}

// follow opens the first link whose address contains part.
func (g page) follow(part string) page {
	t := g.person.t
	t.Helper()
	for n := range g.Doc.Descendants() {
		if href, ok := attribute(n, "href"); ok && n.Data == "a" && strings.Contains(href, part) {
			target, err := g.URL.Parse(href)
			if err != nil {
				t.Fatal(err)
			}
			return g.person.open(target.String())
		}
	}
	t.Fatalf("no link to %s on %s: %s", part, g.URL, g.text())
	return page{}
}

// app is the sample app: an ordinary OAuth client that knows the issuer's address and nothing else of Maru.
type app struct {
	oauth2.Config
	provider *oidc.Provider
	ctx      context.Context // by which HTTP client it calls
}

// sampleApp finds everything by discovery.
func sampleApp(t *testing.T, r *running, scopes ...string) app {
	t.Helper()
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Transport: r.Transport()})
	provider, err := oidc.NewProvider(ctx, r.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := provider.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams // a public client
	return app{oauth2.Config{ClientID: "sample-app", Endpoint: endpoint, RedirectURL: callback, Scopes: scopes}, provider, ctx}
}

// request starts an authorization in the person's browser and returns the page that it ends on, the nonce and the verifier.
func (a app) request(p *person, options ...oauth2.AuthCodeOption) (shown page, state, nonce, verifier string) {
	p.t.Helper()
	state, nonce, verifier = rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	options = append(options, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))
	return p.open(a.AuthCodeURL(state, options...)), state, nonce, verifier
}

// grant is what the app gets by one authorization.
type grant struct {
	*oauth2.Token
	ID *oidc.IDToken
}

// signUp makes the person's account on the way to the app, agrees, and exchanges the code.
func (a app) signUp(p *person) grant {
	p.t.Helper()
	shown, state, nonce, verifier := a.request(p)
	shown = shown.follow("/signup").press("signup", "name", p.Name, "email", p.Email, "password", p.Password)
	return a.exchange(p, agree(shown), state, nonce, verifier)
}

// logIn logs the person in if the page asks for it, agrees, and exchanges the code.
func (a app) logIn(p *person) grant {
	p.t.Helper()
	shown, state, nonce, verifier := a.request(p)
	if shown.byID("login") != nil {
		shown = shown.press("login", "email", p.Email, "password", p.Password)
	}
	return a.exchange(p, agree(shown), state, nonce, verifier)
}

func agree(shown page) page {
	shown.person.t.Helper()
	if shown.byID("allow") != nil {
		shown = shown.press("allow")
	}
	return shown
}

// code checks that the browser came back to the app, and returns the code.
func code(shown page, state string) string {
	t := shown.person.t
	t.Helper()
	if shown.Callback == nil {
		t.Fatalf("the browser is not at the app but on %s (%d): %s", shown.URL, shown.Status, shown.text())
	}
	if shown.Callback.Get("error") != "" || shown.Callback.Get("state") != state || shown.Callback.Get("code") == "" {
		t.Fatalf("the app got %v", shown.Callback)
	}
	return shown.Callback.Get("code")
}

func (a app) exchange(p *person, shown page, state, nonce, verifier string) grant {
	p.t.Helper()
	token, err := a.Exchange(a.ctx, code(shown, state), oauth2.VerifierOption(verifier))
	if err != nil {
		p.t.Fatal(err)
	}
	return a.check(p.t, token, nonce)
}

// check verifies the ID token, as go-oidc does for everybody.
func (a app) check(t *testing.T, token *oauth2.Token, nonce string) grant {
	t.Helper()
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		t.Fatal("no ID token")
	}
	id, err := a.provider.Verifier(&oidc.Config{ClientID: a.ClientID}).Verify(context.Background(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if id.Nonce != nonce {
		t.Fatalf("nonce %q, want %q", id.Nonce, nonce)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		t.Fatal(err)
	}
	return grant{token, id}
}

// everything that the sample app may ask for.
var everyScope = []string{"openid", "profile", "email", "offline_access", "user:read", "board:read", "board:write"}

// tokenRequest asks the token endpoint for a grant, and returns the answer whatever it is.
func tokenRequest(r *running, via http.RoundTripper, form url.Values) (answer, error) {
	client := &http.Client{Timeout: 30 * time.Second, Transport: via}
	resp, err := client.PostForm(r.Issuer+"/oauth2/token", form)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, text}, err
}

func refreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "client_id": {"sample-app"}, "refresh_token": {token}}
}

// replica is a way to the issuer's address that ends at one authorization server, past the gateway.
func (r *running) replica(i int) http.RoundTripper {
	issuer := strings.TrimPrefix(r.Issuer, "http://")
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == issuer {
			address = fmt.Sprintf("127.0.0.1:%d", r.ports.Authz[i])
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	return transport
}

// service gets a token for the client sample-service itself.
func service(t *testing.T, r *running, scope string) string {
	t.Helper()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {scope}, "client_id": {"sample-service"}, "client_secret": {"sample-secret-for-development-only"}}
	req, err := http.NewRequest(http.MethodPost, r.Issuer+"/oauth2/token", strings.NewReader(url.Values{"grant_type": form["grant_type"], "scope": form["scope"]}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(form.Get("client_id"), form.Get("client_secret"))
	resp, err := plain.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer{resp.StatusCode, resp.Header, text}.decode(t, http.StatusOK, &token)
	return token.AccessToken
}
