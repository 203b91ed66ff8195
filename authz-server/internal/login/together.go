package login

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/factors"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
)

// together logs in by a password and a code of the person's app that were typed together. The page
// offers it when there were too many tries with a password alone: strangers who guess cannot keep
// the owner out, who has both.
//
// What is wrong is not told: neither by the answer, which is the same when the code's or the
// password's own tries are used up, nor by the work, which is done for nobody where there is no
// account. Otherwise the limit on one half would tell a stranger that the other half is right.
func (l *Login) together(w http.ResponseWriter, r *http.Request, email, password, typed string) error {
	if !factors.IsCode(typed) {
		return guard.FormError{"otp": messages.CodeWrong}
	}
	waiting, cancel := context.WithTimeout(r.Context(), throttle.Patience)
	defer cancel()
	network, err := l.Throttle.Together(waiting, r)
	if err != nil {
		return err
	}
	user, err := l.Store.Users.UserByEmail(r.Context(), email)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	if err == nil {
		err = l.bothRight(waiting, w, r, user, password, typed)
	}
	switch {
	case errors.Is(err, errNotBoth) || errors.Is(err, store.ErrNotFound):
		network.Fail(r.Context())
		l.failed(r, user, "password_and_otp")
		return guard.FormError{"": messages.WrongTogether}
	default:
		network.Release(r.Context())
		return err
	}
}

// errNotBoth is that the password or the code is wrong, or that there were too many tries of one
// with the right other.
var errNotBoth = errors.New("the password or the code is wrong")

// bothRight logs in if password and code are right. A try that one half entitles to is taken before
// the other half is looked at, and where it does not, one of nobody's is.
func (l *Login) bothRight(ctx context.Context, w http.ResponseWriter, r *http.Request, user accounts.User,
	password, typed string) error {
	spend, err := l.Factors.CheckApp(r.Context(), user.ID, typed)
	code := err == nil
	if err != nil && !errors.Is(err, factors.ErrWrong) {
		return err
	}
	known, _, err := l.Sessions.Device(r, user.ID)
	if err != nil {
		return err
	}
	first, late, err := orUsedUp(l.Throttle.PasswordBesideCode(ctx, ifRight(code, user.ID)))
	if err != nil {
		return err
	}
	hash := user.PasswordHash
	if user.Disabled {
		hash = ""
	}
	right, outdated, err := l.Passwords.Check(ctx, l.Passwords.LogIn, password, hash)
	if err != nil {
		first.Release(r.Context())
		return err
	}
	second, later, err := orUsedUp(l.Throttle.SecondStep(ctx, r, ifRight(right, user.ID), known))
	if err != nil {
		first.Release(r.Context())
		return err
	}
	if right && code && !late && !later {
		if outdated {
			l.rehash(ctx, &user, password)
		}
		err = l.Sessions.Open(w, r, session.Opening{User: user, Proof: proofs.PasswordAndCode, With: spend})
		used := errors.Is(err, factors.ErrUsed)
		if used {
			err = errNotBoth
		}
		first.Release(r.Context())
		end(r.Context(), second, used)
		return err
	}
	end(r.Context(), first, code && !right)
	end(r.Context(), second, right && !code)
	return errNotBoth
}

// end ends a try of somebody who has one half, and so fails if the other is wrong.
func end(ctx context.Context, try throttle.Tries, failed bool) {
	if failed {
		try.Fail(ctx)
	} else {
		try.Release(ctx)
	}
}

// ifRight is the person's id if one half is right, and otherwise that of nobody.
func ifRight(right bool, userID string) string {
	if right {
		return userID
	}
	return rand.Text()
}

// orUsedUp tells whether there are no tries left, instead of by an error.
func orUsedUp(try throttle.Tries, err error) (throttle.Tries, bool, error) {
	var wait *throttle.WaitError
	if errors.As(err, &wait) {
		return try, true, nil
	}
	return try, false, err
}
