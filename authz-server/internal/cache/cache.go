// Package cache keeps what was used last within a bound of bytes. A bound of entries is none where strangers choose how
// large an entry is.
package cache

import (
	"math"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Overhead is what an entry counts beside its size, in bytes: the maps and lists around it. It bounds their number, too.
const Overhead = 256

// Cache is a map that forgets what was not used for longest. It is safe for concurrent use.
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

// New makes a cache whose entries count at most so many bytes together.
func New[K comparable, V any](most int) *Cache[K, V] {
	c := &Cache[K, V]{most: most}
	entries, err := simplelru.NewLRU(math.MaxInt, func(_ K, e entry[V]) { c.bytes -= e.size })
	if err != nil {
		panic(err) // the size is a constant above 0
	}
	c.entries = entries
	return c
}

// Get returns what is kept for a key, and makes it the one used last.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries.Get(key)
	return e.value, ok
}

// Add keeps a value in place of what was kept for the key. size is how much memory key and value take, in bytes, about. One
// that is larger than the whole cache is not kept.
func (c *Cache[K, V]) Add(key K, value V, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(key, value, size)
}

// GetOrAdd returns what is kept for a key, or keeps value and returns that.
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

// Remove forgets what is kept for a key.
func (c *Cache[K, V]) Remove(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.Remove(key)
}

// Bytes is what the entries count together.
func (c *Cache[K, V]) Bytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}
