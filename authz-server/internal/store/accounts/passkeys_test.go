package accounts_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// passkey adds a passkey of the person whose credential id is id.
func passkey(t *testing.T, w *storetest.World, id string) accounts.Passkey {
	t.Helper()
	p, err := w.Passkeys.AddPasskey(t.Context(), accounts.Passkey{UserID: w.Person.ID, CredentialID: []byte(id),
		PublicKey: []byte("key"), Name: id, Transports: []string{"internal", "hybrid"}, BackupEligible: true, SignCount: 1})
	storetest.OK(t, err)
	return p
}

// hasPasskey is what the account says.
func hasPasskey(t *testing.T, w *storetest.World) bool {
	t.Helper()
	u, err := w.Users.User(t.Context(), w.Person.ID)
	storetest.OK(t, err)
	return u.Passkey
}

func TestAPasskeyIsKeptUntilItIsRemoved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		handle, err := w.Passkeys.UserHandle(t.Context(), w.Person.ID)
		storetest.OK(t, err)
		again, err := w.Passkeys.UserHandle(t.Context(), w.Person.ID)
		storetest.OK(t, err)
		if !slices.Equal(handle, again) || len(handle) != 64 {
			t.Errorf("handles %x and %x", handle, again)
		}
		if hasPasskey(t, w) {
			t.Error("a passkey before there is one")
		}
		first, second := passkey(t, w, "first"), passkey(t, w, "second")
		if !hasPasskey(t, w) {
			t.Error("the account does not know of its passkeys")
		}
		got, user, gotHandle, err := w.Passkeys.PasskeyByCredential(t.Context(), []byte("first"))
		if err != nil || got.ID != first.ID || user.ID != w.Person.ID || !slices.Equal(gotHandle, handle) ||
			!slices.Equal(got.Transports, first.Transports) || !got.UsedAt.IsZero() || !got.CreatedAt.Equal(w.Now) {
			t.Errorf("%+v %+v %v", got, user, err)
		}
		if _, err := w.Passkeys.AddPasskey(t.Context(), accounts.Passkey{UserID: w.Person.ID, CredentialID: []byte("first"),
			PublicKey: []byte("key")}); !errors.Is(err, store.ErrExists) {
			t.Errorf("the same credential again: %v", err)
		}
		storetest.OK(t, w.Passkeys.RenamePasskey(t.Context(), w.Person.ID, second.ID, "laptop"))
		if err := w.Passkeys.RenamePasskey(t.Context(), "somebody else", second.ID, "x"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("somebody else's: %v", err)
		}
		all, err := w.Passkeys.Passkeys(t.Context(), w.Person.ID)
		if err != nil || len(all) != 2 || !slices.ContainsFunc(all, func(p accounts.Passkey) bool { return p.Name == "laptop" }) {
			t.Errorf("%+v %v", all, err)
		}
		if _, err := w.Passkeys.RemovePasskey(t.Context(), "somebody else", first.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("somebody else removes it: %v", err)
		}
		for _, one := range []accounts.Passkey{first, second} {
			if _, err := w.Passkeys.RemovePasskey(t.Context(), w.Person.ID, one.ID); err != nil {
				t.Error(err)
			}
		}
		if hasPasskey(t, w) {
			t.Error("the account has a passkey after the last one went")
		}
		if _, _, _, err := w.Passkeys.PasskeyByCredential(t.Context(), []byte("first")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("removed, and found: %v", err)
		}
	})
}

func TestAPersonHasNoMorePasskeysThanTheLimit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		won := storetest.Winners(t, func(ctx context.Context, i int) (bool, error) {
			_, err := w.Passkeys.AddPasskey(ctx, accounts.Passkey{UserID: w.Person.ID, CredentialID: fmt.Append(nil, i), PublicKey: []byte("key")})
			if errors.Is(err, accounts.ErrTooMany) {
				return false, nil
			}
			return err == nil, err
		})
		if won != accounts.MaxPasskeys {
			t.Errorf("%d were added at once", won)
		}
	})
}

