package recovery_test

import (
	"net/http"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/recovery"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// Whoever reads the mail of an address that nobody has proved may be anybody. The owner of an ordinary
// account gets it back so; an administrator would lose factors and role to them.
func TestAnAddressThatNobodyProvedOpensNoAdministratorsAccount(t *testing.T) {
	t.Parallel()
	peopletest.EachWithMail(t, func(t *testing.T, s *peopletest.Site) {
		user := s.Person(mina)
		at := s.Browser()
		at.LogIn(mina)
		at.TurnOn()
		early, b := s.Browser(), s.Browser()
		forgot(t, early, mina)
		letter := s.Mail.Last(t, mina)
		storetest.OK(t, s.Store.Roles.Give(t.Context(), user.ID, roles.Admin))

		sent := len(s.Mail.To(mina))
		forgot(t, b, mina)
		if letters := s.Mail.To(mina); len(letters) != sent {
			t.Errorf("a letter was sent: %+v", letters[0].Letter)
		}
		follow(t, early, letter)
		early.Post("/reset", "password", phrase).Want(t, http.StatusGone)

		now, err := s.Store.Users.User(t.Context(), user.ID)
		if err != nil || !now.SecondStep || now.EmailVerified || now.PasswordHash != user.PasswordHash {
			t.Errorf("%+v %v", now, err)
		}
		if has, err := s.Store.HasAdministrator(t.Context()); err != nil || !has {
			t.Error("no administrator is left", err)
		}
	})
}

// A person is an administrator by a group, too, and by one that becomes one of administrators after the
// letter was written.
func TestALetterOfBeforeOpensNoAccountOfAnAdministratorByAGroup(t *testing.T) {
	t.Parallel()
	peopletest.EachWithMail(t, func(t *testing.T, s *peopletest.Site) {
		user := s.Person(mina)
		at := s.Browser()
		at.LogIn(mina)
		at.TurnOn()
		group, err := s.Store.Roles.CreateGroup(t.Context(), roles.Group{Name: "staff"})
		storetest.OK(t, err)
		storetest.OK(t, s.Store.Roles.AddMember(t.Context(), group.ID, user.ID))
		b := s.Browser()
		forgot(t, b, mina)
		storetest.OK(t, s.Store.Roles.GiveGroup(t.Context(), group.ID, roles.Admin))
		follow(t, b, s.Mail.Last(t, mina))
		b.Post("/reset", "password", phrase).Want(t, http.StatusGone)
		if now, err := s.Store.Users.User(t.Context(), user.ID); err != nil || !now.SecondStep || now.PasswordHash != user.PasswordHash {
			t.Errorf("%+v %v", now, err)
		}
	})
}

// An operator who has a letter sent decides where it goes: it gives a new password, and takes no
// factor away.
func TestAnOperatorsLetterLeavesAnAdministratorsFactors(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	user := s.Person(mina)
	at := s.Browser()
	at.LogIn(mina)
	at.TurnOn()
	storetest.OK(t, s.Store.Roles.Give(t.Context(), user.ID, roles.Admin))
	user, err := s.Store.Users.User(t.Context(), user.ID)
	storetest.OK(t, err)
	here, err := issuer.Parse(s.Server.URL)
	storetest.OK(t, err)
	storetest.OK(t, recovery.SendReset(t.Context(), s.Store, s.Mail, here, user))
	b := s.Browser()
	follow(t, b, s.Mail.Last(t, mina))
	b.Post("/reset", "password", phrase).WantRedirect(t, "/login")
	if user, err = s.Store.Users.User(t.Context(), user.ID); err != nil || !user.SecondStep || user.EmailVerified {
		t.Errorf("%+v %v", user, err)
	}
}
