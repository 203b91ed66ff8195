// Package pages renders what a person sees of the authorization server: templates, styles and two languages. It knows how a
// page looks and nothing of what it means.
//
// Every page works without JavaScript and carries the security headers that fit it; see [Pages.Render].
package pages

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/internal/httpd"
)

//go:embed templates/*.html assets/*
var files embed.FS

// Config is what [New] needs.
type Config struct {
	Issuer issuer.URL       // what links, assets and the language cookie are below; zero: the root of a plain http origin
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger     // told of a page that cannot be rendered; nil: slog.Default()
}

// Pages renders pages. It is safe for concurrent use.
type Pages struct {
	cfg       Config
	templates map[string]*template.Template // by page name
	assets    map[string]asset              // by path below the issuer
	css, icon string                        // links to assets
	scripts   map[string]string             // the same, by name
}

type asset struct {
	content     []byte
	contentType string
}

// New reads the embedded templates and assets. It fails only when they are wrong, which a test would have found.
func New(cfg Config) (*Pages, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	p := &Pages{cfg: cfg, templates: make(map[string]*template.Template), assets: make(map[string]asset), scripts: make(map[string]string)}
	layout, err := template.ParseFS(files, "templates/layout.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		page := strings.TrimSuffix(path.Base(name), ".html")
		if page == "layout" {
			continue
		}
		base, err := layout.Clone()
		if err != nil {
			return nil, err
		}
		if p.templates[page], err = base.ParseFS(files, name); err != nil {
			return nil, err
		}
	}
	if p.css, err = p.addAsset("maru.css"); err != nil {
		return nil, err
	}
	if p.icon, err = p.addAsset("maru.svg"); err != nil {
		return nil, err
	}
	for _, name := range []string{"form_post.js", "logged_out.js", "check_session.js", "form.js"} {
		if p.scripts[name], err = p.addAsset(name); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// addAsset makes an embedded file available under a path that names its content, so that it can be cached for ever, and
// returns the link to it.
func (p *Pages) addAsset(name string) (string, error) {
	content, err := files.ReadFile("assets/" + name)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(content)
	ext := path.Ext(name)
	at := "/assets/" + strings.TrimSuffix(name, ext) + "-" + base64.RawURLEncoding.EncodeToString(sum[:9]) + ext
	p.assets[at] = asset{content, mime.TypeByExtension(ext)}
	return p.cfg.Issuer.Path(at), nil
}

// Routes adds the assets to r.
func (p *Pages) Routes(r *mux.Router) {
	r.PathPrefix("/assets/").HandlerFunc(p.serveAsset).Methods(http.MethodGet, http.MethodHead)
	// Where browsers and bookmarks look by themselves.
	for path, contentType := range map[string]string{"/favicon.ico": "image/x-icon", "/apple-touch-icon.png": "image/png"} {
		r.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			content, err := files.ReadFile("assets" + path)
			if err != nil {
				http.NotFound(w, r)
				return
			}
			header := w.Header()
			header.Set("Content-Type", contentType)
			header.Set("Cache-Control", "public, max-age=86400")
			header.Set("X-Content-Type-Options", "nosniff")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		}).Methods(http.MethodGet, http.MethodHead)
	}
}

