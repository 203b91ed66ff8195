package main

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/testenv"
)

func TestAnOpenBoardIsReadWithoutLoggingIn(t *testing.T) {
	w := start(t)
	w.issuer.set(func(i *fakeIssuer) { i.roles = []string{"moderator"} })
	b := w.browser().login()
	b.post("/boards/notice/write", "key", "k", "title", "모두에게", "body", "읽어 보세요", "format", "plain")
	b.post("/posts/id1", "key", "c", "body", "네")
	b.post("/boards/free/write", "key", "k2", "title", "우리끼리", "body", "b", "format", "plain")

	stranger := w.browser()
	stranger.get("/boards").want(t, http.StatusForbidden, "Please log in")
	w.services.open("notice")
	w.pass(10 * time.Second)
	w.services.mu.Lock()
	before := w.services.strangers
	w.services.mu.Unlock()
	boards := stranger.get("/boards")
	boards.want(t, http.StatusOK, "공지", "open to everybody")
	boards.without(t, "자유", `id="q"`)
	board := stranger.get("/boards/notice")
	board.want(t, http.StatusOK, "모두에게")
	board.without(t, `id="write"`, `id="q"`)
	for range 3 {
		post := stranger.get("/posts/id1")
		post.want(t, http.StatusOK, "읽어 보세요", "Log in to write a comment", `href="/login?to=%2fposts%2fid1"`)
		post.without(t, `id="comment"`, "<summary", "/edit", "/delete", "Be the first", "Moderation")
	}
	w.services.mu.Lock()
	if n := w.services.strangers - before; n != 5 { // boards, a board and its posts, a post and its comments
		t.Errorf("seven pages for strangers made %d calls; the board counts them all by this app's address", n)
	}
	w.services.mu.Unlock()
	for _, path := range []string{"/boards/free", "/posts/id3", "/posts/nowhere", "/search?q=x", "/boards/notice?q=x", "/people/person-1", "/boards/notice/write"} {
		stranger.get(path).want(t, http.StatusForbidden, "Please log in")
	}
}

func TestAPersonsPageListsWhatTheyWrote(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	b.get("/profile")
	b.get("/people/person-1").want(t, http.StatusOK, "No posts yet", "/boards", "Edit profile")
	b.post("/boards/free/write", "key", "k", "title", "나의 글", "body", "b", "format", "plain")
	b.get("/people/person-1").want(t, http.StatusOK, `href="/posts/id1"`, "나의 글", "자유")
	w.issuer.set(func(i *fakeIssuer) { i.person = "person-2" })
	other := w.browser().login()
	page := other.get("/people/person-1")
	page.want(t, http.StatusOK, "나의 글")
	page.without(t, "Edit profile")
	w.services.boardDown.Store(true)
	other.get("/people/person-1").want(t, http.StatusOK, "이름-person-1", "The board cannot be reached")
}

func TestARefusedFormSaysSoInItsTitleAndLeadsToTheFirstWrongField(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	etag := b.get("/profile").field(t, "etag")
	for _, test := range []struct {
		path, first string
		fields      []string
	}{
		{"/profile", "display_name", []string{"etag", etag, "display_name", " ", "website", "ftp://x"}},
		{"/profile", "website", []string{"etag", etag, "display_name", "a", "website", "ftp://x"}},
		{"/boards/free/write", "title", []string{"key", "k", "title", "", "body", "b", "format", "plain"}},
		{"/boards/free/write", "body", []string{"key", "k", "title", "t", "body", "", "format", "plain"}},
		{"/settings", "time_zone", []string{"etag", b.get("/settings").field(t, "etag"), "time_zone", "Mars/Base"}},
	} {
		page := b.post(test.path, test.fields...)
		page.want(t, http.StatusUnprocessableEntity, "<title>Error: ", `<a href="#`+test.first+`">`, `role="alert"`)
		if n := strings.Count(page.text, " autofocus"); n != 1 {
			t.Errorf("%s: %d fields ask for the focus", test.path, n)
		}
		if !regexp.MustCompile(`id="` + test.first + `"[^>]* autofocus`).MatchString(page.text) {
			t.Errorf("%s: the focus is not on %s:\n%s", test.path, test.first, plain(page.text))
		}
	}
	b.get("/profile").without(t, "Error: ", "autofocus")
	b.post("/boards/free/write", "key", "k", "title", "t", "body", "b", "format", "plain")
	page := b.post("/posts/id1", "key", "c", "body", " ")
	page.want(t, http.StatusUnprocessableEntity, "<title>Error: ")
	if !regexp.MustCompile(`id="body"[^>]* autofocus`).MatchString(page.text) {
		t.Error("the comment's form is far below, and has no focus")
	}
	b.lang = "ko"
	b.post("/boards/free/write", "key", "k2", "title", "", "body", "b", "format", "plain").want(t, http.StatusUnprocessableEntity, "<title>오류: ")
}

