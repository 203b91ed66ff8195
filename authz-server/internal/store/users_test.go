package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
)

func TestAnAddressHasOneAccountInAnySpelling(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		made, err := f.CreateUser(t.Context(), store.User{Email: "Müller@Example.com", Name: "Müller", Locale: "ko", PasswordHash: "h", Roles: []string{"moderator"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, spelling := range []string{"müller@example.com", " MU\u0308LLER@EXAMPLE.COM\t"} {
			if _, err := f.CreateUser(t.Context(), store.User{Email: spelling}); !errors.Is(err, store.ErrExists) {
				t.Errorf("a second account for %q: %v", spelling, err)
			}
			got, err := f.UserByEmail(t.Context(), spelling)
			if err != nil || got.ID != made.ID || got.Email != "Müller@Example.com" || got.Locale != "ko" || !slices.Equal(got.Roles, []string{"moderator"}) || !got.CreatedAt.Equal(f.now) {
				t.Errorf("%q found %+v, %v", spelling, got, err)
			}
		}
		if _, err := f.User(t.Context(), "nobody"); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		if _, err := f.UserByEmail(t.Context(), "nobody@example.com"); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestOneOfManySignupsAtOnceGetsTheAddress(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		won := winners(t, func(ctx context.Context, i int) (bool, error) {
			_, err := f.CreateUser(ctx, store.User{Email: "new@example.com", Name: fmt.Sprint(i)})
			if errors.Is(err, store.ErrExists) {
				return false, nil
			}
			return err == nil, err
		})
		if won != 1 {
			t.Errorf("%d of 32 got the address", won)
		}
	})
}

func TestUsersAreListedInPages(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		for _, name := range []string{"d", "B", "c"} {
			if _, err := f.CreateUser(t.Context(), store.User{Email: name + "@example.com"}); err != nil {
				t.Fatal(err)
			}
		}
		var all []string
		for after := ""; ; {
			users, err := f.ListUsers(t.Context(), after, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, user := range users {
				all = append(all, user.Email)
				after = user.Key
			}
			if len(users) < 2 {
				break
			}
		}
		if !slices.Equal(all, []string{"a@example.com", "B@example.com", "c@example.com", "d@example.com"}) {
			t.Error(all)
		}
	})
}

func TestAnAccountCanBeChanged(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		ctx := t.Context()
		if err := errors.Join(f.SetName(ctx, f.user.ID, "마루"), f.SetRoles(ctx, f.user.ID, []string{"b", "a", "b"}), f.RehashPassword(ctx, f.user.ID, "x", "y")); err != nil {
			t.Fatal(err)
		}
		got, err := f.User(ctx, f.user.ID)
		if err != nil || got.Name != "마루" || !slices.Equal(got.Roles, []string{"a", "b"}) || got.PasswordHash != "y" {
			t.Errorf("%+v %v", got, err)
		}
		if err := f.RehashPassword(ctx, f.user.ID, "x", "z"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("rehashed a password that was changed: %v", err)
		}
		if err := f.SetName(ctx, "nobody", "x"); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		if err := f.SetDisabled(ctx, "nobody", true); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
}

// liveGrants tells which grants of these are not revoked.
func (f *grantFixture) liveGrants(t *testing.T, ids ...string) []string {
	t.Helper()
	var live []string
	for _, id := range ids {
		g, err := f.Grant(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if g.Live(f.now) {
			live = append(live, id)
		}
	}
	return live
}

func TestADisabledAccountLosesSessionsAndGrants(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		_, cookie, err := f.CreateSession(t.Context(), store.Session{UserID: f.user.ID}, "x")
		if err != nil {
			t.Fatal(err)
		}
		f.code(t, "online", false)
		f.code(t, "offline", true)
		if err := f.SetDisabled(t.Context(), f.user.ID, true); err != nil {
			t.Fatal(err)
		}
		if live := f.liveGrants(t, "online", "offline"); live != nil {
			t.Errorf("grants %v outlived the account", live)
		}
		if _, _, err := f.SessionByCookie(t.Context(), cookie); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the session outlived the account: %v", err)
		}
		if _, _, err := f.CreateSession(t.Context(), store.Session{UserID: f.user.ID}, "x"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("logged in to a disabled account: %v", err)
		}
		if err := f.SetDisabled(t.Context(), f.user.ID, false); err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.SessionByCookie(t.Context(), cookie); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the session came back: %v", err)
		}
	})
}

