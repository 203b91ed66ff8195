package login

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/maru-auth/maru/internal/httpd"
)

// turns let one sender have so much at once of what anybody can ask for, and let the rest wait: a flood from one address then
// leaves processors and connections to others. To wait costs less than to be refused, and slows the sender down.
type turns struct {
	atOnce int

	mu sync.Mutex
	of map[string]*turn // by network
}

type turn struct {
	slots chan struct{}
	known int // who has a slot or waits for one
}

const (
	turnWait  = 5 * time.Second
	turnQueue = 1024                  // of one sender
	longTurns = 32                    // of one sender: what waits for others' servers, or is of many people
	mostRest  = 50 * time.Millisecond // of a slot, after a turn of a sender with more waiting
)

// newTurns gives one sender atOnce at a time.
func newTurns(atOnce int) *turns { return &turns{atOnce: atOnce, of: make(map[string]*turn)} }

// halfOfProcessors is 1 at least.
func halfOfProcessors() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// enter waits for sender's turn, in each of the networks that the sender is known by, the narrowest first: a wider one has twice
// as much as the one within it. It returns errBusy when too many wait or it takes too long, and ctx's error when ctx ends first.
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

func (t *turns) enterOne(ctx context.Context, timeout <-chan time.Time, network string, atOnce int) (leave func(), err error) {
	t.mu.Lock()
	mine := t.of[network]
	if mine == nil {
		mine = &turn{slots: make(chan struct{}, atOnce)}
		t.of[network] = mine
	}
	if mine.known >= atOnce+turnQueue {
		t.mu.Unlock()
		return nil, errBusy
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
			// A sender who has more waiting rests for as long as the work took: others get the processor meanwhile.
			time.AfterFunc(min(time.Since(begun), mostRest), done)
		}, nil
	case <-timeout:
		err = errBusy
	case <-ctx.Done():
		err = ctx.Err()
	}
	forget()
	return nil, err
}

// Turn waits until it is r's turn among the requests of its sender. Call it where anybody can ask for work, after the body has
// been read and before anything is looked up; call leave, once or more often, when the work is done. Nothing that takes long
// for other reasons may be done meanwhile. [IsBusy] knows the error.
func (s *Service) Turn(r *http.Request) (leave func(), err error) {
	return s.turns.enter(r.Context(), Networks(r)...)
}

// LongTurn is Turn for what may take long for other reasons, such as a fetch, or stands for many people. It has a queue of its
// own, and more of it is done at once.
func (s *Service) LongTurn(r *http.Request) (leave func(), err error) {
	return s.long.enter(r.Context(), Networks(r)...)
}

// inTurn wraps a page that anybody can ask for.
func (s *Service) inTurn(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		leave, err := s.Turn(r)
		if err != nil {
			s.tellTurn(w, r, err)
			return
		}
		defer leave()
		next(w, r)
	}
}

// tellTurn answers a request whose turn did not come.
func (s *Service) tellTurn(w http.ResponseWriter, r *http.Request, err error) {
	if !busy(err) {
		s.fail(w, r, err)
		return
	}
	s.cfg.Log.WarnContext(r.Context(), "too many requests of one sender", "request", httpd.RequestID(r.Context()), "from", clientAddr(r).String())
	w.Header().Set("Retry-After", "5")
	s.cfg.Pages.Error(w, r, http.StatusServiceUnavailable, "temporarily_unavailable", "Too many requests came from the same address; try again in some seconds.")
}
