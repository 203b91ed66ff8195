package admin_test

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/admin/provisioning"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

// rooms have the types whose methods are operations, by what their names begin with here.
var rooms = map[string]reflect.Type{"": reflect.TypeFor[*admin.Admin](), "provisioning.": reflect.TypeFor[*provisioning.Operations]()}

// Whatever stands on package admin has operations: the test below must know its type.
func TestEveryRoomOfOperationsIsKnown(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*/*.go")
	storetest.OK(t, err)
	found := map[string]bool{"": true}
	for _, name := range files {
		text, err := os.ReadFile(name)
		storetest.OK(t, err)
		if !strings.HasSuffix(name, "_test.go") && strings.Contains(string(text), `/internal/admin"`) {
			found[filepath.Dir(name)+"."] = true
		}
	}
	if !maps.EqualFunc(found, rooms, func(bool, reflect.Type) bool { return true }) {
		t.Errorf("%v have operations, and %v are known", found, rooms)
	}
}

// A new operation that changes something has to be added here, or in [otherOperations], and to leave an
// entry.
func TestEveryOperationSaysWhoDidItAndWhy(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, id := t.Context(), w.Person.ID
		const reason = "because"
		var group admin.Group
		var token string
		var invitation string
		var stream streams.Stream
		w.Exec(t, `INSERT INTO totp (user_id, secret, confirmed_at, last_step, created_at) VALUES ('`+id+`', CAST('x' AS BYTEA), 1, 0, 1)`)
		w.Exec(t, `UPDATE users SET second_step = TRUE WHERE id = '`+id+`'`)
		w.Code(t, "g1", true)
		tried := map[string]bool{}
		for _, one := range append([]operation{
			{name: "CreatePerson", do: func(a admin.Actor) error {
				_, err := w.CreatePerson(ctx, a, admin.NewPerson{Email: "new@example.com", Name: "New"}, reason)
				return err
			}},
			{name: "EditPerson", do: func(a admin.Actor) error { return w.EditPerson(ctx, a, id, "", []byte(`{"nickname":"a"}`), reason) }},
			{name: "SetEmail", do: func(a admin.Actor) error { return w.SetEmail(ctx, a, id, "b@example.com", true, reason) }},
			{name: "GiveRole", do: func(a admin.Actor) error { return w.GiveRole(ctx, a, id, roles.Moderator, reason) }},
			{name: "TakeRole", do: func(a admin.Actor) error { return w.TakeRole(ctx, a, id, roles.Moderator, reason) }},
			{name: "SetRoles", do: func(a admin.Actor) error {
				_, err := w.SetRoles(ctx, a, id, []roles.Role{roles.Moderator}, reason)
				return err
			}},
			{name: "RevokeGrant", do: func(a admin.Actor) error { return w.RevokeGrant(ctx, a, admin.Parties{}, "g1", reason) }},
			{name: "WithdrawConsent", do: func(a admin.Actor) error { return w.WithdrawConsent(ctx, a, id, "app", reason) }},
			{name: "EndSession", do: func(a admin.Actor) error { return w.EndSession(ctx, a, id, w.Session.ID, reason) }},
			{name: "EndSessions", do: func(a admin.Actor) error { return w.EndSessions(ctx, a, id, reason) }},
			{name: "RemoveFactors", do: func(a admin.Actor) error { return w.RemoveFactors(ctx, a, id, reason) }},
			{name: "SendReset", do: func(a admin.Actor) error { return w.SendReset(ctx, a, id, reason) }},
			{name: "Unlock", do: func(a admin.Actor) error { _, err := w.Unlock(ctx, a, id, reason); return err }},
			{name: "UnlockAddress", do: func(a admin.Actor) error { _, err := w.UnlockAddress(ctx, a, "203.0.113.1", reason); return err }},
			{name: "CreateGroup", do: func(a admin.Actor) (err error) { group, err = w.CreateGroup(ctx, a, "Team", "", reason); return err }},
			{name: "EditGroup", do: func(a admin.Actor) error {
				_, err := w.EditGroup(ctx, a, group.ID, group.Version, "Team 2", "x", reason)
				return err
			}},
			{name: "GiveGroup", do: func(a admin.Actor) error { return w.GiveGroup(ctx, a, group.ID, roles.Moderator, reason) }},
			{name: "SetGroupRoles", do: func(a admin.Actor) error {
				_, err := w.SetGroupRoles(ctx, a, group.ID, []roles.Role{roles.Moderator, {Resource: "admin", Name: "admin"}}, reason)
				if err == nil {
					_, err = w.SetGroupRoles(ctx, a, group.ID, []roles.Role{roles.Moderator}, reason)
				}
				return err
			}},
			{name: "Join", do: func(a admin.Actor) error { return w.Join(ctx, a, group.ID, id, reason) }},
			{name: "Leave", do: func(a admin.Actor) error { return w.Leave(ctx, a, group.ID, id, reason) }},
			{name: "EntrustPerson", do: func(a admin.Actor) error { return w.EntrustPerson(ctx, a, id, "directory", reason) }},
			{name: "EntrustGroup", do: func(a admin.Actor) error { return w.EntrustGroup(ctx, a, group.ID, "directory", reason) }},
			{name: "TakeGroup", do: func(a admin.Actor) error { return w.TakeGroup(ctx, a, group.ID, roles.Moderator, reason) }},
			{name: "RemoveGroup", do: func(a admin.Actor) error { return w.RemoveGroup(ctx, a, group.ID, reason) }},
			{name: "DefineRole", do: func(a admin.Actor) error {
				return w.DefineRole(ctx, a, roles.Definition{Role: roles.Role{Resource: "board", Name: "writer"}, Scopes: []string{"board:write"}}, reason)
			}},
			{name: "RedefineRole", do: func(a admin.Actor) error {
				text := "Writes."
				return w.RedefineRole(ctx, a, roles.Role{Resource: "board", Name: "writer"}, "", admin.RoleChange{Description: &text}, reason)
			}},
			{name: "UndefineRole", do: func(a admin.Actor) error {
				return w.UndefineRole(ctx, a, roles.Role{Resource: "board", Name: "writer"}, reason)
			}},
			{name: "CreateResource", do: func(a admin.Actor) error { return w.CreateResource(ctx, a, orders, reason) }},
			{name: "UpdateResource", do: func(a admin.Actor) error { return w.UpdateResource(ctx, a, "", orders, reason) }},
			{name: "DeleteResource", do: func(a admin.Actor) error { return w.DeleteResource(ctx, a, orders.Name, reason) }},
			{name: "CreateUpstream", do: func(a admin.Actor) error {
				_, err := w.CreateUpstream(ctx, a, admin.NewUpstream{Name: "google", Settings: upstream.Settings{Preset: "google", ClientID: "x"}, Secret: "s"}, reason)
				return err
			}},
			{name: "UpdateUpstream", do: func(a admin.Actor) error {
				_, err := w.UpdateUpstream(ctx, a, "google", "", admin.UpstreamChange{Secret: "t"}, reason)
				return err
			}},
			{name: "UnlinkIdentity", do: func(a admin.Actor) error {
				one, err := w.Store.Upstreams.Link(ctx, upstreams.Identity{Upstream: "google", Subject: "1", UserID: id})
				if err == nil {
					err = w.UnlinkIdentity(ctx, a, id, one.ID, true, reason)
				}
				return err
			}},
			{name: "CreateStream", do: func(a admin.Actor) (err error) {
				_, err = w.CreateClient(ctx, a, "listens", client.Patch{"client_name": "n", "grant_types": []string{"client_credentials"}, "scope": "ssf.read"}, reason)
				if err == nil {
					stream, err = w.CreateStream(ctx, a, w.rules(t), admin.NewStream{ClientID: "listens"}, reason)
				}
				return err
			}},
			{name: "UpdateStream", do: func(a admin.Actor) error {
				return w.UpdateStream(ctx, a, w.rules(t), stream.ID, "", admin.StreamChange{Events: streams.Types[:1]}, reason)
			}},
			{name: "VerifyStream", do: func(a admin.Actor) error { return w.VerifyStream(ctx, a, stream.ID, reason) }},
			{name: "SetStreamStatus", do: func(a admin.Actor) error { return w.SetStreamStatus(ctx, a, stream.ID, streams.Paused, "", reason) }},
			{name: "RetryStream", do: func(a admin.Actor) error { _, err := w.RetryStream(ctx, a, stream.ID, reason); return err }},
			{name: "DeleteStream", do: func(a admin.Actor) error { return w.DeleteStream(ctx, a, stream.ID, nil, reason) }},
			{name: "DeleteUpstream", do: func(a admin.Actor) error { return w.DeleteUpstream(ctx, a, "google", true, reason) }},
			{name: "CreateClient", do: func(a admin.Actor) error {
				_, err := w.CreateClient(ctx, a, "made", client.Patch{"client_name": "n", "grant_types": []string{"client_credentials"}}, reason)
				return err
			}},
			{name: "UpdateClient", do: func(a admin.Actor) error {
				_, err := w.UpdateClient(ctx, a, "made", "", client.Patch{"client_name": "m"}, reason)
				return err
			}},
			{name: "RotateSecret", do: func(a admin.Actor) error { _, err := w.RotateSecret(ctx, a, "made", 0, reason); return err }},
			{name: "RotateCompromised", do: func(a admin.Actor) error { _, err := w.RotateCompromised(ctx, a, "made", reason); return err }},
			{name: "RotateRegistrationToken", do: func(a admin.Actor) error {
				w.Exec(t, `INSERT INTO registration_tokens (client_id, token_hash) VALUES ('made', CAST('x' AS BYTEA))`)
				_, err := w.RotateRegistrationToken(ctx, a, "made", reason)
				return err
			}},
			{name: "DisableClient", do: func(a admin.Actor) error { return w.DisableClient(ctx, a, "made", reason) }},
			{name: "EnableClient", do: func(a admin.Actor) error { return w.EnableClient(ctx, a, "made", reason) }},
			{name: "DeleteClient", do: func(a admin.Actor) error { _, err := w.DeleteClient(ctx, a, "made", reason); return err }},
			{name: "CreateInitialToken", do: func(a admin.Actor) error {
				_, _, err := w.CreateInitialToken(ctx, a, directory.InitialToken{Uses: 1, Lifetime: admin.MaxResetLink}, reason)
				return err
			}},
			{name: "WithdrawInitialToken", do: func(a admin.Actor) error {
				page, err := w.InitialTokens(ctx, a, "", 0)
				if err == nil {
					token = page.Items[0].ID
					err = w.WithdrawInitialToken(ctx, a, token, reason)
				}
				return err
			}},
			{name: "Invite", do: func(a admin.Actor) error {
				made, _, err := w.Invite(ctx, a, admin.NewInvitation{Lifetime: admin.MaxResetLink, Roles: []roles.Role{roles.Moderator}}, reason)
				invitation = made.ID
				return err
			}},
			{name: "WithdrawInvitation", do: func(a admin.Actor) error { return w.WithdrawInvitation(ctx, a, invitation, reason) }},
			{name: "RetryAll", do: func(a admin.Actor) error { _, err := w.RetryAll(ctx, a, admin.MailQueue, reason); return err }},
			{name: "DeletePerson", do: func(a admin.Actor) error {
				_, err := w.DeletePerson(ctx, a, id, admin.DeletionWish{}, reason)
				return err
			}},
			{name: "KeepPerson", do: func(a admin.Actor) error { return w.KeepPerson(ctx, a, id, reason) }},
			{name: "DisablePerson", do: func(a admin.Actor) error { return w.DisablePerson(ctx, a, id, reason) }},
			{name: "EnablePerson", do: func(a admin.Actor) error { return w.EnablePerson(ctx, a, id, reason) }},
			{name: "DeletePerson", do: func(a admin.Actor) error {
				_, err := w.DeletePerson(ctx, a, id, admin.DeletionWish{Now: true}, reason)
				return err
			}},
		}, otherOperations(t, w, reason)...) {
			tried[one.name] = true
			before := w.Count(t, "audit_log")
			actor := w.root
			if one.machine {
				actor = machine
			}
			if err := one.do(actor); err != nil {
				t.Errorf("%s: %v", one.name, err)
				continue
			}
			fresh := w.Count(t, "audit_log") - before
			if fresh == 0 {
				t.Errorf("%s leaves no entry", one.name)
				continue
			}
			said := false
			for _, e := range w.log(t, fresh) {
				if one.machine {
					if e.Actor.Kind != audit.Machine || e.Proof != "command" || e.Reason != reason && !one.reads {
						t.Errorf("%s: %+v", one.name, e)
					}
				} else if e.Actor.ID != w.Root.ID || e.From != "203.0.113.7" || e.Proof != "2" || e.Reason != reason && !one.reads {
					t.Errorf("%s: %+v", one.name, e)
				}
				said = true
			}
			if !said {
				t.Errorf("%s is not in the log", one.name)
			}
		}
		for room, all := range rooms {
			for i := range all.NumMethod() {
				name := room + all.Method(i).Name
				_, not := leaveNoEntry[name]
				if tried[name] == not {
					t.Errorf("%s: is it tried here (%t), or does it leave no entry (%t)?", name, tried[name], not)
				}
				delete(tried, name)
			}
		}
		for name := range tried {
			t.Errorf("there is no operation %s", name)
		}
	})
}

func TestADirectoryProvisionsOrdinaryPeopleAndGroupsAlone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		made, err := w.CreatePerson(ctx, scim, admin.NewPerson{Email: "new@example.com", Name: "New"}, "")
		storetest.OK(t, err)
		if _, err := w.CreatePerson(ctx, scim, admin.NewPerson{Email: "m@example.com", Name: "M", Roles: []roles.Role{roles.Moderator}}, ""); why(err) != admin.NoRight {
			t.Errorf("a directory gives roles: %v", err)
		}
		storetest.OK(t, w.EditPerson(ctx, scim, made.ID, "", []byte(`{"given_name":"N"}`), ""))
		storetest.OK(t, w.DisablePerson(ctx, scim, made.ID, ""))
		storetest.OK(t, w.EnablePerson(ctx, scim, made.ID, ""))
		group, err := w.CreateGroup(ctx, scim, "Team", "ext", "")
		storetest.OK(t, err)
		operators, err := w.CreateGroup(ctx, machine, "Staff", "", "")
		storetest.OK(t, err)
		for name, err := range map[string]error{
			"somebody else's account is changed": w.EditPerson(ctx, scim, w.Person.ID, "", []byte(`{"name":"X"}`), ""),
			"and disabled":                       w.DisablePerson(ctx, scim, w.Person.ID, ""),
			"and deleted":                        func() error { _, err := w.DeletePerson(ctx, scim, w.Person.ID, admin.DeletionWish{}, ""); return err }(),
			"and joins a group":                  w.Join(ctx, scim, group.ID, w.Person.ID, ""),
			"another's group gets a member":      w.Join(ctx, scim, operators.ID, made.ID, ""),
			"and goes":                           w.RemoveGroup(ctx, scim, operators.ID, ""),
		} {
			if why(err) != admin.NotKept {
				t.Errorf("%s: %v", name, err)
			}
		}
		storetest.OK(t, w.Join(ctx, scim, group.ID, made.ID, ""))
		if err := w.GiveGroup(ctx, scim, group.ID, roles.Moderator, ""); why(err) != admin.NoRight {
			t.Errorf("a directory gives a group a role: %v", err)
		}
		for name, err := range map[string]error{
			"an administrator joins":         w.Join(ctx, scim, group.ID, w.Root.ID, ""),
			"an administrator is disabled":   w.DisablePerson(ctx, scim, w.Root.ID, ""),
			"an administrator is renamed":    w.EditPerson(ctx, scim, w.Root.ID, "", []byte(`{"name":"X"}`), ""),
			"an administrator has a mailbox": w.SetEmail(ctx, scim, w.Root.ID, "x@example.com", true, ""),
		} {
			if why(err) != admin.NeedsPerson {
				t.Errorf("%s: %v", name, err)
			}
		}
		storetest.OK(t, w.EntrustPerson(ctx, machine, w.Person.ID, "directory", ""))
		storetest.OK(t, w.GiveGroup(ctx, machine, group.ID, roles.Admin, ""))
		for name, err := range map[string]error{
			"somebody joins administrators":  w.Join(ctx, scim, group.ID, w.Person.ID, ""),
			"an administrator leaves":        w.Leave(ctx, scim, group.ID, made.ID, ""),
			"their group is renamed":         func() error { _, err := w.EditGroup(ctx, scim, group.ID, "", "X", "", ""); return err }(),
			"their group goes":               w.RemoveGroup(ctx, scim, group.ID, ""),
			"a service takes the group away": w.RemoveGroup(ctx, writer, group.ID, ""),
			"a service takes its role":       w.TakeGroup(ctx, writer, group.ID, roles.Admin, ""),
			"a service crowns a group":       w.GiveGroup(ctx, writer, group.ID, roles.Admin, ""),
			"a service lets somebody join":   w.Join(ctx, writer, group.ID, w.Person.ID, ""),
			"a service undefines admin":      w.UndefineRole(ctx, writer, roles.Admin, ""),
			"a service defines admin roles":  w.DefineRole(ctx, writer, roles.Definition{Role: roles.Role{Resource: "admin", Name: "x"}}, ""),
		} {
			if why(err) != admin.NeedsPerson {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, _, err := w.Invite(ctx, writer, admin.NewInvitation{Lifetime: admin.MaxResetLink, Roles: []roles.Role{roles.Admin}}, ""); why(err) != admin.NeedsPerson {
			t.Errorf("a service invites an administrator: %v", err)
		}
		if _, err := w.Known(ctx, scim, made.ID); why(err) != admin.NoRight {
			t.Errorf("a directory sees everything of a person: %v", err)
		}
	})
}

// A group that makes administrators is taken away with the last of them.
func TestTheLastAdministratorStaysInTheirGroup(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		group, err := w.CreateGroup(ctx, machine, "Operators", "", "")
		storetest.OK(t, err)
		storetest.OK(t, w.GiveGroup(ctx, machine, group.ID, roles.Admin, ""))
		storetest.OK(t, w.Join(ctx, machine, group.ID, w.Root.ID, ""))
		storetest.OK(t, w.TakeRole(ctx, w.root, w.Root.ID, roles.Admin, "")) // they still have it by the group
		for name, err := range map[string]error{
			"leaving":     w.Leave(ctx, w.root, group.ID, w.Root.ID, ""),
			"removing":    w.RemoveGroup(ctx, w.root, group.ID, ""),
			"taking away": w.TakeGroup(ctx, w.root, group.ID, roles.Admin, ""),
			"disabling":   w.DisablePerson(ctx, w.root, w.Root.ID, ""),
		} {
			if why(err) != admin.LastAdministrator {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
