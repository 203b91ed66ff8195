// Package tinylfu is a cache, bounded in entries and bytes, that keeps what is
// used often: W-TinyLFU (Einziger, Friedman and Manes, "TinyLFU: A Highly
// Efficient Cache Admission Policy", ACM TOS 2017). What is new waits in a small
// window, and gets further only if it was used more often than what it would
// push out. So no number of entries that are used once makes it forget those in
// use.
//
// Only Put, and the Get of an entry that is there, count as a use: a flood of
// questions about what was never put changes nothing.
package tinylfu

import (
	"crypto/sha256"
	"hash/maphash"
	"math/bits"
	"time"
)

// A Key names an entry.
type Key = [sha256.Size]byte

const (
	maxShards = 16
	// minShard is the least number of entries that are worth a shard of their
	// own.
	minShard = 256
)

// A Cache is safe for use by many goroutines at once. Its shards have a lock
// each.
type Cache[V any] struct {
	seed   maphash.Seed // so that nobody can choose what shares a shard or a counter
	shards []shard[V]
}

// New returns a Cache of at most so many entries, and so many bytes by the sizes
// that Put is told; both are positive.
func New[V any](entries, size int) *Cache[V] {
	n := 1
	for n < maxShards && entries/(2*n) >= minShard {
		n *= 2
	}
	c := &Cache[V]{seed: maphash.MakeSeed(), shards: make([]shard[V], n)}
	for i := range c.shards {
		c.shards[i].limit = load{max(entries/n, 1), max(size/n, 1)}
	}
	return c
}

// Get returns the entry's value.
func (c *Cache[V]) Get(key Key) (value V, ok bool) {
	s, hash := c.shard(&key)
	return s.get(&key, hash)
}

// Put adds an entry, or replaces its value, unless it is of less use than those
// it would push out. One that ends before now is of no use.
func (c *Cache[V]) Put(key Key, value V, size int, ends, now time.Time) {
	s, hash := c.shard(&key)
	s.put(&node[V]{key: key, hash: hash, value: value, size: size, ends: ends.Unix()}, now.Unix())
}

// Load returns how many entries there are, and their bytes.
func (c *Cache[V]) Load() (entries, size int) {
	for i := range c.shards {
		of := c.shards[i].load()
		entries, size = entries+of.entries, size+of.size
	}
	return entries, size
}

func (c *Cache[V]) shard(key *Key) (of *shard[V], hash uint64) {
	hash = maphash.Bytes(c.seed, key[:])
	return &c.shards[hash>>32&uint64(len(c.shards)-1)], hash
}

// A sketch estimates how often each hash was counted of late, up to 15 times: a
// count-min sketch of four rows of counters, of 4 bits each.
type sketch struct {
	counters []uint64 // 16 counters each
	counted  int
	period   int // after so many, all is halved
}

// rows are the multipliers of the rows' hashes: odd, and otherwise arbitrary.
var rows = [4]uint64{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb, 0xd6e8feb86659fd93}

func newSketch(entries int) sketch {
	words := 1 << bits.Len(uint(max(entries, 16)-1)) //nolint:gosec // G115: positive
	return sketch{counters: make([]uint64, words), period: 10 * max(entries, 16)}
}

// at returns where a row counts a hash.
func (s *sketch) at(row int, hash uint64) (word *uint64, shift uint64) {
	hash *= rows[row]
	hash ^= hash >> 32
	return &s.counters[hash>>4&uint64(len(s.counters)-1)], hash & 15 * 4
}

func (s *sketch) count(hash uint64) {
	for row := range rows {
		if word, shift := s.at(row, hash); *word>>shift&15 < 15 {
			*word += 1 << shift
		}
	}
	if s.counted++; s.counted >= s.period {
		s.counted /= 2
		for i := range s.counters {
			s.counters[i] = s.counters[i] >> 1 & 0x7777777777777777
		}
	}
}

func (s *sketch) estimate(hash uint64) uint64 {
	least := uint64(15)
	for row := range rows {
		word, shift := s.at(row, hash)
		least = min(least, *word>>shift&15)
	}
	return least
}
