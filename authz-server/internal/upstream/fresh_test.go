package upstream_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

// link makes an identity at an upstream that of a person.
func (w *world) link(user accounts.User, name, issuer, subject string) {
	w.t.Helper()
	if _, err := w.site.Store.Upstreams.Link(w.t.Context(), upstreams.Identity{Upstream: name, Issuer: issuer, Subject: subject, UserID: user.ID}); err != nil {
		w.t.Fatal(err)
	}
}

// linked is another Maru as the upstream, by which user logs in.
func linked(t *testing.T, change func(*upstream.Settings)) (*maru, accounts.User) {
	t.Helper()
	s := peopletest.With(t, calls(t))
	user := s.Person("mina@example.org")
	m := withMaru(t, s, change)
	m.link(user, "other", m.up.Issuer, m.up.User.ID)
	return m, user
}

// advance lets time pass here and there.
func (m *maru) advance(d time.Duration) {
	m.site.Clock.Advance(d)
	m.up.Clock.Advance(d)
}

// stripped is an address without what it demands of the log-in, as whoever sits at the browser can
// make it.
func stripped(to *url.URL) *url.URL {
	bare := *to
	bare.RawQuery = without(to.Query(), "prompt", "max_age", "acr_values")
	return &bare
}

// An application asks for a new log-in. Whoever is logged in at the upstream is asked there, and who
// takes that out of the address does not get in.
func TestAnApplicationThatWantsANewLogInGetsOne(t *testing.T) {
	t.Parallel()
	for name, parameters := range map[string][]string{"prompt=login": {"prompt", "login"}, "max_age=0": {"max_age", "0"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, _ := linked(t, nil)
			m.advance(20 * time.Minute)
			handle := m.Begin(parameters...)
			to := m.start("other", "?interaction="+handle)
			if q := to.Query(); q.Get("prompt") != "login" || q.Get("max_age") != "0" {
				t.Errorf("asked for %v", q)
			}
			a := m.answered(stripped(to))
			if got := outcome(t, a); got != "stale" || m.LoggedIn() {
				t.Errorf("outcome %q", got)
			}
			m.Get(a.Location).Want(t, http.StatusOK, "log in there anew", "Bookshop")

			to = m.start("other", "?interaction="+handle)
			m.at = m.up.Browser().LogIn(m.up.User)
			m.answered(stripped(to)).WantRedirect(t, "/oauth2/authorize?interaction="+handle)
			if age := m.site.Clock.Now().Sub(m.Session().AuthTime); age < 0 || age > time.Minute {
				t.Errorf("the log-in is %v old", age)
			}
		})
	}
}

// A log-in at the upstream that is recent enough does, and tokens say when it was.
func TestMaxAgeCountsFromTheLogInAtTheUpstream(t *testing.T) {
	t.Parallel()
	m, _ := linked(t, nil)
	began := m.site.Clock.Now()
	m.advance(5 * time.Minute)
	handle := m.Begin("max_age", "600")
	to := m.start("other", "?interaction="+handle)
	if q := to.Query(); q.Get("max_age") != "600" || q.Has("prompt") {
		t.Errorf("asked for %v", q)
	}
	m.answered(to).WantRedirect(t, "/oauth2/authorize?interaction="+handle)
	if at := m.Session().AuthTime; at.Sub(began).Abs() > time.Minute || !m.Session().CreatedAt.After(at) {
		t.Errorf("logged in at %v, not %v", at, began)
	}
	m.advance(6 * time.Minute)
	other := &maru{&world{m.site.Browser(), t, m.site, m.settings}, m.up, m.at}
	handle = other.Begin("max_age", "600")
	if got := outcome(t, other.answered(stripped(other.start("other", "?interaction="+handle)))); got != "stale" || other.LoggedIn() {
		t.Errorf("outcome %q", got)
	}
	// Without a wish, the same log-in does.
	other.through("").WantRedirect(t, "/account")
}

