package keys

import (
	"context"
	"fmt"
	"slices"
)

// Inspection is what [Inspect] finds.
type Inspection struct {
	Keys  []State
	Stale int      // how many keys and secrets are still encrypted with an old key-encryption key
	None  []string // the algorithms that have no key yet
}

// Inspect is [List] that also opens every key and every secret of the server with cfg.KEK. It makes
// and changes nothing. ErrWrongKEK: one does not open.
func Inspect(ctx context.Context, cfg Config) (i Inspection, err error) {
	if cfg.MaxAge == 0 {
		cfg.MaxAge = DefaultMaxAge
	}
	k := &Ring{cfg: cfg, turns: newTurns(), loading: make(chan struct{}, 1)}
	k.snapshot.Store(&snapshot{})
	if i.Keys, err = k.List(ctx); err != nil {
		return i, err
	}
	for one := range k.snapshot.Load().all() {
		if one.stale {
			i.Stale++
		}
	}
	for _, alg := range algorithms {
		if !slices.ContainsFunc(i.Keys, func(s State) bool { return s.Alg == alg && s.State == "current" }) {
			i.None = append(i.None, alg)
		}
	}
	secrets, err := cfg.Store.ServerSecrets(ctx)
	if err != nil {
		return i, err
	}
	for _, one := range secrets {
		_, stale, err := cfg.KEK.Open(secretPurpose, one.Value, one.Name)
		if err != nil {
			return i, fmt.Errorf("the key-encryption key does not fit the server secret %s in this database: it %w", one.Name, err)
		}
		if stale {
			i.Stale++
		}
	}
	return i, nil
}
