package store_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
)

func TestAnInteractionIsItsBrowsersAlone(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		form := url.Values{"scope": {"openid 마루"}, "state": {"a&b=c"}, "resource": {"x", "y"}}
		handle, err := f.CreateInteraction(t.Context(), store.Interaction{ClientID: "app", Form: form}, "browser")
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Interaction(t.Context(), handle, "browser")
		if err != nil || got.ClientID != "app" || got.Form.Encode() != form.Encode() || got.Consent != "" || len(got.ConsentScope) != 0 || !got.CreatedAt.Equal(f.now) {
			t.Errorf("%+v %v", got, err)
		}
		if _, err := f.Interaction(t.Context(), handle, "another browser"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another browser sees it: %v", err)
		}
		if err := f.DecideInteraction(t.Context(), handle, "another browser", "sid", store.ConsentAllow, nil); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another browser decided: %v", err)
		}
		if err := f.DecideInteraction(t.Context(), handle, "browser", "sid", store.ConsentAllow, []string{"openid", "email"}); err != nil {
			t.Fatal(err)
		}
		if got, err = f.Interaction(t.Context(), handle, "browser"); err != nil || got.Consent != store.ConsentAllow || got.ConsentSID != "sid" || !slices.Equal(got.ConsentScope, []string{"openid", "email"}) {
			t.Errorf("%+v %v", got, err)
		}
		f.now = f.now.Add(store.InteractionLifetime)
		if _, err := f.Interaction(t.Context(), handle, "browser"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("it never expires: %v", err)
		}
		if err := f.DecideInteraction(t.Context(), handle, "browser", "sid", store.ConsentDeny, nil); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("decided when expired: %v", err)
		}
		if _, err := f.SpendInteraction(t.Context(), handle); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("spent when expired: %v", err)
		}
	})
}

func TestAnInteractionIsSpentOnce(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		handle, err := f.CreateInteraction(t.Context(), store.Interaction{ClientID: "app"}, "browser")
		if err != nil {
			t.Fatal(err)
		}
		failed := errors.New("no answer")
		err = f.Tx(t.Context(), func(ctx context.Context) error {
			_, err := f.SpendInteraction(ctx, handle)
			return errors.Join(err, failed)
		})
		if !errors.Is(err, failed) || errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		won := winners(t, func(ctx context.Context, _ int) (bool, error) {
			in, err := f.SpendInteraction(ctx, handle)
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

func TestSweepRemovesWhatHasExpiredAndNothingElse(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		f.code(t, "online", false)
		if _, err := f.CreateInteraction(t.Context(), store.Interaction{ClientID: "app"}, "browser"); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := f.ReserveAttempt(t.Context(), "account:a", 5, time.Minute); err != nil {
			t.Fatal(err)
		}
		sweep := func(want int64) {
			t.Helper()
			if n, err := f.Sweep(t.Context()); err != nil || n != want {
				t.Errorf("swept %d rows, not %d: %v", n, want, err)
			}
		}
		sweep(0)
		f.now = f.now.Add(store.InteractionLifetime)
		sweep(1)
		f.now = f.now.Add(store.SessionIdle)
		if f.liveGrants(t, "online") == nil {
			t.Fatal("the grant is revoked too early")
		}
		kept, cookie, err := f.CreateSession(t.Context(), store.Session{UserID: f.user.ID}, "x")
		if err != nil {
			t.Fatal(err)
		}
		sweep(1)
		f.now = f.now.Add(-store.SessionIdle) // the grant itself would expire otherwise
		if f.liveGrants(t, "online") != nil {
			t.Error("the grant outlived its session")
		}
		if _, _, err := f.SessionByCookie(t.Context(), cookie); err != nil {
			t.Error(kept.ID, err)
		}
		f.now = f.now.Add(store.FailureRetention)
		if n, err := f.Sweep(t.Context()); err != nil || n != 3 {
			t.Errorf("swept %d, want the try, the session, and the grant whose code nobody came for: %v", n, err)
		}
	})
}
