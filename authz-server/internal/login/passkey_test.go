package login_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/passkeys/passkeytest"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// withPasskey is a site with a person who has a passkey, and a browser in which nobody is logged
// in.
func withPasskey(t *testing.T) (*peopletest.Site, *peopletest.Browser, *passkeytest.Authenticator) {
	t.Helper()
	s := peopletest.NewNamed(t)
	s.Person("mina@example.org")
	owner := s.Browser()
	owner.LogIn("mina@example.org")
	a := s.PasskeyAuthenticator()
	owner.AddPasskey(a)
	b := s.Browser()
	b.Get("/login")
	return s, b, a
}

// session is the browser's session, as it is stored.
func session(t *testing.T, b *peopletest.Browser) accounts.Session {
	t.Helper()
	current, _, err := b.Store.Sessions.SessionByCookie(t.Context(), b.Cookie("maru-session"))
	if err != nil {
		t.Fatal(err)
	}
	return current
}

func TestAPasskeyLogsInWithoutAnAddress(t *testing.T) {
	t.Parallel()
	_, b, a := withPasskey(t)
	if to := b.UsePasskey(a, "/login", "").Reply(b).Location; to != "/account" {
		t.Fatalf("leads to %q", to)
	}
	if got := session(t, b); got.ACR != "phr" || !slices.Equal(got.AMR, []string{"hwk", "user", "mfa"}) {
		t.Errorf("%+v", got)
	}
	handle := b.Begin()
	to := b.UsePasskey(a, "/login", "?interaction="+handle).Reply(b).Location
	if to != "/oauth2/authorize?interaction="+handle {
		t.Errorf("leads to %q", to)
	}
}

func TestAPasskeyOwesNoSecondStep(t *testing.T) {
	t.Parallel()
	s, b, a := withPasskey(t)
	secondStep(t, s)
	if to := b.UsePasskey(a, "/login", "").Reply(b).Location; to != "/account" || !b.LoggedIn() {
		t.Errorf("leads to %q", to)
	}
}

// secondStep makes everybody owe a second step.
func secondStep(t *testing.T, s *peopletest.Site) {
	t.Helper()
	storetest.Beside(s.DatabaseURL).Exec(t, `UPDATE users SET second_step = TRUE`)
}

func TestAPasskeyIsTheSecondStep(t *testing.T) {
	t.Parallel()
	s, b, a := withPasskey(t)
	secondStep(t, s)
	b.Post("/login", "email", "mina@example.org", "password", peopletest.Password).WantRedirect(t, "/login/verify")
	other := s.PasskeyAuthenticator()
	other.Handle = a.Handle
	if problem := b.UsePasskey(other, "/login/verify", "").Reply(b).Problem; !strings.Contains(problem, "does not work") || b.LoggedIn() {
		t.Errorf("another passkey: %q", problem)
	}
	answer := b.Assertion(a, "/login/verify", "")
	if to := b.PostJSON("/login/verify/passkey/finish", answer).Reply(b).Location; to != "/account" {
		t.Fatalf("leads to %q", to)
	}
	if got := session(t, b); got.ACR != "phr" || !slices.Equal(got.AMR, []string{"pwd", "hwk", "user", "mfa"}) {
		t.Errorf("%+v", got)
	}
	nobody := s.Browser()
	nobody.Get("/login")
	if to := nobody.PostJSON("/login/verify/passkey/begin", "{}").Reply(b).Location; to != "/login?late=yes" {
		t.Errorf("who owes no second step is led to %q", to)
	}
}

func TestGuessesOfThePasswordKeepNobodyFromTheirPasskey(t *testing.T) {
	t.Parallel()
	_, b, a := withPasskey(t)
	for range 6 {
		b.Post("/login", "email", "mina@example.org", "password", "a wrong one")
	}
	b.Post("/login", "email", "mina@example.org", "password", peopletest.Password).Want(t, http.StatusTooManyRequests)
	if to := b.UsePasskey(a, "/login", "").Reply(b).Location; to != "/account" {
		t.Errorf("leads to %q", to)
	}
}

