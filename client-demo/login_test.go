package main

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/testenv/testkey"
)

func TestAPersonLogsInAndOutEverywhere(t *testing.T) {
	w := start(t)
	b := w.browser()
	page := b.get("/boards")
	page.want(t, http.StatusForbidden, "Please log in", "/login?to=%2fboards")

	page = b.get("/login?to=/boards")
	page.want(t, http.StatusOK, "자유", `id="logout"`)
	if page.at.String() != w.origin+"/boards" {
		t.Errorf("after log-in at %s, want where the person wanted to go", page.at)
	}
	asked := w.issuer.asked
	if len(asked.Get("state")) < 40 || len(asked.Get("nonce")) < 40 || asked.Get("code_challenge_method") != "S256" ||
		asked.Get("response_type") != "code" ||
		asked.Get("redirect_uri") != w.origin+"/callback" || asked.Has("prompt") || strings.Contains(asked.Get("scope"), "offline_access") {
		t.Errorf("the authorization request was %v", asked)
	}
	for _, cookie := range b.client.Jar.Cookies(page.at) {
		if strings.Count(cookie.Value, ".") == 2 {
			t.Errorf("the cookie %s holds a token", cookie.Name)
		}
	}

	page = b.post("/logout")
	page.want(t, http.StatusOK, "You are logged out everywhere", `id="login"`)
	if w.issuer.logouts.Load() != 1 || strings.Count(w.issuer.hint, ".") != 2 {
		t.Errorf("the issuer saw %d logouts, hint %q", w.issuer.logouts.Load(), w.issuer.hint)
	}
	b.get(page.at.RequestURI()).without(t, "logged out everywhere") // said once
	b.get("/boards").want(t, http.StatusForbidden, "Please log in")
}

func TestSignUpBeginsWithMakingAnAccount(t *testing.T) {
	w := start(t)
	w.browser().get("/signup").want(t, http.StatusOK, `id="logout"`)
	if w.issuer.asked.Get("prompt") != "create" {
		t.Errorf("the authorization request was %v", w.issuer.asked)
	}
}

func TestLeavingThisAppAloneRevokesItsTokensAndAsksNoLogoutOfTheIssuer(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	b.post("/logout", "from", "app").want(t, http.StatusOK, "still logged in at the login service")
	if w.issuer.logouts.Load() != 0 || w.issuer.revoked.Load() != 1 {
		t.Errorf("logouts %d, revocations %d", w.issuer.logouts.Load(), w.issuer.revoked.Load())
	}
	b.get("/tokens").want(t, http.StatusForbidden, "Please log in")
}

func TestLogoutWithTheIssuerGoneEndsTheSessionHere(t *testing.T) {
	w := start(t)
	w.issuer.set(func(i *fakeIssuer) {
		i.meta = func(document map[string]any) { delete(document, "end_session_endpoint") }
	})
	b := w.browser().login()
	b.post("/logout").want(t, http.StatusOK, "could not be asked", `id="login"`)
	b.get("/tokens").want(t, http.StatusForbidden)
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

func TestCookiesAreSafe(t *testing.T) {
	w := start(t)
	b := w.browser()
	there := b.step(http.MethodGet, "/login")
	back := b.step(http.MethodGet, there.Header.Get("Location"))
	done := b.step(http.MethodGet, back.Header.Get("Location"))
	names := map[string]bool{}
	for _, resp := range []*http.Response{there, done} {
		for _, c := range resp.Cookies() {
			name, _, _ := strings.Cut(c.Name, "-login-")
			names[name] = true
			if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
				t.Errorf("cookie %+v", c)
			}
		}
	}
	if !names["demo"] || !names["demo-session"] {
		t.Errorf("got the cookies %v", names)
	}
}

func TestALogInGivesANewSessionIDAndEndsTheOld(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	origin, _ := url.Parse(w.origin)
	id := func() string {
		for _, c := range b.client.Jar.Cookies(origin) {
			if c.Name == "demo-session" {
				return c.Value
			}
		}
		return ""
	}
	old := id()
	b.login()
	if id() == old || old == "" {
		t.Fatal("the session has the same id after a second log-in")
	}
	thief := w.browser()
	thief.client.Jar.SetCookies(origin, []*http.Cookie{{Name: "demo-session", Value: old}})
	thief.get("/tokens").want(t, http.StatusForbidden, "log in again")
}

