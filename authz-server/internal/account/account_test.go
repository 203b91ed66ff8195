package account_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestAPersonSignsUpLogsInAndManagesTheAccount(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		b := s.Browser()
		handle := b.Begin("login_hint", "mina@example.org", "scope", "openid email")
		b.Get("/login?interaction="+handle).Want(t, http.StatusOK, `href="/signup?interaction=`+handle, "Bookshop",
			"https://app.example/policy", `value="mina@example.org"`)
		b.Get("/signup?interaction="+handle).Want(t, http.StatusOK, `href="/login?interaction=`+handle, "Bookshop", `value="mina@example.org"`)
		b.Post("/signup?interaction="+handle, "name", " Mina  Kim ", "email", "Mina@Example.org", "password", peopletest.Password).
			WantRedirect(t, "/oauth2/authorize?interaction="+handle)
		b.Get("/account").Want(t, http.StatusOK, `value="Mina Kim"`, "Mina@Example.org", `id="logout"`)

		other := s.Browser()
		other.Header.Set("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1")
		handle = other.Begin()
		other.Get("/login?interaction=" + handle)
		other.Post("/login?interaction="+handle, "email", " MINA@example.org ", "password", peopletest.Password).
			WantRedirect(t, "/oauth2/authorize?interaction="+handle)

		b.Post("/account", "name", "민아").WantRedirect(t, "/account?done=name")
		b.Get("/account?done=name").Want(t, http.StatusOK, `value="민아"`, "Your name was changed.")
		b.Get("/account/sessions").Want(t, http.StatusOK, "Chrome on Linux", "Safari on iPhone", "This one", "from 127.0.0.1")

		b.Get("/account/password").Want(t, http.StatusOK, `autocomplete="new-password"`, `autocomplete="current-password"`)
		b.Post("/account/password", "password", "not this one", "new_password", "another set of wooden words").
			Want(t, http.StatusUnprocessableEntity, "This is not your current password.")
		b.Post("/account/password", "password", peopletest.Password, "new_password", "tkfkdgo1").
			Want(t, http.StatusUnprocessableEntity, "many people use")
		b.Post("/account/password", "password", peopletest.Password, "new_password", peopletest.Password).
			Want(t, http.StatusUnprocessableEntity, "other than the current one")
		b.Post("/account/password", "password", peopletest.Password, "new_password", "another set of wooden words").
			WantRedirect(t, "/account/sessions?done=password")
		b.Get("/account/sessions?done=password").Want(t, http.StatusOK,
			"All your other sessions have ended, and the apps connected in them have lost their access.")
		if !b.LoggedIn() || other.LoggedIn() {
			t.Error("a password change ends the other sessions and no more")
		}
		other.Get("/login")
		other.Post("/login", "email", "mina@example.org", "password", peopletest.Password).Want(t, http.StatusUnprocessableEntity)
		other.Post("/login", "email", "mina@example.org", "password", "another set of wooden words").WantRedirect(t, "/account")
	})
}

func TestSessionsAreEndedByTheirOwner(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	s.Person("eve@example.org")
	first, second, third, eve := s.Browser(), s.Browser(), s.Browser(), s.Browser()
	for _, b := range []*peopletest.Browser{first, second, third} {
		b.LogIn("mina@example.org")
	}
	eve.LogIn("eve@example.org")
	eve.Post("/account/sessions", "session", first.SessionID()).WantRedirect(t, "/account/sessions?done=session")
	eve.Post("/account/sessions", "others", "yes").WantRedirect(t, "/account/sessions?done=others")
	if !first.LoggedIn() || !second.LoggedIn() || !third.LoggedIn() {
		t.Fatal("another person ended a session")
	}
	first.Post("/account/sessions", "session", second.SessionID()).WantRedirect(t, "/account/sessions?done=session")
	if second.LoggedIn() || !third.LoggedIn() {
		t.Error("the wrong session ended")
	}
	first.Post("/account/sessions").Want(t, http.StatusBadRequest)
	first.Post("/account/sessions", "others", "yes").WantRedirect(t, "/account/sessions?done=others")
	if third.LoggedIn() || !first.LoggedIn() {
		t.Error("not the others ended")
	}
}

