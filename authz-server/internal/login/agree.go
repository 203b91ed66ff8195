package login

import (
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/arrival"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/session"
)

// GET /agree: asks somebody who is logged in to agree to terms that are new to them.
func (l *Login) showAgree(w http.ResponseWriter, r *http.Request) {
	a, current, r, ok := l.agreeArrival(w, r)
	if !ok {
		return
	}
	l.Pages.Render(w, r, http.StatusOK, pages.AgreePage{
		Query: a.Query(), App: a.App, Email: current.User.Email, Session: current.ID, Terms: pages.Terms(l.Signup.Terms),
	})
}

// POST /agree: what the page showed is what they agree to. If the terms have changed since, they
// are asked once more.
func (l *Login) postAgree(w http.ResponseWriter, r *http.Request) {
	a, current, r, ok := l.agreeArrival(w, r)
	if !ok {
		return
	}
	shown := r.PostForm.Get("session") // who saw the page, which may be another person in this browser
	if r.PostForm.Get("terms") != l.Signup.Terms.Version || shown != "" && shown != current.ID {
		l.Guard.See(w, r, "/agree"+a.Query())
		return
	}
	address, _ := sender.Of(r)
	if err := l.Signup.Agree(r.Context(), current.UserID, address); err != nil {
		l.Guard.Fail(w, r, err)
		return
	}
	l.Guard.See(w, r, l.Arrivals.End(w, r, a.Handle))
}

// agreeArrival finds out who is asked. When there is nobody or nothing to ask, it leads on and
// returns false.
func (l *Login) agreeArrival(w http.ResponseWriter, r *http.Request) (a arrival.Arrival, current *session.Session,
	with *http.Request, ok bool) {
	if a, current, r, ok = l.Arrivals.Person(w, r); !ok {
		return a, nil, r, false
	}
	owes := false
	if current != nil {
		var err error
		if owes, err = l.Signup.OwesAgreement(r.Context(), current.UserID); err != nil {
			l.Guard.Fail(w, r, err)
			return arrival.Arrival{}, nil, r, false
		}
	}
	if !owes {
		l.Guard.See(w, r, l.Arrivals.End(w, r, a.Handle))
		return arrival.Arrival{}, nil, r, false
	}
	return a, current, r, true
}
