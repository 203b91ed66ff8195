package account

import (
	"context"
	"errors"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
)

// GET /account/password
func (a *Account) showPassword(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok {
		return
	}
	if hasPassword(current) || a.recent(w, r, current, passwordPath) {
		a.Pages.Render(w, r, http.StatusOK, pages.PasswordPage{Email: current.User.Email, First: !hasPassword(current)})
	}
}

const passwordPath = "/account/password"

// hasPassword tells whether the person has one: who signed up by a passkey has none.
func hasPassword(current *session.Session) bool { return current.User.PasswordHash != "" }

// POST /account/password: changes the password if the person knows the present one, and ends all
// other sessions with what apps were allowed in them. A first password needs a recent proof
// instead.
func (a *Account) postPassword(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok || !hasPassword(current) && !a.recent(w, r, current, passwordPath) {
		return
	}
	waiting, cancel := context.WithTimeout(r.Context(), throttle.Patience)
	defer cancel()
	present, chosen := r.PostForm.Get("password"), r.PostForm.Get("new_password")
	err := a.judge(waiting, current, present, chosen)
	if err == nil && hasPassword(current) {
		err = a.checkPresent(waiting, r, current, present)
	}
	if err == nil && passwords.Same(present, chosen) {
		err = guard.FormError{"new_password": messages.PasswordSame}
	}
	var cookie string
	if err == nil {
		cookie, err = a.changePassword(waiting, r, current, chosen)
	}
	if errors.Is(err, store.ErrNotFound) { // it was changed elsewhere, or the session ended, this very moment
		if _, ok := a.owner(w, r); !ok {
			return
		}
		err = guard.FormError{"password": messages.PasswordWrong}
	}
	if err != nil {
		a.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page {
			return pages.PasswordPage{Form: form, Email: current.User.Email, First: !hasPassword(current)}
		})
		return
	}
	a.Sessions.Renew(w, current, cookie)
	a.Guard.See(w, r, "/account/sessions?done="+string(messages.PasswordChanged))
}

// judge tells what is wrong with what was typed, before the present password is looked at.
func (a *Account) judge(ctx context.Context, current *session.Session, present, chosen string) error {
	if present == "" && hasPassword(current) {
		return guard.FormError{"password": messages.PasswordMissing}
	}
	if problem := passwords.Obvious(chosen); problem != "" {
		return guard.FormError{"new_password": problem}
	}
	if err := a.Throttle.NewPassword(ctx, current.UserID); err != nil {
		return err
	}
	problem, err := a.Passwords.Weakness(ctx, a.Passwords.Change, chosen, current.User.Email, current.User.Name)
	if err == nil && problem != "" {
		err = guard.FormError{"new_password": problem}
	}
	return err
}

// checkPresent tells whether the person knows the present password.
func (a *Account) checkPresent(ctx context.Context, r *http.Request, current *session.Session, present string) error {
	try, err := a.Throttle.PresentPassword(ctx, current.ID)
	if err != nil {
		return err
	}
	right, _, err := a.Passwords.Check(ctx, a.Passwords.Change, present, current.User.PasswordHash)
	if err == nil && !right {
		try.Fail(r.Context())
		return guard.FormError{"password": messages.PasswordWrong}
	}
	try.Release(r.Context())
	return err
}

// changePassword returns the session's new cookie.
func (a *Account) changePassword(ctx context.Context, r *http.Request, current *session.Session,
	chosen string) (cookie string, err error) {
	hash, err := a.Passwords.Hash(ctx, a.Passwords.Change, chosen)
	if err != nil {
		return "", err
	}
	err = a.Store.Tx(r.Context(), func(ctx context.Context) (err error) {
		cookie, err = a.Store.Users.ChangePassword(ctx, current.UserID, current.User.PasswordHash, hash, current.ID)
		if err != nil {
			return err
		}
		return a.Notices.Note(ctx, r, current.User, notices.PasswordChanged, "")
	})
	return cookie, err
}