func TestWhatIsBeingWrittenCanBeLookedAtBefore(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	page := b.post("/boards/free/write", "key", "k", "title", "제목", "body", "**굵게**\n둘째 줄", "format", "markdown", "do", "preview")
	page.want(t, http.StatusOK, "<strong>굵게</strong><br>", "Nothing is saved yet", `value="제목"`, "**굵게**\n둘째 줄</textarea>")
	b.get("/boards/free").want(t, http.StatusOK, "There are no posts here yet")
	b.post("/boards/free/write", "key", page.field(t, "key"), "title", "제목", "body", "**굵게**", "format", "markdown").want(t, http.StatusOK, "Your post is online")
	b.post("/posts/id1/edit", "etag", `"1"`, "title", "제목", "body", "*다른*", "format", "markdown", "do", "preview").want(t, http.StatusOK, "<em>다른</em>")
	page = b.post("/posts/id1", "key", "c", "body", "`code` 댓글", "do", "preview")
	page.want(t, http.StatusOK, "<code>code</code> 댓글", "No comments yet")
	b.post("/posts/id1", "key", "c", "body", "`code` 댓글").want(t, http.StatusOK, "Your comment is online", "<code>code</code> 댓글")
	b.post("/comments/id2/edit", "etag", `"1"`, "body", "~~지움~~", "do", "preview").want(t, http.StatusOK, "<del>지움</del>")
	b.get("/posts/id1").want(t, http.StatusOK, "<code>code</code> 댓글")
}

func TestOnlyWhoMayWriteIsInvitedTo(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	page := b.get("/boards/notice")
	page.want(t, http.StatusOK, "There are no posts here yet")
	page.without(t, "Write the first post", `id="write"`)
	b.get("/boards/free").want(t, http.StatusOK, `href="/boards/free/write">Write the first post`)
	b.post("/boards/free/write", "key", "k", "title", "t", "body", "b", "format", "plain").want(t, http.StatusOK, "Be the first")
	w.issuer.set(func(i *fakeIssuer) { i.roles = []string{"moderator"} })
	w.browser().login().post("/posts/id1/moderate", "action", "lock")
	b.get("/posts/id1").without(t, "Be the first")
}

func TestAWordAboutALogOutIsSaidOnce(t *testing.T) {
	w := start(t)
	for _, fields := range [][]string{{"from", "app"}, nil} {
		b := w.browser().login()
		page := b.post("/logout", fields...)
		page.want(t, http.StatusOK, `class="flash"`)
		if page.at.RequestURI() != "/" {
			t.Errorf("the notice stands at %s, where a reload or a bookmark repeats it", page.at)
		}
		b.get("/").without(t, `class="flash"`)
	}
	b := w.browser()
	r, err := http.NewRequest(http.MethodGet, w.origin+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: "demo-left", Value: "failed"})
	b.do(r).without(t, `class="flash"`)
}

