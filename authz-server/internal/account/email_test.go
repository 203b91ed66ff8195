package account_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
)

func TestAnAddressIsConfirmedByItsPersonAlone(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	s.Person("mina@example.org")
	s.Person("hana@example.org")
	b, other := s.Browser(), s.Browser()
	b.LogIn("mina@example.org")
	b.Get("/account").Want(t, http.StatusOK, "not confirmed", `href="/account/email"`)
	b.Get("/account/email").Want(t, http.StatusOK, `id="confirm"`, `id="change"`)
	b.Post("/account/email", "confirm", "yes").WantRedirect(t, "/verify")
	letter := s.Mail.Last(t, "mina@example.org")

	// The account can be a stranger's who wants its address confirmed by the owner's click.
	other.Get(letter.Path(t)).WantRedirect(t, "/verify")
	other.Get("/verify").Want(t, http.StatusOK, "log in to your account first", `href="/login"`)
	other.Post("/verify").Want(t, http.StatusUnprocessableEntity)
	other.Get("/login")
	other.Post("/login", "email", "hana@example.org", "password", peopletest.Password).WantRedirect(t, "/verify")
	other.Get(letter.Path(t))
	other.Post("/verify").Want(t, http.StatusUnprocessableEntity)
	if user, _ := s.Store.Users.UserByEmail(t.Context(), "mina@example.org"); user.EmailVerified {
		t.Fatal("somebody else confirmed the address")
	}

	// The person, in another browser, once they have logged in there.
	phone := s.Browser()
	phone.Get(letter.Path(t))
	phone.Get("/verify").Want(t, http.StatusOK, "log in to your account first")
	phone.Get("/login")
	phone.Post("/login", "email", "mina@example.org", "password", peopletest.Password).WantRedirect(t, "/verify")
	phone.Get("/verify").Want(t, http.StatusOK, `id="verify"`)
	phone.Post("/verify").WantRedirect(t, "/account?done=address")
	if user, _ := s.Store.Users.UserByEmail(t.Context(), "mina@example.org"); !user.EmailVerified {
		t.Error("not confirmed")
	}
	phone.Get("/account?done=address").Want(t, http.StatusOK, "Your email address is confirmed", ">confirmed<")
}

func TestAnAddressChangesWhenTheNewOneIsProved(t *testing.T) {
	t.Parallel()
	peopletest.EachWithMail(t, func(t *testing.T, s *peopletest.Site) {
		user := s.Person("mina@example.org")
		if err := s.Store.Users.SetVerified(t.Context(), user.ID); err != nil {
			t.Fatal(err)
		}
		b, elsewhere := s.Browser(), s.Browser()
		elsewhere.LogIn("mina@example.org")
		b.LogIn("mina@example.org")
		forgot := s.Browser()
		forgot.Get("/forgot")
		forgot.Post("/forgot", "email", "mina@example.org")
		reset := s.Mail.Last(t, "mina@example.org")

		b.Post("/account/email", "email", "mina@example.org").Want(t, http.StatusUnprocessableEntity, "already")
		b.Post("/account/email", "email", "new@example.org").WantRedirect(t, "/verify")
		b.Get("/verify").Want(t, http.StatusOK, "new@example.org", `name="code"`, `href="/account/email"`)
		letter := s.Mail.Last(t, "new@example.org")
		if _, err := s.Store.Users.UserByEmail(t.Context(), "new@example.org"); err == nil {
			t.Fatal("changed before it was proved")
		}
		b.Post("/verify", "code", letter.Code).WantRedirect(t, "/account?done=address")
		now, err := s.Store.Users.UserByEmail(t.Context(), "new@example.org")
		if err != nil || now.ID != user.ID || !now.EmailVerified || !b.LoggedIn() || !elsewhere.LoggedIn() {
			t.Errorf("%+v %v", now, err)
		}
		if told, ok := s.Mail.Last(t, "mina@example.org").Letter.(mail.AddressChanged); !ok || told.NewMasked != "n…@example.org" {
			t.Errorf("%+v", s.Mail.Last(t, "mina@example.org"))
		}
		forgot.Get(reset.Path(t))
		forgot.Get("/reset").Want(t, http.StatusGone)
	})
}

func TestAnotherAccountsAddressIsNotTakenAndNotTold(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	s.Person("mina@example.org")
	s.Person("hana@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	b.Post("/account/email", "email", "hana@example.org").WantRedirect(t, "/verify")
	b.Get("/verify").Want(t, http.StatusOK, "hana@example.org", `name="code"`)
	if letters := s.Mail.To("hana@example.org"); len(letters) != 1 || letters[0].Code != "" {
		t.Errorf("%+v", letters)
	}

	// It gets an account between the letter and the click.
	b.Post("/account/email", "email", "late@example.org").WantRedirect(t, "/verify")
	s.Person("late@example.org")
	b.Get(s.Mail.Last(t, "late@example.org").Path(t))
	b.Post("/verify").Want(t, http.StatusConflict, "has an account")
}

func TestChangingTheAddressNeedsARecentProof(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	s.Clock.Advance(11 * time.Minute)
	b.Get("/account/email").WantRedirect(t, "/login?confirm=yes")
	b.Post("/account/email", "email", "new@example.org").WantRedirect(t, "/login?confirm=yes")
	if len(s.Mail.All()) != 0 {
		t.Error("a letter was sent")
	}
	without := peopletest.New(t)
	without.Person("mina@example.org")
	b = without.Browser()
	b.LogIn("mina@example.org")
	b.Get("/account/email").Want(t, http.StatusNotFound, "sends no mail")
}
