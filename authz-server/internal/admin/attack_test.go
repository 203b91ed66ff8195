package admin_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// Of two who start a server anew at the same moment, and lose the output of one of them, nobody can come
// later by the other link.
func TestOfLinksMadeAtOnceTheLastOneWorks(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const at, most = 8, 4
		forced := machine
		forced.Force = true
		for range most {
			var all sync.WaitGroup
			for range at {
				all.Go(func() {
					if _, _, err := w.Bootstrap(t.Context(), forced, ""); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			left, err := w.Store.Invitations.ListInvitations(t.Context(), "", 100)
			storetest.OK(t, err)
			if len(left) != 1 {
				t.Fatalf("%d links work", len(left))
			}
		}
		withdrawn, err := audit.New(w.Store).List(t.Context(), auditlog.Filter{Kind: string(audit.InvitationWithdrawn), Limit: 100})
		if err != nil || len(withdrawn) != at*most-1 {
			t.Errorf("the log says that %d were withdrawn: %v", len(withdrawn), err)
		}
	})
}

// An administrator who is thrown out must not come back by a link that they made before.
func TestAnInvitationOfAFormerAdministratorMakesNone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		for name, end := range map[string]func(t *testing.T, maker accounts.User){
			"role": func(t *testing.T, maker accounts.User) {
				storetest.OK(t, w.TakeRole(ctx, machine, maker.ID, roles.Admin, ""))
			},
			"disabled": func(t *testing.T, maker accounts.User) { storetest.OK(t, w.DisablePerson(ctx, machine, maker.ID, "")) },
			"leaves": func(t *testing.T, maker accounts.User) {
				_, err := w.DeletePerson(ctx, machine, maker.ID, admin.DeletionWish{}, "")
				storetest.OK(t, err)
			},
		} {
			maker := w.administrator(t, name+"@example.com")
			in, _, err := w.Invite(ctx, w.actor(t, maker), admin.NewInvitation{Lifetime: time.Hour, Roles: []roles.Role{roles.Admin}}, "")
			storetest.OK(t, err)
			plain, _, err := w.Invite(ctx, w.actor(t, maker), admin.NewInvitation{Lifetime: time.Hour, Roles: []roles.Role{roles.Moderator}}, "")
			storetest.OK(t, err)
			spend := func(id string) error {
				undo := errors.New("undo")
				err := w.World.Tx(ctx, func(ctx context.Context) error {
					if _, err := w.World.Invitations.SpendInvitation(ctx, id, w.Root.ID, "x@example.com"); err != nil {
						return err
					}
					return undo
				})
				if errors.Is(err, undo) {
					return nil
				}
				return err
			}
			if err := spend(in.ID); err != nil {
				t.Errorf("%s: before: %v", name, err)
			}
			end(t, maker)
			if err := spend(in.ID); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: it makes an administrator still: %v", name, err)
			}
			if err := spend(plain.ID); err != nil { // a role that they gave stays, too
				t.Errorf("%s: another role: %v", name, err)
			}
		}
		// In a group, they still are one; and the machine's link needs nobody.
		maker := w.administrator(t, "group@example.com")
		g, err := w.CreateGroup(ctx, machine, "administrators", "", "")
		storetest.OK(t, err)
		storetest.OK(t, w.GiveGroup(ctx, machine, g.ID, roles.Admin, ""))
		storetest.OK(t, w.Join(ctx, machine, g.ID, maker.ID, ""))
		in, _, err := w.Invite(ctx, w.actor(t, maker), admin.NewInvitation{Lifetime: time.Hour, Roles: []roles.Role{roles.Admin}}, "")
		storetest.OK(t, err)
		storetest.OK(t, w.TakeRole(ctx, machine, maker.ID, roles.Admin, ""))
		if _, err := w.World.Invitations.SpendInvitation(ctx, in.ID, w.Root.ID, "x@example.com"); err != nil {
			t.Error("by a group:", err)
		}
	})
}

func TestAnInvitationThatMakesAnAdministratorWorksForAWeek(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in := admin.NewInvitation{Lifetime: admin.MaxAdministrators + time.Second, Roles: []roles.Role{roles.Admin}}
		var wrong *admin.FieldError
		if _, _, err := w.Invite(t.Context(), w.root, in, ""); !errors.As(err, &wrong) || wrong.Field != "expires_in" {
			t.Error(err)
		}
		in.Roles = nil
		if _, _, err := w.Invite(t.Context(), w.root, in, ""); err != nil {
			t.Error(err)
		}
	})
}

func TestServicesWithdrawNoInvitationThatMakesAnAdministrator(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		writer := admin.Actor{Kind: admin.Client, ID: "writer", Name: "writer", Rights: admin.Writing}
		in, _, err := w.Invite(ctx, w.root, admin.NewInvitation{Lifetime: time.Hour, Roles: []roles.Role{roles.Admin}}, "")
		storetest.OK(t, err)
		var refused *admin.Refused
		if err := w.WithdrawInvitation(ctx, writer, in.ID, ""); !errors.As(err, &refused) || refused.Why != admin.NeedsPerson {
			t.Error("a service withdraws it:", err)
		}
		if all, err := w.World.Invitations.ListInvitations(ctx, "", 10); err != nil || len(all) != 1 {
			t.Errorf("%+v %v", all, err)
		}
		plain, _, err := w.Invite(ctx, w.root, admin.NewInvitation{Lifetime: time.Hour}, "")
		storetest.OK(t, err)
		storetest.OK(t, w.WithdrawInvitation(ctx, writer, plain.ID, ""))
		storetest.OK(t, w.WithdrawInvitation(ctx, w.root, in.ID, ""))
	})
}

// The log of a person says where they were, and when: nobody looks at that unseen.
func TestWhoReadsAPersonsLogIsInIt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, q := t.Context(), admin.LogQuery{Person: w.Person.ID}
		for want := range 3 {
			page, err := w.Log(ctx, w.root, q)
			storetest.OK(t, err)
			views := 0
			for _, e := range page.Items {
				if e.Kind == audit.UserViewed && e.Actor.ID == w.Root.ID && e.Detail["what"] == "audit log" {
					views++
				}
			}
			if views != want {
				t.Errorf("%d views of before, not %d", views, want)
			}
		}
		for _, q := range []admin.LogQuery{{}, {Person: "nobody"}, {Person: w.Person.ID, After: "f"}} {
			if _, err := w.Log(ctx, w.root, q); err != nil {
				t.Errorf("%+v: %v", q, err)
			}
		}
		page, err := w.Log(ctx, w.root, admin.LogQuery{Kind: audit.UserViewed})
		if err != nil || len(page.Items) != 3 {
			t.Errorf("%d views, %v", len(page.Items), err)
		}
	})
}
