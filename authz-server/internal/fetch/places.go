package fetch

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/cache"
)

// Cause is on whose account something is fetched. No client, host or network can take all places,
// so that slow addresses of one do not delay the others. The zero value is the server itself.
type Cause struct {
	Client   string   // the client_id; empty: not known yet
	Stranger bool     // nobody vouched for the client: all strangers share places, apart from other clients
	Networks []string // of the sender whose request makes the server fetch, the narrowest first; nil: none
}

// Bounds of what is under way and of what waits, for each kind: GET for clients that an operator
// vouched for, GET for strangers, and POST.
const (
	atOnce          = 16 // requests under way
	atOnceOfClient  = 4
	atOnceOfHost    = 4
	atOnceOfNetwork = 8 // for the narrowest; for each wider one as many more
	waitingAtMost   = 64
	waitingPerPlace = 2 // for one client, host or network: those that wait, for each that is under way
)

// How often one network may make the server fetch, successfully or not. A wider network may ten
// times as often.
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

// places are those of one kind. Make them with newPlaces.
type places struct {
	mu      sync.Mutex
	taken   map[string]int // by key; "": in all
	waiting map[string]int
	changed chan struct{} // closed when a place is given back
}

func newPlaces() *places {
	return &places{taken: map[string]int{}, waiting: map[string]int{}, changed: make(chan struct{})}
}

// take waits for a place within all bounds, until ctx ends. It does not wait behind callers that
// are at a bound of their own. errCrowded: too many wait already.
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

// giveBack frees the place that take took.
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

// windows count what each key does within a window of time. They forget keys that were not used
// lately.
type windows struct {
	mu     sync.Mutex
	counts *cache.Cache[string, *window]
}

type window struct {
	ends time.Time
	n    int
}

func newWindows() *windows { return &windows{counts: cache.New[string, *window](countedBytes)} }

// allow counts one more, unless there are most already.
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

// allowNetworks counts a fetch for all networks that cause it.
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
