package main

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/html"
)

func TestOtherSitesCannotChangeAnything(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	for _, path := range []string{"/logout", "/login", "/language", "/profile", "/boards/free/write", "/posts/id1/delete", "/tokens/revoke"} {
		for name, headers := range map[string]map[string]string{
			"cross-site":      {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
			"another port":    {"Sec-Fetch-Site": "same-site", "Origin": w.issuer.server.URL},
			"an old browser":  {"Origin": "https://evil.example"},
			"a sandbox frame": {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
		} {
			r, err := http.NewRequest(http.MethodPost, w.origin+path,
				strings.NewReader("display_name=hacked&title=t&body=b&format=plain&lang=ko&to=/"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for h, value := range headers {
				r.Header.Set(h, value)
			}
			page := b.do(r)
			if page.status != http.StatusForbidden {
				t.Errorf("%s from %s: status %d", path, name, page.status)
			}
		}
	}
	b.get("/").want(t, http.StatusOK, `id="logout"`)
	if n := w.issuer.revoked.Load(); n != 0 {
		t.Errorf("%d tokens were revoked", n)
	}
	// Nothing changes by GET.
	for _, path := range []string{"/logout", "/language?lang=ko", "/posts/id1/moderate?action=pin", "/tokens/revoke"} {
		b.get(path).want(t, http.StatusNotFound)
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	for _, path := range []string{"/", "/boards", "/tokens", "/nowhere", "/api/me"} {
		page := b.get(path)
		policy := page.header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "img-src 'self'",
			"connect-src 'self' " + w.issuer.server.URL, "form-action 'self' " + w.issuer.server.URL} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: %q is not in the policy %q", path, part, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || page.header.Get("Cache-Control") != "no-store" ||
			page.header.Get("Referrer-Policy") == "" || page.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", path, page.header)
		}
	}
	style := regexp.MustCompile(`href="(/static/[^"]+\.css)"`).FindStringSubmatch(b.get("/").text)[1]
	if got := b.get(style); got.status != http.StatusOK || !strings.Contains(got.header.Get("Cache-Control"), "immutable") {
		t.Errorf("%s: %d %v", style, got.status, got.header)
	}
	for _, path := range []string{"/static/", style[:strings.LastIndex(style, "/")+1], "/static/other/style.css", style + "/../../web.go"} {
		if got := b.get(path); got.status != http.StatusNotFound || strings.Contains(got.header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", path, got.status, got.header)
		}
	}
}

func TestMarkupInWhatPeopleWriteStaysText(t *testing.T) {
	const evil = `<script>alert(1)</script><img src=x onerror=alert(1)>"'><svg onload=alert(1)>`
	w := start(t)
	w.issuer.set(func(i *fakeIssuer) { i.name = evil })
	b := w.browser().login()
	b.get("/profile")
	b.post("/profile", "etag", `"1"`, "display_name", evil, "bio", evil, "website", "http://x/"+evil, "avatar_url", "http://x/"+evil)
	b.post("/interests", "etag", `"1"`, "tags", evil)
	for _, format := range []string{"plain", "markdown"} {
		body := evil + "\n\n[a](javascript:alert(1)) ![b](https://evil.example/pixel.png) <javascript:alert(1)> [c]: data:text/html,x"
		page := b.post("/boards/free/write", "key", format, "title", evil, "body", body, "format", format)
		page.want(t, http.StatusOK)
		b.post(page.at.Path, "key", "c"+format, "body", evil)
	}
	for _, path := range []string{
		"/", "/profile", "/interests", "/people/person-1", "/tokens", "/nowhere/" + url.PathEscape(evil),
		"/boards", "/boards/free", "/boards/free?q=" + url.QueryEscape(evil), "/search?q=" + url.QueryEscape(evil),
		"/posts/id1", "/posts/id1/edit", "/posts/id1/delete", "/posts/id3", "/posts/id3/edit",
		"/comments/id2/edit", "/comments/id2/delete",
	} {
		page := b.get(path)
		document, err := html.Parse(strings.NewReader(page.text))
		if err != nil {
			t.Fatal(err)
		}
		for n := range document.Descendants() {
			if n.Data == "img" && n.Parent.Data == "a" && slices.Contains(n.Parent.Attr, html.Attribute{Key: "class", Val: "brand"}) {
				continue // the app's own mark
			}
			if n.Data == "img" || n.Data == "iframe" || n.Data == "script" && n.FirstChild != nil &&
				!strings.HasPrefix(n.FirstChild.Data, "{") {
				t.Errorf("%s has an element %s", path, n.Data)
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || (a.Key == "href" || a.Key == "src") && !strings.HasPrefix(a.Val, "/") &&
					!strings.HasPrefix(a.Val, "http") && !strings.HasPrefix(a.Val, "#main") {
					t.Errorf("%s has %s with %s=%q", path, n.Data, a.Key, a.Val)
				}
			}
		}
	}
}

func TestAServiceThatIsDownTakesOnlyItsPartOfAPage(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	b.write("free", "t", "b")
	w.services.boardDown.Store(true)
	b.get("/").want(t, http.StatusOK, "The board cannot be reached", "Your profile", "이름-person-1")
	b.get("/boards/free").want(t, http.StatusServiceUnavailable, "The board cannot be reached", `id="logout"`)
	b.get("/posts/id1").want(t, http.StatusServiceUnavailable, "The board cannot be reached", "Try again")
	b.get("/profile").want(t, http.StatusOK, `id="display_name"`)
	b.write("free", "제목", "사라지면 안 되는 글").
		want(t, http.StatusServiceUnavailable, "The board cannot be reached", "사라지면 안 되는 글", "제목")
	w.services.boardDown.Store(false)
	w.services.userDown.Store(true)
	b.get("/").want(t, http.StatusOK, "Profiles cannot be reached", "자유")
	b.get("/boards/free").want(t, http.StatusOK, "자유")
	b.get("/profile").want(t, http.StatusServiceUnavailable, "Profiles cannot be reached")
	b.get("/tokens").want(t, http.StatusOK, "Access token")
	b.post("/profile", "etag", `"1"`, "display_name", "새 이름").want(t, http.StatusServiceUnavailable, "새 이름", "still here")
	if page := b.get("/api/me"); page.status != http.StatusServiceUnavailable ||
		page.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("/api/me: %d %s", page.status, page.header.Get("Content-Type"))
	}
}

func TestOneVisitorsManyRequestsHoldUpNobodyElse(t *testing.T) {
	w := start(t)
	b, other := w.browser().login(), w.browser()
	w.issuer.set(func(i *fakeIssuer) { i.person = "person-2" })
	other.login()
	asked, hold := make(chan struct{}, 100), make(chan struct{})
	w.services.before.Store(func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/posts/slow") {
			asked <- struct{}{}
			<-hold
		}
	})
	var slow sync.WaitGroup
	for range 32 {
		slow.Go(func() { b.get("/posts/slow") })
		<-asked
	}
	page := b.get("/boards")
	page.want(t, http.StatusTooManyRequests, "That was too much at once")
	if page.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	b.get("/api/me").want(t, http.StatusTooManyRequests)
	other.get("/boards").want(t, http.StatusOK)
	w.browser().get("/").want(t, http.StatusOK)
	close(hold)
	slow.Wait()
	b.get("/boards").want(t, http.StatusOK)
}

func TestBadInputGetsAFriendlyPage(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	for path, status := range map[string]int{
		"/boards/none": http.StatusNotFound, "/posts/none": http.StatusNotFound, "/posts/%2e%2e": http.StatusNotFound,
		"/posts/..%2f..%2fv1%2fme": http.StatusNotFound,
		"/people/nobody":           http.StatusNotFound, "/comments/none/edit": http.StatusNotFound, "/boards/" +
			strings.Repeat("x", 300): http.StatusNotFound,
		"/callback": http.StatusBadRequest, "/callback?error=x": http.StatusBadRequest, "/search?q=%ff": http.StatusOK,
		"/search?q=" + strings.Repeat("x", 5000): http.StatusOK,
	} {
		b.get(path).want(t, status, "<h1>")
	}
	b.post("/boards/free/write", "body", strings.Repeat("x", 600<<10)).want(t, http.StatusRequestEntityTooLarge, "larger than")
	r, err := http.NewRequest(http.MethodPost, w.origin+"/profile", strings.NewReader("a=%zz"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	b.do(r).want(t, http.StatusBadRequest, "cannot be read")
}
