package upstream_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/people"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/signup"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

const theirs = "minji@example.com" // the address of the upstream's person

// Somebody who has no account here comes from another Maru, makes one, and is logged in by it from
// then on. Their address needs no second proof.
func TestANewPersonComesFromAnotherMaru(t *testing.T) {
	t.Parallel()
	peopletest.EachWithMail(t, func(t *testing.T, s *peopletest.Site) {
		m := withMaru(t, s, nil)
		m.Get("/login").Want(t, http.StatusOK, `action="/login/upstream/other"`, "Continue with Other")
		to := m.start("other", "")
		if q := to.Query(); q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" || len(q.Get("state")) != 43 ||
			q.Get("redirect_uri") != s.Server.URL+"/login/upstream/other/callback" || q.Has("prompt") {
			t.Errorf("asked for %v", q)
		}
		m.answered(to).WantRedirect(t, "/login/upstream")
		m.Get("/login/upstream").Want(t, http.StatusOK, theirs, `value="김민지"`, "Confirmed already", `id="signup"`, `id="login"`)
		m.Post("/login/upstream", "do", "signup", "name", "민지", "email", theirs).WantRedirect(t, "/account")
		user := m.user(theirs)
		if !user.EmailVerified || user.Name != "민지" || user.PasswordHash != "" || !slices.Equal(m.Session().AMR, []string{"fed"}) ||
			m.Session().ACR != "1" {
			t.Errorf("%+v, %+v", user, m.Session())
		}
		if letters := s.Mail.All(); slices.ContainsFunc(letters, func(l peopletest.Letter) bool { return l.Code != "" }) {
			t.Errorf("an address that is proved is to be confirmed: %+v", letters)
		}
		m.Get("/account/security").Want(t, http.StatusOK, "Other: "+theirs, "not used yet", "Signed up")

		other := &maru{&world{s.Browser(), t, s, m.settings}, m.up, m.at}
		other.through("").WantRedirect(t, "/account")
		if !other.LoggedIn() || other.Session().UserID != user.ID {
			t.Error("the second log-in is somebody else's")
		}
		if all := m.identities(user); len(all) != 1 || all[0].UsedAt.IsZero() || all[0].Issuer != m.up.Issuer || all[0].Subject != m.up.User.ID {
			t.Errorf("%+v", all)
		}
		// Nothing is kept of those who come and go.
		if n := s.Store.Upstreams; n != nil {
			if _, err := n.Arrival(t.Context(), m.Cookie("maru-browser")); err == nil {
				t.Error("the arrival is still there")
			}
		}
	}, calls(t))
}

// The second log-in of somebody who has an account here with the same, proved address is not that
// account's: its person has to prove that it is theirs.
func TestAnAccountIsLinkedOnceBothSidesAreProved(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		user := s.Person(theirs)
		m := withMaru(t, s, nil)
		m.through("").WantRedirect(t, "/login/upstream")
		if m.LoggedIn() {
			t.Fatal("an address alone logs in")
		}
		page := m.Get("/login/upstream")
		page.Want(t, http.StatusOK, theirs+" has an account", `id="login"`)
		if strings.Contains(page.Body, `id="signup"`) {
			t.Error("a second account is offered")
		}
		m.Post("/login/upstream", "do", "signup", "name", "M", "email", theirs).Want(t, http.StatusForbidden, "has an account")
		// Without proof of the account there is nothing to link to.
		m.Post("/login/upstream", "do", "link").WantRedirect(t, "/login")
		m.Post("/login/upstream", "do", "login").WantRedirect(t, "/login")
		m.Post("/login", "email", theirs, "password", peopletest.Password).WantRedirect(t, "/login/upstream")
		m.Get("/login/upstream").Want(t, http.StatusOK, "Log in with Other from now on?", theirs, `id="link"`)
		if len(m.identities(user)) != 0 {
			t.Fatal("linked without a question")
		}
		m.Post("/login/upstream", "do", "link", "session", m.SessionID()).WantRedirect(t, "/account")
		if all := m.identities(user); len(all) != 1 || all[0].Subject != m.up.User.ID {
			t.Errorf("%+v", all)
		}
		m.Get("/account/security").Want(t, http.StatusOK, "Log-in with another account added: other: "+theirs)
		if a := m.Get("/login"); a.Location == "/login/upstream" {
			t.Error("the question comes again")
		}
		other := &maru{&world{s.Browser(), t, s, m.settings}, m.up, m.at}
		other.through("").WantRedirect(t, "/account")
	}, calls(t))
}

