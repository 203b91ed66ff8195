package store_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/store"
)

func TestEditsOfAnAccountComeOneAfterTheOther(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		const edits = 8
		var wg sync.WaitGroup
		for range edits {
			wg.Go(func() {
				err := f.EditUser(t.Context(), f.user.ID, func(u *store.User) error {
					n, _ := strconv.Atoi(u.Claims.Nickname)
					u.Claims.Nickname, u.EmailVerified = strconv.Itoa(n+1), true
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		u, err := f.User(t.Context(), f.user.ID)
		if err != nil || u.Claims.Nickname != strconv.Itoa(edits) || !u.EmailVerified {
			t.Errorf("%+v %v", u, err)
		}
		no := errors.New("no")
		if err := f.EditUser(t.Context(), f.user.ID, func(u *store.User) error { u.Name = "changed"; return no }); !errors.Is(err, no) {
			t.Error(err)
		}
		after, err := f.User(t.Context(), f.user.ID)
		if err != nil || after.Name != u.Name || !after.UpdatedAt.Equal(u.UpdatedAt) {
			t.Errorf("a refused edit changed something: %+v %v", after, err)
		}
		if err := f.EditUser(t.Context(), "nobody", func(*store.User) error { return nil }); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestAResetPasswordEndsAllThatTheOldOneOpened(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		_, cookie, err := f.CreateSession(t.Context(), store.Session{UserID: f.user.ID}, f.user.PasswordHash)
		if err != nil {
			t.Fatal(err)
		}
		f.code(t, "offline", true)
		if err := f.ResetPassword(t.Context(), f.user.ID, "another"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.SessionByCookie(t.Context(), cookie); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the session goes on: %v", err)
		}
		if g, err := f.Grant(t.Context(), "offline"); err == nil && g.RevokedAt.IsZero() {
			t.Error("the offline grant goes on")
		}
		if u, err := f.User(t.Context(), f.user.ID); err != nil || u.PasswordHash != "another" {
			t.Errorf("%+v %v", u, err)
		}
		if err := f.ResetPassword(t.Context(), "nobody", "x"); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
}
