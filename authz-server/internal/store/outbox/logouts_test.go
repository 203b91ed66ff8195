package outbox_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// told makes clients that want to be told of log-outs, and notes them and "app", which does not,
// for the session.
func told(t *testing.T, f *storetest.World, clients ...string) {
	t.Helper()
	for _, id := range clients {
		err := f.Clients.CreateClient(t.Context(), client.Client{ID: id, BackchannelLogoutURI: "https://" + id + ".example/out"})
		if err != nil && !errors.Is(err, store.ErrExists) {
			t.Fatal(err)
		}
	}
	noted(t, f, f.Session.ID, append(clients, "app")...)
}

func noted(t *testing.T, f *storetest.World, session string, clients ...string) {
	t.Helper()
	for _, id := range clients {
		for range 2 { // again makes no difference
			if err := f.Logouts.NoteSessionClient(t.Context(), session, id); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// room lets each lane have up to n.
func room(n int) func(lane string) int { return func(string) int { return n } }

// queued are the deliveries by "client session".
func queued(t *testing.T, f *storetest.World) []string {
	t.Helper()
	all, err := f.Outbox.List(t.Context(), outbox.KindLogout, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range all {
		if d.UserID != f.Person.ID || d.Attempts != 0 || !d.DueAt.Equal(f.Now) || !d.GivenUpAt.IsZero() {
			t.Errorf("%+v", d)
		}
		names = append(names, d.Lane+" "+d.Topic)
	}
	slices.Sort(names)
	return names
}

func TestHoweverASessionEndsItsClientsAreToBeTold(t *testing.T) {
	for name, end := range map[string]func(ctx context.Context, f *storetest.World) error{
		"logged out": func(ctx context.Context, f *storetest.World) error { return f.Sessions.EndSession(ctx, f.Session.ID) },
		"ended by owner": func(ctx context.Context, f *storetest.World) error {
			return f.Sessions.EndSessionOf(ctx, f.Person.ID, f.Session.ID)
		},
		"all ended": func(ctx context.Context, f *storetest.World) error {
			return f.Sessions.EndSessionsOf(ctx, f.Person.ID, "")
		},
		"password changed": func(ctx context.Context, f *storetest.World) error {
			other, _, err := f.Sessions.CreateSession(ctx, accounts.Session{UserID: f.Person.ID}, "x")
			if err != nil {
				return err
			}
			_, err = f.Users.ChangePassword(ctx, f.Person.ID, "x", "y", other.ID)
			return err
		},
		"password reset": func(ctx context.Context, f *storetest.World) error {
			return f.Users.ResetPassword(ctx, f.Person.ID, "y", "")
		},
		"disabled": func(ctx context.Context, f *storetest.World) error {
			return f.Users.SetDisabled(ctx, f.Person.ID, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, f *storetest.World) {
				told(t, f, "one", "two")
				noted(t, f, f.Session.ID, "gone") // a client that was deleted since
				if got, err := f.Logouts.SessionClients(t.Context(), f.Session.ID); err != nil ||
					!slices.Equal(got, []string{"app", "gone", "one", "two"}) {
					t.Error(got, err)
				}
				if err := end(t.Context(), f); err != nil {
					t.Fatal(err)
				}
				if got := queued(t, f); !slices.Equal(got, []string{"one " + f.Session.ID, "two " + f.Session.ID}) {
					t.Errorf("queued: %q", got)
				}
				select {
				case <-f.Outbox.Due(outbox.KindLogout):
				default:
					t.Error("nobody was woken")
				}
				if got, err := f.Logouts.SessionClients(t.Context(), f.Session.ID); err != nil || len(got) > 0 {
					t.Error(got, err)
				}
			})
		})
	}
}

func TestAKeptSessionsClientsAreNotTold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		told(t, f, "one")
		other, _, err := f.Sessions.CreateSession(t.Context(), accounts.Session{UserID: f.Person.ID}, "x")
		if err != nil {
			t.Fatal(err)
		}
		noted(t, f, other.ID, "one")
		if _, err := f.Users.ChangePassword(t.Context(), f.Person.ID, "x", "y", other.ID); err != nil {
			t.Fatal(err)
		}
		if got := queued(t, f); !slices.Equal(got, []string{"one " + f.Session.ID}) {
			t.Errorf("queued: %q", got)
		}
		if got, err := f.Logouts.SessionClients(t.Context(), other.ID); err != nil || !slices.Equal(got, []string{"one"}) {
			t.Error(got, err)
		}
	})
}

