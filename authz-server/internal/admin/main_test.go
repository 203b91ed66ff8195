package admin_test

import (
	"context"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/ssf"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var machine = admin.Actor{Kind: admin.Machine, Name: "root"}

// world is a server with an administrator (Root), and with the clients reader, writer and directory,
// which have the scopes admin:read, admin:write and scim.
type world struct {
	*storetest.World
	*admin.Admin

	Root  accounts.User
	root  admin.Actor
	inbox inbox
}

// inbox keeps whom letters are to, but for those to the other administrators.
type inbox struct{ to []string }

func (*inbox) Enabled() bool { return true }
func (i *inbox) Queue(_ context.Context, to mail.To, letter mail.Letter) error {
	if _, ok := letter.(mail.NewAdministrator); ok {
		return nil
	}
	i.to = append(i.to, to.Address)
	return nil
}

func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, s *storetest.World) {
		w := &world{World: s}
		now := func() time.Time { return s.Now }
		at, err := issuer.Parse("https://login.example")
		storetest.OK(t, err)
		resources := append(client.Builtin("https://api.example"), ssf.Resource(at), client.Administration(at.URL("/admin")))
		clients, err := directory.New(directory.Config{Store: s.Store, Now: now, OperatorPolicy: client.Policy{
			Scopes:    append(client.Scopes(resources), client.ReservedScopes(resources)...),
			OwnScopes: client.OwnScopes(resources), DefaultScope: "openid",
		}})
		storetest.OK(t, err)
		kek, err := keys.NewKEK(make([]byte, 32))
		storetest.OK(t, err)
		outgoing, err := fetch.New(fetch.Config{})
		storetest.OK(t, err)
		w.Admin = admin.New(admin.Config{
			Store: s.Store, Audit: audit.New(s.Store), Notices: &notices.Notices{Store: s.Store, Now: now}, Now: now,
			Issuer: at, Clients: clients, Mail: &w.inbox, Resources: resources, KEK: kek, CheckAddress: outgoing.Check,
		})
		w.Root = w.administrator(t, "root@example.com")
		w.root = w.actor(t, w.Root)
		for id, scope := range map[string]string{"reader": "admin:read", "writer": "admin:write", "directory": "scim"} {
			_, err := w.CreateClient(t.Context(), machine, id, client.Patch{
				"client_name": id, "grant_types": []string{"client_credentials"}, "scope": scope,
			}, "")
			storetest.OK(t, err)
		}
		test(t, w)
	})
}

// administrator makes a person with the role, a password and a second step.
func (w *world) administrator(t *testing.T, email string) accounts.User {
	t.Helper()
	user, err := w.Users.CreateUser(t.Context(), accounts.User{Email: email, Name: "Root", PasswordHash: "x", Roles: []roles.Role{roles.Admin}})
	storetest.OK(t, err)
	w.Exec(t, `UPDATE users SET second_step = TRUE WHERE id = '`+user.ID+`'`)
	return user
}

// actor is a person who has just logged in with a second step.
func (w *world) actor(t *testing.T, user accounts.User) admin.Actor {
	t.Helper()
	session, _, err := w.Sessions.CreateSession(t.Context(), accounts.Session{UserID: user.ID, ACR: "2"}, "x")
	storetest.OK(t, err)
	return admin.Actor{
		Kind: admin.Person, ID: user.ID, Name: user.Email, Rights: admin.Reading | admin.Writing, ACR: "2", AuthTime: session.AuthTime,
		From: "203.0.113.7", UserAgent: "test", SessionID: session.ID,
	}
}

func service(id string, rights admin.Rights) admin.Actor {
	return admin.Actor{Kind: admin.Client, ID: id, Name: id, Rights: rights, From: "203.0.113.8"}
}

var (
	reader = service("reader", admin.Reading)
	writer = service("writer", admin.Writing)
	scim   = service("directory", admin.Provisioning)
)

// log is the newest entries of the audit log, the latest first.
func (w *world) log(t *testing.T, n int) []audit.Entry {
	t.Helper()
	all, err := audit.New(w.Store).List(t.Context(), auditlog.Filter{Limit: n})
	storetest.OK(t, err)
	return all
}