func TestAConfirmationIsThePersonsOwn(t *testing.T) {
	t.Parallel()
	s, b, a := withPasskey(t)
	b.UsePasskey(a, "/login", "")
	s.Clock.Advance(11 * time.Minute)
	if to := b.PostJSON("/account/passkeys/begin", "{}").Reply(b).Location; to != "/login?confirm=yes" {
		t.Fatalf("a proof of eleven minutes ago is enough: %q", to)
	}
	page := b.Get("/login?confirm=yes")
	page.Want(t, http.StatusOK, `data-begin="/login/passkey/begin?confirm=yes"`)
	s.Person("theo@example.org")
	theo := s.Browser()
	theo.LogIn("theo@example.org")
	theirs := s.PasskeyAuthenticator()
	theo.AddPasskey(theirs)
	if problem := b.UsePasskey(theirs, "/login", "?confirm=yes").Reply(b).Problem; problem == "" {
		t.Error("another person's passkey confirms")
	}
	if to := b.UsePasskey(a, "/login", "?confirm=yes").Reply(b).Location; to != "/account/security" {
		t.Errorf("leads to %q", to)
	}
	b.AddPasskey(s.PasskeyAuthenticator())
}

func TestAnAnswerIsWorthNothingElsewhere(t *testing.T) {
	t.Parallel()
	s, b, a := withPasskey(t)
	answer := b.Assertion(a, "/login", "")
	thief := s.Browser()
	thief.Get("/login")
	for what, got := range map[string]peopletest.Answer{
		"in another browser":   thief.PostJSON("/login/passkey/finish", answer),
		"without cookies":      s.Browser().PostJSON("/login/passkey/finish", answer),
		"as a second step":     b.PostJSON("/login/verify/passkey/finish", answer),
		"as a registration":    b.PostJSON("/account/passkeys/finish", answer),
		"what is no answer":    b.PostJSON("/login/passkey/finish", "{}"),
		"what is no JSON":      b.PostJSON("/login/passkey/finish", "{"),
		"what is much too big": b.PostJSON("/login/passkey/finish", `{"id":"`+strings.Repeat("A", 40<<10)+`"}`),
	} {
		if got.Status == http.StatusOK && !strings.HasPrefix(got.Reply(b).Location, "/login") || got.Status >= 500 {
			t.Errorf("%s: %d %s", what, got.Status, got.Body)
		}
	}
	if to := b.PostJSON("/login/passkey/finish", answer).Reply(b).Location; !strings.HasPrefix(to, "/account") {
		t.Errorf("the browser's own: leads to %q", to)
	}
	if problem := b.PostJSON("/login/passkey/finish", answer).Reply(b).Problem; problem == "" {
		t.Error("the same answer again logs in")
	}
	if thief.LoggedIn() {
		t.Error("the thief is logged in")
	}
}

func TestAnotherSitesPageCannotPostForAScript(t *testing.T) {
	t.Parallel()
	_, b, a := withPasskey(t)
	answer := b.Assertion(a, "/login", "")
	for what, change := range map[string]func(r *http.Request){
		"another site": func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Origin", "https://evil.example")
		},
		"a frame without origin": func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Origin", "null")
		},
		"another origin":    func(r *http.Request) { r.Header.Set("Origin", "https://evil.example"); r.Header.Del("Sec-Fetch-Site") },
		"a form":            func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") },
		"a form, as text":   func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
		"nothing that says": func(r *http.Request) { r.Header.Del("Content-Type") },
	} {
		r := b.Request(http.MethodPost, "/login/passkey/finish", answer)
		r.Header = http.Header{"Content-Type": {"application/json"}, "Origin": {b.Server.URL}, "Sec-Fetch-Site": {"same-origin"}}
		change(r)
		if got := b.Do(r); got.Status != http.StatusForbidden && got.Status != http.StatusUnsupportedMediaType || b.LoggedIn() {
			t.Errorf("%s: %d %s", what, got.Status, got.Body)
		}
	}
}

func TestAPasskeyThatIsRefusedTellsNothing(t *testing.T) {
	t.Parallel()
	s, b, a := withPasskey(t)
	user, err := s.Store.Users.UserByEmail(t.Context(), "mina@example.org")
	if err != nil {
		t.Fatal(err)
	}
	stranger := s.PasskeyAuthenticator()
	stranger.Handle = a.Handle
	unknown := b.UsePasskey(stranger, "/login", "")
	thief := s.PasskeyAuthenticator()
	thief.Credential, thief.Handle = a.Credential, a.Handle
	wrong := b.UsePasskey(thief, "/login", "")
	if err := s.Store.Users.SetDisabled(t.Context(), user.ID, true); err != nil {
		t.Fatal(err)
	}
	disabled := b.UsePasskey(a, "/login", "")
	for what, got := range map[string]peopletest.Answer{"unknown": unknown, "wrong": wrong, "disabled": disabled} {
		reply := got.Reply(b)
		if got.Status != http.StatusUnprocessableEntity || reply.Problem != wrong.Reply(b).Problem || (reply.Forget != "") != (what == "unknown") {
			t.Errorf("%s: %d %+v", what, got.Status, reply)
		}
	}
}

