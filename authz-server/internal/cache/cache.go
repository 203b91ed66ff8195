// Package cache keeps what was used last, within a bound of bytes. A bound on the number of entries
// would bound nothing where strangers choose how large an entry is.
package cache

import (
	"math"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Overhead is what an entry counts for besides its size, in bytes: the map and list around it. So
// it bounds the number of entries, too.
const Overhead = 256

// Cache is a map that forgets what has not been used for longest. It is safe for concurrent use.
type Cache[K comparable, V any] struct {
	mu      sync.Mutex
	entries *simplelru.LRU[K, entry[V]]
	bytes   int
	most    int
}

type entry[V any] struct {
	value V
	size  int
}

// New returns a cache whose entries count for at most that many bytes together.
func New[K comparable, V any](most int) *Cache[K, V] {
	c := &Cache[K, V]{most: most}
	entries, err := simplelru.NewLRU(math.MaxInt, func(_ K, e entry[V]) { c.bytes -= e.size })
	if err != nil {
		panic(err) // the size is a constant above 0
	}
	c.entries = entries
	return c
}

// Get returns the value of a key and marks it as used last.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries.Get(key)
	return e.value, ok
}

// Add sets the value of a key. size is roughly how much memory key and value take, in bytes. A
// value larger than the whole cache is not kept.
func (c *Cache[K, V]) Add(key K, value V, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(key, value, size)
}

// GetOrAdd returns the value of a key, or adds value and returns it.
func (c *Cache[K, V]) GetOrAdd(key K, value V, size int) V {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries.Get(key); ok {
		return e.value
	}
	c.add(key, value, size)
	return value
}

func (c *Cache[K, V]) add(key K, value V, size int) {
	c.entries.Remove(key)
	size += Overhead
	c.entries.Add(key, entry[V]{value, size})
	for c.bytes += size; c.bytes > c.most; {
		c.entries.RemoveOldest()
	}
}

// Remove forgets the value of a key.
func (c *Cache[K, V]) Remove(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.Remove(key)
}

// Bytes is what the entries count for together.
func (c *Cache[K, V]) Bytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}