func TestASessionFixedByAnAttackerIsNotTakenOver(t *testing.T) {
	w := start(t)
	b := w.browser()
	origin, _ := url.Parse(w.origin)
	b.client.Jar.SetCookies(origin, []*http.Cookie{{Name: "demo-session", Value: "chosen-by-the-attacker"}})
	b.login()
	thief := w.browser()
	thief.client.Jar.SetCookies(origin, []*http.Cookie{{Name: "demo-session", Value: "chosen-by-the-attacker"}})
	thief.get("/tokens").want(t, http.StatusForbidden)
}

func TestCallbacksThatNobodyAskedForAreRefused(t *testing.T) {
	w := start(t)
	change := func(callback string, change func(url.Values)) string {
		u, err := url.Parse(callback)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		change(q)
		u.RawQuery = q.Encode()
		return u.String()
	}
	for name, test := range map[string]struct {
		change func(url.Values)
		want   string
	}{
		"another state":          {func(q url.Values) { q.Set("state", "AAAA") }, "This log-in is over"},
		"no state":               {func(q url.Values) { q.Del("state") }, "This log-in is over"},
		"two states":             {func(q url.Values) { q.Add("state", q.Get("state")) }, "This log-in is over"},
		"another issuer (mixup)": {func(q url.Values) { q.Set("iss", "https://evil.example") }, "Logging in did not work"},
		"two issuers":            {func(q url.Values) { q.Add("iss", q.Get("iss")) }, "Logging in did not work"},
		"no issuer":              {func(q url.Values) { q.Del("iss") }, "Logging in did not work"},
		"another code":           {func(q url.Values) { q.Set("code", "AAAA") }, "invalid_grant"},
		"two codes":              {func(q url.Values) { q.Add("code", q.Get("code")) }, "Logging in did not work"},
		"refused":                {func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") }, "You did not let this app"},
		"an error with markup": {func(q url.Values) {
			q.Del("code")
			q.Set("error", "<script>alert(1)</script>")
			q.Set("error_description", "<img src=x onerror=alert(1)>")
		}, "&lt;script&gt;"},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.browser()
			page := b.get(change(b.callback("/login"), test.change))
			if page.status != http.StatusBadRequest && page.status != http.StatusForbidden {
				t.Errorf("status %d", page.status)
			}
			page.want(t, page.status, test.want)
			page.without(t, `id="logout"`, "<script>alert", "onerror")
			b.get("/tokens").want(t, http.StatusForbidden)
		})
	}
}

func TestACallbackCountsOnceAndOnlyInTheBrowserThatBegan(t *testing.T) {
	w := start(t)
	b, other := w.browser(), w.browser()
	other.step(http.MethodGet, "/login") // it has a cookie of its own
	callback := b.callback("/login")
	other.get(callback).want(t, http.StatusBadRequest, "This log-in is over")
	w.browser().get(callback).want(t, http.StatusBadRequest, "This log-in is over")
	b.get(callback).want(t, http.StatusOK, `id="logout"`) // the others spoiled nothing
	b.get(callback).want(t, http.StatusBadRequest, "This log-in is over")
	b.get("/tokens").want(t, http.StatusOK, "Access token")
}

