package store_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
)

func TestASessionIsFoundByItsCookieUntilItExpires(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		start := f.now.Add(1234567 * time.Microsecond)
		f.now = start
		made, cookie, err := f.CreateSession(t.Context(), store.Session{UserID: f.user.ID, AMR: []string{"pwd", "otp"}, ACR: "1", Address: "192.0.2.1", UserAgent: "브라우저"}, "x")
		if err != nil {
			t.Fatal(err)
		}
		got, user, err := f.SessionByCookie(t.Context(), cookie)
		if err != nil || user.ID != f.user.ID || got.ID != made.ID || !slices.Equal(got.AMR, made.AMR) || got.ACR != "1" || got.Address != "192.0.2.1" || got.UserAgent != "브라우저" ||
			!got.AuthTime.Equal(start.Truncate(time.Second)) || !got.CreatedAt.Equal(start) || !got.ExpiresAt.Equal(start.Add(store.SessionLifetime)) {
			t.Fatalf("%+v %+v %v", got, user, err)
		}
		if _, _, err := f.SessionByCookie(t.Context(), made.ID); !errors.Is(err, store.ErrNotFound) {
			t.Error("the public id opens the session")
		}

		f.now = start.Add(store.SessionIdle - time.Microsecond)
		if _, _, err := f.SessionByCookie(t.Context(), cookie); err != nil {
			t.Errorf("gone before its idle end: %v", err)
		}
		f.now = start.Add(store.SessionIdle)
		if _, _, err := f.SessionByCookie(t.Context(), cookie); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("alive at its idle end: %v", err)
		}
		if err := f.TouchSession(t.Context(), got, time.Minute); err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.SessionByCookie(t.Context(), cookie); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("use revived an expired session: %v", err)
		}
	})
}

func TestUseMovesTheIdleEndButNotTheAbsoluteOne(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		f.LimitSessions(store.SessionLimits{Idle: time.Hour, Absolute: 3 * time.Hour})
		start := f.now
		_, cookie, err := f.CreateSession(t.Context(), store.Session{UserID: f.user.ID}, "x")
		if err != nil {
			t.Fatal(err)
		}
		for f.now = start; f.now.Before(start.Add(3 * time.Hour)); f.now = f.now.Add(50 * time.Minute) {
			session, _, err := f.SessionByCookie(t.Context(), cookie)
			if err != nil {
				t.Fatalf("gone after %s: %v", f.now.Sub(start), err)
			}
			if err := f.TouchSession(t.Context(), session, 5*time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		f.now = start.Add(3 * time.Hour)
		if _, _, err := f.SessionByCookie(t.Context(), cookie); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("alive at its absolute end: %v", err)
		}
	})
}

func TestUseIsNotedAtMostEveryFewMinutes(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		start := f.now
		for _, test := range []struct {
			after time.Duration
			noted bool
		}{{4 * time.Minute, false}, {5 * time.Minute, true}} {
			f.now = start.Add(test.after)
			if err := f.TouchSession(t.Context(), f.session, 5*time.Minute); err != nil {
				t.Fatal(err)
			}
			sessions, err := f.SessionsOf(t.Context(), f.user.ID)
			if err != nil || len(sessions) != 1 || sessions[0].SeenAt.Equal(f.now) != test.noted {
				t.Errorf("after %s: %+v %v", test.after, sessions, err)
			}
		}
	})
}

func TestLoggingInAgainKeepsTheSessionUnderANewCookie(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		first, before, err := f.CreateSession(t.Context(), store.Session{UserID: f.user.ID}, "x")
		if err != nil {
			t.Fatal(err)
		}
		f.now = f.now.Add(time.Hour)
		again, after, err := f.CreateSession(t.Context(), store.Session{ID: first.ID, UserID: f.user.ID, ACR: "2"}, "x")
		if err != nil || again.ID != first.ID || after == before {
			t.Fatal(again, after, err)
		}
		if _, _, err := f.SessionByCookie(t.Context(), before); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the cookie of before still opens the session: %v", err)
		}
		got, _, err := f.SessionByCookie(t.Context(), after)
		if err != nil || got.ID != first.ID || got.ACR != "2" || !got.AuthTime.Equal(f.now) || !got.ExpiresAt.Equal(f.now.Add(store.SessionLifetime)) {
			t.Errorf("%+v %v", got, err)
		}

		other, err := f.CreateUser(t.Context(), store.User{Email: "b@example.com", PasswordHash: "x"})
		if err != nil {
			t.Fatal(err)
		}
		theirs, _, err := f.CreateSession(t.Context(), store.Session{ID: first.ID, UserID: other.ID}, "x")
		if err != nil || theirs.ID == first.ID {
			t.Errorf("another person took over the session: %+v %v", theirs, err)
		}
	})
}

