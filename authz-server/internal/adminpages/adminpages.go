// Package adminpages has the pages of the administration, at /admin: whoever has the role
// admin/admin looks after people, roles, apps and the server there. It shows and asks; what happens,
// and who may do it, is decided by package admin.
//
// To add a page, write
//
//   - a file here with a method of [Administration] that adds its routes, which [Administration.Routes]
//     calls: [Administration.view] for what only shows, and [Administration.change] with a [deed] for
//     whatever changes something;
//   - its template in templates/, which defines "title" and "body"; what the view gives to
//     visit.render is its .D, and the words are .T.Admin. A deed needs no template: its inputs are a
//     list, and deed.html shows them;
//   - its words in messages: a type in a file admin_NAME.go, which is a field of messages.Admin, and a
//     file for each language; what was just done is in its Done, and what can be wrong in Problems;
//   - its line in the table of sections (sections.go), if it is one, and its page with all that can
//     be on it in everyPage of render_test.go.
//
// The gate is around all of it: nobody but an administrator who has logged in by a second step or a
// passkey comes to a handler, a form comes from this server's own pages, and a change needs a proof of
// who they are of the last ten minutes. Whoever has to prove it comes back to the page, and finds what
// they had typed.
package adminpages

import (
	"embed"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/session"
)

//go:embed templates/*.html
var files embed.FS

// Config is what [New] needs. All fields must be set but DataServices.
type Config struct {
	Admin    *admin.Admin
	Pages    *pages.Pages
	Sessions *session.Sessions
	Guard    *guard.Guard
	Now      func() time.Time

	// NotFound answers whoever may not look at the administration, as it answers for an address where
	// there is nothing.
	NotFound http.Handler

	DataServices []string // the services that the server has event streams for by itself; nil: none
}

// Administration serves the pages. It is safe for concurrent use.
type Administration struct {
	Config

	templates *pages.Templates
	deeds     []deed // for tests
}

// New reads the templates.
func New(cfg Config) (*Administration, error) {
	folder, err := fs.Sub(files, "templates")
	if err != nil {
		return nil, err
	}
	templates, err := pages.ReadTemplates(folder)
	return &Administration{Config: cfg, templates: templates}, err
}

// Routes adds the pages to r. What else is below /admin has to be added before: from then on, every
// address below it is the pages', so that whoever may not look at them cannot tell which there are.
func (a *Administration) Routes(r *mux.Router) {
	below := r.MatcherFunc(func(r *http.Request, _ *mux.RouteMatch) bool {
		return r.URL.Path == "/admin" || strings.HasPrefix(r.URL.Path, "/admin/")
	}).Subrouter()
	below.NotFoundHandler = a.gate(maxForm, func(v *visit) error { v.notFound(); return nil }, nil)
	a.overviewRoutes(below)
	a.peopleRoutes(below)
	a.groupRoutes(below)
	a.roleRoutes(below)
	a.invitationRoutes(below)
	a.logRoutes(below)
	a.clientRoutes(below)
	a.serverRoutes(below)
	a.streamRoutes(below)
}

// view adds a page that shows something.
func (a *Administration) view(r *mux.Router, path string, show func(v *visit) error) {
	r.Handle(path, a.gate(maxForm, show, nil))
}

// change adds the page of a deed, which needs a fresh proof to be seen, so that nobody types in vain.
func (a *Administration) change(r *mux.Router, d deed) {
	a.deeds = append(a.deeds, d)
	most := d.most
	if most == 0 {
		most = maxForm
	}
	r.Handle(d.path, a.gate(most, fresh(d.show), fresh(d.post)))
}

// maxForm is how large a form may be unless its deed says otherwise, in bytes.
const maxForm = 16 << 10

// Deeds lists the paths of all changes, as their routes have them.
func (a *Administration) Deeds() (paths []string) {
	for _, one := range a.deeds {
		paths = append(paths, one.path)
	}
	slices.Sort(paths)
	return paths
}
