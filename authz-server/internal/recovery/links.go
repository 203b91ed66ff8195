package recovery

import (
	"errors"
	"net/http"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/arrival"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/signup"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

// Links serves the pages that mailed links lead to. All fields but Upstreams must be set. It is safe for
// concurrent use.
type Links struct {
	Recovery  *Recovery
	Store     *store.Store
	Pages     *pages.Pages
	Issuer    issuer.URL
	Arrivals  *arrival.Arrivals
	Sessions  *session.Sessions
	Guard     *guard.Guard
	Throttle  *throttle.Throttle
	Passwords *passwords.Hasher
	Signup    *signup.Policy
	Upstreams *upstream.Upstreams // nil: there are none
}

// Routes adds the pages to r.
func (l *Links) Routes(r *mux.Router) {
	l.Guard.Route(r, "/forgot", l.showForgot, l.postForgot)
	l.Guard.Route(r, ResetPath, l.showReset, l.postReset)
	l.Guard.Route(r, VerifyPath, l.showVerify, l.postVerify)
}

// The names of the cookies that keep the secrets of links.
const (
	resetLink  = "reset"
	VerifyLink = "verify"
)

// takeLink moves the secret of a mailed link from the address to a cookie, and leads to the page
// without it, so that neither history, nor a log, nor a Referer header keeps it. Opening a link
// changes nothing: programs that look for viruses, and browsers that fetch ahead, open them too. It
// tells whether it answered.
func (l *Links) takeLink(w http.ResponseWriter, r *http.Request, page string) bool {
	query := r.URL.Query()
	if !query.Has("link") {
		return false
	}
	if !l.Sessions.KeepLink(w, page, query.Get("link")) {
		l.linkGone(w, r, page)
		return true
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, l.Issuer.Path("/"+page), http.StatusSeeOther)
	return true
}

// linkGone says that a link is good for nothing any more.
func (l *Links) linkGone(w http.ResponseWriter, r *http.Request, page string) {
	l.Sessions.DropLink(w, r, page)
	l.Pages.Render(w, r, http.StatusGone, pages.LinkGonePage{Reset: page == resetLink})
}

// codeProblem turns what can be wrong with a code into what a form says.
func codeProblem(err error, field string, wrong, over messages.Problem) error {
	switch {
	case errors.Is(err, ErrWrong):
		return guard.FormError{field: wrong}
	case errors.Is(err, ErrOver):
		return guard.FormError{field: over}
	}
	return err
}

// tryCode takes the code that r brought, and returns a link to go on with, and its secret.
func (l *Links) tryCode(r *http.Request, m accounts.Mailed) (link accounts.Mailed, secret string, err error) {
	code := Digits(r.PostForm.Get("code"))
	if code == "" {
		return link, "", guard.FormError{"code": messages.MailCodeMissing}
	}
	link, secret, err = l.Recovery.TryCode(r, m, l.Sessions.Browser(r), code)
	return link, secret, codeProblem(err, "code", messages.MailCodeWrong, messages.MailCodeOver)
}

// refuseCode shows the page of a code again.
func (l *Links) refuseCode(w http.ResponseWriter, r *http.Request, err error, page pages.CodePage) {
	l.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page {
		page.Form, page.Again = form, false
		return page
	})
}
