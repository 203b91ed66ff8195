package upstream_test

import (
	"cmp"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/keys/keystest"
	"github.com/maru-auth/maru/authz-server/internal/people"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// pair is a whole server whose people log in by another, and the browser of a person, who is logged
// in at both.
type pair struct {
	t        *testing.T
	here, up *providertest.Fixture
	at       *providertest.Browser // here
	there    *providertest.Browser // at the upstream
	user     accounts.User
}

// pairOf makes a pair; change changes the settings of the upstream.
func pairOf(t *testing.T, databaseURL string, change func(*upstream.Settings)) *pair {
	t.Helper()
	up := providertest.One(t)
	here := providertest.WithPeople(t, databaseURL, func(cfg *people.Config) {
		outgoing, err := fetch.New(fetch.Config{InsecureLoopback: true, Now: cfg.Now})
		if err != nil {
			t.Fatal(err)
		}
		cfg.Fetch, cfg.KEK = outgoing, keystest.KEK(t)
	})
	here.Clock.Advance(up.Clock.Now().Sub(here.Clock.Now()))
	up.AddClient("maru", func(c *client.Client) {
		c.RedirectURIs = []string{here.Issuer + upstream.CallbackPath("other")}
		c.PostLogoutRedirectURIs = []string{here.Issuer + upstream.LoggedOutPath("other")}
		c.BackchannelLogoutURI, c.BackchannelLogoutSessionRequired = here.Issuer+upstream.BackchannelPath("other"), true
		c.Scope, c.GrantTypes = "openid profile email", []string{"authorization_code"}
	})
	settings := upstream.Settings{Title: "Other", ClientID: "maru", Issuer: up.Issuer, Logout: true}
	if change != nil {
		change(&settings)
	}
	sealed, err := upstream.Seal(keystest.KEK(t), "other", providertest.Secret)
	if err == nil {
		err = here.Store.Upstreams.Create(t.Context(), upstreams.Upstream{Name: "other", Settings: settings.Text(), Secret: sealed})
	}
	if err == nil {
		_, err = here.Store.Upstreams.Link(t.Context(), upstreams.Identity{Upstream: "other", Issuer: up.Issuer, Subject: up.User.ID, UserID: here.User.ID})
	}
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{t: t, here: here, up: up, at: here.Browser(), there: up.Browser().LogIn(up.User), user: here.User}
	p.logIn()
	return p
}

// logIn logs the person in here, by the upstream.
func (p *pair) logIn() {
	p.t.Helper()
	p.at.Get("/login")
	start := p.at.Post("/login/upstream/other", url.Values{})
	to := start.Location
	if to == nil || to.Path == "/login" {
		p.t.Fatalf("nobody is sent to the upstream: %d %v %s", start.Status, to, start.Body)
	}
	back := p.there.Get(to.String()).Location
	if back == nil {
		p.t.Fatalf("the upstream does not lead back from %v", to)
	}
	if a := p.at.Get(back.String()); a.Location == nil || a.Location.Path != "/account" {
		p.t.Fatalf("not logged in: %d %v", a.Status, a.Location)
	}
}

func (p *pair) sessions() []accounts.Session {
	p.t.Helper()
	all, err := p.here.Store.Sessions.SessionsOf(p.t.Context(), p.user.ID)
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

func (p *pair) loggedInThere() bool {
	p.t.Helper()
	all, err := p.up.Store.Sessions.SessionsOf(p.t.Context(), p.up.User.ID)
	if err != nil {
		p.t.Fatal(err)
	}
	return len(all) > 0
}

const bye = "https://app.example/bye"

// Who logs out of an application is led on to log out at the upstream, which knows by its ID token who
// comes, and goes on then to where the application wanted.
func TestLogOutGoesOnAtTheUpstreamAndThenWhereTheApplicationWants(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := pairOf(t, databaseURL, nil)
		form := url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {bye}, "state": {"x"}}
		ask := p.at.Get("/oauth2/logout?" + form.Encode())
		if ask.Status != http.StatusOK || !strings.Contains(ask.Body, "You logged in with Other") {
			t.Fatalf("%d %s", ask.Status, ask.Body)
		}
		a := p.at.Post("/oauth2/logout", form)
		if a.Status != http.StatusSeeOther || !strings.HasPrefix(a.Location.String(), p.up.Issuer+"/oauth2/logout?") || len(p.sessions()) != 0 {
			t.Fatalf("%d %v, %d sessions", a.Status, a.Location, len(p.sessions()))
		}
		sent := a.Location.Query()
		if sent.Get("client_id") != "maru" || len(sent.Get("state")) != 43 || sent.Has("logout_hint") || len(sent) != 4 ||
			sent.Get("post_logout_redirect_uri") != p.here.Issuer+"/login/upstream/other/logged-out" {
			t.Errorf("sent %v", sent)
		}
		if _, hint := providertest.Decode(t, sent.Get("id_token_hint")); hint["aud"] != "maru" || hint["sub"] != p.up.User.ID || hint["iss"] != p.up.Issuer {
			t.Errorf("the hint is %v", hint)
		}
		back := p.there.Get(a.Location.String())
		if back.Location == nil || p.loggedInThere() {
			t.Fatalf("%d %s", back.Status, back.Body)
		}
		// Another browser cannot go on with it; this one can, once, to where it was going.
		thief := p.here.Browser()
		thief.Get("/login")
		if a := thief.Get(back.Location.String()); a.Status != http.StatusOK || a.Location != nil {
			t.Errorf("another browser: %d %v", a.Status, a.Location)
		}
		if a := p.at.Get(back.Location.String() + "&post_logout_redirect_uri=https://evil.example&next=//evil.example"); a.Status != http.StatusSeeOther ||
			a.Location.String() != bye+"?state=x" {
			t.Errorf("%d %v", a.Status, a.Location)
		}
		if a := p.at.Get(back.Location.String()); a.Status != http.StatusOK || a.Location != nil {
			t.Errorf("a second time: %d %v", a.Status, a.Location)
		}
	})
}

