package throttle

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/internal/httpd"
)

// Tries is the right to check one password or code, counted under several subjects. Call Release,
// Succeed or Fail to end it.
type Tries struct {
	t        *Throttle
	attempts []limits.Attempt
	account  string // whose failures a success forgets; may be empty
}

// limited is what tries are counted under, and how many may fail.
type limited struct {
	name   string
	limit  int
	window time.Duration // 0: Limits.Window
}

// reserve takes a try of each subject with its limit, or none. Where every try that is left is held
// by others who may yet succeed, it waits for one: until ctx ends, or ErrBusy when too many wait
// already.
func (t *Throttle) reserve(ctx context.Context, what string, subjects ...limited) (Tries, error) {
	tries := Tries{t: t}
	for _, subject := range subjects {
		attempt, wait, ok, err := t.reserveOne(ctx, subject)
		if err == nil && !ok {
			t.Slowed(what)
			err = &WaitError{what, wait}
		}
		if err != nil {
			tries.Release(ctx)
			return Tries{}, err
		}
		tries.attempts = append(tries.attempts, attempt)
	}
	return tries, nil
}

func (t *Throttle) reserveOne(ctx context.Context, subject limited) (attempt limits.Attempt, wait time.Duration,
	ok bool, err error) {
	waits := false
	for {
		attempt, wait, ok, err = t.store.Attempts.ReserveAttempt(ctx, subject.name, subject.limit,
			cmp.Or(subject.window, t.limits.Window))
		if err != nil || ok || wait > 0 {
			return attempt, wait, ok, err
		}
		if !waits {
			select {
			case t.held <- struct{}{}:
				waits = true
				defer func() { <-t.held }()
			default:
				return limits.Attempt{}, 0, false, ErrBusy
			}
		}
		select {
		case <-ctx.Done():
			return limits.Attempt{}, 0, false, ctx.Err()
		case <-time.After(heldPoll/2 + rand.N(heldPoll)): //nolint:gosec // G404: spreads the load, keeps no secret
		}
	}
}

// How many wait for tries that others hold, and how often each of them looks.
const (
	maxHeld  = 256
	heldPoll = 100 * time.Millisecond
)

// Release gives the tries back: they succeeded, or nothing was checked.
func (t Tries) Release(ctx context.Context) {
	t.end(ctx, func(ctx context.Context) error { return t.each(ctx, t.t.store.Attempts.ReleaseAttempt) })
}

// Succeed gives the tries back, and forgets the failures of the account, or those in the known
// browser: then what strangers failed elsewhere still counts.
func (t Tries) Succeed(ctx context.Context) {
	t.end(ctx, func(ctx context.Context) error {
		return errors.Join(t.each(ctx, t.t.store.Attempts.ReleaseAttempt), t.t.store.Attempts.ClearAttempts(ctx, t.account))
	})
}

// Fail counts the tries as failed.
func (t Tries) Fail(ctx context.Context) {
	t.end(ctx, func(ctx context.Context) error { return t.each(ctx, t.t.store.Attempts.FailAttempt) })
}

func (t Tries) each(ctx context.Context, do func(context.Context, limits.Attempt) error) error {
	for _, attempt := range t.attempts {
		if err := do(ctx, attempt); err != nil {
			return err
		}
	}
	return nil
}

func (t Tries) end(ctx context.Context, do func(context.Context) error) {
	if len(t.attempts) == 0 {
		return
	}
	// Whether or not the person still waits for the answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := t.t.store.Tx(ctx, do); err != nil {
		t.t.log.ErrorContext(ctx, "cannot note how a try ended", "request", httpd.RequestID(ctx), "error", err)
	}
}
