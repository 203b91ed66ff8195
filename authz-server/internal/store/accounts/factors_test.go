package accounts_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// hashes are those of n recovery codes.
func hashes(name string, n int) (all [][]byte) {
	for i := range n {
		all = append(all, fmt.Append(nil, name, i))
	}
	return all
}

// turnOn gives the person of w an app with the secret "s" and ten recovery codes, a0 to a9. The
// code of step 100 was the first.
func turnOn(t *testing.T, w *storetest.World) {
	t.Helper()
	storetest.OK(t, w.Factors.BeginTOTP(t.Context(), w.Person.ID, []byte("s")))
	storetest.OK(t, w.Factors.ConfirmTOTP(t.Context(), w.Person.ID, []byte("s"), []byte("s"), 100, hashes("a", 10)))
}

func wantNone(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("want ErrNotFound, got %v", err)
	}
}

func TestASecondStepIsOnAfterItsFirstCode(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		ctx, id := t.Context(), w.Person.ID
		_, err := w.Factors.TOTP(ctx, id)
		wantNone(t, err)
		wantNone(t, w.Factors.ReplaceRecoveryCodes(ctx, id, hashes("a", 10)))
		wantNone(t, w.Factors.RemoveTOTP(ctx, id))

		storetest.OK(t, w.Factors.BeginTOTP(ctx, id, []byte("first")))
		storetest.OK(t, w.Factors.BeginTOTP(ctx, id, []byte("s")))
		wantNone(t, w.Factors.UseTOTP(ctx, id, []byte("s"), 100))
		wantNone(t, w.Factors.ConfirmTOTP(ctx, id, []byte("first"), []byte("first"), 100, nil))
		if on, err := w.Factors.TOTP(ctx, id); err != nil || on.On || string(on.Secret) != "s" {
			t.Errorf("%+v %v", on, err)
		}
		if u, err := w.Users.User(ctx, id); err != nil || u.SecondStep {
			t.Error("it is on before its first code", err)
		}
		storetest.OK(t, w.Factors.ConfirmTOTP(ctx, id, []byte("s"), []byte("s"), 100, hashes("a", 10)))
		if on, err := w.Factors.TOTP(ctx, id); err != nil || !on.On {
			t.Errorf("%+v %v", on, err)
		}
		if u, err := w.Users.User(ctx, id); err != nil || !u.SecondStep {
			t.Error("it is not on", err)
		}
		if err := w.Factors.BeginTOTP(ctx, id, []byte("other")); !errors.Is(err, store.ErrExists) {
			t.Errorf("another app took its place: %v", err)
		}
		wantNone(t, w.Factors.ConfirmTOTP(ctx, id, []byte("s"), []byte("s"), 101, nil))

		storetest.OK(t, w.Factors.ReplaceRecoveryCodes(ctx, id, hashes("b", 10)))
		_, err = w.Factors.UseRecoveryCode(ctx, id, []byte("a1"))
		wantNone(t, err)
		if left, err := w.Factors.UseRecoveryCode(ctx, id, []byte("b1")); err != nil || left != 9 {
			t.Error(left, err)
		}

		storetest.OK(t, w.Factors.RemoveTOTP(ctx, id))
		wantNone(t, w.Factors.UseTOTP(ctx, id, []byte("s"), 200))
		_, err = w.Factors.UseRecoveryCode(ctx, id, []byte("b2"))
		wantNone(t, err)
		if u, err := w.Users.User(ctx, id); err != nil || u.SecondStep || w.Count(t, "totp") != 0 || w.Count(t, "recovery_codes") != 0 {
			t.Error("it is still on", err)
		}
	})
}

// RFC 6238 §5.2: a code is good once. An earlier one after a later one would be a replay, too.
func TestACodeIsGoodOnceAlsoAtSeveralReplicas(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		turnOn(t, w)
		ctx, id := t.Context(), w.Person.ID
		wantNone(t, w.Factors.UseTOTP(ctx, id, []byte("s"), 100)) // what turned it on
		storetest.OneWins(t, store.ErrNotFound, func(ctx context.Context, _ int) error {
			return w.Factors.UseTOTP(ctx, id, []byte("s"), 102)
		})
		for _, step := range []int64{101, 102} {
			wantNone(t, w.Factors.UseTOTP(ctx, id, []byte("s"), step))
		}
		wantNone(t, w.Factors.UseTOTP(ctx, id, []byte("another app's"), 103))
		storetest.OK(t, w.Factors.UseTOTP(ctx, id, []byte("s"), 103))
	})
}

func TestARecoveryCodeIsGoodOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		turnOn(t, w)
		storetest.OneWins(t, store.ErrNotFound, func(ctx context.Context, _ int) error {
			_, err := w.Factors.UseRecoveryCode(ctx, w.Person.ID, []byte("a3"))
			return err
		})
		other, err := w.Users.CreateUser(t.Context(), accounts.User{Email: "b@example.com"})
		storetest.OK(t, err)
		_, err = w.Factors.UseRecoveryCode(t.Context(), other.ID, []byte("a4"))
		wantNone(t, err)
		if left, err := w.Factors.RecoveryCodes(t.Context(), w.Person.ID); err != nil || left != 9 {
			t.Error(left, err)
		}
	})
}

// Of two clicks at once, one shows the codes that count.
func TestASecondStepIsTurnedOnOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		storetest.OK(t, w.Factors.BeginTOTP(t.Context(), w.Person.ID, []byte("s")))
		storetest.OneWins(t, store.ErrNotFound, func(ctx context.Context, i int) error {
			return w.Factors.ConfirmTOTP(ctx, w.Person.ID, []byte("s"), []byte("s"), 100, hashes(fmt.Sprint(i, "-"), 10))
		})
		if n := w.Count(t, "recovery_codes"); n != 10 {
			t.Errorf("%d recovery codes", n)
		}
		storetest.Winners(t, func(ctx context.Context, i int) (bool, error) {
			return true, w.Factors.ReplaceRecoveryCodes(ctx, w.Person.ID, hashes(fmt.Sprint("n", i, "-"), 10))
		})
		if n := w.Count(t, "recovery_codes"); n != 10 {
			t.Errorf("%d recovery codes after several made new ones at once", n)
		}
	})
}

func TestAnAppThatNobodyWentOnToSetUpIsForgotten(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		storetest.OK(t, w.Factors.BeginTOTP(t.Context(), w.Person.ID, []byte("s")))
		w.Now = w.Now.Add(accounts.TOTPSetup - time.Second)
		if _, err := w.Sweep(t.Context()); err != nil || w.Count(t, "totp") != 1 {
			t.Error("it is forgotten too early", err)
		}
		w.Now = w.Now.Add(time.Second)
		_, err := w.Factors.TOTP(t.Context(), w.Person.ID)
		wantNone(t, err)
		wantNone(t, w.Factors.ConfirmTOTP(t.Context(), w.Person.ID, []byte("s"), []byte("s"), 100, nil))
		if _, err := w.Sweep(t.Context()); err != nil || w.Count(t, "totp") != 0 {
			t.Error("it is kept", err)
		}
	})
}