func TestTheMarkIsServedWhereOthersLook(t *testing.T) {
	w := start(t)
	b := w.browser()
	for path, kind := range map[string]string{"/favicon.ico": "image/", "/apple-touch-icon.png": "image/png", "/logo.svg": "image/svg+xml"} {
		got := b.get(path)
		if got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Type"), kind) || got.header.Get("Cache-Control") != "public, max-age=86400" {
			t.Errorf("%s: %d %v", path, got.status, got.header)
		}
	}
	b.get("/").want(t, http.StatusOK, `name="theme-color"`, `rel="apple-touch-icon"`, `class="brand" href="/" aria-current="page"`)
	issuers, err := os.ReadFile("../authz-server/internal/pages/assets/maru.svg")
	if err != nil {
		t.Fatal(err)
	}
	if b.get("/logo.svg").text != string(issuers) {
		t.Error("the app's mark is not the issuer's")
	}
}

// TestTheClientOfDevelopmentIsThisApp holds what development registers against what the app serves.
func TestTheClientOfDevelopmentIsThisApp(t *testing.T) {
	text, err := os.ReadFile("../deploy/dev/clients.json")
	if err != nil {
		t.Fatal(err)
	}
	var clients []map[string]any
	if err := json.Unmarshal(text, &clients); err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		if c["client_id"] != "demo" {
			continue
		}
		if c["client_name"] != "Maru demo" || c["client_name#ko"] != "마루 데모" || c["client_uri"] != "http://localhost:8080/" {
			t.Errorf("%v", c)
		}
		path, ok := strings.CutPrefix(c["logo_uri"].(string), "http://localhost:8080")
		if w := start(t); !ok || w.browser().get(path).status != http.StatusOK {
			t.Errorf("there is no logo at %s", c["logo_uri"])
		}
		return
	}
	t.Error("there is no client demo")
}

func TestTheMenuSaysWhereOneIs(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	b.post("/boards/free/write", "key", "k", "title", "t", "body", "b", "format", "plain")
	for path, want := range map[string]string{
		"/boards": `href="/boards" aria-current="page"`, "/boards/free": `href="/boards" aria-current="true"`, "/posts/id1": `href="/boards" aria-current="true"`,
		"/search?q=t": `href="/boards" aria-current="true"`, "/tokens": `href="/tokens" aria-current="page"`, "/settings": `class="me" aria-current="page"`,
	} {
		if page := b.get(path); strings.Count(page.text[:strings.Index(page.text, "</header>")], "aria-current") != 1 {
			t.Errorf("%s marks several", path)
		} else {
			page.want(t, http.StatusOK, want)
		}
	}
}

func TestTheProfileSaysWhichNameIsWhich(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	b.get("/profile").want(t, http.StatusOK, "not the name of your Maru account", `id="account" href="`+w.issuer.server.URL+`/account"`)
}

func TestTheBrowserTellsItsTimeZone(t *testing.T) {
	testenv.Chromium(t)
	w := start(t)
	w.browser().login().post("/boards/free/write", "key", "k", "title", "t", "body", "b", "format", "plain")
	w.pass(30 * 24 * time.Hour)
	b := w.tab()
	b.open("/login?to=/posts/id1")
	b.Is(`document.cookie.includes("demo-zone=")`)
	if shown := js[string](b, `document.querySelector("time").textContent`); strings.Contains(shown, "UTC") {
		t.Errorf("the script left the time as %s", shown)
	}
	b.open("/posts/id1")
	if js[bool](b, `document.querySelector("time[data-here]") !== null`) {
		t.Error("the server does not know the zone")
	}
	b.open("/boards/free/write")
	b.Is(`document.getElementById("body-count")?.textContent.startsWith("0 of") ?? false`)
	js[bool](b, `(() => { const f = document.getElementById("body"); f.value = "각🙂"; f.dispatchEvent(new Event("input")); return true })()`)
	b.Is(`document.getElementById("body-count").textContent.startsWith("2 of 20,000")`)
	b.Calm()
}
