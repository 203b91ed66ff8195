package session_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestALoginMakesANewSessionCookie(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	s.Person("hana@example.org")
	b := s.Browser()
	planted := opaque.New()
	u, err := url.Parse(s.Server.URL)
	if err != nil {
		t.Fatal(err)
	}
	b.Jar.SetCookies(u, []*http.Cookie{{Name: "maru-session", Value: planted, Path: "/"}})
	b.LogIn("mina@example.org")
	first := b.Cookie("maru-session")
	if first == planted || len(first) != 43 {
		t.Fatalf("the session's cookie is %q", first)
	}
	attacker := s.Browser()
	attacker.Jar.SetCookies(u, []*http.Cookie{{Name: "maru-session", Value: planted, Path: "/"}})
	if attacker.LoggedIn() {
		t.Error("a planted cookie opens the session")
	}

	// Again, by the same person: a new cookie, the old one is worth nothing, applications keep
	// their session.
	s.Clock.Advance(time.Minute)
	handle := b.Begin("prompt", "login")
	b.Get("/login?interaction="+handle).Want(t, http.StatusOK, `id="login"`)
	b.Post("/login?interaction="+handle, "email", "mina@example.org", "password", peopletest.Password).
		WantRedirect(t, "/oauth2/authorize?interaction="+handle)
	second := b.Cookie("maru-session")
	attacker.Jar.SetCookies(u, []*http.Cookie{{Name: "maru-session", Value: first, Path: "/"}})
	if second == first || attacker.LoggedIn() || !b.LoggedIn() {
		t.Error("the cookie of before still opens the session")
	}

	// Another person in the same browser: the session of before ends.
	mina, err := s.Store.Users.UserByEmail(t.Context(), "mina@example.org")
	if err != nil {
		t.Fatal(err)
	}
	handle = b.Begin("prompt", "select_account")
	b.Post("/login?interaction="+handle, "email", "hana@example.org", "password", peopletest.Password).
		WantRedirect(t, "/oauth2/authorize?interaction="+handle)
	if left, err := s.Store.Sessions.SessionsOf(t.Context(), mina.ID); err != nil || len(left) != 0 {
		t.Errorf("%d sessions of the person before: %v", len(left), err)
	}
	b.Get("/account").Want(t, http.StatusOK, "hana@example.org")
}

func TestCookiesAreGuarded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		site   func(testing.TB) *peopletest.Site
		secure bool
		prefix string
	}{{peopletest.New, false, ""}, {peopletest.NewTLS, true, "__Host-"}} {
		s := test.site(t)
		s.Person("mina@example.org")
		b := s.Browser()
		cookies := b.Get("/login").Header.Values("Set-Cookie")
		cookies = append(cookies, b.Post("/login", "email", "mina@example.org", "password", peopletest.Password).Header.Values("Set-Cookie")...)
		if len(cookies) != 4 || !strings.HasPrefix(cookies[0], test.prefix+"maru-browser=") ||
			!strings.HasPrefix(cookies[1], test.prefix+"maru-session=") ||
			!strings.HasPrefix(cookies[2], test.prefix+"maru-browser-state=") ||
			!strings.HasPrefix(cookies[3], test.prefix+"maru-device=") {
			t.Fatalf("cookies %q", cookies)
		}
		// The third is read by our script in applications' frames, and must therefore not be worth
		// anything.
		if state := b.Cookie(test.prefix + "maru-browser-state"); strings.Contains(cookies[2], "HttpOnly") ||
			strings.Contains(cookies[2], "Domain") ||
			strings.Contains(cookies[2], "; Secure") != test.secure || strings.Contains(cookies[2], "; SameSite=None") != test.secure ||
			state == "" || state == b.Cookie(test.prefix+"maru-session") || state == b.Cookie(test.prefix+"maru-browser") {
			t.Errorf("%q", cookies[2])
		}
		for _, cookie := range []string{cookies[0], cookies[1], cookies[3]} {
			for _, attribute := range []string{"; Path=/", "; HttpOnly", "; SameSite=Lax"} {
				if !strings.Contains(cookie, attribute) {
					t.Errorf("%q lacks %q", cookie, attribute)
				}
			}
			if strings.Contains(cookie, "; Secure") != test.secure || strings.Contains(cookie, "Domain") {
				t.Errorf("%q", cookie)
			}
		}
		if !b.LoggedIn() {
			t.Error("not logged in")
		}
	}
}

