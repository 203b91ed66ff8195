package main

import (
	_ "embed"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/internal/testenv/chrome"
)

// tab is a real browser that looks at the app.
type tab struct {
	*world
	*chrome.Browser
}

func (w *world) tab() *tab { return &tab{w, chrome.Start(w.t, "en")} }

// open goes to a page of the app.
func (b *tab) open(path string) { b.t.Helper(); b.Open(b.origin + path) }

// js evaluates an expression, and waits if it is a promise.
func js[T any](b *tab, expression string) T {
	b.t.Helper()
	return chrome.Eval[T](b.Browser, expression)
}

func TestAPersonsJourneyInABrowser(t *testing.T) {
	w := start(t)
	b := w.tab()
	b.open("/")
	b.Click("#signup")
	b.See("h1", "person-1")
	b.open("/boards/free")
	b.Click("#write")
	b.Visible("#title")
	b.Do(chromedp.SendKeys(chrome.CSS("#title"), "첫 글 <b>"),
		chromedp.SendKeys(chrome.CSS("#body"), "**굵게**\n\n<img src=x onerror=alert(1)>"))
	b.Click("#save")
	b.See("h1", "첫 글 <b>")
	b.See(".prose strong", "굵게")
	b.Do(chromedp.SendKeys(chrome.CSS("#body"), "좋은 글이네요"))
	b.Click("#comment")
	b.See(".comments", "좋은 글이네요")
	b.open("/boards/free")
	b.Do(chromedp.SendKeys(chrome.CSS("#q"), "첫 글"))
	b.Click("#search")
	b.See(".posts", "첫 글")
	b.Click(".posts .row")
	b.See("h1", "첫 글")
	b.Click("#delete")
	b.See("h1", "Delete the post?")
	b.Click("#delete")
	b.See(".flash", "Deleted.")
	b.Click("#profile")
	b.Visible("#display_name")
	b.Do(chromedp.SetValue(chrome.CSS("#display_name"), "새 이름"))
	b.Click("#save")
	b.See(".flash", "Saved.")
	b.See("#profile", "새 이름")
	b.Click("#logout") // through the issuer and back: the policy must let a form end there
	b.See(".flash", "logged out everywhere")
	b.Calm()
}

func TestTheBrowserTellsItsTimeZone(t *testing.T) {
	testenv.Chromium(t)
	w := start(t)
	w.browser().login().write("free", "t", "b")
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

// TestPagesAreFitToShow visits every page, small and large, light and dark, in both languages. If
// SCREENSHOTS names a folder, it leaves pictures there.
func TestPagesAreFitToShow(t *testing.T) {
	w := start(t)
	w.issuer.set(func(i *fakeIssuer) { i.roles = []string{"moderator"} })
	b := w.tab()
	w.fill()
	w.services.open("notice")
	w.services.addBoard("empty", "Empty", "", true)
	w.issuer.set(func(i *fakeIssuer) { i.person = "person-1" })

	folder := os.Getenv("SCREENSHOTS")
	for _, lang := range []string{"en", "ko"} {
		for _, width := range []int64{1200, 360} {
			for _, theme := range []string{"light", "dark"} {
				if folder == "" && (lang == "en") != (theme == "light") {
					continue // half of the pages catch what can go wrong
				}
				g := gallery{b, lang, theme, width, folder}
				g.set()
				g.stranger()
				g.member()
				g.trouble()
			}
		}
	}
	b.Calm()
}

// gallery looks at pages in one language, theme and width.
type gallery struct {
	*tab
	lang, theme string
	width       int64
	folder      string // for pictures; empty: none are made
}

// set makes the browser ask for such pages, with nobody logged in.
func (g gallery) set() {
	g.t.Helper()
	chrome.Call(g.Browser, emulation.SetDeviceMetricsOverride,
		emulation.SetDeviceMetricsOverrideParams{Width: g.width, Height: 800, DeviceScaleFactor: 1, Mobile: g.width < 500})
	chrome.Call(g.Browser, emulation.SetEmulatedMedia,
		emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: g.theme}}})
	chrome.Call(g.Browser, emulation.SetUserAgentOverride,
		emulation.SetUserAgentOverrideParams{UserAgent: "test", AcceptLanguage: g.lang})
	g.forgetCookies()
}

func (g gallery) forgetCookies() {
	g.t.Helper()
	chrome.Call(g.Browser, network.ClearBrowserCookies, cdp.Empty{})
}

// visit opens pages and looks at each: name, path, name, path and so on.
func (g gallery) visit(pages ...string) {
	g.t.Helper()
	for i := 0; i < len(pages); i += 2 {
		g.open(pages[i+1])
		g.look(pages[i])
	}
}

//go:embed testdata/inspect.js
var inspect string