func (p *Pages) serveAsset(w http.ResponseWriter, r *http.Request) {
	a, ok := p.assets[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Type", a.contentType)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("X-Content-Type-Options", "nosniff")
	// The icon is a document of its own when somebody opens it.
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
}

// view is what a template sees.
type view struct {
	T         *messages
	D         any // the page's own data
	CSS, Icon string
	issuer    issuer.URL
	scripts   map[string]string
	RequestID string
	Languages []languageLink // empty: the page cannot be asked for again in another language
	Page      string
}

// Render answers with the page of this name (a file in templates/) made from data, one of this package's types. The language
// follows [WithLocales] and the request.
//
// Headers: nothing is loaded but our own style and icon and the logo of the app that is shown; no page can be framed or cached;
// the address goes to nobody but us. Referrer-Policy is same-origin and not no-referrer, under which browsers send
// "Origin: null" with a form, and a check against request forgery could not tell our own forms from another site's.
// A page that can lead back to an app has no form-action: browsers apply it to every redirect that follows the form, also to
// those that the app makes afterwards on its own. Nor does it have a Cross-Origin-Opener-Policy, which would cut off an app
// that opened it as a popup.
func (p *Pages) Render(w http.ResponseWriter, r *http.Request, status int, page string, data any) {
	t := p.chooseLanguage(w, r)
	v := view{T: t, D: data, CSS: p.css, Icon: p.icon, scripts: p.scripts, issuer: p.cfg.Issuer, RequestID: httpd.RequestID(r.Context()), Page: page}
	if r.Method == http.MethodGet || strings.HasPrefix(page, "account") || page == "login" || page == "signup" || page == "consent" {
		v.Languages = languageLinks(r, t)
	}
	var body bytes.Buffer
	tmpl, ok := p.templates[page]
	err := fmt.Errorf("no page %q", page)
	if ok {
		err = tmpl.ExecuteTemplate(&body, "layout", v)
	}
	noteRefusal(w, data)
	header := w.Header()
	setHeaders(header, page, data)
	if err != nil {
		p.cfg.Log.ErrorContext(r.Context(), "cannot render a page", "request", v.RequestID, "page", page, "error", err)
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
		w.Write(body.Bytes()) //nolint:errcheck // nobody is left to tell
	}
}

// noteRefusal notes for the log why a page refuses what was asked for, and which fields of a form, but nothing of what was
// typed into them.
func noteRefusal(w http.ResponseWriter, data any) {
	switch d := data.(type) {
	case Failure:
		httpd.NoteRefusal(w, d.Code, d.Detail)
	case Returning:
		httpd.NoteClient(w, d.App.ID)
		httpd.NoteRefusal(w, d.Code, d.Detail)
	case interface{ form() Form }:
		problems := d.form().Problems
		if len(problems) == 0 {
			return
		}
		code, fields := "invalid_form", make([]string, 0, len(problems))
		for _, field := range slices.Sorted(maps.Keys(problems)) {
			if field == "" {
				code = string(problems[field])
				continue
			}
			fields = append(fields, field+": "+string(problems[field]))
		}
		httpd.NoteRefusal(w, code, strings.Join(fields, ", "))
	}
}

func setHeaders(header http.Header, page string, data any) {
	csp := "default-src 'none'; style-src 'self'; img-src 'self'"
	if a, ok := data.(interface{ logo() string }); ok {
		if origin := imageOrigin(a.logo()); origin != "" {
			csp += " " + origin
		}
	}
	if _, ok := data.(FormPost); ok || scripted(page) {
		csp += "; script-src 'self'"
	}
	if out, ok := data.(LoggedOut); ok {
		if out.GoesOn() {
			csp += "; script-src 'self'"
		}
		for _, frame := range out.Frames {
			if origin := imageOrigin(frame); origin != "" {
				if !strings.Contains(csp, "; frame-src") {
					csp += "; frame-src"
				}
				csp += " " + origin
			}
		}
	}
	csp += "; base-uri 'none'; frame-ancestors 'none'"
	if strings.HasPrefix(page, "account") || strings.HasPrefix(page, "device") {
		csp += "; form-action 'self'"
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	header.Set("Content-Security-Policy", csp)
	header.Set("Referrer-Policy", "same-origin")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
}

// imageOrigin is the origin of an http or https URL as a Content-Security-Policy source, or empty when it cannot be one.
func imageOrigin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return ""
	}
	for _, c := range []byte(u.Host) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(".-:[]", c) >= 0) {
			return ""
		}
	}
	return u.Scheme + "://" + u.Host
}

// Error answers with the error page: code is an OAuth error code, detail plain text for a developer that names the parameter.
// Both are shown, with the request's id, below a sentence for the person in their language.
func (p *Pages) Error(w http.ResponseWriter, r *http.Request, status int, code, detail string) {
	p.Render(w, r, status, "error", Failure{Code: code, Detail: detail, ServerFault: status >= 500})
}

type localesKey struct{}

type locales struct {
	wanted string
	since  time.Time
}

// WithLocales returns r with an application's wish for a language: uiLocales is the OpenID parameter ui_locales, BCP 47 tags
// separated by spaces, said at since. A person's own choice on our pages counts for more when it is later.
// Without it, Render looks for ui_locales in the query.
func WithLocales(r *http.Request, uiLocales string, since time.Time) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), localesKey{}, locales{uiLocales, since}))
}
