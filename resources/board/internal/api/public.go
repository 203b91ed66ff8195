package api

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"
	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

// What everybody may read of a board with public_read, without a token.

// publicCache: what is hidden meanwhile may be seen for so long. An answer to nobody is no answer to somebody.
const publicCache = "public, max-age=10"

const (
	strangerBurst = 100    // requests of one network at once
	strangerRate  = 20     // and then, a second
	strangerWider = 8      // times as many for a /48 of IPv6, in which many may live
	maxStrangers  = 20_000 // networks that are remembered
)

// letIn decides on a stranger's request: a network may make so many.
func (s *service) letIn(ctx huma.Context) bool {
	r, w := humamux.Unwrap(ctx)
	if !s.strangers.allow(httpd.ClientAddr(r.Context())) {
		w.Header().Set("Retry-After", "1")
		httpd.WriteProblem(w, r, httpd.Problem{Status: http.StatusTooManyRequests, Detail: "Too many requests without a token from this network. Wait a second, or send a token."})
		return false
	}
	ctx.SetHeader("Cache-Control", publicCache)
	return true
}

// mayRead lets whoever has a token read the board; others, if it is public. Whether there is such a board is no stranger's
// business either. Error: the challenge for a token.
func (c caller) mayRead(s *service, b store.Board, err error) error {
	if c.stranger && (err != nil || !b.PublicRead) {
		return s.api.NoToken()
	}
	return err
}

// mayReadPost is mayRead for what stands on the board of a post.
func (s *service) mayReadPost(ctx context.Context, p store.Post, err error) error {
	c := callerOf(ctx)
	if !c.stranger {
		return err
	}
	var b store.Board
	if err == nil {
		b, err = s.store.Board(ctx, p.Board)
	}
	return c.mayRead(s, b, err)
}

// strangers counts requests without a token by the network that they come from, so that reading costs nobody else. Make it
// with newStrangers; it is safe for concurrent use.
type strangers struct {
	now func() time.Time

	mu       sync.Mutex
	networks *simplelru.LRU[string, bucket]
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newStrangers(now func() time.Time) *strangers {
	if now == nil {
		now = time.Now
	}
	networks, err := simplelru.NewLRU[string, bucket](maxStrangers, nil)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &strangers{now: now, networks: networks}
}

// allow tells whether one more request from addr is within bounds, and counts it if so.
func (s *strangers) allow(addr netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	networks := httpd.Networks(addr)
	buckets := make([]bucket, len(networks))
	times := 1.0
	for i, network := range networks {
		b, ok := s.networks.Get(network)
		if !ok {
			b = bucket{tokens: times * strangerBurst, at: now}
		}
		if passed := now.Sub(b.at).Seconds(); passed > 0 {
			b = bucket{min(times*strangerBurst, b.tokens+passed*times*strangerRate), now}
		}
		if b.tokens < 1 {
			return false
		}
		b.tokens--
		buckets[i] = b
		times *= strangerWider
	}
	for i, network := range networks {
		s.networks.Add(network, buckets[i])
	}
	return true
}
