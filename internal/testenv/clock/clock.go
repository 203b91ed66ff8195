// Package clock is a clock that tests move. Pass its Now method wherever code takes "now func()
// time.Time".
package clock

import (
	"sync"
	"time"
)

// Clock tells a time that only tests decide. The zero value runs as the machine's clock does, plus
// what [Clock.Advance] added; one made by [At], or after [Clock.Stop], stands still in between. Its
// methods may be called concurrently.
type Clock struct {
	mu    sync.Mutex
	still bool
	at    time.Time     // of one that stands still
	ahead time.Duration // of one that runs
}

// At returns a clock that stands still at t.
func At(t time.Time) *Clock { return &Clock{still: true, at: t} }

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.still {
		return c.at
	}
	return time.Now().Add(c.ahead)
}

// Stop lets the clock stand still at its time.
func (c *Clock) Stop() {
	now := c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.still, c.at = true, now
}

// Advance moves the clock by d.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.ahead = c.at.Add(d), c.ahead+d
}
