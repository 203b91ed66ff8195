package upstream_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// asked is where the person is led by a request, and the interaction that waits.
func (p *pair) asked(changes ...string) (interaction string) {
	p.t.Helper()
	a := p.at.Authorize(changes...)
	if a.Location == nil || a.Location.Path != "/login" {
		p.t.Fatalf("not asked to log in: %d %v", a.Status, a.Location)
	}
	return a.Location.Query().Get("interaction")
}

// through logs in by the upstream for an interaction, with what it demands there taken out, and returns
// where that leads.
func (p *pair) through(interaction string) *url.URL {
	p.t.Helper()
	p.at.Get("/login?interaction=" + interaction)
	start := p.at.Post("/login/upstream/other?interaction="+interaction, url.Values{})
	back := p.there.Get(stripped(start.Location).String()).Location
	return p.at.Get(back.String()).Location
}

// dated says whether the upstream told when the person of the browser's session logged in.
func (p *pair) dated(is bool) {
	p.t.Helper()
	for _, one := range p.sessions() {
		if err := p.here.Store.Upstreams.NoteOrigin(p.t.Context(), one.ID, upstreams.Origin{Upstream: "other", Issuer: p.up.Issuer,
			Subject: p.up.User.ID, Dated: is}); err != nil {
			p.t.Fatal(err)
		}
	}
}

// An application asks for a new log-in. Nobody gets around it by logging in at the upstream for nobody,
// where they are logged in already, and going back to the request then.
func TestARequestForANewLogInIsNotAnsweredByAnOldOneAtTheUpstream(t *testing.T) {
	t.Parallel()
	for name, changes := range map[string][]string{"prompt=login": {"prompt", "login"}, "max_age=0": {"max_age", "0"}, "max_age": {"max_age", "60"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := pairOf(t, sqldbtest.SQLite(t), nil)
			later := func(d time.Duration) {
				p.here.Clock.Advance(d)
				p.up.Clock.Advance(d)
			}
			later(10 * time.Minute)
			interaction := p.asked(changes...)
			p.logIn()
			resume := "/oauth2/authorize?interaction=" + interaction
			if a := p.at.Get(resume); a.Location == nil || a.Location.Path != "/login" {
				t.Fatalf("answered: %d %v", a.Status, a.Location)
			}
			if to := p.through(interaction); to.Path != "/login" || to.Query().Get("upstream") != "stale" {
				t.Fatalf("led to %v", to)
			}
			p.there = p.up.Browser().LogIn(p.up.User)
			if to := p.through(interaction); to.RequestURI() != resume {
				t.Fatalf("led to %v", to)
			}
			p.dated(false) // had it told no time, this were no new log-in
			if a := p.at.Get(resume); a.Location == nil || a.Location.Path != "/login" {
				t.Fatalf("answered: %d %v", a.Status, a.Location)
			}
			p.dated(true)
			a := p.at.Get(resume)
			code := a.Parameter("code")
			if code == "" {
				t.Fatalf("no code: %d %v", a.Status, a.Location)
			}
		})
	}
}

// max_age counts from the log-in at the upstream, whenever the one here was; of one whose time is not
// told, nobody knows how old it is.
func TestASessionByAnUpstreamIsTooOldForMaxAge(t *testing.T) {
	t.Parallel()
	p := pairOf(t, sqldbtest.SQLite(t), nil)
	p.here.Clock.Advance(10 * time.Minute)
	p.up.Clock.Advance(10 * time.Minute)
	p.logIn() // by the log-in of ten minutes ago
	if a := p.at.Authorize("max_age", "900"); a.Parameter("code") == "" {
		t.Errorf("%d %v", a.Status, a.Location)
	}
	p.asked("max_age", "300")
	if a := p.at.Authorize("max_age", "300", "prompt", "none"); a.Parameter("error") != "login_required" {
		t.Errorf("%d %v", a.Status, a.Location)
	}
	p.dated(false)
	p.asked("max_age", "900")
	if a := p.at.Authorize(); a.Parameter("code") == "" || a.Status != http.StatusSeeOther || strings.Contains(a.Location.String(), "error") {
		t.Errorf("without a wish: %d %v", a.Status, a.Location)
	}
}
