package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maru-auth/maru/internal/httpd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is the whole program between a fake issuer and fake services, behind a proxy as the gateway is one.
type world struct {
	t        *testing.T
	origin   string
	issuer   *fakeIssuer
	services *fakeServices
	ahead    atomic.Int64 // nanoseconds that the clock is ahead
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func (w *world) pass(d time.Duration) { w.ahead.Add(int64(d)) }

func start(t *testing.T) *world {
	w := &world{t: t}
	w.issuer = newFakeIssuer(t, w.now)
	w.services = newFakeServices(t, w.issuer, w.now)
	userAudience, boardAudience = w.services.user.URL, w.services.board.URL

	listening := make(chan net.Addr, 1)
	var target *url.URL
	front := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}})
	w.origin = front.URL
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	cfg := config{
		Config: httpd.Config{Listen: "127.0.0.1:0", LogLevel: 12, ShutdownTimeout: 5 * time.Second},
		Origin: w.origin, Issuer: w.issuer.server.URL, ClientID: testClient, ClientSecret: testSecret,
		UserAPI: w.services.user.URL + "/", BoardAPI: w.services.board.URL, Now: w.now, APIDocs: true,
		Serving: func(addr net.Addr) { listening <- addr },
	}
	go func() { ended <- run(ctx, cfg) }()
	t.Cleanup(func() {
		front.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	select {
	case addr := <-listening:
		target = &url.URL{Scheme: "http", Host: addr.String()}
	case err := <-ended:
		ended <- err
		t.Fatalf("run: %v", err)
	}
	return w
}

// browser is a person's browser: it keeps cookies and follows redirects.
type browser struct {
	*world
	client *http.Client
	lang   string
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	transport := &http.Transport{}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &browser{w, &http.Client{Jar: jar, Transport: transport, Timeout: 20 * time.Second}, "en"}
}

type shown struct {
	status int
	text   string
	at     *url.URL
	header http.Header
}

func (b *browser) do(r *http.Request) shown {
	b.t.Helper()
	r.Header.Set("Accept-Language", b.lang)
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return shown{resp.StatusCode, string(text), resp.Request.URL, resp.Header}
}

func (b *browser) address(path string) string {
	if strings.HasPrefix(path, "http") {
		return path
	}
	return b.origin + path
}

func (b *browser) get(path string) shown {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodGet, b.address(path), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(r)
}

func (b *browser) post(path string, fields ...string) shown {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r, err := http.NewRequest(http.MethodPost, b.address(path), strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

// step makes one request and follows no redirect.
func (b *browser) step(method, address string) *http.Response {
	b.t.Helper()
	r, err := http.NewRequest(method, b.address(address), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	once := *b.client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp
}

func (b *browser) login() *browser {
	b.t.Helper()
	page := b.get("/login")
	page.want(b.t, http.StatusOK, `id="logout"`)
	return b
}

// callback goes to the issuer and returns the address that it sends the browser back to.
func (b *browser) callback(path string) string {
	b.t.Helper()
	there := b.step(http.MethodGet, path)
	back := b.step(http.MethodGet, there.Header.Get("Location"))
	if back.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("the issuer answered %d", back.StatusCode)
	}
	return back.Header.Get("Location")
}

func (s shown) want(t *testing.T, status int, texts ...string) {
	t.Helper()
	if s.status != status {
		t.Errorf("%s: status %d, want %d\n%s", s.at.Path, s.status, status, plain(s.text))
	}
	for _, text := range texts {
		if !strings.Contains(s.text, text) && !strings.Contains(html.UnescapeString(s.text), text) {
			t.Errorf("%s: %q is missing in:\n%s", s.at.Path, text, plain(s.text))
		}
	}
}

func (s shown) without(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(s.text, text) {
			t.Errorf("%s: %q should not be in:\n%s", s.at.Path, text, plain(s.text))
		}
	}
}

var (
	head  = regexp.MustCompile(`(?s)<head>.*</head>`)
	blank = regexp.MustCompile(`\s*\n\s*`)
)

func plain(text string) string { return blank.ReplaceAllString(head.ReplaceAllString(text, ""), "\n") }

// field returns the value of a hidden field.
func (s shown) field(t *testing.T, name string) string {
	t.Helper()
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(s.text)
	if m == nil {
		t.Fatalf("%s: no field %s in:\n%s", s.at.Path, name, plain(s.text))
	}
	return html.UnescapeString(m[1])
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("in 10 seconds, it did not happen: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestWrongSettingsStopTheProgramWithOneClearLine(t *testing.T) {
	good := config{Origin: "http://localhost:8080", Issuer: "http://localhost:9000", ClientID: "demo", UserAPI: "http://localhost:8000/user", BoardAPI: "http://localhost:8000/board"}
	for _, test := range []struct {
		change func(*config)
		want   string
	}{
		{func(c *config) { c.Origin = "localhost:8080" }, "--origin"},
		{func(c *config) { c.Origin = "http://localhost:8080/app" }, "--origin"},
		{func(c *config) { c.Issuer = "" }, "--issuer"},
		{func(c *config) { c.Issuer = "http://localhost:9000?x=1" }, "--issuer"},
		{func(c *config) { c.ClientID = "" }, "--client-id"},
		{func(c *config) { c.UserAPI = "ftp://localhost" }, "--user-api"},
		{func(c *config) { c.BoardAPI = "http://user:secret@localhost" }, "--board-api"},
		{func(c *config) { c.CookieKey = "secret" }, "--cookie-key"},
		{func(c *config) { c.CookieKey = base64.StdEncoding.EncodeToString(make([]byte, 31)) }, "--cookie-key"},
	} {
		cfg := good
		test.change(&cfg)
		if err := run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("want an error that names %s, got %v", test.want, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error repeats a secret: %v", err)
		}
	}
}

func TestACookieKeyComesInEitherAlphabetOfBase64(t *testing.T) {
	key := bytes.Repeat([]byte{0xfb, 0xff}, 16)
	for _, text := range []string{base64.StdEncoding.EncodeToString(key) + "\n", base64.RawURLEncoding.EncodeToString(key)} {
		if got, err := (&config{CookieKey: text}).cookieKey(); err != nil || !bytes.Equal(got, key) {
			t.Errorf("%q: %x, %v", text, got, err)
		}
	}
}

func TestSettingsComeFromTheEnvironment(t *testing.T) {
	for name, value := range map[string]string{"DEMO_ORIGIN": "http://localhost:1", "DEMO_ISSUER": "http://localhost:2", "DEMO_CLIENT_ID": "c",
		"DEMO_CLIENT_SECRET": "s", "DEMO_USER_API": "http://localhost:3/user", "DEMO_BOARD_API": "http://localhost:3/board", "DEMO_LISTEN": "127.0.0.1:0"} {
		t.Setenv(name, value)
	}
	cfg, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Origin != "http://localhost:1" || cfg.ClientSecret != "s" || cfg.BoardAPI != "http://localhost:3/board" || cfg.Listen != "127.0.0.1:0" || cfg.ShutdownTimeout != 10*time.Second {
		t.Errorf("got %+v", cfg)
	}
	t.Setenv("DEMO_ISSUER", "")
	os.Unsetenv("DEMO_ISSUER")
	if _, err := parse(nil); err == nil || !strings.Contains(err.Error(), "--issuer") {
		t.Errorf("want an error that names --issuer, got %v", err)
	}
}

// postStep posts a form and follows no redirect.
func (b *browser) postStep(path string, fields ...string) *http.Response {
	b.t.Helper()
	once := *b.client
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.PostForm(b.address(path), form)
	if err != nil {
		b.t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp
}

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// flip changes one letter in the middle of a text.
func flip(text string) string {
	b := []byte(text)
	if i := len(b) / 2; b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}