// Who was logged in before has not proved that the account is theirs: somebody else may sit there.
func TestAnOldSessionIsNoProofForLinking(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, calls(t))
	user := s.Person("mina@example.org")
	m := withMaru(t, s, nil)
	m.LogIn("mina@example.org")
	s.Clock.Advance(time.Minute)
	handle := m.Begin()
	m.through("?interaction="+handle).WantRedirect(t, "/login/upstream")
	m.Post("/login/upstream", "do", "login").WantRedirect(t, "/login?confirm=yes")
	m.Get("/login/upstream").WantRedirect(t, "/login?confirm=yes")
	m.Post("/login/upstream", "do", "link", "session", m.SessionID()).WantRedirect(t, "/login?confirm=yes")
	if len(m.identities(user)) != 0 {
		t.Fatal("linked")
	}
	m.Post("/login?confirm=yes", "password", peopletest.Password).WantRedirect(t, "/login/upstream")
	m.Post("/login/upstream", "do", "link", "session", "another").WantRedirect(t, "/login/upstream")
	m.Post("/login/upstream", "do", "link", "session", m.SessionID()).WantRedirect(t, "/oauth2/authorize?interaction="+handle)
	if len(m.identities(user)) != 1 {
		t.Error("not linked")
	}
}

// An address that the upstream does not vouch for is confirmed as at every sign-up, and the page
// does not tell whether it has an account.
func TestAnUnverifiedAddressIsProvedHere(t *testing.T) {
	t.Parallel()
	peopletest.EachWithMail(t, func(t *testing.T, s *peopletest.Site) {
		m := withMaru(t, s, func(settings *upstream.Settings) { settings.Addresses = upstream.Never })
		m.through("").WantRedirect(t, "/login/upstream")
		m.Post("/login/upstream", "do", "signup", "name", "민지", "email", theirs).WantRedirect(t, "/verify")
		if m.LoggedIn() {
			t.Fatal("logged in before the address is proved")
		}
		code := s.Mail.Last(t, theirs).Code
		elsewhere := s.Browser()
		elsewhere.Get(s.Mail.Last(t, theirs).Path(t))
		elsewhere.Post("/verify").Want(t, http.StatusUnprocessableEntity)
		if elsewhere.LoggedIn() {
			t.Fatal("a click in another browser makes the account")
		}
		m.Post("/verify", "code", code).WantRedirect(t, "/account")
		user := m.user(theirs)
		if all := m.identities(user); len(all) != 1 || !user.EmailVerified || !slices.Equal(m.Session().AMR, []string{"fed"}) {
			t.Errorf("%+v %+v", all, user)
		}
	}, calls(t))
}

func TestNobodyLearnsByAnUnprovedAddressWhetherItHasAnAccount(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t, calls(t))
	victim := s.Person(theirs)
	m := withMaru(t, s, func(settings *upstream.Settings) { settings.Addresses = upstream.Never })
	m.through("").WantRedirect(t, "/login/upstream")
	page := m.Get("/login/upstream")
	page.Want(t, http.StatusOK, `id="signup"`)
	if strings.Contains(page.Body, "has an account") {
		t.Error("the page tells")
	}
	m.Post("/login/upstream", "do", "signup", "name", "M", "email", theirs).WantRedirect(t, "/verify")
	if len(m.identities(victim)) != 0 || m.LoggedIn() {
		t.Error("the account is taken over")
	}
}

// Without mail, an address that is not proved stays so, and a taken one is refused as at /signup.
func TestASignupWithoutMailHasAnUnverifiedAddress(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, calls(t))
	s.Person("taken@example.org")
	m := withMaru(t, s, nil)
	m.through("").WantRedirect(t, "/login/upstream")
	m.Post("/login/upstream", "do", "signup", "name", "M", "email", "taken@example.org").Want(t, http.StatusUnprocessableEntity, `id="email-problem"`)
	m.Post("/login/upstream", "do", "signup", "name", "M", "email", "mine@example.org").WantRedirect(t, "/account")
	if m.user("mine@example.org").EmailVerified {
		t.Error("the upstream proved another address")
	}
}

