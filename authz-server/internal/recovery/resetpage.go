package recovery

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
)

// GET /forgot
func (l *Links) showForgot(w http.ResponseWriter, r *http.Request) {
	a, r, ok := l.Arrivals.Of(w, r)
	if !ok {
		return
	}
	l.Sessions.EnsureBrowser(w, r)
	l.Pages.Render(w, r, http.StatusOK, pages.ForgotPage{Query: a.Query(), Email: a.LoginHint(), NoMail: !l.Recovery.SendsMail()})
}

// POST /forgot: writes to the owner of an address. Its answer, and how long it takes, do not tell
// whether there is one.
func (l *Links) postForgot(w http.ResponseWriter, r *http.Request) {
	leave, ok := l.Guard.Turn(w, r)
	if !ok {
		return
	}
	defer leave()
	a, r, ok := l.Arrivals.Of(w, r)
	if !ok {
		return
	}
	if !l.Recovery.SendsMail() {
		l.Pages.Render(w, r, http.StatusOK, pages.ForgotPage{Query: a.Query(), NoMail: true})
		return
	}
	wrong := make(guard.FormError)
	email, problem := profile.Email(r.PostForm.Get("email"))
	if problem != "" {
		wrong["email"] = problem
	}
	err := l.Arrivals.NeedsCookies(w, r, wrong)
	if err == nil {
		err = l.Recovery.BeginReset(r, l.Sessions.Browser(r), email, a.Handle)
	}
	if err != nil {
		l.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page {
			return pages.ForgotPage{Form: form, Query: a.Query(), Email: email}
		})
		return
	}
	l.Sessions.DropLink(w, r, resetLink)
	l.Guard.See(w, r, ResetPath)
}

// GET /reset: asks for the new password of somebody who followed a link, and for the code of
// somebody who has not yet.
func (l *Links) showReset(w http.ResponseWriter, r *http.Request) {
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

// resetUnderWay returns the link that the browser followed or, if it followed none, the letter
// whose code it can type. [store.ErrNotFound]: neither is good for anything.
func (l *Links) resetUnderWay(r *http.Request) (m accounts.Mailed, linked bool, err error) {
	if secret := l.Sessions.Link(r, resetLink); secret != "" {
		m, err = l.Store.Mailed.MailedByLink(r.Context(), accounts.ToReset, secret)
		return m, true, err
	}
	m, err = l.Recovery.Pending(r.Context(), l.Sessions.Browser(r), accounts.ToReset)
	return m, false, err
}

// resetCode asks for the code of a letter.
func resetCode(r *http.Request, m accounts.Mailed) pages.CodePage {
	return pages.CodePage{Action: ResetPath, Back: "/forgot", Email: m.Email, Secret: true, Again: r.URL.Query().Has("again")}
}

// POST /reset: takes the code of a letter, sends another one, or sets the new password.
func (l *Links) postReset(w http.ResponseWriter, r *http.Request) {
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

func (l *Links) resetAgain(w http.ResponseWriter, r *http.Request, m accounts.Mailed) {
	data, err := ResetOf(m)
	if err == nil {
		err = l.Recovery.BeginReset(r, l.Sessions.Browser(r), m.Email, data.Interaction)
	}
	if err != nil {
		l.refuseCode(w, r, err, resetCode(r, m))
		return
	}
	l.Guard.See(w, r, ResetPath+"?again")
}

func (l *Links) takeResetCode(w http.ResponseWriter, r *http.Request, m accounts.Mailed) {
	_, secret, err := l.tryCode(r, m)
	if err != nil {
		l.refuseCode(w, r, err, resetCode(r, m))
		return
	}
	l.Sessions.KeepLink(w, resetLink, secret)
	l.Guard.See(w, r, ResetPath)
}

// resetPassword sets the new password. Nobody is logged in by that: a second step may be owed.
func (l *Links) resetPassword(w http.ResponseWriter, r *http.Request, m accounts.Mailed, leave func()) {
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
	if data, err := ResetOf(m); err == nil && data.Interaction != "" && l.waits(r, data.Interaction) {
		query = "?interaction=" + url.QueryEscape(data.Interaction)
	}
	l.Guard.See(w, r, "/login"+query)
}

// waits tells whether an interaction still waits in the browser that sent r.
func (l *Links) waits(r *http.Request, handle string) bool {
	_, err := l.Sessions.Interaction(r, handle)
	return err == nil
}

// chosenPassword judges and hashes a new password for an account. leave is as of newPassword.
func (l *Links) chosenPassword(r *http.Request, user accounts.User, leave func()) (hash string, err error) {
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
