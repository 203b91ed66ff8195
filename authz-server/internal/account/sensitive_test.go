package account_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// sensitive is what asks for a proof of the last ten minutes: who has it could take the account, or
// everything in it. What only ends something (sessions, trust, an app's access) is for moments of
// alarm, and asks for nothing more.
var sensitive = []struct {
	what   string
	path   string
	form   []string // nil: a script posts JSON
	on     bool     // it needs the second step to be on; otherwise, to be off
	always bool     // it is there in both cases
}{
	{what: "another address", path: "/account/email", form: []string{"email", "new@example.org"}, always: true},
	{what: "confirming the address", path: "/account/email", form: []string{"confirm", "yes"}, always: true},
	{what: "a passkey, begun", path: "/account/passkeys/begin", always: true},
	{what: "a passkey, finished", path: "/account/passkeys/finish", always: true},
	{what: "a passkey less", path: "/account/passkeys/remove", form: []string{"passkey", "x"}, always: true},
	{what: "a log-in at an upstream more", path: "/account/security/upstreams/add", form: []string{"name", "x"}, always: true},
	{what: "a log-in at an upstream less", path: "/account/security/upstreams/remove", form: []string{"identity", "x"}, always: true},
	{what: "an app set up", path: "/account/security/app", form: []string{}},
	{what: "the second step on", path: "/account/security/app", form: []string{"otp", "123456"}},
	{what: "recovery codes", path: "/account/security/codes", form: []string{}, on: true},
	{what: "the second step off", path: "/account/security/off", form: []string{}, on: true},
	{what: "the password, with a second step", path: "/account/password", form: []string{"password", peopletest.Password, "new_password", "another set of wooden words"}, on: true},
	{what: "export", path: "/account/data", form: []string{"do", "export"}, always: true},
	{what: "deletion", path: "/account/data", form: []string{"do", "delete", "posts", "keep"}, always: true},
}

// verified makes a person whose address is known to be theirs.
func verified(t *testing.T, s *peopletest.Site, email string) accounts.User {
	t.Helper()
	user := s.Person(email)
	if err := s.Store.Users.SetVerified(t.Context(), user.ID); err != nil {
		t.Fatal(err)
	}
	return user
}

// owned is what the tables say of a person, but for their sessions.
func owned(t *testing.T, s *peopletest.Site, user accounts.User) []any {
	t.Helper()
	u, err := s.Store.Users.User(t.Context(), user.ID)
	if err != nil {
		t.Fatal(err)
	}
	codes, err := s.Store.Factors.RecoveryCodes(t.Context(), user.ID)
	if err != nil {
		t.Fatal(err)
	}
	return []any{u, passkeysOf(t, s, user), codes, kinds(t, s, user.ID), len(s.Mail.All())}
}

