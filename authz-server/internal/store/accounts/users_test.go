package accounts_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestAnAddressHasOneAccountInAnySpelling(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		made, err := f.Users.CreateUser(t.Context(),
			accounts.User{Email: "Müller@Example.com", Name: "Müller", Locale: "ko", PasswordHash: "h", Roles: []roles.Role{roles.Moderator}})
		if err != nil {
			t.Fatal(err)
		}
		for _, spelling := range []string{"müller@example.com", " MU\u0308LLER@EXAMPLE.COM\t"} {
			if _, err := f.Users.CreateUser(t.Context(), accounts.User{Email: spelling}); !errors.Is(err, store.ErrExists) {
				t.Errorf("a second account for %q: %v", spelling, err)
			}
			got, err := f.Users.UserByEmail(t.Context(), spelling)
			if err != nil || got.ID != made.ID || got.Email != "Müller@Example.com" || got.Locale != "ko" ||
				!slices.Equal(got.Roles, []roles.Role{roles.Moderator}) || !got.CreatedAt.Equal(f.Now) {
				t.Errorf("%q found %+v, %v", spelling, got, err)
			}
		}
		if _, err := f.Users.User(t.Context(), "nobody"); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		if _, err := f.Users.UserByEmail(t.Context(), "nobody@example.com"); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestOneOfManySignupsAtOnceGetsTheAddress(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		storetest.OneWins(t, store.ErrExists, func(ctx context.Context, i int) error {
			_, err := f.Users.CreateUser(ctx, accounts.User{Email: "new@example.com", Name: fmt.Sprint(i)})
			return err
		})
	})
}

func TestUsersAreListedInPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		for _, name := range []string{"d", "B", "c"} {
			if _, err := f.Users.CreateUser(t.Context(), accounts.User{Email: name + "@example.com"}); err != nil {
				t.Fatal(err)
			}
		}
		var all []string
		for after := ""; ; {
			users, err := f.Users.ListUsers(t.Context(), after, 2)
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
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx := t.Context()
		if err := errors.Join(f.Users.SetName(ctx, f.Person.ID, "마루"), f.Roles.Set(ctx, f.Person.ID, []roles.Role{roles.Moderator, roles.Admin, roles.Moderator}),
			f.Users.RehashPassword(ctx, f.Person.ID, "x", "y")); err != nil {
			t.Fatal(err)
		}
		got, err := f.Users.User(ctx, f.Person.ID)
		if err != nil || got.Name != "마루" || !slices.Equal(got.Roles, []roles.Role{roles.Admin, roles.Moderator}) || got.PasswordHash != "y" {
			t.Errorf("%+v %v", got, err)
		}
		if err := f.Users.RehashPassword(ctx, f.Person.ID, "x", "z"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("rehashed a password that was changed: %v", err)
		}
		if err := f.Users.SetName(ctx, "nobody", "x"); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		if err := f.Users.SetDisabled(ctx, "nobody", true); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestADisabledAccountLosesSessionsAndGrants(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		_, cookie, err := f.Sessions.CreateSession(t.Context(), accounts.Session{UserID: f.Person.ID}, "x")
		if err != nil {
			t.Fatal(err)
		}
		f.Code(t, "online", false)
		f.Code(t, "offline", true)
		if err := f.Users.SetDisabled(t.Context(), f.Person.ID, true); err != nil {
			t.Fatal(err)
		}
		if live := f.LiveGrants(t, "online", "offline"); live != nil {
			t.Errorf("grants %v outlived the account", live)
		}
		if _, _, err := f.Sessions.SessionByCookie(t.Context(), cookie); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the session outlived the account: %v", err)
		}
		if _, _, err := f.Sessions.CreateSession(t.Context(), accounts.Session{UserID: f.Person.ID}, "x"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("logged in to a disabled account: %v", err)
		}
		if err := f.Users.SetDisabled(t.Context(), f.Person.ID, false); err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.Sessions.SessionByCookie(t.Context(), cookie); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the session came back: %v", err)
		}
	})
}

// A log-in whose password was checked before the account was disabled must not leave a session
// behind, whichever comes first.
func TestLoggingInWhileTheAccountIsDisabledLeavesNoSession(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		for range 10 {
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					_, _, err := f.Sessions.CreateSession(t.Context(), accounts.Session{UserID: f.Person.ID}, "x")
					if err != nil && !errors.Is(err, store.ErrNotFound) {
						t.Error(err)
					}
				})
			}
			wg.Go(func() {
				if err := f.Users.SetDisabled(t.Context(), f.Person.ID, true); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			if sessions, err := f.Sessions.SessionsOf(t.Context(), f.Person.ID); err != nil || len(sessions) != 0 {
				t.Fatalf("%d sessions of a disabled account are left: %v", len(sessions), err)
			}
			if err := f.Users.SetDisabled(t.Context(), f.Person.ID, false); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestEditsOfAnAccountComeOneAfterTheOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		const edits = 8
		var wg sync.WaitGroup
		for range edits {
			wg.Go(func() {
				err := f.Users.EditUser(t.Context(), f.Person.ID, func(u *accounts.User) error {
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
		u, err := f.Users.User(t.Context(), f.Person.ID)
		if err != nil || u.Claims.Nickname != strconv.Itoa(edits) || !u.EmailVerified {
			t.Errorf("%+v %v", u, err)
		}
		no := errors.New("no")
		err = f.Users.EditUser(t.Context(), f.Person.ID, func(u *accounts.User) error { u.Name = "changed"; return no })
		if !errors.Is(err, no) {
			t.Error(err)
		}
		after, err := f.Users.User(t.Context(), f.Person.ID)
		if err != nil || after.Name != u.Name || !after.UpdatedAt.Equal(u.UpdatedAt) {
			t.Errorf("a refused edit changed something: %+v %v", after, err)
		}
		if err := f.Users.EditUser(t.Context(), "nobody", func(*accounts.User) error { return nil }); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
}
