package login_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/login"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

func TestAPersonSignsUpLogsInAndManagesTheAccount(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		b := s.browser()
		handle := b.begin("login_hint", "mina@example.org", "scope", "openid email")
		b.get("/login?interaction="+handle).want(t, http.StatusOK, `href="/signup?interaction=`+handle, "Bookshop", "https://app.example/policy", `value="mina@example.org"`)
		b.get("/signup?interaction="+handle).want(t, http.StatusOK, `href="/login?interaction=`+handle, "Bookshop", `value="mina@example.org"`)
		b.post("/signup?interaction="+handle, "name", " Mina  Kim ", "email", "Mina@Example.org", "password", password).
			wantRedirect(t, "/oauth2/authorize?interaction="+handle)
		b.get("/account").want(t, http.StatusOK, `value="Mina Kim"`, "Mina@Example.org", `id="logout"`)

		other := s.browser()
		other.header.Set("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1")
		handle = other.begin()
		other.get("/login?interaction=" + handle)
		other.post("/login?interaction="+handle, "email", " MINA@example.org ", "password", password).wantRedirect(t, "/oauth2/authorize?interaction="+handle)

		b.post("/account", "name", "민아").wantRedirect(t, "/account?done=name")
		b.get("/account?done=name").want(t, http.StatusOK, `value="민아"`, "Your name was changed.")
		b.get("/account/sessions").want(t, http.StatusOK, "Chrome on Linux", "Safari on iPhone", "This one", "from 127.0.0.1")

		b.get("/account/password").want(t, http.StatusOK, `autocomplete="new-password"`, `autocomplete="current-password"`)
		b.post("/account/password", "password", "not this one", "new_password", "another set of wooden words").want(t, http.StatusUnprocessableEntity, "This is not your current password.")
		b.post("/account/password", "password", password, "new_password", "tkfkdgo1").want(t, http.StatusUnprocessableEntity, "many people use")
		b.post("/account/password", "password", password, "new_password", password).want(t, http.StatusUnprocessableEntity, "other than the current one")
		b.post("/account/password", "password", password, "new_password", "another set of wooden words").wantRedirect(t, "/account/sessions?done=password")
		b.get("/account/sessions?done=password").want(t, http.StatusOK, "All your other sessions have ended, and the apps connected in them have lost their access.")
		if !b.loggedIn() || other.loggedIn() {
			t.Error("a password change ends the other sessions and no more")
		}
		other.get("/login")
		other.post("/login", "email", "mina@example.org", "password", password).want(t, http.StatusUnprocessableEntity)
		other.post("/login", "email", "mina@example.org", "password", "another set of wooden words").wantRedirect(t, "/account")
	})
}

func TestTheLanguageOfASignupIsKept(t *testing.T) {
	s := onSQLite(t)
	b := s.browser()
	handle := b.begin("ui_locales", "fr ko-KR en")
	b.get("/signup?interaction="+handle).want(t, http.StatusOK, `<html lang="ko">`, "계정 만들기")
	b.post("/signup?interaction="+handle, "name", "민아", "email", "mina@example.org", "password", password)
	if user, err := s.store.UserByEmail(t.Context(), "mina@example.org"); err != nil || user.Locale != "ko" {
		t.Errorf("locale %q, %v", user.Locale, err)
	}
}

// Whoever tries addresses must not learn which have accounts.
func TestAFailedLoginLooksTheSameWhateverTheReason(t *testing.T) {
	s := onSQLite(t)
	s.person("known@example.org")
	disabled := s.person("gone@example.org")
	if err := s.store.SetDisabled(t.Context(), disabled.ID, true); err != nil {
		t.Fatal(err)
	}
	var answers []answer
	for _, try := range []struct{ email, password string }{
		{"known@example.org", "not the password"}, {"nobody@example.org", "not the password"}, {"gone@example.org", "not the password"},
		{"gone@example.org", password},
	} {
		b := s.browser()
		b.get("/login")
		a := b.post("/login", "email", try.email, "password", try.password)
		a.want(t, http.StatusUnprocessableEntity, "The email address or the password is not right.", `value="`+try.email+`"`)
		a.body = strings.ReplaceAll(a.text(), try.email, "EMAIL")
		for _, name := range []string{"Date", "Content-Length", "Set-Cookie"} {
			a.header.Del(name)
		}
		answers = append(answers, a)
	}
	for i, a := range answers[1:] {
		if a.body != answers[0].body || fmt.Sprint(a.header) != fmt.Sprint(answers[0].header) {
			t.Errorf("answer %d differs:\n%s\n%v\n%s\n%v", i+1, a.body, a.header, answers[0].body, answers[0].header)
		}
	}
}

