package admin

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
)

// The bounds of the letters to one address that one person or client causes within an hour, here and
// not at the pages, where strangers have a count of their own.
const (
	lettersTo = 5  // with a link
	toldOf    = 20 // about a change, which is refused rather than kept from the account's person
)

// letter counts a letter with a link that an actor sends. The error is a [*FieldError] of the address
// that has had too many. The machine has no bound.
func (a *Admin) letter(ctx context.Context, actor Actor, email string) error {
	return a.countLetter(ctx, actor, "operators-letter ", email, lettersTo)
}

// tell tells a person of a change, as [notices.Notices.Note] does, unless it is one too many within an
// hour: then it must not happen.
func (a *Admin) tell(ctx context.Context, actor Actor, user accounts.User, what notices.Kind, detail string) error {
	if err := a.countLetter(ctx, actor, "operators-change ", user.Email, toldOf); err != nil {
		return err
	}
	return a.Notices.Note(ctx, nil, user, what, detail)
}

func (a *Admin) countLetter(ctx context.Context, actor Actor, subject, email string, most int) error {
	if actor.Kind == Machine {
		return nil
	}
	subject += actor.ID + " " + hex.EncodeToString(opaque.Hash(accounts.EmailKey(email)))
	err := a.Store.Quotas.TakeQuotas(ctx, limits.Quota{Subject: subject, Limit: most, Window: time.Hour})
	var full *limits.QuotaError
	if errors.As(err, &full) {
		return wrong("email", fmt.Sprintf("has had %d letters of yours within an hour; try again in %s",
			most, full.Wait.Round(time.Minute)))
	}
	return err
}
