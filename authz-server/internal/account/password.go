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

const passwordPage = "/account/password"

// passwordOwner is owner for the page of the password. The present password proves who somebody is,
// a second step as well; where it does not, or there is none, a proof of late has to.
func (a *Account) passwordOwner(w http.ResponseWriter, r *http.Request) (*session.Session, bool) {
	current, ok := a.owner(w, r)
	if !ok || (current.User.SecondStep || current.User.PasswordHash == "") && !a.recent(w, r, current, passwordPage) {
		return nil, false
	}
	return current, true
}

// GET /account/password
func (a *Account) showPassword(w http.ResponseWriter, r *http.Request) {
	if current, ok := a.passwordOwner(w, r); ok {
		a.Pages.Render(w, r, http.StatusOK, pages.PasswordPage{Email: current.User.Email, First: current.User.PasswordHash == ""})
	}
}

// POST /account/password: changes the password if the person knows the present one, or gives them
// their first, and ends all other sessions with what apps were allowed in them.
func (a *Account) postPassword(w http.ResponseWriter, r *http.Request) {
	current, ok := a.passwordOwner(w, r)
	if !ok {
		return
	}
	first := current.User.PasswordHash == ""
	waiting, cancel := context.WithTimeout(r.Context(), throttle.Patience)
	defer cancel()
	chosen := r.PostForm.Get("new_password")
	err := a.judge(waiting, r, current, chosen)
	var cookie string
	if err == nil {
		cookie, err = a.changePassword(waiting, r, current, chosen)
	}
	if errors.Is(err, store.ErrNotFound) { // it was changed elsewhere, or the session ended, this very moment
		if _, ok := a.owner(w, r); !ok {
			return
		}
		if first {
			a.Guard.See(w, r, passwordPage)
			return
		}
		err = guard.FormError{"password": messages.PasswordWrong}
	}
	if err != nil {
		a.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page {
			return pages.PasswordPage{Form: form, Email: current.User.Email, First: first}
		})
		return
	}
	a.Sessions.Renew(w, current, cookie)
	what := messages.PasswordChanged
	if first {
		what = messages.PasswordSet
	}
	a.Guard.See(w, r, "/account/sessions?done="+string(what))
}

// judge tells what is wrong with what was typed: the present password, where there is one, is
// looked at only if the new one can be taken.
func (a *Account) judge(ctx context.Context, r *http.Request, current *session.Session, chosen string) error {
	present, first := r.PostForm.Get("password"), current.User.PasswordHash == ""
	if present == "" && !first {
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
	if err != nil || first {
		return err
	}
	if err := a.checkPresent(ctx, r, current, present); err != nil {
		return err
	}
	if passwords.Same(present, chosen) {
		return guard.FormError{"new_password": messages.PasswordSame}
	}
	return nil
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

// changePassword returns the session's new cookie, and tells the person.
func (a *Account) changePassword(ctx context.Context, r *http.Request, current *session.Session,
	chosen string) (cookie string, err error) {
	hash, err := a.Passwords.Hash(ctx, a.Passwords.Change, chosen)
	if err != nil {
		return "", err
	}
	err = a.Store.Tx(r.Context(), func(ctx context.Context) error {
		cookie, err = a.Store.Users.ChangePassword(ctx, current.UserID, current.User.PasswordHash, hash, current.ID)
		if err != nil {
			return err
		}
		return a.Notices.Note(ctx, r, current.User, notices.PasswordChanged, "")
	})
	return cookie, err
}