func TestGuessesAreSlowedDown(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	owner := s.browser()
	owner.logIn("mina@example.org")
	for _, email := range []string{"mina@example.org", "nobody@example.org"} {
		b := s.browser()
		b.get("/login")
		for range 5 {
			b.post("/login", "email", email, "password", "a wrong one").want(t, http.StatusUnprocessableEntity)
			s.advance(time.Second)
		}
		a := b.post("/login", "email", strings.ToUpper(email), "password", password)
		a.want(t, http.StatusTooManyRequests, "Please try again in 15 minutes.", `value="`)
		if a.header.Get("Retry-After") != "895" {
			t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
		}
	}
	if !owner.loggedIn() {
		t.Error("guesses ended the owner's session")
	}
	owner.post("/account/password", "password", password, "new_password", "another set of wooden words").wantRedirect(t, "/account/sessions?done=password")
	s.advance(15 * time.Minute)
	b := s.browser()
	b.get("/login")
	b.post("/login", "email", "mina@example.org", "password", "another set of wooden words").wantRedirect(t, "/account")
}

// Were the right password of a disabled account not counted, the missing limit would tell that there is one.
func TestADisabledAccountIsSlowedDownLikeAnyOther(t *testing.T) {
	s := onSQLite(t)
	user := s.person("mina@example.org")
	if err := s.store.SetDisabled(t.Context(), user.ID, true); err != nil {
		t.Fatal(err)
	}
	b := s.browser()
	b.get("/login")
	for range 5 {
		b.post("/login", "email", "mina@example.org", "password", password).want(t, http.StatusUnprocessableEntity)
	}
	b.post("/login", "email", "mina@example.org", "password", password).want(t, http.StatusTooManyRequests)
}

func TestARefusedTryCountsForNothing(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	b := s.browser()
	b.get("/login")
	for range 40 {
		b.post("/login", "email", "nobody@example.org", "password", "a wrong one")
	}
	b.post("/login", "email", "mina@example.org", "password", password).wantRedirect(t, "/account")
}

func TestSuccessForgetsTheFailuresOfTheAccountButNotOfTheAddress(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	b := s.browser()
	b.get("/login")
	for range 5 {
		for range 4 {
			b.post("/login", "email", "mina@example.org", "password", "a wrong one").want(t, http.StatusUnprocessableEntity)
		}
		b.post("/login", "email", "mina@example.org", "password", password)
	}
	// Twenty failures came from here.
	b.post("/login", "email", "mina@example.org", "password", password).want(t, http.StatusTooManyRequests)
}

func TestParallelGuessesCannotExceedTheLimit(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		s.person("mina@example.org")
		b := s.browser()
		b.get("/login")
		var mu sync.Mutex
		statuses := make(map[int]int)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				a := b.post("/login", "email", "mina@example.org", "password", fmt.Sprint("guess number ", i))
				mu.Lock()
				defer mu.Unlock()
				statuses[a.status]++
			})
		}
		wg.Wait()
		// 422 is the answer to a password that was checked.
		if statuses[http.StatusUnprocessableEntity] > 5 || statuses[http.StatusUnprocessableEntity]+statuses[http.StatusTooManyRequests] != 50 {
			t.Errorf("answers by status: %v", statuses)
		}
	})
}

func TestSignupsAreSlowedDown(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	b := s.browser()
	b.get("/signup")
	b.post("/signup", "name", "Mina", "email", "MINA@example.org", "password", "the hash is made also for nothing").
		want(t, http.StatusUnprocessableEntity, "cannot be used to sign up", `aria-describedby="email-problem"`, `value="Mina"`)
	for range 49 {
		if err := s.store.TakeQuotas(t.Context(), store.Quota{Subject: "signup 127.0.0.1", Limit: 50, Window: 15 * time.Minute}); err != nil {
			t.Fatal(err)
		}
	}
	// From here on it costs nothing: it does not even wait for the others who sign up.
	defer s.service.Occupy(login.SignUp)()
	a := b.post("/signup", "name", "Mina", "email", "new@example.org", "password", password)
	a.want(t, http.StatusTooManyRequests, "Please try again in 15 minutes.")
	if a.header.Get("Retry-After") != "900" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
}

