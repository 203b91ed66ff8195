package httpd

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestAnAllowanceIsSpentAndComesBack(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	a := NewAllowance(10*time.Second, 100, func() time.Time { return now })
	spend := func(caller string, some time.Duration) (n int) {
		for range 1000 {
			if _, ok := a.Spend(caller, some); !ok {
				break
			}
			n++
		}
		return n
	}
	if n := spend("eve", time.Second); n != 10 {
		t.Errorf("%d at once", n)
	}
	if wait, ok := a.Spend("eve", 3*time.Second); ok || wait != 3*time.Second {
		t.Errorf("%v after everything was spent: wait %s", ok, wait)
	}
	if n := spend("ann", 4*time.Second); n != 2 {
		t.Errorf("another caller: %d", n)
	}
	now = now.Add(2500 * time.Millisecond)
	if n := spend("eve", time.Second); n != 2 {
		t.Errorf("%d in 2.5 s", n)
	}
	a.Refund("eve", 3*time.Second)
	if n := spend("eve", time.Second); n != 3 {
		t.Errorf("%d after 3 were given back", n)
	}
	now = now.Add(time.Hour)
	a.Refund("eve", time.Hour) // more than all of it is not to be had
	if n := spend("eve", time.Second); n != 10 {
		t.Errorf("%d after an hour", n)
	}
	if wait, ok := a.Spend("bob", 11*time.Second); ok || wait != time.Second {
		t.Errorf("more than the whole: %v, wait %s", ok, wait)
	}
}

func TestAClockThatIsSetBackGivesNothingAwayAndKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	a := NewAllowance(10*time.Second, 100, func() time.Time { return now })
	a.Spend("eve", 4*time.Second)
	now = now.Add(-time.Hour)
	if wait, ok := a.Spend("eve", time.Second); ok || wait != time.Second {
		t.Errorf("%v, wait %s", ok, wait)
	}
	now = now.Add(10 * time.Second)
	if _, ok := a.Spend("eve", 10*time.Second); !ok {
		t.Error("not all of it is back within its length")
	}
}

func TestAnAllowanceRemembersSoManyCallers(t *testing.T) {
	t.Parallel()
	a := NewAllowance(time.Hour, 100, nil)
	var spent atomic.Int64
	var all sync.WaitGroup
	for i := range 400 {
		all.Go(func() {
			a.Spend(fmt.Sprint("caller", i), time.Minute)
			if _, ok := a.Spend("busy", time.Minute); ok {
				spent.Add(1)
			}
		})
	}
	all.Wait()
	if n := spent.Load(); n != 60 {
		t.Errorf("%d at once of 60", n)
	}
	if n := a.Callers(); n != 100 {
		t.Errorf("%d callers are remembered", n)
	}
}
