package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/storage"
	"github.com/pquerna/otp/totp"

	"github.com/maru-auth/maru/deploy/inbox"
	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/internal/testenv/axe"
	"github.com/maru-auth/maru/internal/testenv/chrome"
)

// A person's life with an account, from the first page to the last letter, in a real browser and
// through the gateway.

func TestALifeWithAnAccountInEnglish(t *testing.T) {
	t.Parallel()
	liveThrough(t, "en", start(t, 1, "AUTHZ_LOG_LEVEL=debug", "USER_LOG_LEVEL=debug", "BOARD_LOG_LEVEL=debug", "DEMO_LOG_LEVEL=debug"))
}

// The issuer has a path here, which every link and every script has to follow.
func TestALifeWithAnAccountInKoreanOnTwoReplicas(t *testing.T) {
	t.Parallel()
	settings := postgres(t)
	r := startWith(t, stack.Config{Env: settings, IssuerPath: "/id"}, 2)
	r.Issuer += "/id"
	secrets := liveThrough(t, "ko", r)
	for _, setting := range settings {
		_, database, _ := strings.Cut(setting, "=")
		secrets.notIn(t, "the database of "+setting[:strings.Index(setting, "_")], dump(t, database))
	}
}

// liveThrough takes every step. In English addresses are confirmed by codes; in Korean by links, on
// a phone in dark mode. It returns what must be found nowhere, and has looked for it already.
func liveThrough(t *testing.T, language string, r *running) *secrets {
	b := newTab(t, language)
	l := &life{tab: b, t: t, r: r, person: newPerson(t, nil), axe: axe.New(t, b.Browser), language: language, byLink: language == "ko",
		secrets: &secrets{}}
	if language == "ko" {
		chrome.Call(b.Browser, emulation.SetDeviceMetricsOverride,
			emulation.SetDeviceMetricsOverrideParams{Width: 360, Height: 740, DeviceScaleFactor: 1, Mobile: true})
		chrome.Call(b.Browser, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
	}
	chrome.Call(b.Browser, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: noteChallenges})
	l.secrets.add("the password", l.Password)

	l.begin()
	post := l.write("A post that stays")
	elsewhere := l.logInElsewhere()
	l.hideFromStrangers()
	l.forgetPassword()
	if at := elsewhere.open(r.Issuer + "/account"); at.byID("login") == nil {
		t.Errorf("a session is open after the password was reset: %s", at.URL)
	}
	l.usePasskey()
	codes := l.turnOnSecondStep()
	l.losePhone(codes[0])
	l.losePasskey()
	codes = l.turnOnSecondStep()
	l.moveToAnotherAddress()
	l.export()
	l.lookBack()
	l.leaveAndThinkAgain(codes[0])
	l.leave(post)
	l.Calm()

	if printed := r.log.String(); !strings.Contains(printed, "/reset?…") {
		t.Error("the gateway's log does not tell that a mailed link was opened")
	} else {
		l.secrets.notIn(t, "what the processes print", printed)
	}
	l.secrets.notInFiles(t, r.dir)
	l.readMail()
	if n := len(l.secrets.codes); n < 3 || len(l.secrets.what) < 60 {
		t.Errorf("only %d codes and %d forms of other secrets were looked for: %v", n, len(l.secrets.what), slices.Collect(maps.Values(l.secrets.what)))
	}
	return l.secrets
}

// life is a person with a browser, and with all that they ever held in confidence.
type life struct {
	tab
	*person
	t        *testing.T
	r        *running
	axe      *axe.Checker
	language string
	byLink   bool // confirms by links rather than by codes
	device   *chrome.Authenticator
	phone    string // the secret of the app on it
	used     uint64 // the time step of its last code
	id       string // of the account
	earlier  string // the address of before
	secrets  *secrets
}

// noteChallenges keeps the challenges of passkeys, and leaves the ceremonies as they are.
const noteChallenges = `(() => {
	const credentials = navigator.credentials;
	if (!credentials) { return; }
	for (const name of ["create", "get"]) {
		const whole = credentials[name].bind(credentials);
		credentials[name] = options => {
			const raw = options?.publicKey?.challenge;
			if (raw) {
				const text = btoa(String.fromCharCode(...new Uint8Array(raw))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
				localStorage.setItem("challenges", (localStorage.getItem("challenges") ?? "") + " " + text);
			}
			return whole(options);
		};
	}
})()`