func TestTheEndOfASessionRevokesItsGrantsButOfflineOnes(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		f.code(t, "online", false)
		f.code(t, "offline", true)
		won := winners(t, func(ctx context.Context, _ int) (bool, error) {
			err := f.EndSession(ctx, f.session.ID)
			if errors.Is(err, store.ErrNotFound) {
				return false, nil
			}
			return err == nil, err
		})
		if won != 1 {
			t.Errorf("%d of 32 ended the session", won)
		}
		if live := f.liveGrants(t, "online", "offline"); !slices.Equal(live, []string{"offline"}) {
			t.Errorf("%v live on", live)
		}
	})
}

func TestNobodyEndsAnothersSession(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		f.code(t, "online", false)
		other, err := f.CreateUser(t.Context(), store.User{Email: "b@example.com", PasswordHash: "x"})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.EndSessionOf(t.Context(), other.ID, f.session.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("ended another's session: %v", err)
		}
		if err := f.EndSessionsOf(t.Context(), other.ID, ""); err != nil {
			t.Fatal(err)
		}
		if sessions, err := f.SessionsOf(t.Context(), f.user.ID); err != nil || len(sessions) != 1 || f.liveGrants(t, "online") == nil {
			t.Error(sessions, err)
		}
		if err := f.EndSessionOf(t.Context(), f.user.ID, f.session.ID); err != nil || f.liveGrants(t, "online") != nil {
			t.Error("the owner could not end it", err)
		}
	})
}

func TestEndingTheOtherSessionsKeepsOne(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		f.code(t, "theirs", false)
		f.code(t, "theirs-offline", true)
		kept, cookie, err := f.CreateSession(t.Context(), store.Session{UserID: f.user.ID}, "x")
		if err != nil {
			t.Fatal(err)
		}
		was := f.session
		f.session = kept
		f.code(t, "ours", false)
		f.code(t, "ours-offline", true)
		if err := f.EndSessionsOf(t.Context(), f.user.ID, kept.ID); err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.SessionByCookie(t.Context(), cookie); err != nil {
			t.Error(err)
		}
		if err := f.EndSession(t.Context(), was.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the other one goes on: %v", err)
		}
		if live := f.liveGrants(t, "theirs", "theirs-offline", "ours", "ours-offline"); !slices.Equal(live, []string{"ours", "ours-offline"}) {
			t.Errorf("%v live on", live)
		}
	})
}

// A session that has ended ends no other, and of two that end each other at once one stays.
func TestOnlyALiveSessionEndsTheOthers(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		for range 10 {
			var ids []string
			for range 2 {
				session, _, err := f.CreateSession(t.Context(), store.Session{UserID: f.user.ID}, "x")
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, session.ID)
			}
			var wg sync.WaitGroup
			for _, id := range ids {
				wg.Go(func() {
					if err := f.EndSessionsOf(t.Context(), f.user.ID, id); err != nil && !errors.Is(err, store.ErrNotFound) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			left, err := f.SessionsOf(t.Context(), f.user.ID)
			if err != nil || len(left) != 1 || !slices.Contains(ids, left[0].ID) {
				t.Fatalf("%v of %v are left: %v", left, ids, err)
			}
		}
	})
}

func TestAPersonHasABoundedNumberOfSessions(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		var cookies []string
		for range store.MaxSessions + 2 {
			f.now = f.now.Add(time.Second)
			_, cookie, err := f.CreateSession(t.Context(), store.Session{UserID: f.user.ID}, "x")
			if err != nil {
				t.Fatal(err)
			}
			cookies = append(cookies, cookie)
		}
		for i, cookie := range cookies {
			if _, _, err := f.SessionByCookie(t.Context(), cookie); (err == nil) != (i >= 2) {
				t.Errorf("session %d: %v", i, err)
			}
		}
		if all, err := f.SessionsOf(t.Context(), f.user.ID); err != nil || len(all) != store.MaxSessions {
			t.Errorf("%d sessions, %v", len(all), err)
		}
	})
}
