package store_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// told makes clients that want to be told of log-outs, and notes them and "app", which does not, for the session.
func (f *grantFixture) told(t *testing.T, clients ...string) {
	t.Helper()
	for _, id := range clients {
		err := f.CreateClient(t.Context(), client.Client{ID: id, BackchannelLogoutURI: "https://" + id + ".example/out"})
		if err != nil && !errors.Is(err, store.ErrExists) {
			t.Fatal(err)
		}
	}
	f.noted(t, f.session.ID, append(clients, "app")...)
}

func (f *grantFixture) noted(t *testing.T, session string, clients ...string) {
	t.Helper()
	for _, id := range clients {
		for range 2 { // again makes no difference
			if err := f.NoteSessionClient(t.Context(), session, id); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// queued are the deliveries by "client session".
func (f *grantFixture) queued(t *testing.T) []string {
	t.Helper()
	all, err := f.LogoutDeliveries(t.Context(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range all {
		if d.UserID != f.user.ID || d.Attempts != 0 || !d.DueAt.Equal(f.now) || !d.GivenUpAt.IsZero() {
			t.Errorf("%+v", d)
		}
		names = append(names, d.ClientID+" "+d.SessionID)
	}
	slices.Sort(names)
	return names
}

func TestHoweverASessionEndsItsClientsAreToBeTold(t *testing.T) {
	for name, end := range map[string]func(ctx context.Context, f *grantFixture) error{
		"logged out":     func(ctx context.Context, f *grantFixture) error { return f.EndSession(ctx, f.session.ID) },
		"ended by owner": func(ctx context.Context, f *grantFixture) error { return f.EndSessionOf(ctx, f.user.ID, f.session.ID) },
		"all ended":      func(ctx context.Context, f *grantFixture) error { return f.EndSessionsOf(ctx, f.user.ID, "") },
		"password changed": func(ctx context.Context, f *grantFixture) error {
			other, _, err := f.CreateSession(ctx, store.Session{UserID: f.user.ID}, "x")
			if err != nil {
				return err
			}
			_, err = f.ChangePassword(ctx, f.user.ID, "x", "y", other.ID)
			return err
		},
		"password reset": func(ctx context.Context, f *grantFixture) error { return f.ResetPassword(ctx, f.user.ID, "y") },
		"disabled":       func(ctx context.Context, f *grantFixture) error { return f.SetDisabled(ctx, f.user.ID, true) },
	} {
		t.Run(name, func(t *testing.T) {
			eachGrantStore(t, func(t *testing.T, f *grantFixture) {
				f.told(t, "one", "two")
				f.noted(t, f.session.ID, "gone") // a client that was deleted since
				if got, err := f.SessionClients(t.Context(), f.session.ID); err != nil || !slices.Equal(got, []string{"app", "gone", "one", "two"}) {
					t.Error(got, err)
				}
				if err := end(t.Context(), f); err != nil {
					t.Fatal(err)
				}
				if got := f.queued(t); !slices.Equal(got, []string{"one " + f.session.ID, "two " + f.session.ID}) {
					t.Errorf("queued: %q", got)
				}
				select {
				case <-f.LogoutsDue():
				default:
					t.Error("nobody was woken")
				}
				if got, err := f.SessionClients(t.Context(), f.session.ID); err != nil || len(got) > 0 {
					t.Error(got, err)
				}
				if err := f.NoteSessionClient(t.Context(), f.session.ID, "one"); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("noted for a session that has ended: %v", err)
				}
			})
		})
	}
}

func TestAKeptSessionsClientsAreNotTold(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		f.told(t, "one")
		other, _, err := f.CreateSession(t.Context(), store.Session{UserID: f.user.ID}, "x")
		if err != nil {
			t.Fatal(err)
		}
		f.noted(t, other.ID, "one")
		if _, err := f.ChangePassword(t.Context(), f.user.ID, "x", "y", other.ID); err != nil {
			t.Fatal(err)
		}
		if got := f.queued(t); !slices.Equal(got, []string{"one " + f.session.ID}) {
			t.Errorf("queued: %q", got)
		}
		if got, err := f.SessionClients(t.Context(), other.ID); err != nil || !slices.Equal(got, []string{"one"}) {
			t.Error(got, err)
		}
	})
}

func TestAnEndThatFailsTellsNobody(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		f.told(t, "one")
		failure := errors.New("something after it failed")
		err := f.Tx(t.Context(), func(ctx context.Context) error {
			if err := f.EndSession(ctx, f.session.ID); err != nil {
				return err
			}
			return failure
		})
		if !errors.Is(err, failure) || f.queued(t) != nil {
			t.Error(err, f.queued(t))
		}
		if sessions, err := f.SessionsOf(t.Context(), f.user.ID); err != nil || len(sessions) != 1 {
			t.Error(sessions, err)
		}
	})
}