func TestSensitiveChangesNeedAProofOfTheLastTenMinutes(t *testing.T) {
	t.Parallel()
	s := peopletest.NewNamedWithMail(t)
	post := func(b *peopletest.Browser, path string, form []string) string {
		if form != nil {
			return b.Post(path, form...).Location
		}
		var reply peopletest.Reply
		if err := json.Unmarshal([]byte(b.PostJSON(path, "{}").Body), &reply); err != nil {
			t.Error(path, err)
		}
		return reply.Location
	}
	check := func(b *peopletest.Browser, user accounts.User, on bool, want string) {
		t.Helper()
		before := owned(t, s, user)
		for _, one := range sensitive {
			if one.on != on && !one.always {
				continue
			}
			if to := post(b, one.path, one.form); to != want {
				t.Errorf("%s leads to %q, not to %q", one.what, to, want)
			}
			if after := owned(t, s, user); !reflect.DeepEqual(before, after) {
				t.Errorf("%s changed %+v to %+v", one.what, before, after)
			}
		}
	}
	mina := verified(t, s, "mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	s.Clock.Advance(11 * time.Minute)
	check(b, mina, false, "/login?confirm=yes")

	theo := verified(t, s, "theo@example.org")
	b = s.Browser()
	b.LogIn("theo@example.org")
	app := b.TurnOn()
	s.Clock.Advance(11 * time.Minute)
	check(b, theo, true, "/login?confirm=yes")
	trusted := s.Browser()
	trusted.BeginLogin("theo@example.org")
	trusted.Post("/login/verify", "otp", app.Code(), "trust", "yes").WantRedirect(t, "/account")
	u, err := url.Parse(s.Server.URL)
	if err != nil {
		t.Fatal(err)
	}
	trusted.Jar.SetCookies(u, []*http.Cookie{{Name: "maru-session", MaxAge: -1, Path: "/"}})
	trusted.LogIn("theo@example.org")
	check(trusted, theo, true, "/login/verify?confirm=yes")
	trusted.Get("/account/password").WantRedirect(t, "/login/verify?confirm=yes")
	trusted.Post("/login/verify?confirm=yes", "otp", app.Next()).WantRedirect(t, "/account/password")
}

// What a route below /account takes is either sensitive, or here with the reason.
func TestEveryFormOfTheAccountIsKnownToBeSensitiveOrNot(t *testing.T) {
	t.Parallel()
	harmless := map[string]string{
		"/account":                    "a name and a language",
		"/account/profile":            "what people say of themselves",
		"/account/sessions":           "ends something",
		"/account/apps":               "ends something",
		"/account/security/browsers":  "ends something",
		"/account/security/codes.txt": "gives back what was sent",
		"/account/passkeys/rename":    "a name",
		"/account/invitation":         "asks for a proof and a second step: package login has the test",
	}
	known := make(map[string]bool)
	for _, one := range sensitive {
		known[one.path] = true
	}
	err := peopletest.NewNamedWithMail(t).Router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		methods, _ := route.GetMethods()
		if err == nil && strings.HasPrefix(path, "/account") && slices.Contains(methods, http.MethodPost) && !known[path] && harmless[path] == "" {
			t.Errorf("does POST %s ask for a recent proof?", path)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestSomebodyWithAPasskeyAloneChoosesAPassword(t *testing.T) {
	t.Parallel()
	s := peopletest.NewNamed(t)
	user := s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	key := s.PasskeyAuthenticator()
	b.AddPasskey(key)
	if err := s.Store.Users.ResetPassword(t.Context(), user.ID, "", ""); err != nil {
		t.Fatal(err)
	}
	b.UsePasskey(key, "/login", "")
	page := b.Get("/account/password")
	page.Want(t, http.StatusOK, "have no password", `name="new_password"`, "Set password")
	if strings.Contains(page.Body, `name="password"`) {
		t.Error("it asks for a password that is not there")
	}
	s.Clock.Advance(11 * time.Minute)
	b.Get("/account/password").WantRedirect(t, "/login?confirm=yes")
	b.Post("/account/password", "new_password", "another set of wooden words").WantRedirect(t, "/login?confirm=yes")
	confirm := b.Get("/login?confirm=yes")
	confirm.Want(t, http.StatusOK, `id="passkey"`, "mina@example.org", `id="logout"`)
	if strings.Contains(confirm.Body, `name="password"`) || strings.Contains(confirm.Body, "/signup") {
		t.Error("the page asks for a password that is not there, or offers to sign up")
	}
	if to := b.UsePasskey(key, "/login", "?confirm=yes").Reply(b).Location; to != "/account/password" {
		t.Errorf("leads to %q", to)
	}
	b.Post("/account/password", "new_password", "password1").Want(t, http.StatusUnprocessableEntity, "Set password")
	other := s.Browser()
	other.Get("/login")
	other.UsePasskey(key, "/login", "")
	b.Post("/account/password", "new_password", "another set of wooden words").WantRedirect(t, "/account/sessions?done=first_password")
	if got := kinds(t, s, user.ID); !slices.Contains(got, "password_changed") || other.LoggedIn() || !b.LoggedIn() {
		t.Errorf("%q", got)
	}
	b.Get("/account/password").Want(t, http.StatusOK, `name="password"`)
	other.Get("/login")
	other.Post("/login", "email", "mina@example.org", "password", "another set of wooden words").WantRedirect(t, "/account")
}

// Whoever confirms is who is logged in: a form that was left open does not make it another person.
func TestOnlyTheirPersonConfirmsASession(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	theo := s.Person("theo@example.org")
	if err := s.Store.Users.ResetPassword(t.Context(), theo.ID, "", ""); err != nil { // so that the passwords differ
		t.Fatal(err)
	}
	b := s.Browser()
	b.LogIn("mina@example.org")
	s.Clock.Advance(11 * time.Minute)
	b.Get("/account/data")
	b.Post("/account/data", "do", "export").WantRedirect(t, "/login?confirm=yes")
	page := b.Get("/login?confirm=yes")
	page.Want(t, http.StatusOK, `value="mina@example.org" autocomplete="username" readonly`, "Not you?", `action="/oauth2/logout"`)
	if strings.Contains(page.Body, "/signup") {
		t.Error("it offers to sign up")
	}
	b.Post("/login?confirm=yes", "email", "theo@example.org", "password", "wrong").
		Want(t, http.StatusUnprocessableEntity, `value="mina@example.org" autocomplete="username" readonly`)
	b.Post("/login?confirm=yes", "email", "theo@example.org", "password", peopletest.Password).WantRedirect(t, "/account/data")
	b.Get("/account").Want(t, http.StatusOK, "mina@example.org")
}
