package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/people"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/signup"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// policy lets a site have a policy.
func policy(cfg signup.Config) func(*people.Config) {
	return func(c *people.Config) { c.Signup = cfg }
}

// signUp posts the form, with more fields.
func signUp(b *peopletest.Browser, path, email string, more ...string) peopletest.Answer {
	return b.Post(path, append([]string{"name", "Mina", "email", email, "password", peopletest.Password}, more...)...)
}

func TestAClosedSignupSaysSoAndLeadsToTheLogin(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, policy(signup.Config{Mode: signup.Closed}))
	b := s.Browser()
	if a := b.Get("/login"); strings.Contains(a.Body, "/signup") {
		t.Errorf("the log-in offers it:\n%s", a.Body)
	}
	handle := b.Begin()
	path := "/signup?interaction=" + handle
	b.Get(path).Want(t, http.StatusForbidden, "Sign-up is closed", `href="/login?interaction=`+handle+`"`, "Bookshop")
	signUp(b, path, "mina@example.org").Want(t, http.StatusForbidden, "Sign-up is closed")
	if _, err := s.Store.Users.UserByEmail(t.Context(), "mina@example.org"); err == nil {
		t.Error("an account was made")
	}
}

func TestSignupOfDomainsExplainsWhichAtTheAddress(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, policy(signup.Config{Mode: signup.OfDomains, Domains: []string{"Bücher.example", ".example.org"}}))
	b := s.Browser()
	b.Get("/signup").Want(t, http.StatusOK, "Use an address at bücher.example, *.example.org.", `aria-describedby="email-hint"`)
	for _, email := range []string{"mina@example.org", "mina@evilexample.org", "mina@sub.bücher.example", "mina@example.org.evil.example"} {
		signUp(b, "/signup", email).Want(t, http.StatusUnprocessableEntity, "You cannot sign up with an address at this domain.",
			`aria-describedby="email-problem email-hint"`)
	}
	for _, email := range []string{"mina@xn--bcher-kva.example", "mina@a.b.EXAMPLE.org"} {
		b := s.Browser()
		b.Get("/signup")
		signUp(b, "/signup", email).WantRedirect(t, "/account")
	}
}

func TestAnInvitationLeavesTheAddressAndMakesOneAccount(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		in, secret, err := s.Store.Invitations.CreateInvitation(t.Context(), accounts.Invitation{
			Email: "Mina@example.org", Mailed: true, ExpiresAt: s.Clock.Now().Add(time.Hour)})
		storetest.OK(t, err)
		b := s.Browser()
		if a := b.Get("/signup"); a.Status != http.StatusForbidden || !strings.Contains(a.Body, "Sign-up is by invitation") {
			t.Errorf("without an invitation: %d\n%s", a.Status, a.Body)
		}
		if a := b.Get("/login"); strings.Contains(a.Body, "/signup") {
			t.Error("the log-in offers it to everybody")
		}
		handle := b.Begin()
		a := b.Get("/signup?" + url.Values{"interaction": {handle}, "invitation": {secret}}.Encode())
		a.WantRedirect(t, "/signup?interaction="+handle)
		if a.Header.Get("Referrer-Policy") != "same-origin" || a.Header.Get("Cache-Control") != "no-store" || strings.Contains(a.Body, secret) {
			t.Errorf("the redirect: %v\n%s", a.Header, a.Body)
		}
		// Looking at it any number of times spends nothing: scanners do.
		for range 3 {
			a = b.Get("/signup?interaction=" + handle)
			a.Want(t, http.StatusOK, `value="Mina@example.org"`, "You are invited as Mina@example.org.")
		}
		if strings.Contains(a.Body, secret) {
			t.Error("the page has the secret")
		}
		b.Get("/login?interaction="+handle).Want(t, http.StatusOK, `href="/signup?interaction=`+handle+`"`)
		signUp(b, "/signup?interaction="+handle, "other@example.org").
			Want(t, http.StatusUnprocessableEntity, "The invitation is for another address.")
		signUp(b, "/signup?interaction="+handle, "mina@example.org").WantRedirect(t, "/oauth2/authorize?interaction="+handle)
		user, err := s.Store.Users.UserByEmail(t.Context(), "mina@example.org")
		if err != nil || !user.EmailVerified {
			t.Errorf("%+v %v", user, err)
		}
		got, err := s.Store.Invitations.Invitation(t.Context(), secret)
		if err != nil || got.UsedBy != user.ID || got.ID != in.ID {
			t.Errorf("%+v %v", got, err)
		}
		if b.Cookie("maru-invitation") != "" {
			t.Error("the browser still has the invitation")
		}
		other := s.Browser()
		other.Get("/signup?invitation=" + secret)
		other.Get("/signup").Want(t, http.StatusForbidden, "This invitation has been used")
	}, policy(signup.Config{Mode: signup.ByInvitation}))
}

