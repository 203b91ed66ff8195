package throttle

import (
	"context"
	"sync"
	"time"
)

// turns limits how many requests of one sender are served at once, and makes the others wait, so
// that a flood from one address leaves processors and connections to everybody else. A request that
// waits costs less than one that is refused and sent again.
type turns struct {
	atOnce int

	mu sync.Mutex
	of map[string]*turn // by network
}

type turn struct {
	slots chan struct{}
	known int // how many have a slot or wait for one
}

const (
	turnWait  = 5 * time.Second
	turnQueue = 1024                  // of one sender
	longTurns = 32                    // of one sender: requests that wait for other servers, or come from many people
	mostRest  = 50 * time.Millisecond // of a slot, after a turn of a sender with more waiting
)

// newTurns serves atOnce requests of one sender at a time.
func newTurns(atOnce int) *turns { return &turns{atOnce: atOnce, of: make(map[string]*turn)} }

// enter waits for the sender's turn in each of its networks, the narrowest first: a wider network
// gets twice as much as the one within it. It returns ErrBusy if too many wait or the wait takes
// too long, and ctx's error if ctx ends first.
func (t *turns) enter(ctx context.Context, networks ...string) (leave func(), err error) {
	timeout := time.NewTimer(turnWait)
	defer timeout.Stop()
	var entered []func()
	leave = sync.OnceFunc(func() {
		for _, one := range entered {
			one()
		}
	})
	for i, network := range networks {
		one, err := t.enterOne(ctx, timeout.C, network, t.atOnce<<i)
		if err != nil {
			leave()
			return nil, err
		}
		entered = append(entered, one)
	}
	return leave, nil
}

func (t *turns) enterOne(ctx context.Context, timeout <-chan time.Time, network string, atOnce int) (leave func(),
	err error) {
	t.mu.Lock()
	mine := t.of[network]
	if mine == nil {
		mine = &turn{slots: make(chan struct{}, atOnce)}
		t.of[network] = mine
	}
	if mine.known >= atOnce+turnQueue {
		t.mu.Unlock()
		return nil, ErrBusy
	}
	mine.known++
	t.mu.Unlock()
	forget := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if mine.known--; mine.known == 0 {
			delete(t.of, network)
		}
	}
	select {
	case mine.slots <- struct{}{}:
		begun := time.Now()
		return func() {
			t.mu.Lock()
			crowded := mine.known > atOnce
			t.mu.Unlock()
			done := func() {
				<-mine.slots
				forget()
			}
			if !crowded {
				done()
				return
			}
			// A sender with more requests waiting rests for as long as the work took, so that
			// others get the processor.
			time.AfterFunc(min(time.Since(begun), mostRest), done)
		}, nil
	case <-timeout:
		err = ErrBusy
	case <-ctx.Done():
		err = ctx.Err()
	}
	forget()
	return nil, err
}