func TestAnEndThatFailsTellsNobody(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		told(t, f, "one")
		failure := errors.New("something after it failed")
		err := f.Tx(t.Context(), func(ctx context.Context) error {
			if err := f.Sessions.EndSession(ctx, f.Session.ID); err != nil {
				return err
			}
			return failure
		})
		if !errors.Is(err, failure) || queued(t, f) != nil {
			t.Error(err, queued(t, f))
		}
		if sessions, err := f.Sessions.SessionsOf(t.Context(), f.Person.ID); err != nil || len(sessions) != 1 {
			t.Error(sessions, err)
		}
	})
}

func TestAnExpiredSessionTellsNobody(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		told(t, f, "one")
		f.Now = f.Now.Add(accounts.SessionLifetime)
		if _, err := f.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Logouts.SessionClients(t.Context(), f.Session.ID); err != nil || len(got) > 0 || queued(t, f) != nil {
			t.Error(got, err, queued(t, f))
		}
	})
}

// Clients that are noted at the very time when their session ends are told, or learn that it has
// ended: never neither.
func TestNotingAClientAndEndingItsSessionAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		var names []string
		for i := range 16 {
			names = append(names, string(rune('a'+i)))
		}
		told(t, f, names...)
		session, _, err := f.Sessions.CreateSession(t.Context(), accounts.Session{UserID: f.Person.ID}, "x")
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var noted []string
		ended := storetest.Winners(t, func(ctx context.Context, i int) (bool, error) {
			if i >= len(names) {
				err := f.Sessions.EndSession(ctx, session.ID)
				if errors.Is(err, store.ErrNotFound) {
					return false, nil
				}
				return err == nil, err
			}
			err := f.Tx(ctx, func(ctx context.Context) error {
				if err := f.Sessions.ContinueSession(ctx, session.ID); err != nil {
					return err
				}
				return f.Logouts.NoteSessionClient(ctx, session.ID, names[i])
			})
			if errors.Is(err, store.ErrNotFound) {
				return false, nil
			}
			mu.Lock()
			defer mu.Unlock()
			noted = append(noted, names[i]+" "+session.ID)
			return false, err
		})
		slices.Sort(noted)
		if got := queued(t, f); ended != 1 || !slices.Equal(got, noted) {
			t.Errorf("ended %d times; noted %q, queued %q", ended, noted, got)
		}
	})
}

func TestOneTakesADeliveryAtATime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		told(t, f, "one", "two", "three")
		if err := f.Sessions.EndSession(t.Context(), f.Session.ID); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		taken := map[string]int{}
		storetest.Winners(t, func(ctx context.Context, _ int) (bool, error) {
			got, err := f.Outbox.Take(ctx, outbox.KindLogout, time.Minute, 10, room(2))
			mu.Lock()
			defer mu.Unlock()
			for _, d := range got {
				taken[d.Lane]++
			}
			return true, err
		})
		if len(taken) != 3 || taken["one"] != 1 || taken["two"] != 1 || taken["three"] != 1 {
			t.Errorf("taken: %v", taken)
		}

		f.Now = f.Now.Add(time.Minute) // the process that took them died
		again, err := f.Outbox.Take(t.Context(), outbox.KindLogout, time.Minute, 10, room(2))
		if err != nil || len(again) != 3 || again[0].Attempts != 2 {
			t.Fatalf("%+v %v", again, err)
		}
		late := again[0]
		late.Attempts = 1
		if err := f.Outbox.Postpone(t.Context(), late, "late", time.Time{}); err != nil {
			t.Fatal(err)
		}
		if err := f.Outbox.Postpone(t.Context(), again[0], "slow", f.Now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := f.Outbox.Postpone(t.Context(), again[1], "dead", time.Time{}); err != nil {
			t.Fatal(err)
		}
		if err := f.Outbox.End(t.Context(), again[2].ID); err != nil {
			t.Fatal(err)
		}
		left, err := f.Outbox.List(t.Context(), outbox.KindLogout, "", 10)
		if err != nil || len(left) != 2 {
			t.Fatal(left, err)
		}
		for _, d := range left {
			switch d.ID {
			case again[0].ID:
				if d.LastError != "slow" || !d.GivenUpAt.IsZero() || !d.DueAt.Equal(f.Now.Add(time.Hour)) {
					t.Errorf("%+v", d)
				}
			case again[1].ID:
				if d.LastError != "dead" || !d.GivenUpAt.Equal(f.Now) {
					t.Errorf("%+v", d)
				}
			}
		}
		f.Now = f.Now.Add(time.Hour)
		if got, err := f.Outbox.Take(t.Context(), outbox.KindLogout, time.Minute, 10, room(2)); err != nil || len(got) != 1 || got[0].ID != again[0].ID {
			t.Errorf("%+v %v", got, err)
		}
		f.Now = f.Now.Add(outbox.Retention)
		if rows, err := f.Sweep(t.Context()); err != nil || rows != 1 {
			t.Error(rows, err)
		}
	})
}

