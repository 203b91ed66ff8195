package main

import (
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

// TestPagesAreFitToShow visits every page as small and large, light and dark, in both languages. With SCREENSHOTS naming a folder,
// it leaves pictures there.
func TestPagesAreFitToShow(t *testing.T) {
	w := start(t)
	w.issuer.set(func(i *fakeIssuer) { i.roles = []string{"moderator"} })
	b := w.tab()
	w.fill()
	w.services.open("notice")
	w.services.mu.Lock()
	w.services.boards = append(w.services.boards, map[string]any{"moderators_only": true, "slug": "empty", "title": "Empty", "description": "", "created_at": w.now(), "posts": 0})
	w.services.mu.Unlock()
	w.issuer.set(func(i *fakeIssuer) { i.person = "person-1" })

	folder := os.Getenv("SCREENSHOTS")
	for _, lang := range []string{"en", "ko"} {
		for _, width := range []int64{1200, 360} {
			for _, theme := range []string{"light", "dark"} {
				if folder == "" && (lang == "en") != (theme == "light") {
					continue // half of the pages catch what can go wrong
				}
				chrome.Call(b.Browser, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 800, DeviceScaleFactor: 1, Mobile: width < 500})
				chrome.Call(b.Browser, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
				chrome.Call(b.Browser, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: "test", AcceptLanguage: lang})
				chrome.Call(b.Browser, network.ClearBrowserCookies, cdp.Empty{})
				look := func(name string) {
					t.Helper()
					b.inspect(name, lang)
					if folder != "" {
						picture := chrome.Get(b.Browser, chromedp.FullScreenshot(100))
						file := filepath.Join(folder, fmt.Sprintf("%s-%s-%d-%s.png", name, lang, width, theme))
						if err := os.WriteFile(file, picture, 0o644); err != nil {
							t.Fatal(err)
						}
					}
				}
				visit := func(name, path string, before ...chromedp.Action[chromedp.Void]) {
					t.Helper()
					b.open(path)
					b.Do(before...)
					look(name)
				}
				visit("welcome", "/")
				visit("open-boards", "/boards")
				visit("open-board", "/boards/notice")
				visit("login-first", "/boards/free")
				visit("home", "/login?to=/")
				visit("boards", "/boards")
				visit("board", "/boards/free")
				visit("search", "/boards/free?q="+url.QueryEscape("마루"))
				visit("nothing-found", "/search?q=zzz")
				visit("post", "/posts/id1")
				visit("write", "/boards/free/write")
				b.Do(chromedp.SetValue(chrome.CSS("#title"), "미리 보는 글"), chromedp.SetValue(chrome.CSS("#body"), "**굵게**\n둘째 줄"))
				b.Click("#preview")
				b.Visible(".preview")
				look("preview")
				visit("board-last", "/boards/notice?cursor=20&page=2")
				visit("moderators-only", "/boards/empty")
				visit("edit", "/posts/id1/edit")
				visit("delete", "/posts/id1/delete")
				visit("profile", "/profile")
				visit("settings", "/settings")
				visit("interests", "/interests")
				visit("person", "/people/person-2")
				visit("tokens", "/tokens", chromedp.Click(chrome.CSS("#access-tamper")), chromedp.Click(chrome.CSS("#call")),
					chromedp.WaitVisible(chrome.CSS("#call-result.bad")), chromedp.Click(chrome.CSS("#id-check")),
					chromedp.WaitVisible(chrome.CSS("#id-result.good")))
				visit("not-found", "/nowhere")

				b.open("/profile")
				w.services.change("person-1", "bio", "다른 곳에서 고친 소개\n"+lang+theme)
				b.Do(chromedp.SetValue(chrome.CSS("#bio"), "여기서 고친 소개"), chromedp.SetValue(chrome.CSS("#website"), "ftp://maru.example"))
				b.Click("#save")
				b.See(".theirs", "다른 곳에서 고친 소개") // on the page that comes, and not in the field of the one that goes
				look("lost-race")
				b.Click("#save")
				b.Visible(".wrong")
				look("wrong-field")
				b.open("/boards/free/write")
				b.Do(chromedp.SetValue(chrome.CSS("#title"), "사라지지 않는 글"), chromedp.SetValue(chrome.CSS("#body"), "세 시간 동안 썼습니다.\n아직 저장하지 않았습니다."))
				chrome.Call(b.Browser, network.ClearBrowserCookies, cdp.Empty{})
				b.Click("#save")
				b.Visible("textarea.kept")
				look("kept")
				b.Click("main button")
				b.Visible("#save")
				if got := js[string](b, `document.getElementById("body").value`); got != "세 시간 동안 썼습니다.\n아직 저장하지 않았습니다." {
					t.Errorf("after log-in the form holds %q", got)
				}
				look("draft-back")
				visit("used-login", "/callback?code=x&state=y")
				w.issuer.down.Store(true)
				w.pass(2 * time.Hour)
				visit("issuer-down", "/profile")
				w.issuer.down.Store(false)
				w.pass(-2 * time.Hour) // the browser's clock is the real one
				w.services.boardDown.Store(true)
				w.services.userDown.Store(true)
				visit("home-down", "/")
				visit("board-down", "/boards/free")
				visit("profile-down", "/profile")
				w.services.boardDown.Store(false)
				w.services.userDown.Store(false)
			}
		}
	}
	b.Calm()
}

