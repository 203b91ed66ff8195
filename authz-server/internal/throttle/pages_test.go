package throttle_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestGuessesAreSlowedDown(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	owner := s.Browser()
	owner.LogIn("mina@example.org")
	for _, email := range []string{"mina@example.org", "nobody@example.org"} {
		b := s.Browser()
		b.Get("/login")
		for range 5 {
			b.Post("/login", "email", email, "password", "a wrong one").Want(t, http.StatusUnprocessableEntity)
			s.Clock.Advance(time.Second)
		}
		a := b.Post("/login", "email", strings.ToUpper(email), "password", peopletest.Password)
		a.Want(t, http.StatusTooManyRequests, "Please try again in 15 minutes.", `value="`)
		if a.Header.Get("Retry-After") != "895" {
			t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
		}
	}
	if !owner.LoggedIn() {
		t.Error("guesses ended the owner's session")
	}
	owner.Post("/account/password", "password", peopletest.Password, "new_password", "another set of wooden words").
		WantRedirect(t, "/account/sessions?done=password")
	s.Clock.Advance(15 * time.Minute)
	b := s.Browser()
	b.Get("/login")
	b.Post("/login", "email", "mina@example.org", "password", "another set of wooden words").WantRedirect(t, "/account")
}

// guess types a wrong password n times.
func guess(t *testing.T, b *peopletest.Browser, email string, n int) {
	t.Helper()
	for range n {
		b.Post("/login", "email", email, "password", "a wrong one").Want(t, http.StatusUnprocessableEntity)
	}
}

// The owner's browser has logged in before.
func TestStrangersGuessesDoNotLockTheOwnerOutAtHome(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		const email = "mina@example.org"
		s.Person(email)
		s.Person("eve@example.org")
		home := s.Browser()
		home.LogIn(email)
		s.Clock.Advance(30 * 24 * time.Hour) // the session is over, and the browser is known
		if home.LoggedIn() {
			t.Fatal("still logged in")
		}
		stranger := s.Browser()
		stranger.LogIn("eve@example.org") // her browser is known, too, for another account
		guess(t, stranger, email, 5)
		stranger.Post("/login", "email", email, "password", peopletest.Password).Want(t, http.StatusTooManyRequests)
		second := s.Browser() // such as the owner's second device
		second.Get("/login")
		second.Post("/login", "email", email, "password", peopletest.Password).Want(t, http.StatusTooManyRequests)

		home.Get("/login")
		guess(t, home, email, 4)
		home.Post("/login", "email", email, "password", peopletest.Password).WantRedirect(t, "/account")
		// That success forgets what failed at home, and nothing of what strangers failed.
		second.Post("/login", "email", email, "password", peopletest.Password).Want(t, http.StatusTooManyRequests)
		guess(t, home, email, 5)
		home.Post("/login", "email", email, "password", peopletest.Password).Want(t, http.StatusTooManyRequests, "Please try again in 15 minutes.")
	})
}

// A cookie that is none of ours, or of another person, is worth nothing; and it takes no more or
// less to look for it.
func TestAnInventedDeviceHasNoTriesOfItsOwn(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.Get("/login")
	guess(t, b, "mina@example.org", 5)
	for _, device := range []string{opaque.New(), opaque.New(), "", "x", strings.Repeat("A", 43)} {
		r := b.FormRequest("/login", url.Values{"email": {"mina@example.org"}, "password": {peopletest.Password}}.Encode())
		r.AddCookie(&http.Cookie{Name: "maru-device", Value: device})
		b.Do(r).Want(t, http.StatusTooManyRequests)
	}
}

// Somebody who knows the secret of another person's browser, and logs in there as themselves, gives
// the browser another secret, and not more tries.
func TestTheCountOfABrowserFollowsItsSecret(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	s.Person("theo@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	u, err := url.Parse(s.Server.URL)
	if err != nil {
		t.Fatal(err)
	}
	leave := func() { b.Jar.SetCookies(u, []*http.Cookie{{Name: "maru-session", MaxAge: -1, Path: "/"}}) }
	leave()
	guess(t, b, "mina@example.org", 5)
	before := b.Cookie("maru-device")
	b.LogIn("theo@example.org")
	leave()
	if b.Cookie("maru-device") == before {
		t.Error("the secret stays")
	}
	b.Post("/login", "email", "mina@example.org", "password", "another").Want(t, http.StatusTooManyRequests)
}

func TestParallelGuessesInAKnownBrowserCannotExceedTheLimit(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		s.Person("mina@example.org")
		b := s.Browser()
		b.LogIn("mina@example.org")
		var checked atomic.Int64
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() {
				if a := b.Post("/login", "email", "mina@example.org", "password", fmt.Sprint("guess number ", i)); a.Status == http.StatusUnprocessableEntity {
					checked.Add(1)
				}
			})
		}
		wg.Wait()
		if checked.Load() > 5 {
			t.Errorf("%d passwords were checked", checked.Load())
		}
	})
}