// A link that the operator passed on by other means proves nothing about the address.
func TestAnInvitationThatWasNotMailedProvesNoAddress(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, policy(signup.Config{Mode: signup.ByInvitation}))
	for email, in := range map[string]accounts.Invitation{"bound@example.org": {Email: "bound@example.org"}, "free@example.org": {Mailed: true}} {
		in.ExpiresAt = s.Clock.Now().Add(time.Hour)
		_, secret, err := s.Store.Invitations.CreateInvitation(t.Context(), in)
		storetest.OK(t, err)
		b := s.Browser()
		b.Get("/signup?invitation=" + secret)
		b.Get("/signup")
		signUp(b, "/signup", email).WantRedirect(t, "/account")
		if user, err := s.Store.Users.UserByEmail(t.Context(), email); err != nil || user.EmailVerified {
			t.Errorf("%+v %v", user, err)
		}
	}
}

func TestAWrongOrExpiredInvitationIsExplained(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, policy(signup.Config{Mode: signup.ByInvitation}))
	_, secret, err := s.Store.Invitations.CreateInvitation(t.Context(), accounts.Invitation{ExpiresAt: s.Clock.Now().Add(time.Hour)})
	storetest.OK(t, err)
	b := s.Browser()
	b.Get("/signup?invitation="+secret[:20]).WantRedirect(t, "/signup?invitation=")
	b.Get("/signup?invitation=").Want(t, http.StatusForbidden, "This invitation is not valid")
	b.Get("/signup?invitation="+opaque.New()).WantRedirect(t, "/signup")
	b.Get("/signup").Want(t, http.StatusForbidden, "This invitation is not valid")
	b.Get("/signup?invitation=" + secret)
	b.Get("/signup").Want(t, http.StatusOK)
	s.Clock.Advance(time.Hour)
	b.Get("/signup").Want(t, http.StatusForbidden, "This invitation has expired")
	signUp(b, "/signup", "mina@example.org").Want(t, http.StatusForbidden, "This invitation has expired")
}

// What is refused for another reason does not use the invitation up.
func TestARefusedFormLosesNoInvitation(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, policy(signup.Config{Mode: signup.ByInvitation}))
	s.Person("taken@example.org")
	_, secret, err := s.Store.Invitations.CreateInvitation(t.Context(), accounts.Invitation{ExpiresAt: s.Clock.Now().Add(time.Hour)})
	storetest.OK(t, err)
	b := s.Browser()
	b.Get("/signup?invitation=" + secret)
	b.Get("/signup")
	signUp(b, "/signup", "taken@example.org").Want(t, http.StatusUnprocessableEntity)
	b.Post("/signup", "name", "Mina", "email", "mina@example.org", "password", "short").Want(t, http.StatusUnprocessableEntity)
	signUp(b, "/signup", "mina@example.org").WantRedirect(t, "/account")
	signUp(b, "/signup", "mina@example.org") // the cookie is gone
	if users, err := s.Store.Users.ListUsers(t.Context(), "", 9); err != nil || len(users) != 2 {
		t.Error(users, err)
	}
}

func TestASecondClickFindsTheInvitationUsedAndThePersonLoggedIn(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, policy(signup.Config{Mode: signup.ByInvitation}))
	_, secret, err := s.Store.Invitations.CreateInvitation(t.Context(), accounts.Invitation{ExpiresAt: s.Clock.Now().Add(time.Hour)})
	storetest.OK(t, err)
	b := s.Browser()
	b.Get("/signup?invitation=" + secret)
	b.Get("/signup")
	signUp(b, "/signup", "mina@example.org").WantRedirect(t, "/account")
	b.Get("/signup?invitation=" + secret) // which the second click still has
	signUp(b, "/signup", "mina@example.org").WantRedirect(t, "/account")
	b.Get("/signup?invitation=" + secret)
	signUp(b, "/signup", "other@example.org").Want(t, http.StatusForbidden, "This invitation has been used")
}

