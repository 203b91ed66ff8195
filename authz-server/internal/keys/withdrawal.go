package keys

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/keystore"
	"github.com/maru-auth/maru/jwks/jose"
)

const (
	// noticeWithin is how often Run asks whether a key was withdrawn.
	noticeWithin = 500 * time.Millisecond

	// Who asks for the key set has often just met the successor of a withdrawn key, at another
	// replica. An old set would then be believed for seconds. So it is worth a look, unless another
	// one took place a moment ago; without the database, the set is served as it is known.
	lookEvery   = 20 * time.Millisecond
	lookTimeout = 200 * time.Millisecond
	lookPause   = 5 * time.Second // after a look that failed

	// maxNamed bounds the keys that are named: the latest ones. Verifiers have bounds as well.
	maxNamed = 1000

	// leastNamed is how long a key is named as withdrawn at least. A thief gives forged tokens any
	// expiry, so what counts is how long a service may hold an old key set: fresh for an hour,
	// twelve hours more while the issuer is away, and longer with settings of its own.
	leastNamed = 30 * 24 * time.Hour
)

// Withdrawal is what an operator does to keys that were compromised. See [Ring.Withdraw].
type Withdrawal struct {
	KIDs    []string
	Reason  string // for the list of keys; may be empty
	Missing bool   // accept kids that the ring does not have, as after a restore

	// Also is done in the transaction that withdraws the keys; nil: nothing.
	Also func(ctx context.Context) error
}

// ErrTooManyMissing says that too many keys are withdrawn that the ring does not have.
var ErrTooManyMissing = keystore.ErrTooManyMissing

// IsKID tells whether a text can be the kid of a key of such a ring: all are thumbprints (RFC 7638).
func IsKID(text string) bool { return jose.IsThumbprint(text) }

// Withdraw takes compromised keys out of use, in one transaction: their private halves are deleted,
// they leave the key set, nothing that they signed verifies any more, refresh tokens included, and
// [Ring.Withdrawn] names them. Where one was the current key, the one that waits takes over, or a
// new one, so that signing never stops. Other replicas follow within half a second. Keys that are
// withdrawn already stay as they are. ErrUnknown, wrapped with the kid: the ring has no such key,
// and nothing was done.
func (k *Ring) Withdraw(ctx context.Context, w Withdrawal) error {
	if err := k.reload(ctx); err != nil {
		return err
	}
	known := k.snapshot.Load()
	for _, kid := range w.KIDs {
		if known.byKID[kid] == nil && !known.isWithdrawn(kid) && (!w.Missing || !IsKID(kid)) {
			return fmt.Errorf("%s: %w", kid, ErrUnknown)
		}
	}
	withdrawal := keystore.Withdrawal{
		KIDs:   slices.Compact(slices.Sorted(slices.Values(w.KIDs))), // all withdrawals lock rows in one order
		Reason: w.Reason, Missing: w.Missing, Replacements: map[string]keystore.SigningKey{}, Also: w.Also,
	}
	for {
		withdrawal.Until = k.cfg.Now().Add(k.nameFor())
		err := k.cfg.Store.Withdraw(ctx, withdrawal)
		var lacks *keystore.NoSuccessorError
		if !errors.As(err, &lacks) {
			if errors.Is(err, store.ErrNotFound) { // it was swept just now
				err = fmt.Errorf("%w: %w", ErrUnknown, err)
			}
			return errors.Join(err, k.reload(ctx))
		}
		// Keys are made outside of the transaction: an RSA key can take a second.
		if withdrawal.Replacements[lacks.Alg], err = k.make(lacks.Alg); err != nil {
			return err
		}
	}
}

// nameFor is how long a key is named as withdrawn: until all that it signed has expired, and every
// service has read the key set again.
func (k *Ring) nameFor() time.Duration { return max(k.keepFor(), leastNamed) }

// Withdrawn returns the ids, in order, of the keys that are to be named as withdrawn at that time,
// as the database was when it was last read. What verifies tokens must refuse all that they signed.
func (k *Ring) Withdrawn(now time.Time) []string {
	var kids []string
	for _, one := range latest(k.snapshot.Load().withdrawn, maxNamed) {
		if now.Before(one.ExpiresAt) {
			kids = append(kids, one.KID)
		}
	}
	return kids
}

// latest returns the keys that were withdrawn last, in the order that they had.
func latest(all []keystore.WithdrawnKey, count int) []keystore.WithdrawnKey {
	if len(all) <= count {
		return all
	}
	byTime := slices.SortedFunc(slices.Values(all), func(a, b keystore.WithdrawnKey) int {
		return b.WithdrawnAt.Compare(a.WithdrawnAt)
	})[:count]
	slices.SortFunc(byTime, func(a, b keystore.WithdrawnKey) int { return cmp.Compare(a.KID, b.KID) })
	return byTime
}

// ReadWithdrawn is [Ring.Withdrawn] as the database is now. It costs one small query; if a key was
// withdrawn since the last look, the ring has stopped using it when ReadWithdrawn returns.
func (k *Ring) ReadWithdrawn(ctx context.Context) ([]string, error) {
	kids, err := k.cfg.Store.WithdrawnKIDs(ctx)
	if err != nil {
		return nil, fmt.Errorf("read which signing keys were withdrawn: %w", err)
	}
	known := k.snapshot.Load().withdrawn
	if !slices.EqualFunc(kids, known, func(kid string, one keystore.WithdrawnKey) bool { return kid == one.KID }) {
		if err := k.reload(ctx); err != nil {
			return nil, err
		}
	}
	return k.Withdrawn(k.cfg.Now()), nil
}

// look reads which keys were withdrawn, for somebody who waits for the key set.
func (k *Ring) look(ctx context.Context) {
	now, last := k.cfg.Now(), k.looked.Load()
	since := now.Sub(time.UnixMicro(last))
	if since > -lookPause && since < lookEvery || !k.looked.CompareAndSwap(last, now.UnixMicro()) {
		return
	}
	// Not ended with this caller, for the outcome counts for all.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTimeout)
	defer cancel()
	if _, err := k.ReadWithdrawn(ctx); err != nil {
		k.looked.Store(now.Add(lookPause).UnixMicro())
	}
}

// noteWithdrawn logs the withdrawals that came with loaded.
func (k *Ring) noteWithdrawn(loaded *snapshot) {
	before := k.snapshot.Load()
	for _, one := range loaded.withdrawn {
		if before.lines != nil && !before.isWithdrawn(one.KID) {
			k.cfg.Log.Info("a signing key was withdrawn; what it signed is refused",
				"kid", one.KID, "alg", one.Alg, "at", one.WithdrawnAt, "reason", one.Reason)
		}
	}
}

func (k *Ring) forgetWithdrawn(ctx context.Context) error {
	now := k.cfg.Now()
	for _, one := range k.snapshot.Load().withdrawn {
		if !now.Before(one.ExpiresAt) {
			return k.cfg.Store.ForgetWithdrawnKeys(ctx)
		}
	}
	return nil
}
