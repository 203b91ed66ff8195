package main

import (
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"

	"github.com/maru-auth/maru/internal/testenv/chrome"
)

var theRaw = regexp.MustCompile(`(?s)<textarea id="access-raw".*?>\s*(\S+)</textarea>`)

// access returns the access token that the page of tokens shows.
func (b *browser) access() string {
	b.t.Helper()
	m := theRaw.FindStringSubmatch(b.get("/tokens").text)
	if m == nil {
		b.t.Fatal("the page shows no access token")
	}
	return m[1]
}

// outcome waits until the page of a revoked token changes no more.
func (b *browser) outcome() (page shown) {
	b.t.Helper()
	eventually(b.t, "the end of the count", func() bool {
		page = b.get("/tokens/revoked")
		return !regexp.MustCompile(`data-waiting|http-equiv="refresh"`).MatchString(page.text)
	})
	return page
}

// result finds what the page says about the token at a service.
func (s shown) result(t *testing.T, service string) (kind, text string) {
	t.Helper()
	m := regexp.MustCompile(`id="revoked-` + service + `" class="result (\w*)" role="status">([^<]*)<`).FindStringSubmatch(s.text)
	if m == nil {
		t.Fatalf("%s: nothing about the %s service in:\n%s", s.at.Path, service, plain(s.text))
	}
	return m[1], m[2]
}

func TestARevokedTokenIsRefusedWithinCountedSecondsAndTheSessionGoesOn(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	old := b.access()
	w.issuer.set(func(i *fakeIssuer) { i.unfollowed = true })
	page := b.post("/tokens/revoke")
	page.want(t, http.StatusOK, "Waiting for the services", `<noscript><meta http-equiv="refresh" content="1"></noscript>`)
	if kind, _ := page.result(t, "user"); page.at.Path != "/tokens/revoked" || kind != "" {
		t.Errorf("at %s, %q", page.at.Path, kind)
	}
	eventually(t, "the revocation", func() bool { return w.issuer.revoked.Load() == 1 })
	w.issuer.set(func(i *fakeIssuer) { // the services have the newest list
		if len(i.ended) != 1 || i.ended[0] != old {
			t.Errorf("these were revoked: %q", i.ended)
		}
		delete(i.access, old)
	})
	page = b.outcome()
	page.want(t, http.StatusOK, "The token is refused", "It answered: 401 invalid_token", "still logged in")
	for _, service := range []string{"user", "board"} {
		if kind, text := page.result(t, service); kind != "good" || !regexp.MustCompile(`^Refused after \d+\.\d s$`).MatchString(text) {
			t.Errorf("%s: %s %q", service, kind, text)
		}
	}
	if b.access() == old {
		t.Error("the app goes on with the revoked token")
	}
	b.get("/profile").want(t, http.StatusOK, `id="display_name"`)
	b.get("/boards").want(t, http.StatusOK, "자유")
	if n := w.issuer.refreshes.Load(); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
	page.without(t, old)
}

func TestTheTokensPlaceInItsStatusListIsShown(t *testing.T) {
	w := start(t)
	w.browser().login().get("/tokens").want(t, http.StatusOK, "place 81734 in the list", w.issuer.server.URL+"/oauth2/status/7f3a",
		"the bit at this place is set", `<button id="revoke"`)
}

func TestAServiceThatGoesOnAcceptingARevokedTokenIsShownAsSuch(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	w.issuer.set(func(i *fakeIssuer) { i.unfollowed = true })
	w.services.boardDown.Store(true)
	b.post("/tokens/revoke")
	eventually(t, "the revocation", func() bool { return w.issuer.revoked.Load() == 1 })
	eventually(t, "the count", func() bool { return regexp.MustCompile(`s since the token`).MatchString(b.get("/tokens/revoked").text) })
	w.pass(16 * time.Second)
	page := b.outcome()
	page.want(t, http.StatusOK, "What happened to the token")
	if kind, text := page.result(t, "user"); kind != "bad" || text != "Not refused within 15 s" {
		t.Errorf("user: %s %q", kind, text)
	}
	if kind, text := page.result(t, "board"); kind != "bad" || text != "No answer" {
		t.Errorf("board: %s %q", kind, text)
	}
}

func TestWhyATokenCouldNotBeRevokedIsSaid(t *testing.T) {
	for name, tc := range map[string]struct {
		fault func(w *world)
		want  string
	}{
		"refused":      {func(w *world) { w.issuer.set(func(i *fakeIssuer) { i.noRevoking = "unsupported_token_type" }) }, "(unsupported_token_type)"},
		"no answer":    {func(w *world) { w.issuer.down.Store(true) }, "did not confirm"},
		"not on offer": {nil, "does not offer"},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			if tc.fault == nil {
				w.issuer.set(func(i *fakeIssuer) { i.meta = func(d map[string]any) { delete(d, "revocation_endpoint") } })
			}
			b := w.browser().login()
			if tc.fault != nil {
				tc.fault(w)
			}
			old := b.access()
			b.post("/tokens/revoke")
			page := b.outcome()
			page.want(t, http.StatusBadGateway, "could not be revoked", tc.want)
			page.without(t, `id="revoked-user"`)
			if b.access() != old {
				t.Error("the token was replaced")
			}
		})
	}
}