// Nobody confirms by a log-in of before.
func TestAnOldLogInAtTheUpstreamConfirmsNothing(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, calls(t))
	m := withMaru(t, s, nil)
	m.through("")
	m.Post("/login/upstream", "do", "signup", "name", "M", "email", theirs).WantRedirect(t, "/account")
	m.advance(20 * time.Minute)
	if got := outcome(t, m.answered(stripped(m.start("other", "?confirm=yes")))); got != "stale" {
		t.Errorf("outcome %q", got)
	}
	m.Get("/account/security/upstreams/add?name=other").WantRedirect(t, "/login?confirm=yes")
}

// Who logged in at the upstream hours ago has not proved who they are now, though the session here is
// new.
func TestASessionIsAsOldAsTheLogInAtTheUpstream(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, calls(t))
	m := withMaru(t, s, nil)
	m.through("")
	m.Post("/login/upstream", "do", "signup", "name", "M", "email", theirs).WantRedirect(t, "/account")
	m.advance(2 * time.Hour)
	other := &maru{&world{s.Browser(), t, s, m.settings}, m.up, m.at}
	other.through("").WantRedirect(t, "/account")
	other.Get("/account/security/upstreams/add?name=other").WantRedirect(t, "/login?confirm=yes")
	to := other.start("other", "?confirm=yes")
	other.at = m.up.Browser().LogIn(m.up.User)
	other.answered(stripped(to))
	other.Get("/account/security/upstreams/add?name=other").Want(t, http.StatusOK, `id="add"`)
}

// Providers that do not say when somebody logged in prove no new log-in: a password, a passkey or a
// code here does.
func TestALogInWhoseTimeIsNotSaidIsNotNew(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		preset  string
		subject map[string]any // the answer to who it is
		asked   url.Values
		chosen  url.Values
	}{
		"GitHub": {"github", map[string]any{"id": 7}, url.Values{"prompt": {"select_account"}}, url.Values{"prompt": {"select_account"}}},
		"Kakao":  {"kakao", map[string]any{"id": 7}, url.Values{"prompt": {"login"}}, url.Values{"prompt": {"select_account"}}},
		"NAVER": {"naver", map[string]any{"resultcode": "00", "response": map[string]any{"id": "7"}},
			url.Values{"auth_type": {"reauthenticate"}}, url.Values{"auth_type": {"reauthenticate"}}},
		"another": {"oauth2", map[string]any{"sub": "7"}, url.Values{}, url.Values{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := peopletest.With(t, calls(t))
			user := s.Person("mina@example.org")
			i := imitate(t)
			i.shows("/token", bearer)
			i.shows("/me", test.subject)
			i.shows("/emails", []any{})
			w := addNamed(t, s, "up", upstream.Settings{Preset: test.preset, Title: "Up", Issuer: "https://up.example", Authorization: i.URL + "/authorize",
				Token: i.URL + "/token", UserInfo: i.URL + "/me", Emails: emailsOf(test.preset, i)}, "s")
			w.link(user, "up", "https://up.example", "7")
			asks := func(to *url.URL, want url.Values) {
				t.Helper()
				for _, name := range []string{"prompt", "auth_type", "max_age"} {
					if to.Query().Get(name) != want.Get(name) {
						t.Errorf("%s=%q", name, to.Query().Get(name))
					}
				}
			}
			handle := w.Begin("prompt", "login")
			to := w.start("up", "?interaction="+handle)
			asks(to, test.asked)
			a := w.back("up", "code", "c", "state", to.Query().Get("state"))
			if got := outcome(t, a); got != "undated" || w.LoggedIn() {
				t.Errorf("outcome %q", got)
			}
			w.Get(a.Location).Want(t, http.StatusOK, "cannot tell whether you did", `id="password"`)
			w.Post("/login?interaction="+handle, "email", "mina@example.org", "password", peopletest.Password).
				WantRedirect(t, "/oauth2/authorize?interaction="+handle)

			// An account is chosen there, and any log-in does that is not to be new.
			other := &world{s.Browser(), t, s, w.settings}
			handle = other.Begin("prompt", "select_account")
			to = other.start("up", "?interaction="+handle)
			asks(to, test.chosen)
			other.back("up", "code", "c", "state", to.Query().Get("state")).WantRedirect(t, "/oauth2/authorize?interaction="+handle)
		})
	}
}

