package accounts_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestAResetPasswordEndsAllThatTheOldOneOpened(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		_, cookie, err := f.Sessions.CreateSession(t.Context(), accounts.Session{UserID: f.Person.ID}, f.Person.PasswordHash)
		if err != nil {
			t.Fatal(err)
		}
		f.Code(t, "offline", true)
		if err := f.Users.ResetPassword(t.Context(), f.Person.ID, "another", ""); err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.Sessions.SessionByCookie(t.Context(), cookie); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the session goes on: %v", err)
		}
		if g, err := f.Grants.Grant(t.Context(), "offline"); err == nil && g.RevokedAt.IsZero() {
			t.Error("the offline grant goes on")
		}
		if u, err := f.Users.User(t.Context(), f.Person.ID); err != nil || u.PasswordHash != "another" {
			t.Errorf("%+v %v", u, err)
		}
		if err := f.Users.ResetPassword(t.Context(), "nobody", "x", ""); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestAPasswordChangeEndsTheOtherSessions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		_, other, err := f.Sessions.CreateSession(t.Context(), accounts.Session{UserID: f.Person.ID}, "x")
		if err != nil {
			t.Fatal(err)
		}
		storetest.OneWins(t, store.ErrNotFound, func(ctx context.Context, i int) error {
			_, err := f.Users.ChangePassword(ctx, f.Person.ID, "x", fmt.Sprint("new", i), f.Session.ID)
			return err
		})
		if _, _, err := f.Sessions.SessionByCookie(t.Context(), other); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another session outlived the change: %v", err)
		}
		if sessions, err := f.Sessions.SessionsOf(t.Context(), f.Person.ID); err != nil || len(sessions) != 1 || sessions[0].ID != f.Session.ID {
			t.Error(sessions, err)
		}
		if _, _, err := f.Sessions.CreateSession(t.Context(), accounts.Session{UserID: f.Person.ID}, "x"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("logged in with the password of before: %v", err)
		}
	})
}

// A thief who got in by the old password, or by the cookie, keeps nothing: no session, no grant
// that refreshes for months.
func TestAPasswordChangeLeavesOnlyWhatTheSessionThatMakesItGranted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		f.Code(t, "theirs", false)
		thief := f.Code(t, "theirs-offline", true)
		f.Code(t, "theirs-expired", true)
		f.Now = f.Now.Add(accounts.SessionIdle + time.Second) // its session is over, the grant is not
		kept, cookie, err := f.Sessions.CreateSession(t.Context(), accounts.Session{UserID: f.Person.ID}, "x")
		if err != nil {
			t.Fatal(err)
		}
		f.Session = kept
		f.Code(t, "ours", false)
		f.Code(t, "ours-offline", true)
		renewed, err := f.Users.ChangePassword(t.Context(), f.Person.ID, "x", "y", kept.ID)
		if err != nil {
			t.Fatal(err)
		}
		live := f.LiveGrants(t, "theirs", "theirs-offline", "theirs-expired", "ours", "ours-offline")
		if !slices.Equal(live, []string{"ours", "ours-offline"}) {
			t.Errorf("%v live on", live)
		}
		first := f.RefreshToken(1)
		if won, err := f.Grants.RedeemCode(t.Context(), thief, &first, grants.Note{}); err != nil || won {
			t.Errorf("a code of before was redeemed: %v %v", won, err)
		}
		if _, _, err := f.Sessions.SessionByCookie(t.Context(), cookie); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the cookie of before still works: %v", err)
		}
		if session, _, err := f.Sessions.SessionByCookie(t.Context(), renewed); err != nil || session.ID != kept.ID {
			t.Error(session, err)
		}
	})
}

// A change of password from a session that has just ended comes too late.
func TestAPasswordIsNotChangedFromASessionThatHasEnded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		if err := f.Sessions.EndSession(t.Context(), f.Session.ID); err != nil {
			t.Fatal(err)
		}
		for _, session := range []string{f.Session.ID, "", "nobody's"} {
			if _, err := f.Users.ChangePassword(t.Context(), f.Person.ID, "x", "y", session); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("session %q: %v", session, err)
			}
		}
		if user, err := f.Users.User(t.Context(), f.Person.ID); err != nil || user.PasswordHash != "x" {
			t.Errorf("%q %v", user.PasswordHash, err)
		}
	})
}