// The owner of an address whose account a stranger made by an upstream takes it over by a reset.
func TestAResetOfAnUnprovedAccountEndsLogInsAtUpstreams(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t, calls(t))
	user := s.Person("mina@example.org") // nobody proved the address
	m := withMaru(t, s, nil)
	m.LogIn("mina@example.org")
	m.Post("/account/security/upstreams/add", "name", "other")
	if _, err := s.Store.Upstreams.Link(t.Context(), upstreams.Identity{Upstream: "other", Issuer: m.up.Issuer, Subject: m.up.User.ID, UserID: user.ID}); err != nil {
		t.Fatal(err)
	}
	owner := s.Browser()
	owner.Get("/forgot")
	owner.Post("/forgot", "email", "mina@example.org")
	owner.Get(s.Mail.Last(t, "mina@example.org").Path(t))
	owner.Post("/reset", "password", "three other brazen kettles").WantRedirect(t, "/login")
	if all := m.identities(user); len(all) != 0 {
		t.Errorf("the stranger still has %+v", all)
	}
}

func TestTheSecondStepFollowsALogInAtAnUpstream(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		user := s.Person("mina@example.org")
		m := withMaru(t, s, nil)
		m.LogIn("mina@example.org")
		app := m.TurnOn()
		if _, err := s.Store.Upstreams.Link(t.Context(), upstreams.Identity{Upstream: "other", Issuer: m.up.Issuer, Subject: m.up.User.ID, UserID: user.ID}); err != nil {
			t.Fatal(err)
		}
		other := &maru{&world{s.Browser(), t, s, m.settings}, m.up, m.at}
		other.through("").WantRedirect(t, "/login/verify")
		if other.LoggedIn() {
			t.Fatal("logged in without the second step")
		}
		other.Post("/login/verify", "otp", app.Next()).WantRedirect(t, "/account")
		if session := other.Session(); !slices.Equal(session.AMR, []string{"fed", "otp", "mfa"}) || session.ACR != "2" {
			t.Errorf("%+v", session)
		}
		other.Get("/account/sessions").Want(t, http.StatusOK, "with an account of another service")
	}, calls(t))
}

// An upstream whose acr the operator trusts stands for the second step.
func TestATrustedACRStandsForTheSecondStep(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, calls(t))
	user := s.Person("mina@example.org")
	m := withMaru(t, s, func(settings *upstream.Settings) { settings.StrongACR = []string{"1"} })
	m.LogIn("mina@example.org")
	m.TurnOn()
	if _, err := s.Store.Upstreams.Link(t.Context(), upstreams.Identity{Upstream: "other", Issuer: m.up.Issuer, Subject: m.up.User.ID, UserID: user.ID}); err != nil {
		t.Fatal(err)
	}
	other := &maru{&world{s.Browser(), t, s, m.settings}, m.up, m.at}
	other.through("").WantRedirect(t, "/account")
	if other.Session().ACR != "2" {
		t.Errorf("%+v", other.Session())
	}
}

func TestALogInLeadsBackToTheApplication(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, calls(t))
	m := withMaru(t, s, nil)
	handle := m.Begin("ui_locales", "ko")
	m.Get("/login?interaction="+handle).Want(t, http.StatusOK, "Bookshop", "Other 계정으로 계속하기")
	m.through("?interaction="+handle).WantRedirect(t, "/login/upstream")
	m.Get("/login/upstream").Want(t, http.StatusOK, "Bookshop", "처음이신가요?")
	m.Post("/login/upstream", "do", "signup", "name", "M", "email", theirs).WantRedirect(t, "/oauth2/authorize?interaction="+handle)
}

