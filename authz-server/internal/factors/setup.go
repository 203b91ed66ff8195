package factors

import (
	"context"
	"errors"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// Setup is what a person needs to add an account to their app.
type Setup struct {
	URI    string // what the QR code says; it opens the app where that is on the same device
	QR     string // the path of its dark modules, in a square of QRSize by QRSize units
	QRSize int
	Secret string // for typing, in groups
}

// Begin makes a secret for an app that is to be set up in a session. It is good for
// [accounts.TOTPSetup]. [store.ErrExists]: the person has an app.
func (f *Factors) Begin(ctx context.Context, userID, sessionID string) error {
	_, sealed, err := f.Vault.newSecret(userID, sessionID)
	if err != nil {
		return err
	}
	return f.Store.Factors.BeginTOTP(ctx, userID, sealed)
}

// Setup returns the app that is being set up in a session, to be kept under the name of the
// product. [store.ErrNotFound]: none is.
func (f *Factors) Setup(ctx context.Context, user accounts.User, sessionID, product string) (Setup, error) {
	_, secret, err := f.pending(ctx, user.ID, sessionID)
	if err != nil {
		return Setup{}, err
	}
	s := Setup{URI: keyURI(product, user.Email, secret), Secret: groups(encoding.EncodeToString(secret))}
	s.QRSize, s.QR, err = drawQR(s.URI)
	return s, err
}

// pending returns the app that is being set up in a session, and its secret. One that is set up in
// another session counts as none: whoever began it there knows its secret, and need not be the
// person.
func (f *Factors) pending(ctx context.Context, userID, sessionID string) (app accounts.TOTP, secret []byte, err error) {
	app, err = f.Store.Factors.TOTP(ctx, userID)
	if err == nil && app.On {
		err = store.ErrNotFound
	}
	if err != nil {
		return app, nil, err
	}
	if secret, err = f.Vault.openSecret(userID, app.Secret, sessionID); errors.Is(err, keys.ErrWrongKEK) {
		err = store.ErrNotFound
	}
	return app, secret, err
}

// Confirm looks at the first code of an app that is being set up in a session, as typed by the
// request r. The function that it returns turns the second step on, and tells the person; codes are
// their recovery codes then, which are shown once. Errors: ErrWrong; [store.ErrNotFound], of both,
// if none is being set up.
func (f *Factors) Confirm(r *http.Request, user accounts.User, sessionID, typed string) (codes []string, turnOn Spend, err error) {
	app, secret, err := f.pending(r.Context(), user.ID, sessionID)
	if err != nil {
		return nil, nil, err
	}
	step, ok := matches(secret, readOTP(typed), f.Now())
	if !ok {
		return nil, nil, ErrWrong
	}
	sealed, err := f.Vault.sealSecret(secret, user.ID)
	if err != nil {
		return nil, nil, err
	}
	codes, hashes := f.Vault.newCodes(user.ID)
	return shown(codes), func(ctx context.Context) error {
		if err := f.Store.Factors.ConfirmTOTP(ctx, user.ID, app.Secret, sealed, step, hashes); err != nil {
			return err
		}
		return f.Notices.Note(ctx, r, user, notices.SecondStepOn, "")
	}, nil
}

// NewCodes gives a person new recovery codes in place of the old ones, by the request r.
// [store.ErrNotFound]: they have no second step.
func (f *Factors) NewCodes(r *http.Request, user accounts.User) (codes []string, err error) {
	codes, hashes := f.Vault.newCodes(user.ID)
	err = f.Store.Tx(r.Context(), func(ctx context.Context) error {
		if err := f.Store.Factors.ReplaceRecoveryCodes(ctx, user.ID, hashes); err != nil {
			return err
		}
		return f.Notices.Note(ctx, r, user, notices.RecoveryCodesMade, "")
	})
	return shown(codes), err
}

// TurnOff removes the person's app and recovery codes, and tells them. A nil r stands for an
// operator. [store.ErrNotFound]: they have no second step.
func (f *Factors) TurnOff(ctx context.Context, r *http.Request, user accounts.User) error {
	return f.Store.Tx(ctx, func(ctx context.Context) error {
		if err := f.Store.Factors.RemoveTOTP(ctx, user.ID); err != nil {
			return err
		}
		return f.Notices.Note(ctx, r, user, notices.SecondStepOff, "")
	})
}

// Distrust ends the trust of the browser with this id, or of all if it is empty, and tells the
// person. [store.ErrNotFound]: none of theirs is trusted.
func (f *Factors) Distrust(r *http.Request, user accounts.User, id string) error {
	return f.Store.Tx(r.Context(), func(ctx context.Context) error {
		if err := f.Store.Browsers.Distrust(ctx, user.ID, id); err != nil {
			return err
		}
		return f.Notices.Note(ctx, r, user, notices.TrustEnded, "")
	})
}

func shown(codes []string) (all []string) {
	for _, code := range codes {
		all = append(all, showCode(code))
	}
	return all
}

// IsShown tells whether text is a recovery code as people see it, and nothing else.
func IsShown(text string) bool {
	code := readRecovery(text)
	return code != "" && showCode(code) == text
}
