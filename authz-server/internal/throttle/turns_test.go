package throttle

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestOneSenderWaitsForItsTurnAndNobodyElseDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // a busy machine may take longer than they wait
		turns := newTurns(1)
		leave, err := turns.enter(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range turnQueue {
			wg.Go(func() {
				if _, err := turns.enter(ctx, "a"); !errors.Is(err, context.Canceled) {
					t.Errorf("waited in vain and got %v", err)
				}
			})
		}
		if synctest.Wait(); turns.of["a"].known != 1+turnQueue {
			t.Fatalf("%d wait", turns.of["a"].known-1)
		}
		if _, err := turns.enter(ctx, "a"); !errors.Is(err, ErrBusy) {
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
	})
}

func TestASenderWithMoreWaitingRestsBetweenTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(1)
		leave, err := turns.enter(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		entered := make(chan time.Time, 1)
		go func() {
			leave, err := turns.enter(t.Context(), "a")
			entered <- time.Now()
			if err == nil {
				leave()
			}
		}()
		synctest.Wait()
		const work = 20 * time.Millisecond
		time.Sleep(work)
		left := time.Now()
		leave()
		if rest := (<-entered).Sub(left); rest != work {
			t.Errorf("the next one came %v later, want %v", rest, work)
		}
	})
}

// A hoster gives one customer a /64 after the other, of one /48.
func TestAFloodFromManySmallNetworksOfOneWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	s := &Throttle{turns: newTurns(1), long: newTurns(1)}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	for name, enter := range map[string]func(*http.Request) (func(), error){"a turn": s.Turn, "a long turn": s.LongTurn} {
		from := func(ctx context.Context, address string) (leave func(), err error) {
			r := httptest.NewRequest("GET", "/", nil).WithContext(ctx)
			r.RemoteAddr = "[" + address + "]:443"
			return enter(r)
		}
		var leaves []func()
		for _, address := range []string{"2001:db8:7:1::1", "2001:db8:7:2::1"} {
			leave, err := from(t.Context(), address)
			if err != nil {
				t.Fatalf("%s: %s: %v", name, address, err)
			}
			leaves = append(leaves, leave)
		}
		for i := range 20 { // of each, whether it finds a place or the end of its patience first is chance
			address := fmt.Sprintf("2001:db8:7:%d::2", 2+i)
			if _, err := from(impatient, address); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %s: %v", name, address, err)
			}
		}
		other, err := from(t.Context(), "2001:db8:8:1::1")
		if err != nil {
			t.Fatalf("%s: another network waits: %v", name, err)
		}
		leaves[0]()
		again, err := from(t.Context(), "2001:db8:7:3::1")
		if err != nil {
			t.Fatalf("%s: a place that was left: %v", name, err)
		}
		for _, leave := range append(leaves, other, again) {
			leave()
		}
	}
	if len(s.turns.of) != 0 || len(s.long.of) != 0 {
		t.Errorf("%d and %d networks are remembered that want nothing", len(s.turns.of), len(s.long.of))
	}
}