// Whoever is to prove again who they are is asked there anew, and has to be the same.
func TestAPersonWithoutPasswordConfirmsByTheirUpstream(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, calls(t))
	m := withMaru(t, s, nil)
	m.through("")
	m.Post("/login/upstream", "do", "signup", "name", "M", "email", theirs).WantRedirect(t, "/account")
	s.Clock.Advance(20 * time.Minute)
	m.up.Clock.Advance(20 * time.Minute)
	m.Get("/account/security/upstreams/add?name=other").WantRedirect(t, "/login?confirm=yes")
	page := m.Get("/login?confirm=yes")
	page.Want(t, http.StatusOK, `action="/login/upstream/other?confirm=yes"`)
	if strings.Contains(page.Body, `name="password"`) {
		t.Error("a password is asked for that there is not")
	}
	to := m.start("other", "?confirm=yes")
	if q := to.Query(); q.Get("prompt") != "login" || q.Get("max_age") != "0" {
		t.Errorf("asked for %v", q)
	}
	// The upstream asks its person again, who logs in there.
	q := to.Query()
	q.Del("prompt")
	q.Del("max_age")
	m.at = m.up.Browser().LogIn(m.up.User)
	to.RawQuery = q.Encode()
	m.answered(to).WantRedirect(t, "/account/security")
	m.Get("/account/security/upstreams/add?name=other").Want(t, http.StatusOK, `id="add"`)

	// Another person there is not this person here.
	s.Clock.Advance(20 * time.Minute)
	m.up.Clock.Advance(20 * time.Minute)
	another, err := m.up.Store.Users.CreateUser(t.Context(), accounts.User{Email: "other@example.com", Name: "O", PasswordHash: "x"})
	if err != nil {
		t.Fatal(err)
	}
	to = m.start("other", "?confirm=yes")
	q = to.Query()
	q.Del("prompt")
	q.Del("max_age")
	to.RawQuery = q.Encode()
	m.at = m.up.Browser().LogIn(another)
	if got := outcome(t, m.answered(to)); got != "taken" {
		t.Errorf("outcome %q", got)
	}
	m.Get("/account/security/upstreams/add?name=other").WantRedirect(t, "/login?confirm=yes")
}

func TestPeopleLinkAndUnlinkInTheirAccount(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		user := s.Person("mina@example.org")
		m := withMaru(t, s, nil)
		m.LogIn("mina@example.org")
		m.Get("/account/security").Want(t, http.StatusOK, `href="/account/security/upstreams/add?name=other"`, "You log in with no other account yet")
		page := m.Get("/account/security/upstreams/add?name=other")
		page.Want(t, http.StatusOK, `id="add"`)
		if strings.Contains(page.Header.Get("Content-Security-Policy"), "form-action") {
			t.Error("browsers would not follow the redirect to the upstream")
		}
		to := m.location(m.Post("/account/security/upstreams/add", "name", "other"))
		q := to.Query()
		q.Del("prompt")
		q.Del("max_age")
		to.RawQuery = q.Encode()
		m.answered(to).WantRedirect(t, "/account/security?done=upstream_linked")
		all := m.identities(user)
		if len(all) != 1 {
			t.Fatalf("%+v", all)
		}
		// By another account's person it cannot be linked, nor removed.
		s.Person("theo@example.org")
		other := &maru{&world{s.Browser(), t, s, m.settings}, m.up, m.at}
		other.LogIn("theo@example.org")
		other.Post("/account/security/upstreams/remove", "identity", all[0].ID).Want(t, http.StatusUnprocessableEntity, "removed in another window")
		to = other.location(other.Post("/account/security/upstreams/add", "name", "other"))
		to.RawQuery = without(to.Query(), "prompt", "max_age")
		if got := outcome(t, other.answered(to)); got != "taken" {
			t.Errorf("outcome %q", got)
		}
		other.Get("/account/security?upstream=taken").Want(t, http.StatusOK, "used by somebody else")

		m.Post("/account/security/upstreams/remove", "identity", all[0].ID).WantRedirect(t, "/account/security?done=upstream_removed")
		m.Get("/account/security").Want(t, http.StatusOK, "Log-in with another account removed: other: "+theirs)
		if len(m.identities(user)) != 0 {
			t.Error("still linked")
		}
	}, calls(t))
}

func without(q url.Values, names ...string) string {
	for _, name := range names {
		q.Del(name)
	}
	return q.Encode()
}

