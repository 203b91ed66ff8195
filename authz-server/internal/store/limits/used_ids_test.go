package limits_test

import (
	"context"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestAnIdentifierIsUsedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		soon := f.Now.Add(time.Minute)
		storetest.OneWins(t, store.ErrExists, func(ctx context.Context, _ int) error {
			return f.UsedIDs.UseID(ctx, "assertion", "app", "1", soon)
		})
		for _, id := range [][3]string{{"assertion", "app", "2"}, {"assertion", "another", "1"}, {"dpop", "app", "1"},
			{"assertion", "", "app 1:1 1"}, {"assertion", "app 1", ""}} {
			if err := f.UsedIDs.UseID(t.Context(), id[0], id[1], id[2], soon); err != nil {
				t.Errorf("%v: %v", id, err)
			}
		}
		f.Now = soon
		if _, err := f.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := f.UsedIDs.UseID(t.Context(), "assertion", "app", "1", soon.Add(time.Minute)); err != nil {
			t.Errorf("after it was forgotten: %v", err)
		}
	})
}
