package scim

import (
	"math"
	"sync"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
)

// What one client, or one administrator, may ask of one process. Entra asks for 25 requests a second
// to be possible; what somebody saved up lets them begin faster.
const (
	ratePerSecond = 25
	rateSaved     = 500
	ratesKept     = 1000
)

// rates bounds how often each actor is answered: nothing else keeps a client that was given the scope
// from keeping the database busy. It is safe for concurrent use.
type rates struct {
	now func() time.Time

	mutex sync.Mutex
	of    map[string]*rate
}

// rate is what is left to an actor.
type rate struct {
	left float64 // requests
	at   time.Time
}

func newRates(now func() time.Time) *rates { return &rates{now: now, of: map[string]*rate{}} }

// take counts a request. wait is how long until the next one is answered; 0: this one is.
func (r *rates) take(actor admin.Actor) (wait time.Duration) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	now := r.now()
	key := string(actor.Kind) + " " + actor.ID
	one := r.of[key]
	if one == nil {
		if len(r.of) >= ratesKept {
			r.forget(now)
		}
		one = &rate{rateSaved, now}
		r.of[key] = one
	}
	one.fill(now)
	if one.left < 1 {
		return time.Duration(math.Ceil((1 - one.left) / ratePerSecond * float64(time.Second)))
	}
	one.left--
	return 0
}

// fill adds what has come since. A clock that goes back adds nothing, and takes nothing away.
func (one *rate) fill(now time.Time) {
	if passed := now.Sub(one.at); passed > 0 {
		one.left = min(rateSaved, one.left+passed.Seconds()*ratePerSecond)
	}
	one.at = now
}

// forget removes those who have asked for nothing lately: they would begin with as much.
func (r *rates) forget(now time.Time) {
	for key, one := range r.of {
		if one.fill(now); one.left >= rateSaved {
			delete(r.of, key)
		}
	}
}