// inspect checks what every page must have.
func (b *tab) inspect(name, lang string) {
	b.t.Helper()
	b.Is(`document.readyState === "complete" && document.documentElement !== null`)
	faults := js[[]string](b, `(() => {
		const faults = [];
		const say = (text, element) => faults.push(text + (element ? ": " + element.outerHTML.slice(0, 120) : ""));
		if (document.documentElement.lang !== "`+lang+`") say("language " + document.documentElement.lang);
		if (document.querySelectorAll("h1").length !== 1) say(document.querySelectorAll("h1").length + " h1");
		if (!document.title) say("no title");
		if (document.documentElement.scrollWidth > innerWidth) say("wider than the window: " + document.documentElement.scrollWidth);
		const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
		ids.filter((id, i) => ids.indexOf(id) !== i).forEach((id) => say("id twice: " + id));
		for (const e of document.querySelectorAll("input:not([type=hidden]), textarea, select"))
			if (!e.hidden && !e.labels?.length && !e.ariaLabel) say("no label", e);
		for (const e of document.querySelectorAll("[hidden]"))
			if (e.checkVisibility()) say("hidden, and yet to be seen", e);
		for (const e of document.querySelectorAll("a, button"))
			if (!e.textContent.trim()) say("no text", e);
		for (const e of document.querySelectorAll("[aria-describedby], [aria-labelledby]"))
			for (const id of ((e.getAttribute("aria-describedby") ?? "") + " " + (e.getAttribute("aria-labelledby") ?? "")).trim().split(/ +/))
				if (!document.getElementById(id)) say("nothing has the id " + id, e);
		if (document.querySelector("style, script:not([src]):not([type='application/json']), [style], [onclick]")) say("inline style or script");
		// Contrast of text, WCAG 2.2 §1.4.3: at least 4.5.
		const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
		const rgba = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return canvas.getImageData(0, 0, 1, 1).data; };
		const light = (c) => [0, 1, 2].map((i) => c[i] / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
		for (const e of document.querySelectorAll("body *")) {
			if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.checkVisibility()) continue;
			let behind = e;
			while (behind.parentElement && rgba(getComputedStyle(behind).backgroundColor)[3] < 255) behind = behind.parentElement;
			const a = light(rgba(getComputedStyle(e).color)), g = light(rgba(getComputedStyle(behind).backgroundColor));
			const contrast = (Math.max(a, g) + 0.05) / (Math.min(a, g) + 0.05);
			if (contrast < 4.5 && !e.closest(":disabled")) say("contrast " + contrast.toFixed(2), e);
		}
		return faults;
	})()`)
	for _, fault := range faults {
		b.t.Errorf("page %s (%s): %s", name, lang, fault)
	}
}