func TestAPersonChoosesTheLanguageOfPagesAndMail(t *testing.T) {
	t.Parallel()
	s := peopletest.NewNamedWithMail(t)
	user := verified(t, s, "mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	locale := func() string {
		t.Helper()
		u, err := s.Store.Users.User(t.Context(), user.ID)
		if err != nil {
			t.Fatal(err)
		}
		return u.Locale
	}
	b.Get("/account").Want(t, http.StatusOK, `<select id="locale" name="locale"`)
	b.Post("/account", "name", "Mina", "locale", "xx").Want(t, http.StatusBadRequest)
	b.Post("/account", "name", "Mina", "locale", "ko").WantRedirect(t, "/account?done=language&lang=ko")
	b.Get("/account?done=language&lang=ko").Want(t, http.StatusOK, `<html lang="ko">`, `<option value="ko" lang="ko" selected>`, "언어를 저장했어요.")
	b.Get("/account/security").Want(t, http.StatusOK, `<html lang="ko">`)
	b.Post("/account/password", "password", peopletest.Password, "new_password", "another set of wooden words")
	if letter := s.Mail.Last(t, "mina@example.org"); letter.Language != "ko" || locale() != "ko" {
		t.Errorf("the letter is in %q, the account in %q", letter.Language, locale())
	}
	b.Post("/account", "name", "Mina").WantRedirect(t, "/account?done=name")
	if locale() != "ko" {
		t.Error("a name alone changes the language")
	}
	b.Post("/account", "name", "Mina", "locale", "").WantRedirect(t, "/account?done=language")
	if locale() != "" {
		t.Errorf("%q", locale())
	}
}

func TestSessionsSayHowAndWhereFrom(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		s.Person("mina@example.org")
		b, other := s.Browser(), s.Browser()
		b.LogIn("mina@example.org")
		app := b.TurnOn()
		other.BeginLogin("mina@example.org")
		other.Post("/login/verify", "otp", app.Next()).WantRedirect(t, "/account")
		page := b.Get("/account/sessions")
		page.Want(t, http.StatusOK, "with your password", "with your password and a code", "from 127.0.0.1")
		if strings.Contains(page.Body, "now from") {
			t.Error("it was used elsewhere, as it seems")
		}
		s.Clock.Advance(6 * time.Minute)
		if err := s.Store.Sessions.TouchSession(t.Context(), other.Session(), "198.51.100.7", 5*time.Minute); err != nil {
			t.Fatal(err)
		}
		b.Get("/account/sessions").Want(t, http.StatusOK, "from 127.0.0.1", "now from 198.51.100.7")
		s.Clock.Advance(6 * time.Minute)
		other.Get("/account")
		if page := b.Get("/account/sessions"); strings.Contains(page.Body, "198.51.100.7") {
			t.Error("the last use is not the last")
		}
		b.Post("/account/sessions", "session", other.SessionID()).WantRedirect(t, "/account/sessions?done=session")
		b.Get("/account/security").Want(t, http.StatusOK, "Logged out elsewhere")
	})
}

func TestConnectedAppsAreWithdrawnByTheirOwner(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	mina := s.Person("mina@example.org")
	s.Person("eve@example.org")
	for _, client := range []string{"app", "gone"} {
		if err := s.Store.Consents.GrantConsent(t.Context(), mina.ID, client, []string{"openid", "board:write"}); err != nil {
			t.Fatal(err)
		}
	}
	b, eve := s.Browser(), s.Browser()
	b.LogIn("mina@example.org")
	eve.LogIn("eve@example.org")
	eve.Post("/account/apps", "client", "app").WantRedirect(t, "/account/apps?done=app")
	b.Get("/account/apps").Want(t, http.StatusOK, "Bookshop", "gone", "Write, edit and delete posts and comments as you")
	b.Post("/account/apps", "client", "app").WantRedirect(t, "/account/apps?done=app")
	if page := b.Get("/account/apps"); strings.Contains(page.Body, "Bookshop") || !strings.Contains(page.Body, "gone") {
		t.Error(page.Body)
	}
	b.Post("/account/apps").Want(t, http.StatusBadRequest)
}

