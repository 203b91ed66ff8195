package main

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/httpd"
)

// world is the whole program between a fake issuer and fake services, behind a proxy like the
// gateway.
type world struct {
	t        *testing.T
	origin   string
	issuer   *fakeIssuer
	services *fakeServices
	ahead    atomic.Int64 // nanoseconds that the clock is ahead
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func (w *world) pass(d time.Duration) { w.ahead.Add(int64(d)) }

// start starts a world. Tests with worlds run beside each other: no two worlds share anything.
func start(t *testing.T, settings ...func(*config)) *world {
	t.Helper()
	t.Parallel()
	w := &world{t: t}
	w.issuer = newFakeIssuer(t, w.now)
	w.services = newFakeServices(t, w.issuer, w.now)
	w.issuer.audiences = []string{w.services.user.URL, w.services.board.URL}

	listening := make(chan net.Addr, 1)
	var target *url.URL
	behind := &http.Transport{}
	front := httptest.NewServer(&httputil.ReverseProxy{Transport: behind, Rewrite: func(r *httputil.ProxyRequest) {
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
	for _, set := range settings {
		set(&cfg)
	}
	go func() { ended <- run(ctx, cfg) }()
	t.Cleanup(func() {
		front.Close()
		behind.CloseIdleConnections()
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

//go:embed testdata/post.md
var postBody string

// fill writes posts and comments of several people.
func (w *world) fill() {
	w.t.Helper()
	for _, p := range []struct{ id, name, title, comment string }{
		{"person-1", "김지수", "마루에 오신 것을 환영합니다", "고맙습니다!\n두 줄짜리 댓글이에요."},
		{"person-2", "Minjun Park", "A rather long title in English, to see how it wraps on a narrow telephone screen", "Nice to be here."},
		{"person-3", "이하늘", "오늘 마루에서 본 하늘", "저도 반가워요."},
	} {
		w.issuer.set(func(f *fakeIssuer) { f.person = p.id })
		b := w.browser().login()
		b.get("/profile")
		b.post("/profile", "etag", `"1"`, "display_name", p.name, "bio", "마루에 자주 앉아 있어요.\n차를 좋아합니다.",
			"website", "https://maru.example/people/"+p.id, "avatar_url", "https://pictures.example/me.png")
		b.post("/interests", "etag", `"1"`, "tags", "차, 나무, hiking, 사진")
		b.post("/boards/free/write", "key", p.id, "title", p.title, "body", postBody, "format", "markdown")
		b.post("/posts/id1", "key", "c"+p.id, "body", p.comment)
	}
	b := w.browser().login()
	b.post("/posts/id1", "key", "reply", "parent", "id2", "body", "저야말로 반갑습니다.")
	b.post("/posts/id1/moderate", "action", "pin")
	b.post("/posts/id3/moderate", "action", "lock")
	for i := range 25 {
		b.write("notice", fmt.Sprint("공지 ", i), "안내")
	}
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

// write writes a post in plain text.
func (b *browser) write(board, title, body string) shown {
	b.t.Helper()
	return b.post("/boards/"+board+"/write", "key", rand.Text(), "title", title, "body", body, "format", "plain")
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

type shown struct {
	status int
	text   string
	at     *url.URL
	header http.Header
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
