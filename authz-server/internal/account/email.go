package account

import (
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/recovery"
	"github.com/maru-auth/maru/authz-server/internal/session"
)

// emailOwner is owner for a page that a server without mail does not have, and that needs a recent
// proof.
func (a *Account) emailOwner(w http.ResponseWriter, r *http.Request) (*session.Session, bool) {
	current, ok := a.owner(w, r)
	if !ok {
		return nil, false
	}
	if !a.Recovery.SendsMail() {
		a.Pages.Error(w, r, http.StatusNotFound, "invalid_request", "This server sends no mail, so that no address can be confirmed.")
		return nil, false
	}
	return current, a.recent(w, r, current, "/account/email")
}

// GET /account/email
func (a *Account) showEmail(w http.ResponseWriter, r *http.Request) {
	current, ok := a.emailOwner(w, r)
	if !ok {
		return
	}
	a.Sessions.EnsureBrowser(w, r)
	a.Pages.Render(w, r, http.StatusOK, pages.EmailPage{Email: current.User.Email, Verified: current.User.EmailVerified})
}

// POST /account/email: writes to the address that the account is to have, or to the one that it has
// and that is not confirmed. It becomes the account's when it is confirmed at /verify.
func (a *Account) postEmail(w http.ResponseWriter, r *http.Request) {
	current, ok := a.emailOwner(w, r)
	if !ok {
		return
	}
	typed := r.PostForm.Get("email")
	email, problem := profile.Email(typed)
	if r.PostForm.Has("confirm") {
		typed, email, problem = "", current.User.Email, ""
	}
	wrong := make(guard.FormError)
	switch {
	case problem != "":
		wrong["email"] = problem
	case current.User.EmailVerified && email == current.User.Email:
		wrong["email"] = messages.EmailSame
	case !a.Sessions.HasBrowser(r):
		a.Sessions.EnsureBrowser(w, r)
		wrong[""] = messages.NeedsCookies
	}
	var err error
	if len(wrong) > 0 {
		err = wrong
	} else {
		err = a.Recovery.BeginAddress(r, a.Sessions.Browser(r), current.User, email)
	}
	if err != nil {
		a.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page {
			return pages.EmailPage{Form: form, Email: current.User.Email, Verified: current.User.EmailVerified, New: typed}
		})
		return
	}
	a.Sessions.DropLink(w, r, recovery.VerifyLink)
	a.Guard.See(w, r, recovery.VerifyPath)
}