// looksGood checks the page that is shown, and notes the cookies that the browser has by now.
func (l *life) looksGood(what string) {
	l.t.Helper()
	l.fits(l.language)
	l.axe.Check(what)
	for _, one := range chrome.Call(l.Browser, storage.GetCookies, storage.GetCookiesParams{}).Cookies {
		if len(one.Value) >= 20 && !strings.Contains(one.Value, "@") {
			l.secrets.add("the cookie "+one.Name, one.Value)
		}
	}
}

// atIssuer waits for a page of the issuer with a visible element.
func (l *life) atIssuer(selector chrome.CSS) {
	l.t.Helper()
	at, err := url.Parse(l.r.Issuer)
	if err != nil {
		l.t.Fatal(err)
	}
	l.Is(fmt.Sprintf("location.pathname.startsWith(%q)", at.Path+"/"))
	l.At(at.Scheme+"://"+at.Host, selector)
}

// letter waits for the newest letter to an address whose text holds each of texts, and notes its
// link and code.
func (l *life) letter(to string, texts ...string) inbox.Mail {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 2*time.Minute)
	defer cancel()
	m, err := inbox.Wait(ctx, l.r.Inbox(), to, func(m inbox.Mail) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(m.Text+m.Subject, text) })
	})
	if err != nil {
		l.t.Fatalf("%v: %q", err, texts)
	}
	if korean := regexp.MustCompile(`\p{Hangul}`).MatchString(strings.ReplaceAll(m.Subject, "마루", "")); korean != (l.language == "ko") {
		l.t.Errorf("the letter %q is not in the language %s", m.Subject, l.language)
	}
	if m.Code() != "" {
		l.secrets.add("a mailed code", m.Code())
	}
	if _, secret, ok := strings.Cut(m.Link(), "?link="); ok {
		l.secrets.add("the secret of a mailed link", secret)
	}
	return m
}

// confirm does what a letter asks for on the page that waits for its code.
func (l *life) confirm(to string) {
	l.t.Helper()
	l.atIssuer("#code")
	l.looksGood("the page of a mailed code")
	m := l.letter(to, "?link=")
	if !l.byLink {
		l.Fill("#code", m.Code())
		l.Click("#verify")
		return
	}
	// A scanner opens it first, without a browser's cookies.
	resp, err := http.Get(m.Link())
	if err != nil {
		l.t.Fatal(err)
	}
	resp.Body.Close()
	l.Open(m.Link())
	l.atIssuer("#verify")
	l.Is(`!location.href.includes("link=")`)
	l.looksGood("the page of a mailed link")
	l.Click("#verify")
}

func (l *life) begin() {
	l.Open(l.r.App + "/")
	l.looksGood("the app's front page")
	l.Click("#signup")
	l.atIssuer("#password")
	l.looksGood("sign-up")
	l.Fill("#name", l.Name, "#email", l.Email, "#password", l.Password)
	l.Click("#signup")
	l.confirm(l.Email)
	l.At(l.r.App, "#logout")
}

func (l *life) write(title string) (address string) {
	l.Open(l.r.App + "/boards/free")
	l.Click("#write")
	l.Fill("#title", title, "#body", "With some words.")
	l.Click("#save")
	l.See("h1", title)
	l.See(".post .meta", l.Name)
	address, _, _ = strings.Cut(chrome.Eval[string](l.Browser, "location.href"), "#")
	return address
}

// logInElsewhere logs in in a browser that was not known, which the person is told of.
func (l *life) logInElsewhere() *person {
	other := newPerson(l.t, nil)
	if at := other.open(l.r.Issuer+"/login").press("login", "email", l.Email, "password", l.Password); at.byID("logout") == nil {
		l.t.Fatalf("not logged in elsewhere: %s %s", at.URL, at.text())
	}
	l.letter(l.Email, "127.0.0.1")
	return other
}

