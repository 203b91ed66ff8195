package backend

import (
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/maru-auth/maru/internal/httpd"
)

// The board service lets an address make 100 requests without a token at once and 20 a second after
// that, and all strangers who come here share this app's. So each network has a part of it, and none
// of them can keep the others from reading.
const (
	strangersAtOnce = 30
	strangersEvery  = time.Second / 3
	maxStrangers    = 10_000 // networks that are counted; beyond it, the least recently seen is forgotten
)

// strangers counts calls without a token by network: a call takes a place, and one becomes free every
// strangersEvery. It is safe for concurrent use.
type strangers struct {
	now func() time.Time

	mu   sync.Mutex
	free *simplelru.LRU[string, time.Time] // by network: when all its places are free
}

func newStrangers() *strangers {
	free, err := simplelru.NewLRU[string, time.Time](maxStrangers, nil)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &strangers{now: time.Now, free: free}
}

// allow counts a call on behalf of addr, and returns false if its network has made too many. All with
// the zero Addr count as one.
func (s *strangers) allow(addr netip.Addr) bool {
	network := httpd.Networks(addr)[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	free, ok := s.free.Get(network)
	if !ok || free.Before(now) {
		free = now
	}
	if free = free.Add(strangersEvery); free.Sub(now) > strangersAtOnce*strangersEvery {
		return false
	}
	s.free.Add(network, free)
	return true
}
