// Package frame is what every page of the administration stands in: the gate around it, deeds with a
// fresh proof of who does them, forms, refusals in words, and the navigation.
//
// To add a page, write
//
//   - a file in the room that it belongs to, which adds its routes to the room's: [Routes.View] for
//     what only shows, and [Routes.Change] with a [Deed] for whatever changes something;
//   - its template in the room's templates, which defines "title" and "body"; what the view gives to
//     [Visit.Show] is its .D, and the words are .T.Admin. A deed needs no template: its inputs are a
//     list, and deed.html shows them;
//   - its words in messages: a type in a file admin_NAME.go, which is a field of messages.Admin, and a
//     file for each language; what was just done is in its Done, and what can be wrong in Problems;
//   - its line in the table of sections (sections.go), if it is one, and its page with all that can
//     be on it in pages of package adminpages' full_test.go.
//
// The gate is around all of it: nobody but an administrator who has logged in by a second step or a
// passkey comes to a handler, a form comes from this server's own pages, and a change needs a proof of
// who they are of the last ten minutes. Whoever has to prove it comes back to the page, and finds what
// they had typed.
package frame

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
	"github.com/maru-auth/maru/authz-server/internal/ssf"
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

	Streams      ssf.Rules // says what the event stream of an app may be
	DataServices []string  // the services that the server has event streams for by itself; nil: none
}

// Room is some of the pages.
type Room struct {
	Templates fs.FS // has a folder "templates", as pages.ReadTemplates reads it; the frame's are there too
	Routes    func(r *Routes)
}

// Administration serves the pages. It is safe for concurrent use.
type Administration struct {
	Config

	rooms     []Room
	templates []*pages.Templates // of the rooms
	own       *pages.Templates
	deeds     []string // their paths; for tests
}

// New reads the templates of the pages in rooms.
func New(cfg Config, rooms ...Room) (*Administration, error) {
	a := &Administration{Config: cfg, rooms: rooms}
	common, err := fs.Sub(files, "templates")
	if err != nil {
		return nil, err
	}
	if a.own, err = pages.ReadTemplates(common); err != nil {
		return nil, err
	}
	for _, room := range rooms {
		folder, err := fs.Sub(room.Templates, "templates")
		if err != nil {
			return nil, err
		}
		templates, err := pages.ReadTemplates(common, folder)
		if err != nil {
			return nil, err
		}
		a.templates = append(a.templates, templates)
	}
	return a, nil
}

// Routes adds the pages to r. What else is below /admin has to be added before: from then on, every
// address below it is the pages', so that whoever may not look at them cannot tell which there are.
func (a *Administration) Routes(r *mux.Router) {
	below := r.MatcherFunc(func(r *http.Request, _ *mux.RouteMatch) bool {
		return r.URL.Path == "/admin" || strings.HasPrefix(r.URL.Path, "/admin/")
	}).Subrouter()
	nowhere := &Routes{a, below, a.own}
	below.NotFoundHandler = nowhere.gate(maxForm, func(v *Visit) error { v.notFound(); return nil }, nil)
	for i, room := range a.rooms {
		room.Routes(&Routes{a, below, a.templates[i]})
	}
}

// Deeds lists the paths of all changes, as their routes have them.
func (a *Administration) Deeds() []string { return slices.Sorted(slices.Values(a.deeds)) }

// Routes takes the routes of a room.
type Routes struct {
	a         *Administration
	to        *mux.Router
	templates *pages.Templates
}

// View adds a page that shows something.
func (of *Routes) View(path string, show func(v *Visit) error) {
	of.to.Handle(path, of.gate(maxForm, show, nil))
}

// Change adds the page of a deed.
func (of *Routes) Change(d Deed) {
	most := d.Most
	if most == 0 {
		most = maxForm
	}
	of.Form(d.Path, most, d.show, d.post)
}

// Form adds the page of a change that asks for what it needs in its own way. post takes a form of at
// most so many bytes. It needs a fresh proof to be seen, so that nobody types in vain.
func (of *Routes) Form(path string, most int64, show, post func(v *Visit) error) {
	of.a.deeds = append(of.a.deeds, path)
	of.to.Handle(path, of.gate(most, fresh(show), fresh(post)))
}

// maxForm is how large a form may be unless its deed says otherwise, in bytes.
const maxForm = 16 << 10
