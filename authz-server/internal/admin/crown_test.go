package admin_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

// Somebody who planted a way into an ordinary account does not wait there until it gets power over
// the server: nobody is in it then, and its person is told.
func TestWhoBecomesAnAdministratorIsLoggedOutAndTold(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		crew, err := w.CreateGroup(ctx, w.root, "Crew", "", "")
		storetest.OK(t, err)
		crowned, err := w.CreateGroup(ctx, w.root, "Crowned", "", "")
		storetest.OK(t, err)
		storetest.OK(t, w.GiveGroup(ctx, w.root, crowned.ID, roles.Admin, ""))
		both := w.Another(t, "both@example.com")
		storetest.OK(t, w.GiveRole(ctx, w.root, both.ID, roles.Admin, ""))
		storetest.OK(t, w.Join(ctx, w.root, crew.ID, both.ID, ""))
		open := func(user accounts.User) string {
			t.Helper()
			session, _, err := w.Sessions.CreateSession(ctx, accounts.Session{UserID: user.ID, ACR: "1"}, user.PasswordHash)
			storetest.OK(t, err)
			return session.ID
		}
		ofBoth := open(both)
		told := func(user accounts.User) int {
			t.Helper()
			entries, err := w.Store.Audit.List(ctx, auditlog.Filter{UserID: user.ID, Limit: 100})
			storetest.OK(t, err)
			n := 0
			for _, e := range entries {
				if e.Kind == string(audit.UserCrowned) {
					n++
				}
			}
			return n
		}
		for name, crown := range map[string]func(id string) error{
			"a role": func(id string) error { return w.GiveRole(ctx, w.root, id, roles.Admin, "") },
			"all roles": func(id string) error {
				_, err := w.SetRoles(ctx, w.root, id, []roles.Role{roles.Admin}, "")
				return err
			},
			"a group": func(id string) error { return w.Join(ctx, w.root, crowned.ID, id, "") },
			"their group": func(id string) error {
				return errors.Join(w.Join(ctx, w.root, crew.ID, id, ""), w.GiveGroup(ctx, w.root, crew.ID, roles.Admin, ""))
			},
			"their group's roles": func(id string) error {
				other, err := w.CreateGroup(ctx, w.root, "Others", "", "")
				storetest.OK(t, err)
				storetest.OK(t, w.Join(ctx, w.root, other.ID, id, ""))
				_, err = w.SetGroupRoles(ctx, w.root, other.ID, []roles.Role{roles.Admin}, "")
				return err
			},
		} {
			user := w.Another(t, "p"+name[:3]+name[len(name)-4:]+"@example.com")
			session := open(user)
			storetest.OK(t, w.GiveRole(ctx, w.root, user.ID, roles.Moderator, ""))
			if _, err := w.Sessions.Session(ctx, session); err != nil || told(user) != 0 {
				t.Errorf("%s: an ordinary role: %v, told %d times", name, err, told(user))
			}
			storetest.OK(t, crown(user.ID))
			if _, err := w.Sessions.Session(ctx, session); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: the session of before: %v", name, err)
			}
			if told(user) != 1 {
				t.Errorf("%s: told %d times", name, told(user))
			}
		}
		if _, err := w.Sessions.Session(ctx, ofBoth); err != nil || told(both) != 1 {
			t.Errorf("who was an administrator before their group made some: %v, told %d times", err, told(both))
		}
		if _, err := w.Sessions.Session(ctx, w.root.SessionID); err != nil {
			t.Errorf("the session of whoever did it: %v", err)
		}
	})
}

// Whoever had a client's secret may have turned the client's events to an address of theirs.
func TestAStreamOfACompromisedClientWaits(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		for id, endpoint := range map[string]string{"pushed": "https://evil.example/in", "polled": ""} {
			_, err := w.CreateClient(ctx, w.root, id, client.Patch{"client_name": id, "grant_types": []string{"client_credentials"}, "scope": "ssf.manage"}, "")
			storetest.OK(t, err)
			_, err = w.Store.Streams.Create(ctx, streams.Stream{ID: id, ClientID: id, Endpoint: endpoint, Delivered: streams.Types, Status: streams.Enabled})
			storetest.OK(t, err)
			_, err = w.RotateSecret(ctx, w.root, id, 0, "")
			storetest.OK(t, err)
			before, err := w.Store.Streams.Stream(ctx, id)
			storetest.OK(t, err)
			_, err = w.RotateCompromised(ctx, w.root, id, "seen in a log")
			storetest.OK(t, err)
			after, err := w.Store.Streams.Stream(ctx, id)
			storetest.OK(t, err)
			want := map[string]streams.Status{"pushed": streams.Paused, "polled": streams.Enabled}[id]
			if before.Status != streams.Enabled || after.Status != want || (after.Reason == "") != (id == "polled") {
				t.Errorf("%s: %s, and then %s %q", id, before.Status, after.Status, after.Reason)
			}
		}
		kinds := []audit.Kind{}
		for _, e := range w.log(t, 8) {
			kinds = append(kinds, e.Kind)
		}
		if !slices.Contains(kinds, audit.StreamChanged) {
			t.Errorf("the log has %v", kinds)
		}
	})
}