// Who logs out on a page of this server sees that it is done here, and where they are led.
func TestLogOutHereSaysWhichLogInsHaveEnded(t *testing.T) {
	t.Parallel()
	p := pairOf(t, sqldbtest.SQLite(t), nil)
	page := p.at.Post("/oauth2/logout", url.Values{})
	if page.Status != http.StatusOK || !strings.Contains(page.Body, "We now take you to Other") || !strings.Contains(page.Body, "logged_out") ||
		strings.Contains(page.Header.Get("Content-Security-Policy"), "form-action") {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	_, rest, _ := strings.Cut(page.Body, `id="next" href="`)
	link, _, _ := strings.Cut(rest, `"`)
	to, err := url.Parse(strings.ReplaceAll(link, "&amp;", "&"))
	if err != nil || !strings.HasPrefix(to.String(), p.up.Issuer+"/oauth2/logout?") {
		t.Fatalf("%q %v", link, err)
	}
	back := p.there.Post("/oauth2/logout", to.Query())
	if back.Location == nil {
		t.Fatalf("%d %s", back.Status, back.Body)
	}
	if a := p.at.Get(back.Location.String()); a.Status != http.StatusOK || !strings.Contains(a.Body, "come back from logging out at Other") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	for _, path := range []string{"", "?state=x", "?state=" + strings.Repeat("x", 43), "?" + back.Location.RawQuery} {
		a := p.at.Get("/login/upstream/other/logged-out" + path)
		if a.Status != http.StatusOK || strings.Contains(a.Body, "Other") {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
}

// Without the setting, without a way there, or if it cannot be reached, the log-out here is what it is,
// and the page says that the one there may go on.
func TestLogOutWithoutAWayToTheUpstreamSaysSo(t *testing.T) {
	t.Parallel()
	off := pairOf(t, sqldbtest.SQLite(t), func(s *upstream.Settings) { s.Logout = false })
	a := off.at.Post("/oauth2/logout", url.Values{})
	if a.Status != http.StatusOK || !strings.Contains(a.Body, "At Other, with which you logged in") || strings.Contains(a.Body, off.up.Issuer) || len(off.sessions()) != 0 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	off.logIn()
	form := url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {bye}}
	if a := off.at.Post("/oauth2/logout", form); a.Location == nil || a.Location.String() != bye {
		t.Errorf("%d %v", a.Status, a.Location)
	}
	down := pairOf(t, sqldbtest.SQLite(t), nil)
	down.here.Clock.Advance(25 * time.Hour) // its metadata is not known any more, and neither is the session
	down.up.Clock.Advance(25 * time.Hour)
	down.there = down.up.Browser().LogIn(down.up.User)
	down.logIn()
	down.here.Clock.Advance(2 * time.Hour)
	down.up.Server.Close()
	if a := down.at.Post("/oauth2/logout", form); a.Location == nil || len(down.sessions()) != 0 ||
		a.Location.String() != bye && !strings.HasPrefix(a.Location.String(), down.up.Issuer) { // by what is remembered of it
		t.Errorf("%d %v", a.Status, a.Location)
	}
	// A session that began by a password has nothing there.
	own := pairOf(t, sqldbtest.SQLite(t), nil)
	own.at = own.here.Browser().LogIn(own.user)
	if a := own.at.Post("/oauth2/logout", url.Values{}); a.Status != http.StatusOK || strings.Contains(a.Body, "Other") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// A state of a log-out is none of a log-in, and the other way round.
func TestALogOutUnderWayIsNoLogIn(t *testing.T) {
	t.Parallel()
	p := pairOf(t, sqldbtest.SQLite(t), nil)
	a := p.at.Post("/oauth2/logout", url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {bye}})
	state := a.Location.Query().Get("state")
	if a := p.at.Get("/login/upstream/other/callback?code=c&state=" + state); a.Location == nil || a.Location.RawQuery != "upstream=late" {
		t.Errorf("%d %v", a.Status, a.Location)
	}
	p.at.Get("/login")
	state = p.at.Post("/login/upstream/other", url.Values{}).Location.Query().Get("state")
	if a := p.at.Get("/login/upstream/other/logged-out?state=" + state); a.Status != http.StatusOK || a.Location != nil || strings.Contains(a.Body, "Other") {
		t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
	}
}

// Whoever logs in anew by a password in the same session has not begun it by the upstream any more;
// who adds a code has.
func TestOnlyASessionThatBeganThereIsTheUpstreams(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, calls(t))
	user := s.Person("mina@example.org")
	m := withMaru(t, s, nil)
	m.link(user, "other", m.up.Issuer, m.up.User.ID)
	m.through("").WantRedirect(t, "/account")
	sid := m.SessionID()
	origin, err := s.Store.Upstreams.Origin(t.Context(), sid)
	if err != nil || origin.Subject != m.up.User.ID || origin.Session != m.at.SID || !origin.Dated {
		t.Errorf("%+v %v", origin, err)
	}
	m.Get("/login?confirm=yes")
	m.Post("/login?confirm=yes", "password", peopletest.Password)
	if m.SessionID() != sid {
		t.Fatal("another session")
	}
	if origin, err := s.Store.Upstreams.Origin(t.Context(), sid); err == nil {
		t.Errorf("still %+v", origin)
	}
	app := m.TurnOn()
	s.Clock.Advance(time.Minute)
	other := &maru{&world{s.Browser(), t, s, m.settings}, m.up, m.at}
	other.through("").WantRedirect(t, "/login/verify")
	other.Post("/login/verify", "otp", app.Next()).WantRedirect(t, "/account")
	if origin, err := s.Store.Upstreams.Origin(t.Context(), other.SessionID()); err != nil || origin.Session != m.at.SID {
		t.Errorf("%+v %v", origin, err)
	}
}

// The upstream tells that its session ended: the one here that began by it ends, and no other.
func TestASessionEndsWithTheOneAtTheUpstream(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := pairOf(t, databaseURL, nil)
		own := p.here.Browser().LogIn(p.user) // by a password
		another := p.there
		first := p.at
		p.at, p.there = p.here.Browser(), p.up.Browser().LogIn(p.up.User)
		p.logIn()
		if len(p.sessions()) != 3 {
			t.Fatalf("%d sessions", len(p.sessions()))
		}
		if a := p.there.Post("/oauth2/logout", url.Values{}); a.Status != http.StatusOK {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		if _, err := p.up.Queue.Deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
		left := p.sessions()
		if len(left) != 2 || !slices.ContainsFunc(left, func(s accounts.Session) bool { return s.ID == own.SID }) {
			t.Errorf("%+v", left)
		}
		if a := p.at.Get("/account"); a.Location == nil || a.Location.Path != "/login" {
			t.Errorf("still logged in: %d", a.Status)
		}
		if a := first.Get("/account"); a.Status != http.StatusOK {
			t.Errorf("the other browser is logged out: %d", a.Status)
		}
		if a := another.Post("/oauth2/logout", url.Values{}); a.Status != http.StatusOK {
			t.Fatal(a.Status)
		}
		if _, err := p.up.Queue.Deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left = p.sessions(); len(left) != 1 || left[0].ID != own.SID {
			t.Errorf("%+v", left)
		}
	})
}

