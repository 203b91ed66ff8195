package login

import (
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/arrival"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/session"
)

// GET /login/setup: has somebody set up a second step whose application insists on one.
func (l *Login) showSetUp(w http.ResponseWriter, r *http.Request) {
	if a, r, current, ok := l.enroller(w, r); ok {
		l.Enrolment.Show(w, r, current, setUpPage(a))
	}
}

// POST /login/setup: makes a key for an authenticator app, or turns the second step on.
func (l *Login) postSetUp(w http.ResponseWriter, r *http.Request) {
	if a, r, current, ok := l.enroller(w, r); ok {
		l.Enrolment.Post(w, r, current, setUpPage(a), "/oauth2/authorize"+a.Query())
	}
}

func setUpPage(a arrival.Arrival) pages.SetUpPage {
	return pages.SetUpPage{Path: "/login/setup", App: a.App, Query: a.Query()}
}

// enroller finds out who is to set up a second step. If nobody is, it leads to where the log-in
// goes on, and returns false: so it does if the last proof of who they are is not recent, or is none
// here ([session.Proved]), for whoever finds a session left open, or the browser logged in at another
// provider, must not lock its person out.
func (l *Login) enroller(w http.ResponseWriter, r *http.Request) (a arrival.Arrival, with *http.Request, current *session.Session, ok bool) {
	if a, current, r, ok = l.Arrivals.Person(w, r); !ok {
		return a, r, nil, false
	}
	if current == nil {
		l.Guard.See(w, r, "/login"+a.Query())
		return a, r, nil, false
	}
	asked := a.Demands()
	if a.App == nil || asked.Owed(current.Provable(), current.Login()) != proofs.SetUp || !asked.MetBy(proofs.PasswordAndCode) {
		l.Arrivals.Onward(w, r, a.Handle)
		return a, r, nil, false
	}
	switch proved := current.Proved(); {
	case proved.IsZero():
		l.Guard.See(w, r, "/login"+a.With(pages.UpstreamParameter+"=unproved"))
		return a, r, nil, false
	case l.Now().Sub(proved) > proofs.Recent:
		l.Guard.See(w, r, "/login"+a.Query())
		return a, r, nil, false
	}
	return a, r, current, true
}
