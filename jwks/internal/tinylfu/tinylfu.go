// Package tinylfu is a cache, bounded in entries and bytes, that keeps what is
// used often. What is new gets a place of its own, and may stay beyond the next
// that is new only if it was used more often than what it would push out
// (Einziger, Friedman and Manes, "TinyLFU: A Highly Efficient Cache Admission
// Policy", ACM TOS 2017). So no number of entries that are used once makes it
// forget those in use.
//
// Only Put, and the Get of an entry that is there, count as a use: a flood of
// questions about what was never put changes nothing.
//
// An entry may be in one of many small sets only, which its key tells, and which
// is all that a use of it looks at (Adas, Einziger and Friedman, "Limited
// Associativity Makes Concurrent Software Caches a Breeze", ICDCN 2022). That
// takes few lines of the processor's cache, where a map and linked lists take
// dozens, and each set has a lock of its own.
package tinylfu

import (
	"crypto/sha256"
	"hash/maphash"
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// A Key names an entry.
type Key = [sha256.Size]byte

// setSize is how many bytes a set should have, so that it takes some of the
// largest entries.
const setSize = 32 << 10

// A Cache is safe for use by many goroutines at once.
type Cache[V any] struct {
	seed maphash.Seed // so that nobody can choose what shares a set or a counter
	ways int          // entries of a set, at most
	size int          // bytes of a set, at most
	sets []atomic.Pointer[set[V]]
}

// New returns a Cache of at most so many entries, and so many bytes by the sizes
// that Put is told; both are positive. Entries may be fewer if that is less than
// a kibibyte for each. It takes memory as it is filled.
func New[V any](entries, size int) *Cache[V] {
	n := max(min(entries/ways, size/setSize), 1)
	n = 1 << bits.Len(uint(n-1))
	return &Cache[V]{
		seed: maphash.MakeSeed(),
		ways: min(entries/n, ways),
		size: min(size/n, math.MaxInt32),
		sets: make([]atomic.Pointer[set[V]], n),
	}
}

// Get returns the entry's value.
func (c *Cache[V]) Get(key Key) (value V, ok bool) {
	place, hash := c.place(&key)
	s := place.Load()
	if s == nil {
		return value, false
	}
	return s.get(&key, hash)
}

// Put adds an entry, or replaces its value, unless it is of less use than those
// it would push out, or takes more than half of a set. One that ends before now
// is of no use.
func (c *Cache[V]) Put(key Key, value V, size int, ends, now time.Time) {
	if size > max(c.size/2, 1) {
		return
	}
	place, hash := c.place(&key)
	s := place.Load()
	if s == nil {
		place.CompareAndSwap(nil, &set[V]{ways: c.ways, limit: c.size, newest: -1})
		s = place.Load()
	}
	s.put(entry[V]{key: key, hash: hash, value: value}, int32(size), ends.Unix(), now.Unix()) //nolint:gosec // G115: bounded above
}

// Load returns how many entries there are, and their bytes.
func (c *Cache[V]) Load() (entries, size int) {
	for i := range c.sets {
		if s := c.sets[i].Load(); s != nil {
			n, of := s.load()
			entries, size = entries+n, size+of
		}
	}
	return entries, size
}

func (c *Cache[V]) place(key *Key) (*atomic.Pointer[set[V]], uint64) {
	hash := maphash.Bytes(c.seed, key[:])
	return &c.sets[hash&uint64(len(c.sets)-1)], hash //nolint:gosec // G115: positive
}
