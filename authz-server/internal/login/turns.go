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
	of map[string]*turn // by sender
}

type turn struct {
	slots chan struct{}
	known int // who has a slot or waits for one
}

const (
	turnWait  = 5 * time.Second
	turnQueue = 1024 // of one sender
)

// newTurns gives one sender half of the processors.
func newTurns() *turns {
	return &turns{atOnce: max(1, runtime.GOMAXPROCS(0)/2), of: make(map[string]*turn)}
}

// enter waits for sender's turn. It returns errBusy when too many wait or it takes too long, and ctx's error when ctx ends first.
func (t *turns) enter(ctx context.Context, sender string) (leave func(), err error) {
	t.mu.Lock()
	mine := t.of[sender]
	if mine == nil {
		mine = &turn{slots: make(chan struct{}, t.atOnce)}
		t.of[sender] = mine
	}
	if mine.known >= t.atOnce+turnQueue {
		t.mu.Unlock()
		return nil, errBusy
	}
	mine.known++
	t.mu.Unlock()
	forget := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if mine.known--; mine.known == 0 {
			delete(t.of, sender)
		}
	}
	timeout := time.NewTimer(turnWait)
	defer timeout.Stop()
	select {
	case mine.slots <- struct{}{}:
		return sync.OnceFunc(func() {
			<-mine.slots
			forget()
		}), nil
	case <-timeout.C:
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
	return s.turns.enter(r.Context(), Networks(r)[0])
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