// A log-in whose password was checked before the account was disabled must not leave a session behind, whichever comes first.
func TestLoggingInWhileTheAccountIsDisabledLeavesNoSession(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		for range 10 {
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					_, _, err := f.CreateSession(t.Context(), store.Session{UserID: f.user.ID}, "x")
					if err != nil && !errors.Is(err, store.ErrNotFound) {
						t.Error(err)
					}
				})
			}
			wg.Go(func() {
				if err := f.SetDisabled(t.Context(), f.user.ID, true); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			if sessions, err := f.SessionsOf(t.Context(), f.user.ID); err != nil || len(sessions) != 0 {
				t.Fatalf("%d sessions of a disabled account are left: %v", len(sessions), err)
			}
			if err := f.SetDisabled(t.Context(), f.user.ID, false); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestAPasswordChangeEndsTheOtherSessions(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		_, other, err := f.CreateSession(t.Context(), store.Session{UserID: f.user.ID}, "x")
		if err != nil {
			t.Fatal(err)
		}
		won := winners(t, func(ctx context.Context, i int) (bool, error) {
			_, err := f.ChangePassword(ctx, f.user.ID, "x", fmt.Sprint("new", i), f.session.ID)
			if errors.Is(err, store.ErrNotFound) {
				return false, nil
			}
			return err == nil, err
		})
		if won != 1 {
			t.Errorf("%d of 32 changes of the same password counted", won)
		}
		if _, _, err := f.SessionByCookie(t.Context(), other); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another session outlived the change: %v", err)
		}
		if sessions, err := f.SessionsOf(t.Context(), f.user.ID); err != nil || len(sessions) != 1 || sessions[0].ID != f.session.ID {
			t.Error(sessions, err)
		}
		if _, _, err := f.CreateSession(t.Context(), store.Session{UserID: f.user.ID}, "x"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("logged in with the password of before: %v", err)
		}
	})
}

// A thief who got in by the old password, or by the cookie, keeps nothing: no session, no grant that refreshes for months.
func TestAPasswordChangeLeavesOnlyWhatTheSessionThatMakesItGranted(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		f.code(t, "theirs", false)
		thief := f.code(t, "theirs-offline", true)
		f.code(t, "theirs-expired", true)
		f.now = f.now.Add(store.SessionIdle + time.Second) // its session is over, the grant is not
		kept, cookie, err := f.CreateSession(t.Context(), store.Session{UserID: f.user.ID}, "x")
		if err != nil {
			t.Fatal(err)
		}
		f.session = kept
		f.code(t, "ours", false)
		f.code(t, "ours-offline", true)
		renewed, err := f.ChangePassword(t.Context(), f.user.ID, "x", "y", kept.ID)
		if err != nil {
			t.Fatal(err)
		}
		if live := f.liveGrants(t, "theirs", "theirs-offline", "theirs-expired", "ours", "ours-offline"); !slices.Equal(live, []string{"ours", "ours-offline"}) {
			t.Errorf("%v live on", live)
		}
		first := f.refreshToken("theirs-offline", "r1")
		if won, err := f.RedeemCode(t.Context(), thief, &first); err != nil || won {
			t.Errorf("a code of before was redeemed: %v %v", won, err)
		}
		if _, _, err := f.SessionByCookie(t.Context(), cookie); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the cookie of before still works: %v", err)
		}
		if session, _, err := f.SessionByCookie(t.Context(), renewed); err != nil || session.ID != kept.ID {
			t.Error(session, err)
		}
	})
}

// Whoever changes a password from a session that has just been ended is too late.
func TestAPasswordIsNotChangedFromASessionThatHasEnded(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		if err := f.EndSession(t.Context(), f.session.ID); err != nil {
			t.Fatal(err)
		}
		for _, session := range []string{f.session.ID, "", "nobody's"} {
			if _, err := f.ChangePassword(t.Context(), f.user.ID, "x", "y", session); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("session %q: %v", session, err)
			}
		}
		if user, err := f.User(t.Context(), f.user.ID); err != nil || user.PasswordHash != "x" {
			t.Errorf("%q %v", user.PasswordHash, err)
		}
	})
}