func TestTheLastWayInCannotBeUnlinked(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, calls(t))
	m := withMaru(t, s, nil)
	m.through("")
	m.Post("/login/upstream", "do", "signup", "name", "M", "email", theirs).WantRedirect(t, "/account")
	only := m.identities(m.user(theirs))[0]
	m.Post("/account/security/upstreams/remove", "identity", only.ID).Want(t, http.StatusUnprocessableEntity, "your only way to log in")
	if len(m.identities(m.user(theirs))) != 1 {
		t.Error("it is gone")
	}
}

// The policy of sign-up holds for those who come from an upstream too.
func TestThePolicyOfSignUpHoldsForUpstreams(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		policy signup.Config
		change func(*upstream.Settings)
		says   string
	}{
		"closed":      {policy: signup.Config{Mode: signup.Closed}, says: "Log in to my account"},
		"invitation":  {policy: signup.Config{Mode: signup.ByInvitation}, says: "Log in to my account"},
		"no sign-ups": {change: func(s *upstream.Settings) { s.NoSignup = true }, says: "cannot make an account here with Other"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := peopletest.With(t, calls(t), func(cfg *people.Config) { cfg.Signup = test.policy })
			m := withMaru(t, s, test.change)
			m.through("").WantRedirect(t, "/login/upstream")
			page := m.Get("/login/upstream")
			page.Want(t, http.StatusOK, test.says)
			if strings.Contains(page.Body, `id="signup"`) {
				t.Error("a form makes an account")
			}
			m.Post("/login/upstream", "do", "signup", "name", "M", "email", theirs).Want(t, http.StatusForbidden)
			if _, err := s.Store.Users.UserByEmail(t.Context(), theirs); err == nil {
				t.Error("there is an account")
			}
		})
	}
	s := peopletest.With(t, calls(t), func(cfg *people.Config) {
		cfg.Signup = signup.Config{Mode: signup.OfDomains, Domains: []string{"example.org"},
			Terms: signup.Terms{URL: "https://maker.example/terms", Version: "2"}}
	})
	m := withMaru(t, s, nil)
	m.through("")
	m.Post("/login/upstream", "do", "signup", "name", "M", "email", theirs, "terms", "2").Want(t, http.StatusUnprocessableEntity, `id="email-problem"`)
	m.Post("/login/upstream", "do", "signup", "name", "M", "email", "m@example.org").Want(t, http.StatusUnprocessableEntity, `id="terms-problem"`)
	m.Post("/login/upstream", "do", "signup", "name", "M", "email", "m@example.org", "terms", "2").WantRedirect(t, "/agree")
}

// Of several clicks at once, one makes the account.
func TestManyClicksMakeOneAccount(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, calls(t))
	m := withMaru(t, s, nil)
	m.through("")
	first := m.Post("/login/upstream", "do", "signup", "name", "M", "email", theirs)
	first.WantRedirect(t, "/account")
	if a := m.Post("/login/upstream", "do", "signup", "name", "M", "email", theirs); a.Status != http.StatusSeeOther {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if all := m.identities(m.user(theirs)); len(all) != 1 {
		t.Errorf("%+v", all)
	}
}

func TestADisabledAccountOrUpstreamLetsNobodyIn(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, calls(t))
	m := withMaru(t, s, nil)
	m.through("")
	m.Post("/login/upstream", "do", "signup", "name", "M", "email", theirs).WantRedirect(t, "/account")
	user := m.user(theirs)
	if err := s.Store.Users.SetDisabled(t.Context(), user.ID, true); err != nil {
		t.Fatal(err)
	}
	if got := outcome(t, m.through("")); got != "refused" || m.LoggedIn() {
		t.Errorf("outcome %q", got)
	}
	if err := s.Store.Users.SetDisabled(t.Context(), user.ID, false); err != nil {
		t.Fatal(err)
	}
	to := m.start("other", "")
	stored, err := s.Store.Upstreams.Upstream(t.Context(), "other")
	if err == nil {
		stored.Disabled = true
		err = s.Store.Upstreams.Update(t.Context(), stored)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(3 * time.Second)
	if got := outcome(t, m.answered(to)); got != "failed" || m.LoggedIn() {
		t.Errorf("outcome %q", got)
	}
	if page := m.Get("/login"); strings.Contains(page.Body, "Continue with Other") {
		t.Error("the button is still there")
	}
	if got := outcome(t, m.Post("/login/upstream/other")); got != "failed" {
		t.Errorf("outcome %q", got)
	}
}

