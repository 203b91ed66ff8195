package driver

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ErrUsedUp is what a [Step] returns when it has nothing left to send, such as codes that are good
// once. It ends the run, and counts as no failure.
var ErrUsedUp = errors.New("used up")

// A Step sends one request, or several that belong together, and returns an error if the answer is
// not what it must be. Those of one worker are called one after another.
type Step func(ctx context.Context) error

// Load says how to drive a server.
type Load struct {
	Workers  int           // how many requests are under way at once, at most
	Rate     float64       // steps a second; 0: each worker begins the next as soon as the last one ended
	WarmUp   time.Duration // before anything is measured
	Duration time.Duration // of what is measured

	Began func() // called when the warm-up is over; nil: nothing is
	Ended func() // called when the duration is over, before stragglers are waited for; nil: nothing is
}

// Result is what was measured.
type Result struct {
	Elapsed time.Duration
	Latency Histogram        // of the steps that succeeded; with a rate, from when each was due
	Errors  map[string]int64 // failed steps by kind
	Example error            // one of these failures; nil: there was none
}

// Rate returns how many steps a second succeeded.
func (r *Result) Rate() float64 { return float64(r.Latency.Count()) / r.Elapsed.Seconds() }

// Failed returns how many steps failed.
func (r *Result) Failed() (n int64) {
	for _, one := range r.Errors {
		n += one
	}
	return n
}

// Run drives the server until the duration is over, ctx ends, or a step has nothing left to send.
// worker makes the steps of one of the workers, which are numbered from 0. The error is that of ctx.
//
// With a rate, the latency of a step is counted from the moment at which it was due, also if all
// workers were busy then: a server that stalls is charged for everything that had to wait.
func (l Load) Run(ctx context.Context, worker func(i int) Step) (*Result, error) {
	r := &run{load: l, began: time.Now().Add(l.WarmUp), stopped: make(chan struct{}), empty: make(chan struct{})}
	if l.Rate > 0 {
		// As many as can fall due while nothing is answered: nothing that is due is forgotten.
		r.due = make(chan time.Time, int(l.Rate*(l.WarmUp+l.Duration).Seconds())+1)
		go r.pace(ctx)
	}
	marked := make(chan struct{})
	go r.mark(ctx, marked)
	results := make([]Result, l.Workers)
	var all sync.WaitGroup
	for i := range l.Workers {
		step := worker(i)
		all.Go(func() { r.work(ctx, step, &results[i]) })
	}
	all.Wait()
	<-marked
	total := &Result{Elapsed: time.Duration(r.elapsed.Load()), Errors: map[string]int64{}}
	for i := range results {
		total.Latency.Merge(&results[i].Latency)
		for kind, n := range results[i].Errors {
			total.Errors[kind] += n
		}
		if total.Example == nil {
			total.Example = results[i].Example
		}
	}
	return total, ctx.Err()
}

type run struct {
	load    Load
	began   time.Time
	due     chan time.Time // closed after the last; nil: there is no rate
	once    sync.Once
	stopped chan struct{} // closed when the duration is over, or nothing is left to send
	spent   sync.Once
	empty   chan struct{} // closed when nothing is left to send
	elapsed atomic.Int64
}

// stop ends the measurement.
func (r *run) stop() { r.once.Do(func() { close(r.stopped) }) }

// mark calls Began and Ended at their time.
func (r *run) mark(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	select {
	case <-time.After(time.Until(r.began)):
	case <-r.stopped:
	case <-ctx.Done():
	}
	if r.load.Began != nil {
		r.load.Began()
	}
	select {
	case <-time.After(time.Until(r.began.Add(r.load.Duration))):
	case <-r.stopped:
	case <-ctx.Done():
	}
	r.elapsed.Store(int64(max(time.Since(r.began), 1)))
	if r.load.Ended != nil {
		r.load.Ended()
	}
	r.stop()
}

// pace says when each step is due. What fell due before the end is said even if it is late for that:
// a machine that is busy at the end forgets nothing.
func (r *run) pace(ctx context.Context) {
	defer close(r.due)
	start := r.began.Add(-r.load.WarmUp)
	end := r.began.Add(r.load.Duration)
	for i := 0; ; i++ {
		at := start.Add(time.Duration(float64(i) / r.load.Rate * float64(time.Second)))
		if !at.Before(end) {
			return
		}
		sleepUntil(at)
		select {
		case <-r.empty:
			return
		case <-ctx.Done():
			return
		default:
		}
		r.due <- at // never blocks: there is room for all
	}
}

// work is one worker.
func (r *run) work(ctx context.Context, step Step, to *Result) {
	to.Errors = map[string]int64{}
	for ctx.Err() == nil {
		at, more := r.next()
		if !more {
			return
		}
		err := step(ctx)
		done := time.Now()
		switch {
		case errors.Is(err, ErrUsedUp):
			r.spent.Do(func() { close(r.empty) })
			r.stop()
			return
		case ctx.Err() != nil && err != nil:
			return
		case r.load.Rate == 0 && (done.Before(r.began) || r.ended()): // it ended in the warm-up, or too late
		case r.load.Rate > 0 && at.Before(r.began):
		case err != nil:
			to.fail(err)
		default:
			to.Latency.Add(done.Sub(at))
		}
	}
}

// next returns when the next step is due, which is now if there is no rate.
func (r *run) next() (at time.Time, more bool) {
	if r.due != nil {
		at, more = <-r.due
		return at, more
	}
	return time.Now(), !r.ended()
}

func (r *run) ended() bool {
	select {
	case <-r.stopped:
		return true
	default:
		return false
	}
}

func (r *Result) fail(err error) {
	kind := "other"
	if f, ok := errors.AsType[*Failure](err); ok {
		kind = f.Kind
	}
	r.Errors[kind]++
	if r.Example == nil {
		r.Example = err
	}
}
