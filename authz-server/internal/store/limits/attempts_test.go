package limits_test

import (
	"context"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestParallelTriesGetTheLimitAndNoMore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		try := func(ctx context.Context, _ int) (bool, error) {
			_, wait, ok, err := f.Attempts.ReserveAttempt(ctx, "account:a", 5, 15*time.Minute)
			if !ok && (wait < 0 || wait > 15*time.Minute) {
				t.Errorf("wait %s", wait)
			}
			return ok, err
		}
		if won := storetest.Winners(t, try); won != 5 {
			t.Errorf("%d of 32 tries at once, not 5", won)
		}
		f.Now = f.Now.Add(15*time.Minute - time.Second)
		if won := storetest.Winners(t, try); won != 0 {
			t.Errorf("%d tries within the window", won)
		}
		f.Now = f.Now.Add(time.Second) // the slots are taken over, not made
		if won := storetest.Winners(t, try); won != 5 {
			t.Errorf("%d of 32 tries in the next window, not 5", won)
		}
	})
}

func TestTheWaitIsUntilTheOldestTryIsForgotten(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		reserve := func(subject string) (limits.Attempt, time.Duration, bool) {
			t.Helper()
			a, wait, ok, err := f.Attempts.ReserveAttempt(t.Context(), subject, 2, 10*time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return a, wait, ok
		}
		reserve("a")
		f.Now = f.Now.Add(3 * time.Minute)
		second, _, _ := reserve("a")
		if err := f.Attempts.FailAttempt(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		if _, wait, ok := reserve("a"); ok || wait != 7*time.Minute {
			t.Errorf("%v, wait %s", ok, wait)
		}
		if _, _, ok := reserve("b"); !ok {
			t.Error("one subject's tries count for another")
		}
		if err := f.Attempts.ReleaseAttempt(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		third, _, ok := reserve("a")
		if !ok {
			t.Error("a released try still counts")
		}
		if err := f.Attempts.FailAttempt(t.Context(), third); err != nil {
			t.Fatal(err)
		}
		if err := f.Attempts.ClearAttempts(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, _, ok := reserve("a"); !ok {
				t.Error("tries count that were cleared")
			}
		}
	})
}

func TestAHeldTryIsNotAFailure(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		reserve := func() (limits.Attempt, time.Duration, bool) {
			t.Helper()
			a, wait, ok, err := f.Attempts.ReserveAttempt(t.Context(), "a", 2, 15*time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return a, wait, ok
		}
		first, _, _ := reserve()
		second, _, _ := reserve()
		if _, wait, ok := reserve(); ok || wait != 0 {
			t.Errorf("while both are being decided: %v, wait %s", ok, wait)
		}
		if err := f.Attempts.FailAttempt(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		if _, wait, ok := reserve(); ok || wait != 0 {
			t.Errorf("one has failed, one is being decided: %v, wait %s", ok, wait)
		}
		if err := f.Attempts.ClearAttempts(t.Context(), "a"); err != nil { // somebody succeeded
			t.Fatal(err)
		}
		third, _, ok := reserve()
		if !ok {
			t.Error("the failed one was not forgotten")
		}
		if _, _, ok := reserve(); ok {
			t.Error("one that is being decided was forgotten")
		}
		for _, a := range []limits.Attempt{second, third} {
			if err := f.Attempts.FailAttempt(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		if _, wait, ok := reserve(); ok || wait != 15*time.Minute {
			t.Errorf("both have failed: %v, wait %s", ok, wait)
		}
	})
}

func TestATryThatNobodyDecidesHasFailed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		if _, _, ok, err := f.Attempts.ReserveAttempt(t.Context(), "a", 1, 15*time.Minute); err != nil || !ok {
			t.Fatal(ok, err)
		}
		f.Now = f.Now.Add(time.Minute) // its server was killed
		if _, wait, ok, err := f.Attempts.ReserveAttempt(t.Context(), "a", 1, 15*time.Minute); err != nil || ok || wait != 14*time.Minute {
			t.Errorf("%v, wait %s, %v", ok, wait, err)
		}
	})
}
