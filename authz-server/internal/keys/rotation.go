package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	r, err := k.PrepareRotation(ctx, immediately, algs...)
	if err != nil {
		return err
	}
	var pending error
	if err := k.cfg.Store.Tx(ctx, func(ctx context.Context) error {
		_, pending, err = r.Store(ctx)
		return err
	}); err != nil {
		return err
	}
	return errors.Join(k.reload(ctx), pending)
}

// Rotation is a [Ring.Rotate] whose keys are made, and not stored: to make them takes too long for a
// transaction.
type Rotation struct {
	ring        *Ring
	immediately bool
	algs        []string
	made        map[string]keystore.SigningKey // by the algorithm; none where one waits
}

// PrepareRotation makes the keys of a rotation. Store them by [Rotation.Store].
func (k *Ring) PrepareRotation(ctx context.Context, immediately bool, algs ...string) (*Rotation, error) {
	if len(algs) == 0 {
		algs = algorithms
	}
	if err := k.reload(ctx); err != nil {
		return nil, err
	}
	r := &Rotation{ring: k, immediately: immediately, made: map[string]keystore.SigningKey{}}
	now := k.cfg.Now()
	for _, alg := range algs {
		keys := k.snapshot.Load().lines[alg]
		switch {
		case len(keys) == 0:
			return nil, fmt.Errorf("rotate %q: %w", alg, errAlgorithm)
		case slices.Contains(r.algs, alg):
			continue
		}
		r.algs = append(r.algs, alg)
		if keys.next(now) != nil {
			continue
		}
		made, err := k.make(alg)
		if err != nil {
			return nil, err
		}
		made.Generation, made.ActivatesAt = keys[0].generation+1, now
		if !immediately {
			made.ActivatesAt = now.Add(k.lead())
		}
		r.made[alg] = made
	}
	return r, nil
}

// MadeWithin returns how many keys were made within that time of the algorithm that most were made of,
// those that were withdrawn since included, as the database is now.
func (k *Ring) MadeWithin(ctx context.Context, within time.Duration) (most int, err error) {
	if err := k.reload(ctx); err != nil {
		return 0, err
	}
	since, made := k.cfg.Now().Add(-within), map[string]int{}
	known := k.snapshot.Load()
	for one := range known.all() {
		if one.createdAt.After(since) {
			made[one.alg]++
		}
	}
	for _, one := range known.withdrawn {
		if one.Alg != "" && one.CreatedAt.After(since) {
			made[one.Alg]++
		}
	}
	for _, n := range made {
		most = max(most, n)
	}
	return most, nil
}

// Store stores the keys, in the transaction of ctx, and returns how many next keys there are or took
// over by it. pending is ErrPending if one waited already. Call [Rotation.Stored] once the
// transaction is committed.
func (r *Rotation) Store(ctx context.Context) (changed int, pending, err error) {
	for _, alg := range r.algs {
		if r.immediately {
			_, err := r.ring.cfg.Store.ActivateSigningKey(ctx, alg)
			if err == nil {
				changed++
				continue
			}
			if !errors.Is(err, store.ErrNotFound) {
				return 0, nil, err
			}
		}
		made, there := r.made[alg]
		if !there && r.immediately { // the one that waited has just taken over by itself
			changed++
			continue
		}
		if there {
			err = r.ring.store(ctx, made)
		}
		switch {
		case !there || errors.Is(err, store.ErrExists): // or another process made one just now
			pending, err = ErrPending, nil
		case err != nil:
			return 0, nil, err
		default:
			changed++
		}
	}
	return changed, pending, nil
}

// Stored has the ring take up what was stored. Other replicas follow within [Config.Reload].
func (r *Rotation) Stored(ctx context.Context) error { return r.ring.reload(ctx) }

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
	return k.cfg.Store.Tx(ctx, func(ctx context.Context) error { return k.store(ctx, made) })
}

// store adds a key to the database, in the transaction of ctx.
func (k *Ring) store(ctx context.Context, made keystore.SigningKey) error {
	if err := k.cfg.Store.AddSigningKey(ctx, made); err != nil || k.cfg.Made == nil {
		return err
	}
	return k.cfg.Made(ctx, made.KID, made.Alg, made.ActivatesAt)
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
