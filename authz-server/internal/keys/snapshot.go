package keys

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/keystore"
)

// snapshot is the keys as of one look into the database.
type snapshot struct {
	lines     map[string]line // by algorithm
	byKID     map[string]*key // without those that were withdrawn
	withdrawn []keystore.WithdrawnKey
}

func (s *snapshot) isWithdrawn(kid string) bool {
	return slices.ContainsFunc(s.withdrawn, func(one keystore.WithdrawnKey) bool { return one.KID == kid })
}

// all goes through the keys by algorithm, the latest of each first, without those that were
// withdrawn.
func (s *snapshot) all() iter.Seq[*key] {
	return func(yield func(*key) bool) {
		for _, alg := range algorithms {
			for _, one := range s.lines[alg] {
				if !one.withdrawn && !yield(one) {
					return
				}
			}
		}
	}
}

// arrange puts each line in order, and says of each key when it retires.
func (s *snapshot) arrange() {
	for _, keys := range s.lines {
		slices.SortFunc(keys, func(a, b *key) int { return cmp.Compare(b.generation, a.generation) })
		var takeover time.Time // the earliest activation of a later generation
		for _, one := range keys {
			one.retiresAt = takeover
			if takeover.IsZero() || one.activatesAt.Before(takeover) {
				takeover = one.activatesAt
			}
		}
	}
}

// line is the keys of one algorithm by generation, the latest first. Keys that were withdrawn after
// they had signed keep their place, so that those before them stay retired.
type line []*key

// current is the key that signs: of the latest generation that has activated. The successor of a
// withdrawn key signs whenever it activates, because this clock may be behind that of the process
// that withdrew it. When no key has activated, because this clock is behind that of the replica
// that made the first key, the earliest generation signs. It is nil only if there is no key.
func (l line) current(now time.Time) *key {
	var after *key // the latest looked at, and not withdrawn
	for _, one := range l {
		activated := !one.activatesAt.After(now)
		switch {
		case !one.withdrawn && activated:
			return one
		case !one.withdrawn:
			after = one
		case activated && after != nil:
			return after
		}
	}
	return after
}

// next is the key that will sign after the current one, or nil.
func (l line) next(now time.Time) *key {
	var next *key
	current := l.current(now)
	for _, one := range l {
		if one.generation > current.generation && !one.withdrawn {
			next = one
		}
	}
	return next
}
