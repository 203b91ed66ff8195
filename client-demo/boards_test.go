package main

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
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
	b.post(path+"/delete", "etag", ask.field(t, "etag")).want(t, http.StatusOK, "Deleted.", "There are no posts here yet",
		"Write the first post")
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

func TestABoardThatNeedsARoleOffersWritingToPeopleWithIt(t *testing.T) {
	w := start(t)
	w.services.mu.Lock()
	w.services.boards[0]["write_role"] = "editor" // which moderators_only does not count beside
	w.services.mu.Unlock()
	const write = `href="/boards/notice/write"`
	w.issuer.set(func(i *fakeIssuer) { i.roles = []string{"moderator"} })
	w.browser().login().get("/boards/notice").without(t, write)
	w.issuer.set(func(i *fakeIssuer) { i.roles = []string{"editor"} })
	w.browser().login().get("/boards/notice").want(t, http.StatusOK, write)
}

func TestOnlyModeratorsSeeAndUseModeration(t *testing.T) {
	w := start(t)
	author := w.browser().login()
	author.write("free", "t", "b").without(t, "Moderation")
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

func TestAnOpenBoardIsReadWithoutLoggingIn(t *testing.T) {
	w := start(t)
	w.issuer.set(func(i *fakeIssuer) { i.roles = []string{"moderator"} })
	b := w.browser().login()
	b.write("notice", "모두에게", "읽어 보세요")
	b.post("/posts/id1", "key", "c", "body", "네")
	b.write("free", "우리끼리", "b")

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
	for _, path := range []string{"/boards/free", "/posts/id3", "/posts/nowhere", "/search?q=x", "/boards/notice?q=x",
		"/people/person-1", "/boards/notice/write"} {
		stranger.get(path).want(t, http.StatusForbidden, "Please log in")
	}
}

func TestAPersonsPageListsWhatTheyWrote(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	b.get("/profile")
	b.get("/people/person-1").want(t, http.StatusOK, "No posts yet", "/boards", "Edit profile")
	b.write("free", "나의 글", "b")
	b.get("/people/person-1").want(t, http.StatusOK, `href="/posts/id1"`, "나의 글", "자유")
	w.issuer.set(func(i *fakeIssuer) { i.person = "person-2" })
	other := w.browser().login()
	page := other.get("/people/person-1")
	page.want(t, http.StatusOK, "나의 글")
	page.without(t, "Edit profile")
	w.services.boardDown.Store(true)
	other.get("/people/person-1").want(t, http.StatusOK, "이름-person-1", "The board cannot be reached")
}

func TestWhatIsBeingWrittenCanBeLookedAtBefore(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	page := b.post("/boards/free/write", "key", "k", "title", "제목", "body", "**굵게**\n둘째 줄", "format", "markdown", "do", "preview")
	page.want(t, http.StatusOK, "<strong>굵게</strong><br>", "Nothing is saved yet", `value="제목"`, "**굵게**\n둘째 줄</textarea>")
	b.get("/boards/free").want(t, http.StatusOK, "There are no posts here yet")
	b.post("/boards/free/write", "key", page.field(t, "key"), "title", "제목", "body", "**굵게**", "format", "markdown").
		want(t, http.StatusOK, "Your post is online")
	b.post("/posts/id1/edit", "etag", `"1"`, "title", "제목", "body", "*다른*", "format", "markdown", "do", "preview").
		want(t, http.StatusOK, "<em>다른</em>")
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
	b.write("free", "t", "b").want(t, http.StatusOK, "Be the first")
	w.issuer.set(func(i *fakeIssuer) { i.roles = []string{"moderator"} })
	w.browser().login().post("/posts/id1/moderate", "action", "lock")
	b.get("/posts/id1").without(t, "Be the first")
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