// A guess is cheap to make. Looking for log-outs to tell clients of is not, and nothing has ended.
func TestATryDoesNotHaveLogoutsLookedFor(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.Get("/login")
	b.Post("/login", "email", "mina@example.org", "password", "a wrong one").Want(t, http.StatusUnprocessableEntity)
	b.Post("/login", "email", "mina@example.org", "password", peopletest.Password).WantRedirect(t, "/account")
	select {
	case <-s.Store.Outbox.Due(outbox.KindLogout):
		t.Error("a try to log in made the server look for log-outs")
	default:
	}
}

// Were the right password of a disabled account not counted, the missing limit would tell that
// there is one.
func TestADisabledAccountIsSlowedDownLikeAnyOther(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	user := s.Person("mina@example.org")
	if err := s.Store.Users.SetDisabled(t.Context(), user.ID, true); err != nil {
		t.Fatal(err)
	}
	b := s.Browser()
	b.Get("/login")
	for range 5 {
		b.Post("/login", "email", "mina@example.org", "password", peopletest.Password).Want(t, http.StatusUnprocessableEntity)
	}
	b.Post("/login", "email", "mina@example.org", "password", peopletest.Password).Want(t, http.StatusTooManyRequests)
}

func TestARefusedTryCountsForNothing(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.Get("/login")
	for range 40 {
		b.Post("/login", "email", "nobody@example.org", "password", "a wrong one")
	}
	b.Post("/login", "email", "mina@example.org", "password", peopletest.Password).WantRedirect(t, "/account")
}

func TestSuccessForgetsTheFailuresOfTheAccountButNotOfTheAddress(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.Get("/login")
	for range 5 {
		for range 4 {
			b.Post("/login", "email", "mina@example.org", "password", "a wrong one").Want(t, http.StatusUnprocessableEntity)
		}
		b.Post("/login", "email", "mina@example.org", "password", peopletest.Password)
	}
	// Twenty failures came from here.
	b.Post("/login", "email", "mina@example.org", "password", peopletest.Password).Want(t, http.StatusTooManyRequests)
}

func TestParallelGuessesCannotExceedTheLimit(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		s.Person("mina@example.org")
		b := s.Browser()
		b.Get("/login")
		var mu sync.Mutex
		statuses := make(map[int]int)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				a := b.Post("/login", "email", "mina@example.org", "password", fmt.Sprint("guess number ", i))
				mu.Lock()
				defer mu.Unlock()
				statuses[a.Status]++
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
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.Get("/signup")
	b.Post("/signup", "name", "Mina", "email", "MINA@example.org", "password", "the hash is made also for nothing").
		Want(t, http.StatusUnprocessableEntity, "cannot be used to sign up", `aria-describedby="email-problem"`, `value="Mina"`)
	for range 49 {
		if err := s.Store.Quotas.TakeQuotas(t.Context(), limits.Quota{Subject: "signup 127.0.0.1", Limit: 50,
			Window: 15 * time.Minute}); err != nil {
			t.Fatal(err)
		}
	}
	// From here on it costs nothing: it does not even wait for the others who sign up.
	defer peopletest.Occupy(&s.People.Passwords.SignUp)()
	a := b.Post("/signup", "name", "Mina", "email", "new@example.org", "password", peopletest.Password)
	a.Want(t, http.StatusTooManyRequests, "Please try again in 15 minutes.")
	if a.Header.Get("Retry-After") != "900" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
}

func TestWhenTooManyPasswordsAreCheckedOthersAreToldToComeAgain(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b, owner := s.Browser(), s.Browser()
	owner.LogIn("mina@example.org")
	b.Get("/login")
	leave := peopletest.Occupy(&s.People.Passwords.LogIn)
	for range 25 { // more than there are tries: none of these counts
		a := b.Post("/login", "email", "mina@example.org", "password", "a wrong one")
		a.Want(t, http.StatusServiceUnavailable, "try again in a few seconds", `value="mina@example.org"`)
		if a.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	leave()
	leave = peopletest.Occupy(&s.People.Passwords.SignUp)
	b.Post("/signup", "name", "Hana", "email", "hana@example.org", "password", peopletest.Password).
		Want(t, http.StatusServiceUnavailable, `value="hana@example.org"`)
	leave()
	leave = peopletest.Occupy(&s.People.Passwords.Change)
	owner.Post("/account/password", "password", peopletest.Password, "new_password", "another set of wooden words").
		Want(t, http.StatusServiceUnavailable)
	leave()
	b.Post("/login", "email", "mina@example.org", "password", peopletest.Password).WantRedirect(t, "/account")
}

func TestTheWorkOfOnePageDoesNotWaitForThatOfAnother(t *testing.T) {
	t.Parallel()
	for _, flooded := range []string{"log-in", "sign-up", "change of a password"} {
		t.Run(flooded, func(t *testing.T) {
			s := peopletest.New(t)
			s.Person("mina@example.org")
			owner := s.Browser()
			owner.LogIn("mina@example.org")
			queues := s.People.Passwords
			defer peopletest.Occupy(map[string]**throttle.Queue{
				"log-in": &queues.LogIn, "sign-up": &queues.SignUp, "change of a password": &queues.Change,
			}[flooded])()
			b := s.Browser()
			b.Get("/login")
			if flooded != "log-in" {
				b.Post("/login", "email", "mina@example.org", "password", peopletest.Password).WantRedirect(t, "/account")
			}
			if flooded != "sign-up" {
				b.Post("/signup", "name", "Hana", "email", "hana@example.org", "password", peopletest.Password).WantRedirect(t, "/account")
			}
			if flooded != "change of a password" {
				owner.Post("/account/password", "password", peopletest.Password, "new_password", "another set of wooden words").
					WantRedirect(t, "/account/sessions?done=password")
			}
		})
	}
}

// A flood of what anybody can ask for waits behind itself: neither a log-in from the same address,
// nor anything from another.
func TestAFloodFromOneAddressKeepsNobodyFromLoggingIn(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.Get("/login")
	leave := s.OccupyTurns("127.0.0.1")
	b.Post("/login", "email", "mina@example.org", "password", peopletest.Password).WantRedirect(t, "/account")
	waits := make(chan peopletest.Answer, 1)
	go func() { waits <- b.Get("/account") }()
	r := httptest.NewRequest(http.MethodGet, "/signup", nil)
	r.RemoteAddr = "198.51.100.1:443"
	w := httptest.NewRecorder()
	s.Router.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("another address got %d", w.Code)
	}
	select {
	case a := <-waits:
		t.Errorf("it did not wait for its turn: %d", a.Status)
	default:
	}
	leave()
	if a := <-waits; a.Status != http.StatusOK {
		t.Errorf("its turn came, and it got %d", a.Status)
	}
}