func TestASessionSeesItsOwnRevocationAlone(t *testing.T) {
	w := start(t)
	stranger, same := w.browser(), w.browser().login()
	b := w.browser().login()
	w.issuer.set(func(i *fakeIssuer) { i.person = "person-2" })
	other := w.browser().login()
	stranger.post("/tokens/revoke").want(t, http.StatusForbidden, "log in")
	if w.issuer.revoked.Load() != 0 {
		t.Error("a stranger revoked something")
	}
	b.post("/tokens/revoke")
	b.outcome().want(t, http.StatusOK, `id="revoked-user"`)
	stranger.get("/tokens/revoked").want(t, http.StatusForbidden, "log in")
	for name, browser := range map[string]*browser{"another session": same, "another person": other} {
		page := browser.get("/tokens/revoked")
		if page.without(t, "revoked-user"); page.at.Path != "/tokens" {
			t.Errorf("%s is at %s", name, page.at)
		}
	}
}

func TestARevocationThatIsAskedForManyTimesIsOne(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	hold := make(chan struct{})
	w.issuer.set(func(i *fakeIssuer) { i.holdRevoke = hold })
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { b.postStep("/tokens/revoke") })
	}
	wg.Wait()
	b.get("/tokens/revoked").want(t, http.StatusOK, "is being revoked")
	close(hold)
	b.outcome()
	if n := w.issuer.revoked.Load(); n != 1 {
		t.Errorf("%d revocations for 16 requests", n)
	}
}

func TestFewRevocationsAreWatchedAtOnce(t *testing.T) {
	w := start(t)
	hold := make(chan struct{})
	w.issuer.set(func(i *fakeIssuer) { i.holdRevoke = hold })
	const most, mostOf = 8, 2
	var all []*browser
	for i := range most + 1 {
		w.issuer.set(func(f *fakeIssuer) { f.person = []string{"a", "b", "c", "d", "e"}[i/mostOf] })
		all = append(all, w.browser().login())
	}
	w.issuer.set(func(f *fakeIssuer) { f.person = "a" })
	third := w.browser().login()
	for i, b := range all {
		if i == most {
			break
		}
		b.post("/tokens/revoke").want(t, http.StatusOK)
		if i == mostOf-1 {
			third.post("/tokens/revoke").want(t, http.StatusTooManyRequests, "right now")
		}
	}
	all[most].post("/tokens/revoke").want(t, http.StatusTooManyRequests, "right now")
	close(hold)
	for _, b := range all[:most] {
		b.outcome()
	}
	all[most].post("/tokens/revoke").want(t, http.StatusOK)
	all[most].outcome()
	if n := w.issuer.revoked.Load(); n != most+1 {
		t.Errorf("%d revocations", n)
	}
}

func TestATokenThatWasRevokedElsewhereIsReplacedAtOnce(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	w.issuer.revokeAccess() // within seconds of the log-in
	b.get("/profile").want(t, http.StatusOK, `id="display_name"`)
	if n := w.issuer.refreshes.Load(); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
	w.pass(11 * time.Second)
	w.issuer.revokeAccess()
	b.get("/api/me").want(t, http.StatusOK, "person-1")
	w.pass(11 * time.Second)
	w.issuer.revokeAccess()
	b.post("/profile", "etag", `"1"`, "display_name", "새 이름").want(t, http.StatusOK, "Saved.")
}

func TestAGrantThatEndedElsewhereLeadsToALogIn(t *testing.T) {
	w := start(t)
	end := func() {
		w.issuer.revokeAccess()
		w.issuer.set(func(i *fakeIssuer) { clear(i.refresh) })
	}
	b := w.browser().login()
	end() // within seconds of the log-in
	b.get("/profile").want(t, http.StatusForbidden, "Please log in again", `href="/login?to=%2fprofile"`)
	b.login()
	w.pass(time.Minute)
	end()
	b.get("/api/me").want(t, http.StatusForbidden, "Log in again")
	b.login()
	w.pass(10 * time.Minute) // the next access token is due
	end()
	b.post("/tokens/revoke").want(t, http.StatusForbidden, "Please log in again")
}

func TestRevokingInABrowser(t *testing.T) {
	w := start(t)
	b := w.tab()
	b.open("/login?to=/tokens")
	w.issuer.set(func(i *fakeIssuer) { i.unfollowed = true })
	b.Click("#revoke")
	b.See("#revoked-user", "Still accepted")
	b.See("#revoked-user-detail", "since the token was revoked")
	w.issuer.revokeAccess()
	b.See("#revoked-user.good", "Refused after")
	b.See("#revoked-board.good", "Refused after")
	b.See("#revoked-title", "The token is refused")
	b.Is(`document.title.startsWith("The token is refused")`)
	b.Calm()

	// The same without scripts.
	b.open("/tokens")
	w.issuer.set(func(i *fakeIssuer) { i.unfollowed = false })
	chrome.Call(b.Browser, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.Click("#revoke")
	b.Visible("#revoked-user.good")
	b.Visible("#revoked-board.good")
}
