package factors

import (
	"errors"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// Enrolment is the page that sets up an app, in the account and in a log-in. Whoever shows it makes
// sure first that the person has proved lately who they are, and has no second step. All fields
// must be set.
type Enrolment struct {
	Factors  *Factors
	Pages    *pages.Pages
	Sessions *session.Sessions
	Guard    *guard.Guard
}

// Show answers a GET of page, of which Path, App and Query are set: it shows the key of the app
// that is being set up, or says what is needed.
func (e *Enrolment) Show(w http.ResponseWriter, r *http.Request, current *session.Session, page pages.SetUpPage) {
	e.render(w, r, current, page, nil)
}

// render is Show, and says why the form is refused; nil: it was not posted.
func (e *Enrolment) render(w http.ResponseWriter, r *http.Request, current *session.Session, page pages.SetUpPage,
	refused error) {
	app, err := e.Factors.Setup(r.Context(), current.User, current.ID, e.Pages.Product(r))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		e.Guard.Fail(w, r, err)
		return
	}
	page.Key, page.URI, page.QR, page.QRSize = app.Secret, app.URI, app.QR, app.QRSize
	if refused != nil && err == nil {
		e.Guard.Refuse(w, r, refused, func(form pages.Form) pages.Page {
			page.Form = form
			return page
		})
		return
	}
	e.Pages.Render(w, r, http.StatusOK, page)
}

// Post answers the page's form. Without a code, it makes a key for an app; with one, it turns the
// second step on, and shows the recovery codes, from where the person goes on to the path next.
func (e *Enrolment) Post(w http.ResponseWriter, r *http.Request, current *session.Session, page pages.SetUpPage,
	next string) {
	if !r.PostForm.Has("otp") {
		if err := e.Factors.Begin(r.Context(), current.UserID, current.ID); err != nil && !errors.Is(err, store.ErrExists) {
			e.Guard.Fail(w, r, err)
			return
		}
		e.Guard.See(w, r, page.Path+page.Query)
		return
	}
	codes, err := e.turnOn(w, r, current)
	if errors.Is(err, store.ErrNotFound) { // it took too long, or is on already
		e.Guard.See(w, r, page.Path+page.Query)
		return
	}
	if err != nil {
		e.render(w, r, current, page, err)
		return
	}
	e.Pages.Render(w, r, http.StatusOK, pages.RecoveryCodesPage{App: page.App, Codes: codes, New: true,
		Email: current.User.Email, Next: next})
}

// turnOn turns the second step on by the app's first code. That code is a second step of this
// session as well, for it cannot be used again. A wrong code counts nothing: the person sees the
// key.
func (e *Enrolment) turnOn(w http.ResponseWriter, r *http.Request, current *session.Session) (codes []string, err error) {
	typed := r.PostForm.Get("otp")
	if typed == "" {
		return nil, guard.FormError{"otp": messages.CodeMissing}
	}
	codes, turnOn, err := e.Factors.Confirm(r, current.User, current.ID, typed)
	if errors.Is(err, ErrWrong) {
		return nil, guard.FormError{"otp": messages.CodeWrong}
	}
	if err != nil {
		return nil, err
	}
	return codes, e.Sessions.Raise(w, r, current, proofs.WithCode(current.AMR), turnOn)
}