// Of many browsers with the same link, one makes an account.
func TestManyBrowsersWithOneInvitationMakeOneAccount(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		_, secret, err := s.Store.Invitations.CreateInvitation(t.Context(), accounts.Invitation{ExpiresAt: s.Clock.Now().Add(time.Hour)})
		storetest.OK(t, err)
		var wg sync.WaitGroup
		for _, name := range []string{"a", "b", "c", "d"} {
			b := s.Browser()
			b.Get("/signup?invitation=" + secret)
			b.Get("/signup")
			wg.Go(func() { signUp(b, "/signup", name+"@example.org") })
		}
		wg.Wait()
		if users, err := s.Store.Users.ListUsers(t.Context(), "", 9); err != nil || len(users) != 1 {
			t.Errorf("%d accounts, %v", len(users), err)
		}
	}, policy(signup.Config{Mode: signup.ByInvitation}))
}

func TestGuessesOfInvitationsAreLimitedByNetwork(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, policy(signup.Config{Mode: signup.ByInvitation}), func(c *people.Config) { c.Limits.Address = 3 })
	b := s.Browser()
	for range 3 {
		b.Get("/signup?invitation=" + opaque.New())
		b.Get("/signup").Want(t, http.StatusForbidden)
	}
	_, secret, err := s.Store.Invitations.CreateInvitation(t.Context(), accounts.Invitation{ExpiresAt: s.Clock.Now().Add(time.Hour)})
	storetest.OK(t, err)
	b.Get("/signup?invitation=" + secret)
	b.Get("/signup").Want(t, http.StatusTooManyRequests, "Too many tries")
	s.Clock.Advance(15 * time.Minute)
	b.Get("/signup").Want(t, http.StatusOK)
}

var terms = signup.Terms{URL: "https://maker.example/terms", Privacy: "https://maker.example/privacy", Version: "2026-05"}

func TestSigningUpNeedsAndRecordsAgreementToTheTermsThatWereShown(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, policy(signup.Config{Terms: terms}))
	b := s.Browser()
	a := b.Get("/signup")
	a.Want(t, http.StatusOK, `name="terms" value="2026-05"`, `href="https://maker.example/terms"`, `href="https://maker.example/privacy"`)
	if strings.Contains(a.Body, " checked") {
		t.Error("the box is ticked")
	}
	for _, version := range []string{"", "2026-04"} {
		signUp(b, "/signup", "mina@example.org", "terms", version).
			Want(t, http.StatusUnprocessableEntity, `aria-describedby="terms-problem"`, "agree to the terms of service")
	}
	signUp(b, "/signup", "mina@example.org", "terms", "2026-05").WantRedirect(t, "/agree")
	b.Get("/agree").WantRedirect(t, "/account") // they did
	user, err := s.Store.Users.UserByEmail(t.Context(), "mina@example.org")
	storetest.OK(t, err)
	if agreed, err := s.Store.Agreements.Agreed(t.Context(), user.ID, "2026-05"); err != nil || !agreed {
		t.Error(agreed, err)
	}
}

func TestAPrivacyPolicyAloneNeedsNoAgreement(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, policy(signup.Config{Terms: signup.Terms{Privacy: "https://maker.example/privacy"}}))
	b := s.Browser()
	a := b.Get("/signup")
	a.Want(t, http.StatusOK, `href="https://maker.example/privacy"`)
	if strings.Contains(a.Body, "checkbox") {
		t.Error("there is a box to tick")
	}
	signUp(b, "/signup", "mina@example.org").WantRedirect(t, "/account")
}

func TestSomebodyWhoHasNotAgreedIsAskedAtTheirNextLogin(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, policy(signup.Config{Terms: terms}))
	user := s.Person("mina@example.org")
	b := s.Browser()
	b.Get("/agree").WantRedirect(t, "/account") // nobody is logged in
	b.Get("/account/apps")
	b.Get("/login")
	b.Post("/login", "email", "mina@example.org", "password", peopletest.Password).WantRedirect(t, "/agree")
	b.Get("/agree").Want(t, http.StatusOK, `id="agree"`, `name="terms" value="2026-05"`, "mina@example.org")
	b.Post("/agree", "terms", "2026-04").WantRedirect(t, "/agree") // the page was made before they changed
	if agreed, err := s.Store.Agreements.Agreed(t.Context(), user.ID, "2026-05"); err != nil || agreed {
		t.Error(agreed, err)
	}
	b.Post("/agree", "terms", "2026-05").WantRedirect(t, "/account/apps")
	b.Get("/login").WantRedirect(t, "/agree")
	b.Get("/agree").WantRedirect(t, "/account")
}
