package admin_test

import (
	"context"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/admin/provisioning"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// operation is one of [rooms], by its name.
type operation struct {
	name string
	do   func(a admin.Actor) error

	machine bool // only commands do it
	reads   bool // somebody looks at a person, and gives no reason
}

// leaveNoEntry are what only reads, and why what does more is not tried with the others.
var leaveNoEntry = func() map[string]string {
	all := map[string]string{
		"Together":     "it is what its operations are",
		"RotateKeys":   "it needs a key ring: tried by TestEveryCommandThatChangesSomethingLeavesAnEntry",
		"WithdrawKeys": "the same",
	}
	for _, name := range []string{
		"Addresses", "AdministrativeClient", "Attention", "CheckClient", "Client", "ClientSecrets", "CheckNewUpstream", "ConsentsTo", "DayInHours",
		"Deliveries", "Find", "GrantsTo", "Group", "GroupNamed", "Groups", "GroupsWith", "HeldBack", "Identity", "InitialTokens", "ManagesItself",
		"Invitation", "Invitations", "IsAdministrator", "Keys", "LatestFailures", "ListClients", "ListResources", "ListUpstreams", "MemberAccounts", "Members",
		"MonthInDays", "People", "ProposedUpstream", "Resource", "RoleDefinition", "RoleDefinitions",
		"SettingsInForce", "StreamDetail", "Streams", "Upstream", "UpstreamPeople",
	} {
		all[name] = "it reads"
	}
	for _, name := range []string{"Group", "GroupIDs", "PeopleIDs", "Person", "WalkGroups", "WalkPeople"} {
		all["provisioning."+name] = "it reads"
	}
	return all
}()

// otherOperations are those that commands, directories and receivers of events have, and what notes who
// looked at a person.
func otherOperations(t *testing.T, w *world, reason string) []operation {
	t.Helper()
	ctx := t.Context()
	person := w.Another(t, "other@example.com")
	passkey, err := w.Passkeys.AddPasskey(ctx, accounts.Passkey{UserID: person.ID, Name: "phone", PublicKey: []byte("k"), CredentialID: []byte("c")})
	storetest.OK(t, err)
	_, err = w.CreateClient(ctx, machine, "desk", client.Patch{"client_name": "d", "grant_types": []string{"client_credentials"}, "scope": "ssf.read"}, "")
	storetest.OK(t, err)
	for _, id := range []string{"one", "two"} {
		storetest.OK(t, w.Outbox.Add(ctx, outbox.Item{ID: id, Kind: admin.LogoutQueue, Lane: "app", Payload: []byte("x")}))
		w.Exec(t, `UPDATE outbox SET given_up_at = 5 WHERE id = '`+id+`'`)
	}
	directory := provisioning.New(w.Admin)
	var provisioned provisioning.Person
	var group provisioning.Group
	name, disabled, email := "Provisioned", true, "changed@example.com"
	return []operation{
		{name: "Known", reads: true, do: func(a admin.Actor) error { _, err := w.Known(ctx, a, person.ID); return err }},
		{name: "SessionsOf", reads: true, do: func(a admin.Actor) error { _, err := w.SessionsOf(ctx, a, person.ID); return err }},
		{name: "IdentitiesOf", reads: true, do: func(a admin.Actor) error { _, err := w.IdentitiesOf(ctx, a, person.ID); return err }},
		{name: "ConsentsOf", reads: true, do: func(a admin.Actor) error { _, err := w.ConsentsOf(ctx, a, person.ID); return err }},
		{name: "GrantsOf", reads: true, do: func(a admin.Actor) error { _, err := w.GrantsOf(ctx, a, person.ID, "", 0); return err }},
		{name: "Profile", reads: true, do: func(a admin.Actor) error { _, _, err := w.Profile(ctx, a, person.ID); return err }},
		{name: "Log", reads: true, do: func(a admin.Actor) error { _, err := w.Log(ctx, a, admin.LogQuery{Person: person.ID}); return err }},
		{name: "ChangePerson", do: func(a admin.Actor) error {
			return w.ChangePerson(ctx, a, person.ID, "", admin.PersonChange{Email: &email}, reason)
		}},
		{name: "RemovePasskey", do: func(a admin.Actor) error { return w.RemovePasskey(ctx, a, person.ID, passkey.ID, reason) }},
		{name: "SetPassword", machine: true, do: func(a admin.Actor) error {
			return w.SetPassword(ctx, a, person.ID, "several unrelated wooden words", reason)
		}},
		{name: "ResetLink", machine: true, do: func(a admin.Actor) error { _, err := w.ResetLink(ctx, a, person.ID, time.Hour, reason); return err }},
		{name: "AdoptPerson", machine: true, do: func(a admin.Actor) error {
			_, err := w.AdoptPerson(ctx, a, accounts.User{Email: "adopted@example.com", Name: "A"}, reason)
			return err
		}},
		{name: "Bootstrap", machine: true, do: func(a admin.Actor) error {
			a.Force = true
			_, _, err := w.Bootstrap(ctx, a, reason)
			return err
		}},
		{name: "provisioning.CreatePerson", do: func(a admin.Actor) (err error) {
			provisioned, err = directory.CreatePerson(ctx, a, provisioning.Person{Email: "p@example.com", Name: "P"}, reason)
			return err
		}},
		{name: "provisioning.EditPerson", do: func(a admin.Actor) error {
			_, err := directory.EditPerson(ctx, a, provisioned.ID, "", reason, func(p *provisioning.Person) error { p.Name = "Q"; return nil })
			return err
		}},
		{name: "provisioning.CreateGroup", do: func(a admin.Actor) (err error) {
			group, err = directory.CreateGroup(ctx, a, provisioning.GroupEdit{Name: &name}, reason)
			return err
		}},
		{name: "provisioning.EditGroup", do: func(a admin.Actor) error {
			_, err := directory.EditGroup(ctx, a, group.ID, "", provisioning.GroupEdit{Members: map[string]bool{provisioned.ID: true}}, reason)
			return err
		}},
		{name: "provisioning.RemoveGroup", do: func(a admin.Actor) error { return directory.RemoveGroup(ctx, a, group.ID, "", reason) }},
		{name: "provisioning.RemovePerson", do: func(a admin.Actor) error {
			return directory.RemovePerson(ctx, a, provisioned.ID, "", reason)
		}},
		{name: "ChangeClient", do: func(a admin.Actor) error {
			_, err := w.ChangeClient(ctx, a, "desk", "", nil, &disabled, reason)
			return err
		}},
		{name: "ReplaceClient", do: func(a admin.Actor) error {
			_, err := w.ReplaceClient(ctx, a, "desk", "", []byte(`{"client_id":"desk","client_name":"e","grant_types":["client_credentials"],"scope":"ssf.read"}`), reason)
			if err == nil {
				err = w.EnableClient(ctx, a, "desk", reason)
			}
			return err
		}},
		{name: "ImportClients", machine: true, do: func(a admin.Actor) error {
			_, err := w.ImportClients(ctx, a, []byte(`{"client_id":"imported","client_name":"i","grant_types":["client_credentials"],"scope":"user:lookup"}`), reason)
			return err
		}},
		{name: "RetryDelivery", do: func(a admin.Actor) error { return w.RetryDelivery(ctx, a, admin.LogoutQueue, "one", reason) }},
		{name: "DropDelivery", do: func(a admin.Actor) error { return w.DropDelivery(ctx, a, admin.LogoutQueue, "two", reason) }},
		{name: "GiveRole", do: func(a admin.Actor) error {
			return w.Together(ctx, func(ctx context.Context) error { return w.GiveRole(ctx, a, person.ID, roles.Moderator, reason) })
		}},
	}
}
