package keys

import (
	"context"
	"time"
)

// State is one key as an operator sees it.
type State struct {
	KID   string    `json:"kid"`
	Alg   string    `json:"alg"`
	State string    `json:"state"` // next, current, retired (still published), kept (verifies refresh tokens alone) or withdrawn
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"` // when the state ends; zero: not known yet

	Reason string `json:"reason,omitempty"` // why it was withdrawn
}

// List returns the keys by algorithm, the latest of each first, as they are in the database now,
// and then those that were withdrawn. These have no Alg if they were not in the database.
func (k *Ring) List(ctx context.Context) ([]State, error) {
	if err := k.reload(ctx); err != nil {
		return nil, err
	}
	now := k.cfg.Now()
	keys := k.snapshot.Load()
	var list []State
	for one := range keys.all() {
		current := keys.lines[one.alg].current(now)
		state := State{KID: one.kid, Alg: one.alg}
		published := one.retiresAt.Add(k.publishFor())
		switch {
		case one.generation > current.generation:
			state.State, state.Since, state.Until = "next", one.createdAt, one.activatesAt
		case one == current:
			state.State, state.Since, state.Until = "current", one.activatesAt, one.retiresAt
		case now.Before(published):
			state.State, state.Since, state.Until = "retired", one.retiresAt, published
		default:
			state.State, state.Since, state.Until = "kept", published, one.retiresAt.Add(k.keepFor())
		}
		list = append(list, state)
	}
	for _, one := range keys.withdrawn {
		list = append(list, State{
			KID: one.KID, Alg: one.Alg, State: "withdrawn", Since: one.WithdrawnAt, Until: one.ExpiresAt, Reason: one.Reason,
		})
	}
	return list, nil
}

// List is [Ring.List] without a ring. It decrypts nothing and ignores cfg.KEK. The list is empty if
// no server has made keys yet.
func List(ctx context.Context, cfg Config) ([]State, error) {
	cfg.KEK = nil
	if cfg.MaxAge == 0 {
		cfg.MaxAge = DefaultMaxAge
	}
	k := &Ring{cfg: cfg, turns: newTurns(), loading: make(chan struct{}, 1)}
	k.snapshot.Store(&snapshot{})
	return k.List(ctx)
}