// Whoever has a copy of the cookie is in the same session as the person who changes the
// password, and is out afterwards.
func TestACopiedCookieEndsWithThePassword(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b, thief := s.Browser(), s.Browser()
	b.LogIn("mina@example.org")
	u, err := url.Parse(s.Server.URL)
	if err != nil {
		t.Fatal(err)
	}
	thief.Jar.SetCookies(u, b.Jar.Cookies(u))
	if !thief.LoggedIn() {
		t.Fatal("the copy does not work")
	}
	b.Post("/account/password", "password", peopletest.Password, "new_password", "another set of wooden words").
		WantRedirect(t, "/account/sessions?done=password")
	if !b.LoggedIn() || thief.LoggedIn() {
		t.Errorf("the owner is logged in: %v, the thief: %v", b.LoggedIn(), thief.LoggedIn())
	}
}

// What a person connected in the session that ends the others goes on, trusted apps too, and each
// can be removed by itself.
func TestAppsOfTheKeptSessionAreRemovedOneByOne(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		mina := s.Person("mina@example.org")
		b := s.Browser()
		b.LogIn("mina@example.org")
		sessions, err := s.Store.Sessions.SessionsOf(t.Context(), mina.ID)
		if err != nil || len(sessions) != 1 {
			t.Fatal(sessions, err)
		}
		grant := func(id, session string) {
			c, err := s.Store.Clients.Client(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Store.Grants.CreateGrant(t.Context(), grants.Grant{
				ID: id, ClientID: id, UserID: mina.ID, SessionID: session, Offline: true, CreatedAt: s.Clock.Now(),
				ExpiresAt: s.Clock.Now().Add(time.Hour),
			}, &c); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"Mail", "Radio", "Thief"} {
			if err := s.Store.Clients.CreateClient(t.Context(), client.Client{ID: name, Name: name, Trusted: true}); err != nil {
				t.Fatal(err)
			}
		}
		grant("Mail", sessions[0].ID)
		grant("Radio", sessions[0].ID)
		grant("Thief", "another session")
		b.Post("/account/sessions", "others", "yes").WantRedirect(t, "/account/sessions?done=others")
		b.Get("/account/sessions?done=others").Want(t, http.StatusOK, "the apps connected in them have lost their access")
		if page := b.Get("/account/apps").Body; !strings.Contains(page, "Mail") || !strings.Contains(page, "Radio") ||
			strings.Contains(page, "Thief") {
			t.Error(page)
		}
		b.Post("/account/apps", "client", "Mail").WantRedirect(t, "/account/apps?done=app")
		if page := b.Get("/account/apps").Body; strings.Contains(page, "Mail") || !strings.Contains(page, "Radio") {
			t.Error(page)
		}
	})
}

func TestTheAccountIsForThoseLoggedIn(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	for _, path := range []string{"/account", "/account/password", "/account/sessions", "/account/apps"} {
		b := s.Browser()
		b.Get(path).WantRedirect(t, "/login")
		b.Post(path, "name", "x", "others", "yes", "client", "app").WantRedirect(t, "/login")
	}
	s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	b.Get("/login").WantRedirect(t, "/account")
}

func TestPasswordManagersFindWhereToChangeAPassword(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.Get("/.well-known/change-password").WantRedirect(t, "/account/password")
	b.Get("/account/password").WantRedirect(t, "/login")
	b.Get("/login")
	b.Post("/login", "email", "mina@example.org", "password", peopletest.Password).WantRedirect(t, "/account/password")
	// Once, and only to a page of the account.
	b.Get("/login").WantRedirect(t, "/account")
	b = s.Browser()
	b.Get("/login")
	r := b.FormRequest("/login", url.Values{"email": {"mina@example.org"}, "password": {peopletest.Password}}.Encode())
	r.AddCookie(&http.Cookie{Name: "maru-toward", Value: "../oauth2/authorize?x=y"})
	b.Do(r).WantRedirect(t, "/account")
}

// Two sessions of one kind of browser are told apart by when they began.
func TestSessionsAreToldApartByDate(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	user := s.Person("mina@example.org")
	if err := s.Store.Users.SetClaims(t.Context(), user.ID, accounts.Claims{Zoneinfo: "Asia/Seoul"}); err != nil {
		t.Fatal(err)
	}
	s.Browser().LogIn("mina@example.org")
	s.Clock.Advance(5 * time.Hour)
	b := s.Browser()
	b.LogIn("mina@example.org")
	b.Get("/account/sessions").Want(t, http.StatusOK, "May 1, 2026 at 6:00 PM<", "May 1, 2026 at 11:00 PM<")
}
