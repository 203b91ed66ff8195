package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/keys"
)

// Keys lists the signing keys, without their private halves.
func (a *Admin) Keys(ctx context.Context, actor Actor) ([]keys.State, error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return nil, err
	}
	return a.ListKeys(ctx)
}

// maxMade is how many signing keys of an algorithm can be made within a day but by commands: each is
// kept for as long as the tokens that it signed, and every replica has all of them. A month's
// withdrawals fit into what services are told of (keys.Ring.Withdrawn).
const maxMade = 8

// checkMade refuses to make one more key, which field asks for.
func (a *Admin) checkMade(ctx context.Context, actor Actor, field string) error {
	if actor.Kind == Machine {
		return nil
	}
	made, err := a.Ring.MadeWithin(ctx, 24*time.Hour)
	if err == nil && made >= maxMade {
		err = wrong(field, fmt.Sprintf("have had %d new keys within a day; a command at the machine makes more", made))
	}
	return err
}

// RotateKeys makes the next key of each of the algorithms, or of all if none is named; see
// [keys.Ring.Rotate]. [keys.ErrPending]: one has a next key already; those of the others are made.
func (a *Admin) RotateKeys(ctx context.Context, actor Actor, immediately bool, algs []string, reason string) error {
	if err := a.read(ctx, actor, ChangeSecrets); err != nil { // to make keys takes a while
		return err
	}
	if err := checkReason(reason); err != nil {
		return err
	}
	if err := a.doneBefore(ctx, actor); err != nil {
		return err
	}
	if err := a.checkMade(ctx, actor, "algs"); err != nil {
		return err
	}
	rotation, err := a.Ring.PrepareRotation(ctx, immediately, algs...)
	if err != nil {
		return err
	}
	var pending error
	if err := a.change(ctx, actor, ChangeSecrets, reason, func(ctx context.Context) error {
		var changed int
		if changed, pending, err = rotation.Store(ctx); err != nil {
			return err
		}
		if changed == 0 {
			return pending
		}
		if pending != nil {
			noteMade(ctx, RotatedInPart)
		}
		return a.Audit.Record(ctx, audit.Entry{Kind: audit.KeyRotated, Target: audit.Target{Kind: "key"},
			Detail: map[string]any{"algs": algs, "at_once": immediately}})
	}); err != nil {
		return err
	}
	return errors.Join(rotation.Stored(ctx), pending)
}

// RotatedInPart is what [Repeat.Made] says of an [Admin.RotateKeys] that returned [keys.ErrPending].
const RotatedInPart = "in part"

// WithdrawKeys takes keys out of use that somebody else may have; see [keys.Ring.Withdraw]. Those that
// the server does not have are not for services, which could name any. [keys.ErrUnknown]: there is no
// such key, and nothing was done.
func (a *Admin) WithdrawKeys(ctx context.Context, actor Actor, w keys.Withdrawal) error {
	if err := a.may(actor, ChangeSecrets, Target{Administrative: w.Missing}); err != nil {
		return err
	}
	if err := checkReason(w.Reason); err != nil {
		return err
	}
	if actor.Kind == Client { // people withdraw what leaked, whatever else happened today
		if err := a.checkMade(ctx, actor, "kids"); err != nil {
			return err
		}
	}
	if len(w.KIDs) == 0 {
		return wrong("kids", "must name at least one key")
	}
	w.Also = func(ctx context.Context) error {
		if err := a.confirm(ctx, actor); err != nil {
			return err
		}
		for _, kid := range w.KIDs {
			if err := a.Audit.Record(ctx, audit.Entry{
				Kind: audit.KeyWithdrawn, Target: audit.Target{Kind: "key", ID: kid},
			}); err != nil {
				return err
			}
		}
		return nil
	}
	err := a.Ring.Withdraw(audit.With(ctx, actor.entry(w.Reason)), w)
	if errors.Is(err, keys.ErrTooManyMissing) {
		err = wrong("kids", err.Error())
	}
	return err
}
