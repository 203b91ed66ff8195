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
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestAnInvitationMakesOneAccountHoweverManyComeAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		in, secret, err := f.Invitations.CreateInvitation(t.Context(), accounts.Invitation{ExpiresAt: f.Now.Add(time.Hour), Note: "n"})
		storetest.OK(t, err)
		storetest.OneWins(t, store.ErrNotFound, func(ctx context.Context, i int) error {
			return f.Tx(ctx, func(ctx context.Context) error {
				user, err := f.Users.CreateUser(ctx, accounts.User{Email: fmt.Sprintf("%d@example.com", i)})
				if err != nil {
					return err
				}
				_, err = f.Invitations.SpendInvitation(ctx, in.ID, user.ID, user.Email)
				return err
			})
		})
		if n := f.Count(t, "users"); n != 2 { // with the person who is there already
			t.Errorf("%d accounts", n)
		}
		got, err := f.Invitations.Invitation(t.Context(), secret)
		if err != nil || got.ID != in.ID || got.Note != "n" || got.UsedBy == "" || !got.UsedAt.Equal(f.Now) {
			t.Errorf("%+v %v", got, err)
		}
	})
}

func TestAnInvitationIsForItsAddressAndItsTime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx := t.Context()
		in, secret, err := f.Invitations.CreateInvitation(ctx,
			accounts.Invitation{Email: "Mina@Bücher.example", Mailed: true, ExpiresAt: f.Now.Add(time.Hour)})
		storetest.OK(t, err)
		for _, wrong := range []struct{ id, email string }{
			{in.ID, "other@bücher.example"}, {in.ID, ""}, {"another", "mina@bücher.example"}, {"", "mina@bücher.example"},
		} {
			if _, err := f.Invitations.SpendInvitation(ctx, wrong.id, "u", wrong.email); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%v: %v", wrong, err)
			}
		}
		f.Now = f.Now.Add(time.Hour)
		if _, err := f.Invitations.SpendInvitation(ctx, in.ID, "u", "mina@bücher.example"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after it expired: %v", err)
		}
		f.Now = f.Now.Add(-time.Second)
		_, err = f.Invitations.SpendInvitation(ctx, in.ID, "u", "mina@xn--bcher-kva.example")
		storetest.OK(t, err)
		if got, err := f.Invitations.Invitation(ctx, secret); err != nil || got.Email != "" || got.UsedBy != "u" {
			t.Errorf("it still knows the address: %+v %v", got, err)
		}
	})
}

func TestInvitationsAreListedRevokedAndForgotten(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx := t.Context()
		var secrets []string
		for i := range 3 {
			_, secret, err := f.Invitations.CreateInvitation(ctx, accounts.Invitation{Note: fmt.Sprint(i), ExpiresAt: f.Now.Add(time.Hour)})
			storetest.OK(t, err)
			secrets = append(secrets, secret)
		}
		first, err := f.Invitations.ListInvitations(ctx, "", 2)
		storetest.OK(t, err)
		rest, err := f.Invitations.ListInvitations(ctx, first[1].ID, 2)
		if err != nil || len(first) != 2 || len(rest) != 1 {
			t.Fatal(first, rest, err)
		}
		used, err := f.Invitations.Invitation(ctx, secrets[0])
		storetest.OK(t, err)
		_, err = f.Invitations.SpendInvitation(ctx, used.ID, "u", "x@example.com")
		storetest.OK(t, err)
		if _, err := f.Invitations.RevokeInvitation(ctx, used.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("one that is used: %v", err)
		}
		other, err := f.Invitations.Invitation(ctx, secrets[1])
		storetest.OK(t, err)
		gone, err := f.Invitations.RevokeInvitation(ctx, other.ID)
		storetest.OK(t, err)
		if gone.ID != other.ID || gone.Note != other.Note {
			t.Errorf("%+v", gone)
		}
		if _, err := f.Invitations.SpendInvitation(ctx, other.ID, "u", "y@example.com"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("one that is revoked: %v", err)
		}
		f.Now = f.Now.Add(accounts.InvitationRetention)
		_, err = f.Sweep(ctx)
		storetest.OK(t, err)
		if n := f.Count(t, "invitations"); n != 2 {
			t.Errorf("%d invitations are left before their time", n)
		}
		f.Now = f.Now.Add(time.Hour)
		_, err = f.Sweep(ctx)
		storetest.OK(t, err)
		if n := f.Count(t, "invitations"); n != 0 {
			t.Errorf("%d invitations are left", n)
		}
	})
}

