// Package factors is the second step of a log-in: codes of authenticator apps (TOTP, RFC 6238), and
// recovery codes for whoever lost their app.
//
// A code is looked at first, and spent in the transaction of what it is for: the functions that
// check one return a function that spends it.
package factors

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// What can be wrong with a code.
var (
	ErrWrong = errors.New("the code is wrong")
	ErrUsed  = errors.New("the code was used already, or a later one was")
)

// Factors sets up, checks and removes people's second steps. All fields must be set. It is safe for
// concurrent use.
type Factors struct {
	Store   *store.Store
	Vault   *Vault
	Notices *notices.Notices
	Now     func() time.Time
}

// Spend makes a code worthless. Call it in the transaction of what the code is for.
type Spend func(ctx context.Context) error

// CheckApp looks at a code of the person's app, as typed. Errors: ErrWrong; of the function it
// returns, ErrUsed.
func (f *Factors) CheckApp(ctx context.Context, userID, typed string) (Spend, error) {
	code := readOTP(typed)
	if code == "" {
		return nil, ErrWrong
	}
	app, err := f.Store.Factors.TOTP(ctx, userID)
	if errors.Is(err, store.ErrNotFound) || err == nil && !app.On {
		return nil, ErrWrong
	}
	if err != nil {
		return nil, err
	}
	secret, err := f.Vault.openSecret(userID, app.Secret)
	if err != nil {
		return nil, err
	}
	step, ok := matches(secret, code, f.Now())
	if !ok {
		return nil, ErrWrong
	}
	return func(ctx context.Context) error {
		return instead(f.Store.Factors.UseTOTP(ctx, userID, app.Secret, step), ErrUsed)
	}, nil
}

// CheckRecovery looks at a recovery code, as typed by the request r. The function that it returns
// tells the person that a code was used, and how many are left. Errors: ErrWrong, also for a code
// that was used already; of both.
func (f *Factors) CheckRecovery(r *http.Request, user accounts.User, typed string) (Spend, error) {
	code := readRecovery(typed)
	if code == "" {
		return nil, ErrWrong
	}
	return func(ctx context.Context) error {
		left, err := f.Store.Factors.UseRecoveryCode(ctx, user.ID, f.Vault.hashCode(user.ID, code))
		if err != nil {
			return instead(err, ErrWrong)
		}
		return f.Notices.Note(ctx, r, user, notices.RecoveryCodeUsed, strconv.Itoa(left))
	}, nil
}

// instead returns other if err is store.ErrNotFound.
func instead(err, other error) error {
	if errors.Is(err, store.ErrNotFound) {
		return other
	}
	return err
}

// State is what a person can know of their second step.
type State struct {
	On       bool
	Since    time.Time          // when the app was set up
	Codes    int                // recovery codes that are left
	Browsers []accounts.Browser // that stand for the second step
}

// State returns the state of the person's second step.
func (f *Factors) State(ctx context.Context, user accounts.User) (State, error) {
	if !user.SecondStep {
		return State{}, nil
	}
	app, err := f.Store.Factors.TOTP(ctx, user.ID)
	if err != nil {
		return State{}, instead(err, nil) // turned off this moment
	}
	s := State{On: app.On, Since: app.CreatedAt}
	if s.Codes, err = f.Store.Factors.RecoveryCodes(ctx, user.ID); err != nil {
		return State{}, err
	}
	s.Browsers, err = f.Store.Browsers.TrustedBrowsers(ctx, user.ID)
	return s, err
}
