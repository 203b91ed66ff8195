package login

import (
	"errors"
	"net/http"
	"slices"

	"github.com/maru-auth/maru/authz-server/internal/arrival"
	"github.com/maru-auth/maru/authz-server/internal/consent"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
)

// GET /consent: asks whether the application may have what it asks for.
func (l *Login) showConsent(w http.ResponseWriter, r *http.Request) {
	a, current, r, ok := l.consentArrival(w, r)
	if !ok {
		return
	}
	before, err := l.Store.Consents.Consent(r.Context(), current.UserID, a.Interaction.ClientID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		l.Guard.Fail(w, r, err)
		return
	}
	asked, err := l.asked(r, a, current)
	if err != nil {
		l.Guard.Fail(w, r, err)
		return
	}
	// What they left out before stays so, unless they tick it.
	l.Pages.Render(w, r, http.StatusOK, consentPage(a, current, asked, before.Declined))
}

// POST /consent: the decision counts for the browser, the session and the request that were asked.
func (l *Login) postConsent(w http.ResponseWriter, r *http.Request) {
	a, current, r, ok := l.consentArrival(w, r)
	if !ok {
		return
	}
	asked, err := l.asked(r, a, current)
	if err != nil {
		l.Guard.Fail(w, r, err)
		return
	}
	answer, err := consent.Read(r.PostForm, current.ID, asked)
	if err != nil {
		page := consentPage(a, current, asked, nil)
		if status := page.Refuse(err); status != 0 {
			l.Pages.Render(w, r, status, page)
			return
		}
		l.Pages.Error(w, r, http.StatusBadRequest, "invalid_request", "The parameter decision must be allow or deny.")
		return
	}
	decision := requests.ConsentDeny
	if answer.Allowed {
		decision = requests.ConsentAllow
	}
	err = l.Sessions.Decide(r, a.Handle, current, decision, answer.Granted)
	if err != nil && !errors.Is(err, store.ErrNotFound) { // spent meanwhile: /oauth2/authorize will say so
		l.Guard.Fail(w, r, err)
		return
	}
	l.Arrivals.Onward(w, r, a.Handle)
}

// consentArrival finds out who is asked about what. When there is nothing to ask, it answers and
// returns false.
func (l *Login) consentArrival(w http.ResponseWriter, r *http.Request) (a arrival.Arrival, current *session.Session,
	with *http.Request, ok bool) {
	if a, current, r, ok = l.Arrivals.Person(w, r); !ok {
		return a, nil, r, false
	}
	if a.App == nil {
		l.Pages.Error(w, r, http.StatusBadRequest, "invalid_request",
			"The parameter interaction is missing, or no application sent you.")
		return arrival.Arrival{}, nil, r, false
	}
	if current == nil { // it ended meanwhile: /oauth2/authorize decides again what is missing
		l.Arrivals.Onward(w, r, a.Handle)
		return arrival.Arrival{}, nil, r, false
	}
	return a, current, r, true
}

// asked is what the application asks for that the person can grant.
func (l *Login) asked(r *http.Request, a arrival.Arrival, current *session.Session) ([]string, error) {
	asked := consent.Asked(a.Interaction.Form)
	ungranted, err := l.Store.Roles.Ungranted(r.Context(), current.UserID, asked)
	return slices.DeleteFunc(asked, func(word string) bool { return slices.Contains(ungranted, word) }), err
}

// consentPage asks for all that is asked, ticked but for what is in unticked.
func consentPage(a arrival.Arrival, current *session.Session, asked, unticked []string) pages.ConsentPage {
	return pages.ConsentPage{Interaction: a.Handle, Question: pages.Question{
		App: *a.App, Session: current.ID, Email: current.User.Email, Choices: consent.Choices(asked, unticked),
	}}
}
