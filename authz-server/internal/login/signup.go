package login

import (
	"context"
	"errors"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
)

// GET /signup
func (l *Login) showSignup(w http.ResponseWriter, r *http.Request) {
	a, r, ok := l.arrival(w, r)
	if !ok {
		return
	}
	l.Sessions.EnsureBrowser(w, r)
	l.Pages.Render(w, r, http.StatusOK, pages.SignupPage{Query: a.query(), App: a.app, Email: a.loginHint()})
}

// POST /signup: makes an account and logs in. Without sending mail, the page cannot hide that an
// address has an account; finding out takes as long as signing up, and tries are counted for each
// network address.
func (l *Login) postSignup(w http.ResponseWriter, r *http.Request) {
	leave, ok := l.Guard.Turn(w, r)
	if !ok {
		return
	}
	defer leave()
	a, r, ok := l.arrival(w, r)
	if !ok {
		return
	}
	user, err := l.readSignup(w, r)
	if err == nil {
		user.PasswordHash, err = l.newPassword(r, user, leave)
	}
	if err == nil {
		err = l.signUp(w, r, user)
	}
	if err != nil {
		l.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page {
			return pages.SignupPage{Form: form, Query: a.query(), App: a.app, Email: user.Email, Name: user.Name}
		})
		return
	}
	l.onward(w, r, a.handle)
}

// readSignup reads the form, and tells what is wrong with it as far as that costs nothing to find
// out.
func (l *Login) readSignup(w http.ResponseWriter, r *http.Request) (accounts.User, error) {
	user := accounts.User{Locale: l.Pages.Language(r)}
	wrong := make(guard.FormError)
	var problem messages.Problem
	if user.Name, problem = profile.Name(r.PostForm.Get("name")); problem != "" {
		wrong["name"] = problem
	}
	if user.Email, problem = profile.Email(r.PostForm.Get("email")); problem != "" {
		wrong["email"] = problem
	}
	if problem := passwords.Obvious(r.PostForm.Get("password")); problem != "" {
		wrong["password"] = problem
	}
	return user, l.needsCookies(w, r, wrong)
}

// newPassword judges and hashes the password of somebody who signs up. It is counted first: from
// here on it costs work, which anybody can ask for. leave ends the sender's turn, for that work has
// a queue of its own.
func (l *Login) newPassword(r *http.Request, user accounts.User, leave func()) (hash string, err error) {
	waiting, cancel := context.WithTimeout(r.Context(), throttle.Patience)
	defer cancel()
	if err := l.Throttle.Signup(waiting, r); err != nil {
		return "", err
	}
	leave()
	password := r.PostForm.Get("password")
	problem, err := l.Passwords.Weakness(waiting, l.Passwords.SignUp, password, user.Email, user.Name)
	if err != nil {
		return "", err
	}
	if problem != "" {
		return "", guard.FormError{"password": problem}
	}
	return l.Passwords.Hash(waiting, l.Passwords.SignUp, password)
}

// signUp makes the account and logs in. A second click finds the account, and its person logged in:
// that is no error.
func (l *Login) signUp(w http.ResponseWriter, r *http.Request, user accounts.User) error {
	made, err := l.Store.Users.CreateUser(r.Context(), user)
	if errors.Is(err, store.ErrExists) {
		if l.signedUp(r, user.Email) {
			return nil
		}
		return guard.FormError{"email": messages.EmailTaken}
	}
	if err != nil {
		return err
	}
	return l.Sessions.Open(w, r, session.Opening{User: made, Proof: proofs.Password})
}

// signedUp tells whether the person who is logged in has this address.
func (l *Login) signedUp(r *http.Request, email string) bool {
	current, err := l.Sessions.Session(r)
	if err != nil || current == nil {
		return false
	}
	user, err := l.Store.Users.UserByEmail(r.Context(), email)
	return err == nil && user.ID == current.UserID
}