// hideFromStrangers has a stranger sign up with the person's address: what they see is the same as
// with an address of nobody, and the person is told.
func (l *life) hideFromStrangers() {
	seen := func(email string) string {
		stranger := newPerson(l.t, nil)
		at := stranger.open(l.r.App+"/signup").press("signup", "name", "A Stranger", "email", email, "password", stranger.Password)
		return fmt.Sprint(at.Status, at.URL.Path, strings.ReplaceAll(at.text(), email, "ADDRESS"))
	}
	if taken, free := seen(l.Email), seen("nobody-"+l.Email); taken != free {
		l.t.Errorf("a stranger sees of an address that is taken:\n%s\nand of another:\n%s", taken, free)
	}
	if m := l.letter(l.Email, l.r.Issuer+"/forgot"); strings.Contains(m.Text+m.HTML, "A Stranger") || m.Code() != "" {
		l.t.Errorf("the owner is told: %s", m.Text)
	}
}

// logOut ends every session, and opens the page where the next one begins.
func (l *life) logOut() {
	l.t.Helper()
	l.Open(l.r.App + "/")
	l.Click("#logout")
	l.Is(fmt.Sprintf("(location.origin === %q && !!document.querySelector('#login')) || !!document.querySelector('button#logout')", l.r.App))
	l.At(l.r.App, "#login")
	l.toLogin()
}

// toLogin opens the log-in on the way to the app.
func (l *life) toLogin() {
	l.t.Helper()
	if l.device != nil {
		l.device.Answer(false) // nor does the browser's own list of passkeys answer by itself
	}
	l.Open(l.r.App + "/login")
	l.atIssuer("#password")
}

func (l *life) typePassword() {
	l.t.Helper()
	l.atIssuer("#password")
	l.Fill("#email", l.Email, "#password", l.Password)
	l.Click("#login")
}

func (l *life) forgetPassword() {
	l.logOut()
	l.looksGood("log-in")
	l.Click("#forgot")
	l.atIssuer("#send")
	l.looksGood("a forgotten password")
	l.Fill("#email", l.Email)
	l.Click("#send")
	l.atIssuer("#code")
	l.looksGood("the letter is on its way")
	l.Open(l.letter(l.Email, "/reset?link=").Link())
	l.atIssuer("#reset")
	l.Is(`!location.href.includes("link=")`)
	l.looksGood("a new password")
	former := l.Password
	l.Password = "another-" + former
	l.Fill("#password", l.Password)
	l.Click("#reset")
	l.atIssuer("#login")
	l.Is(fmt.Sprintf("document.querySelector('#email').value === %q", l.Email))
	l.Fill("#password", former)
	l.Click("#login")
	l.Visible("#problem")
	l.typePassword()
	l.At(l.r.App, "#logout")
}

func (l *life) security() {
	l.t.Helper()
	l.Open(l.r.Issuer + "/account/security")
	l.atIssuer("#history")
}

func (l *life) usePasskey() {
	l.device = l.Authenticator()
	l.security()
	l.looksGood("security, with nothing set up")
	l.Click("#passkey")
	l.Visible(".notice.good")
	l.looksGood("security, with a passkey")
	l.noteChallenges()

	l.logOut()
	l.looksGood("log-in, with passkeys")
	l.device.Answer(true)
	l.Click("#passkey")
	l.At(l.r.App, "#logout")
	if l.device.Count() != 1 {
		l.t.Errorf("the device has %d passkeys", l.device.Count())
	}
	l.security()
	l.noteChallenges()
}

// noteChallenges collects what the script noted at the issuer.
func (l *life) noteChallenges() {
	l.t.Helper()
	seen := strings.Fields(chrome.Eval[string](l.Browser, `localStorage.getItem("challenges") ?? ""`))
	if len(seen) == 0 {
		l.t.Fatal("no challenge of a passkey was seen")
	}
	for _, one := range seen {
		l.secrets.add("the challenge of a passkey", one)
	}
}

// code is one that the app on the phone shows and that was not used yet.
func (l *life) code() string {
	l.t.Helper()
	const step = 30
	at := max(uint64(time.Now().Unix())/step, l.used+1)
	testenv.Eventually(l.t, "the code is not too far ahead", func() bool { return uint64(time.Now().Unix())/step+1 >= at })
	l.used = at
	code, err := totp.GenerateCode(l.phone, time.Unix(int64(at*step), 0))
	if err != nil {
		l.t.Fatal(err)
	}
	l.secrets.add("a code of the phone", code)
	return code
}

