package admin_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/mail"
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

// A person who gives themselves a friend among the administrators is seen by the others.
func TestAdministratorsAreToldOfAnother(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		letters := &told{}
		w.Admin.Notices.Mail = letters
		var others []accounts.User
		for _, name := range []string{"direct", "member", "closed", "leaving", "unproved"} {
			user, err := w.Users.CreateUser(ctx, accounts.User{Email: name + "@example.com", EmailVerified: name != "unproved", Name: "N", PasswordHash: "x"})
			storetest.OK(t, err)
			others = append(others, user)
		}
		crew, err := w.CreateGroup(ctx, w.root, "Crew", "", "")
		storetest.OK(t, err)
		storetest.OK(t, w.Join(ctx, w.root, crew.ID, others[1].ID, ""))
		storetest.OK(t, w.Store.Roles.GiveGroup(ctx, crew.ID, roles.Admin))
		for _, i := range []int{0, 2, 3, 4} {
			storetest.OK(t, w.Store.Roles.Give(ctx, others[i].ID, roles.Admin))
		}
		storetest.OK(t, w.DisablePerson(ctx, w.root, others[2].ID, ""))
		_, err = w.DeletePerson(ctx, w.root, others[3].ID, admin.DeletionWish{}, "")
		storetest.OK(t, err)

		mina := w.Another(t, "mina@example.com")
		for name, crown := range map[string]func() (account string, err error){
			"a role": func() (string, error) { return mina.Email, w.GiveRole(ctx, w.root, mina.ID, roles.Admin, "") },
			"a group": func() (string, error) {
				kim := w.Another(t, "kim@example.com")
				return kim.Email, w.Join(ctx, w.root, crew.ID, kim.ID, "")
			},
			"a new account": func() (string, error) {
				made, err := w.CreatePerson(ctx, w.root, admin.NewPerson{Email: "made@example.com", Name: "M", Roles: []roles.Role{roles.Admin}}, "")
				return made.Email, err
			},
			"an imported account": func() (string, error) {
				made, err := w.AdoptPerson(ctx, machine, accounts.User{Email: "old@example.com", Name: "O", Roles: []roles.Role{roles.Admin}}, "")
				return made.Email, err
			},
		} {
			letters.of, letters.to = nil, nil
			account, err := crown()
			storetest.OK(t, err)
			slices.Sort(letters.to)
			if !slices.Equal(letters.to, []string{"direct@example.com", "member@example.com"}) ||
				letters.of[0].Account != account || letters.of[0].At.IsZero() {
				t.Errorf("%s: %v were told of %+v", name, letters.to, letters.of)
			}
		}

		letters.of, letters.to = nil, nil
		storetest.OK(t, w.GiveRole(ctx, w.root, mina.ID, roles.Moderator, ""))
		if len(letters.to) > 0 {
			t.Errorf("%v were told of another role", letters.to)
		}
		for range 30 { // the alarm has been given
			storetest.OK(t, w.TakeRole(ctx, w.root, mina.ID, roles.Admin, ""))
			storetest.OK(t, w.GiveRole(ctx, w.root, mina.ID, roles.Admin, ""))
		}
		if n := len(letters.to); n < 20 || n > 40 {
			t.Errorf("%d letters about one who comes and goes", n)
		}
	})
}

// An account that was put aside is as good a way in as a new one, and nobody looks at it.
func TestAdministratorsAreToldOfOneWhoIsBack(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		letters := &told{}
		w.Admin.Notices.Mail = letters
		proved := func(email string) string {
			t.Helper()
			user, err := w.Users.CreateUser(ctx, accounts.User{Email: email, EmailVerified: true, Name: "N", PasswordHash: "x"})
			storetest.OK(t, err)
			return user.ID
		}
		storetest.OK(t, w.GiveRole(ctx, w.root, proved("other@example.com"), roles.Admin, ""))
		crew, err := w.CreateGroup(ctx, w.root, "Crew", "", "")
		storetest.OK(t, err)
		storetest.OK(t, w.GiveGroup(ctx, w.root, crew.ID, roles.Admin, ""))
		direct, member, nobody := proved("direct@example.com"), proved("member@example.com"), proved("nobody@example.com")
		storetest.OK(t, w.GiveRole(ctx, w.root, direct, roles.Admin, ""))
		storetest.OK(t, w.Join(ctx, w.root, crew.ID, member, ""))

		disable := func(id string) error { return w.DisablePerson(ctx, w.root, id, "") }
		enable := func(id string) error { return w.EnablePerson(ctx, w.root, id, "") }
		deleted := func(id string) error {
			_, err := w.DeletePerson(ctx, w.root, id, admin.DeletionWish{}, "")
			return err
		}
		keep := func(id string) error { return w.KeepPerson(ctx, w.root, id, "") }
		for _, one := range []struct {
			name  string
			id    string
			steps []func(id string) error // the last of which is told, or not
			told  bool
		}{
			{"enabled", direct, []func(string) error{disable, enable}, true},
			{"kept", direct, []func(string) error{deleted, keep}, true},
			{"enabled, by a group", member, []func(string) error{disable, enable}, true},
			{"kept, but disabled", direct, []func(string) error{disable, deleted, keep}, false},
			{"enabled then", direct, []func(string) error{enable}, true},
			{"enabled, but to be deleted", direct, []func(string) error{disable, deleted, enable}, false},
			{"kept then", direct, []func(string) error{keep}, true},
			{"enabled, though it was", direct, []func(string) error{enable}, false},
			{"no administrator", nobody, []func(string) error{disable, enable, deleted, keep}, false},
		} {
			for _, step := range one.steps {
				letters.of, letters.to = nil, nil
				storetest.OK(t, step(one.id))
			}
			if slices.Contains(letters.to, "other@example.com") != one.told {
				t.Errorf("%s: %v were told of %+v", one.name, letters.to, letters.of)
			}
		}
	})
}

// told keeps the letters about new administrators.
type told struct {
	to []string
	of []mail.NewAdministrator
}

func (*told) Enabled() bool { return true }
func (i *told) Queue(_ context.Context, to mail.To, letter mail.Letter) error {
	if letter, ok := letter.(mail.NewAdministrator); ok {
		i.to, i.of = append(i.to, to.Address), append(i.of, letter)
	}
	return nil
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
