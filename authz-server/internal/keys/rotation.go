package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/keystore"
)

// Rotate makes the next key of each of the algorithms, or of all if none is named. It signs once
// every verifier can know it. The error is ErrPending if one waits already; those of the other
// algorithms are made nevertheless. With immediately the key signs at once, even one that waits:
// verifiers that do not fetch the key set again for an unknown key then refuse its tokens until
// their copy has aged.
func (k *Ring) Rotate(ctx context.Context, immediately bool, algs ...string) error {
	if len(algs) == 0 {
		algs = algorithms
	}
	if err := k.reload(ctx); err != nil {
		return err
	}
	var pending error
	for _, alg := range algs {
		err := k.rotate(ctx, alg, immediately)
		if errors.Is(err, ErrPending) {
			pending = err
			continue
		}
		if err != nil {
			return err
		}
	}
	if err := k.reload(ctx); err != nil {
		return err
	}
	return pending
}

func (k *Ring) rotate(ctx context.Context, alg string, immediately bool) error {
	now := k.cfg.Now()
	keys := k.snapshot.Load().lines[alg]
	if len(keys) == 0 {
		return fmt.Errorf("rotate %q: %w", alg, errAlgorithm)
	}
	at := now
	if immediately {
		if _, err := k.cfg.Store.ActivateSigningKey(ctx, alg); err == nil || !errors.Is(err, store.ErrNotFound) {
			return err
		}
	} else {
		if keys.next(now) != nil {
			return ErrPending
		}
		at = now.Add(k.lead())
	}
	err := k.add(ctx, alg, keys[0].generation+1, at)
	if errors.Is(err, store.ErrExists) { // another process made it just now
		return ErrPending
	}
	return err
}

func (k *Ring) rotateWhenDue(ctx context.Context) error {
	if k.cfg.Rotation == 0 {
		return nil
	}
	made := false
	for _, alg := range algorithms {
		now := k.cfg.Now()
		keys := k.snapshot.Load().lines[alg]
		current := keys.current(now)
		if current == nil || keys.next(now) != nil {
			continue
		}
		at := current.activatesAt.Add(k.cfg.Rotation)
		if at.Sub(now) > k.lead() {
			continue
		}
		if earliest := now.Add(k.lead()); at.Before(earliest) {
			at = earliest
		}
		err := k.add(ctx, alg, keys[0].generation+1, at)
		if errors.Is(err, store.ErrExists) { // another replica was faster
			continue
		}
		if err != nil {
			return err
		}
		k.cfg.Log.Info("made the next signing key", "alg", alg, "signs_from", at)
		made = true
	}
	if !made {
		return nil
	}
	return k.reload(ctx)
}

// Sweep removes the keys whose last refresh token has expired, and forgets withdrawn ones in time.
func (k *Ring) Sweep(ctx context.Context) error {
	now := k.cfg.Now()
	for one := range k.snapshot.Load().all() {
		if one.retiresAt.IsZero() || now.Before(one.retiresAt.Add(k.keepFor())) {
			continue
		}
		if err := k.cfg.Store.DeleteSigningKey(ctx, one.kid); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		k.cfg.Log.Info("removed a signing key that is past use", "kid", one.kid)
	}
	return k.forgetWithdrawn(ctx)
}

func (k *Ring) add(ctx context.Context, alg string, generation int64, activatesAt time.Time) error {
	made, err := k.make(alg)
	if err != nil {
		return err
	}
	made.Generation, made.ActivatesAt = generation, activatesAt
	return k.cfg.Store.Tx(ctx, func(ctx context.Context) error {
		if err := k.cfg.Store.AddSigningKey(ctx, made); err != nil || k.cfg.Made == nil {
			return err
		}
		return k.cfg.Made(ctx, made.KID, alg, activatesAt)
	})
}

// make makes a key for the database, without a place in its line.
func (k *Ring) make(alg string) (keystore.SigningKey, error) {
	made, err := k.cfg.generate(alg, k.cfg.Bits)
	if err != nil {
		return keystore.SigningKey{}, err
	}
	envelope, err := made.seal(k.cfg.KEK)
	if err != nil {
		return keystore.SigningKey{}, err
	}
	return keystore.SigningKey{KID: made.kid, Alg: alg, PrivateKey: envelope}, nil
}

// lead is how long a new key is published before it signs: until each replica publishes it, and
// each cached key set has been fetched again.
func (k *Ring) lead() time.Duration { return k.cfg.MaxAge + 2*k.cfg.Reload + slack }

// publishFor is how long a retired key stays in the key set: a replica may sign with it until it
// reads the database again.
func (k *Ring) publishFor() time.Duration { return k.cfg.TokenLifetime + k.cfg.Reload + slack }

// keepFor is how long a retired key stays at all.
func (k *Ring) keepFor() time.Duration {
	return max(k.publishFor(), k.cfg.RefreshLifetime+k.cfg.Reload+slack)
}