func TestALoginMakesANewSessionCookie(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	s.person("hana@example.org")
	b := s.browser()
	planted := store.NewSecret()
	u, err := url.Parse(s.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	b.jar.SetCookies(u, []*http.Cookie{{Name: "maru-session", Value: planted, Path: "/"}})
	b.logIn("mina@example.org")
	first := b.cookie("maru-session")
	if first == planted || len(first) != 43 {
		t.Fatalf("the session's cookie is %q", first)
	}
	attacker := s.browser()
	attacker.jar.SetCookies(u, []*http.Cookie{{Name: "maru-session", Value: planted, Path: "/"}})
	if attacker.loggedIn() {
		t.Error("a planted cookie opens the session")
	}

	// Again, by the same person: a new cookie, the old one is worth nothing, applications keep their session.
	s.advance(time.Minute)
	handle := b.begin("prompt", "login")
	b.get("/login?interaction="+handle).want(t, http.StatusOK, `id="login"`)
	b.post("/login?interaction="+handle, "email", "mina@example.org", "password", password).wantRedirect(t, "/oauth2/authorize?interaction="+handle)
	second := b.cookie("maru-session")
	attacker.jar.SetCookies(u, []*http.Cookie{{Name: "maru-session", Value: first, Path: "/"}})
	if second == first || attacker.loggedIn() || !b.loggedIn() {
		t.Error("the cookie of before still opens the session")
	}

	// Another person in the same browser: the session of before ends.
	mina, err := s.store.UserByEmail(t.Context(), "mina@example.org")
	if err != nil {
		t.Fatal(err)
	}
	handle = b.begin("prompt", "select_account")
	b.post("/login?interaction="+handle, "email", "hana@example.org", "password", password).wantRedirect(t, "/oauth2/authorize?interaction="+handle)
	if left, err := s.store.SessionsOf(t.Context(), mina.ID); err != nil || len(left) != 0 {
		t.Errorf("%d sessions of the person before: %v", len(left), err)
	}
	b.get("/account").want(t, http.StatusOK, "hana@example.org")
}

func TestCookiesAreGuarded(t *testing.T) {
	for _, test := range []struct {
		secure bool
		prefix string
	}{{false, ""}, {true, "__Host-"}} {
		s := newSite(t, "sqlite:"+t.TempDir()+"/a.db", test.secure)
		s.person("mina@example.org")
		b := s.browser()
		cookies := b.get("/login").header.Values("Set-Cookie")
		cookies = append(cookies, b.post("/login", "email", "mina@example.org", "password", password).header.Values("Set-Cookie")...)
		if len(cookies) != 3 || !strings.HasPrefix(cookies[0], test.prefix+"maru-browser=") || !strings.HasPrefix(cookies[1], test.prefix+"maru-session=") ||
			!strings.HasPrefix(cookies[2], test.prefix+"maru-browser-state=") {
			t.Fatalf("cookies %q", cookies)
		}
		// The third is read by our script in applications' frames, and must therefore not be worth anything.
		if state := b.cookie(test.prefix + "maru-browser-state"); strings.Contains(cookies[2], "HttpOnly") || strings.Contains(cookies[2], "Domain") ||
			strings.Contains(cookies[2], "; Secure") != test.secure || strings.Contains(cookies[2], "; SameSite=None") != test.secure ||
			state == "" || state == b.cookie(test.prefix+"maru-session") || state == b.cookie(test.prefix+"maru-browser") {
			t.Errorf("%q", cookies[2])
		}
		for _, cookie := range cookies[:2] {
			for _, attribute := range []string{"; Path=/", "; HttpOnly", "; SameSite=Lax"} {
				if !strings.Contains(cookie, attribute) {
					t.Errorf("%q lacks %q", cookie, attribute)
				}
			}
			if strings.Contains(cookie, "; Secure") != test.secure || strings.Contains(cookie, "Domain") {
				t.Errorf("%q", cookie)
			}
		}
		if !b.loggedIn() {
			t.Error("not logged in")
		}
	}
}

func TestASessionEndsIdleAndAbsolutely(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	b := s.browser()
	b.logIn("mina@example.org")
	for range 14*2 + 3 {
		s.advance(11 * time.Hour)
		if s.clock().Before(time.Date(2026, 5, 15, 9, 0, 0, 0, time.UTC)) != b.loggedIn() {
			t.Fatal("wrong at", s.clock())
		}
	}
	b.logIn("mina@example.org")
	s.advance(12 * time.Hour)
	if b.loggedIn() {
		t.Error("logged in after twelve idle hours")
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	b := s.browser()
	b.logIn("mina@example.org")
	for _, path := range []string{"/login", "/signup", "/consent", "/account", "/account/password", "/account/sessions", "/account/apps"} {
		for name, headers := range map[string]map[string]string{
			"another site":                         {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
			"a sibling":                            {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
			"an old browser":                       {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
			"a sandboxed frame, no fetch metadata": {"Sec-Fetch-Site": "", "Origin": "null"},
		} {
			r := b.formRequest(path, "name=Eve&email=eve@example.org&password="+url.QueryEscape(password)+"&others=yes")
			for header, value := range headers {
				if value == "" {
					r.Header.Del(header)
				} else {
					r.Header.Set(header, value)
				}
			}
			if a := b.do(r); a.status != http.StatusForbidden || !strings.Contains(a.body, "access_denied") {
				t.Errorf("%s to %s: %d\n%s", name, path, a.status, a.body)
			}
		}
	}
	b.get("/account").want(t, http.StatusOK, `value="Mina"`)
	// Our own forms pass by either header.
	for _, drop := range []string{"Origin", "Sec-Fetch-Site"} {
		r := b.formRequest("/account", "name=Minah")
		r.Header.Del(drop)
		b.do(r).wantRedirect(t, "/account?done=name")
	}
	// Behind a gateway that changes the Host, the issuer's origin is still ours.
	r := b.formRequest("/account", "name=Mina")
	r.Header.Del("Sec-Fetch-Site")
	r.Host = "10.0.0.7:9100"
	r.AddCookie(&http.Cookie{Name: "maru-session", Value: b.cookie("maru-session")}) // the jar goes by the Host
	b.do(r).wantRedirect(t, "/account?done=name")
}

func TestLoggingInNeedsTheCookieOfThePage(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	for _, form := range []string{"/login", "/signup"} {
		b := s.browser()
		b.post(form, "name", "Mina", "email", "mina@example.org", "password", password).want(t, http.StatusUnprocessableEntity, "Allow cookies for this site")
		if b.cookie("maru-session") != "" {
			t.Error("logged in without having seen the page")
		}
	}
}

func TestAnInteractionOfAnotherBrowserIsRefused(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	attacker, victim := s.browser(), s.browser()
	handle := attacker.begin("scope", "openid")
	victim.logIn("mina@example.org")
	for _, path := range []string{"/login", "/signup", "/consent"} {
		for _, wrong := range []string{handle, store.NewSecret(), "x", strings.Repeat("A", 5000), "%00", "%ff"} {
			victim.get(path+"?interaction="+wrong).want(t, http.StatusBadRequest, "invalid_request")
			victim.post(path+"?interaction="+wrong, "email", "mina@example.org", "password", password, "decision", "allow").want(t, http.StatusBadRequest, "invalid_request")
		}
	}
	s.advance(store.InteractionLifetime)
	attacker.get("/login?interaction="+handle).want(t, http.StatusBadRequest, "has expired")
}

func (s *site) decision(b *browser, handle string) store.Interaction {
	s.t.Helper()
	in, err := s.store.Interaction(s.t.Context(), handle, b.cookie("maru-browser"))
	if err != nil {
		s.t.Fatal(err)
	}
	return in
}

func TestConsent(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	b := s.browser()
	b.logIn("mina@example.org")
	sid := sessionID(s, b)

	for _, test := range []struct {
		name, scope string
		fields      []string
		decision    string
		allowed     []string
	}{
		{"all", "openid email email board:write", []string{"decision", "allow", "scope", "email", "scope", "board:write"}, store.ConsentAllow, []string{"openid", "email", "board:write"}},
		{"some", "openid email board:write", []string{"decision", "allow", "scope", "board:write"}, store.ConsentAllow, []string{"openid", "board:write"}},
		{"more than was asked", "openid email", []string{"decision", "allow", "scope", "email", "scope", "board:moderate"}, store.ConsentAllow, []string{"openid", "email"}},
		{"nothing is asked", "", []string{"decision", "allow"}, store.ConsentAllow, nil},
		{"no", "openid email", []string{"decision", "deny", "scope", "email"}, store.ConsentDeny, nil},
	} {
		handle := b.begin("scope", test.scope)
		page := b.get("/consent?interaction=" + handle)
		page.want(t, http.StatusOK, "Bookshop asks for access", `id="allow"`, `id="deny"`, "https://app.example/policy", `src="https://cdn.app.example/logo.png"`)
		if csp := page.header.Get("Content-Security-Policy"); !strings.Contains(csp, "img-src 'self' https://cdn.app.example;") || strings.Contains(csp, "form-action") {
			t.Errorf("policy %q", csp)
		}
		b.post("/consent?interaction="+handle, append(test.fields, "session", sid)...).wantRedirect(t, "/oauth2/authorize?interaction="+handle)
		if in := s.decision(b, handle); in.Consent != test.decision || !slices.Equal(in.ConsentScope, test.allowed) || in.ConsentSID != sid {
			t.Errorf("%s: %+v", test.name, in)
		}
	}

	handle := b.begin("scope", "email custom:thing")
	b.get("/consent?interaction="+handle).want(t, http.StatusOK, "See your email address", "custom:thing")
	b.post("/consent?interaction="+handle, "decision", "allow", "session", sid).want(t, http.StatusUnprocessableEntity, "Choose at least one")
	b.post("/consent?interaction="+handle, "decision", "perhaps", "session", sid).want(t, http.StatusBadRequest, "invalid_request")
	b.get("/consent").want(t, http.StatusBadRequest, "interaction is missing")
	if in := s.decision(b, handle); in.Consent != "" {
		t.Errorf("decided: %+v", in)
	}
	s.browser().get("/consent").want(t, http.StatusBadRequest)
}

func sessionID(s *site, b *browser) string {
	s.t.Helper()
	session, _, err := s.store.SessionByCookie(s.t.Context(), b.cookie("maru-session"))
	if err != nil {
		s.t.Fatal(err)
	}
	return session.ID
}

// The page was shown to Mina; then Hana logged in in another tab; then the page of Mina's tab is sent.
func TestConsentCountsForTheSessionThatWasAsked(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	s.person("hana@example.org")
	b := s.browser()
	b.logIn("mina@example.org")
	handle := b.begin("scope", "openid email")
	asked := sessionID(s, b)
	second := b.begin()
	b.post("/login?interaction="+second, "email", "hana@example.org", "password", password)
	b.post("/consent?interaction="+handle, "decision", "allow", "session", asked, "scope", "email").want(t, http.StatusConflict, "hana@example.org", "Another account was logged in")
	if in := s.decision(b, handle); in.Consent != "" {
		t.Errorf("decided: %+v", in)
	}

	// Nobody is logged in any more: whoever sent the person here finds out what to do.
	if err := s.store.EndSession(t.Context(), sessionID(s, b)); err != nil {
		t.Fatal(err)
	}
	b.post("/consent?interaction="+handle, "decision", "allow", "session", asked).wantRedirect(t, "/oauth2/authorize?interaction="+handle)
	if in := s.decision(b, handle); in.Consent != "" {
		t.Errorf("decided by nobody: %+v", in)
	}
}

func TestSessionsAreEndedByTheirOwner(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	s.person("eve@example.org")
	first, second, third, eve := s.browser(), s.browser(), s.browser(), s.browser()
	for _, b := range []*browser{first, second, third} {
		b.logIn("mina@example.org")
	}
	eve.logIn("eve@example.org")
	eve.post("/account/sessions", "session", sessionID(s, first)).wantRedirect(t, "/account/sessions?done=session")
	eve.post("/account/sessions", "others", "yes").wantRedirect(t, "/account/sessions?done=others")
	if !first.loggedIn() || !second.loggedIn() || !third.loggedIn() {
		t.Fatal("another person ended a session")
	}
	first.post("/account/sessions", "session", sessionID(s, second)).wantRedirect(t, "/account/sessions?done=session")
	if second.loggedIn() || !third.loggedIn() {
		t.Error("the wrong session ended")
	}
	first.post("/account/sessions").want(t, http.StatusBadRequest)
	first.post("/account/sessions", "others", "yes").wantRedirect(t, "/account/sessions?done=others")
	if third.loggedIn() || !first.loggedIn() {
		t.Error("not the others ended")
	}
}

func TestConnectedAppsAreWithdrawnByTheirOwner(t *testing.T) {
	s := onSQLite(t)
	mina := s.person("mina@example.org")
	s.person("eve@example.org")
	for _, client := range []string{"app", "gone"} {
		if err := s.store.GrantConsent(t.Context(), mina.ID, client, []string{"openid", "board:write"}); err != nil {
			t.Fatal(err)
		}
	}
	b, eve := s.browser(), s.browser()
	b.logIn("mina@example.org")
	eve.logIn("eve@example.org")
	eve.post("/account/apps", "client", "app").wantRedirect(t, "/account/apps?done=app")
	b.get("/account/apps").want(t, http.StatusOK, "Bookshop", "gone", "Write, edit and delete posts and comments as you")
	b.post("/account/apps", "client", "app").wantRedirect(t, "/account/apps?done=app")
	if page := b.get("/account/apps"); strings.Contains(page.body, "Bookshop") || !strings.Contains(page.body, "gone") {
		t.Error(page.body)
	}
	b.post("/account/apps").want(t, http.StatusBadRequest)
}

// Whoever has a copy of the cookie is in the same session as the person who changes the password, and is out afterwards.
func TestACopiedCookieEndsWithThePassword(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	b, thief := s.browser(), s.browser()
	b.logIn("mina@example.org")
	u, err := url.Parse(s.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	thief.jar.SetCookies(u, b.jar.Cookies(u))
	if !thief.loggedIn() {
		t.Fatal("the copy does not work")
	}
	b.post("/account/password", "password", password, "new_password", "another set of wooden words").wantRedirect(t, "/account/sessions?done=password")
	if !b.loggedIn() || thief.loggedIn() {
		t.Errorf("the owner is logged in: %v, the thief: %v", b.loggedIn(), thief.loggedIn())
	}
}

// What a person connected in the session that ends the others goes on, trusted apps too, and each can be removed by itself.
func TestAppsOfTheKeptSessionAreRemovedOneByOne(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		mina := s.person("mina@example.org")
		b := s.browser()
		b.logIn("mina@example.org")
		sessions, err := s.store.SessionsOf(t.Context(), mina.ID)
		if err != nil || len(sessions) != 1 {
			t.Fatal(sessions, err)
		}
		grant := func(id, session string) {
			c, err := s.store.Client(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.store.CreateGrant(t.Context(), store.Grant{
				ID: id, ClientID: id, UserID: mina.ID, SessionID: session, Offline: true, CreatedAt: s.clock(), ExpiresAt: s.clock().Add(time.Hour),
			}, &c); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"Mail", "Radio", "Thief"} {
			if err := s.store.CreateClient(t.Context(), client.Client{ID: name, Name: name, Trusted: true}); err != nil {
				t.Fatal(err)
			}
		}
		grant("Mail", sessions[0].ID)
		grant("Radio", sessions[0].ID)
		grant("Thief", "another session")
		b.post("/account/sessions", "others", "yes").wantRedirect(t, "/account/sessions?done=others")
		b.get("/account/sessions?done=others").want(t, http.StatusOK, "the apps connected in them have lost their access")
		if page := b.get("/account/apps").body; !strings.Contains(page, "Mail") || !strings.Contains(page, "Radio") || strings.Contains(page, "Thief") {
			t.Error(page)
		}
		b.post("/account/apps", "client", "Mail").wantRedirect(t, "/account/apps?done=app")
		if page := b.get("/account/apps").body; strings.Contains(page, "Mail") || !strings.Contains(page, "Radio") {
			t.Error(page)
		}
	})
}

func TestTheAccountIsForThoseLoggedIn(t *testing.T) {
	s := onSQLite(t)
	for _, path := range []string{"/account", "/account/password", "/account/sessions", "/account/apps"} {
		b := s.browser()
		b.get(path).wantRedirect(t, "/login")
		b.post(path, "name", "x", "others", "yes", "client", "app").wantRedirect(t, "/login")
	}
	s.person("mina@example.org")
	b := s.browser()
	b.logIn("mina@example.org")
	b.get("/login").wantRedirect(t, "/account")
}

func TestBadFormsAreRefused(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	b := s.browser()
	b.logIn("mina@example.org")
	for name, body := range map[string]string{
		"too large":         "name=" + strings.Repeat("x", 70<<10),
		"not UTF-8":         "name=%ff%fe",
		"not UTF-8, a name": "%ff=x",
		"a zero":            "name=a%00b",
		"a broken escape":   "name=%zz",
		"semicolons":        "name=a;b=c",
	} {
		for _, path := range []string{"/account", "/login", "/signup"} {
			if a := b.do(b.formRequest(path, body)); a.status != http.StatusBadRequest || !strings.Contains(a.body, "invalid_request") {
				t.Errorf("%s to %s: %d", name, path, a.status)
			}
		}
	}
	r := b.formRequest("/account", `{"name":"Eve"}`)
	r.Header.Set("Content-Type", "application/json")
	b.do(r).want(t, http.StatusBadRequest, "Content-Type")
	for name, want := range map[string]string{" \u3000\t ": "Enter a name.", strings.Repeat("가", 101): "at most 100", "a\u202eb": "Use letters", "\u200d\u200d": "Use letters", "a\x07": "Use letters"} {
		b.post("/account", "name", name).want(t, http.StatusUnprocessableEntity, want)
	}
	b.get("/account").want(t, http.StatusOK, `value="Mina"`)
	for email, want := range map[string]string{"": "Enter your email", "mina": "does not look like", "a b@example.org": "does not look like", "Mina <mina@example.org>": "does not look like",
		"mina@example.org\r\nBcc: x@example.org": "does not look like", strings.Repeat("a", 250) + "@example.org": "does not look like"} {
		b.post("/login", "email", email, "password", password).want(t, http.StatusUnprocessableEntity, want, `aria-describedby="email-problem"`)
	}
	b.post("/login", "email", "mina@example.org").want(t, http.StatusUnprocessableEntity, "Enter your password.", `value="mina@example.org"`)
	if a := b.do(b.request(http.MethodPut, "/account", "")); a.status != http.StatusMethodNotAllowed {
		t.Errorf("PUT: %d", a.status)
	}
}

func TestPasswordsAreNeverShown(t *testing.T) {
	s := onSQLite(t)
	b := s.browser()
	b.get("/login")
	const secret = "s3cr3t in the page"
	for _, a := range []answer{
		b.post("/login", "email", "x", "password", secret), b.post("/login", "email", "x@example.org", "password", secret),
		b.post("/signup", "name", "", "email", "x", "password", secret),
	} {
		if strings.Contains(a.body, secret) {
			t.Error(a.body)
		}
	}
}

func TestTextOfOthersStaysText(t *testing.T) {
	s := onSQLite(t)
	const evil = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>`
	b := s.browser()
	b.header.Set("User-Agent", "Chrome/"+evil)
	b.get("/signup")
	b.post("/signup", "name", evil, "email", "mina@example.org", "password", password).wantRedirect(t, "/account")
	user, err := s.store.UserByEmail(t.Context(), "mina@example.org")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.store.GrantConsent(t.Context(), user.ID, evil, []string{evil}); err != nil {
		t.Fatal(err)
	}
	handle := b.begin("client_id", evil, "scope", evil+" openid", "login_hint", evil, "ui_locales", evil)
	for _, path := range []string{"/account", "/account?done=" + url.QueryEscape(evil), "/account/sessions", "/account/apps", "/consent?interaction=" + handle,
		"/login?interaction=" + handle, "/signup?interaction=" + handle, "/login?interaction=" + url.QueryEscape(evil), "/account?lang=" + url.QueryEscape(evil)} {
		if a := b.get(path); strings.Contains(a.body, "<script>") || strings.Contains(a.body, "<img src=x") {
			t.Errorf("%s:\n%s", path, a.body)
		}
	}
}

func TestPagesCarrySecurityHeaders(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	b := s.browser()
	b.logIn("mina@example.org")
	handle := b.begin("scope", "openid")
	for _, path := range []string{"/login?interaction=" + handle, "/signup", "/consent?interaction=" + handle, "/account", "/account/password", "/account/sessions", "/account/apps", "/login?interaction=x"} {
		header := b.get(path).header
		csp := header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "style-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy %q", path, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Referrer-Policy") != "same-origin" || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", path, header)
		}
		if strings.HasPrefix(path, "/account") != strings.Contains(csp, "form-action 'self'") || strings.HasPrefix(path, "/account") != (header.Get("Cross-Origin-Opener-Policy") == "same-origin") {
			t.Errorf("%s: %v", path, header)
		}
	}
	if a := b.post("/account", "name", "Mina"); a.header.Get("Cache-Control") != "no-store" {
		t.Error("the redirect after a form may be stored")
	}
}

func TestALoginRenewsAnOutdatedHash(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		old := "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$" + base64.RawStdEncoding.EncodeToString(argon2.IDKey([]byte(password), []byte("saltsalt"), 1, 64, 1, 32))
		user, err := s.store.CreateUser(t.Context(), store.User{Email: "mina@example.org", PasswordHash: old})
		if err != nil {
			t.Fatal(err)
		}
		s.browser().logIn("mina@example.org")
		if user, err = s.store.User(t.Context(), user.ID); err != nil || !strings.HasPrefix(user.PasswordHash, "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Errorf("%s %v", user.PasswordHash, err)
		}
		s.browser().logIn("mina@example.org")
	})
}

func TestWhenTooManyPasswordsAreCheckedOthersAreToldToComeAgain(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	b, owner := s.browser(), s.browser()
	owner.logIn("mina@example.org")
	b.get("/login")
	leave := s.service.Occupy(login.LogIn)
	for range 25 { // more than there are tries: none of these counts
		a := b.post("/login", "email", "mina@example.org", "password", "a wrong one")
		a.want(t, http.StatusServiceUnavailable, "try again in a few seconds", `value="mina@example.org"`)
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	leave()
	leave = s.service.Occupy(login.SignUp)
	b.post("/signup", "name", "Hana", "email", "hana@example.org", "password", password).want(t, http.StatusServiceUnavailable, `value="hana@example.org"`)
	leave()
	leave = s.service.Occupy(login.Change)
	owner.post("/account/password", "password", password, "new_password", "another set of wooden words").want(t, http.StatusServiceUnavailable)
	leave()
	b.post("/login", "email", "mina@example.org", "password", password).wantRedirect(t, "/account")
}

func TestTheWorkOfOnePageDoesNotWaitForThatOfAnother(t *testing.T) {
	for _, flooded := range []login.Work{login.LogIn, login.SignUp, login.Change} {
		t.Run(string(flooded), func(t *testing.T) {
			s := onSQLite(t)
			s.person("mina@example.org")
			owner := s.browser()
			owner.logIn("mina@example.org")
			defer s.service.Occupy(flooded)()
			b := s.browser()
			b.get("/login")
			if flooded != login.LogIn {
				b.post("/login", "email", "mina@example.org", "password", password).wantRedirect(t, "/account")
			}
			if flooded != login.SignUp {
				b.post("/signup", "name", "Hana", "email", "hana@example.org", "password", password).wantRedirect(t, "/account")
			}
			if flooded != login.Change {
				owner.post("/account/password", "password", password, "new_password", "another set of wooden words").wantRedirect(t, "/account/sessions?done=password")
			}
		})
	}
}

// A flood of what anybody can ask for waits behind itself: neither a log-in from the same address, nor anything from another.
func TestAFloodFromOneAddressKeepsNobodyFromLoggingIn(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	b := s.browser()
	b.get("/login")
	leave := s.service.OccupyTurns("127.0.0.1")
	b.post("/login", "email", "mina@example.org", "password", password).wantRedirect(t, "/account")
	waits := make(chan answer, 1)
	go func() { waits <- b.get("/account") }()
	r := httptest.NewRequest(http.MethodGet, "/signup", nil)
	r.RemoteAddr = "198.51.100.1:443"
	w := httptest.NewRecorder()
	s.router.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("another address got %d", w.Code)
	}
	select {
	case a := <-waits:
		t.Errorf("it did not wait for its turn: %d", a.status)
	default:
	}
	leave()
	if a := <-waits; a.status != http.StatusOK {
		t.Errorf("its turn came, and it got %d", a.status)
	}
}

func TestWhatIsObviouslyWrongWithAPasswordCostsAndCountsNothing(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	b, owner := s.browser(), s.browser()
	owner.logIn("mina@example.org")
	b.get("/signup")
	leaveSignUp, leaveChange := s.service.Occupy(login.SignUp), s.service.Occupy(login.Change)
	for range 51 {
		b.post("/signup", "name", "Hana", "email", "hana@example.org", "password", strings.Repeat("x", 12<<10)).want(t, http.StatusUnprocessableEntity, "at most 128")
	}
	owner.post("/account/password", "password", password, "new_password", "short").want(t, http.StatusUnprocessableEntity)
	leaveChange()
	leaveSignUp()
	b.post("/signup", "name", "Hana", "email", "hana@example.org", "password", password).wantRedirect(t, "/account")
}

// The estimate of a new password is work that somebody who is logged in can ask for.
func TestNewPasswordsOfOnePersonAreCounted(t *testing.T) {
	s := onSQLite(t)
	user := s.person("mina@example.org")
	b := s.browser()
	b.logIn("mina@example.org")
	for range 50 {
		if err := s.store.TakeQuotas(t.Context(), store.Quota{Subject: "new-password " + user.ID, Limit: 50, Window: 15 * time.Minute}); err != nil {
			t.Fatal(err)
		}
	}
	defer s.service.Occupy(login.Change)()
	a := b.post("/account/password", "password", password, "new_password", "another set of wooden words")
	a.want(t, http.StatusTooManyRequests)
	if a.header.Get("Retry-After") != "900" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
}

// A place that somebody else's password is being checked in is no failure: it is free in a moment.
func TestManyRightLoginsAtOnceFromOneAddressAllSucceed(t *testing.T) {
	eachSite(t, func(t *testing.T, s *site) {
		const people = 60
		var wg sync.WaitGroup
		for i := range people {
			email := fmt.Sprintf("person%d@example.org", i)
			s.person(email)
			wg.Go(func() {
				b := s.browser()
				b.get("/login")
				for {
					a := b.post("/login", "email", email, "password", password)
					if a.status == http.StatusServiceUnavailable { // a slow machine; the wait is short
						if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil && seconds <= 5 {
							continue
						}
					}
					if a.status != http.StatusSeeOther {
						t.Errorf("%s: %d, Retry-After %q", email, a.status, a.header.Get("Retry-After"))
					}
					return
				}
			})
		}
		wg.Wait()
	})
}

func TestAWideIPv6NetworkHasABoundOfItsOwn(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	at := func(address string) int {
		form := url.Values{"email": {"nobody@example.org"}, "password": {"a wrong one"}}
		r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(&http.Cookie{Name: "maru-browser", Value: store.NewSecret()})
		r.RemoteAddr = "[" + address + "]:443"
		w := httptest.NewRecorder()
		s.router.ServeHTTP(w, r)
		return w.Code
	}
	for i := range 200 { // those of the whole /48, each from a /64 of its own
		attempt, _, ok, err := s.store.ReserveAttempt(t.Context(), "address 2001:db8:7::/48", 200, 15*time.Minute)
		if err == nil {
			err = s.store.FailAttempt(t.Context(), attempt)
		}
		if err != nil || !ok {
			t.Fatal(i, ok, err)
		}
	}
	if status := at("2001:db8:7:99::1"); status != http.StatusTooManyRequests {
		t.Errorf("from a network that failed 200 times: %d", status)
	}
	if status := at("2001:db8:8:99::1"); status != http.StatusUnprocessableEntity {
		t.Errorf("from another: %d", status)
	}
}

func TestALargeAuthorizationRequestIsRefused(t *testing.T) {
	s := onSQLite(t)
	b := s.browser()
	b.get("/begin?client_id=app&state="+strings.Repeat("x", 17<<10)).want(t, http.StatusBadRequest, login.ErrTooLarge.Error())
}

func TestTheIssuerMustBeAURL(t *testing.T) {
	for _, issuer := range []string{"", "localhost:9000", "ftp://example.org", "http://", "http://a b"} {
		if _, err := login.New(login.Config{Issuer: issuer}); err == nil {
			t.Errorf("%q was accepted", issuer)
		}
	}
}

func TestPasswordManagersFindWhereToChangeAPassword(t *testing.T) {
	s := onSQLite(t)
	s.person("mina@example.org")
	b := s.browser()
	b.get("/.well-known/change-password").wantRedirect(t, "/account/password")
	b.get("/account/password").wantRedirect(t, "/login")
	b.get("/login")
	b.post("/login", "email", "mina@example.org", "password", password).wantRedirect(t, "/account/password")
	// Once, and only to a page of the account.
	b.get("/login").wantRedirect(t, "/account")
	b = s.browser()
	b.get("/login")
	r := b.formRequest("/login", url.Values{"email": {"mina@example.org"}, "password": {password}}.Encode())
	r.AddCookie(&http.Cookie{Name: "maru-toward", Value: "../oauth2/authorize?x=y"})
	b.do(r).wantRedirect(t, "/account")
}

// Two sessions of one kind of browser are told apart by when they began.
func TestSessionsAreToldApartByDate(t *testing.T) {
	s := onSQLite(t)
	user := s.person("mina@example.org")
	if err := s.store.SetClaims(t.Context(), user.ID, store.Claims{Zoneinfo: "Asia/Seoul"}); err != nil {
		t.Fatal(err)
	}
	s.browser().logIn("mina@example.org")
	s.advance(5 * time.Hour)
	b := s.browser()
	b.logIn("mina@example.org")
	b.get("/account/sessions").want(t, http.StatusOK, "May 1, 2026 at 6:00 PM<", "May 1, 2026 at 11:00 PM<")
}
