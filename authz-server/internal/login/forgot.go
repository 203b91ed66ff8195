package login

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/recovery"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
)

// The names of the cookies that keep the secrets of links.
const (
	resetLink  = "reset"
	verifyLink = "verify"
)

// takeLink moves the secret of a mailed link from the address to a cookie, and leads to the page
// without it, so that neither history, nor a log, nor a Referer header keeps it. Opening a link
// changes nothing: programs that look for viruses, and browsers that fetch ahead, open them too. It
// tells whether it answered.
func (l *Login) takeLink(w http.ResponseWriter, r *http.Request, page string) bool {
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
func (l *Login) linkGone(w http.ResponseWriter, r *http.Request, page string) {
	l.Sessions.DropLink(w, r, page)
	l.Pages.Render(w, r, http.StatusGone, pages.LinkGonePage{Reset: page == resetLink})
}

// codeProblem turns what can be wrong with a code into what a form says.
func codeProblem(err error, field string, wrong, over messages.Problem) error {
	switch {
	case errors.Is(err, recovery.ErrWrong):
		return guard.FormError{field: wrong}
	case errors.Is(err, recovery.ErrOver):
		return guard.FormError{field: over}
	}
	return err
}

// GET /forgot
func (l *Login) showForgot(w http.ResponseWriter, r *http.Request) {
	a, r, ok := l.arrival(w, r)
	if !ok {
		return
	}
	l.Sessions.EnsureBrowser(w, r)
	l.Pages.Render(w, r, http.StatusOK, pages.ForgotPage{Query: a.query(), Email: a.loginHint(), NoMail: !l.Recovery.SendsMail()})
}

// POST /forgot: writes to the owner of an address. Its answer, and how long it takes, do not tell
// whether there is one.
func (l *Login) postForgot(w http.ResponseWriter, r *http.Request) {
	leave, ok := l.Guard.Turn(w, r)
	if !ok {
		return
	}
	defer leave()
	a, r, ok := l.arrival(w, r)
	if !ok {
		return
	}
	if !l.Recovery.SendsMail() {
		l.Pages.Render(w, r, http.StatusOK, pages.ForgotPage{Query: a.query(), NoMail: true})
		return
	}
	wrong := make(guard.FormError)
	email, problem := profile.Email(r.PostForm.Get("email"))
	if problem != "" {
		wrong["email"] = problem
	}
	err := l.needsCookies(w, r, wrong)
	if err == nil {
		err = l.Recovery.BeginReset(r, l.Sessions.Browser(r), email, a.handle)
	}
	if err != nil {
		l.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page {
			return pages.ForgotPage{Form: form, Query: a.query(), Email: email}
		})
		return
	}
	l.Sessions.DropLink(w, r, resetLink)
	l.Guard.See(w, r, recovery.ResetPath)
}

// GET /reset: asks for the new password of somebody who followed a link, and for the code of somebody
// who has not yet.
func (l *Login) showReset(w http.ResponseWriter, r *http.Request) {
	if l.takeLink(w, r, resetLink) {
		return
	}
	m, linked, err := l.resetUnderWay(r)
	if errors.Is(err, store.ErrNotFound) {
		l.linkGone(w, r, resetLink)
		return
	}
	if err != nil {
		l.Guard.Fail(w, r, err)
		return
	}
	if linked {
		l.Pages.Render(w, r, http.StatusOK, pages.ResetPage{Email: m.User.Email})
		return
	}
	l.Pages.Render(w, r, http.StatusOK, resetCode(r, m))
}

// resetUnderWay returns the link that the browser followed or, if it followed none, the letter whose
// code it can type. [store.ErrNotFound]: neither is good for anything.
func (l *Login) resetUnderWay(r *http.Request) (m accounts.Mailed, linked bool, err error) {
	if secret := l.Sessions.Link(r, resetLink); secret != "" {
		m, err = l.Store.Mailed.MailedByLink(r.Context(), accounts.ToReset, secret)
		return m, true, err
	}
	m, err = l.Recovery.Pending(r.Context(), l.Sessions.Browser(r), accounts.ToReset)
	return m, false, err
}

// resetCode asks for the code of a letter.
func resetCode(r *http.Request, m accounts.Mailed) pages.CodePage {
	return pages.CodePage{Action: recovery.ResetPath, Back: "/forgot", Email: m.Email, Secret: true, Again: r.URL.Query().Has("again")}
}