func TestASessionEndsIdleAndAbsolutely(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	for range 14*2 + 3 {
		s.Clock.Advance(11 * time.Hour)
		if s.Clock.Now().Before(time.Date(2026, 5, 15, 9, 0, 0, 0, time.UTC)) != b.LoggedIn() {
			t.Fatal("wrong at", s.Clock.Now())
		}
	}
	b.LogIn("mina@example.org")
	s.Clock.Advance(12 * time.Hour)
	if b.LoggedIn() {
		t.Error("logged in after twelve idle hours")
	}
}

func TestAnInteractionOfAnotherBrowserIsRefused(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	attacker, victim := s.Browser(), s.Browser()
	handle := attacker.Begin("scope", "openid")
	victim.LogIn("mina@example.org")
	for _, path := range []string{"/login", "/signup", "/consent"} {
		for _, wrong := range []string{handle, opaque.New(), "x", strings.Repeat("A", 5000), "%00", "%ff"} {
			victim.Get(path+"?interaction="+wrong).Want(t, http.StatusBadRequest, "invalid_request")
			victim.Post(path+"?interaction="+wrong, "email", "mina@example.org", "password", peopletest.Password, "decision", "allow").
				Want(t, http.StatusBadRequest, "invalid_request")
		}
	}
	s.Clock.Advance(requests.InteractionLifetime)
	attacker.Get("/login?interaction="+handle).Want(t, http.StatusBadRequest, "has expired")
}

func TestALargeAuthorizationRequestIsRefused(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	b := s.Browser()
	b.Get("/begin?client_id=app&state="+strings.Repeat("x", 17<<10)).Want(t, http.StatusBadRequest, session.ErrTooLarge.Error())
}

// A page of a sibling domain can set a cookie whose value it knows (__Secure- keeps nobody from
// that), and wait until the person logs in with it and ticks the box.
func TestAPlantedDeviceIsWorthNothingToWhoeverPlantedIt(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		s.Person("mina@example.org")
		s.Person("planter@example.org")
		planter, b := s.Browser(), s.Browser()
		u, err := url.Parse(s.Server.URL)
		if err != nil {
			t.Fatal(err)
		}
		plant := func(b *peopletest.Browser, secret string) {
			b.Jar.SetCookies(u, []*http.Cookie{{Name: "maru-device", Value: secret, Path: "/"}})
		}
		leave := func(b *peopletest.Browser) {
			b.Jar.SetCookies(u, []*http.Cookie{{Name: "maru-session", MaxAge: -1, Path: "/"}})
		}
		planter.LogIn("planter@example.org")
		planted := planter.Cookie("maru-device")
		b.LogIn("mina@example.org")
		app := b.TurnOn()
		leave(b)

		plant(b, planted)
		b.BeginLogin("mina@example.org")
		b.Post("/login/verify", "otp", app.Next(), "trust", "yes").WantRedirect(t, "/account")
		if b.Cookie("maru-device") == planted {
			t.Error("the browser kept what was planted")
		}
		for _, secret := range []string{planted, planter.Cookie("maru-device")} {
			thief := s.Browser()
			plant(thief, secret)
			thief.BeginLogin("mina@example.org") // which asks for the second step
		}
		// It moves with its person.
		leave(b)
		b.LogIn("mina@example.org")
		after := b.Cookie("maru-device")
		leave(planter)
		plant(planter, planted)
		planter.LogIn("planter@example.org")
		leave(b)
		if plant(b, after); after == planted {
			t.Error("the same secret twice")
		}
		b.LogIn("mina@example.org")
	})
}
