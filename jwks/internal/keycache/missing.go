package keycache

import (
	"hash/maphash"
	"time"
)

// Bounds of missingKeys.
const (
	maxMissing      = 256
	maxMissingPause = 8 // times the Cooldown
)

// missingKeys is a small memory of ids that a fetch has proved missing. They
// are refused without a fetch: for a Cooldown at first, then for twice as
// long and so on, so that a client that sends one old token again and again
// does not make its verifier fetch forever. It only ever speaks of ids that
// are not in the set held, and never about other ids.
type missingKeys struct {
	seed maphash.Seed
	ids  map[uint64]missingKey // by hash, so that long ids take no room
}

type missingKey struct {
	until time.Time
	pause time.Duration
}

func newMissingKeys() missingKeys {
	return missingKeys{seed: maphash.MakeSeed(), ids: make(map[uint64]missingKey)}
}

func (m *missingKeys) remembered(id string, now time.Time) bool {
	return now.Before(m.ids[maphash.String(m.seed, id)].until)
}

func (m *missingKeys) remember(id string, since time.Time, cooldown time.Duration) {
	hash := maphash.String(m.seed, id)
	known, ok := m.ids[hash]
	if !ok && len(m.ids) >= maxMissing {
		for other := range m.ids { // any: a flood may push out what it likes
			delete(m.ids, other)
			break
		}
	}
	pause := min(max(2*known.pause, cooldown), maxMissingPause*cooldown)
	m.ids[hash] = missingKey{until: since.Add(pause), pause: pause}
}
