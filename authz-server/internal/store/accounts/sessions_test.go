package accounts_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestASessionIsFoundByItsCookieUntilItExpires(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		start := f.Now.Add(1234567 * time.Microsecond)
		f.Now = start
		made, cookie, err := f.Sessions.CreateSession(t.Context(),
			accounts.Session{UserID: f.Person.ID, AMR: []string{"pwd", "otp"}, ACR: "1", Address: "192.0.2.1", UserAgent: "브라우저"}, "x")
		if err != nil {
			t.Fatal(err)
		}
		got, user, err := f.Sessions.SessionByCookie(t.Context(), cookie)
		if err != nil || user.ID != f.Person.ID || got.ID != made.ID || !slices.Equal(got.AMR, made.AMR) || got.ACR != "1" ||
			got.Address != "192.0.2.1" || got.UserAgent != "브라우저" ||
			!got.AuthTime.Equal(start.Truncate(time.Second)) || !got.CreatedAt.Equal(start) ||
			!got.ExpiresAt.Equal(start.Add(accounts.SessionLifetime)) {
			t.Fatalf("%+v %+v %v", got, user, err)
		}
		if _, _, err := f.Sessions.SessionByCookie(t.Context(), made.ID); !errors.Is(err, store.ErrNotFound) {
			t.Error("the public id opens the session")
		}

		f.Now = start.Add(accounts.SessionIdle - time.Microsecond)
		if _, _, err := f.Sessions.SessionByCookie(t.Context(), cookie); err != nil {
			t.Errorf("gone before its idle end: %v", err)
		}
		f.Now = start.Add(accounts.SessionIdle)
		if _, _, err := f.Sessions.SessionByCookie(t.Context(), cookie); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("alive at its idle end: %v", err)
		}
		if err := f.Sessions.TouchSession(t.Context(), got, "192.0.2.7", time.Minute); err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.Sessions.SessionByCookie(t.Context(), cookie); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("use revived an expired session: %v", err)
		}
	})
}

func TestUseMovesTheIdleEndButNotTheAbsoluteOne(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		f.Sessions.LimitSessions(accounts.SessionLimits{Idle: time.Hour, Absolute: 3 * time.Hour})
		start := f.Now
		_, cookie, err := f.Sessions.CreateSession(t.Context(), accounts.Session{UserID: f.Person.ID}, "x")
		if err != nil {
			t.Fatal(err)
		}
		for f.Now = start; f.Now.Before(start.Add(3 * time.Hour)); f.Now = f.Now.Add(50 * time.Minute) {
			session, _, err := f.Sessions.SessionByCookie(t.Context(), cookie)
			if err != nil {
				t.Fatalf("gone after %s: %v", f.Now.Sub(start), err)
			}
			if err := f.Sessions.TouchSession(t.Context(), session, "", 5*time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		f.Now = start.Add(3 * time.Hour)
		if _, _, err := f.Sessions.SessionByCookie(t.Context(), cookie); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("alive at its absolute end: %v", err)
		}
	})
}

func TestUseIsNotedAtMostEveryFewMinutes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		start := f.Now
		for _, test := range []struct {
			after time.Duration
			noted bool
		}{{4 * time.Minute, false}, {5 * time.Minute, true}} {
			f.Now = start.Add(test.after)
			if err := f.Sessions.TouchSession(t.Context(), f.Session, "", 5*time.Minute); err != nil {
				t.Fatal(err)
			}
			sessions, err := f.Sessions.SessionsOf(t.Context(), f.Person.ID)
			if err != nil || len(sessions) != 1 || sessions[0].SeenAt.Equal(f.Now) != test.noted {
				t.Errorf("after %s: %+v %v", test.after, sessions, err)
			}
		}
	})
}

func TestLoggingInAgainKeepsTheSessionUnderANewCookie(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		first, before, err := f.Sessions.CreateSession(t.Context(), accounts.Session{UserID: f.Person.ID}, "x")
		if err != nil {
			t.Fatal(err)
		}
		f.Now = f.Now.Add(time.Hour)
		again, after, err := f.Sessions.CreateSession(t.Context(), accounts.Session{ID: first.ID, UserID: f.Person.ID, ACR: "2"}, "x")
		if err != nil || again.ID != first.ID || after == before {
			t.Fatal(again, after, err)
		}
		if _, _, err := f.Sessions.SessionByCookie(t.Context(), before); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the cookie of before still opens the session: %v", err)
		}
		got, _, err := f.Sessions.SessionByCookie(t.Context(), after)
		if err != nil || got.ID != first.ID || got.ACR != "2" || !got.AuthTime.Equal(f.Now) ||
			!got.ExpiresAt.Equal(f.Now.Add(accounts.SessionLifetime)) {
			t.Errorf("%+v %v", got, err)
		}

		other, err := f.Users.CreateUser(t.Context(), accounts.User{Email: "b@example.com", PasswordHash: "x"})
		if err != nil {
			t.Fatal(err)
		}
		theirs, _, err := f.Sessions.CreateSession(t.Context(), accounts.Session{ID: first.ID, UserID: other.ID}, "x")
		if err != nil || theirs.ID == first.ID {
			t.Errorf("another person took over the session: %+v %v", theirs, err)
		}
	})
}

