package fetch

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/cache"
)

// Cause is on whose account something is fetched. None of those that it names can have all places, so that slow addresses of
// one hold up nobody else. The zero value is the server's own account.
type Cause struct {
	Client   string   // the client_id; empty: none is known yet
	Stranger bool     // nobody vouched for the client: all of them share places that no other client waits for
	Networks []string // where the request comes from that makes the server fetch, the narrowest first; nil: nowhere
}

// Bounds of what is under way and waits, for each kind: GET for clients that somebody vouched for, GET for strangers, POST.
const (
	atOnce          = 16 // requests under way
	atOnceOfClient  = 4
	atOnceOfHost    = 4
	atOnceOfNetwork = 8 // of the narrowest; of each wider one as many again
	waitingAtMost   = 64
	waitingPerPlace = 2 // for one client, host or network: those that wait, for each that is under way
)

// How often one network may make the server fetch, whatever comes of it; a wider one ten times as often.
const (
	fetchesOfNetwork = 120
	fetchesPer       = time.Minute
	countedBytes     = 1 << 20 // of memory
)

var (
	errCrowded = errors.New("too many wait for a place")
	errTooMany = errors.New("too many fetches for one network")
)

// bound is how many places one key may have.
type bound struct {
	key  string
	most int
}

func (cause Cause) bounds(host string) []bound {
	bounds := []bound{{"host " + strings.ToLower(host), atOnceOfHost}}
	if cause.Client != "" {
		bounds = append(bounds, bound{"client " + cause.Client, atOnceOfClient})
	}
	for i, network := range cause.Networks {
		bounds = append(bounds, bound{"network " + network, atOnceOfNetwork * (i + 1)})
	}
	return bounds
}

// places are those of one kind. The zero value is not ready: see newPlaces.
type places struct {
	mu      sync.Mutex
	taken   map[string]int // by key; "" is all
	waiting map[string]int
	changed chan struct{} // closed when a place is given back
}

func newPlaces() *places {
	return &places{taken: map[string]int{}, waiting: map[string]int{}, changed: make(chan struct{})}
}

// take waits for a place within all bounds, until ctx ends. It does not wait behind others that a bound of their own holds up.
// errCrowded: too many wait already.
func (p *places) take(ctx context.Context, bounds []bound) error {
	bounds = append(bounds, bound{"", atOnce})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fit(bounds) {
		p.add(p.taken, bounds, 1)
		return nil
	}
	for _, b := range bounds {
		most := b.most * waitingPerPlace
		if b.key == "" {
			most = waitingAtMost
		}
		if p.waiting[b.key] >= most {
			return errCrowded
		}
	}
	p.add(p.waiting, bounds, 1)
	defer func() { p.add(p.waiting, bounds, -1) }()
	for !p.fit(bounds) {
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		p.mu.Lock()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	p.add(p.taken, bounds, 1)
	return nil
}

// giveBack gives back what take took.
func (p *places) giveBack(bounds []bound) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(p.taken, append(bounds, bound{"", atOnce}), -1)
	close(p.changed)
	p.changed = make(chan struct{})
}

// fit tells whether each of the bounds has room for one more. p is locked.
func (p *places) fit(bounds []bound) bool {
	for _, b := range bounds {
		if p.taken[b.key] >= b.most {
			return false
		}
	}
	return true
}

func (p *places) add(to map[string]int, bounds []bound, n int) {
	for _, b := range bounds {
		if to[b.key] += n; to[b.key] == 0 {
			delete(to, b.key)
		}
	}
}

// windows count what each key does within a window of time. Those used last are remembered.
type windows struct {
	mu     sync.Mutex
	counts *cache.Cache[string, *window]
}

type window struct {
	ends time.Time
	n    int
}

func newWindows() *windows { return &windows{counts: cache.New[string, *window](countedBytes)} }

// allow counts one more, unless there were most already.
func (w *windows) allow(key string, most int, per time.Duration, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	count := w.counts.GetOrAdd(key, &window{}, len(key))
	if !now.Before(count.ends) {
		count.ends, count.n = now.Add(per), 0
	}
	if count.n >= most {
		return false
	}
	count.n++
	return true
}

// allowNetworks counts a fetch for all of the networks that cause it.
func (c *Client) allowNetworks(cause Cause) bool {
	most := fetchesOfNetwork
	for _, network := range cause.Networks {
		if !c.counts.allow("network "+network, most, fetchesPer, c.now()) {
			return false
		}
		most *= 10
	}
	return true
}
