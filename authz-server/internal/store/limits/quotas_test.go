package limits_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// takes counts in the quotas and tells whether there was room.
func takes(ctx context.Context, f *storetest.World, quotas ...limits.Quota) (bool, error) {
	err := f.Quotas.TakeQuotas(ctx, quotas...)
	var full *limits.QuotaError
	if errors.As(err, &full) {
		return false, nil
	}
	return err == nil, err
}

func TestParallelCallersGetTheQuotaAndNoMore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		for _, quota := range []limits.Quota{
			{Subject: "one row", Limit: 5, Window: 15 * time.Minute},
			{Subject: "many rows", Limit: 13, Window: 15 * time.Minute, Shards: 8},
			{Subject: "more rows than room", Limit: 3, Window: 15 * time.Minute, Shards: 8},
		} {
			take := func(ctx context.Context, _ int) (bool, error) { return takes(ctx, f, quota) }
			if won := storetest.Winners(t, take); won != int64(quota.Limit) {
				t.Errorf("%s: %d of 32 at once, not %d", quota.Subject, won, quota.Limit)
			}
			f.Now = f.Now.Add(15*time.Minute - time.Second)
			err := f.Quotas.TakeQuotas(t.Context(), quota)
			var full *limits.QuotaError
			if !errors.As(err, &full) || full.Wait != time.Second || full.Quota.Subject != quota.Subject {
				t.Errorf("%s: within the window: %v", quota.Subject, err)
			}
			f.Now = f.Now.Add(time.Second)
			if won := storetest.Winners(t, take); won != int64(quota.Limit) {
				t.Errorf("%s: %d of 32 in the next window, not %d", quota.Subject, won, quota.Limit)
			}
		}
	})
}

func TestQuotasAreTakenTogetherOrNotAtAll(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		address := limits.Quota{Subject: "address", Limit: 2, Window: time.Minute}
		shared := limits.Quota{Subject: "all", Limit: 1, Window: time.Minute, Shards: 4}
		won := storetest.Winners(t, func(ctx context.Context, _ int) (bool, error) { return takes(ctx, f, address, shared) })
		if won != 1 {
			t.Errorf("%d of 32, not 1", won)
		}
		if ok, err := takes(t.Context(), f, address); err != nil || !ok {
			t.Errorf("those who were refused are counted: %v", err)
		}
		if ok, err := takes(t.Context(), f, address); err != nil || ok {
			t.Errorf("the one who was not refused is not counted: %v", err)
		}
	})
}

func TestCountsAreSweptWhenTheirWindowIsOver(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		for _, quota := range []limits.Quota{{Subject: "short", Limit: 1, Window: time.Minute}, {Subject: "long", Limit: 1, Window: time.Hour}} {
			if err := f.Quotas.TakeQuotas(t.Context(), quota); err != nil {
				t.Fatal(err)
			}
		}
		f.Now = f.Now.Add(time.Minute)
		if rows, err := f.Sweep(t.Context()); err != nil || rows != 1 {
			t.Errorf("swept %d rows, %v", rows, err)
		}
		if ok, err := takes(t.Context(), f, limits.Quota{Subject: "long", Limit: 1, Window: time.Hour}); err != nil || ok {
			t.Errorf("a count was forgotten within its window: %v", err)
		}
	})
}
