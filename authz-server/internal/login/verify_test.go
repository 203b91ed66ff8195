package login_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// careful is a site with a person, Mina, who has turned on the second step.
func careful(t *testing.T, s *peopletest.Site) (*peopletest.Authenticator, accounts.User) {
	t.Helper()
	user := s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	return b.TurnOn(), user
}

func TestTheSecondStepIsAskedForAfterThePassword(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	app, _ := careful(t, s)
	b := s.Browser()
	b.BeginLogin("mina@example.org")
	b.Get("/login/verify").Want(t, http.StatusOK, `id="otp"`, `autocomplete="one-time-code"`, `inputmode="numeric"`, `name="trust"`,
		`id="verify"`, "mina@example.org")
	b.Post("/login/verify", "otp", "").Want(t, http.StatusUnprocessableEntity, "Enter the code.")
	b.Post("/login/verify", "otp", "12345").Want(t, http.StatusUnprocessableEntity, `id="otp-problem"`)
	b.Post("/login/verify", "otp", app.CodeAt(-time.Hour), "trust", "yes").
		Want(t, http.StatusUnprocessableEntity, "This is not the right code.", `value="yes" checked`)
	if b.LoggedIn() {
		t.Error("a wrong code logs in")
	}
	code := app.Next()
	b.Post("/login/verify", "otp", code[:3]+" "+code[3:]).WantRedirect(t, "/account")
	if session := b.Session(); strings.Join(session.AMR, " ") != "pwd otp mfa" || session.ACR != "2" {
		t.Errorf("amr %q, acr %q", session.AMR, session.ACR)
	}
	// A second click finds the person logged in.
	b.Post("/login/verify", "otp", code).WantRedirect(t, "/account")
}

// RFC 6238 §5.2: a code is good once. Somebody who looks over a shoulder, or a page that phishes,
// comes too late.
func TestACodeLogsInOnce(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		app, _ := careful(t, s)
		begun := func() *peopletest.Browser {
			b := s.Browser()
			b.BeginLogin("mina@example.org")
			return b
		}
		thief := begun()
		thief.Post("/login/verify", "otp", app.Code()). // what turned it on
								Want(t, http.StatusUnprocessableEntity, "This code was used already.")
		code := app.Next()
		browsers := []*peopletest.Browser{begun(), begun(), begun(), begun()}
		var mu sync.Mutex
		var in int
		var wg sync.WaitGroup
		for _, b := range browsers {
			wg.Go(func() {
				a := b.Post("/login/verify", "otp", code)
				mu.Lock()
				defer mu.Unlock()
				if a.Location == "/account" {
					in++
				} else if a.Status != http.StatusUnprocessableEntity {
					t.Errorf("%d %s", a.Status, a.Body)
				}
			})
		}
		wg.Wait()
		if in != 1 {
			t.Errorf("%d of 4 at once logged in with one code", in)
		}
		next := app.CodeAt(30 * time.Second) // of the step to come: the phone is fast
		begun().Post("/login/verify", "otp", next).WantRedirect(t, "/account")
		s.Clock.Advance(15 * time.Minute)
		last := begun()
		code = app.Code()
		last.Post("/login/verify", "otp", code).WantRedirect(t, "/account")
		for _, earlier := range []time.Duration{-30 * time.Second, 0} {
			begun().Post("/login/verify", "otp", app.CodeAt(earlier)).Want(t, http.StatusUnprocessableEntity)
		}
	})
}

func TestAPendingLoginOpensNothing(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	app, _ := careful(t, s)
	b := s.Browser()
	b.BeginLogin("mina@example.org")
	for _, page := range []string{"/account", "/account/security", "/account/security/app", "/account/security/off", "/account/password"} {
		if a := b.Get(page); a.Status != http.StatusSeeOther || a.Location != "/login" {
			t.Errorf("%s: %d %s", page, a.Status, a.Location)
		}
	}
	b.Post("/account/security/off").WantRedirect(t, "/login")
	if s, err := s.People.Session(b.Request(http.MethodGet, "/", "")); err != nil || s != nil {
		t.Error("there is a session", err)
	}
	// Neither is it another browser's, though its cookies of other purposes were.
	other := s.Browser()
	other.Get("/login")
	other.Get("/login/verify").WantRedirect(t, "/login?late=yes")
	other.Post("/login/verify", "otp", app.Next()).WantRedirect(t, "/login?late=yes")
}

