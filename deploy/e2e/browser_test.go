package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"

	"github.com/maru-auth/maru/internal/testenv/chrome"
)

// tab is a tab of a real browser of the test's own, with nobody logged in.
type tab struct{ *chrome.Browser }

func newTab(t *testing.T, language string) tab {
	t.Helper()
	return tab{chrome.Start(t, language)}
}

// fits fails the test when the page is wider than the window, lacks a title, an h1 or a language,
// or holds broken text.
func (b tab) fits(language string) {
	b.Is("document.readyState === 'complete' && document.title !== ''")
	b.Is("document.querySelectorAll('h1').length === 1")
	b.Is(fmt.Sprintf("document.documentElement.lang === %q", language))
	b.Is("document.documentElement.scrollWidth <= window.innerWidth")
	b.Is(`!document.body.innerText.includes('\uFFFD')`)
}

// signUp makes an account on the way into the demo app, and returns when the app shows the person
// logged in.
func (b tab) signUp(r *running, who *person) {
	b.Open(r.App + "/")
	b.Click("#signup")
	b.At(r.Issuer, "#password")
	b.Fill("#name", who.Name, "#email", who.Email, "#password", who.Password)
	b.Click("#signup")
	b.At(r.Issuer, "#code")
	b.Fill("#code", r.letter(who.t, who.Email).Code())
	b.Click("#verify")
	b.At(r.App, "#logout")
}

func TestTheJourneyOfTwoPeopleInTheBrowser(t *testing.T) {
	t.Parallel()
	b := newTab(t, "en")
	r := start(t, 1)
	writer, reader := newPerson(t, nil), newPerson(t, nil)

	b.signUp(r, writer)

	// the profile comes from the user service, and is changed there
	b.Open(r.App + "/profile")
	b.At(r.App, "#display_name")
	b.Is(fmt.Sprintf("document.querySelector('#display_name').value === %q", writer.Name))
	name := "김마루 " + writer.Name
	b.Fill("#display_name", name, "#bio", "나무 마루를 좋아합니다.")
	b.Click("#save")
	b.See("#profile", name)
	b.Open(r.App + "/profile")
	b.Is(fmt.Sprintf("document.querySelector('#display_name')?.value === %q", name))
	b.Is("document.querySelector('#bio').value.trim() === '나무 마루를 좋아합니다.'")

	// a post and a comment, under the author's name
	b.Open(r.App + "/boards/free")
	b.Click("#write")
	b.Fill("#title", "첫 글 <b>", "#body", "**굵게** <img src=x onerror=alert(1)>")
	b.Click("#save")
	b.See("h1", "첫 글 <b>")
	b.See(".prose strong", "굵게")
	b.Fill("#comment-form #body", "제 글에 붙이는 말")
	b.Click("#comment")
	b.See(".comments", "제 글에 붙이는 말")
	address, _, _ := strings.Cut(chrome.Eval[string](b.Browser, "location.href"), "#")
	b.Calm()

	// somebody else reads it, sees who wrote it, and answers
	other := newTab(t, "ko")
	other.signUp(r, reader)
	other.Open(r.App + "/boards/free")
	other.See(".posts", "첫 글 <b>")
	other.See(".posts", name)
	other.Open(address)
	other.See(".post .meta", name)
	other.See(".comments", "제 글에 붙이는 말")
	other.Is("document.querySelector('#edit') === null") // it is not theirs
	other.Fill("#comment-form #body", "반갑습니다")
	other.Click("#comment")
	other.See(".comments", "반갑습니다")
	other.See(".comments", reader.Name)
	other.Calm()

	// the tokens, checked in the browser before it calls
	b.Open(r.App + "/tokens")
	for _, kind := range []string{"access", "id"} {
		b.Click(chrome.CSS("#" + kind + "-check"))
		b.At(r.App, chrome.CSS("#"+kind+"-result.good"))
		b.Click(chrome.CSS("#" + kind + "-tamper"))
		b.Click(chrome.CSS("#" + kind + "-check"))
		b.At(r.App, chrome.CSS("#"+kind+"-result.bad"))
	}
	b.Click("#call")
	b.At(r.App, "#call-result.bad")
	b.Is("document.querySelector('#call-answer').hidden")
	b.Click("#access-restore")
	b.Click("#call")
	b.At(r.App, "#call-result.good")
	b.See("#call-answer", name)

	// out everywhere: the app, and the issuer, which asks for the password the next time
	b.Click("#logout")
	b.Is(fmt.Sprintf("(location.origin === %q && !!document.querySelector('#login')) || !!document.querySelector('button#logout')", r.App))
	b.At(r.App, "#login")
	b.Click("#login")
	b.At(r.Issuer, "#password")
	b.Fill("#email", writer.Email, "#password", writer.Password)
	b.Click("#login")
	b.At(r.App, "#logout")
	b.Calm()
}

func TestPagesThroughTheGatewayFitAPhoneInBothLanguages(t *testing.T) {
	t.Parallel()
	r := start(t, 1)
	for _, language := range []string{"en", "ko"} {
		t.Run(language, func(t *testing.T) {
			b := newTab(t, language)
			chrome.Call(b.Browser, emulation.SetDeviceMetricsOverride,
				emulation.SetDeviceMetricsOverrideParams{Width: 360, Height: 740, DeviceScaleFactor: 1, Mobile: true})
			for _, address := range []string{r.App + "/", r.Issuer + "/login", r.Issuer + "/signup",
				r.Issuer + "/oauth2/authorize?client_id=nobody"} {
				b.Open(address)
				b.fits(language)
			}
			b.signUp(r, newPerson(t, nil))
			for _, address := range []string{r.App + "/", r.App + "/boards", r.App + "/boards/free",
				r.App + "/profile", r.App + "/settings", r.App + "/interests", r.App + "/tokens",
				r.Issuer + "/account", r.Issuer + "/account/sessions", r.Issuer + "/account/apps",
				r.Issuer + "/account/password"} {
				b.Open(address)
				b.fits(language)
			}
			b.Calm()
		})
	}
}