func TestACopiedPasskeyIsToldOf(t *testing.T) {
	t.Parallel()
	s := peopletest.NewNamed(t)
	user := s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	a := s.PasskeyAuthenticator()
	a.Counts, a.Count = true, 5
	b.AddPasskey(a)
	thief := a.Copy()
	if to := b.UsePasskey(a, "/login", "").Reply(b).Location; to != "/account" {
		t.Fatal(to)
	}
	other := s.Browser()
	other.Get("/login")
	if problem := other.UsePasskey(thief, "/login", "").Reply(b).Problem; problem == "" || other.LoggedIn() {
		t.Error("the copy logs in")
	}
	events := s.Told(t, user.ID)
	if !slices.ContainsFunc(events, func(e accounts.Event) bool { return e.Kind == "passkey_cloned" && e.Detail != "" }) {
		t.Errorf("%+v", events)
	}
	b.Get("/account/security").Want(t, http.StatusOK, "It may have been copied", "because it may have been copied")
}

func TestCeremoniesAndRefusedPasskeysAreCounted(t *testing.T) {
	t.Parallel()
	s, b, a := withPasskey(t)
	answer := b.Assertion(a, "/login", "")
	for range 60 {
		if got := b.PostJSON("/login/passkey/finish", "{}"); got.Status != http.StatusUnprocessableEntity {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
	}
	got := b.PostJSON("/login/passkey/finish", answer)
	if got.Status != http.StatusTooManyRequests || got.Header.Get("Retry-After") == "" || !strings.Contains(got.Reply(b).Problem, "15 minutes") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	for got = (peopletest.Answer{Status: http.StatusOK}); got.Status == http.StatusOK; {
		got = b.PostJSON("/login/passkey/begin", "{}")
	}
	if got.Status != http.StatusTooManyRequests {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if n := storetest.Beside(s.DatabaseURL).Count(t, "passkey_ceremonies"); n < 290 || n > 300 {
		t.Errorf("%d ceremonies are stored", n)
	}
	s.Clock.Advance(15 * time.Minute)
	if to := b.UsePasskey(a, "/login", "").Reply(b).Location; to != "/account" {
		t.Errorf("leads to %q", to)
	}
}

func TestAPasskeyIsOfferedAfterAPasswordOnce(t *testing.T) {
	t.Parallel()
	s := peopletest.NewNamed(t)
	s.Person("mina@example.org")
	b := s.Browser()
	handle := b.Begin()
	logIn := func(b *peopletest.Browser, query string, fields ...string) peopletest.Answer {
		b.Get("/login" + query)
		return b.Post("/login"+query, append([]string{"email", "mina@example.org", "password", peopletest.Password}, fields...)...)
	}
	onward := "/oauth2/authorize?interaction=" + handle
	logIn(b, "?interaction="+handle).WantRedirect(t, onward) // without scripts
	logIn(b, "?interaction="+handle, "passkeys", "").WantRedirect(t, onward)
	logIn(b, "?interaction="+handle, "passkeys", "yes").WantRedirect(t, "/login/passkey?interaction="+handle)
	b.Get("/login/passkey?interaction="+handle).Want(t, http.StatusOK, "Next time without a password", "Bookshop",
		`data-next="/login/passkey?interaction=`+handle+`"`)
	b.Post("/login/passkey?interaction="+handle).WantRedirect(t, onward)
	logIn(b, "?interaction="+handle, "passkeys", "yes").WantRedirect(t, onward)
	b.Get("/login/passkey?interaction="+handle).WantRedirect(t, onward)

	other := s.Browser()
	logIn(other, "", "passkeys", "yes").WantRedirect(t, "/login/passkey")
	other.Get("/login/passkey").Want(t, http.StatusOK)
	other.AddPasskey(s.PasskeyAuthenticator())
	other.Get("/login/passkey").WantRedirect(t, "/account")
	third := s.Browser()
	logIn(third, "", "passkeys", "yes")
	third.Get("/login/passkey").WantRedirect(t, "/account")
	s.Browser().Get("/login/passkey").WantRedirect(t, "/account") // which asks to log in
}

func TestWithoutANameThereAreNoPasskeys(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	if page := b.Get("/login"); strings.Contains(page.Body, "passkey") || strings.Contains(page.Body, "webauthn") {
		t.Error(page.Body)
	}
	b.Post("/login", "email", "mina@example.org", "password", peopletest.Password, "passkeys", "yes").WantRedirect(t, "/account")
	if page := b.Get("/account/security"); strings.Contains(page.Body, `id="passkey"`) {
		t.Error(page.Body)
	}
	for _, path := range []string{"/login/passkey/begin", "/login/passkey/finish", "/account/passkeys/begin", "/account/passkeys/finish"} {
		if got := b.PostJSON(path, "{}"); got.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.Status)
		}
	}
}

