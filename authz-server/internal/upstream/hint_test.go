package upstream_test

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// kept is what a session keeps of the ID token by which it began.
func (p *pair) kept(sessionID string) string {
	p.t.Helper()
	sealed, err := p.here.Store.Upstreams.IDToken(p.t.Context(), sessionID)
	storetest.OK(p.t, err)
	return sealed
}

// logOut logs out here, and returns the hint with which the person is led to log out there.
func (p *pair) logOut() (to *url.URL, hint string) {
	p.t.Helper()
	a := p.at.Post("/oauth2/logout", url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {bye}})
	if a.Status != http.StatusSeeOther || a.Location == nil || a.Location.Query().Get("client_id") != "maru" {
		p.t.Fatalf("nobody is led on: %d %v", a.Status, a.Location)
	}
	return a.Location, a.Location.Query().Get("id_token_hint")
}

// The ID token is kept encrypted, for one session, and no longer than that. Without it the upstream asks.
func TestAnIDTokenIsKeptForTheLogOutOfItsSessionAlone(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := pairOf(t, databaseURL, nil)
		sid := p.sessions()[0].ID
		sealed := p.kept(sid)
		if sealed == "" || strings.Contains(sealed, "eyJ") || strings.Contains(sealed, ".") {
			t.Fatalf("kept is %q", sealed)
		}
		if _, hint := p.logOut(); hint == "" {
			t.Error("no hint is sent")
		}
		if token, err := p.here.Store.Upstreams.IDToken(t.Context(), sid); err == nil {
			t.Errorf("the session has ended, and %q is there", token)
		}

		// What another person's session keeps opens for nobody else, and neither does what no key fits.
		for _, other := range []string{sealed, "!", "AAAA"} {
			p.logIn()
			sid := p.sessions()[0].ID
			o, err := p.here.Store.Upstreams.Origin(t.Context(), sid)
			storetest.OK(t, err)
			o.Subject, o.IDToken = "somebody", other
			storetest.OK(t, p.here.Store.Upstreams.NoteOrigin(t.Context(), sid, o))
			to, hint := p.logOut()
			if hint != "" {
				t.Errorf("sent is %q", hint)
			}
			if there := p.there.Get(to.String()); there.Status != http.StatusOK || !p.loggedInThere() {
				t.Errorf("the upstream does not ask: %d", there.Status)
			}
		}

		// An operator has moved the upstream to another issuer: what is of the one is not for the other.
		p.logIn()
		stored, err := p.here.Store.Upstreams.Upstream(t.Context(), "other")
		storetest.OK(t, err)
		settings, err := upstream.Read(stored)
		storetest.OK(t, err)
		settings.Issuer = providertest.One(t).Issuer
		stored.Settings = settings.Text()
		storetest.OK(t, p.here.Store.Upstreams.Update(t.Context(), stored))
		p.here.Clock.Advance(time.Minute)
		if to, hint := p.logOut(); hint != "" || !strings.HasPrefix(to.String(), settings.Issuer) {
			t.Errorf("%v gets %q", to, hint)
		}
	})
}

// Nothing is kept that no log-out needs, nor what is too long for an address.
func TestNoIDTokenIsKeptWithoutNeed(t *testing.T) {
	t.Parallel()
	off := pairOf(t, sqldbtest.SQLite(t), func(s *upstream.Settings) { s.Logout = false })
	if kept := off.kept(off.sessions()[0].ID); kept != "" {
		t.Errorf("nobody is led to log out there, and kept is %q", kept)
	}
	s := peopletest.With(t, calls(t))
	i, signer := imitate(t), providertest.NewSigner(t, "k1")
	i.openID(signer)
	w := add(t, s, upstream.Settings{Issuer: i.URL, Logout: true})
	w.link(s.Person("mina@example.org"), "other", i.URL, "subject")
	for size, keeps := range map[int]bool{100: true, 9 << 10: false} {
		to := w.start("other", "")
		i.gives(signer.Sign(nil, i.claims(s, to.Query().Get("nonce"), "more", strings.Repeat("x", size))))
		w.back("other", "code", "c", "state", to.Query().Get("state")).WantRedirect(t, "/account")
		if kept, err := s.Store.Upstreams.IDToken(t.Context(), w.SessionID()); err != nil || (kept != "") != keeps {
			t.Errorf("%d bytes more: %d are kept, %v", size, len(kept), err)
		}
	}
}

// A second step after the upstream's log-in loses no ID token.
func TestTheIDTokenWaitsForTheSecondStep(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, calls(t))
	m := withMaru(t, s, func(settings *upstream.Settings) { settings.Logout = true })
	user := s.Person("mina@example.org")
	m.link(user, "other", m.up.Issuer, m.up.User.ID)
	m.LogIn("mina@example.org")
	app := m.TurnOn()
	s.Clock.Advance(time.Minute)
	other := &maru{&world{s.Browser(), t, s, m.settings}, m.up, m.at}
	other.through("").WantRedirect(t, "/login/verify")
	other.Post("/login/verify", "otp", app.Next()).WantRedirect(t, "/account")
	if kept, err := s.Store.Upstreams.IDToken(t.Context(), other.SessionID()); err != nil || kept == "" {
		t.Errorf("%q %v", kept, err)
	}
}

// A new key-encryption key takes the ID tokens of sessions with it.
func TestIDTokensOfSessionsAreEncryptedAnew(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := pairOf(t, databaseURL, nil)
		sid := p.sessions()[0].ID
		before := p.kept(sid)
		fresh, err := keys.NewKEK(bytes.Repeat([]byte{1}, 32), make([]byte, 32))
		storetest.OK(t, err)
		for _, want := range []int{2, 0} { // the upstream's secret, and the token
			if n, err := upstream.Rewrap(t.Context(), p.here.Store.Upstreams, fresh); err != nil || n != want {
				t.Errorf("%d, want %d: %v", n, want, err)
			}
		}
		if after := p.kept(sid); after == before || after == "" {
			t.Error("it is as it was")
		}
		if o, err := p.here.Store.Upstreams.Origin(t.Context(), sid); err != nil || o != (upstreams.Origin{Upstream: "other", Issuer: p.up.Issuer,
			Subject: p.up.User.ID, Session: o.Session, Dated: true}) {
			t.Errorf("%+v %v", o, err)
		}
	})
}