// Those that were used, that a person made, or that have another note, stay.
func TestInvitationsOfTheMachineWithANoteAreRevoked(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx := t.Context()
		invite := func(note, by string) string {
			in, _, err := f.Invitations.CreateInvitation(ctx, accounts.Invitation{Note: note, MadeBy: by, ExpiresAt: f.Now.Add(time.Hour)})
			storetest.OK(t, err)
			return in.ID
		}
		first, second, used := invite("mine", ""), invite("mine", ""), invite("mine", "")
		invite("other", "")
		invite("mine", f.Person.ID)
		_, err := f.Invitations.SpendInvitation(ctx, used, "u", "x@example.com")
		storetest.OK(t, err)
		ids, err := f.Invitations.RevokeNoted(ctx, "mine")
		if err != nil || len(ids) != 2 || !slices.Contains(ids, first) || !slices.Contains(ids, second) {
			t.Errorf("%v %v, want %s and %s", ids, err, first, second)
		}
		if n := f.Count(t, "invitations"); n != 3 {
			t.Errorf("%d are left", n)
		}
	})
}

// Whoever finds the link later, in the log of the first start, comes too late.
func TestAnInvitationForTheFirstAdministratorMakesNoSecond(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx := t.Context()
		spend := func(note string) error {
			in, _, err := f.Invitations.CreateInvitation(ctx, accounts.Invitation{
				Note: note, Roles: []roles.Role{roles.Admin}, ExpiresAt: f.Now.Add(time.Hour)})
			storetest.OK(t, err)
			return f.Tx(ctx, func(ctx context.Context) error {
				_, err := f.Invitations.SpendInvitation(ctx, in.ID, "u", "x@example.com")
				return err
			})
		}
		storetest.OK(t, f.Store.Roles.Give(ctx, f.Person.ID, roles.Admin))
		storetest.OK(t, spend(accounts.ForFirstAdministrator)) // who has the role cannot act by it yet
		f.Exec(t, `UPDATE users SET passkey = TRUE WHERE id = '`+f.Person.ID+`'`)
		if err := spend(accounts.ForFirstAdministrator); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("there is an administrator, and another comes: %v", err)
		}
		storetest.OK(t, spend(accounts.ForAnotherAdministrator))
		storetest.OK(t, spend("of somebody's own"))
	})
}

func TestTheFirstAgreementToAVersionCounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx := t.Context()
		agreed := func(version string) bool {
			yes, err := f.Agreements.Agreed(ctx, f.Person.ID, version)
			storetest.OK(t, err)
			return yes
		}
		if agreed("1") {
			t.Error("agreed before being asked")
		}
		storetest.OK(t, f.Agreements.Agree(ctx, accounts.Agreement{UserID: f.Person.ID, Version: "1", Address: "192.0.2.1"}))
		f.Now = f.Now.Add(time.Hour)
		storetest.OK(t, f.Agreements.Agree(ctx, accounts.Agreement{UserID: f.Person.ID, Version: "1", Address: "192.0.2.2"}))
		if !agreed("1") || agreed("2") || f.Count(t, "agreements WHERE address = '192.0.2.1'") != 1 || f.Count(t, "agreements") != 1 {
			t.Error("the first is not what is kept")
		}
		all, err := f.Agreements.AgreementsOf(ctx, f.Person.ID)
		if err != nil || len(all) != 1 || all[0].Version != "1" || all[0].Address != "192.0.2.1" || !all[0].At.Equal(f.Now.Add(-time.Hour)) {
			t.Errorf("%+v %v", all, err)
		}
	})
}
