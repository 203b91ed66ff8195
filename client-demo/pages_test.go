package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"
)

func TestAPostIsWrittenReadChangedAndDeleted(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	form := b.get("/boards/free/write")
	form.want(t, http.StatusOK, `id="save"`)
	key := form.field(t, "key")
	post := b.post("/boards/free/write", "key", key, "title", "처음", "body", "첫 줄\r\n둘째 줄", "format", "plain")
	post.want(t, http.StatusOK, "Your post is online", "첫 줄\n둘째 줄", `id="edit"`, `id="delete"`)
	again := b.post("/boards/free/write", "key", key, "title", "처음", "body", "첫 줄\r\n둘째 줄", "format", "plain")
	if again.at.Path != post.at.Path {
		t.Errorf("the form sent twice made %s and %s", post.at.Path, again.at.Path)
	}
	path := post.at.Path

	edit := b.get(path + "/edit")
	edit.want(t, http.StatusOK, "처음", "둘째 줄")
	b.post(path+"/edit", "etag", edit.field(t, "etag"), "title", "고침", "body", "**굵게**", "format", "markdown").
		want(t, http.StatusOK, "Saved.", "고침", "<strong>굵게</strong>")

	comment := b.post(path, "key", "k1", "body", "댓글이에요")
	comment.want(t, http.StatusOK, "Your comment is online", "댓글이에요")
	id := regexp.MustCompile(`id="c-([^"]+)"`).FindStringSubmatch(comment.text)[1]
	b.post(path, "key", "k2", "body", "답글이에요", "parent", id).want(t, http.StatusOK, "답글이에요")
	edit = b.get("/comments/" + id + "/edit")
	b.post("/comments/"+id+"/edit", "etag", edit.field(t, "etag"), "body", "고친 댓글").want(t, http.StatusOK, "고친 댓글")
	gone := b.get("/comments/" + id + "/delete")
	gone.want(t, http.StatusOK, "고친 댓글", "Delete the comment?")
	b.post("/comments/"+id+"/delete", "etag", gone.field(t, "etag")).want(t, http.StatusOK, "Deleted.", "답글이에요")

	b.get("/boards/free?q="+url.QueryEscape("고침")).want(t, http.StatusOK, "고침")
	b.get("/search?q="+url.QueryEscape("고침")).want(t, http.StatusOK, "고침", "자유")
	b.get("/search?q=zzz").want(t, http.StatusOK, "Nothing found for “zzz”")

	ask := b.get(path + "/delete")
	ask.want(t, http.StatusOK, "Delete the post?")
	b.post(path+"/delete", "etag", ask.field(t, "etag")).want(t, http.StatusOK, "Deleted.", "There are no posts here yet", "Write the first post")
	b.get(path).want(t, http.StatusNotFound, "Nothing here")
}

func TestAListGoesOnOnTheNextPage(t *testing.T) {
	w := start(t)
	w.issuer.set(func(i *fakeIssuer) { i.roles = []string{"moderator"} })
	b := w.browser().login()
	for i := range 25 {
		b.post("/boards/notice/write", "key", fmt.Sprint(i), "title", fmt.Sprintf("title-%02d", i), "body", "x", "format", "plain")
	}
	b.post("/posts/id1/moderate", "action", "pin").want(t, http.StatusOK, "Done.", "Pinned")
	page := b.get("/boards/notice")
	page.want(t, http.StatusOK, "title-00", "title-24", "Next page")
	if strings.Index(page.text, "title-00") > strings.Index(page.text, "title-24") {
		t.Error("the pinned post is not first")
	}
	next := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(page.text)[1]
	page = b.get(strings.ReplaceAll(next, "&amp;", "&"))
	page.want(t, http.StatusOK, "title-02", "Page 2", `rel="prev" href="/boards/notice"`)
	page.without(t, "title-24", "Next page")
}

