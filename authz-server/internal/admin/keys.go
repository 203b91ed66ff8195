package admin

import (
	"context"

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

// RotateKeys makes the next key of each of the algorithms, or of all if none is named; see
// [keys.Ring.Rotate]. [keys.ErrPending]: one has a next key already. The entry in the log follows,
// since keys are not made in a transaction: that takes too long.
func (a *Admin) RotateKeys(ctx context.Context, actor Actor, immediately bool, algs []string, reason string) error {
	if err := a.change(ctx, actor, ChangeSecrets, reason, func(context.Context) error { return nil }); err != nil {
		return err
	}
	if err := a.Ring.Rotate(ctx, immediately, algs...); err != nil {
		return err
	}
	return a.change(ctx, actor, ChangeSecrets, reason, func(ctx context.Context) error {
		return a.Audit.Record(ctx, audit.Entry{Kind: audit.KeyRotated, Target: audit.Target{Kind: "key"},
			Detail: map[string]any{"algs": algs, "at_once": immediately}})
	})
}

// WithdrawKeys takes keys out of use that somebody else may have; see [keys.Ring.Withdraw].
// [keys.ErrUnknown]: there is no such key, and nothing was done.
func (a *Admin) WithdrawKeys(ctx context.Context, actor Actor, w keys.Withdrawal) error {
	if err := a.may(actor, ChangeSecrets, Target{}); err != nil {
		return err
	}
	if err := checkReason(w.Reason); err != nil {
		return err
	}
	if len(w.KIDs) == 0 {
		return wrong("kids", "must name at least one key")
	}
	w.Also = func(ctx context.Context) error {
		if err := a.confirm(ctx, actor); err != nil {
			return err
		}
		for _, kid := range w.KIDs {
			if err := a.Audit.Record(ctx, audit.Entry{Kind: audit.KeyWithdrawn, Target: audit.Target{Kind: "key", ID: kid}}); err != nil {
				return err
			}
		}
		return nil
	}
	return a.Ring.Withdraw(audit.With(ctx, actor.entry(w.Reason)), w)
}