// Whoever sits at somebody's browser may find them logged in at the upstream, which then asks nobody.
// So that opens what the account shows, and nothing sensitive, if the person can prove more.
func TestALogInAtAnUpstreamIsNoProofWhereThePersonHasAPassword(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, calls(t))
	user := s.Person("mina@example.org")
	m := withMaru(t, s, nil)
	if _, err := s.Store.Upstreams.Link(t.Context(), upstreams.Identity{Upstream: "other", Issuer: m.up.Issuer, Subject: m.up.User.ID, UserID: user.ID}); err != nil {
		t.Fatal(err)
	}
	m.through("").WantRedirect(t, "/account")
	const prove = "/login?confirm=yes"
	m.Post("/account/security/app").WantRedirect(t, prove)

	// No page has the button, but whoever sits there can make one.
	to := m.start("other", "?confirm=yes")
	q := to.Query()
	q.Del("prompt")
	q.Del("max_age")
	to.RawQuery = q.Encode()
	if got := outcome(t, m.answered(to)); got != "refused" {
		t.Errorf("outcome %q", got)
	}
	m.Post("/account/security/app").WantRedirect(t, prove)
	m.Post(prove, "password", peopletest.Password).WantRedirect(t, "/account/security/app")
	m.Post("/account/security/app").WantRedirect(t, "/account/security/app")
}

// Nor can they give somebody a second step, and with it the account, by an app that insists on one.
func TestALogInAtAnUpstreamSetsUpNoSecondStep(t *testing.T) {
	t.Parallel()
	m, user := linked(t, nil)
	handle := m.Begin("acr_values", "2", "essential", "yes")
	m.through("?interaction="+handle).WantRedirect(t, "/oauth2/authorize?interaction="+handle)
	page, prove := "/login/setup?interaction="+handle, "/login?interaction="+handle
	m.Get(page).WantRedirect(t, prove+"&upstream=unproved")
	m.Post(page).WantRedirect(t, prove+"&upstream=unproved")
	if _, err := m.site.Store.Factors.TOTP(t.Context(), user.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a key was made: %v", err)
	}
	m.Get(prove+"&upstream=unproved").Want(t, http.StatusOK, "please log in with your password")
	m.Post(prove, "email", "mina@example.org", "password", peopletest.Password).WantRedirect(t, "/oauth2/authorize?interaction="+handle)
	m.Get(page).Want(t, http.StatusOK, `id="set-up"`)
}

// Nor can they link an identity of their own by it.
func TestALogInAtAnUpstreamIsNoProofForLinkingAnother(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, calls(t))
	user := s.Person("mina@example.org")
	m := withMaru(t, s, nil)
	if _, err := s.Store.Upstreams.Link(t.Context(), upstreams.Identity{Upstream: "other", Issuer: m.up.Issuer, Subject: m.up.User.ID, UserID: user.ID}); err != nil {
		t.Fatal(err)
	}
	theirs := m.at
	stranger, err := m.up.Store.Users.CreateUser(t.Context(), accounts.User{Email: "stranger@example.com", Name: "S", PasswordHash: "x"})
	if err != nil {
		t.Fatal(err)
	}
	m.at = m.up.Browser().LogIn(stranger)
	m.through("").WantRedirect(t, "/login/upstream")
	m.Post("/login/upstream", "do", "login").WantRedirect(t, "/login")
	m.at = theirs
	m.through("").WantRedirect(t, "/login/upstream")
	m.Get("/login/upstream").WantRedirect(t, "/login?confirm=yes")
	m.Post("/login/upstream", "do", "link", "session", m.SessionID()).WantRedirect(t, "/login?confirm=yes")
	if all := m.identities(user); len(all) != 1 {
		t.Errorf("%+v", all)
	}
}