func emailsOf(preset string, i *imitation) string {
	if preset == "github" {
		return i.URL + "/emails"
	}
	return ""
}

// Who has a second step proves by it that they are there, also in a browser that they trust.
func TestACodeMakesALogInNewWhoseTimeIsNotSaid(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, calls(t))
	user := s.Person("mina@example.org")
	i, signer := imitate(t), providertest.NewSigner(t, "k1")
	i.openID(signer)
	w := add(t, s, upstream.Settings{Issuer: i.URL})
	w.LogIn("mina@example.org")
	app := w.TurnOn()
	w.link(user, "other", i.URL, "subject")
	s.Clock.Advance(time.Minute)

	trusting := &world{s.Browser(), t, s, w.settings}
	arrive := func(query string) peopletest.Answer {
		t.Helper()
		to := trusting.start("other", query)
		i.gives(signer.Sign(nil, i.claims(s, to.Query().Get("nonce")))) // without auth_time
		return trusting.back("other", "code", "c", "state", to.Query().Get("state"))
	}
	arrive("").WantRedirect(t, "/login/verify")
	trusting.Post("/login/verify", "otp", app.Next(), "trust", "yes").WantRedirect(t, "/account")
	trusting.Forget(t, "maru-session")
	arrive("").WantRedirect(t, "/account")
	trusting.Forget(t, "maru-session")

	handle := trusting.Begin("prompt", "login")
	arrive("?interaction="+handle).WantRedirect(t, "/login/verify?interaction="+handle)
	if trusting.LoggedIn() {
		t.Fatal("logged in without the code")
	}
	s.Clock.Advance(time.Minute)
	trusting.Post("/login/verify?interaction="+handle, "otp", app.Next()).WantRedirect(t, "/oauth2/authorize?interaction="+handle)
	if amr := trusting.Session().AMR; !slices.Equal(amr, []string{"fed", "otp", "mfa"}) {
		t.Errorf("%v", amr)
	}
}

// What an application wants reached goes on to an upstream whose word counts for it; what comes back
// decides.
func TestAnApplicationsACRIsAskedOfAnUpstreamThatIsTrustedWithIt(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, calls(t))
	user := s.Person("mina@example.org")
	i, signer := imitate(t), providertest.NewSigner(t, "k1")
	i.openID(signer)
	w := add(t, s, upstream.Settings{Issuer: i.URL, StrongACR: []string{"gold", "mfa"}})
	w.link(user, "other", i.URL, "subject")
	for name, test := range map[string]struct {
		wanted, asked string
		claims        []any
		reached       string
	}{
		"nothing":     {"", "", nil, "1"},
		"one factor":  {"1", "", nil, "1"},
		"by acr":      {"2", "gold mfa", []any{"acr", "gold"}, "2"},
		"by amr":      {"2", "gold mfa", []any{"amr", []string{"pwd", "mfa"}}, "2"},
		"not reached": {"2", "gold mfa", []any{"acr", "silver"}, "1"},
		"a passkey":   {"phr", "", []any{"acr", "gold"}, "2"},
		"either":      {"phr 2", "gold mfa", []any{"acr", "gold"}, "2"},
	} {
		b := &world{s.Browser(), t, s, w.settings}
		handle := b.Begin("acr_values", test.wanted)
		to := b.start("other", "?interaction="+handle)
		if got := to.Query().Get("acr_values"); got != test.asked {
			t.Errorf("%s: asked for %q", name, got)
		}
		i.gives(signer.Sign(nil, i.claims(s, to.Query().Get("nonce"), test.claims...)))
		b.back("other", "code", "c", "state", to.Query().Get("state")).WantRedirect(t, "/oauth2/authorize?interaction="+handle)
		if acr := b.Session().ACR; acr != test.reached {
			t.Errorf("%s: reached %q", name, acr)
		}
	}
}