// look checks what every page must have.
func (g gallery) look(name string) {
	g.t.Helper()
	g.Is(`document.readyState === "complete" && document.documentElement !== null`)
	for _, fault := range js[[]string](g.tab, fmt.Sprintf("(%s)(%q)", inspect, g.lang)) {
		g.t.Errorf("page %s (%s): %s", name, g.lang, fault)
	}
	if g.folder == "" {
		return
	}
	picture := chrome.Get(g.Browser, chromedp.FullScreenshot(100))
	file := filepath.Join(g.folder, fmt.Sprintf("%s-%s-%d-%s.png", name, g.lang, g.width, g.theme))
	if err := os.WriteFile(file, picture, 0o644); err != nil {
		g.t.Fatal(err)
	}
}

// put sets a field's value.
func (g gallery) put(selector chrome.CSS, value string) {
	g.t.Helper()
	g.Do(chromedp.SetValue(selector, value))
}

func (g gallery) stranger() {
	g.t.Helper()
	g.visit("welcome", "/", "open-boards", "/boards", "open-board", "/boards/notice", "login-first", "/boards/free")
}

func (g gallery) member() {
	g.t.Helper()
	g.visit("home", "/login?to=/", "boards", "/boards", "board", "/boards/free",
		"search", "/boards/free?q="+url.QueryEscape("마루"), "nothing-found", "/search?q=zzz",
		"post", "/posts/id1", "write", "/boards/free/write")
	g.put("#title", "미리 보는 글")
	g.put("#body", "**굵게**\n둘째 줄")
	g.Click("#preview")
	g.Visible(".preview")
	g.look("preview")
	g.visit("board-last", "/boards/notice?cursor=20&page=2", "moderators-only", "/boards/empty",
		"edit", "/posts/id1/edit", "delete", "/posts/id1/delete",
		"edit-comment", "/comments/id2/edit", "delete-comment", "/comments/id2/delete",
		"profile", "/profile", "settings", "/settings", "interests", "/interests", "data", "/data", "data-confirmed", "/data?confirmed", "person", "/people/person-2",
		"not-found", "/nowhere")
	g.open("/tokens")
	g.Click("#access-tamper")
	g.Click("#call")
	g.Visible("#call-result.bad")
	g.Click("#id-check")
	g.Visible("#id-result.good")
	g.look("tokens")
	g.revoke()
}

// revoke looks at a revoked token's page, while it waits and after the user service has refused.
func (g gallery) revoke() {
	g.t.Helper()
	g.issuer.set(func(i *fakeIssuer) { i.unfollowed = true })
	g.Click("#revoke")
	g.Is(`/\d/.test(document.getElementById("revoked-user-detail").textContent)`)
	g.look("revoking")
	g.services.boardDown.Store(true)
	g.issuer.revokeAccess()
	g.Visible("#revoked-user.good")
	g.pass(16 * time.Second)
	g.Visible("#revoked-board.bad")
	g.look("revoked")
	g.pass(-16 * time.Second)
	g.services.boardDown.Store(false)
}

// trouble looks at what can go wrong: forms that are refused or come too late, and services that
// are down.
func (g gallery) trouble() {
	g.t.Helper()
	g.open("/profile")
	g.services.change("person-1", "bio", "다른 곳에서 고친 소개\n"+g.lang+g.theme)
	g.put("#bio", "여기서 고친 소개")
	g.put("#website", "ftp://maru.example")
	g.Click("#save")
	g.See(".theirs", "다른 곳에서 고친 소개") // on the page that comes, and not in the field of the one that goes
	g.look("lost-race")
	g.Click("#save")
	g.Visible(".wrong")
	g.look("wrong-field")

	const typed = "세 시간 동안 썼습니다.\n아직 저장하지 않았습니다."
	g.open("/boards/free/write")
	g.put("#title", "사라지지 않는 글")
	g.put("#body", typed)
	g.forgetCookies()
	g.Click("#save")
	g.Visible("textarea.kept")
	g.look("kept")
	g.Click("main button")
	g.Visible("#save")
	if got := js[string](g.tab, `document.getElementById("body").value`); got != typed {
		g.t.Errorf("after log-in the form holds %q", got)
	}
	g.look("draft-back")

	g.visit("used-login", "/callback?code=x&state=y")
	g.issuer.down.Store(true)
	g.pass(2 * time.Hour)
	g.visit("issuer-down", "/profile")
	g.issuer.down.Store(false)
	g.pass(-2 * time.Hour) // the browser's clock is the real one
	g.services.boardDown.Store(true)
	g.services.userDown.Store(true)
	g.visit("home-down", "/", "board-down", "/boards/free", "profile-down", "/profile")
	g.services.boardDown.Store(false)
	g.services.userDown.Store(false)
}