func TestOnlyModeratorsSeeAndUseModeration(t *testing.T) {
	w := start(t)
	author := w.browser().login()
	author.post("/boards/free/write", "key", "k", "title", "t", "body", "b", "format", "plain").without(t, "Moderation")
	author.get("/boards/notice").without(t, `id="write"`)
	author.post("/posts/id1/moderate", "action", "pin").want(t, http.StatusForbidden, "You may not do this")
	author.post("/posts/id1", "key", "c", "body", "a comment")

	w.issuer.set(func(i *fakeIssuer) { i.person, i.roles = "person-2", []string{"moderator"} })
	moderator := w.browser().login()
	moderator.get("/boards/notice").want(t, http.StatusOK, `id="write"`)
	page := moderator.get("/posts/id1")
	page.want(t, http.StatusOK, "Moderation", "Pin", "Lock", "Hide")
	page.without(t, `id="edit"`)
	moderator.post("/posts/id1/moderate", "action", "lock").want(t, http.StatusOK, "Locked", "Unlock")
	moderator.post("/posts/id1/moderate", "action", "hide").want(t, http.StatusOK, "Hidden", "Show again")
	moderator.post("/comments/id2/moderate", "action", "hide", "post", "id1").want(t, http.StatusOK, "Done.")
	moderator.post("/posts/id1/moderate", "action", "explode").want(t, http.StatusNotFound)

	w.issuer.set(func(i *fakeIssuer) { i.person, i.roles = "person-1", nil })
	page = author.post("/posts/id1", "key", "c2", "body", "글을 잠근 뒤의 댓글")
	page.want(t, http.StatusForbidden, "This post is locked", "글을 잠근 뒤의 댓글")
	page.without(t, `id="comment"`, `id="edit"`)
}

func TestALostRaceShowsBothVersionsAndLosesNothing(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	for name, test := range map[string]struct {
		path, field, first string
		rest               []string
	}{
		"profile":   {"/profile", "display_name", "", []string{"bio", "", "avatar_url", "", "website", ""}},
		"interests": {"/interests", "tags", "", nil},
		"settings":  {"/settings", "time_zone", "", []string{"locale", "ko", "theme", "dark"}},
	} {
		t.Run(name, func(t *testing.T) {
			mine, theirs := "mine", "theirs"
			if name == "settings" {
				mine, theirs = "Asia/Seoul", "Europe/Berlin"
			}
			etag := b.get(test.path).field(t, "etag")
			b.post(test.path, append([]string{"etag", etag, test.field, theirs}, test.rest...)...)
			b.post("/language", "lang", "en", "to", "/")
			page := b.post(test.path, append([]string{"etag", etag, test.field, mine}, test.rest...)...)
			page.want(t, http.StatusConflict, "changed elsewhere", mine, theirs)
			b.post(test.path, append([]string{"etag", page.field(t, "etag"), test.field, mine}, test.rest...)...)
			b.post("/language", "lang", "en", "to", "/")
			b.get(test.path).want(t, http.StatusOK, mine)
		})
	}
	b.post("/boards/free/write", "key", "k", "title", "t", "body", "b", "format", "plain")
	etag := b.get("/posts/id1/edit").field(t, "etag")
	ask := b.get("/posts/id1/delete")
	b.post("/posts/id1/edit", "etag", etag, "title", "t", "body", "their body", "format", "plain").want(t, http.StatusOK)
	page := b.post("/posts/id1/edit", "etag", etag, "title", "t", "body", "my body", "format", "plain")
	page.want(t, http.StatusConflict, "my body", "their body")
	b.post("/posts/id1/delete", "etag", ask.field(t, "etag")).want(t, http.StatusConflict, "changed since you opened")
	b.post("/posts/id1/edit", "etag", page.field(t, "etag"), "title", "t", "body", "my body", "format", "plain").want(t, http.StatusOK, "my body")
}

