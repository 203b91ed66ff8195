package httpd

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Allowance is time that each of many callers has, spends on what they do, and gets back as it passes:
// so each does so much at once, and then so much within a time. It is safe for concurrent use.
type Allowance struct {
	whole time.Duration
	now   func() time.Time

	mu   sync.Mutex
	full *simplelru.LRU[string, time.Time] // when a caller has all of it again
}

// NewAllowance returns an allowance of the length whole for each of the callers, so many of whom are
// remembered; of more, whoever was seen longest ago has all of it again. Both are positive. now is the
// clock; nil: time.Now.
func NewAllowance(whole time.Duration, callers int, now func() time.Time) *Allowance {
	if now == nil {
		now = time.Now
	}
	full, err := simplelru.NewLRU[string, time.Time](callers, nil)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &Allowance{whole: whole, now: now, full: full}
}

// Spend takes some of a caller's allowance. If they have less, it takes nothing, and returns how long
// it takes until they have enough; more than the whole they never have.
func (a *Allowance) Spend(caller string, some time.Duration) (wait time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	full := a.fullAt(caller, now).Add(some)
	if wait = full.Sub(now) - a.whole; wait > 0 {
		return wait, false
	}
	a.full.Add(caller, full)
	return 0, true
}

// Refund gives back some that a caller spent in vain.
func (a *Allowance) Refund(caller string, some time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	a.full.Add(caller, a.fullAt(caller, now).Add(-some))
}

// fullAt is when a caller has all of it again: now, or within the length of it. A clock that was set
// back gives nothing away, and keeps nobody waiting longer than that.
func (a *Allowance) fullAt(caller string, now time.Time) time.Time {
	full, _ := a.full.Get(caller)
	switch {
	case full.Before(now):
		full = now
	case full.Sub(now) > a.whole:
		full = now.Add(a.whole)
		a.full.Add(caller, full) // it is counted from now on
	}
	return full
}

// Callers returns how many callers are remembered.
func (a *Allowance) Callers() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.full.Len()
}