// signUpBy signs somebody up by the authenticator's passkey, and returns what the script is told.
func signUpBy(t *testing.T, b *peopletest.Browser, a *passkeytest.Authenticator, email string) peopletest.Reply {
	t.Helper()
	b.Get("/signup")
	fields := `{"name":"Mina","email":"` + email + `"}`
	options := b.PostJSON("/signup/passkey/begin", fields)
	if options.Status != http.StatusOK {
		return options.Reply(b)
	}
	answer, err := a.Register([]byte(options.Body))
	if err != nil {
		t.Fatal(err)
	}
	return b.PostJSON("/signup/passkey/finish", `{"fields":`+fields+`,"credential":`+string(answer)+`}`).Reply(b)
}

func TestAPersonSignsUpByAPasskeyAlone(t *testing.T) {
	t.Parallel()
	s := peopletest.NewNamed(t)
	b, a := s.Browser(), s.PasskeyAuthenticator()
	b.Get("/signup").Want(t, http.StatusOK, `data-begin="/signup/passkey/begin"`, `data-form="newcomer"`)
	if problem := signUpBy(t, b, a, "no address").Problem; problem == "" {
		t.Error("what is no address signs up")
	}
	if to := signUpBy(t, b, a, "mina@example.org").Location; to != "/account" {
		t.Fatalf("leads to %q", to)
	}
	user, err := s.Store.Users.UserByEmail(t.Context(), "mina@example.org")
	if err != nil || user.PasswordHash != "" || !user.Passkey || session(t, b).ACR != "phr" {
		t.Errorf("%+v %v", user, err)
	}
	other := s.Browser()
	other.Get("/login")
	other.Post("/login", "email", "mina@example.org", "password", "").Want(t, http.StatusUnprocessableEntity)
	other.Post("/login", "email", "mina@example.org", "password", "anything at all").Want(t, http.StatusUnprocessableEntity)
	if to := other.UsePasskey(a, "/login", "").Reply(b).Location; to != "/account" {
		t.Errorf("leads to %q", to)
	}
	third := s.Browser()
	if problem := signUpBy(t, third, s.PasskeyAuthenticator(), "mina@example.org").Problem; !strings.Contains(problem, "cannot be used to sign up") {
		t.Errorf("the address again: %q", problem)
	}
}

// A stranger signs up with the owner's address. The owner's click alone must not make an account
// that the stranger's passkey opens.
func TestASignUpByAPasskeyIsConfirmedWhereItBegan(t *testing.T) {
	t.Parallel()
	s := peopletest.NewNamedWithMail(t)
	stranger, a := s.Browser(), s.PasskeyAuthenticator()
	if to := signUpBy(t, stranger, a, "mina@example.org").Location; to != "/verify" {
		t.Fatalf("leads to %q", to)
	}
	if _, err := s.Store.Users.UserByEmail(t.Context(), "mina@example.org"); err == nil {
		t.Error("there is an account before its address is confirmed")
	}
	link := s.Mail.Last(t, "mina@example.org").Path(t)
	owner := s.Browser()
	to := owner.Get(link).Location
	owner.Get(to).Want(t, http.StatusOK)
	owner.Post(to).Want(t, http.StatusUnprocessableEntity, "in another browser")
	if _, err := s.Store.Users.UserByEmail(t.Context(), "mina@example.org"); err == nil {
		t.Error("the owner's click made the stranger's account")
	}
	to = stranger.Get(link).Location
	stranger.Post(to).WantRedirect(t, "/account")
	if user, err := s.Store.Users.UserByEmail(t.Context(), "mina@example.org"); err != nil || !user.Passkey || !user.EmailVerified {
		t.Errorf("%+v %v", user, err)
	}
}
