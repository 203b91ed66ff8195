package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
)

func TestParallelTriesGetTheLimitAndNoMore(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		try := func(ctx context.Context, _ int) (bool, error) {
			_, wait, ok, err := f.ReserveAttempt(ctx, "account:a", 5, 15*time.Minute)
			if !ok && (wait <= 0 || wait > 15*time.Minute) {
				t.Errorf("wait %s", wait)
			}
			return ok, err
		}
		if won := winners(t, try); won != 5 {
			t.Errorf("%d of 32 tries at once, not 5", won)
		}
		f.now = f.now.Add(15*time.Minute - time.Second)
		if won := winners(t, try); won != 0 {
			t.Errorf("%d tries within the window", won)
		}
		f.now = f.now.Add(time.Second) // the slots are taken over, not made
		if won := winners(t, try); won != 5 {
			t.Errorf("%d of 32 tries in the next window, not 5", won)
		}
	})
}

func TestTheWaitIsUntilTheOldestTryIsForgotten(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		reserve := func(subject string) (store.Attempt, time.Duration, bool) {
			t.Helper()
			a, wait, ok, err := f.ReserveAttempt(t.Context(), subject, 2, 10*time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return a, wait, ok
		}
		reserve("a")
		f.now = f.now.Add(3 * time.Minute)
		second, _, _ := reserve("a")
		if _, wait, ok := reserve("a"); ok || wait != 7*time.Minute {
			t.Errorf("%v, wait %s", ok, wait)
		}
		if _, _, ok := reserve("b"); !ok {
			t.Error("one subject's tries count for another")
		}
		if err := f.ReleaseAttempt(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		if _, _, ok := reserve("a"); !ok {
			t.Error("a released try still counts")
		}
		if err := f.ClearAttempts(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, _, ok := reserve("a"); !ok {
				t.Error("tries count that were cleared")
			}
		}
	})
}
