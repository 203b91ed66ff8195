package admin_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
)

// An operator's program that makes many accounts with passwords has them hashed one after another, so
// many wait, and nobody who logs in waits for them.
func TestManyNewPasswordsLeaveRoomForLogIns(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		h := passwords.New()
		w.Passwords = h
		working, err := h.Operators.Enter(t.Context()) // somebody's password is being hashed
		storetest.OK(t, err)
		before := w.Count(t, "users")
		waiting, giveUp := context.WithCancel(t.Context())
		const many = 80
		busy, others := make(chan error, many), sync.WaitGroup{}
		for i := range many {
			others.Go(func() {
				_, err := w.CreatePerson(waiting, writer, admin.NewPerson{
					Email: fmt.Sprintf("new%d@example.com", i), Name: "New", Password: "several unrelated wooden words",
				}, "")
				if waiting.Err() == nil {
					busy <- err
				}
			})
		}
		for range many - 32 { // all but those who can wait
			if err := <-busy; !errors.Is(err, admin.ErrBusy) {
				t.Errorf("one more: %v", err)
			}
		}
		// A command that sets a password waits like all others, and is put off.
		if err := w.SetPassword(t.Context(), machine, w.Person.ID, "several unrelated wooden words", ""); !errors.Is(err, admin.ErrBusy) {
			t.Errorf("one more: %v", err)
		}
		for name, queue := range map[string]*throttle.Queue{"log in": h.LogIn, "sign up": h.SignUp, "change their password": h.Change} {
			if right, _, err := h.Check(t.Context(), queue, "a password", ""); err != nil || right {
				t.Errorf("people who %s wait: %v", name, err)
			}
		}
		giveUp()
		others.Wait()
		working()
		if n := w.Count(t, "users"); n != before {
			t.Errorf("%d accounts of requests that were put off", n-before)
		}
		// Then it is somebody else's turn.
		made, err := w.CreatePerson(t.Context(), writer, admin.NewPerson{Email: "late@example.com", Name: "Late", Password: "several unrelated wooden words"}, "")
		storetest.OK(t, err)
		user, err := w.Users.User(t.Context(), made.ID)
		storetest.OK(t, err)
		if right, _, err := h.Check(t.Context(), h.LogIn, "several unrelated wooden words", user.PasswordHash); err != nil || !right {
			t.Error("the password is not theirs", err)
		}
	})
}
