package pages

import (
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// Templates are those of another package, whose pages are in the layout of this one.
type Templates struct{ byName map[string]*template.Template }

// ReadTemplates reads the files *.html of folders: a page each, which all have those whose names
// begin with part_.
func ReadTemplates(folders ...fs.FS) (*Templates, error) {
	base, err := template.ParseFS(files, "templates/layout.html", "templates/part_*.html")
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
		if base, err = base.ParseFS(folder, "part_*.html"); err != nil {
			return nil, err
		}
	}
	all := &Templates{make(map[string]*template.Template)}
	for _, folder := range folders {
		if err := all.read(folder, base); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// read reads the pages of a folder.
func (t *Templates) read(folder fs.FS, base *template.Template) error {
	names, err := fs.Glob(folder, "*.html")
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, "part_") {
			continue
		}
		page, err := base.Clone()
		if err != nil {
			return err
		}
		if t.byName[strings.TrimSuffix(path.Base(name), ".html")], err = page.ParseFS(folder, name); err != nil {
			return err
		}
	}
	return nil
}

// Names lists the pages.
func (t *Templates) Names() (names []string) {
	for name := range t.byName {
		names = append(names, name)
	}
	return names
}

// AdminPage is a page of the administration. The rooms of package adminpages have the templates,
// and know what they show.
type AdminPage struct {
	Form
	Templates *Templates
	Name      string         // of the template
	Content   any            // what the template sees as .D
	Fields    []Field        // the inputs of the form, in the order of the page
	Detail    string         // what is wrong, in English, for whom the words of the form are not enough; may be empty
	Done      string         // what was just done, in words; may be empty
	Sections  []Section      // of the administration; empty: whoever is here may not look at them yet
	Who       string         // the address of whoever looks at it; empty with Sections
	Zone      *time.Location // of whoever looks at it; nil: unknown
	Focus     string         // the field to type into first
	Once      bool           // it is shown this time only: no link on it shows it again
}

// Field is an input of a form, and its label.
type Field struct{ Name, Label string }

// Section is a part of the administration, for its navigation.
type Section struct {
	Path, Label string
	Current     bool
	Apart       bool // it begins a group of sections
}

func (p AdminPage) layout(*messages.Language) layout {
	l := layout{
		template: p.Name, from: p.Templates, content: p.Content, form: p.Form, detail: p.Detail, done: p.Done, sections: p.Sections, who: p.Who,
		zone: p.Zone, focus: p.Focus, admin: true, script: formScript, closed: true, reloads: !p.Once,
	}
	for _, one := range p.Fields {
		l.fields = append(l.fields, label(one))
	}
	return l
}

// Admin tells whether the page is one of the administration's.
func (v view) Admin() bool { return v.admin }

// Sections are those of the administration.
func (v view) Sections() []Section { return v.sections }

// Who is the address of the administrator who looks at the page.
func (v view) Who() string { return v.who }

// With is the view with something else as .D, for a part of a page.
func (v view) With(content any) view {
	v.D = content
	return v
}

// Detail says in English what is wrong; empty: the words of the form are enough.
func (v view) Detail() string { return v.detail }

// JustDone says what was just done.
func (v view) JustDone() string { return v.done }

// Words are those of a page for r.
func (p *Pages) Words(r *http.Request) *messages.Language { return p.language(r) }

// part is what a template of a part of a page sees: the page, and what the part shows.
type part struct {
	view
	List any
}

// Part is a part of the page.
func (v view) Part(list any) part { return part{v, list} }
