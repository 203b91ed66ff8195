package adminpages_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/keys/keystest"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/ssf"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var machine = admin.Actor{Kind: admin.Machine, Name: "root"}

// world is a site with the pages of the administration, and an administrator.
type world struct {
	*peopletest.Site
	*adminpages.Administration

	Root  accounts.User
	inbox inbox
}

// inbox keeps whom letters went to.
type inbox struct{ to []string }

func (*inbox) Enabled() bool { return true }
func (i *inbox) Queue(_ context.Context, to mail.To, _ mail.Letter) error {
	i.to = append(i.to, to.Address)
	return nil
}

// root is the address of the administrator.
const root = "root@example.org"

// each runs a test on each database engine.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) { test(t, around(t, s)) })
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return around(t, peopletest.NewNamed(t))
}

func around(t *testing.T, s *peopletest.Site) *world {
	t.Helper()
	w := &world{Site: s}
	at, err := issuer.Parse(s.Server.URL)
	storetest.OK(t, err)
	resources := append(client.Builtin("https://api.example"), ssf.Resource(at), client.Administration(at.URL("/admin")))
	clients, err := directory.New(directory.Config{Store: s.Store, Now: s.Clock.Now, OperatorPolicy: client.Policy{
		Scopes:    append(client.Scopes(resources), client.ReservedScopes(resources)...),
		OwnScopes: client.OwnScopes(resources), DefaultScope: "openid",
	}})
	storetest.OK(t, err)
	keystest.Fill(t, s.Store.Keys, s.Clock.Now().Add(-24*time.Hour))
	ring, err := keys.Open(t.Context(), keys.Config{Store: s.Store.Keys, KEK: keystest.KEK(t), Now: s.Clock.Now,
		Log: slog.New(slog.DiscardHandler)})
	storetest.OK(t, err)
	outgoing, err := fetch.New(fetch.Config{})
	storetest.OK(t, err)
	acts := admin.New(admin.Config{
		Store: s.Store, Audit: audit.New(s.Store), Notices: &notices.Notices{Store: s.Store, Now: s.Clock.Now},
		Now:    s.Clock.Now,
		Issuer: at, Clients: clients, Mail: &w.inbox, Resources: resources, CheckAddress: outgoing.Check, ListKeys: ring.List, Ring: ring, KEK: ring.KEK(),
		Settings: admin.SettingsOf(struct {
			Listen   string `shown:""`
			Password string
			Empty    string
		}{"127.0.0.1:9100", "hush-hush", ""}),
	})
	s.People.Account.Administrator = acts.IsAdministrator
	w.Administration, err = adminpages.New(adminpages.Config{
		Admin: acts, Pages: s.People.Account.Pages, Sessions: s.People.Sessions, Guard: s.People.Guard, Now: s.Clock.Now,
		NotFound: nothing(s.People.Account.Pages),
		Streams:  ssf.Rules{Issuer: at, KEK: ring.KEK(), Fetch: outgoing},
	})
	storetest.OK(t, err)
	w.Administration.Routes(s.Router)
	s.Router.NotFoundHandler = nothing(s.People.Account.Pages)
	w.Root = s.Person(root)
	storetest.OK(t, s.Store.Roles.Give(t.Context(), w.Root.ID, roles.Admin))
	return w
}

// nothing stands for what answers an address where there is nothing.
func nothing(p *pages.Pages) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.Error(w, r, http.StatusNotFound, "not_found", "there is nothing at this address")
	})
}

// administrator is a browser of the administrator, who has just logged in by a password and a code.
func (w *world) administrator(t *testing.T) (*peopletest.Browser, *peopletest.Authenticator) {
	t.Helper()
	b := w.Browser()
	b.LogIn(root)
	return b, b.TurnOn()
}

// alike takes out of a page what differs between two requests for the same.
func alike(a peopletest.Answer, path string) string {
	return strings.ReplaceAll(a.Text(), path, "PATH")
}
