package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

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
	b.write("free", "t", "b")
	etag := b.get("/posts/id1/edit").field(t, "etag")
	ask := b.get("/posts/id1/delete")
	b.post("/posts/id1/edit", "etag", etag, "title", "t", "body", "their body", "format", "plain").want(t, http.StatusOK)
	page := b.post("/posts/id1/edit", "etag", etag, "title", "t", "body", "my body", "format", "plain")
	page.want(t, http.StatusConflict, "my body", "their body")
	b.post("/posts/id1/delete", "etag", ask.field(t, "etag")).want(t, http.StatusConflict, "changed since you opened")
	b.post("/posts/id1/edit", "etag", page.field(t, "etag"), "title", "t", "body", "my body", "format", "plain").
		want(t, http.StatusOK, "my body")
}

func TestWhatAServiceRefusesIsShownBesideTheFieldWithAllThatWasTyped(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	page := b.post("/profile", "etag", b.get("/profile").field(t, "etag"), "display_name", "", "bio", "나의 소개",
		"website", "not a site", "avatar_url", "")
	page.want(t, http.StatusUnprocessableEntity, "나의 소개", "not a site", "1 to 80 characters", "A web address", `aria-invalid="true"`)
	b.write("free", "", "내용은 있다").
		want(t, http.StatusUnprocessableEntity, "1 to 200 characters", "내용은 있다")
	b.post("/settings", "etag", b.get("/settings").field(t, "etag"), "time_zone", "Mars/Olympus").
		want(t, http.StatusUnprocessableEntity, `<option value="Mars/Olympus" selected>`, "Choose one from the list", `<a href="#time_zone">`)

	// A form sent again with another text under the same key: the second try goes through.
	b.post("/boards/free/write", "key", "same", "title", "one", "body", "one", "format", "plain").want(t, http.StatusOK)
	page = b.post("/boards/free/write", "key", "same", "title", "two", "body", "two", "format", "plain")
	page.want(t, http.StatusUnprocessableEntity, "two")
	b.post("/boards/free/write", "key", page.field(t, "key"), "title", "two", "body", "two", "format", "plain").
		want(t, http.StatusOK, "Your post is online")
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
	b.write("free", "t", "b")
	page := b.post("/posts/id1", "key", "c", "body", " ")
	page.want(t, http.StatusUnprocessableEntity, "<title>Error: ")
	if !regexp.MustCompile(`id="body"[^>]* autofocus`).MatchString(page.text) {
		t.Error("the comment's form is far below, and has no focus")
	}
	b.lang = "ko"
	b.write("free", "", "b").want(t, http.StatusUnprocessableEntity, "<title>오류: ")
}

func TestAFormSentAfterTheSessionEndedComesBackAfterLogIn(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	w.issuer.set(func(i *fakeIssuer) { i.refuse = "invalid_grant" })
	w.pass(20 * time.Minute)
	page := b.write("free", "긴 글", "세 시간 동안 쓴 글\r\n둘째 줄")
	page.want(t, http.StatusForbidden, "not lost", "세 시간 동안 쓴 글", `name="kept.body"`, `value="/boards/free/write"`)
	w.issuer.set(func(i *fakeIssuer) { i.refuse = "" })
	page = b.post("/login", "to", "/boards/free/write", "kept.title", "긴 글", "kept.body", "세 시간 동안 쓴 글\r\n둘째 줄",
		"kept.format", "plain", "kept.key", "k", "other", "x")
	page.want(t, http.StatusOK, "Welcome back", "세 시간 동안 쓴 글\n둘째 줄", "긴 글", `<option value="plain" selected>`)
	b.post("/boards/free/write", "key", page.field(t, "key"), "title", "긴 글", "body", "세 시간 동안 쓴 글", "format", "plain").
		want(t, http.StatusOK, "Your post is online")
	b.get("/boards/free/write").without(t, "세 시간")
}
