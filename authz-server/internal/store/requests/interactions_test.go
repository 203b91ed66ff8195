package requests_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestAnInteractionIsItsBrowsersAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		form := url.Values{"scope": {"openid 마루"}, "state": {"a&b=c"}, "resource": {"x", "y"}}
		handle, err := f.Interactions.CreateInteraction(t.Context(), requests.Interaction{ClientID: "app", Form: form}, "browser")
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Interactions.Interaction(t.Context(), handle, "browser")
		if err != nil || got.ClientID != "app" || got.Form.Encode() != form.Encode() || got.Consent != "" || len(got.ConsentScope) != 0 ||
			!got.CreatedAt.Equal(f.Now) {
			t.Errorf("%+v %v", got, err)
		}
		if _, err := f.Interactions.Interaction(t.Context(), handle, "another browser"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another browser sees it: %v", err)
		}
		err = f.Interactions.DecideInteraction(t.Context(), handle, "another browser", "sid", requests.ConsentAllow, nil)
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another browser decided: %v", err)
		}
		if err := f.Interactions.DecideInteraction(t.Context(), handle, "browser", "sid", requests.ConsentAllow,
			[]string{"openid", "email"}); err != nil {
			t.Fatal(err)
		}
		if got, err = f.Interactions.Interaction(t.Context(), handle, "browser"); err != nil || got.Consent != requests.ConsentAllow ||
			got.ConsentSID != "sid" || !slices.Equal(got.ConsentScope, []string{"openid", "email"}) {
			t.Errorf("%+v %v", got, err)
		}
		f.Now = f.Now.Add(requests.InteractionLifetime)
		if _, err := f.Interactions.Interaction(t.Context(), handle, "browser"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("it never expires: %v", err)
		}
		err = f.Interactions.DecideInteraction(t.Context(), handle, "browser", "sid", requests.ConsentDeny, nil)
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("decided when expired: %v", err)
		}
		if _, err := f.Interactions.SpendInteraction(t.Context(), handle); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("spent when expired: %v", err)
		}
	})
}

func TestAnInteractionIsSpentOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		handle, err := f.Interactions.CreateInteraction(t.Context(), requests.Interaction{ClientID: "app"}, "browser")
		if err != nil {
			t.Fatal(err)
		}
		failed := errors.New("no answer")
		err = f.Tx(t.Context(), func(ctx context.Context) error {
			_, err := f.Interactions.SpendInteraction(ctx, handle)
			return errors.Join(err, failed)
		})
		if !errors.Is(err, failed) || errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		won := storetest.Winners(t, func(ctx context.Context, _ int) (bool, error) {
			in, err := f.Interactions.SpendInteraction(ctx, handle)
			if errors.Is(err, store.ErrNotFound) {
				return false, nil
			}
			return err == nil && in.ClientID == "app", err
		})
		if won != 1 {
			t.Errorf("%d of 32 spent it", won)
		}
	})
}

func TestAnAnsweredInteractionMakesRoom(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		quotas := []limits.Quota{{Subject: "interaction 203.0.113.7", Limit: 2, Window: requests.InteractionLifetime},
			{Subject: "client a b", Limit: 4, Window: requests.InteractionLifetime, Shards: 2}}
		begin := func() (string, error) {
			return f.Interactions.CreateInteraction(t.Context(), requests.Interaction{ClientID: "a b", Form: url.Values{"state": {"x"}}}, "browser",
				quotas...)
		}
		answer := func(handle string) {
			t.Helper()
			err := f.Tx(t.Context(), func(ctx context.Context) error {
				spent, err := f.Interactions.SpendInteraction(ctx, handle)
				if err != nil {
					return err
				}
				return f.Interactions.Uncount(ctx, spent)
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
		var full *limits.QuotaError
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
		f.Now = f.Now.Add(requests.InteractionLifetime - time.Second)
		answer(second)
		late, err := begin()
		if err != nil {
			t.Fatal(err)
		}
		f.Now = f.Now.Add(time.Second)
		for range 2 {
			if _, err := begin(); err != nil {
				t.Fatal(err)
			}
		}
		answer(late)
		if _, err := begin(); !errors.As(err, &full) {
			t.Errorf("a place of the last window was given back to this one: %v", err)
		}
		if _, err := f.Interactions.SpendInteraction(t.Context(), third); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("it lives longer than the window that it counts in: %v", err)
		}
	})
}

// Somebody who signs up reads their mail first; nobody keeps a request for ever.
func TestAnInteractionIsExtendedForAWhile(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx, start := t.Context(), f.Now
		handle, err := f.Interactions.CreateInteraction(ctx, requests.Interaction{ClientID: "app"}, "browser")
		if err != nil {
			t.Fatal(err)
		}
		extend := func(browser string, while time.Duration) {
			t.Helper()
			if err := f.Interactions.ExtendInteraction(ctx, handle, browser, while); err != nil {
				t.Fatal(err)
			}
		}
		until := func(want time.Duration) {
			t.Helper()
			if in, err := f.Interactions.Interaction(ctx, handle, "browser"); err != nil || !in.ExpiresAt.Equal(start.Add(want)) {
				t.Errorf("until %v, not %v: %v", in.ExpiresAt.Sub(start), want, err)
			}
		}
		extend("another browser", time.Hour)
		extend("browser", time.Minute)
		until(requests.InteractionLifetime)
		f.Now = start.Add(10 * time.Minute)
		extend("browser", 30*time.Minute)
		until(40 * time.Minute)
		f.Now = start.Add(35 * time.Minute)
		extend("browser", 30*time.Minute)
		until(65 * time.Minute)
		f.Now = start.Add(time.Hour)
		extend("browser", 30*time.Minute)
		until(65 * time.Minute)
	})
}
