// Package pages shows the app's pages: plain HTML that works without scripts, except for the page
// of tokens. It knows how a page looks in every language, and not who may see it.
//
// Each page is a type. Its method head names the template and gives title, status, menu entry and
// form; to add a page, write its type, its head and its template.
package pages

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/maru-auth/maru/client-demo/internal/lang"
)

//go:embed templates
var templateFiles embed.FS

// Pages shows pages. It is safe for concurrent use.
type Pages struct {
	Assets    Assets
	languages lang.Languages
	templates map[*lang.Language]map[string]*template.Template // by name
}

// New reads the templates for these languages.
func New(languages lang.Languages) *Pages {
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		panic(err) // only for a bad pattern
	}
	p := &Pages{newAssets(), languages, map[*lang.Language]map[string]*template.Template{}}
	for _, l := range languages {
		p.templates[l] = map[string]*template.Template{}
		shared := template.Must(template.New("").Funcs(template.FuncMap{
			"t": l.T, "count": l.Count, "avatar": newAvatar, "lang": langOf,
		}).ParseFS(templateFiles, "templates/shared/*.html"))
		for _, name := range names {
			page := strings.TrimSuffix(path.Base(name), ".html")
			p.templates[l][page] = template.Must(template.Must(shared.Clone()).ParseFS(templateFiles, name))
		}
	}
	return p
}

// View is who looks at a page, and how.
type View struct {
	Lang   *lang.Language
	Theme  string         // "light" or "dark"; empty: the system's
	Zone   *time.Location // nil: unknown, and times are in UTC
	Now    time.Time
	Member *Member // nil: nobody is logged in
	Here   string  // where to come back to after log-in or a switch of language

	// TakeFlash returns what came of the last form, once; empty if there is nothing to say. Only a
	// page of status 200 says it.
	TakeFlash func() string
}

// Member is the person who is logged in.
type Member struct{ ID, Name string }

// layout is what templates are given: the page and what goes around it.
type layout struct {
	Head
	View
	Others lang.Languages // to switch to
	Flash  string
	Assets string
	Data   Page
}

// Refused tells whether the page has a form that was refused.
func (l layout) Refused() bool { return l.Form != nil && l.Form.refused }

// With is the input of a part of the page that is about something.
func (l layout) With(about any) part { return part{l, about} }

type part struct {
	Page  layout
	About any
}

// Show writes a page. When it returns an error, nothing has been written.
func (p *Pages) Show(w http.ResponseWriter, view View, page Page) error {
	head := page.head(view.Lang)
	if head.Status == 0 {
		head.Status = http.StatusOK
	}
	l := layout{Head: head, View: view, Others: p.languages.Others(view.Lang), Assets: p.Assets.prefix, Data: page}
	if head.Status == http.StatusOK {
		l.Flash = view.TakeFlash()
	}
	var text bytes.Buffer
	if err := p.templates[view.Lang][head.Template].ExecuteTemplate(&text, "layout", l); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", view.Lang.Code())
	if head.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	w.WriteHeader(head.Status)
	text.WriteTo(w) //nolint:errcheck // nobody is left to tell
	return nil
}
