package provisioning_test

import (
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/admin/provisioning"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var machine = admin.Actor{Kind: admin.Machine, Name: "root"}

// world is a server with an administrator, and with the clients reader, writer, okta and entra, of which
// the last two have the scope scim. Its actors are these, and others by what is wrong with them.
type world struct {
	*storetest.World

	admin   *admin.Admin
	operate *provisioning.Operations
	actors  map[string]admin.Actor
}

func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, s *storetest.World) {
		now := func() time.Time { return s.Now }
		at, err := issuer.Parse("https://login.example")
		storetest.OK(t, err)
		resources := append(client.Builtin("https://api.example"), client.Administration(at.URL("/admin")))
		clients, err := directory.New(directory.Config{Store: s.Store, Now: now, OperatorPolicy: client.Policy{
			Scopes:    append(client.Scopes(resources), client.ReservedScopes(resources)...),
			OwnScopes: client.OwnScopes(resources), DefaultScope: "openid",
		}})
		storetest.OK(t, err)
		w := &world{World: s, actors: map[string]admin.Actor{"machine": machine}}
		w.admin = admin.New(admin.Config{
			Store: s.Store, Audit: audit.New(s.Store), Notices: &notices.Notices{Store: s.Store, Now: now}, Now: now,
			Issuer: at, Clients: clients, Resources: resources,
		})
		w.operate = provisioning.New(w.admin)

		root, err := s.Users.CreateUser(t.Context(), accounts.User{
			Email: "root@example.com", Name: "Root", PasswordHash: "x", Roles: []roles.Role{roles.Admin},
		})
		storetest.OK(t, err)
		for name, change := range map[string]func(*admin.Actor){
			"root":       func(*admin.Actor) {},
			"stale root": func(a *admin.Actor) { a.AuthTime = a.AuthTime.Add(-time.Hour) },
			"weak root":  func(a *admin.Actor) { a.ACR = "1" },
			"person":     func(a *admin.Actor) { a.ID = s.Person.ID },
		} {
			a := admin.Actor{Kind: admin.Person, ID: root.ID, Rights: admin.Reading | admin.Writing, ACR: "2", AuthTime: s.Now}
			change(&a)
			w.actors[name] = a
		}
		for id, rights := range map[string]admin.Rights{
			"reader": admin.Reading, "writer": admin.Writing, "okta": admin.Provisioning, "entra": admin.Provisioning,
			"gone": admin.Provisioning,
		} {
			w.actors[id] = admin.Actor{Kind: admin.Client, ID: id, Rights: rights}
		}
		for id, scope := range map[string]string{
			"reader": "admin:read", "writer": "admin:write", "okta": "scim", "entra": "scim",
		} {
			_, err := w.admin.CreateClient(t.Context(), machine, id, client.Patch{
				"client_name": id, "grant_types": []string{"client_credentials"}, "scope": scope,
			}, "")
			storetest.OK(t, err)
		}
		test(t, w)
	})
}
