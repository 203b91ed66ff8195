package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/internal/tracing"
)

// maxFailing is how many lanes are remembered as failing.
const maxFailing = 10_000

// line delivers one kind, with slots of its own. A slot is filled again as soon as its attempt
// ends.
type line struct {
	Handler
	worker *Worker

	mu    sync.Mutex
	freed chan struct{}  // closed, and another one made, when a slot becomes free
	taken int            // slots
	busy  map[string]int // lane → slots that it has

	// Lanes whose last attempt failed have one slot each and half of all together, so that those
	// that time out leave room for the others.
	failing map[string]bool
}

func newLine(w *Worker, h Handler) *line {
	h.Slots = cmp.Or(h.Slots, defaultSlots)
	h.PerLane = cmp.Or(h.PerLane, defaultPerLane)
	h.Timeout = cmp.Or(h.Timeout, defaultTimeout)
	h.GiveUpAfter = cmp.Or(h.GiveUpAfter, defaultGiveUp)
	return &line{
		Handler: h, worker: w, freed: make(chan struct{}), busy: map[string]int{}, failing: map[string]bool{},
	}
}

func (l *line) run(ctx context.Context) {
	defer l.finish()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for ctx.Err() == nil {
		_, freed := l.slots()
		n, err := l.start(ctx)
		if err != nil && ctx.Err() == nil {
			l.worker.Log.ErrorContext(ctx, "cannot read what is to be delivered", "kind", l.Kind, "error", err)
		}
		if n > 0 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-l.worker.Outbox.Due(l.Kind):
		case <-freed:
		case <-poll.C:
		}
	}
}

// drain is run until nothing is due.
func (l *line) drain(ctx context.Context) (attempts int, err error) {
	defer l.finish()
	for {
		taken, freed := l.slots()
		n, err := l.start(ctx)
		if attempts += n; err != nil {
			return attempts, err
		}
		switch {
		case n > 0:
		case taken == 0:
			return attempts, nil
		default:
			<-freed
		}
	}
}

// slots returns how many slots are taken, and a channel that is closed when one becomes free.
func (l *line) slots() (taken int, freed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken, l.freed
}

// finish waits for the attempts that are under way.
func (l *line) finish() {
	for {
		taken, freed := l.slots()
		if taken == 0 {
			return
		}
		<-freed
	}
}

// start begins an attempt in each free slot for which something is due, and returns how many.
func (l *line) start(ctx context.Context) (int, error) {
	taken, _ := l.slots()
	if taken >= l.Slots {
		return 0, nil
	}
	items, err := l.worker.Outbox.Take(ctx, l.Kind, l.Timeout+noteFor, l.Slots-taken, l.room())
	for _, item := range items {
		l.fill(item.Lane)
		go func() { l.free(item.Lane, l.attempt(ctx, item)) }()
	}
	return len(items), err
}

// room returns a function that says how many more slots a lane may have, for one call of Take.
func (l *line) room() func(lane string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := max(l.Slots/2, 1) // for lanes that fail
	for lane, n := range l.busy {
		if l.failing[lane] {
			left -= n
		}
	}
	return func(lane string) int {
		l.mu.Lock()
		defer l.mu.Unlock()
		if !l.failing[lane] {
			return max(l.PerLane-l.busy[lane], 0)
		}
		most := max(min(1-l.busy[lane], left), 0)
		left -= most
		return most
	}
}

func (l *line) fill(lane string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken++
	l.busy[lane]++
}

func (l *line) free(lane string, failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken--
	if l.busy[lane]--; l.busy[lane] == 0 {
		delete(l.busy, lane)
	}
	switch {
	case !failed:
		delete(l.failing, lane)
	case len(l.failing) < maxFailing:
		l.failing[lane] = true
	}
	close(l.freed)
	l.freed = make(chan struct{})
}

// attempt makes one attempt and notes what came of it. failed says that the lane may be dead. The
// end of ctx does not end the attempt.
func (l *line) attempt(ctx context.Context, item outbox.Item) (failed bool) {
	log := l.worker.Log.With("kind", l.Kind, "delivery", item.ID, "lane", item.Lane, "attempt", item.Attempts)
	outcome, reason := l.deliver(ctx, item)
	note := func(ctx context.Context) error { return l.worker.Outbox.End(ctx, item.ID) }
	if outcome == failedOutcome || outcome == givenUpOutcome {
		next := time.Time{}
		if outcome == failedOutcome {
			next = l.worker.Now().Add(retryAfter(item.Attempts))
			if next.Sub(item.Since) > l.GiveUpAfter {
				next, outcome = time.Time{}, givenUpOutcome
			}
			failed = true
		}
		log.WarnContext(ctx, "cannot deliver", "given_up", next.IsZero(), "error", reason)
		note = func(ctx context.Context) error {
			return l.worker.Outbox.Postpone(ctx, item, reason.Error(), next)
		}
	}
	l.worker.metrics.attempts.WithLabelValues(l.Kind, outcome).Inc()
	if err := l.note(ctx, note); err != nil {
		log.ErrorContext(ctx, "cannot note what came of a delivery; it will be tried again", "outcome", outcome, "error", err)
	}
	return failed
}

// deliver calls the handler and classifies what it returns. A panic is an error: it must not stop
// the server each time when the item comes.
func (l *line) deliver(ctx context.Context, item outbox.Item) (outcome string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.Timeout)
	defer cancel()
	ctx, span := tracing.Begin(ctx, "deliver "+l.Kind)
	defer func() {
		span.End(err)
	}()
	defer func() {
		if p := recover(); p != nil {
			l.worker.Log.ErrorContext(ctx, "panic in a delivery", "kind", l.Kind, "delivery", item.ID, "panic", p,
				"stack", string(debug.Stack()))
			outcome, err = failedOutcome, fmt.Errorf("the server failed: %v", p)
		}
	}()
	err = l.Deliver(ctx, item)
	var hopeless givenUp
	switch {
	case err == nil:
		return deliveredOutcome, nil
	case errors.Is(err, ErrUnwanted):
		return unwantedOutcome, nil
	case errors.As(err, &hopeless):
		return givenUpOutcome, err
	}
	return failedOutcome, err
}

// note tells the database what came of an attempt. While the database is unavailable, it goes on
// trying: what was delivered would be delivered again. It stops trying when ctx ends.
func (l *line) note(ctx context.Context, do func(ctx context.Context) error) error {
	until := time.Now().Add(noteFor - time.Second)
	for {
		err := do(context.WithoutCancel(ctx))
		if err == nil || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}
