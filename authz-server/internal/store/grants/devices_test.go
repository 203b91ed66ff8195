package grants_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// device stores a request that waits for a person.
func device(t *testing.T, f *storetest.World, userCode string) []byte {
	t.Helper()
	hash := opaque.Hash("device-" + userCode)
	err := f.Devices.CreateDeviceCode(t.Context(), grants.DeviceCode{
		Hash: hash, UserCode: userCode, ClientID: "app", Scope: []string{"openid", "x"}, Audience: []string{"https://api.example/x"},
		KeyThumbprint: "jkt",
		Address:       "192.0.2.1", UserAgent: "마루TV", Interval: 5 * time.Second, ExpiresAt: f.Now.Add(10 * time.Minute),
	})
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// allow gives the request a new grant, as the page does.
func allow(ctx context.Context, f *storetest.World, hash []byte) error {
	return f.Tx(ctx, func(ctx context.Context) error {
		g := grants.Grant{ID: rand.Text(), ClientID: "app", UserID: f.Person.ID, SessionID: f.Session.ID, CreatedAt: f.Now,
			ExpiresAt: f.Now.Add(time.Hour)}
		c, err := f.Clients.Client(ctx, "app")
		if err != nil {
			return err
		}
		if err := f.Grants.CreateGrant(ctx, g, &c); err != nil {
			return err
		}
		return f.Devices.AllowDevice(ctx, hash, g.ID)
	})
}

func TestADeviceCodeComesBackAsItWasStored(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		hash := device(t, f, "BCDFGHJK")
		d, err := f.Devices.DeviceCode(t.Context(), hash)
		if err != nil || d.UserCode != "BCDFGHJK" || d.ClientID != "app" || !slices.Equal(d.Scope, []string{"openid", "x"}) ||
			!slices.Equal(d.Audience, []string{"https://api.example/x"}) ||
			d.KeyThumbprint != "jkt" || d.Address != "192.0.2.1" || d.UserAgent != "마루TV" || d.GrantID != "" || d.Denied || d.Spent ||
			d.Interval != 5*time.Second ||
			!d.CreatedAt.Equal(f.Now) || !d.ExpiresAt.Equal(f.Now.Add(10*time.Minute)) {
			t.Errorf("%+v %v", d, err)
		}
		err = f.Devices.CreateDeviceCode(t.Context(), grants.DeviceCode{Hash: opaque.Hash("another"), UserCode: "BCDFGHJK"})
		if !errors.Is(err, store.ErrExists) {
			t.Errorf("two requests have one user code: %v", err)
		}
		if _, err := f.Devices.PendingDeviceCode(t.Context(), "BCDFGHJK"); err != nil {
			t.Error(err)
		}
		if err := f.Devices.DenyDevice(t.Context(), hash); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Devices.PendingDeviceCode(t.Context(), "BCDFGHJK"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a denied request still waits: %v", err)
		}
		if err := allow(t.Context(), f, hash); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a denied request was allowed: %v", err)
		}
		if _, err := f.Devices.PollDevice(t.Context(), hash); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a denied request was polled: %v", err)
		}
		late := device(t, f, "LMNPQRST")
		f.Now = f.Now.Add(10 * time.Minute)
		if _, err := f.Devices.PendingDeviceCode(t.Context(), "LMNPQRST"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an expired request waits: %v", err)
		}
		for what, err := range map[string]error{"allowed": allow(t.Context(), f, late), "denied": f.Devices.DenyDevice(t.Context(), late)} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("an expired request was %s: %v", what, err)
			}
		}
		if n, err := f.Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("swept %d at once: %v", n, err)
		}
		f.Now = f.Now.Add(2 * time.Hour)
		if n, err := f.Sweep(t.Context()); n != 2 || err != nil {
			t.Errorf("swept %d: %v", n, err)
		}
	})
}

func TestADeviceIsDecidedOnOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		hash := device(t, f, "BCDFGHJK")
		storetest.OneWins(t, store.ErrNotFound, func(ctx context.Context, i int) error {
			decide := func(ctx context.Context, hash []byte) error { return allow(ctx, f, hash) }
			if i%2 == 0 {
				decide = f.Devices.DenyDevice
			}
			return decide(ctx, hash)
		})
	})
}

func TestADeviceCodeIsRedeemedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		hash := device(t, f, "BCDFGHJK")
		if won, err := f.Devices.RedeemDeviceCode(t.Context(), hash, nil, grants.Note{}); won || err != nil {
			t.Errorf("redeemed before it was allowed: %v", err)
		}
		if err := allow(t.Context(), f, hash); err != nil {
			t.Fatal(err)
		}
		won := storetest.Winners(t, func(ctx context.Context, _ int) (bool, error) {
			return f.Devices.RedeemDeviceCode(ctx, hash, nil, grants.Note{})
		})
		if won != 1 {
			t.Errorf("%d of 32 redeemed it", won)
		}
		// One whose grant was revoked, or that has expired, is not redeemed at all.
		revoked := device(t, f, "LMNPQRST")
		if err := allow(t.Context(), f, revoked); err != nil {
			t.Fatal(err)
		}
		d, err := f.Devices.DeviceCode(t.Context(), revoked)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Grants.RevokeGrant(t.Context(), d.GrantID); err != nil {
			t.Fatal(err)
		}
		late := device(t, f, "VWXZBCDF")
		if err := allow(t.Context(), f, late); err != nil {
			t.Fatal(err)
		}
		if won, err := f.Devices.RedeemDeviceCode(t.Context(), revoked, nil, grants.Note{}); won || err != nil {
			t.Errorf("redeemed though revoked: %v", err)
		}
		f.Now = f.Now.Add(10 * time.Minute)
		if won, err := f.Devices.RedeemDeviceCode(t.Context(), late, nil, grants.Note{}); won || err != nil {
			t.Errorf("redeemed though expired: %v", err)
		}
	})
}

func TestADeviceThatAsksTooOftenIsSlowedDown(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		hash := device(t, f, "BCDFGHJK")
		for i, poll := range []struct {
			after    time.Duration
			early    bool
			interval time.Duration
		}{
			{0, false, 5 * time.Second}, {4 * time.Second, true, 10 * time.Second}, {5 * time.Second, true, 15 * time.Second},
			{15 * time.Second, false, 15 * time.Second}, {15*time.Second - grants.PollTolerance, false, 15 * time.Second},
			{14 * time.Second, true, 20 * time.Second},
		} {
			f.Now = f.Now.Add(poll.after)
			early, err := f.Devices.PollDevice(t.Context(), hash)
			d, readErr := f.Devices.DeviceCode(t.Context(), hash)
			if err != nil || readErr != nil || early != poll.early || d.Interval != poll.interval {
				t.Errorf("poll %d: early %t, interval %s, %v %v", i, early, d.Interval, err, readErr)
			}
		}
		// Of any number at once, one is in time.
		f.Now = f.Now.Add(time.Minute)
		won := storetest.Winners(t, func(ctx context.Context, _ int) (bool, error) {
			early, err := f.Devices.PollDevice(ctx, hash)
			return !early, err
		})
		if won != 1 {
			t.Errorf("%d polls at once were in time", won)
		}
	})
}