func TestAPendingLoginThatTookTooLongLeadsBack(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	app, _ := careful(t, s)
	s.Authorize(func(http.ResponseWriter, *http.Request) {})
	b := s.Browser()
	handle := b.Begin()
	b.Get("/login?interaction=" + handle)
	b.Post("/login?interaction="+handle, "email", "mina@example.org", "password", peopletest.Password).
		WantRedirect(t, "/login/verify?interaction="+handle)
	s.Clock.Advance(accounts.PendingLifetime)
	b.Post("/login/verify?interaction="+handle, "otp", app.Code()).WantRedirect(t, "/login?interaction="+handle+"&late=yes")
	b.Get("/login?interaction="+handle+"&late=yes").Want(t, http.StatusOK, "That took too long.", "Bookshop", "?interaction="+handle+`"`)
	b.Post("/login?interaction="+handle, "email", "mina@example.org", "password", peopletest.Password).
		WantRedirect(t, "/login/verify?interaction="+handle)
	b.Post("/login/verify?interaction="+handle, "otp", app.Code()).WantRedirect(t, "/oauth2/authorize?interaction="+handle)
}

// What one person began is not finished by another, nor shown to them.
func TestAPendingLoginEndsWhenSomebodyLogsIn(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	careful(t, s)
	s.Person("hana@example.org")
	b := s.Browser()
	b.BeginLogin("mina@example.org")
	b.Get("/login")
	b.Post("/login", "email", "hana@example.org", "password", peopletest.Password).WantRedirect(t, "/account")
	b.Get("/login/verify").WantRedirect(t, "/account")

	c := s.Browser()
	c.LogIn("hana@example.org")
	c.Post("/login", "email", "mina@example.org", "password", peopletest.Password).WantRedirect(t, "/login/verify")
	s.Clock.Advance(time.Minute)
	handle := c.Begin()
	if a := c.Get("/login/verify?interaction=" + handle); strings.Contains(a.Body, "mina@example.org") {
		t.Error("a request that came later is given to who began before")
	}
}

func TestAChangedPasswordEndsPendingLogins(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	app, user := careful(t, s)
	b := s.Browser()
	b.BeginLogin("mina@example.org")
	if err := s.Store.Users.ResetPassword(t.Context(), user.ID, "another", ""); err != nil {
		t.Fatal(err)
	}
	b.Post("/login/verify", "otp", app.Next()).WantRedirect(t, "/login?late=yes")
}

func TestARecoveryCodeLogsInOnce(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		app, user := careful(t, s)
		code := app.Recovery[3]
		var mu sync.Mutex
		var in int
		var wg sync.WaitGroup
		for range 4 {
			b := s.Browser()
			b.BeginLogin("mina@example.org")
			b.Get("/login/verify?recovery=yes").Want(t, http.StatusOK, `id="recovery"`, `autocomplete="off"`)
			wg.Go(func() {
				a := b.Post("/login/verify", "recovery", strings.ToLower(strings.ReplaceAll(code, "-", " ")))
				mu.Lock()
				defer mu.Unlock()
				if a.Location == "/account/security?done=recovery" {
					in++
					b.Get(a.Location).Want(t, http.StatusOK, "You logged in with a recovery code.", "9 recovery codes left")
				} else {
					a.Want(t, http.StatusUnprocessableEntity, `id="recovery-problem"`)
				}
			})
		}
		wg.Wait()
		if in != 1 {
			t.Errorf("%d of 4 at once logged in with one recovery code", in)
		}
		events := s.Told(t, user.ID)
		var told int
		for _, e := range events {
			if e.Kind == "recovery_code_used" && e.Detail == "9" {
				told++
			}
		}
		if told != 1 {
			t.Errorf("the history says so %d times: %+v", told, events)
		}
	})
}

