package login

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

func TestOneSenderWaitsForItsTurnAndNobodyElseDoes(t *testing.T) {
	turns := newTurns()
	turns.atOnce = 1
	leave, err := turns.enter(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range turnQueue {
		wg.Go(func() {
			if _, err := turns.enter(ctx, "a"); !errors.Is(err, context.Canceled) && !errors.Is(err, errBusy) { // busy: a slow machine
				t.Errorf("waited in vain and got %v", err)
			}
		})
	}
	waiting := func() int {
		turns.mu.Lock()
		defer turns.mu.Unlock()
		return turns.of["a"].known - 1
	}
	for deadline := time.Now().Add(turnWait); waiting() < turnQueue; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("they do not wait")
		}
	}
	if _, err := turns.enter(ctx, "a"); !errors.Is(err, errBusy) {
		t.Errorf("one too many got %v", err)
	}
	other, err := turns.enter(t.Context(), "b")
	if err != nil {
		t.Fatal("another sender waits:", err)
	}
	other()
	cancel()
	wg.Wait()
	leave()
	leave() // once is enough
	if leave, err = turns.enter(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	leave()
	if len(turns.of) != 0 {
		t.Errorf("%d senders are remembered who want nothing", len(turns.of))
	}
}
