package accounts_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
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
		note := func(userID, old, fresh string, known, first bool) {
			t.Helper()
			k, one, err := f.Browsers.NoteLogin(ctx, userID, old, fresh, "192.0.2.1", "agent")
			if err != nil || k != known || one != first {
				t.Errorf("%s: known %v, first %v, %v", fresh, k, one, err)
			}
		}
		is := func(what, userID, secret string, known, trusted bool) {
			t.Helper()
			isKnown(t, f, what, userID, secret, known, trusted)
		}
		note(f.Person.ID, "", "home before", false, true)
		note(f.Person.ID, "home before", "home", true, false)
		note(f.Person.ID, "", "work", false, false)
		note(other.ID, "home", "home now", false, true)
		note(f.Person.ID, "home now", "home", true, false)
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

// isKnown fails unless a person is known by a secret, and trusted.
func isKnown(t *testing.T, f *storetest.World, what, userID, secret string, known, trusted bool) {
	t.Helper()
	id, tr, err := f.Browsers.Known(t.Context(), userID, secret)
	if err != nil || (id != "") != known || tr != trusted {
		t.Errorf("%s: known %v, trusted %v, %v", what, id != "", tr, err)
	}
}

func TestABrowsersSecretChangesForEverybodyThere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx := t.Context()
		other, err := f.Users.CreateUser(ctx, accounts.User{Email: "other@example.org", PasswordHash: "x"})
		storetest.OK(t, err)
		note := func(userID, old, fresh string) {
			t.Helper()
			_, _, err := f.Browsers.NoteLogin(ctx, userID, old, fresh, "", "")
			storetest.OK(t, err)
		}
		note(f.Person.ID, "", "a")
		storetest.OK(t, f.Browsers.Trust(ctx, f.Person.ID, "a"))
		id, _, err := f.Browsers.Known(ctx, f.Person.ID, "a")
		storetest.OK(t, err)
		note(other.ID, "a", "b")
		isKnown(t, f, "whoever was there before", f.Person.ID, "b", true, true)
		isKnown(t, f, "whoever came", other.ID, "b", true, false)
		isKnown(t, f, "the secret of before, for whoever came", other.ID, "a", false, false)
		if now, _, err := f.Browsers.Known(ctx, f.Person.ID, "b"); err != nil || now != id {
			t.Errorf("the browser is %q now, not %q: %v", now, id, err)
		}
		isKnown(t, f, "the secret of before, in the same moment", f.Person.ID, "a", true, true)
		f.Now = f.Now.Add(time.Minute)
		isKnown(t, f, "the secret of before", f.Person.ID, "a", false, false)

		// A second click: the browser sends the old secret once more.
		note(f.Person.ID, "b", "c")
		if known, _, err := f.Browsers.NoteLogin(ctx, f.Person.ID, "b", "d", "", ""); err != nil || !known {
			t.Errorf("the second click comes from a browser that is not known: %v", err)
		}
		isKnown(t, f, "after it", f.Person.ID, "d", true, true)
		isKnown(t, f, "after it, another", other.ID, "d", true, false)

		// Whoever had read the secret has nothing of the trust that begins now.
		note(other.ID, "d", "e")
		storetest.OK(t, f.Browsers.Trust(ctx, other.ID, "e"))
		isKnown(t, f, "trusted", other.ID, "e", true, true)
		isKnown(t, f, "the secret of before trust", other.ID, "d", false, false)
		note(f.Person.ID, "d", "thief's")
		isKnown(t, f, "moved by the secret of before trust", other.ID, "thief's", false, false)
		isKnown(t, f, "still trusted", other.ID, "e", true, true)
	})
}

func TestOfLoginsAtOnceOneMovesABrowser(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx := t.Context()
		_, _, err := f.Browsers.NoteLogin(ctx, f.Person.ID, "", "old", "", "")
		storetest.OK(t, err)
		storetest.OK(t, f.Browsers.Trust(ctx, f.Person.ID, "old"))
		const logins = 8
		people := []string{f.Person.ID}
		for i := range logins {
			u, err := f.Users.CreateUser(ctx, accounts.User{Email: "p" + strconv.Itoa(i) + "@example.org"})
			storetest.OK(t, err)
			people = append(people, u.ID)
			_, _, err = f.Browsers.NoteLogin(ctx, u.ID, "old", "old", "", "")
			storetest.OK(t, err)
		}
		var done sync.WaitGroup
		for i := range logins {
			done.Go(func() {
				if err := f.Tx(ctx, func(ctx context.Context) error {
					known, _, err := f.Browsers.NoteLogin(ctx, people[i], "old", "new"+strconv.Itoa(i), "", "")
					if err == nil && !known {
						t.Error("a log-in in the same moment is one in a new browser")
					}
					return err
				}); err != nil {
					t.Error(err)
				}
			})
		}
		done.Wait()
		trusted := 0
		for i := range logins {
			_, tr, err := f.Browsers.Known(ctx, f.Person.ID, "new"+strconv.Itoa(i))
			storetest.OK(t, err)
			if tr {
				trusted++
			}
		}
		if list, err := f.Browsers.TrustedBrowsers(ctx, f.Person.ID); err != nil || len(list) != 1 || trusted == 0 || trusted > 2 {
			t.Errorf("%d secrets are good, of %d browsers, %v", trusted, len(list), err)
		}
	})
}

