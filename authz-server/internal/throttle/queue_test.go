package throttle

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

func TestOnlySoMuchIsDoneAtOnce(t *testing.T) {
	t.Parallel()
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
	for deadline := time.Now().Add(10 * time.Second); len(q.waiting) < 2; {
		if time.Now().After(deadline) {
			t.Fatal("nobody waits")
		}
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
}
