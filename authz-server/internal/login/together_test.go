package login_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
)

const mina = "mina@example.org"

const wrong = "not the password"

// useUp has strangers fail at the password of an account until there are too many tries.
func useUp(t *testing.T, s *peopletest.Site, email string) *peopletest.Browser {
	t.Helper()
	b := s.Browser()
	b.Get("/login")
	for range 5 {
		b.Post("/login", "email", email, "password", wrong).Want(t, http.StatusUnprocessableEntity)
	}
	return b
}

// notBoth is what the page says, whatever is wrong.
const notBoth = "The email address, the password or the code is not right, or there were too many tries. Check all three and try again."

func TestWhoHasPasswordAndCodeIsNotLockedOut(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		app, _ := careful(t, s)
		b := useUp(t, s, mina)
		b.Post("/login", "email", mina, "password", peopletest.Password).
			Want(t, http.StatusTooManyRequests, `name="otp"`, `autocomplete="one-time-code"`, "Please try again in 15 minutes.", "you do not have to wait")
		// What strangers guess without either half uses up nothing but their network's tries.
		for range 8 {
			b.Post("/login", "email", mina, "password", wrong, "otp", "000000").Want(t, http.StatusUnprocessableEntity, notBoth, `name="otp"`)
		}
		code := app.Next()
		b.Post("/login", "email", mina, "password", peopletest.Password, "otp", code).WantRedirect(t, "/account")
		if session := b.Session(); strings.Join(session.AMR, " ") != "pwd otp mfa" || session.ACR != "2" {
			t.Errorf("amr %q, acr %q", session.AMR, session.ACR)
		}
		// The code was good once, here too.
		b.Post("/login", "email", mina, "password", peopletest.Password, "otp", code).Want(t, http.StatusUnprocessableEntity, notBoth)
	})
}

// Whoever has one half has five tries at the other, and is not told that they are used up: that
// would tell that the half is right.
func TestOneHalfHasFiveTriesAtTheOther(t *testing.T) {
	t.Parallel()
	for name, half := range map[string]struct{ password, code string }{
		"password": {peopletest.Password, ""},
		"code":     {wrong, "right"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := peopletest.New(t)
			app, _ := careful(t, s)
			b := useUp(t, s, mina)
			code := app.Next()
			for range 5 {
				typed := code
				if half.code == "" {
					typed = app.CodeAt(-time.Hour)
				}
				b.Post("/login", "email", mina, "password", half.password, "otp", typed).Want(t, http.StatusUnprocessableEntity, notBoth)
			}
			both := []string{"email", mina, "password", peopletest.Password, "otp", code}
			b.Post("/login", both...).Want(t, http.StatusUnprocessableEntity, notBoth)
			s.Clock.Advance(16 * time.Minute)
			both[5] = app.Code()
			b.Post("/login", both...).WantRedirect(t, "/account")
		})
	}
}

func TestPasswordAndCodeTellNothingOfTheAccount(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	app, _ := careful(t, s)
	s.Person("plain@example.org") // without a second step
	if _, err := s.Store.Users.CreateUser(t.Context(), accounts.User{Email: "passkey@example.org"}); err != nil {
		t.Fatal(err)
	}
	gone := s.Person("gone@example.org")
	if err := s.Store.Users.SetDisabled(t.Context(), gone.ID, true); err != nil {
		t.Fatal(err)
	}
	var bodies []string
	for _, try := range []struct{ email, password, code string }{
		{mina, peopletest.Password, "123456"}, {mina, wrong, app.CodeAt(30 * time.Second)}, {mina, wrong, "123456"},
		{"plain@example.org", peopletest.Password, "123456"}, {"passkey@example.org", wrong, "123456"},
		{"gone@example.org", peopletest.Password, "123456"}, {"nobody@example.org", wrong, "123456"},
	} {
		b := s.Browser()
		b.Get("/login")
		a := b.Post("/login", "email", try.email, "password", try.password, "otp", try.code)
		a.Want(t, http.StatusUnprocessableEntity, notBoth)
		bodies = append(bodies, strings.ReplaceAll(a.Text(), try.email, "EMAIL"))
	}
	for i, body := range bodies[1:] {
		if body != bodies[0] {
			t.Errorf("answer %d differs:\n%s\n%s", i+1, body, bodies[0])
		}
	}
	b := s.Browser()
	b.Get("/login")
	b.Post("/login", "email", mina, "password", wrong, "otp", "12345").Want(t, http.StatusUnprocessableEntity, `id="otp-problem"`)
	b.Post("/login", "email", mina, "password", peopletest.Password, "otp", "").WantRedirect(t, "/login/verify") // the field may stay empty
}

func TestTheNetworksTriesCountForPasswordAndCodeToo(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	app, _ := careful(t, s)
	b := s.Browser()
	b.Get("/login")
	for range 20 {
		b.Post("/login", "email", mina, "password", wrong, "otp", "123456").Want(t, http.StatusUnprocessableEntity)
	}
	b.Post("/login", "email", mina, "password", peopletest.Password, "otp", app.Next()).Want(t, http.StatusTooManyRequests)
}

func TestPasswordAndCodeLogInOnce(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		app, _ := careful(t, s)
		useUp(t, s, mina)
		code := app.Next()
		var in atomic.Int64
		var wg sync.WaitGroup
		for range 4 {
			b := s.Browser()
			b.Get("/login")
			wg.Go(func() {
				if a := b.Post("/login", "email", mina, "password", peopletest.Password, "otp", code); a.Location == "/account" {
					in.Add(1)
				} else if a.Status != http.StatusUnprocessableEntity {
					t.Errorf("%d %s", a.Status, a.Body)
				}
			})
		}
		wg.Wait()
		if in.Load() != 1 {
			t.Errorf("%d of 4 at once logged in with one code", in.Load())
		}
	})
}

// An operator who forgives an account's tries forgives these too.
func TestWhatIsForgivenIncludesPasswordsBesideACode(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	app, _ := careful(t, s)
	b := useUp(t, s, mina)
	code := app.Next()
	for range 5 {
		b.Post("/login", "email", mina, "password", wrong, "otp", code).Want(t, http.StatusUnprocessableEntity, notBoth)
	}
	user, err := s.Store.Users.UserByEmail(t.Context(), mina)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range throttle.OfAccount(user, nil) {
		if _, err := s.Store.Attempts.ForgetAttempts(t.Context(), one.Name); err != nil {
			t.Fatal(err)
		}
	}
	b.Post("/login", "email", mina, "password", peopletest.Password, "otp", code).WantRedirect(t, "/account")
}
