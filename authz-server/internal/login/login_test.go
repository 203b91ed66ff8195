package login_test

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestTheLanguageOfASignupIsKept(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	b := s.Browser()
	handle := b.Begin("ui_locales", "fr ko-KR en")
	b.Get("/signup?interaction="+handle).Want(t, http.StatusOK, `<html lang="ko">`, "계정 만들기")
	b.Post("/signup?interaction="+handle, "name", "민아", "email", "mina@example.org", "password", peopletest.Password)
	if user, err := s.Store.Users.UserByEmail(t.Context(), "mina@example.org"); err != nil || user.Locale != "ko" {
		t.Errorf("locale %q, %v", user.Locale, err)
	}
}

// Whoever tries addresses must not learn which have accounts.
func TestAFailedLoginLooksTheSameWhateverTheReason(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("known@example.org")
	disabled := s.Person("gone@example.org")
	if err := s.Store.Users.SetDisabled(t.Context(), disabled.ID, true); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Store.Users.CreateUser(t.Context(), accounts.User{Email: "passkey@example.org"}); err != nil { // it has no password
		t.Fatal(err)
	}
	var answers []peopletest.Answer
	for _, try := range []struct{ email, password string }{
		{"known@example.org", "not the password"}, {"nobody@example.org", "not the password"}, {"gone@example.org", "not the password"},
		{"gone@example.org", peopletest.Password}, {"passkey@example.org", "not the password"},
	} {
		b := s.Browser()
		b.Get("/login")
		a := b.Post("/login", "email", try.email, "password", try.password)
		a.Want(t, http.StatusUnprocessableEntity, "The email address or the password is not right. Check both and try again.", `value="`+try.email+`"`)
		a.Body = strings.ReplaceAll(a.Text(), try.email, "EMAIL")
		for _, name := range []string{"Date", "Content-Length", "Set-Cookie"} {
			a.Header.Del(name)
		}
		answers = append(answers, a)
	}
	for i, a := range answers[1:] {
		if a.Body != answers[0].Body || fmt.Sprint(a.Header) != fmt.Sprint(answers[0].Header) {
			t.Errorf("answer %d differs:\n%s\n%v\n%s\n%v", i+1, a.Body, a.Header, answers[0].Body, answers[0].Header)
		}
	}
}

func TestLoggingInNeedsTheCookieOfThePage(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	for _, form := range []string{"/login", "/signup"} {
		b := s.Browser()
		b.Post(form, "name", "Mina", "email", "mina@example.org", "password", peopletest.Password).
			Want(t, http.StatusUnprocessableEntity, "Allow cookies for this site")
		if b.Cookie("maru-session") != "" {
			t.Error("logged in without having seen the page")
		}
	}
}

func TestPasswordsAreNeverShown(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	b := s.Browser()
	b.Get("/login")
	const secret = "s3cr3t in the page"
	for _, a := range []peopletest.Answer{
		b.Post("/login", "email", "x", "password", secret), b.Post("/login", "email", "x@example.org", "password", secret),
		b.Post("/signup", "name", "", "email", "x", "password", secret),
	} {
		if strings.Contains(a.Body, secret) {
			t.Error(a.Body)
		}
	}
}

func TestALoginRenewsAnOutdatedHash(t *testing.T) {
	t.Parallel()
	imported, err := bcrypt.GenerateFromPassword([]byte(peopletest.Password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		for email, old := range map[string]string{
			"mina@example.org": "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$" + base64.RawStdEncoding.EncodeToString(argon2.IDKey([]byte(peopletest.Password),
				[]byte("saltsalt"), 1, 64, 1, 32)),
			"jun@example.org": string(imported),
		} {
			user, err := s.Store.Users.CreateUser(t.Context(), accounts.User{Email: email, PasswordHash: old})
			if err != nil {
				t.Fatal(err)
			}
			b := s.Browser()
			b.Get("/login")
			b.Post("/login", "email", email, "password", "not the password")
			if user, err = s.Store.Users.User(t.Context(), user.ID); err != nil || user.PasswordHash != old {
				t.Errorf("renewed by a wrong password: %s %v", user.PasswordHash, err)
			}
			s.Browser().LogIn(email)
			if user, err = s.Store.Users.User(t.Context(), user.ID); err != nil ||
				!strings.HasPrefix(user.PasswordHash, "$argon2id$v=19$m=19456,t=2,p=1$") {
				t.Errorf("%s %v", user.PasswordHash, err)
			}
			s.Browser().LogIn(email)
		}
	})
}

func TestAPasswordKnownFromABreachIsRefusedAtSignUp(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	digits := fmt.Sprintf("%X", sha1.Sum([]byte(peopletest.Password)))
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "%s:7\n", digits[5:]) }))
	defer service.Close()
	var err error
	s.People.Passwords.Breaches, err = passwords.NewBreaches(passwords.BreachConfig{URL: service.URL + "/", Log: slog.New(slog.DiscardHandler), Now: s.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	b := s.Browser()
	b.Get("/signup")
	form := []string{"name", "Mina", "email", "mina@example.org", "password", peopletest.Password}
	b.Post("/signup", form...).Want(t, http.StatusUnprocessableEntity, "This password was in a data breach")
	service.Close()
	s.Clock.Advance(2 * time.Hour) // it is not remembered for so long
	b.Post("/signup", form...).Want(t, http.StatusSeeOther)
}
