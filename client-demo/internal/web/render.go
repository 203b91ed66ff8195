package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/maru-auth/maru/client-demo/internal/flow"
)

//go:embed templates
var templateFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// assets serves styles and scripts under a path that changes with them, so that browsers may keep them for good.
type assets struct {
	prefix string // "/static/<hash>/"
	files  http.Handler
}

func newAssets() assets {
	dir, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		panic(err) // only for a bad path
	}
	sum := sha256.New()
	err = fs.WalkDir(dir, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(dir, name)
		sum.Write([]byte(name + "\x00"))
		sum.Write(text)
		return err
	})
	if err != nil {
		panic(err) // embedded files can be read
	}
	prefix := "/static/" + hex.EncodeToString(sum.Sum(nil)[:8]) + "/"
	return assets{prefix, http.StripPrefix(prefix, http.FileServerFS(dir))}
}

func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if path.Ext(r.URL.Path) == "" || !strings.HasPrefix(r.URL.Path, a.prefix) { // no listing of the folder
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	a.files.ServeHTTP(w, r)
}

// serveAs serves one of the files where browsers, and the issuer that shows this app's mark, look for it.
func (a assets) serveAs(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=86400")
		http.ServeFileFS(w, r, assetFiles, "assets/"+name)
	})
}

// pages are the templates, by language and name.
type pages map[string]map[string]*template.Template

func parsePages() pages {
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		panic(err) // only for a bad pattern
	}
	all := pages{}
	for _, lang := range languages {
		all[lang] = map[string]*template.Template{}
		base := template.Must(template.New("").Funcs(template.FuncMap{
			"t":      func(key string, args ...any) string { return translate(lang, key, args...) },
			"avatar": newAvatar,
			"lang":   langOf,
		}).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html"))
		for _, name := range names {
			page := strings.TrimSuffix(path.Base(name), ".html")
			if page != "layout" && page != "parts" {
				all[lang][page] = template.Must(template.Must(base.Clone()).ParseFS(templateFiles, name))
			}
		}
	}
	return all
}

// page is what the layout needs, around what the page itself needs.
type page struct {
	Title  string
	Lang   string
	Other  string // the language to switch to
	Theme  string
	Assets string
	Here   string // where to come back to after log-in or a switch of language
	Member *member
	Flash  string
	Data   any

	Path    string // of this page, for the menu
	Refused bool   // the page has a form that was refused
	Account string // where people manage their account at the issuer

	zone      *time.Location
	zoneKnown bool
	now       time.Time
}

type member struct {
	ID, Name string
}

// Current is the aria-current attribute of a link of the menu: page for this very page, true for one that this belongs to.
func (p page) Current(paths ...string) template.HTMLAttr {
	for _, path := range paths {
		switch {
		case p.Path == path:
			return ` aria-current="page"`
		case strings.HasPrefix(p.Path, path+"/"), path == "/boards" && (strings.HasPrefix(p.Path, "/posts/") || p.Path == "/search"):
			return ` aria-current="true"`
		}
	}
	return ""
}

// With makes the input of a part out of the page and what the part is about.
func (p page) With(about any) part { return part{p, about} }

type part struct {
	Page  page
	About any
}

func (v *visit) render(status int, name, title string, data any) error {
	p := page{
		Title: title, Lang: v.lang, Other: "ko", Theme: v.prefs.Theme, Assets: v.app.assets.prefix,
		Here: v.here(), Data: data,
		Path: v.r.URL.Path, Refused: v.refusedForm, Account: v.app.cfg.AccountURL, now: v.app.cfg.Now(),
	}
	p.zone, p.zoneKnown = zoneOf(v.r, v.prefs)
	if v.lang == "ko" {
		p.Other = "en"
	}
	if v.session != nil {
		p.Member = &member{v.session.Subject, v.session.Name()}
		if p.Member.Name == "" {
			p.Member.Name = v.t("nameless_you")
		}
		if status == http.StatusOK {
			if key := v.session.TakeFlash(); key != "" {
				p.Flash = v.t(key)
			}
		}
	}
	var text bytes.Buffer
	if err := v.app.pages[v.lang][name].ExecuteTemplate(&text, "layout", p); err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.Header().Set("Content-Language", v.lang)
	if status == http.StatusServiceUnavailable {
		v.w.Header().Set("Retry-After", "5")
	}
	v.w.WriteHeader(status)
	text.WriteTo(v.w) //nolint:errcheck // nobody is left to tell
	return nil
}

// here is the page to come back to: the one that is asked for, or the one whose form was sent.
func (v *visit) here() string {
	here := url.URL{Path: v.r.URL.Path, RawQuery: v.r.URL.RawQuery}
	if v.r.Method != http.MethodGet || v.r.URL.Path == "/callback" {
		here.RawQuery = ""
	}
	// These have no page of their own.
	if path, ok := strings.CutSuffix(here.Path, "/moderate"); ok {
		here.Path = path
		if strings.HasPrefix(path, "/comments/") {
			here.Path = "/boards"
		}
	}
	if here.Path == "/logout" || here.Path == "/language" {
		here.Path = "/"
	}
	return flow.LocalPath(here.String())
}

// initial is the first letter of a name, for the circle that stands for a person.
func initial(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	if r, size := utf8.DecodeRuneInString(name); size > 0 && r != utf8.RuneError && unicode.IsPrint(r) {
		return string(r)
	}
	return "·"
}
