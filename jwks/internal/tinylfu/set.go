package tinylfu

import (
	"math/bits"
	"sync"
)

// ways is how many entries a set has at most.
const ways = 32

type entry[V any] struct {
	key   Key
	hash  uint64
	value V
}

// set is a small cache of its own, a segmented LRU. What is looked at together
// lies together: a use touches a few lines of the processor's cache.
type set[V any] struct {
	limit, size int // of all entries, in bytes
	ways        int // at most so many entries

	mu        sync.Mutex
	clock     uint32 // counts uses
	newest    int32  // the entry that was put last, if it is there: it has yet to be admitted; -1: none
	held      uint32 // a bit for each place: there is an entry
	protected uint32 // it was used again after it had been admitted

	tags    [ways]uint32 // part of the entry's hash
	used    [ways]uint32 // the clock when it was used last
	ends    [ways]int64  // Unix time
	sizes   [ways]int32
	entries [ways]entry[V]
	uses    sketch
}

func tagOf(hash uint64) uint32 { return uint32(hash >> 32) }

func (s *set[V]) count() int { return bits.OnesCount32(s.held) }

// find returns where the entry is, or -1.
func (s *set[V]) find(key *Key, hash uint64) int {
	tag := tagOf(hash)
	for i, other := range &s.tags {
		if other == tag && s.held>>i&1 == 1 && s.entries[i].key == *key {
			return i
		}
	}
	return -1
}

func (s *set[V]) get(key *Key, hash uint64) (value V, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(key, hash)
	if i < 0 {
		return value, false
	}
	s.uses.count(hash)
	s.clock++
	s.used[i] = s.clock
	if i != int(s.newest) {
		s.protect(i)
	}
	return s.entries[i].value, true
}

// protect protects an entry from those that were not used again, in the place of
// another if it would be more than three quarters of all.
func (s *set[V]) protect(i int) {
	s.protected |= 1 << i
	if bits.OnesCount32(s.protected) > max(s.count()*3/4, 1) {
		s.protected &^= 1 << s.oldest(s.protected)
	}
}

func (s *set[V]) put(e entry[V], size int32, ends, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uses.count(e.hash)
	if old := s.find(&e.key, e.hash); old >= 0 {
		s.drop(old)
	}
	if ends < now || !s.makeRoom(&e, size, now) {
		return
	}
	i := bits.TrailingZeros32(^s.held)
	s.clock++
	s.tags[i], s.used[i], s.ends[i], s.sizes[i], s.entries[i] = tagOf(e.hash), s.clock, ends, size, e
	s.held |= 1 << i
	s.newest = int32(i) //nolint:gosec // G115: below ways
	s.size += int(size)
}

// makeRoom drops what has to go for a new entry, and says whether there is room
// for it then. The one before it is admitted if it was used more often than what
// would have to go instead.
func (s *set[V]) makeRoom(e *entry[V], size int32, now int64) bool {
	for s.size+int(size) > s.limit || s.count() == s.ways {
		newest, others := int(s.newest), s.held
		if newest >= 0 {
			others &^= 1 << newest
		}
		victim := s.oldest(others &^ s.protected)
		if victim < 0 {
			victim = s.oldest(others)
		}
		switch {
		case newest >= 0 && s.ends[newest] < now:
			s.drop(newest)
		case victim >= 0 && s.ends[victim] < now:
			s.drop(victim)
		case victim >= 0 && newest >= 0 && s.usedMore(&s.entries[newest], victim):
			s.drop(victim)
		case newest >= 0:
			s.drop(newest)
		case victim >= 0 && s.usedMore(e, victim):
			s.drop(victim)
		default:
			return false
		}
	}
	return true
}

// usedMore says whether an entry was used more often than the victim.
func (s *set[V]) usedMore(e *entry[V], victim int) bool {
	return s.uses.estimate(e.hash) > s.uses.estimate(s.entries[victim].hash)
}

// oldest returns the entry of those that was used least recently; -1: there is
// none.
func (s *set[V]) oldest(of uint32) int {
	oldest, most := -1, uint32(0)
	for ; of != 0; of &= of - 1 {
		i := bits.TrailingZeros32(of)
		// How long ago, as the clock starts anew some time.
		if ago := s.clock - s.used[i]; oldest < 0 || ago > most {
			oldest, most = i, ago
		}
	}
	return oldest
}

func (s *set[V]) drop(i int) {
	s.size -= int(s.sizes[i])
	s.entries[i] = entry[V]{}
	s.held &^= 1 << i
	s.protected &^= 1 << i
	if i == int(s.newest) {
		s.newest = -1
	}
}

func (s *set[V]) load() (entries, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count(), s.size
}