func TestCodesAreGuessedOnlySoOften(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	app, _ := careful(t, s)
	b := s.Browser()
	for range 5 { // a new log-in gives no new tries
		b.BeginLogin("mina@example.org")
		b.Post("/login/verify", "otp", app.CodeAt(-time.Hour)).Want(t, http.StatusUnprocessableEntity)
	}
	for _, field := range []string{"otp", "recovery"} {
		value := map[string]string{"otp": app.Next(), "recovery": app.Recovery[0]}[field]
		a := b.Post("/login/verify", field, value)
		a.Want(t, http.StatusTooManyRequests, "Please try again in")
		if a.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
}

// A stranger with the password can use up the guesses, but not those of a browser where the owner
// has been.
func TestGuessesOfStrangersDoNotLockOutAKnownBrowser(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	owner := s.Browser()
	owner.LogIn("mina@example.org")
	app := owner.TurnOn()
	stranger := s.Browser()
	stranger.BeginLogin("mina@example.org")
	for range 6 {
		stranger.Post("/login/verify", "otp", app.CodeAt(-time.Hour))
	}
	owner.Post("/login", "email", "mina@example.org", "password", peopletest.Password).WantRedirect(t, "/login/verify")
	owner.Post("/login/verify", "otp", app.Next()).WantRedirect(t, "/account")
}

// Whoever has the password has twenty tries a day, however long they wait between.
func TestCodesAreGuessedOnlySoOftenADay(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	app, _ := careful(t, s)
	b := s.Browser()
	tries := 0
	for range 40 {
		b.BeginLogin("mina@example.org")
		if a := b.Post("/login/verify", "otp", app.CodeAt(-time.Hour)); a.Status == http.StatusUnprocessableEntity {
			tries++
		}
		s.Clock.Advance(10 * time.Minute)
	}
	if tries != 20 {
		t.Errorf("%d tries in seven hours", tries)
	}
}

func TestATrustedBrowserIsNotAskedForACode(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	app, _ := careful(t, s)
	s.Person("hana@example.org")
	b := s.Browser()
	b.BeginLogin("mina@example.org")
	b.Post("/login/verify", "otp", app.Next(), "trust", "yes").WantRedirect(t, "/account")
	again := func(b *peopletest.Browser, email string) peopletest.Answer {
		b.Post("/oauth2/logout")
		b.Get("/login")
		return b.Post("/login", "email", email, "password", peopletest.Password)
	}
	again(b, "mina@example.org").WantRedirect(t, "/account")
	if session := b.Session(); session.ACR != "1" {
		t.Errorf("acr %q without a second step", session.ACR)
	}
	// It is the trust of one person.
	hana := s.Browser()
	hana.LogIn("hana@example.org")
	other := hana.TurnOn()
	again(b, "hana@example.org").WantRedirect(t, "/login/verify")
	b.Post("/login/verify", "otp", other.Next()).WantRedirect(t, "/account")

	s.Clock.Advance(30*24*time.Hour - 2*time.Minute)
	again(b, "mina@example.org").WantRedirect(t, "/account")
	s.Clock.Advance(2 * time.Minute)
	again(b, "mina@example.org").WantRedirect(t, "/login/verify")
}

// An application that asks for acr 2, or a page of the account, gets a second step also in a
// session, and from a browser that is trusted.
func TestASessionIsRaisedByTheSecondStep(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	app, _ := careful(t, s)
	b := s.Browser()
	b.BeginLogin("mina@example.org")
	b.Post("/login/verify", "otp", app.Next(), "trust", "yes").WantRedirect(t, "/account")
	b.Get("/login")
	b.Post("/login?confirm=yes", "email", "mina@example.org", "password", peopletest.Password).WantRedirect(t, "/login/verify?confirm=yes")
	b.Post("/login/verify?confirm=yes", "otp", app.Next()).WantRedirect(t, "/account")

	b.Post("/oauth2/logout")
	c := s.Browser()
	c.Jar = b.Jar
	c.Get("/login?confirm=yes")
	c.Post("/login", "email", "mina@example.org", "password", peopletest.Password).WantRedirect(t, "/account") // it is trusted
	weak := c.Session()
	c.Get("/account/security/off").WantRedirect(t, "/login/verify?confirm=yes")
	a := c.Get("/login/verify?confirm=yes")
	if a.Want(t, http.StatusOK, `id="otp"`); strings.Contains(a.Body, `name="trust"`) {
		t.Error("a step-up offers trust")
	}
	c.Post("/login/verify?confirm=yes", "otp", app.Next()).WantRedirect(t, "/account/security/off")
	strong := c.Session()
	if strong.ID != weak.ID || weak.ACR != "1" || strong.ACR != "2" || strings.Join(strong.AMR, " ") != "pwd otp mfa" {
		t.Errorf("from %+v to %+v", weak, strong)
	}
	c.Get("/account/security/off").Want(t, http.StatusOK, "Turn off two-step verification?")
}

// Whoever goes on to an app sees no page of ours that says how many codes are left, unless it
// matters.
func TestFewRecoveryCodesAreSaidOnTheWayToAnApp(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	app, _ := careful(t, s)
	for i, code := range app.Recovery {
		b := s.Browser()
		handle := b.Begin()
		b.Get("/login?interaction=" + handle)
		b.Post("/login?interaction="+handle, "email", "mina@example.org", "password", peopletest.Password).
			WantRedirect(t, "/login/verify?interaction="+handle)
		a := b.Post("/login/verify?interaction="+handle, "recovery", code)
		switch left := 9 - i; left {
		case 0:
			a.Want(t, http.StatusOK, "You have no recovery codes left.", `href="/oauth2/authorize?interaction=`+handle)
		case 1, 2, 3:
			a.Want(t, http.StatusOK, "Make new ones soon", "Bookshop")
		default:
			a.WantRedirect(t, "/oauth2/authorize?interaction="+handle)
		}
	}
}