func TestABrowserHasSoManyPeopleAtMost(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		for i := range accounts.MaxPeople + 1 {
			f.Now = f.Now.Add(time.Second)
			u, err := f.Users.CreateUser(t.Context(), accounts.User{Email: "p" + strconv.Itoa(i) + "@example.org"})
			storetest.OK(t, err)
			_, _, err = f.Browsers.NoteLogin(t.Context(), u.ID, "s", "s", "", "")
			storetest.OK(t, err)
		}
		if n := f.Count(t, "browsers"); n != accounts.MaxPeople {
			t.Errorf("%d people are known in one browser", n)
		}
	})
}

func TestAnotherProofEndsTheTrustOfAllBrowsers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx := t.Context()
		for _, one := range []string{"here", "there"} {
			_, _, err := f.Browsers.NoteLogin(ctx, f.Person.ID, "", one, "", "")
			storetest.OK(t, err)
		}
		for _, change := range []struct {
			what string
			do   func() error
			left bool // browsers are known still
		}{
			{"the password is changed", func() error {
				_, err := f.Users.ChangePassword(ctx, f.Person.ID, "x", "y", f.Session.ID)
				return err
			}, true},
			{"the second step is turned on", func() error {
				if err := f.Factors.BeginTOTP(ctx, f.Person.ID, []byte("s")); err != nil {
					return err
				}
				return f.Factors.ConfirmTOTP(ctx, f.Person.ID, []byte("s"), []byte("s"), 1, nil)
			}, true},
			{"the second step is turned off", func() error { return f.Factors.RemoveTOTP(ctx, f.Person.ID) }, true},
			{"the password is reset here", func() error { return f.Users.ResetPassword(ctx, f.Person.ID, "z", "here") }, false},
		} {
			storetest.OK(t, f.Browsers.Trust(ctx, f.Person.ID, "here"))
			storetest.OK(t, f.Browsers.Trust(ctx, f.Person.ID, "there"))
			if err := change.do(); err != nil {
				t.Fatal(change.what, err)
			}
			isKnown(t, f, change.what, f.Person.ID, "here", true, false)
			isKnown(t, f, change.what, f.Person.ID, "there", change.left, false)
		}
		// A log-in elsewhere is news, and not the first one.
		if known, first, err := f.Browsers.NoteLogin(ctx, f.Person.ID, "there", "again", "", ""); err != nil || known || first {
			t.Errorf("known %v, first %v, %v", known, first, err)
		}
		storetest.OK(t, f.Users.ResetPassword(ctx, f.Person.ID, "by an operator", ""))
		isKnown(t, f, "an operator resets the password", f.Person.ID, "here", false, false)
	})
}

func TestAPersonHasSoManyBrowsersAtMost(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		for i := range accounts.MaxBrowsers + 1 {
			f.Now = f.Now.Add(time.Second)
			if _, _, err := f.Browsers.NoteLogin(t.Context(), f.Person.ID, "", "b"+strconv.Itoa(i), "", ""); err != nil {
				t.Fatal(err)
			}
		}
		first, _, err := f.Browsers.Known(t.Context(), f.Person.ID, "b0")
		if err != nil || first != "" {
			t.Errorf("the browser that was used least recently is still known: %v", err)
		}
		if last, _, err := f.Browsers.Known(t.Context(), f.Person.ID, "b"+strconv.Itoa(accounts.MaxBrowsers)); err != nil || last == "" {
			t.Errorf("the last one is not known: %v", err)
		}
	})
}

func TestAPersonSeesWhatHappenedInNinetyDays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx := t.Context()
		for _, kind := range []string{"a", "b"} {
			f.Now = f.Now.Add(time.Hour)
			f.Exec(t, `INSERT INTO security_events (id, user_id, kind, detail, address, user_agent, at)
				VALUES ($1, $2, $1, 'd', '192.0.2.1', '', $3)`, kind, f.Person.ID, f.Now.UnixMicro())
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