// POST /reset: takes the code of a letter, sends another one, or sets the new password.
func (l *Login) postReset(w http.ResponseWriter, r *http.Request) {
	leave, ok := l.Guard.Turn(w, r)
	if !ok {
		return
	}
	defer leave()
	m, linked, err := l.resetUnderWay(r)
	switch {
	case errors.Is(err, store.ErrNotFound):
		l.linkGone(w, r, resetLink)
	case err != nil:
		l.Guard.Fail(w, r, err)
	case linked:
		l.resetPassword(w, r, m, leave)
	case r.PostForm.Has("again"):
		l.resetAgain(w, r, m)
	default:
		l.takeResetCode(w, r, m)
	}
}

func (l *Login) resetAgain(w http.ResponseWriter, r *http.Request, m accounts.Mailed) {
	data, err := recovery.ResetOf(m)
	if err == nil {
		err = l.Recovery.BeginReset(r, l.Sessions.Browser(r), m.Email, data.Interaction)
	}
	if err != nil {
		l.refuseCode(w, r, err, resetCode(r, m))
		return
	}
	l.Guard.See(w, r, recovery.ResetPath+"?again")
}

func (l *Login) takeResetCode(w http.ResponseWriter, r *http.Request, m accounts.Mailed) {
	_, secret, err := l.tryCode(r, m)
	if err != nil {
		l.refuseCode(w, r, err, resetCode(r, m))
		return
	}
	l.Sessions.KeepLink(w, resetLink, secret)
	l.Guard.See(w, r, recovery.ResetPath)
}

// tryCode takes the code that r brought, and returns a link to go on with, and its secret.
func (l *Login) tryCode(r *http.Request, m accounts.Mailed) (link accounts.Mailed, secret string, err error) {
	code := recovery.Digits(r.PostForm.Get("code"))
	if code == "" {
		return link, "", guard.FormError{"code": messages.MailCodeMissing}
	}
	link, secret, err = l.Recovery.TryCode(r, m, l.Sessions.Browser(r), code)
	return link, secret, codeProblem(err, "code", messages.MailCodeWrong, messages.MailCodeOver)
}

// refuseCode shows the page of a code again.
func (l *Login) refuseCode(w http.ResponseWriter, r *http.Request, err error, page pages.CodePage) {
	l.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page {
		page.Form, page.Again = form, false
		return page
	})
}

// resetPassword sets the new password. Nobody is logged in by that: a second step may be owed.
func (l *Login) resetPassword(w http.ResponseWriter, r *http.Request, m accounts.Mailed, leave func()) {
	hash, err := l.chosenPassword(r, m.User, leave)
	if err == nil {
		err = l.Recovery.FinishReset(r, m, hash, l.Sessions.DeviceSecret(r))
	}
	if errors.Is(err, store.ErrNotFound) { // spent this very moment
		l.linkGone(w, r, resetLink)
		return
	}
	if err != nil {
		l.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page { return pages.ResetPage{Form: form, Email: m.User.Email} })
		return
	}
	l.Sessions.DropLink(w, r, resetLink)
	l.Sessions.Hint(w, m.User.Email)
	query := ""
	if data, err := recovery.ResetOf(m); err == nil && data.Interaction != "" && l.waits(r, data.Interaction) {
		query = "?interaction=" + url.QueryEscape(data.Interaction)
	}
	l.Guard.See(w, r, "/login"+query)
}

// waits tells whether an interaction still waits in the browser that sent r.
func (l *Login) waits(r *http.Request, handle string) bool {
	_, err := l.Sessions.Interaction(r, handle)
	return err == nil
}

// chosenPassword judges and hashes a new password for an account. leave is as of newPassword.
func (l *Login) chosenPassword(r *http.Request, user accounts.User, leave func()) (hash string, err error) {
	password := r.PostForm.Get("password")
	if problem := passwords.Obvious(password); problem != "" {
		return "", guard.FormError{"password": problem}
	}
	waiting, cancel := context.WithTimeout(r.Context(), throttle.Patience)
	defer cancel()
	if err := l.Throttle.NewPassword(waiting, user.ID); err != nil {
		return "", err
	}
	leave()
	problem, err := l.Passwords.Weakness(waiting, l.Passwords.Change, password, user.Email, user.Name)
	if err != nil {
		return "", err
	}
	if problem != "" {
		return "", guard.FormError{"password": problem}
	}
	return l.Passwords.Hash(waiting, l.Passwords.Change, password)
}