// Nobody logs in by an upstream that is disabled; sessions that began by it go on, and end with the one
// there all the same.
func TestASessionEndsWithTheOneAtAnUpstreamThatIsDisabled(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := pairOf(t, databaseURL, nil)
		stored, err := p.here.Store.Upstreams.Upstream(t.Context(), "other")
		if err != nil {
			t.Fatal(err)
		}
		stored.Disabled = true
		if err := p.here.Store.Upstreams.Update(t.Context(), stored); err != nil {
			t.Fatal(err)
		}
		p.here.Clock.Advance(time.Minute)
		p.up.Clock.Advance(time.Minute)
		if page := p.here.Browser().Get("/login"); strings.Contains(page.Body, "Other") {
			t.Errorf("it is still offered: %s", page.Body)
		}
		if a := p.at.Get("/account"); a.Status != http.StatusOK {
			t.Fatalf("the session has ended already: %d", a.Status)
		}
		if a := p.here.PostForm(upstream.BackchannelPath("other"), url.Values{"logout_token": {"x.y.z"}}); a.Status != http.StatusBadRequest {
			t.Errorf("what is no logout token: %d %s", a.Status, a.Body)
		}
		if a := p.there.Post("/oauth2/logout", url.Values{}); a.Status != http.StatusOK {
			t.Fatal(a.Status)
		}
		if _, err := p.up.Queue.Deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := p.sessions(); len(left) > 0 {
			t.Errorf("%+v", left)
		}
		if waiting, err := p.up.Store.Outbox.List(t.Context(), outbox.KindLogout, "", 10); err != nil || len(waiting) > 0 {
			t.Errorf("the upstream was told to try again: %+v %v", waiting, err)
		}
	})
}

