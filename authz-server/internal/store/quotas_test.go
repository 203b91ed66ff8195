package store_test

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
)

// takes counts in the quotas and tells whether there was room.
func (f *grantFixture) takes(ctx context.Context, quotas ...store.Quota) (bool, error) {
	err := f.TakeQuotas(ctx, quotas...)
	var full *store.QuotaError
	if errors.As(err, &full) {
		return false, nil
	}
	return err == nil, err
}

func TestParallelCallersGetTheQuotaAndNoMore(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		for _, quota := range []store.Quota{
			{Subject: "one row", Limit: 5, Window: 15 * time.Minute},
			{Subject: "many rows", Limit: 13, Window: 15 * time.Minute, Shards: 8},
			{Subject: "more rows than room", Limit: 3, Window: 15 * time.Minute, Shards: 8},
		} {
			take := func(ctx context.Context, _ int) (bool, error) { return f.takes(ctx, quota) }
			if won := winners(t, take); won != int64(quota.Limit) {
				t.Errorf("%s: %d of 32 at once, not %d", quota.Subject, won, quota.Limit)
			}
			f.now = f.now.Add(15*time.Minute - time.Second)
			err := f.TakeQuotas(t.Context(), quota)
			var full *store.QuotaError
			if !errors.As(err, &full) || full.Wait != time.Second || full.Quota.Subject != quota.Subject {
				t.Errorf("%s: within the window: %v", quota.Subject, err)
			}
			f.now = f.now.Add(time.Second)
			if won := winners(t, take); won != int64(quota.Limit) {
				t.Errorf("%s: %d of 32 in the next window, not %d", quota.Subject, won, quota.Limit)
			}
		}
	})
}

func TestQuotasAreTakenTogetherOrNotAtAll(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		address := store.Quota{Subject: "address", Limit: 2, Window: time.Minute}
		shared := store.Quota{Subject: "all", Limit: 1, Window: time.Minute, Shards: 4}
		won := winners(t, func(ctx context.Context, _ int) (bool, error) { return f.takes(ctx, address, shared) })
		if won != 1 {
			t.Errorf("%d of 32, not 1", won)
		}
		if ok, err := f.takes(t.Context(), address); err != nil || !ok {
			t.Errorf("those who were refused are counted: %v", err)
		}
		if ok, err := f.takes(t.Context(), address); err != nil || ok {
			t.Errorf("the one who was not refused is not counted: %v", err)
		}
	})
}

func TestAnAnsweredInteractionMakesRoom(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		quotas := []store.Quota{{Subject: "interaction 203.0.113.7", Limit: 2, Window: store.InteractionLifetime}, {Subject: "client a b", Limit: 4, Window: store.InteractionLifetime, Shards: 2}}
		begin := func() (string, error) {
			return f.CreateInteraction(t.Context(), store.Interaction{ClientID: "a b", Form: url.Values{"state": {"x"}}}, "browser", quotas...)
		}
		answer := func(handle string) {
			t.Helper()
			err := f.Tx(t.Context(), func(ctx context.Context) error {
				spent, err := f.SpendInteraction(ctx, handle)
				if err != nil {
					return err
				}
				return f.Uncount(ctx, spent)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		first, err := begin()
		if err != nil {
			t.Fatal(err)
		}
		second, err := begin()
		if err != nil {
			t.Fatal(err)
		}
		var full *store.QuotaError
		if _, err := begin(); !errors.As(err, &full) || full.Quota.Subject != "interaction 203.0.113.7" {
			t.Errorf("a third: %v", err)
		}
		answer(first)
		third, err := begin()
		if err != nil {
			t.Fatal("an answered one still counts:", err)
		}
		if _, err := begin(); !errors.As(err, &full) {
			t.Errorf("two wait, and there is room for another: %v", err)
		}
		// What was counted in a window that is over makes no room in the next.
		f.now = f.now.Add(store.InteractionLifetime - time.Second)
		answer(second)
		late, err := begin()
		if err != nil {
			t.Fatal(err)
		}
		f.now = f.now.Add(time.Second)
		for range 2 {
			if _, err := begin(); err != nil {
				t.Fatal(err)
			}
		}
		answer(late)
		if _, err := begin(); !errors.As(err, &full) {
			t.Errorf("a place of the last window was given back to this one: %v", err)
		}
		if _, err := f.SpendInteraction(t.Context(), third); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("it lives longer than the window that it counts in: %v", err)
		}
	})
}

func TestAPushedRequestIsSweptWhenItExpiresAndStillSpentOnce(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		const uri = "urn:ietf:params:oauth:request_uri:x"
		err := f.CreatePushedRequest(t.Context(), uri, store.PushedRequest{ClientID: "app", Form: url.Values{"scope": {"openid"}}, ExpiresAt: f.now.Add(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		f.now = f.now.Add(time.Minute)
		if rows, err := f.Sweep(t.Context()); err != nil || rows != 1 {
			t.Errorf("swept %d rows, %v", rows, err)
		}
		// Two tabs were opened with it before it expired.
		won := winners(t, func(ctx context.Context, _ int) (bool, error) {
			err := f.SpendPushedRequest(ctx, uri)
			if errors.Is(err, store.ErrNotFound) {
				return false, nil
			}
			return err == nil, err
		})
		if won != 1 {
			t.Errorf("%d of 32 spent it", won)
		}
	})
}

func TestCountsAreSweptWhenTheirWindowIsOver(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		for _, quota := range []store.Quota{{Subject: "short", Limit: 1, Window: time.Minute}, {Subject: "long", Limit: 1, Window: time.Hour}} {
			if err := f.TakeQuotas(t.Context(), quota); err != nil {
				t.Fatal(err)
			}
		}
		f.now = f.now.Add(time.Minute)
		if rows, err := f.Sweep(t.Context()); err != nil || rows != 1 {
			t.Errorf("swept %d rows, %v", rows, err)
		}
		if ok, err := f.takes(t.Context(), store.Quota{Subject: "long", Limit: 1, Window: time.Hour}); err != nil || ok {
			t.Errorf("a count was forgotten within its window: %v", err)
		}
	})
}
