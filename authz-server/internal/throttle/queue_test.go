package throttle

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

func TestOnlySoMuchIsDoneAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &Queue{slots: make(chan struct{}, 1), waiting: make(chan struct{}, 2)}
		leave, err := q.Enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if _, err := q.Enter(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("waited in vain and got %v", err)
				}
			})
		}
		if synctest.Wait(); len(q.waiting) != 2 {
			t.Fatalf("%d wait", len(q.waiting))
		}
		if _, err := q.Enter(t.Context()); !errors.Is(err, ErrBusy) {
			t.Errorf("one too many got %v", err)
		}
		cancel()
		wg.Wait()
		leave()
		leave, err = q.Enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		leave()
	})
}
