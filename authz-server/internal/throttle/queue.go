package throttle

import (
	"context"
	"errors"
)

// ErrBusy is returned when too many wait for the same already.
var ErrBusy = errors.New("too many are being served already")

// IsBusy tells whether err means that too many others were served first. The caller can try again
// in some seconds.
func IsBusy(err error) bool {
	return errors.Is(err, ErrBusy) || errors.Is(err, context.DeadlineExceeded)
}

// Queue bounds how much expensive work of one kind is done at once, and how much waits.
type Queue struct {
	slots   chan struct{} // holding one is the right to work
	waiting chan struct{} // holding one is the right to wait for it
}

// NewQueue makes a queue that lets slots pieces of work run at once. It fills up when the work that
// waits takes a second or two.
func NewQueue(slots int) *Queue {
	return &Queue{slots: make(chan struct{}, slots), waiting: make(chan struct{}, 32*slots)}
}

// Enter waits for a slot; call leave when the work is done. It returns ErrBusy at once if too many
// wait, and ctx's error if ctx ends first.
func (q *Queue) Enter(ctx context.Context) (leave func(), err error) {
	select {
	case q.waiting <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	defer func() { <-q.waiting }()
	select {
	case q.slots <- struct{}{}:
		return func() { <-q.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
