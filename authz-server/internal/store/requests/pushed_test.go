package requests_test

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestAPushedRequestIsSweptWhenItExpiresAndStillSpentOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		const uri = "urn:ietf:params:oauth:request_uri:x"
		err := f.Pushed.CreatePushedRequest(t.Context(), uri,
			requests.PushedRequest{ClientID: "app", Form: url.Values{"scope": {"openid"}}, ExpiresAt: f.Now.Add(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		f.Now = f.Now.Add(time.Minute)
		if rows, err := f.Sweep(t.Context()); err != nil || rows != 1 {
			t.Errorf("swept %d rows, %v", rows, err)
		}
		// Two tabs were opened with it before it expired.
		storetest.OneWins(t, store.ErrNotFound, func(ctx context.Context, _ int) error {
			return f.Pushed.SpendPushedRequest(ctx, uri)
		})
	})
}

// Somebody opens two tabs with it, is answered in one, and in the other reads their mail first, for as
// long as they may.
func TestAPushedRequestIsSpentAsLongAsWhatWasBegunWithItCanWait(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		const uri = "urn:ietf:params:oauth:request_uri:x"
		ctx, start := t.Context(), f.Now
		handle, err := f.Interactions.CreateInteraction(ctx, requests.Interaction{ClientID: "app"}, "browser")
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Pushed.SpendPushedRequest(ctx, uri); err != nil {
			t.Fatal(err)
		}
		for f.Now = start; ; f.Now = f.Now.Add(time.Minute) {
			if err := f.Interactions.ExtendInteraction(ctx, handle, "browser", accounts.MailedLifetime); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Sweep(ctx); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Interactions.Interaction(ctx, handle, "browser"); errors.Is(err, store.ErrNotFound) {
				break
			}
			if err := f.Pushed.SpendPushedRequest(ctx, uri); !errors.Is(err, store.ErrNotFound) {
				t.Fatalf("spent again after %v: %v", f.Now.Sub(start), err)
			}
		}
		if waited := f.Now.Sub(start); waited < time.Hour {
			t.Errorf("it waited for %v only", waited)
		}
	})
}