// Whoever left the page that asks for the code, and logged out at the upstream, is not logged in here
// after that; nor is somebody else by that page.
func TestALogInThatOwesACodeEndsWithTheSessionAtTheUpstream(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		i, signer := imitate(t), providertest.NewSigner(t, "k1")
		i.openID(signer)
		w := add(t, s, upstream.Settings{Issuer: i.URL})
		user := s.Person("mina@example.org")
		w.link(user, "other", i.URL, "subject")
		w.LogIn("mina@example.org")
		app := w.TurnOn()
		const sid = `there_100%"<!`
		for _, one := range []struct {
			of   string
			told upstreams.Origin
			ends bool
		}{
			{"the person's session", upstreams.Origin{Subject: "subject", Session: sid}, true},
			{"the person", upstreams.Origin{Subject: "subject"}, true},
			{"the session", upstreams.Origin{Session: sid}, true},
			{"another session of the person", upstreams.Origin{Subject: "subject", Session: "elsewhere"}, false},
			{"another session", upstreams.Origin{Session: strings.ReplaceAll(sid, "_", "x")}, false},
			{"another person", upstreams.Origin{Subject: "somebody"}, false},
			{"another upstream's person", upstreams.Origin{Upstream: "third", Subject: "subject"}, false},
			{"another upstream's session", upstreams.Origin{Upstream: "third", Session: sid}, false},
			{"another issuer's session", upstreams.Origin{Issuer: "https://evil.example", Session: sid}, false},
		} {
			w.Browser = s.Browser()
			to := w.start("other", "")
			i.gives(signer.Sign(nil, i.claims(s, to.Query().Get("nonce"), "sid", sid)))
			w.back("other", "code", "c", "state", to.Query().Get("state")).WantRedirect(t, "/login/verify")
			one.told.Upstream, one.told.Issuer = cmp.Or(one.told.Upstream, "other"), cmp.Or(one.told.Issuer, i.URL)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
			if err := s.People.Sessions.EndFrom(r, one.told, func(context.Context) error { return nil }); err != nil {
				t.Fatal(err)
			}
			a := w.Post("/login/verify", "otp", app.Next())
			if w.LoggedIn() == one.ends {
				t.Errorf("%s: status %d, logged in: %t", one.of, a.Status, w.LoggedIn())
			}
		}
	}, calls(t))
}