func TestTheLastWayInCannotBeRemoved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		var ids []string
		for i := range 5 {
			ids = append(ids, passkey(t, w, fmt.Sprint(i)).ID)
		}
		storetest.OK(t, w.Users.ResetPassword(t.Context(), w.Person.ID, "", ""))
		won := storetest.Winners(t, func(ctx context.Context, i int) (bool, error) {
			_, err := w.Passkeys.RemovePasskey(ctx, w.Person.ID, ids[i%len(ids)])
			if errors.Is(err, accounts.ErrLastWay) || errors.Is(err, store.ErrNotFound) {
				return false, nil
			}
			return err == nil, err
		})
		if won != 4 || !hasPasskey(t, w) {
			t.Errorf("%d of 5 were removed at once from an account without a password", won)
		}
	})
}

// Of two that answer with the same counter, one has a copy of the key.
func TestACounterCountsOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		p := passkey(t, w, "counting")
		p.SignCount, p.BackedUp = 2, true
		storetest.OneWins(t, store.ErrStale, func(ctx context.Context, _ int) error { return w.Passkeys.UsePasskey(ctx, p) })
		p.SignCount = 0
		if err := w.Passkeys.UsePasskey(t.Context(), p); !errors.Is(err, store.ErrStale) {
			t.Errorf("it stopped counting: %v", err)
		}
		storetest.OK(t, w.Passkeys.NoteClone(t.Context(), p.ID))
		all, err := w.Passkeys.Passkeys(t.Context(), w.Person.ID)
		if err != nil || all[0].SignCount != 2 || !all[0].BackedUp || !all[0].UsedAt.Equal(w.Now) || !all[0].ClonedAt.Equal(w.Now) {
			t.Errorf("%+v %v", all, err)
		}
		synced := passkey(t, w, "synced")
		w.Exec(t, `UPDATE passkeys SET sign_count = 0 WHERE id = $1`, synced.ID)
		synced.SignCount = 0
		for range 2 {
			if err := w.Passkeys.UsePasskey(t.Context(), synced); err != nil {
				t.Errorf("a synced passkey does not count: %v", err)
			}
		}
		if err := w.Passkeys.UsePasskey(t.Context(), accounts.Passkey{ID: "none"}); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestACeremonyIsSpentOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		c := accounts.Ceremony{Challenge: "challenge", Browser: "browser", Purpose: accounts.Register, UserID: w.Person.ID}
		storetest.OK(t, w.Passkeys.BeginCeremony(t.Context(), c))
		for what, change := range map[string]func(c *accounts.Ceremony){
			"another browser":   func(c *accounts.Ceremony) { c.Browser = "another" },
			"another purpose":   func(c *accounts.Ceremony) { c.Purpose = accounts.Confirm },
			"another person":    func(c *accounts.Ceremony) { c.UserID = "another" },
			"another challenge": func(c *accounts.Ceremony) { c.Challenge = "another" },
		} {
			other := c
			change(&other)
			if err := w.Passkeys.SpendCeremony(t.Context(), other); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v", what, err)
			}
		}
		storetest.OneWins(t, store.ErrNotFound, func(ctx context.Context, _ int) error { return w.Passkeys.SpendCeremony(ctx, c) })
	})
}

func TestACeremonyExpires(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		c := accounts.Ceremony{Challenge: "challenge", Browser: "browser", Purpose: accounts.LogIn}
		storetest.OK(t, w.Passkeys.BeginCeremony(t.Context(), c))
		w.Now = w.Now.Add(accounts.CeremonyLifetime)
		if err := w.Passkeys.SpendCeremony(t.Context(), c); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("spent when expired: %v", err)
		}
		if n, err := w.Sweep(t.Context()); err != nil || n != 1 {
			t.Errorf("swept %d: %v", n, err)
		}
	})
}

// The first try found it and was undone; the second does not.
func TestAPasskeyThatWentMeanwhileIsNotReportedAsRemoved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		one := passkey(t, w, "one")
		if !w.UndoFirstCommit(t, "users", "DELETE FROM passkeys;") {
			return
		}
		removed, err := w.Passkeys.RemovePasskey(t.Context(), w.Person.ID, one.ID)
		if removed.ID != "" || !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%+v, %v", removed, err)
		}
	})
}
