package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/maru-auth/maru/internal/testenv"
)

// tab is a tab of a real browser of its own, with nobody logged in. What the browser complains of is collected.
type tab struct {
	t          *testing.T
	ctx        context.Context
	mu         sync.Mutex
	complaints []string
}

type css = chromedp.CSS

func newTab(t *testing.T, language string) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(testenv.Chromium(t)), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("accept-lang", language))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // waits until the browser has ended
			t.Logf("the browser's end: %v", err)
		}
		cancel()
	})
	b := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *cdplog.EventEntryAdded: // violations of a content security policy, among others
			if e.Entry.Source != "network" {
				b.complaints = append(b.complaints, e.Entry.Text+" "+e.Entry.URL)
			}
		case *runtime.EventExceptionThrown:
			b.complaints = append(b.complaints, e.ExceptionDetails.Text)
		}
	}); err != nil {
		t.Fatal(err)
	}
	command(b, cdplog.Enable, cdp.Empty{})
	command(b, runtime.Enable, cdp.Empty{})
	return b
}

func command[P, R any](b *tab, c cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, c, params); err != nil {
		b.t.Fatal(err)
	}
}

// patience bounds one step in the browser; the machine may be busy.
const patience = 60 * time.Second

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v, on %s", err, b.shown())
	}
}

// shown is where the browser is and what it shows.
func (b *tab) shown() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	at, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		return err.Error()
	}
	text, err := chromedp.Run(ctx, chromedp.Text(css("body")))
	if err != nil {
		return at + ": " + err.Error()
	}
	return at + ":\n" + text
}

func (b *tab) open(address string) { b.t.Helper(); b.do(chromedp.Navigate(address)) }

// click waits for an element, and clicks it.
func (b *tab) click(selector css) {
	b.t.Helper()
	b.visible(string(selector))
	b.do(chromedp.Click(selector))
}

// visible waits for an element to be seen, also beyond a change of page: chromedp's own wait fails when the page changes under it.
func (b *tab) visible(selector string) {
	b.t.Helper()
	b.is(fmt.Sprintf("document.querySelector(%q)?.checkVisibility() ?? false", selector))
}

// fill types texts into fields, in place of what is there: selector, text, selector, text and so on.
func (b *tab) fill(fields ...string) {
	b.t.Helper()
	for i := 0; i < len(fields); i += 2 {
		b.visible(fields[i])
		b.is(fmt.Sprintf("(document.querySelector(%q).value = '', true)", fields[i]))
		b.do(chromedp.SendKeys(css(fields[i]), fields[i+1]))
	}
}

// is waits until the expression is true, also beyond a change of page.
func (b *tab) is(expression string) {
	b.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		cancel()
		if err == nil && ok {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("never true (%v): %s\non %s", err, expression, b.shown())
		}
	}
}

// at waits for a page of the origin with a visible element.
func (b *tab) at(origin string, selector css) {
	b.t.Helper()
	b.is(fmt.Sprintf("location.origin === %q && (document.querySelector(%q)?.checkVisibility() ?? false)", origin, selector))
}

// see waits for an element that holds the text.
func (b *tab) see(selector css, text string) {
	b.t.Helper()
	b.is(fmt.Sprintf("document.querySelector(%q)?.textContent.includes(%q) ?? false", selector, text))
}

// fits fails the test when the page is wider than the window, lacks a title, an h1 or a language, or holds broken text.
func (b *tab) fits(language string) {
	b.t.Helper()
	b.is(fmt.Sprintf("document.readyState === 'complete' && document.title !== '' && document.querySelectorAll('h1').length === 1 && document.documentElement.lang === %q", language))
	b.is("document.documentElement.scrollWidth <= window.innerWidth")
	b.is(`!document.body.innerText.includes('\uFFFD')`)
}

// calm fails the test if the browser complained.
func (b *tab) calm() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		b.t.Errorf("the browser complains: %s", c)
	}
	b.complaints = nil
}

// signUp makes an account on the way into the demo app, and returns when the app shows the person logged in.
func (b *tab) signUp(r *running, who *person) {
	b.t.Helper()
	b.open(r.App + "/")
	b.click("#signup")
	b.at(r.Issuer, "#password")
	b.fill("#name", who.Name, "#email", who.Email, "#password", who.Password)
	b.click("#signup")
	b.at(r.App, "#logout")
}

