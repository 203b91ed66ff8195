package tokens

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/flow"
)

const (
	watchEvery   = 250 * time.Millisecond // between calls of a service
	watchFor     = 15 * time.Second       // from the revocation
	beforeWait   = 3 * time.Second        // for the calls before it
	maxWatches   = 8                      // at once
	maxWatchesOf = 2                      // of one person at once; a session has one
	maxKept      = 256                    // sessions whose last watch is remembered
)

// What becomes of the token at a service.
type outcome int

const (
	waiting       outcome = iota // it is still accepted, as far as is known
	refused                      // this is what the revocation was for
	accepted                     // still, when the time was over
	silent                       // the service did not answer in the end
	expired                      // the token expired, which says nothing about the revocation
	refusedBefore                // the service refused it before it was revoked
)

// report is what is known about the token at one service.
type report struct {
	service string // "user" or "board"
	outcome outcome
	after   time.Duration // from the revocation to the answer
	status  int           // of the refusal
	code    string        // of its challenge; may be empty
}

// probe calls a service with an access token.
type probe struct {
	service string
	call    func(ctx context.Context, access string) error
}

// watch is a revocation, and the count of what follows it. It is safe for concurrent use.
type watch struct {
	mu        sync.Mutex
	revokedAt time.Time // zero: it is not revoked yet
	failed    error     // why it could not be revoked
	over      bool
	reports   []report
}

// progress is a copy of what a watch knows.
type progress struct {
	revoked bool
	since   time.Duration // the revocation
	failed  error
	over    bool
	reports []report
}

func (w *watch) progress(now time.Time) progress {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := progress{failed: w.failed, over: w.over, reports: slices.Clone(w.reports)}
	if p.revoked = !w.revokedAt.IsZero(); p.revoked {
		p.since = now.Sub(w.revokedAt)
	}
	return p
}

// watches are those under way, and the last one of each session. It is safe for concurrent use;
// close it.
type watches struct {
	probes []probe
	revoke func(ctx context.Context, s *flow.Session, access string) error
	now    func() time.Time
	every  time.Duration
	log    *slog.Logger

	ctx     context.Context //nolint:containedctx // watches outlive the requests that begin them
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex
	going map[*flow.Session]bool
	last  *lru.Cache[*flow.Session, *watch]
}

func newWatches(cfg Config, revoke func(context.Context, *flow.Session, string) error, probes ...probe) *watches {
	last, err := lru.New[*flow.Session, *watch](maxKept)
	if err != nil {
		panic(err) // only for a size below one
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &watches{probes: probes, revoke: revoke, now: cfg.Now, every: watchEvery, log: cfg.Log,
		ctx: ctx, cancel: cancel, going: map[*flow.Session]bool{}, last: last}
}

// close ends all watches.
func (ws *watches) close() {
	ws.mu.Lock()
	ws.cancel() // from here on, none begins
	ws.mu.Unlock()
	ws.running.Wait()
}

// of returns the last watch of a session, or nil.
func (ws *watches) of(s *flow.Session) *watch {
	w, _ := ws.last.Get(s)
	return w
}

// begin revokes an access token of s and watches what follows. While a watch of s is under way,
// nothing more begins. It returns false if there are too many.
func (ws *watches) begin(s *flow.Session, access string, expires time.Time) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.going[s] {
		return true
	}
	own := 0
	for other := range ws.going {
		if other.Subject == s.Subject {
			own++
		}
	}
	if len(ws.going) >= maxWatches || own >= maxWatchesOf || ws.ctx.Err() != nil {
		return false
	}
	w := &watch{}
	for _, p := range ws.probes {
		w.reports = append(w.reports, report{service: p.service})
	}
	ws.going[s] = true
	ws.last.Add(s, w)
	ws.running.Go(func() {
		ws.run(w, s, access, expires)
		ws.mu.Lock()
		defer ws.mu.Unlock()
		delete(ws.going, s)
	})
	return true
}

func (ws *watches) run(w *watch, s *flow.Session, access string, expires time.Time) {
	ws.each(func(i int, p probe) { ws.tryBefore(w, i, p, access) })
	err := ws.revoke(ws.ctx, s, access)
	w.mu.Lock()
	w.failed = err
	if err == nil {
		w.revokedAt = ws.now()
	}
	w.mu.Unlock()
	if err != nil {
		ws.log.Warn("cannot revoke an access token", "error", err)
	} else {
		ws.each(func(i int, p probe) { ws.count(w, i, p, access, expires) })
	}
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
}

// each does something for all services at the same time.
func (ws *watches) each(do func(i int, p probe)) {
	var all sync.WaitGroup
	for i, p := range ws.probes {
		all.Go(func() { do(i, p) })
	}
	all.Wait()
}

// tryBefore calls a service before the revocation: of a token that it refuses anyway, there is
// nothing to count.
func (ws *watches) tryBefore(w *watch, i int, p probe, access string) {
	ctx, cancel := context.WithTimeout(ws.ctx, beforeWait)
	defer cancel()
	if found := judge(p.call(ctx, access)); found.outcome == refused {
		found.outcome = refusedBefore
		w.report(i, found)
	}
}

// count calls a service until it refuses the token.
func (ws *watches) count(w *watch, i int, p probe, access string, expires time.Time) {
	w.mu.Lock()
	began, settled := w.revokedAt, w.reports[i].outcome != waiting
	w.mu.Unlock()
	if settled {
		return
	}
	ctx, cancel := context.WithTimeout(ws.ctx, watchFor)
	defer cancel()
	tick := time.NewTicker(ws.every)
	defer tick.Stop()
	last := report{outcome: silent}
	for {
		err := p.call(ctx, access)
		now := ws.now()
		if ctx.Err() == nil {
			last = judge(err)
		}
		last.after = now.Sub(began)
		switch {
		case last.outcome == refused && !now.Before(expires):
			last.outcome = expired
			w.report(i, last)
			return
		case last.outcome == refused, ctx.Err() != nil, last.after >= watchFor:
			w.report(i, last)
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// report notes what is known about the service with an index.
func (w *watch) report(i int, r report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.service = w.reports[i].service
	w.reports[i] = r
}

const maxCode = 60 // bytes of a challenge's error that are shown

// judge says what an answer tells about the token: any but a 401 comes after it was accepted.
func judge(err error) report {
	var answer *backend.Error
	switch {
	case err == nil:
		return report{outcome: accepted}
	case !errors.As(err, &answer), answer.Status == http.StatusTooManyRequests:
		return report{outcome: silent}
	case answer.Status != http.StatusUnauthorized:
		return report{outcome: accepted}
	}
	r := report{outcome: refused, status: answer.Status}
	if len(answer.Code) <= maxCode {
		r.code = answer.Code
	}
	return r
}
