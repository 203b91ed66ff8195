package keys

import (
	"cmp"
	"iter"
	"slices"
	"time"
)

// snapshot is the keys as of one look into the database.
type snapshot struct {
	lines map[string]line // by algorithm
	byKID map[string]*key
}

// all goes through the keys by algorithm, the latest of each first.
func (s *snapshot) all() iter.Seq[*key] {
	return func(yield func(*key) bool) {
		for _, alg := range algorithms {
			for _, one := range s.lines[alg] {
				if !yield(one) {
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

// line is the keys of one algorithm by generation, the latest first.
type line []*key

// current is the key that signs: of the latest generation that has activated. When none has,
// because this clock is behind that of the replica that made the first key, the earliest generation
// does. It is nil only if the line is empty.
func (l line) current(now time.Time) *key {
	for _, one := range l {
		if !one.activatesAt.After(now) {
			return one
		}
	}
	if len(l) == 0 {
		return nil
	}
	return l[len(l)-1]
}

// next is the key that will sign after the current one, or nil.
func (l line) next(now time.Time) *key {
	var next *key
	current := l.current(now)
	for _, one := range l {
		if one.generation > current.generation {
			next = one
		}
	}
	return next
}
