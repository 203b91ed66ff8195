package keys

import (
	"cmp"
	"context"
	"runtime"
)

// turns lets as many signatures be made at once as Go uses processors, first come, first served. It
// holds an element for each that is being made.
//
// An RSA signature keeps its processor for up to a millisecond. Go's scheduler prefers goroutines
// that its processors have in queues of their own, and looks into the queue of all others at every
// 61st turn only (see schedule in runtime/proc.go), as long as the own ones do not run dry. Under
// load, a request that got into the queue of all, because its system call took long or its
// connection was found ready meanwhile, so waited for 60 signatures.
type turns chan struct{}

func newTurns() turns { return make(turns, runtime.GOMAXPROCS(0)) }

// take waits for a turn. The error is that of ctx. Whoever has a turn must call leave, and wait for
// nothing before that.
func (t turns) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		runtime.Gosched() // to the end of the queue of all
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turns) leave() { <-t }

// Together runs two functions that sign: side by side if both would get a turn at once, each on a
// processor of its own, and else one after the other, the second only if the first succeeds. It
// returns when neither runs any more. The error is that of a, or else that of b.
func (k *Ring) Together(a, b func() error) error {
	if cap(k.turns)-len(k.turns) < 2 {
		if err := a(); err != nil {
			return err
		}
		return b()
	}
	beside, died := make(chan error, 1), make(chan any, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				died <- p
				beside <- nil
			}
		}()
		beside <- b()
	}()
	err := cmp.Or(a(), <-beside)
	select {
	case p := <-died: // as if it had been in the caller's goroutine, where it ends one request
		panic(p)
	default:
		return err
	}
}
