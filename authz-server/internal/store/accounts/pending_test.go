package accounts_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
)

func TestALoginWaitsForItsSecondStepInItsBrowserAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx := t.Context()
		gone := func(what, browser string) {
			t.Helper()
			if _, err := f.Pending.PendingLogin(ctx, browser); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v", what, err)
			}
		}
		begin := func() {
			t.Helper()
			if err := f.Pending.BeginLogin(ctx, "mine", f.Person, []string{"fed"}, &upstreams.Origin{Upstream: "x"}); err != nil {
				t.Fatal(err)
			}
			if p, err := f.Pending.PendingLogin(ctx, "mine"); err != nil || p.User.ID != f.Person.ID || p.CheckedHash != f.Person.PasswordHash || p.From == nil || p.From.Upstream != "x" {
				t.Fatalf("%+v %v", p, err)
			}
		}
		start := f.Now
		begin()
		gone("another browser", "theirs")
		f.Now = start.Add(accounts.PendingLifetime)
		gone("expired", "mine")
		if err := f.Pending.EndLogin(ctx, "mine"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("ended although it has expired: %v", err)
		}
		f.Now = start

		begin()
		if err := f.Users.SetDisabled(ctx, f.Person.ID, true); err != nil {
			t.Fatal(err)
		}
		gone("disabled", "mine")
		if err := f.Users.SetDisabled(ctx, f.Person.ID, false); err != nil {
			t.Fatal(err)
		}
		begin()
		if err := f.Users.ResetPassword(ctx, f.Person.ID, "another", ""); err != nil {
			t.Fatal(err)
		}
		gone("another password", "mine")
	})
}

func TestOfSecondStepsAtOnceOneEndsTheLogin(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		if err := f.Pending.BeginLogin(t.Context(), "mine", f.Person, []string{"fed"}, &upstreams.Origin{Upstream: "x"}); err != nil {
			t.Fatal(err)
		}
		var won atomic.Int64
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				switch err := f.Pending.EndLogin(t.Context(), "mine"); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, store.ErrNotFound):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("%d ended it", won.Load())
		}
	})
}

func TestRaisingASessionKeepsItsLoginAndChangesItsCookie(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx := t.Context()
		session, before, err := f.Sessions.CreateSession(ctx, accounts.Session{UserID: f.Person.ID, AMR: []string{"pwd"}, ACR: "1"},
			f.Person.PasswordHash)
		if err != nil {
			t.Fatal(err)
		}
		f.Now = f.Now.Add(accounts.SessionIdle / 2)
		after, err := f.Sessions.RaiseSession(ctx, session, []string{"pwd", "otp", "mfa"}, "2")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.Sessions.SessionByCookie(ctx, before); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the cookie of before opens the raised session: %v", err)
		}
		raised, _, err := f.Sessions.SessionByCookie(ctx, after)
		if err != nil || raised.ID != session.ID || raised.ACR != "2" || len(raised.AMR) != 3 ||
			!raised.AuthTime.Equal(session.AuthTime) || !raised.CreatedAt.Equal(session.CreatedAt) {
			t.Errorf("%+v %v", raised, err)
		}
		if err := f.Sessions.EndSession(ctx, session.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Sessions.RaiseSession(ctx, session, nil, "2"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a session that is over was raised: %v", err)
		}
	})
}
