package accounts_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestAnAccountWaitsToBeDeletedAndThenGoesWithEverything(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx, start := t.Context(), f.Now
		due := func(want int) []accounts.User {
			t.Helper()
			all, err := f.Users.DueDeletions(ctx, 10)
			if err != nil || len(all) != want {
				t.Fatalf("%d are due: %v", len(all), err)
			}
			return all
		}
		_, cookie, err := f.Sessions.CreateSession(ctx, accounts.Session{UserID: f.Person.ID}, f.Person.PasswordHash)
		if err != nil {
			t.Fatal(err)
		}
		at, err := f.Users.PlanDeletion(ctx, f.Person.ID, true)
		if err != nil || !at.Equal(start.Add(accounts.DeletionDelay)) {
			t.Fatal(at, err)
		}
		if _, err := f.Users.PlanDeletion(ctx, f.Person.ID, false); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("planned twice: %v", err)
		}
		if _, _, err := f.Sessions.SessionByCookie(ctx, cookie); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a session goes on: %v", err)
		}
		f.Now = at.Add(-time.Microsecond)
		due(0)
		f.Now = at
		gone := due(1)[0]
		if !gone.DeletePosts || !gone.DeleteAt.Equal(at) {
			t.Errorf("%+v", gone)
		}

		// The person thinks again at the last moment.
		if err := f.Users.CancelDeletion(ctx, f.Person.ID); err != nil {
			t.Fatal(err)
		}
		if err := f.Users.DeleteUser(ctx, gone); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deleted although they cancelled: %v", err)
		}
		if err := f.Users.CancelDeletion(ctx, f.Person.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("cancelled twice: %v", err)
		}

		if at, err = f.Users.PlanDeletion(ctx, f.Person.ID, false); err != nil {
			t.Fatal(err)
		}
		f.Now = at
		gone = due(1)[0]
		var deleted atomic.Int64
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				switch err := f.Users.DeleteUser(ctx, gone); {
				case err == nil:
					deleted.Add(1)
				case !errors.Is(err, store.ErrNotFound):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if deleted.Load() != 1 {
			t.Errorf("deleted %d times", deleted.Load())
		}
		if _, err := f.Users.User(ctx, f.Person.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("still there: %v", err)
		}
		if _, err := f.Users.CreateUser(ctx, accounts.User{Email: f.Person.Email, PasswordHash: "x"}); err != nil {
			t.Errorf("the address cannot be used again: %v", err)
		}
	})
}

func TestADeletionIsHastened(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx := t.Context()
		if err := f.Users.HastenDeletion(ctx, "nobody", false); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an account that there is not: %v", err)
		}
		_, cookie, err := f.Sessions.CreateSession(ctx, accounts.Session{UserID: f.Person.ID}, f.Person.PasswordHash)
		if err == nil {
			err = f.Users.HastenDeletion(ctx, f.Person.ID, true)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.Sessions.SessionByCookie(ctx, cookie); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a session goes on: %v", err)
		}
		if due, err := f.Users.DueDeletions(ctx, 10); err != nil || len(due) != 1 || !due[0].DeletePosts {
			t.Errorf("due at once: %+v %v", due, err)
		}

		// One that waits already need not wait longer.
		if err := f.Users.CancelDeletion(ctx, f.Person.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Users.PlanDeletion(ctx, f.Person.ID, true); err != nil {
			t.Fatal(err)
		}
		if err := f.Users.HastenDeletion(ctx, f.Person.ID, false); err != nil {
			t.Fatal(err)
		}
		due, err := f.Users.DueDeletions(ctx, 10)
		if err != nil || len(due) != 1 || due[0].DeletePosts {
			t.Fatalf("due at once: %+v %v", due, err)
		}
		if err := f.Users.DeleteUser(ctx, due[0]); err != nil {
			t.Error(err)
		}
	})
}