func TestAClientWithManyLogoutsLeavesRoomForOthers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		told(t, f, "many", "few")
		for i := range 5 {
			session, _, err := f.Sessions.CreateSession(t.Context(), accounts.Session{UserID: f.Person.ID}, "x")
			if err != nil {
				t.Fatal(err)
			}
			noted(t, f, session.ID, "many")
			if err := f.Sessions.EndSession(t.Context(), session.ID); err != nil {
				t.Fatal(err)
			}
			f.Now = f.Now.Add(time.Duration(i+1) * time.Second)
		}
		if err := f.Sessions.EndSession(t.Context(), f.Session.ID); err != nil {
			t.Fatal(err)
		}
		got, err := f.Outbox.Take(t.Context(), outbox.KindLogout, time.Minute, 3, room(2))
		if err != nil {
			t.Fatal(err)
		}
		count := map[string]int{}
		for _, d := range got {
			count[d.Lane]++
		}
		if count["many"] != 2 || count["few"] != 1 {
			t.Errorf("taken: %v", count)
		}
	})
}

func TestLogoutsAreTakenFromEveryClientInTurn(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, f *storetest.World) {
		f.Exec(t, `INSERT INTO outbox (id, kind, lane, topic, user_id, payload, sealed, attempts, leased, last_error,
				created_at, since_at, due_at, given_up_at)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
			SELECT 'x' || i, 'logout', CASE WHEN i <= 900 THEN 'busy' ELSE 'client' || i END, 's', 'u', CAST('' AS BYTEA), false, 0, false, '',
				0, 0, 0, 0 FROM n`)
		took := map[string]int{}
		for range 40 {
			got, err := f.Outbox.Take(t.Context(), outbox.KindLogout, time.Hour, 16, room(4))
			storetest.OK(t, err)
			for _, d := range got {
				took[d.Lane]++
			}
			if len(took) == 101 {
				if took["busy"] < 4 {
					t.Errorf("the busy one got %d", took["busy"])
				}
				return
			}
		}
		t.Errorf("only %d clients had their turn: the busy one got %d", len(took), took["busy"])
	})
}

// Lanes whose items wait for a later attempt do not hide what is due, wherever the last turn ended.
func TestWhatIsDueIsFoundBehindManyLanesThatWait(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, f *storetest.World) {
		f.Exec(t, `INSERT INTO outbox (id, kind, lane, topic, user_id, payload, sealed, attempts, leased, last_error,
				created_at, since_at, due_at, given_up_at)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
			SELECT 'x' || i, 'mail', 'dead' || i, '', '', CAST('' AS BYTEA), false, 9, false, '', 0, 0, 9000000000000000, 0 FROM n`)
		for _, lane := range []string{"zzz", "aaa", "dead500", ""} {
			storetest.OK(t, f.Outbox.Add(t.Context(), outbox.Item{Kind: "mail", Lane: lane, Topic: "new"}))
			got, err := f.Outbox.Take(t.Context(), "mail", time.Hour, 16, room(4))
			if err != nil || len(got) != 1 || got[0].Topic != "new" {
				t.Errorf("in the lane %q: %+v %v", lane, got, err)
			}
		}
	})
}