func TestOfManyCallbacksAtOnceOneLogsIn(t *testing.T) {
	w := start(t)
	b := w.browser()
	callback := b.callback("/login")
	var wg sync.WaitGroup
	outcome := make(chan int, 32)
	for range 32 {
		wg.Go(func() { outcome <- b.step(http.MethodGet, callback).StatusCode })
	}
	wg.Wait()
	close(outcome)
	won := 0
	for status := range outcome {
		if status == http.StatusSeeOther {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d of 32 callbacks logged in", won)
	}
}

func TestALogInMayNotTakeForever(t *testing.T) {
	w := start(t)
	b := w.browser()
	callback := b.callback("/login")
	w.pass(15 * time.Minute)
	b.get(callback).want(t, http.StatusBadRequest, "This log-in is over")
}

func TestTwoTabsLogInBesideEachOther(t *testing.T) {
	w := start(t)
	b := w.browser()
	first, second := b.callback("/login?to=/boards"), b.callback("/login?to=/tokens")
	b.get(first).want(t, http.StatusOK, "Boards")
	b.get(second).want(t, http.StatusOK, "My tokens")
}

func TestIDTokensThatAreNotForThisLogInAreRefused(t *testing.T) {
	other := testkey.RSA(t, "another issuer")
	for name, lie := range map[string]func(*fakeIssuer){
		"another nonce":    func(i *fakeIssuer) { i.idClaims = func(c map[string]any) { c["nonce"] = "another" } },
		"no nonce":         func(i *fakeIssuer) { i.idClaims = func(c map[string]any) { delete(c, "nonce") } },
		"another audience": func(i *fakeIssuer) { i.idClaims = func(c map[string]any) { c["aud"] = "another-client" } },
		"another party":    func(i *fakeIssuer) { i.idClaims = func(c map[string]any) { c["azp"] = "another-client" } },
		"audience of many": func(i *fakeIssuer) {
			i.idClaims = func(c map[string]any) { c["aud"] = []string{testClient, "another-client"} }
		},
		"another issuer": func(i *fakeIssuer) { i.idClaims = func(c map[string]any) { c["iss"] = "https://evil.example" } },
		"expired": func(i *fakeIssuer) {
			i.idClaims = func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() }
		},
		"nobody":             func(i *fakeIssuer) { i.idClaims = func(c map[string]any) { delete(c, "sub") } },
		"an empty subject":   func(i *fakeIssuer) { i.idClaims = func(c map[string]any) { c["sub"] = "" } },
		"no time of issue":   func(i *fakeIssuer) { i.idClaims = func(c map[string]any) { delete(c, "iat") } },
		"issued at no time":  func(i *fakeIssuer) { i.idClaims = func(c map[string]any) { c["iat"] = 0 } },
		"another token":      func(i *fakeIssuer) { i.idClaims = func(c map[string]any) { c["at_hash"] = atHash("another") } },
		"signed by a forger": func(i *fakeIssuer) { i.idKey = other },
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			w.issuer.set(lie)
			b := w.browser()
			b.get("/login").want(t, http.StatusBadRequest, "Logging in did not work")
			b.get("/tokens").want(t, http.StatusForbidden)
		})
	}
}

func TestANameThatTheIDTokenDoesNotSayComesFromTheProfile(t *testing.T) {
	w := start(t)
	w.issuer.set(func(i *fakeIssuer) { i.idClaims = func(c map[string]any) { delete(c, "name") } })
	w.browser().login().get("/boards").want(t, http.StatusOK, `<span class="name" lang="ko">이름-person-1</span>`)
	w.services.userDown.Store(true)
	w.browser().login().get("/boards").want(t, http.StatusOK, `<span class="name">You</span>`)
}

func TestKeysThatThisAppDoesNotKnowDoNotKeepAnybodyOut(t *testing.T) {
	w := start(t)
	w.issuer.moreKeys.Store(true)
	w.browser().login()
}

func TestNobodyIsSentToAnotherSiteAfterLogIn(t *testing.T) {
	w := start(t)
	for _, to := range []string{"https://evil.example", "//evil.example", `/\evil.example`, "/\t/evil.example",
		"/%09/evil.example", "javascript:alert(1)",
		"/%2f%2fevil.example", "/..//evil.example", "http:evil.example", "///evil.example", "/login", "/callback?code=x",
		" //evil.example", "/a\r\nLocation:x"} {
		b := w.browser()
		back := b.callback("/login?to=" + url.QueryEscape(to))
		location := b.step(http.MethodGet, back).Header.Get("Location")
		u, err := url.Parse(location)
		if err != nil || u.Scheme+"://"+u.Host != w.origin || strings.HasPrefix(u.Path, "//") || u.Path == "/login" ||
			u.Path == "/callback" {
			t.Errorf("to=%q leads to %q", to, location)
		}
		u, err = url.Parse(b.postStep("/language", "lang", "ko", "to", to).Header.Get("Location"))
		if err != nil || u.Scheme+"://"+u.Host != w.origin || strings.HasPrefix(u.Path, "//") {
			t.Errorf("after a switch of language, to=%q leads to %q", to, u)
		}
	}
}

func TestTheAppStartsWithoutTheIssuerAndSaysSo(t *testing.T) {
	w := start(t)
	w.issuer.down.Store(true)
	b := w.browser()
	page := b.get("/login")
	page.want(t, http.StatusServiceUnavailable, "does not answer", w.issuer.server.URL, "Try again")
	if page.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	b.get("/").want(t, http.StatusServiceUnavailable, "does not answer", "One place to meet")
	w.issuer.down.Store(false)
	w.pass(3 * time.Second)
	b.get("/").want(t, http.StatusOK)
	b.login()
}

func TestAnIssuerThatNamesAnotherIsNotBelieved(t *testing.T) {
	w := start(t)
	w.issuer.set(func(i *fakeIssuer) {
		i.meta = func(document map[string]any) { document["issuer"] = "https://evil.example" }
	})
	w.browser().get("/login").want(t, http.StatusServiceUnavailable)
}
