package store_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
)

// device stores a request that waits for a person.
func (f *grantFixture) device(t *testing.T, userCode string) []byte {
	t.Helper()
	hash := store.Hash("device-" + userCode)
	err := f.CreateDeviceCode(t.Context(), store.DeviceCode{
		Hash: hash, UserCode: userCode, ClientID: "app", Scope: []string{"openid", "x"}, Audience: []string{"https://api.example/x"}, KeyThumbprint: "jkt",
		Address: "192.0.2.1", UserAgent: "마루TV", Interval: 5 * time.Second, ExpiresAt: f.now.Add(10 * time.Minute),
	})
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// allow gives the request a new grant, as the page does.
func (f *grantFixture) allow(ctx context.Context, hash []byte) error {
	return f.Tx(ctx, func(ctx context.Context) error {
		g := store.Grant{ID: rand.Text(), ClientID: "app", UserID: f.user.ID, SessionID: f.session.ID, CreatedAt: f.now, ExpiresAt: f.now.Add(time.Hour)}
		c, err := f.Client(ctx, "app")
		if err != nil {
			return err
		}
		if err := f.CreateGrant(ctx, g, &c); err != nil {
			return err
		}
		return f.AllowDevice(ctx, hash, g.ID)
	})
}

func TestADeviceCodeComesBackAsItWasStored(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		hash := f.device(t, "BCDFGHJK")
		d, err := f.DeviceCode(t.Context(), hash)
		if err != nil || d.UserCode != "BCDFGHJK" || d.ClientID != "app" || !slices.Equal(d.Scope, []string{"openid", "x"}) || !slices.Equal(d.Audience, []string{"https://api.example/x"}) ||
			d.KeyThumbprint != "jkt" || d.Address != "192.0.2.1" || d.UserAgent != "마루TV" || d.GrantID != "" || d.Denied || d.Spent || d.Interval != 5*time.Second ||
			!d.CreatedAt.Equal(f.now) || !d.ExpiresAt.Equal(f.now.Add(10*time.Minute)) {
			t.Errorf("%+v %v", d, err)
		}
		if err := f.CreateDeviceCode(t.Context(), store.DeviceCode{Hash: store.Hash("another"), UserCode: "BCDFGHJK"}); !errors.Is(err, store.ErrExists) {
			t.Errorf("two requests have one user code: %v", err)
		}
		if _, err := f.PendingDeviceCode(t.Context(), "BCDFGHJK"); err != nil {
			t.Error(err)
		}
		if err := f.DenyDevice(t.Context(), hash); err != nil {
			t.Fatal(err)
		}
		if _, err := f.PendingDeviceCode(t.Context(), "BCDFGHJK"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a denied request still waits: %v", err)
		}
		if err := f.allow(t.Context(), hash); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a denied request was allowed: %v", err)
		}
		if _, err := f.PollDevice(t.Context(), hash); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a denied request was polled: %v", err)
		}
		late := f.device(t, "LMNPQRST")
		f.now = f.now.Add(10 * time.Minute)
		if _, err := f.PendingDeviceCode(t.Context(), "LMNPQRST"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an expired request waits: %v", err)
		}
		for what, err := range map[string]error{"allowed": f.allow(t.Context(), late), "denied": f.DenyDevice(t.Context(), late)} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("an expired request was %s: %v", what, err)
			}
		}
		if n, err := f.Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("swept %d at once: %v", n, err)
		}
		f.now = f.now.Add(2 * time.Hour)
		if n, err := f.Sweep(t.Context()); n != 2 || err != nil {
			t.Errorf("swept %d: %v", n, err)
		}
	})
}

func TestADeviceIsDecidedOnOnce(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		hash := f.device(t, "BCDFGHJK")
		won := winners(t, func(ctx context.Context, i int) (bool, error) {
			decide := f.allow
			if i%2 == 0 {
				decide = f.DenyDevice
			}
			err := decide(ctx, hash)
			if errors.Is(err, store.ErrNotFound) {
				return false, nil
			}
			return err == nil, err
		})
		if won != 1 {
			t.Errorf("%d decisions count", won)
		}
	})
}

func TestADeviceCodeIsRedeemedOnce(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		hash := f.device(t, "BCDFGHJK")
		if won, err := f.RedeemDeviceCode(t.Context(), hash, nil); won || err != nil {
			t.Errorf("redeemed before it was allowed: %v", err)
		}
		if err := f.allow(t.Context(), hash); err != nil {
			t.Fatal(err)
		}
		won := winners(t, func(ctx context.Context, _ int) (bool, error) { return f.RedeemDeviceCode(ctx, hash, nil) })
		if won != 1 {
			t.Errorf("%d of 32 redeemed it", won)
		}
		// One whose grant was revoked, or that has expired, is not redeemed at all.
		revoked := f.device(t, "LMNPQRST")
		if err := f.allow(t.Context(), revoked); err != nil {
			t.Fatal(err)
		}
		d, err := f.DeviceCode(t.Context(), revoked)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.RevokeGrant(t.Context(), d.GrantID); err != nil {
			t.Fatal(err)
		}
		late := f.device(t, "VWXZBCDF")
		if err := f.allow(t.Context(), late); err != nil {
			t.Fatal(err)
		}
		if won, err := f.RedeemDeviceCode(t.Context(), revoked, nil); won || err != nil {
			t.Errorf("redeemed though revoked: %v", err)
		}
		f.now = f.now.Add(10 * time.Minute)
		if won, err := f.RedeemDeviceCode(t.Context(), late, nil); won || err != nil {
			t.Errorf("redeemed though expired: %v", err)
		}
	})
}

func TestADeviceThatAsksTooOftenIsSlowedDown(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		hash := f.device(t, "BCDFGHJK")
		for i, poll := range []struct {
			after    time.Duration
			early    bool
			interval time.Duration
		}{
			{0, false, 5 * time.Second}, {4 * time.Second, true, 10 * time.Second}, {5 * time.Second, true, 15 * time.Second},
			{15 * time.Second, false, 15 * time.Second}, {15*time.Second - store.PollTolerance, false, 15 * time.Second}, {14 * time.Second, true, 20 * time.Second},
		} {
			f.now = f.now.Add(poll.after)
			early, err := f.PollDevice(t.Context(), hash)
			d, readErr := f.DeviceCode(t.Context(), hash)
			if err != nil || readErr != nil || early != poll.early || d.Interval != poll.interval {
				t.Errorf("poll %d: early %t, interval %s, %v %v", i, early, d.Interval, err, readErr)
			}
		}
		// Of any number at once, one is in time.
		f.now = f.now.Add(time.Minute)
		won := winners(t, func(ctx context.Context, _ int) (bool, error) {
			early, err := f.PollDevice(ctx, hash)
			return !early, err
		})
		if won != 1 {
			t.Errorf("%d polls at once were in time", won)
		}
	})
}