// Only a logout token of the upstream for this server counts, and once.
func TestOnlyALogoutTokenOfTheUpstreamEndsSessions(t *testing.T) {
	t.Parallel()
	w, i, signer := imitated(t)
	user := w.site.Person("mina@example.org")
	w.link(user, "other", i.URL, "subject")
	logIn := func() {
		t.Helper()
		to := w.start("other", "")
		i.gives(signer.Sign(nil, i.claims(w.site, to.Query().Get("nonce"), "sid", "there")))
		w.back("other", "code", "c", "state", to.Query().Get("state")).WantRedirect(t, "/account")
	}
	logIn()
	n := 0
	claims := func(changes ...any) map[string]any {
		n++
		now := w.site.Clock.Now()
		all := map[string]any{"iss": i.URL, "aud": "maru", "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": strings.Repeat("j", n), "sub": "subject",
			"sid": "there", "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}
		for at := 0; at < len(changes); at += 2 {
			all[changes[at].(string)] = changes[at+1]
			if changes[at+1] == nil {
				delete(all, changes[at].(string))
			}
		}
		return all
	}
	typ := map[jose.HeaderKey]any{"typ": "logout+jwt"}
	send := func(token string) int {
		t.Helper()
		r := w.FormRequest("/login/upstream/other/backchannel-logout", url.Values{"logout_token": {token}}.Encode())
		r.Header.Del("Origin")
		r.Header.Del("Sec-Fetch-Site")
		r.Header.Del("Cookie")
		return w.site.Browser().Do(r).Status
	}
	stranger := providertest.NewSigner(t, "k1")
	for name, token := range map[string]string{
		"no token":             "",
		"another issuer":       signer.Sign(typ, claims("iss", "https://evil.example")),
		"another client":       signer.Sign(typ, claims("aud", "another")),
		"no client":            signer.Sign(typ, claims("aud", nil)),
		"no iat":               signer.Sign(typ, claims("iat", nil)),
		"from the future":      signer.Sign(typ, claims("iat", w.site.Clock.Now().Add(time.Hour).Unix())),
		"expired":              signer.Sign(typ, claims("exp", w.site.Clock.Now().Add(-time.Minute).Unix())),
		"no exp":               signer.Sign(typ, claims("exp", nil)),
		"good for a year":      signer.Sign(typ, claims("exp", w.site.Clock.Now().AddDate(1, 0, 0).Unix())),
		"no jti":               signer.Sign(typ, claims("jti", nil)),
		"no events":            signer.Sign(typ, claims("events", nil)),
		"another event":        signer.Sign(typ, claims("events", map[string]any{"https://x.example/event": map[string]any{}})),
		"an event that is not": signer.Sign(typ, claims("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": true})),
		"a nonce":              signer.Sign(typ, claims("nonce", "n")),
		"neither sub nor sid":  signer.Sign(typ, claims("sub", nil, "sid", nil)),
		"a long sid":           signer.Sign(typ, claims("sid", strings.Repeat("x", 300))),
		"another type":         signer.Sign(map[jose.HeaderKey]any{"typ": "at+jwt"}, claims()),
		"a stranger's key":     stranger.Sign(typ, claims()),
		"alg none":             encoded(t, map[string]any{"alg": "none"}) + "." + encoded(t, claims()) + ".",
		"an ID token":          signer.Sign(nil, i.claims(w.site, "n", "sid", "there")),
		"too long":             signer.Sign(typ, claims("x", strings.Repeat("x", 40_000))),
	} {
		if status := send(token); status != http.StatusBadRequest || !w.LoggedIn() {
			t.Fatalf("%s: status %d", name, status)
		}
	}
	for name, token := range map[string]string{ // good, and about nobody here
		"another session": signer.Sign(typ, claims("sid", "elsewhere")),
		"another person":  signer.Sign(typ, claims("sub", "somebody")),
		"another of them": signer.Sign(typ, claims("sub", "somebody", "sid", nil)),
	} {
		if status := send(token); status != http.StatusOK || !w.LoggedIn() {
			t.Fatalf("%s: status %d", name, status)
		}
	}
	token := signer.Sign(typ, claims("sid", nil))
	if status := send(token); status != http.StatusOK || w.LoggedIn() {
		t.Errorf("status %d, logged in: %t", status, w.LoggedIn())
	}
	logIn()
	if status := send(token); status != http.StatusOK || !w.LoggedIn() {
		t.Errorf("a replay: status %d, logged in: %t", status, w.LoggedIn())
	}
	if status := send(signer.Sign(nil, claims("sub", nil))); status != http.StatusOK || w.LoggedIn() {
		t.Errorf("by sid: status %d, logged in: %t", status, w.LoggedIn())
	}
	ended := 0
	for _, e := range w.site.Audit(t, user.ID) {
		if e.Kind == "session.ended" {
			ended++
			if e.Detail["how"] != "upstream" || e.Detail["upstream"] != "other" {
				t.Errorf("%+v", e)
			}
		}
	}
	if ended != 2 {
		t.Errorf("%d entries", ended)
	}
	for _, path := range []string{"/login/upstream/none/backchannel-logout"} {
		if a := w.Do(w.FormRequest(path, "logout_token="+token)); a.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.Status)
		}
	}
}
