package rest

import (
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/maru-auth/maru/internal/httpd"
)

const (
	rateBurst     = 100    // requests of one network at once
	ratePerSecond = 20     // and then
	rateWider     = 8      // times as many for a /48 of IPv6, in which many may live
	rateNetworks  = 20_000 // networks that are remembered
)

// SenderLimit bounds requests without a token by the network that they come from, so that one network
// does not slow the others' reading. Make it with NewSenderLimit; it is safe for concurrent use.
type SenderLimit struct {
	now func() time.Time

	mu       sync.Mutex
	networks *simplelru.LRU[string, bucket]
}

// bucket is a token bucket as it was at a moment.
type bucket struct {
	tokens float64
	at     time.Time
}

func NewSenderLimit(now func() time.Time) *SenderLimit {
	if now == nil {
		now = time.Now
	}
	networks, err := simplelru.NewLRU[string, bucket](rateNetworks, nil)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &SenderLimit{now: now, networks: networks}
}

// Allow tells whether one more request from addr is within bounds, and counts it if so.
func (l *SenderLimit) Allow(addr netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	networks := httpd.Networks(addr)
	buckets := make([]bucket, len(networks))
	times := 1.0
	for i, network := range networks {
		b, ok := l.networks.Get(network)
		if !ok {
			b = bucket{tokens: times * rateBurst, at: now}
		}
		if passed := now.Sub(b.at).Seconds(); passed > 0 {
			b = bucket{min(times*rateBurst, b.tokens+passed*times*ratePerSecond), now}
		}
		if b.tokens < 1 {
			return false
		}
		b.tokens--
		buckets[i] = b
		times *= rateWider
	}
	for i, network := range networks {
		l.networks.Add(network, buckets[i])
	}
	return true
}

// Refund takes back that a request from addr was counted.
func (l *SenderLimit) Refund(addr netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	times := 1.0
	for _, network := range httpd.Networks(addr) {
		if b, ok := l.networks.Get(network); ok {
			l.networks.Add(network, bucket{min(times*rateBurst, b.tokens+1), b.at})
		}
		times *= rateWider
	}
}