func TestWhatIsObviouslyWrongWithAPasswordCostsAndCountsNothing(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b, owner := s.Browser(), s.Browser()
	owner.LogIn("mina@example.org")
	b.Get("/signup")
	leaveSignUp, leaveChange := peopletest.Occupy(&s.People.Passwords.SignUp), peopletest.Occupy(&s.People.Passwords.Change)
	for range 51 {
		b.Post("/signup", "name", "Hana", "email", "hana@example.org", "password", strings.Repeat("x", 12<<10)).
			Want(t, http.StatusUnprocessableEntity, "at most 128")
	}
	owner.Post("/account/password", "password", peopletest.Password, "new_password", "short").Want(t, http.StatusUnprocessableEntity)
	leaveChange()
	leaveSignUp()
	b.Post("/signup", "name", "Hana", "email", "hana@example.org", "password", peopletest.Password).WantRedirect(t, "/account")
}

// The estimate of a new password is work that somebody who is logged in can ask for.
func TestNewPasswordsOfOnePersonAreCounted(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	user := s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	for range 50 {
		if err := s.Store.Quotas.TakeQuotas(t.Context(), limits.Quota{Subject: "new-password " + user.ID, Limit: 50,
			Window: 15 * time.Minute}); err != nil {
			t.Fatal(err)
		}
	}
	defer peopletest.Occupy(&s.People.Passwords.Change)()
	a := b.Post("/account/password", "password", peopletest.Password, "new_password", "another set of wooden words")
	a.Want(t, http.StatusTooManyRequests)
	if a.Header.Get("Retry-After") != "900" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
}

// A place that somebody else's password is being checked in is no failure: it is free in a moment.
func TestManyRightLoginsAtOnceFromOneAddressAllSucceed(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		const people = 60
		var wg sync.WaitGroup
		for i := range people {
			email := fmt.Sprintf("person%d@example.org", i)
			s.Person(email)
			wg.Go(func() {
				b := s.Browser()
				patiently := func(ask func() peopletest.Answer) peopletest.Answer {
					for {
						a := ask()
						seconds, err := strconv.Atoi(a.Header.Get("Retry-After"))
						if a.Status != http.StatusServiceUnavailable || err != nil || seconds > 5 { // else a slow machine
							return a
						}
					}
				}
				patiently(func() peopletest.Answer { return b.Get("/login") }).Want(t, http.StatusOK)
				patiently(func() peopletest.Answer {
					return b.Post("/login", "email", email, "password", peopletest.Password)
				}).Want(t, http.StatusSeeOther)
			})
		}
		wg.Wait()
	})
}

func TestAWideIPv6NetworkHasABoundOfItsOwn(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	at := func(address string) int {
		form := url.Values{"email": {"nobody@example.org"}, "password": {"a wrong one"}}
		r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(&http.Cookie{Name: "maru-browser", Value: opaque.New()})
		r.RemoteAddr = "[" + address + "]:443"
		w := httptest.NewRecorder()
		s.Router.ServeHTTP(w, r)
		return w.Code
	}
	for i := range 200 { // those of the whole /48, each from a /64 of its own
		attempt, _, ok, err := s.Store.Attempts.ReserveAttempt(t.Context(), "address 2001:db8:7::/48", 200, 15*time.Minute)
		if err == nil {
			err = s.Store.Attempts.FailAttempt(t.Context(), attempt)
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