func (l *life) turnOnSecondStep() (codes []string) {
	l.security()
	l.Click("#two-step-setup")
	l.atIssuer("#set-up")
	l.looksGood("two-step verification, before it is set up")
	l.Click("#set-up")
	l.atIssuer("#turn-on")
	l.looksGood("two-step verification, being set up")
	l.phone = strings.ReplaceAll(chrome.Eval[string](l.Browser, `document.querySelector(".key code").textContent`), " ", "")
	l.used = 0
	l.secrets.add("the secret of the phone", l.phone)
	l.Fill("#otp", l.code())
	l.Click("#turn-on")
	l.atIssuer("#done")
	l.looksGood("recovery codes")
	codes = chrome.Eval[[]string](l.Browser, `[...document.querySelectorAll(".recovery code")].map(one => one.textContent)`)
	if len(codes) != 10 {
		l.t.Fatalf("%d recovery codes", len(codes))
	}
	for _, one := range codes {
		l.secrets.add("a recovery code", one)
		l.secrets.add("a recovery code", strings.ReplaceAll(one, "-", ""))
	}
	l.Click("#done")
	l.atIssuer("#turn-off")
	l.looksGood("security, with two-step verification")
	return codes
}

// typeRecovery shows a recovery code in place of the phone.
func (l *life) typeRecovery(code string) {
	l.t.Helper()
	l.atIssuer("#otp")
	l.looksGood("the second step")
	l.Click(`a[href*="recovery"]`)
	l.atIssuer("#recovery")
	l.looksGood("the second step by a recovery code")
	l.Fill("#recovery", code)
	l.Click("#verify")
}

func (l *life) losePhone(recovery string) {
	l.logOut()
	l.typePassword()
	l.typeRecovery(recovery)
	l.At(l.r.App, "#logout")

	// It was good for once.
	l.logOut()
	l.typePassword()
	l.typeRecovery(recovery)
	l.Visible("#recovery-problem")
	l.device.Answer(true) // the passkey is at hand still
	l.Click("#passkey")
	l.At(l.r.App, "#logout")

	l.security()
	l.Click("#turn-off")
	l.atIssuer("#confirm")
	l.looksGood("two-step verification is to be turned off")
	l.Click("#confirm")
	l.atIssuer("#two-step-setup")
}

func (l *life) losePasskey() {
	l.device.Remove()
	l.device = nil
	l.security()
	l.Click("#own-passkeys details:last-of-type summary")
	l.Click("#own-passkeys details[open] button")
	l.Is(`document.querySelector("#own-passkeys") !== null && document.querySelectorAll("#own-passkeys li h3").length === 0`)
	l.Calm()
}

func (l *life) moveToAnotherAddress() {
	l.earlier, l.Email = l.Email, "moved-"+l.Email
	l.Open(l.r.Issuer + "/account/email")
	l.atIssuer("#change")
	l.looksGood("the address")
	l.Fill("#email", l.Email)
	l.Click("#change")
	l.confirm(l.Email)
	l.Is(`location.pathname.includes("/account")`)
	l.Open(l.r.Issuer + "/account/email")
	l.See("main", l.Email)
	told := l.letter(l.earlier, "m…@")
	if strings.Contains(told.Text+told.HTML, l.Email) {
		l.t.Error("the letter to the address of before tells the new one in full")
	}
}

func (l *life) export() {
	dir := l.t.TempDir()
	chrome.Call(l.Browser, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir})
	l.Open(l.r.Issuer + "/account/data")
	l.atIssuer("#export")
	l.looksGood("the person's data")
	l.Click("#export")
	var text []byte
	testenv.Eventually(l.t, "the export is a file", func() (ok bool) {
		var err error
		text, err = os.ReadFile(filepath.Join(dir, "account.json"))
		return err == nil && json.Valid(text)
	})
	var held struct {
		Account struct {
			ID    string `json:"id"`
			Email string `json:"email"`
			Name  string `json:"name"`
		} `json:"account"`
		History  []struct{ Kind string } `json:"security_history"`
		Services map[string]any          `json:"services"`
	}
	if err := json.Unmarshal(text, &held); err != nil {
		l.t.Fatal(err)
	}
	if held.Account.Email != l.Email || held.Account.Name != l.Name || len(held.History) < 6 {
		l.t.Errorf("the export tells of %+v, %d events", held.Account, len(held.History))
	}
	if board := fmt.Sprint(held.Services["board"]); !strings.Contains(board, "A post that stays") {
		l.t.Errorf("what the board holds: %s", board)
	}
	if user := fmt.Sprint(held.Services["user"]); !strings.Contains(user, l.Name) {
		l.t.Errorf("what the user service holds: %s", user)
	}
	l.id = held.Account.ID
	if a := call(l.t, "GET", l.r.API+"/user/v1/users/"+l.id, service(l.t, l.r, "user:lookup"), nil); a.Status != http.StatusOK {
		l.t.Errorf("the profile: %s", a)
	}
	l.secrets.notIn(l.t, "the export", string(text))
}