func TestWhatAServiceRefusesIsShownBesideTheFieldWithAllThatWasTyped(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	page := b.post("/profile", "etag", b.get("/profile").field(t, "etag"), "display_name", "", "bio", "나의 소개", "website", "not a site", "avatar_url", "")
	page.want(t, http.StatusUnprocessableEntity, "나의 소개", "not a site", "1 to 80 characters", "A web address", `aria-invalid="true"`)
	b.post("/boards/free/write", "key", "k", "title", "", "body", "내용은 있다", "format", "plain").
		want(t, http.StatusUnprocessableEntity, "1 to 200 characters", "내용은 있다")
	b.post("/settings", "etag", b.get("/settings").field(t, "etag"), "time_zone", "Mars/Olympus").
		want(t, http.StatusUnprocessableEntity, `<option value="Mars/Olympus" selected>`, "Choose one of the list", `<a href="#time_zone">`)

	// A form sent again with another text under the same key: the second try goes through.
	b.post("/boards/free/write", "key", "same", "title", "one", "body", "one", "format", "plain").want(t, http.StatusOK)
	page = b.post("/boards/free/write", "key", "same", "title", "two", "body", "two", "format", "plain")
	page.want(t, http.StatusUnprocessableEntity, "two")
	b.post("/boards/free/write", "key", page.field(t, "key"), "title", "two", "body", "two", "format", "plain").want(t, http.StatusOK, "Your post is online")
}

func TestAServiceThatIsDownTakesOnlyItsPartOfAPage(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	b.post("/boards/free/write", "key", "k", "title", "t", "body", "b", "format", "plain")
	w.services.boardDown.Store(true)
	b.get("/").want(t, http.StatusOK, "The board cannot be reached", "Your profile", "이름-person-1")
	b.get("/boards/free").want(t, http.StatusServiceUnavailable, "The board cannot be reached", `id="logout"`)
	b.get("/posts/id1").want(t, http.StatusServiceUnavailable, "The board cannot be reached", "Try again")
	b.get("/profile").want(t, http.StatusOK, `id="display_name"`)
	b.post("/boards/free/write", "key", "k2", "title", "제목", "body", "사라지면 안 되는 글", "format", "plain").
		want(t, http.StatusServiceUnavailable, "The board cannot be reached", "사라지면 안 되는 글", "제목")
	w.services.boardDown.Store(false)
	w.services.userDown.Store(true)
	b.get("/").want(t, http.StatusOK, "Profiles cannot be reached", "자유")
	b.get("/boards/free").want(t, http.StatusOK, "자유")
	b.get("/profile").want(t, http.StatusServiceUnavailable, "Profiles cannot be reached")
	b.get("/tokens").want(t, http.StatusOK, "Access token")
	b.post("/profile", "etag", `"1"`, "display_name", "새 이름").want(t, http.StatusServiceUnavailable, "새 이름", "still here")
	if page := b.get("/api/me"); page.status != http.StatusServiceUnavailable || page.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("/api/me: %d %s", page.status, page.header.Get("Content-Type"))
	}
}

func TestAFormSentAfterTheSessionEndedComesBackAfterLogIn(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	w.issuer.set(func(i *fakeIssuer) { i.refuse = "invalid_grant" })
	w.pass(20 * time.Minute)
	page := b.post("/boards/free/write", "key", "k", "title", "긴 글", "body", "세 시간 동안 쓴 글\r\n둘째 줄", "format", "plain")
	page.want(t, http.StatusForbidden, "not lost", "세 시간 동안 쓴 글", `name="kept.body"`, `value="/boards/free/write"`)
	w.issuer.set(func(i *fakeIssuer) { i.refuse = "" })
	page = b.post("/login", "to", "/boards/free/write", "kept.title", "긴 글", "kept.body", "세 시간 동안 쓴 글\r\n둘째 줄", "kept.format", "plain", "kept.key", "k", "other", "x")
	page.want(t, http.StatusOK, "Welcome back", "세 시간 동안 쓴 글\n둘째 줄", "긴 글", `<option value="plain" selected>`)
	b.post("/boards/free/write", "key", page.field(t, "key"), "title", "긴 글", "body", "세 시간 동안 쓴 글", "format", "plain").want(t, http.StatusOK, "Your post is online")
	b.get("/boards/free/write").without(t, "세 시간")
}

