package main

import (
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/language"

	"github.com/maru-auth/maru/client-demo/internal/lang"
)

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
	b.write("free", "t", "b").want(t, http.StatusOK, " KST\">방금</time>")
	w.browser().get("/").want(t, http.StatusOK, `<html lang="en">`)
}

func TestALanguageMoreIsOfferedInTheMenuAndInTheSettings(t *testing.T) {
	third := *lang.All[0]
	third.Tag, third.Name = language.Make("eo"), "Esperanto"
	third.Words = maps.Clone(third.Words)
	third.Words["boards"] = "Tabuloj"
	w := start(t, func(cfg *config) { cfg.Languages = append(slices.Clone(lang.All), &third) })
	b := w.browser().login()
	b.get("/boards").want(t, http.StatusOK, `name="lang" value="eo" lang="eo">Esperanto<`, `name="lang" value="ko" lang="ko">한국어<`)
	page := b.post("/language", "lang", "eo", "to", "/boards")
	page.want(t, http.StatusOK, `<html lang="eo"`, "Tabuloj", `value="en" lang="en">English<`)
	page.without(t, `name="lang" value="eo"`)
	settings := b.get("/settings")
	settings.want(t, http.StatusOK, `<option value="eo" lang="eo">Esperanto</option>`)
	b.post("/language", "lang", "ko", "to", "/")
	b.post("/settings", "etag", settings.field(t, "etag"), "locale", "eo", "time_zone", "UTC", "theme", "system").
		want(t, http.StatusOK, `<html lang="eo"`, `<option value="eo" lang="eo" selected>`)
	b.post("/language", "lang", "tlh", "to", "/").want(t, http.StatusNotFound)
}

func TestTheMarkIsServedWhereOthersLook(t *testing.T) {
	w := start(t)
	b := w.browser()
	for path, kind := range map[string]string{"/favicon.ico": "image/", "/apple-touch-icon.png": "image/png",
		"/logo.svg": "image/svg+xml"} {
		got := b.get(path)
		if got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Type"), kind) ||
			got.header.Get("Cache-Control") != "public, max-age=86400" {
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

func TestTheMenuSaysWhereOneIs(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	b.write("free", "t", "b")
	for path, want := range map[string]string{
		"/boards": `href="/boards" aria-current="page"`, "/boards/free": `href="/boards" aria-current="true"`,
		"/posts/id1":  `href="/boards" aria-current="true"`,
		"/search?q=t": `href="/boards" aria-current="true"`, "/tokens": `href="/tokens" aria-current="page"`,
		"/settings": `class="me" aria-current="page"`,
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