func TestTheEndOfASessionRevokesItsGrantsButOfflineOnes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		f.Code(t, "online", false)
		f.Code(t, "offline", true)
		storetest.OneWins(t, store.ErrNotFound, func(ctx context.Context, _ int) error {
			return f.Sessions.EndSession(ctx, f.Session.ID)
		})
		if live := f.LiveGrants(t, "online", "offline"); !slices.Equal(live, []string{"offline"}) {
			t.Errorf("%v live on", live)
		}
	})
}

func TestNobodyEndsAnothersSession(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		f.Code(t, "online", false)
		other, err := f.Users.CreateUser(t.Context(), accounts.User{Email: "b@example.com", PasswordHash: "x"})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Sessions.EndSessionOf(t.Context(), other.ID, f.Session.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("ended another's session: %v", err)
		}
		if err := f.Sessions.EndSessionsOf(t.Context(), other.ID, ""); err != nil {
			t.Fatal(err)
		}
		if sessions, err := f.Sessions.SessionsOf(t.Context(), f.Person.ID); err != nil || len(sessions) != 1 ||
			f.LiveGrants(t, "online") == nil {
			t.Error(sessions, err)
		}
		if err := f.Sessions.EndSessionOf(t.Context(), f.Person.ID, f.Session.ID); err != nil || f.LiveGrants(t, "online") != nil {
			t.Error("the owner could not end it", err)
		}
	})
}

func TestEndingTheOtherSessionsKeepsOne(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		f.Code(t, "theirs", false)
		f.Code(t, "theirs-offline", true)
		kept, cookie, err := f.Sessions.CreateSession(t.Context(), accounts.Session{UserID: f.Person.ID}, "x")
		if err != nil {
			t.Fatal(err)
		}
		was := f.Session
		f.Session = kept
		f.Code(t, "ours", false)
		f.Code(t, "ours-offline", true)
		if err := f.Sessions.EndSessionsOf(t.Context(), f.Person.ID, kept.ID); err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.Sessions.SessionByCookie(t.Context(), cookie); err != nil {
			t.Error(err)
		}
		if err := f.Sessions.EndSession(t.Context(), was.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the other one goes on: %v", err)
		}
		if live := f.LiveGrants(t, "theirs", "theirs-offline", "ours", "ours-offline"); !slices.Equal(live, []string{"ours", "ours-offline"}) {
			t.Errorf("%v live on", live)
		}
	})
}

// A session that has ended ends no other, and of two that end each other at once one stays.
func TestOnlyALiveSessionEndsTheOthers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		for range 10 {
			var ids []string
			for range 2 {
				session, _, err := f.Sessions.CreateSession(t.Context(), accounts.Session{UserID: f.Person.ID}, "x")
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, session.ID)
			}
			var wg sync.WaitGroup
			for _, id := range ids {
				wg.Go(func() {
					if err := f.Sessions.EndSessionsOf(t.Context(), f.Person.ID, id); err != nil && !errors.Is(err, store.ErrNotFound) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			left, err := f.Sessions.SessionsOf(t.Context(), f.Person.ID)
			if err != nil || len(left) != 1 || !slices.Contains(ids, left[0].ID) {
				t.Fatalf("%v of %v are left: %v", left, ids, err)
			}
		}
	})
}

func TestAPersonHasABoundedNumberOfSessions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		var cookies []string
		for range accounts.MaxSessions + 2 {
			f.Now = f.Now.Add(time.Second)
			_, cookie, err := f.Sessions.CreateSession(t.Context(), accounts.Session{UserID: f.Person.ID}, "x")
			if err != nil {
				t.Fatal(err)
			}
			cookies = append(cookies, cookie)
		}
		for i, cookie := range cookies {
			if _, _, err := f.Sessions.SessionByCookie(t.Context(), cookie); (err == nil) != (i >= 2) {
				t.Errorf("session %d: %v", i, err)
			}
		}
		if all, err := f.Sessions.SessionsOf(t.Context(), f.Person.ID); err != nil || len(all) != accounts.MaxSessions {
			t.Errorf("%d sessions, %v", len(all), err)
		}
	})
}

func TestTheEndOfASessionEndsItsGrantsButNotOfflineOnes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		f.Code(t, "bound", false)
		f.Code(t, "offline", true)
		if err := f.Sessions.ContinueSession(t.Context(), f.Session.ID); err != nil {
			t.Fatal(err)
		}
		if err := f.Sessions.EndSession(t.Context(), f.Session.ID); err != nil {
			t.Fatal(err)
		}
		if err := f.Sessions.ContinueSession(t.Context(), f.Session.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an ended session went on: %v", err)
		}
		for id, live := range map[string]bool{"bound": false, "offline": true} {
			if g, err := f.Grants.Grant(t.Context(), id); err != nil || g.Live(f.Now) != live {
				t.Errorf("grant %s: live %t, %v", id, g.Live(f.Now), err)
			}
		}
	})
}

func TestARefreshKeepsTheSessionUpToItsAbsoluteEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		for end := f.Session.ExpiresAt; f.Now.Before(end.Add(-time.Hour)); f.Now = f.Now.Add(6 * time.Hour) {
			if err := f.Sessions.ContinueSession(t.Context(), f.Session.ID); err != nil {
				t.Fatalf("at %s: %v", f.Now, err)
			}
		}
		f.Now = f.Session.ExpiresAt
		if err := f.Sessions.ContinueSession(t.Context(), f.Session.ID); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("after its absolute end: %v", err)
		}
	})
}