func TestTheJourneyOfTwoPeopleInTheBrowser(t *testing.T) {
	b := newTab(t, "en")
	r := start(t, 1)
	writer, reader := newPerson(t, nil), newPerson(t, nil)

	b.signUp(r, writer)

	// the profile comes from the user service, and is changed there
	b.open(r.App + "/profile")
	b.at(r.App, "#display_name")
	b.is(fmt.Sprintf("document.querySelector('#display_name').value === %q", writer.Name))
	name := "김마루 " + writer.Name
	b.fill("#display_name", name, "#bio", "나무 마루를 좋아합니다.")
	b.click("#save")
	b.see("#profile", name)
	b.open(r.App + "/profile")
	b.is(fmt.Sprintf("document.querySelector('#display_name')?.value === %q && document.querySelector('#bio').value.trim() === '나무 마루를 좋아합니다.'", name))

	// a post and a comment, under the author's name
	b.open(r.App + "/boards/free")
	b.click("#write")
	b.fill("#title", "첫 글 <b>", "#body", "**굵게** <img src=x onerror=alert(1)>")
	b.click("#save")
	b.see("h1", "첫 글 <b>")
	b.see(".prose strong", "굵게")
	b.fill("#comment-form #body", "제 글에 붙이는 말")
	b.click("#comment")
	b.see(".comments", "제 글에 붙이는 말")
	var address string
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	address, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		t.Fatal(err)
	}
	address, _, _ = strings.Cut(address, "#")
	b.calm()

	// somebody else reads it, sees who wrote it, and answers
	other := newTab(t, "ko")
	other.signUp(r, reader)
	other.open(r.App + "/boards/free")
	other.see(".posts", "첫 글 <b>")
	other.see(".posts", name)
	other.open(address)
	other.see(".post .meta", name)
	other.see(".comments", "제 글에 붙이는 말")
	other.is("document.querySelector('#edit') === null") // it is not theirs
	other.fill("#comment-form #body", "반갑습니다")
	other.click("#comment")
	other.see(".comments", "반갑습니다")
	other.see(".comments", reader.Name)
	other.calm()

	// the tokens, checked in the browser before it calls
	b.open(r.App + "/tokens")
	for _, kind := range []string{"access", "id"} {
		b.click(css("#" + kind + "-check"))
		b.at(r.App, css("#"+kind+"-result.good"))
		b.click(css("#" + kind + "-tamper"))
		b.click(css("#" + kind + "-check"))
		b.at(r.App, css("#"+kind+"-result.bad"))
	}
	b.click("#call")
	b.at(r.App, "#call-result.bad")
	b.is("document.querySelector('#call-answer').hidden")
	b.click("#access-restore")
	b.click("#call")
	b.at(r.App, "#call-result.good")
	b.see("#call-answer", name)

	// out everywhere: the app, and the issuer, which asks for the password the next time
	b.click("#logout")
	b.is(fmt.Sprintf("(location.origin === %q && !!document.querySelector('#login')) || !!document.querySelector('button#logout')", r.App))
	b.at(r.App, "#login")
	b.click("#login")
	b.at(r.Issuer, "#password")
	b.fill("#email", writer.Email, "#password", writer.Password)
	b.click("#login")
	b.at(r.App, "#logout")
	b.calm()
}

func TestPagesThroughTheGatewayFitAPhoneInBothLanguages(t *testing.T) {
	r := start(t, 1)
	for _, language := range []string{"en", "ko"} {
		t.Run(language, func(t *testing.T) {
			b := newTab(t, language)
			command(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 360, Height: 740, DeviceScaleFactor: 1, Mobile: true})
			for _, address := range []string{r.App + "/", r.Issuer + "/login", r.Issuer + "/signup", r.Issuer + "/oauth2/authorize?client_id=nobody"} {
				b.open(address)
				b.fits(language)
			}
			b.signUp(r, newPerson(t, nil))
			for _, address := range []string{r.App + "/", r.App + "/boards", r.App + "/boards/free", r.App + "/profile", r.App + "/settings", r.App + "/interests", r.App + "/tokens", r.Issuer + "/account", r.Issuer + "/account/sessions", r.Issuer + "/account/apps", r.Issuer + "/account/password"} {
				b.open(address)
				b.fits(language)
			}
			b.calm()
		})
	}
}