func TestAnExpiredSessionTellsNobody(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		f.told(t, "one")
		f.now = f.now.Add(store.SessionLifetime)
		if _, err := f.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := f.SessionClients(t.Context(), f.session.ID); err != nil || len(got) > 0 || f.queued(t) != nil {
			t.Error(got, err, f.queued(t))
		}
	})
}

// Clients that are noted at the very time when their session ends are told, or learn that it has ended: never neither.
func TestNotingAClientAndEndingItsSessionAtOnce(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		var names []string
		for i := range 16 {
			names = append(names, string(rune('a'+i)))
		}
		f.told(t, names...)
		session, _, err := f.CreateSession(t.Context(), store.Session{UserID: f.user.ID}, "x")
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var noted []string
		ended := winners(t, func(ctx context.Context, i int) (bool, error) {
			if i >= len(names) {
				err := f.EndSession(ctx, session.ID)
				if errors.Is(err, store.ErrNotFound) {
					return false, nil
				}
				return err == nil, err
			}
			err := f.NoteSessionClient(ctx, session.ID, names[i])
			if errors.Is(err, store.ErrNotFound) {
				return false, nil
			}
			mu.Lock()
			defer mu.Unlock()
			noted = append(noted, names[i]+" "+session.ID)
			return false, err
		})
		slices.Sort(noted)
		if got := f.queued(t); ended != 1 || !slices.Equal(got, noted) {
			t.Errorf("ended %d times; noted %q, queued %q", ended, noted, got)
		}
	})
}

func TestOneTakesADeliveryAtATime(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		f.told(t, "one", "two", "three")
		if err := f.EndSession(t.Context(), f.session.ID); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		taken := map[string]int{}
		winners(t, func(ctx context.Context, _ int) (bool, error) {
			got, err := f.TakeLogouts(ctx, time.Minute, 10, 2)
			mu.Lock()
			defer mu.Unlock()
			for _, d := range got {
				taken[d.ClientID]++
			}
			return true, err
		})
		if len(taken) != 3 || taken["one"] != 1 || taken["two"] != 1 || taken["three"] != 1 {
			t.Errorf("taken: %v", taken)
		}

		f.now = f.now.Add(time.Minute) // whoever took them died
		again, err := f.TakeLogouts(t.Context(), time.Minute, 10, 2)
		if err != nil || len(again) != 3 || again[0].Attempts != 2 {
			t.Fatalf("%+v %v", again, err)
		}
		late := again[0]
		late.Attempts = 1
		if err := f.PostponeLogout(t.Context(), late, "late", time.Time{}); err != nil {
			t.Fatal(err)
		}
		if err := f.PostponeLogout(t.Context(), again[0], "slow", f.now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := f.PostponeLogout(t.Context(), again[1], "dead", time.Time{}); err != nil {
			t.Fatal(err)
		}
		if err := f.EndLogout(t.Context(), again[2].ID); err != nil {
			t.Fatal(err)
		}
		left, err := f.LogoutDeliveries(t.Context(), "", 10)
		if err != nil || len(left) != 2 {
			t.Fatal(left, err)
		}
		for _, d := range left {
			switch d.ID {
			case again[0].ID:
				if d.LastError != "slow" || !d.GivenUpAt.IsZero() || !d.DueAt.Equal(f.now.Add(time.Hour)) {
					t.Errorf("%+v", d)
				}
			case again[1].ID:
				if d.LastError != "dead" || !d.GivenUpAt.Equal(f.now) {
					t.Errorf("%+v", d)
				}
			}
		}
		f.now = f.now.Add(time.Hour)
		if got, err := f.TakeLogouts(t.Context(), time.Minute, 10, 2); err != nil || len(got) != 1 || got[0].ID != again[0].ID {
			t.Errorf("%+v %v", got, err)
		}
		f.now = f.now.Add(store.LogoutRetention)
		if rows, err := f.Sweep(t.Context()); err != nil || rows != 1 {
			t.Error(rows, err)
		}
	})
}

func TestAClientWithManyLogoutsLeavesRoomForOthers(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		f.told(t, "many", "few")
		for i := range 5 {
			session, _, err := f.CreateSession(t.Context(), store.Session{UserID: f.user.ID}, "x")
			if err != nil {
				t.Fatal(err)
			}
			f.noted(t, session.ID, "many")
			if err := f.EndSession(t.Context(), session.ID); err != nil {
				t.Fatal(err)
			}
			f.now = f.now.Add(time.Duration(i+1) * time.Second)
		}
		if err := f.EndSession(t.Context(), f.session.ID); err != nil {
			t.Fatal(err)
		}
		got, err := f.TakeLogouts(t.Context(), time.Minute, 3, 2)
		if err != nil {
			t.Fatal(err)
		}
		count := map[string]int{}
		for _, d := range got {
			count[d.ClientID]++
		}
		if count["many"] != 2 || count["few"] != 1 {
			t.Errorf("taken: %v", count)
		}
	})
}
