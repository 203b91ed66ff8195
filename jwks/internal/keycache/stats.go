package keycache

import "time"

// Stats is jwks.CacheStats, where its fields are documented.
type Stats struct {
	Keys     int
	Age      time.Duration
	Fetches  uint64
	Failures uint64
}

// Stats is what jwks.Cache.Stats documents.
func (c *Cache) Stats() Stats {
	now := time.Now()
	s := Stats{Fetches: c.fetches.Load(), Failures: c.failures.Load()}
	if held := c.usable(now); held != nil {
		s.Keys, s.Age = len(held.lookup("")), now.Sub(held.fetched)
	}
	return s
}
