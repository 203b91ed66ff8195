// Package notices tells people what happened to their account: in its history, which they see for
// 90 days, and by mail where it matters.
package notices

import (
	"context"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// Kind is what happened. Package messages has words for each.
type Kind string

// The kinds that there are.
const (
	NewDevice         Kind = "new_device" // somebody logged in in a browser that was not known
	SignedUp          Kind = "signed_up"
	PasswordChanged   Kind = "password_changed"
	PasswordReset     Kind = "password_reset" // by a link, or by an operator
	EmailChanged      Kind = "email_changed"
	EmailVerified     Kind = "email_verified"
	PasskeyAdded      Kind = "passkey_added" // detail: its name, as of the next
	PasskeyRemoved    Kind = "passkey_removed"
	PasskeyCloned     Kind = "passkey_cloned" // its counter went back: a copy of it may exist
	SecondStepOn      Kind = "second_step_on"
	SecondStepOff     Kind = "second_step_off"
	RecoveryCodesMade Kind = "recovery_codes_made"
	RecoveryCodeUsed  Kind = "recovery_code_used" // detail: how many are left
	BrowserTrusted    Kind = "browser_trusted"
	TrustEnded        Kind = "trust_ended" // of one browser or all
	SessionsEnded     Kind = "sessions_ended"
	DataExported      Kind = "data_exported"
	DeletionPlanned   Kind = "deletion_planned"
	DeletionCancelled Kind = "deletion_cancelled"
)

// Kinds lists every Kind.
var Kinds = []Kind{NewDevice, SignedUp, PasswordChanged, PasswordReset, EmailChanged, EmailVerified, PasskeyAdded, PasskeyRemoved,
	PasskeyCloned, SecondStepOn, SecondStepOff, RecoveryCodesMade, RecoveryCodeUsed, BrowserTrusted, TrustEnded, SessionsEnded,
	DataExported, DeletionPlanned, DeletionCancelled}

// Notices notes what happened. It is safe for concurrent use.
type Notices struct {
	Store *store.Store
}

// Note notes what happened to an account, by the request r; a nil r stands for an operator. Call it
// in the transaction of what happened, so that neither happens without the other.
func (n *Notices) Note(ctx context.Context, r *http.Request, user accounts.User, what Kind, detail string) error {
	e := accounts.Event{UserID: user.ID, Kind: string(what), Detail: detail}
	if r != nil {
		e.Address, e.UserAgent = sender.Of(r)
	}
	return n.Store.History.AddEvent(ctx, e)
}
