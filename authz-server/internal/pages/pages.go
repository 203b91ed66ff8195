// Package pages renders what a person sees of the authorization server: templates, styles and
// scripts. It knows how a page looks, and nothing about what it means.
//
// Every page works without JavaScript and carries the security headers that fit it; see
// [Pages.Render].
package pages

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/brand"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/internal/httpd"
)

//go:embed templates/*.html assets/*
var files embed.FS

// Config is what [New] needs.
type Config struct {
	Issuer issuer.URL       // what links, assets and the language cookie are below; zero: the root of a plain http origin
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger     // told of a page that cannot be rendered; nil: slog.Default()

	Languages *messages.Languages // nil: all that there are
	Brand     brand.Brand         // whose pages they are; zero: Maru's
}

// Pages renders pages. It is safe for concurrent use.
type Pages struct {
	cfg       Config
	templates map[string]*template.Template // by page name
	assets    map[string]asset              // by path below the issuer
	css       string                        // links to assets
	adminCSS  string
	mark      mark
	logo      logo
	scripts   map[string]string // the same, by name
}

// New reads the embedded templates and assets. An error means that they are wrong, which a test
// finds first.
func New(cfg Config) (*Pages, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Languages == nil {
		cfg.Languages = messages.All
	}
	cfg.Languages = cfg.Languages.Of(cfg.Brand.Name)
	p := &Pages{cfg: cfg, assets: make(map[string]asset), scripts: make(map[string]string)}
	var err error
	if p.templates, err = readTemplates(); err != nil {
		return nil, err
	}
	if err = p.addLook(); err != nil {
		return nil, err
	}
	for _, name := range []string{"form_post.js", "logged_out.js", "check_session.js", formScript, passkeyScript} {
		if p.scripts[name], err = p.addFile(name); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// readTemplates reads every page's template, by name, each with the layout and the parts that
// several pages have.
func readTemplates() (map[string]*template.Template, error) {
	layout, err := template.ParseFS(files, "templates/layout.html", "templates/part_*.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	templates := make(map[string]*template.Template)
	for _, name := range names {
		page := strings.TrimSuffix(path.Base(name), ".html")
		if page == "layout" || strings.HasPrefix(page, "part_") {
			continue
		}
		base, err := layout.Clone()
		if err != nil {
			return nil, err
		}
		if templates[page], err = base.ParseFS(files, name); err != nil {
			return nil, err
		}
	}
	return templates, nil
}

// Render answers with a page. Its language follows [WithLocales] and the request.
//
// Its headers let the page load this server's style, icon and script and the logo of the app that
// it shows, and nothing else; they keep it out of frames and caches, and its address from other
// sites. Referrer-Policy is same-origin, because under no-referrer browsers send "Origin: null"
// with a form, which hides whether it comes from this site or another. A page that can lead back to
// an app has no form-action, which browsers apply to every redirect after the form, even to those
// that the app makes; and no Cross-Origin-Opener-Policy, which would cut off an app that opened the
// page as a popup.
func (p *Pages) Render(w http.ResponseWriter, r *http.Request, status int, page Page) {
	t := p.chooseLanguage(w, r)
	l := page.layout(t)
	v := view{layout: l, T: t, D: page, CSS: []string{p.css}, Icon: p.mark, Logo: p.logo, Brand: p.cfg.Brand, Scripts: p.scriptsOf(l),
		issuer: p.cfg.Issuer, RequestID: httpd.RequestID(r.Context()), times: new(bool)}
	templates := p.templates
	if l.from != nil {
		templates = l.from.byName
	}
	if l.content != nil {
		v.D = l.content
	}
	if l.admin {
		v.CSS = append(v.CSS, p.adminCSS)
	}
	if r.Method == http.MethodGet || l.reloads {
		v.Languages = p.languageLinks(r, t)
	}
	l.noteRefusal(w)
	header := w.Header()
	l.setHeaders(header)
	var body bytes.Buffer
	err := fmt.Errorf("no template %q", l.template)
	if t, ok := templates[l.template]; ok {
		err = t.ExecuteTemplate(&body, "layout", v)
	}
	if err != nil {
		p.cfg.Log.ErrorContext(r.Context(), "cannot render a page", "request", v.RequestID, "page", l.template,
			"error", err)
		http.Error(w, t.Broken, http.StatusInternalServerError)
		return
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", t.Tag)
	if status == http.StatusServiceUnavailable {
		httpd.SetRetryAfter(header)
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body.Bytes()) //nolint:errcheck // the client is gone
	}
}

// scriptsOf are the links to a page's scripts.
func (p *Pages) scriptsOf(l layout) (links []string) {
	if l.script != "" {
		links = append(links, p.scripts[l.script])
	}
	if l.passkeys {
		links = append(links, p.scripts[passkeyScript])
	}
	return links
}

// Error answers with the error page: code is an OAuth error code, detail plain text for a developer
// that names the parameter. Both are shown, with the request's id, below a sentence for the person
// in their language.
func (p *Pages) Error(w http.ResponseWriter, r *http.Request, status int, code, detail string) {
	p.Render(w, r, status, ErrorPage{Code: code, Detail: detail, ServerFault: status >= 500,
		NotFound: status == http.StatusNotFound})
}