func TestOtherSitesCannotChangeAnything(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	for _, path := range []string{"/logout", "/login", "/language", "/profile", "/boards/free/write", "/posts/id1/delete"} {
		for name, headers := range map[string]map[string]string{
			"cross-site":      {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
			"another port":    {"Sec-Fetch-Site": "same-site", "Origin": w.issuer.server.URL},
			"an old browser":  {"Origin": "https://evil.example"},
			"a sandbox frame": {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
		} {
			r, err := http.NewRequest(http.MethodPost, w.origin+path, strings.NewReader("display_name=hacked&title=t&body=b&format=plain&lang=ko&to=/"))
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
	// Nothing changes by GET.
	for _, path := range []string{"/logout", "/language?lang=ko", "/posts/id1/moderate?action=pin"} {
		b.get(path).want(t, http.StatusNotFound)
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
		page := b.post("/boards/free/write", "key", format, "title", evil, "body", evil+"\n\n[a](javascript:alert(1)) ![b](https://evil.example/pixel.png) <javascript:alert(1)> [c]: data:text/html,x", "format", format)
		page.want(t, http.StatusOK)
		b.post(page.at.Path, "key", "c"+format, "body", evil)
	}
	for _, path := range []string{"/", "/profile", "/interests", "/boards", "/boards/free", "/boards/free?q=" + url.QueryEscape(evil), "/search?q=" + url.QueryEscape(evil),
		"/posts/id1", "/posts/id1/edit", "/posts/id1/delete", "/posts/id3", "/posts/id3/edit", "/comments/id2/edit", "/comments/id2/delete", "/people/person-1", "/tokens", "/nowhere/" + url.PathEscape(evil)} {
		page := b.get(path)
		document, err := html.Parse(strings.NewReader(page.text))
		if err != nil {
			t.Fatal(err)
		}
		for n := range document.Descendants() {
			if n.Data == "img" && n.Parent.Data == "a" && slices.Contains(n.Parent.Attr, html.Attribute{Key: "class", Val: "brand"}) {
				continue // the app's own mark
			}
			if n.Data == "img" || n.Data == "iframe" || n.Data == "script" && n.FirstChild != nil && !strings.HasPrefix(n.FirstChild.Data, "{") {
				t.Errorf("%s has an element %s", path, n.Data)
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || (a.Key == "href" || a.Key == "src") && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "http") && !strings.HasPrefix(a.Val, "#main") {
					t.Errorf("%s has %s with %s=%q", path, n.Data, a.Key, a.Val)
				}
			}
		}
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	for _, path := range []string{"/", "/boards", "/tokens", "/nowhere", "/api/me"} {
		page := b.get(path)
		policy := page.header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "img-src 'self'", "connect-src 'self' " + w.issuer.server.URL, "form-action 'self' " + w.issuer.server.URL} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: %q is not in the policy %q", path, part, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || page.header.Get("Cache-Control") != "no-store" || page.header.Get("Referrer-Policy") == "" || page.header.Get("X-Content-Type-Options") != "nosniff" {
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

func TestTokensAreShownOnTheirPageAlone(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	b.get("/tokens").want(t, http.StatusOK, "eyJ", "at+jwt", "rt+jwt", "person-1", userAudience)
	for _, path := range []string{"/", "/profile", "/boards", "/api/me", "/nowhere"} {
		b.get(path).without(t, "eyJ")
	}
	w.browser().get("/api/me").want(t, http.StatusForbidden)
}

func TestPagesSpeakTheLanguageThatIsAskedFor(t *testing.T) {
	w := start(t)
	b := w.browser()
	b.lang = "ko-KR,ko;q=0.9,en;q=0.8"
	b.login().get("/").want(t, http.StatusOK, `<html lang="ko">`, "게시판")
	if w.issuer.asked.Get("ui_locales") != "ko" {
		t.Errorf("the issuer was asked for %q", w.issuer.asked.Get("ui_locales"))
	}
	page := b.post("/language", "lang", "en", "to", "/boards?x=1")
	page.want(t, http.StatusOK, `<html lang="en">`)
	if page.at.RequestURI() != "/boards?x=1" {
		t.Errorf("after the switch at %s", page.at)
	}
	b.lang = "fr"
	page = b.post("/settings", "etag", b.get("/settings").field(t, "etag"), "locale", "ko", "time_zone", "Asia/Seoul", "theme", "dark")
	page.want(t, http.StatusOK, `<html lang="ko" data-theme="dark">`, "저장했어요", `value="Asia/Seoul" selected`)
	b.post("/boards/free/write", "key", "k", "title", "t", "body", "b", "format", "plain").want(t, http.StatusOK, " KST\">방금</time>")
	w.browser().get("/").want(t, http.StatusOK, `<html lang="en">`)
}

func TestBadInputGetsAFriendlyPage(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	for path, status := range map[string]int{
		"/boards/none": http.StatusNotFound, "/posts/none": http.StatusNotFound, "/posts/%2e%2e": http.StatusNotFound, "/posts/..%2f..%2fv1%2fme": http.StatusNotFound,
		"/people/nobody": http.StatusNotFound, "/comments/none/edit": http.StatusNotFound, "/boards/" + strings.Repeat("x", 300): http.StatusNotFound,
		"/callback": http.StatusBadRequest, "/callback?error=x": http.StatusBadRequest, "/search?q=%ff": http.StatusOK, "/search?q=" + strings.Repeat("x", 5000): http.StatusOK,
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

// TestTheServicesOfferWhatIsCalled holds what this app calls against the interfaces that the services publish.
func TestTheServicesOfferWhatIsCalled(t *testing.T) {
	w := start(t)
	w.fill()
	b := w.browser().login()
	for _, path := range []string{"/people/person-1", "/posts/id1/edit", "/search?q=x", "/comments/id2/edit"} {
		b.get(path)
	}
	b.post("/posts/id1/delete", "etag", b.get("/posts/id1/delete").field(t, "etag"))
	b.post("/settings", "etag", `"1"`)
	b.post("/comments/id2/edit", "etag", `"1"`, "body", "x")
	b.post("/comments/id2/delete", "etag", `"2"`)
	w.services.mu.Lock()
	defer w.services.mu.Unlock()
	for service, calls := range w.services.calls {
		text, err := os.ReadFile("../resources/" + service + "/openapi.json")
		if err != nil {
			t.Fatal(err)
		}
		var document struct {
			Paths map[string]map[string]any
		}
		if err := json.Unmarshal(text, &document); err != nil {
			t.Fatal(err)
		}
		if len(calls) < 5 {
			t.Errorf("only %d kinds of calls to the %s service", len(calls), service)
		}
		for call := range calls {
			method, path, _ := strings.Cut(call, " ")
			if _, ok := document.Paths[path][strings.ToLower(method)]; !ok && !strings.HasSuffix(path, "/{mark}") {
				t.Errorf("the %s service publishes no %s", service, call)
			}
		}
	}
}

func TestANameThatTheIDTokenDoesNotSayComesFromTheProfile(t *testing.T) {
	w := start(t)
	w.issuer.set(func(i *fakeIssuer) { i.idClaims = func(c map[string]any) { delete(c, "name") } })
	w.browser().login().get("/boards").want(t, http.StatusOK, `<span class="name" lang="ko">이름-person-1</span>`)
	w.services.userDown.Store(true)
	w.browser().login().get("/boards").want(t, http.StatusOK, `<span class="name">You</span>`)
}

func TestAPostThatCostsTooMuchToRenderIsShownAsTyped(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	table := strings.Repeat("|a", 1500) + "|\n" + strings.Repeat("|-", 1500) + "|\n" + strings.Repeat("|\n", 7000)
	post := b.post("/boards/free/write", "key", "k", "title", "t", "body", table, "format", "markdown")
	post.want(t, http.StatusOK, "This post is shown as it was typed", "|a|a|a", `id="edit"`)
	post.without(t, "<table", "<td")
	b.get(post.at.Path).want(t, http.StatusOK, "This post is shown as it was typed")
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
