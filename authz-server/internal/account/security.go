package account

import (
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/session"
)

// shownEvents is how much of the history the page shows.
const shownEvents = 100

// GET /account/security
func (a *Account) showSecurity(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok {
		return
	}
	events, err := a.Store.History.Events(r.Context(), current.UserID, shownEvents)
	if err != nil {
		a.Guard.Fail(w, r, err)
		return
	}
	page := pages.SecurityPage{Done: done(r), Zone: zoneOf(current.User)}
	if page.SecondStep, err = a.secondStep(r.Context(), current.User); err != nil {
		a.Guard.Fail(w, r, err)
		return
	}
	for _, one := range events {
		shown := pages.Event{Kind: one.Kind, Detail: one.Detail, Address: one.Address, At: one.At}
		shown.Browser, shown.System = sender.Browser(one.UserAgent)
		page.Events = append(page.Events, shown)
	}
	a.Pages.Render(w, r, http.StatusOK, page)
}

// recent tells whether the person has proved in the last ten minutes who they are, as strongly as
// they can. If not, it leads them to do so, and from there back to page, one of landings, and
// returns false. Ask before anything sensitive is shown or changed.
func (a *Account) recent(w http.ResponseWriter, r *http.Request, current *session.Session, page string) bool {
	if a.Now().Sub(current.AuthTime) > proofs.Recent {
		a.want(w, page)
		a.Guard.See(w, r, "/login?"+session.Confirm)
		return false
	}
	strongest := proofs.Request{Strongest: true}
	if strongest.Owed(current.Provable(), current.Login()) != proofs.Nothing {
		a.want(w, page)
		a.Guard.See(w, r, "/login/verify?"+session.Confirm)
		return false
	}
	return true
}
