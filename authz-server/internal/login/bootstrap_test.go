package login_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/signup"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// crown is the path of a link that makes an administrator.
func crown(t *testing.T, s *peopletest.Site, email string) string {
	t.Helper()
	_, secret, err := s.Store.Invitations.CreateInvitation(t.Context(), accounts.Invitation{
		Email: email, Roles: []roles.Role{roles.Admin}, ExpiresAt: s.Clock.Now().Add(24 * time.Hour)})
	storetest.OK(t, err)
	return "/signup?" + url.Values{"invitation": {secret}}.Encode()
}

func isAdministrator(t *testing.T, s *peopletest.Site, email string) bool {
	t.Helper()
	user, err := s.Store.Users.UserByEmail(t.Context(), email)
	storetest.OK(t, err)
	return slices.Contains(user.Roles, roles.Admin)
}

func TestALinkMakesOneAdministratorWhoeverMaySignUp(t *testing.T) {
	t.Parallel()
	for _, cfg := range []signup.Config{
		{}, {Mode: signup.Closed}, {Mode: signup.ByInvitation}, {Mode: signup.OfDomains, Domains: []string{"example.net"}},
	} {
		s := peopletest.With(t, policy(cfg))
		link := crown(t, s, "")
		b := s.Browser()
		b.Get(link).WantRedirect(t, "/signup")
		b.Get("/signup").Want(t, http.StatusOK)
		signUp(b, "/signup", "root@example.org").WantRedirect(t, "/account/security/app")
		if !isAdministrator(t, s, "root@example.org") {
			t.Errorf("%+v: no administrator", cfg)
		}
		other := s.Browser()
		other.Get(link)
		other.Get("/signup").Want(t, http.StatusForbidden, "This invitation has been used")
		signUp(other, "/signup", "other@example.org").Want(t, http.StatusForbidden, "This invitation has been used")
		log, err := audit.New(s.Store).List(t.Context(), auditlog.Filter{Kind: string(audit.RoleGranted), Limit: 10})
		if err != nil || len(log) != 1 || log[0].Target.ID != "admin/admin" || log[0].Actor.Label != "root@example.org" {
			t.Errorf("%+v: %+v %v", cfg, log, err)
		}
	}
}

func TestWhoSignsUpWithoutTheLinkIsNoAdministrator(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	b := s.Browser()
	b.Get("/signup?invitation=" + strings.Repeat("A", 43))
	b.Get("/signup").Want(t, http.StatusOK)
	signUp(b, "/signup", "mina@example.org").WantRedirect(t, "/account")
	if isAdministrator(t, s, "mina@example.org") {
		t.Error("an administrator")
	}
}

func TestTheLinkOfAnAdministratorIsConfirmedByMail(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t, policy(signup.Config{Mode: signup.Closed}))
	b := s.Browser()
	b.Get(crown(t, s, ""))
	b.Get("/signup")
	signUp(b, "/signup", "root@example.org").WantRedirect(t, "/verify")
	b.Post("/verify", "code", s.Mail.Last(t, "root@example.org").Code).WantRedirect(t, "/account/security/app")
	if !isAdministrator(t, s, "root@example.org") || !b.LoggedIn() {
		t.Error("no administrator")
	}
}

// Whoever finds a link that makes administrators is seen by those there are.
func TestAdministratorsAreToldOfAnotherByALink(t *testing.T) {
	t.Parallel()
	peopletest.EachWithMail(t, func(t *testing.T, s *peopletest.Site) {
		root, mina := s.Person("first@example.org"), s.Person("mina@example.org")
		storetest.OK(t, s.Store.Roles.Give(t.Context(), root.ID, roles.Admin))
		storetest.OK(t, s.Store.Users.SetVerified(t.Context(), root.ID))
		told := func() (accounts []string) {
			for _, l := range s.Mail.To(root.Email) {
				if letter, ok := l.Letter.(mail.NewAdministrator); ok {
					accounts = append(accounts, letter.Account)
				}
			}
			return accounts
		}
		b := s.Browser()
		b.Get(crown(t, s, ""))
		b.Get("/signup")
		signUp(b, "/signup", "new@example.org").WantRedirect(t, "/verify")
		if got := told(); len(got) != 0 {
			t.Errorf("before there is an account, told of %v", got)
		}
		b.Post("/verify", "code", s.Mail.Last(t, "new@example.org").Code).WantRedirect(t, "/account/security/app")
		b = s.Browser()
		b.LogIn(mina.Email)
		b.Get(crown(t, s, ""))
		b.Get("/signup")
		b.Post("/account/invitation").WantRedirect(t, "/account/security/app")
		if got := strings.Join(told(), " "); got != "new@example.org mina@example.org" {
			t.Errorf("told of %s", got)
		}
	})
}

func TestSomebodyWhoIsLoggedInTakesTheRoleAfterAFreshProof(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	link := crown(t, s, "")
	b.Get(link).WantRedirect(t, "/signup")
	b.Get("/signup").WantRedirect(t, "/account/invitation")
	b.Get("/account/invitation").Want(t, http.StatusOK, "Take on new roles?", "admin/admin", "mina@example.org")
	s.Clock.Advance(time.Hour)
	b.Get("/account/invitation").WantRedirect(t, "/login?confirm=yes")
	b.Post("/account/invitation").WantRedirect(t, "/login?confirm=yes")
	if isAdministrator(t, s, "mina@example.org") {
		t.Fatal("without a fresh proof")
	}
	b.Post("/login?confirm=yes", "email", "mina@example.org", "password", peopletest.Password).WantRedirect(t, "/account/invitation")
	b.Post("/account/invitation").WantRedirect(t, "/account/security/app")
	if !isAdministrator(t, s, "mina@example.org") {
		t.Fatal("no administrator")
	}
	b.Get(link)
	b.Get("/signup").Want(t, http.StatusForbidden, "This invitation has been used")
	b.Get("/account/invitation").Want(t, http.StatusForbidden)

	// A link for somebody else, one that expired, and one without roles.
	for _, in := range []accounts.Invitation{
		{Email: "other@example.org", Roles: []roles.Role{roles.Moderator}, ExpiresAt: s.Clock.Now().Add(time.Hour)},
		{Roles: []roles.Role{roles.Moderator}, ExpiresAt: s.Clock.Now()},
		{ExpiresAt: s.Clock.Now().Add(time.Hour)},
	} {
		_, secret, err := s.Store.Invitations.CreateInvitation(t.Context(), in)
		storetest.OK(t, err)
		b.Get("/signup?invitation=" + secret)
		b.Get("/account/invitation").Want(t, http.StatusForbidden)
		b.Post("/account/invitation").Want(t, http.StatusForbidden)
	}
	user, err := s.Store.Users.UserByEmail(t.Context(), "mina@example.org")
	if err != nil || len(user.Roles) != 1 {
		t.Error(user.Roles, err)
	}
}

func TestOfManyWhoOpenTheLinkOneBecomesTheAdministrator(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		link := crown(t, s, "")
		var all sync.WaitGroup
		for i := range 6 {
			email := "p" + string(rune('0'+i)) + "@example.org"
			b := s.Browser()
			s.Person(email)
			b.LogIn(email)
			b.Get(link)
			all.Go(func() { b.Post("/account/invitation") })
		}
		all.Wait()
		n := 0
		for i := range 6 {
			if isAdministrator(t, s, "p"+string(rune('0'+i))+"@example.org") {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d administrators", n)
		}
	})
}
