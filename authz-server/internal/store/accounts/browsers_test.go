package accounts_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestABrowserIsKnownAndTrustedForItsPersonAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx := t.Context()
		other, err := f.Users.CreateUser(ctx, accounts.User{Email: "other@example.org", PasswordHash: "x"})
		if err != nil {
			t.Fatal(err)
		}
		note := func(userID, secret string, known, first bool) {
			t.Helper()
			k, one, err := f.Browsers.NoteLogin(ctx, userID, secret, "192.0.2.1", "agent")
			if err != nil || k != known || one != first {
				t.Errorf("%s: known %v, first %v, %v", secret, k, one, err)
			}
		}
		is := func(what, userID, secret string, known, trusted bool) {
			t.Helper()
			k, tr, err := f.Browsers.Known(ctx, userID, secret)
			if err != nil || k != known || tr != trusted {
				t.Errorf("%s: known %v, trusted %v, %v", what, k, tr, err)
			}
		}
		note(f.Person.ID, "home", false, true)
		note(f.Person.ID, "home", true, false)
		note(f.Person.ID, "work", false, false)
		note(other.ID, "home", false, true)
		is("a known browser", f.Person.ID, "home", true, false)
		is("a browser that is not", other.ID, "work", false, false)

		if err := f.Browsers.Trust(ctx, f.Person.ID, "home"); err != nil {
			t.Fatal(err)
		}
		if err := f.Browsers.Trust(ctx, other.ID, "work"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("trusted without a log-in: %v", err)
		}
		is("trusted", f.Person.ID, "home", true, true)
		is("another person in the same browser", other.ID, "home", true, false)
		list, err := f.Browsers.TrustedBrowsers(ctx, f.Person.ID)
		if err != nil || len(list) != 1 || list[0].Address != "192.0.2.1" || !list[0].TrustedUntil.Equal(f.Now.Add(accounts.TrustLifetime)) {
			t.Fatalf("%+v %v", list, err)
		}
		if err := f.Browsers.Distrust(ctx, other.ID, list[0].ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("ended by another person: %v", err)
		}
		if err := f.Browsers.Distrust(ctx, f.Person.ID, list[0].ID); err != nil {
			t.Error(err)
		}
		is("trust that was ended", f.Person.ID, "home", true, false)

		if err := f.Browsers.Trust(ctx, f.Person.ID, "home"); err != nil {
			t.Fatal(err)
		}
		f.Now = f.Now.Add(accounts.TrustLifetime)
		is("trust that is over", f.Person.ID, "home", true, false)
	})
}

func TestAPersonHasSoManyBrowsersAtMost(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		for i := range accounts.MaxBrowsers + 1 {
			f.Now = f.Now.Add(time.Second)
			if _, _, err := f.Browsers.NoteLogin(t.Context(), f.Person.ID, "b"+strconv.Itoa(i), "", ""); err != nil {
				t.Fatal(err)
			}
		}
		first, _, err := f.Browsers.Known(t.Context(), f.Person.ID, "b0")
		if err != nil || first {
			t.Errorf("the browser that was used least recently is still known: %v", err)
		}
		if last, _, err := f.Browsers.Known(t.Context(), f.Person.ID, "b"+strconv.Itoa(accounts.MaxBrowsers)); err != nil || !last {
			t.Errorf("the last one is not known: %v", err)
		}
	})
}

func TestAPersonSeesWhatHappenedInNinetyDays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx := t.Context()
		for _, kind := range []string{"a", "b"} {
			f.Now = f.Now.Add(time.Hour)
			if err := f.History.AddEvent(ctx, accounts.Event{UserID: f.Person.ID, Kind: kind, Detail: "d", Address: "192.0.2.1"}); err != nil {
				t.Fatal(err)
			}
		}
		events, err := f.History.Events(ctx, f.Person.ID, 10)
		if err != nil || len(events) != 2 || events[0].Kind != "b" || events[0].Detail != "d" || !events[0].At.Equal(f.Now) {
			t.Fatalf("%+v %v", events, err)
		}
		f.Now = f.Now.Add(accounts.HistoryRetention - time.Minute)
		if events, err := f.History.Events(ctx, f.Person.ID, 10); err != nil || len(events) != 1 {
			t.Errorf("%+v %v", events, err)
		}
		if _, err := f.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		f.Now = f.Now.Add(-time.Hour)
		if events, err := f.History.Events(ctx, f.Person.ID, 10); err != nil || len(events) != 1 {
			t.Errorf("after the sweep: %+v %v", events, err)
		}
	})
}
