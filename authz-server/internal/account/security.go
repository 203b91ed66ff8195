package account

import (
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/session"
)

// GET /account/security
func (a *Account) showSecurity(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok {
		return
	}
	page, err := a.securityPage(r, current)
	if err != nil {
		a.Guard.Fail(w, r, err)
		return
	}
	page.Done = done(r)
	if problem := pages.UpstreamProblem(r.URL.Query().Get(pages.UpstreamParameter)); problem != "" {
		page.Problems, page.Done = map[string]messages.Problem{"": problem}, ""
	}
	a.Pages.Render(w, r, http.StatusOK, page)
}

func (a *Account) securityPage(r *http.Request, current *session.Session) (page pages.SecurityPage, err error) {
	page.Zone, page.NoPassword = current.User.Zone(), current.User.PasswordHash == ""
	if page.Passkeys, err = a.passkeyList(r, current); err != nil {
		return page, err
	}
	if page.SecondStep, err = a.secondStep(r.Context(), current.User); err != nil {
		return page, err
	}
	if page.Identities, err = a.identities(r, current); err != nil {
		return page, err
	}
	page.Events, err = a.events(r.Context(), current.User)
	return page, err
}

// refuseSecurity shows the page again with what err keeps from being done.
func (a *Account) refuseSecurity(w http.ResponseWriter, r *http.Request, current *session.Session, err error) {
	page, failed := a.securityPage(r, current)
	if failed != nil {
		a.Guard.Fail(w, r, failed)
		return
	}
	a.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page {
		page.Form = form
		return page
	})
}

// recent tells whether the person has proved in the last ten minutes who they are, as strongly as
// they can. If not, it leads them to do so, and from there back to page, one of landings, and
// returns false. Ask before anything sensitive is shown or changed.
func (a *Account) recent(w http.ResponseWriter, r *http.Request, current *session.Session, page string) bool {
	to, err := a.unproved(w, r, current, page)
	switch {
	case err != nil:
		a.Guard.Fail(w, r, err)
	case to != "":
		a.Guard.See(w, r, to)
	}
	return err == nil && to == ""
}

// unproved is where somebody proves who they are before something sensitive, and "" if they have;
// see recent.
func (a *Account) unproved(w http.ResponseWriter, r *http.Request, current *session.Session, page string) (to string, err error) {
	if to, err = a.Sessions.Unproved(r.Context(), current); to != "" {
		a.want(w, page)
	}
	return to, err
}
