// Package queue delivers what leaves the server: log-outs, mail, calls to services.
//
// Whoever causes a delivery adds an item to the outbox in the transaction of its cause (package
// store/outbox). A [Worker] hands each item to the [Handler] of its kind, again and again until it
// is delivered or given up. Every replica runs a worker.
package queue

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
)

// Handler delivers the items of one kind.
type Handler struct {
	Kind string

	// Deliver makes one attempt. Nil says that it is delivered, [ErrUnwanted] that nobody wants it
	// any more, and [GiveUp] that trying again would not help; after any other error it is tried
	// again. An operator and the log see the error's text, which must hold no secret.
	//
	// An item is delivered at least once: if the process dies between the delivery and the note of
	// it, it comes again under the same Item.ID. Deliver is called concurrently.
	Deliver func(ctx context.Context, item outbox.Item) error

	Slots       int           // attempts at once; 0: 16. No kind takes another's
	PerLane     int           // of them in one lane; 0: 4
	Timeout     time.Duration // of one attempt; 0: 30 seconds
	GiveUpAfter time.Duration // since Item.Since; 0: a day
}

// ErrUnwanted is what a handler returns for an item that nobody wants any more, or that came too
// late. It is removed.
var ErrUnwanted = errors.New("not wanted any more")

// GiveUp wraps an error after which no more attempts are made. An operator sees the item for
// [outbox.Retention], and can have it tried again.
func GiveUp(err error) error { return givenUp{err} }

type givenUp struct{ error }

func (e givenUp) Unwrap() error { return e.error }

// How attempts are made. After a failure the next one follows after retryFirst, and then each time
// after about twice as long, up to retryMost.
const (
	pollEvery    = 5 * time.Second  // how soon items of other processes, and retries, are found
	measureEvery = 30 * time.Second // how often the queue's length is measured
	retryFirst   = 5 * time.Second
	retryMost    = 2 * time.Hour
	noteFor      = 30 * time.Second // how long noting the outcome is tried; the lease holds until then

	defaultSlots   = 16
	defaultPerLane = 4
	defaultTimeout = 30 * time.Second
	defaultGiveUp  = 24 * time.Hour
)

// Config is what [New] needs. All fields are required but those with a default.
type Config struct {
	Outbox  *outbox.Queue
	Log     *slog.Logger
	Now     func() time.Time
	Metrics prometheus.Registerer // nil: nothing is counted
}

// Worker delivers the items of the queue. Its methods other than Handle are safe for concurrent
// use.
type Worker struct {
	Config
	metrics metrics
	lines   []*line
}

// New makes a worker, to which [Worker.Handle] adds the kinds. The error is one of cfg.Metrics.
func New(cfg Config) (*Worker, error) {
	m, err := newMetrics(cfg.Metrics)
	return &Worker{Config: cfg, metrics: m}, err
}

// Handle has a kind delivered, each of which has one handler. Call it before [Worker.Run].
func (w *Worker) Handle(h Handler) {
	for _, l := range w.lines {
		if l.Kind == h.Kind {
			panic("queue: a second handler for " + h.Kind)
		}
	}
	w.lines = append(w.lines, newLine(w, h))
	w.metrics.begin(h.Kind)
}

// Run delivers at once what is due, and what fails again and again, until ctx ends; attempts under
// way then are finished first.
func (w *Worker) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, l := range w.lines {
		running.Go(func() { l.run(ctx) })
	}
	running.Go(func() { w.measure(ctx) })
	running.Wait()
}

// Deliver makes one attempt for everything that is due, and for what becomes due meanwhile. It
// returns when nothing is, with how many attempts it made.
func (w *Worker) Deliver(ctx context.Context) (attempts int, err error) {
	for _, l := range w.lines {
		n, err := l.drain(ctx)
		attempts += n
		if err != nil {
			return attempts, err
		}
	}
	return attempts, nil
}

// retryAfter is how long to wait after this many attempts, plus or minus a fifth to spread retries.
func retryAfter(attempts int64) time.Duration {
	wait := retryMost
	if attempts < 16 {
		wait = min(retryFirst<<max(attempts-1, 0), retryMost)
	}
	return wait*4/5 + rand.N(wait*2/5) //nolint:gosec // G404: spreads the load, keeps no secret
}