// lookBack reads all pages of the account once more: none shows a secret again.
func (l *life) lookBack() {
	for _, path := range []string{"", "/profile", "/email", "/password", "/security", "/sessions", "/apps", "/data"} {
		l.Open(l.r.Issuer + "/account" + path)
		l.Is(`location.pathname.includes("/account")`)
		l.looksGood("/account" + path)
		l.secrets.notIn(l.t, "/account"+path, chrome.Eval[string](l.Browser, "document.documentElement.outerHTML"))
	}
}

// askToLeave has the account deleted, and what was written kept.
func (l *life) askToLeave() {
	l.Open(l.r.Issuer + "/account/data")
	l.atIssuer("#delete")
	l.Click(`input[name="posts"][value="keep"]`)
	l.Click("#delete")
	l.Is(`document.querySelector("#delete") === null && document.querySelector("time") !== null`)
	l.looksGood("the account will be deleted")
	testenv.Eventually(l.t, "the app has logged the person out too", func() bool {
		l.Open(l.r.App + "/")
		return chrome.Eval[bool](l.Browser, `document.querySelector("#login") !== null`)
	})
}

func (l *life) leaveAndThinkAgain(recovery string) {
	l.askToLeave()
	l.toLogin()
	l.typePassword()
	l.atIssuer("#otp")
	l.Fill("#otp", l.code())
	l.Click("#verify")
	l.atIssuer("#keep")
	l.looksGood("the account can be kept")
	l.Click("#keep")
	l.At(l.r.App, "#logout")
}

// leave deletes the account for good. The seven days do not pass in a test: an operator hastens it.
func (l *life) leave(post string) {
	l.askToLeave()
	if out, err := l.r.Authz(l.t.Context(), "", "user", "delete", l.Email, "--now"); err != nil {
		l.t.Fatalf("%v\n%s", err, out)
	}
	gone := false
	for end := time.Now().Add(3 * time.Minute); !gone && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		out, err := l.r.Authz(l.t.Context(), "", "user", "list")
		if err != nil {
			l.t.Fatalf("%v\n%s", err, out)
		}
		gone = !strings.Contains(out, l.Email)
	}
	if !gone {
		l.t.Fatal("the account was not deleted within three minutes")
	}
	l.letter(l.Email)

	reader := newPerson(l.t, nil)
	reader.open(l.r.App + "/signup").signUp(l.r)
	testenv.Eventually(l.t, "the post has lost its author", func() bool {
		return !strings.Contains(reader.open(post).text(), l.Name)
	})
	if shown := reader.open(post); shown.Status != http.StatusOK || !strings.Contains(shown.text(), "A post that stays") {
		l.t.Errorf("the post: %d %s", shown.Status, shown.text())
	}
	token := service(l.t, l.r, "user:lookup")
	testenv.Eventually(l.t, "the profile is gone", func() bool {
		return call(l.t, "GET", l.r.API+"/user/v1/users/"+l.id, token, nil).Status == http.StatusNotFound
	})
	l.toLogin()
	l.typePassword()
	l.Visible("#problem")
}

// readMail looks at all letters that went to the person: each has no more secrets than its own.
func (l *life) readMail() {
	all, err := inbox.Messages(l.t.Context(), l.r.Inbox())
	if err != nil {
		l.t.Fatal(err)
	}
	n, subjects := 0, map[string]bool{}
	for _, m := range all {
		if m.To != l.Email && m.To != l.earlier {
			continue
		}
		n, subjects[m.Subject] = n+1, true
		text := strings.ReplaceAll(m.Subject+"\n"+m.Text+"\n"+m.HTML, m.Link(), "")
		if m.Code() != "" {
			text = strings.ReplaceAll(text, m.Code(), "")
		}
		l.secrets.notIn(l.t, "the letter "+m.Subject, text)
	}
	if n < 16 || len(subjects) < 13 {
		l.t.Errorf("%d letters: %q", n, slices.Sorted(maps.Keys(subjects)))
	}
}
