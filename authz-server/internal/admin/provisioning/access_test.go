package provisioning_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/admin/provisioning"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// The classes of operations here.
const (
	reads   = "reads"
	makes   = "makes"
	changes = "changes"
)

// refusals are why actors may not do something; whoever is not named may.
var refusals = map[string]map[string]admin.Why{
	reads: {"weak root": admin.NeedsSecondFactor, "person": admin.ActorGone, "gone": admin.ActorGone},
	makes: {
		"weak root": admin.NeedsSecondFactor, "stale root": admin.NeedsFreshProof, "person": admin.ActorGone,
		"reader": admin.OnlyReads, "gone": admin.ActorGone,
	},
	changes: {
		"weak root": admin.NeedsSecondFactor, "stale root": admin.NeedsFreshProof, "person": admin.ActorGone,
		"reader": admin.OnlyReads, "gone": admin.ActorGone, "entra": admin.NotKept,
	},
}

// Every operation, by every kind of actor, on what okta keeps.
func TestWhoMayProvision(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		operations := map[string]struct {
			class string
			do    func(a admin.Actor, person, group, fresh string) error
		}{
			"Person": {reads, func(a admin.Actor, p, _, _ string) error {
				_, err := w.operate.Person(ctx, a, p)
				return err
			}},
			"PeopleIDs": {reads, func(a admin.Actor, _, _, _ string) error {
				_, err := w.operate.PeopleIDs(ctx, a, 1000)
				return err
			}},
			"Group": {reads, func(a admin.Actor, _, g, _ string) error {
				_, err := w.operate.Group(ctx, a, g, true)
				return err
			}},
			"GroupIDs": {reads, func(a admin.Actor, _, _, _ string) error {
				_, err := w.operate.GroupIDs(ctx, a, 1000)
				return err
			}},
			"WalkPeople": {reads, func(a admin.Actor, _, _, _ string) error {
				all := func(provisioning.Person, string) bool { return true }
				return w.operate.WalkPeople(ctx, a, provisioning.PeopleOf{}, "", all)
			}},
			"WalkGroups": {reads, func(a admin.Actor, _, _, _ string) error {
				all := func(provisioning.Group, string) bool { return true }
				return w.operate.WalkGroups(ctx, a, provisioning.GroupsOf{}, "", all)
			}},
			"CreatePerson": {makes, func(a admin.Actor, _, _, fresh string) error {
				_, err := w.operate.CreatePerson(ctx, a, provisioning.Person{Email: fresh + "@example.com", Name: "N"}, "")
				return err
			}},
			"CreateGroup": {makes, func(a admin.Actor, _, _, fresh string) error {
				_, err := w.operate.CreateGroup(ctx, a, provisioning.GroupEdit{Name: &fresh}, "")
				return err
			}},
			"EditPerson": {changes, func(a admin.Actor, p, _, fresh string) error {
				edit := func(p *provisioning.Person) error { p.Name = fresh; return nil }
				_, err := w.operate.EditPerson(ctx, a, p, "", "", edit)
				return err
			}},
			"EditGroup": {changes, func(a admin.Actor, _, g, fresh string) error {
				_, err := w.operate.EditGroup(ctx, a, g, "", provisioning.GroupEdit{Name: &fresh}, "")
				return err
			}},
			"RemovePerson": {changes, func(a admin.Actor, p, _, _ string) error {
				return w.operate.RemovePerson(ctx, a, p, "", "")
			}},
			"RemoveGroup": {changes, func(a admin.Actor, _, g, _ string) error {
				return w.operate.RemoveGroup(ctx, a, g, "", "")
			}},
		}
		n := 0
		for name, operation := range operations {
			for who, actor := range w.actors {
				n++
				person := provisioning.Person{Email: fmt.Sprintf("k%d@example.com", n), Name: "K"}
				kept, err := w.operate.CreatePerson(ctx, w.actors["okta"], person, "")
				storetest.OK(t, err)
				called := fmt.Sprintf("kept%d", n)
				group, err := w.operate.CreateGroup(ctx, w.actors["okta"], provisioning.GroupEdit{Name: &called}, "")
				storetest.OK(t, err)
				var refused *admin.Refused
				var why admin.Why
				err = operation.do(actor, kept.ID, group.ID, fmt.Sprintf("fresh%d", n))
				if errors.As(err, &refused) {
					why = refused.Why
				} else if err != nil {
					t.Errorf("%s by %s: %v", name, who, err)
				}
				if want := refusals[operation.class][who]; why != want {
					t.Errorf("%s by %s: refused by %q, want %q", name, who, why, want)
				}
			}
		}
		all := reflect.TypeFor[*provisioning.Operations]()
		for i := range all.NumMethod() {
			if name := all.Method(i).Name; operations[name].do == nil {
				t.Errorf("nobody tries %s here", name)
			}
		}
	})
}
