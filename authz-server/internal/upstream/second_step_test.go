package upstream_test

import (
	"slices"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

// debtor is a browser whose person came from the upstream and owes the second step.
func debtor(t *testing.T, s *peopletest.Site) (*maru, accounts.User, *peopletest.Authenticator) {
	t.Helper()
	user := s.Person("mina@example.org")
	m := withMaru(t, s, nil)
	m.link(user, "other", m.up.Issuer, m.up.User.ID)
	m.LogIn("mina@example.org")
	app := m.TurnOn()
	s.Clock.Advance(time.Minute)
	d := &maru{&world{s.Browser(), t, s, m.settings}, m.up, m.at}
	d.through("").WantRedirect(t, "/login/verify")
	return d, user, app
}

func TestALogInAtAnUpstreamIsNotedWithTheSecondStep(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		m, user, app := debtor(t, s)
		m.Post("/login/verify", "otp", app.Next()).WantRedirect(t, "/account")
		if all := m.identities(user); len(all) != 1 || all[0].UsedAt.IsZero() {
			t.Errorf("%+v", all)
		}
	}, calls(t))
}

// Whoever came from the upstream before its log-in was taken from the account has not come in yet.
func TestTheSecondStepLetsNobodyInByALogInThatIsGone(t *testing.T) {
	t.Parallel()
	for what, end := range map[string]func(t *testing.T, m *maru, user accounts.User) error{
		"unlinked": func(t *testing.T, m *maru, user accounts.User) error {
			_, err := m.site.Store.Upstreams.Unlink(t.Context(), user.ID, m.identities(user)[0].ID)
			return err
		},
		"another person's now": func(t *testing.T, m *maru, user accounts.User) error {
			_, err := m.site.Store.Upstreams.Unlink(t.Context(), user.ID, m.identities(user)[0].ID)
			m.link(m.site.Person("theo@example.org"), "other", m.up.Issuer, m.up.User.ID)
			return err
		},
		"the upstream is disabled": func(t *testing.T, m *maru, _ accounts.User) error {
			stored, err := m.site.Store.Upstreams.Upstream(t.Context(), "other")
			if err != nil {
				return err
			}
			stored.Disabled = true
			return m.site.Store.Upstreams.Update(t.Context(), stored)
		},
		"the upstream is another": func(t *testing.T, m *maru, _ accounts.User) error {
			stored, err := m.site.Store.Upstreams.Upstream(t.Context(), "other")
			if err != nil {
				return err
			}
			settings := upstream.Settings{Issuer: "https://another.example", ClientID: "maru", Title: "Other"}
			stored.Issuer, stored.Settings = settings.Issuer, settings.Text()
			return m.site.Store.Upstreams.Update(t.Context(), stored)
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
				m, user, app := debtor(t, s)
				if err := end(t, m, user); err != nil {
					t.Fatal(err)
				}
				m.Post("/login/verify", "otp", app.Next()).WantRedirect(t, "/login/verify")
				if m.LoggedIn() {
					t.Fatal("logged in all the same")
				}
				m.Get("/login/verify").WantRedirect(t, "/login?late=yes")
			}, calls(t))
		})
	}
}

// A passkey that follows a log-in at an upstream makes a session that began there, and ends there.
func TestAPasskeyAfterAnUpstreamKeepsWhereTheSessionBegan(t *testing.T) {
	t.Parallel()
	s := peopletest.NewNamed(t, calls(t))
	m, user, app := debtor(t, s)
	owner, passkey := s.Browser(), s.PasskeyAuthenticator()
	owner.BeginLogin(user.Email)
	owner.Post("/login/verify", "otp", app.Next()).WantRedirect(t, "/account")
	owner.AddPasskey(passkey)
	if to := m.UsePasskey(passkey, "/login/verify", "").Reply(m.Browser).Location; to != "/account" {
		t.Fatalf("leads to %q", to)
	}
	if origin, err := s.Store.Upstreams.Origin(t.Context(), m.SessionID()); err != nil || origin.Session != m.at.SID {
		t.Errorf("%+v %v", origin, err)
	}
	if got := m.Session(); !slices.Contains(got.AMR, "fed") {
		t.Errorf("%+v", got)
	}
}
