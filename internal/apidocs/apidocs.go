// Package apidocs serves an OpenAPI document as an interactive reference: Swagger UI, from the program itself, with log-in by
// authorization code and PKCE. Nothing comes from elsewhere, and no script is inline.
package apidocs

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/swaggest/swgui/v5/static"

	"github.com/maru-auth/maru/internal/httpd"
)

// Config is what the reference shows, and how people log in to try it. All fields are required.
type Config struct {
	Title    string
	Path     string // of the page, such as /docs; its assets are below it
	Document string // address of the OpenAPI document, relative to the page
	Server   string // URL of the server that the document names: the page may call it
	Issuer   string // the page may call it, and takes answers of its log-in from it alone (RFC 9207)
	ClientID string // a public client there; its redirect URI is the page's address with /oauth2-redirect.html
}

// Docs are the page and its assets. They are immutable once made.
type Docs struct {
	files  map[string]file
	policy string
}

type file struct {
	contentType string
	etag        string
	body        []byte
	gzipped     bool // body is
}

//go:embed assets
var own embed.FS

var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".png":  "image/png",
}

// New returns the reference, or an error that says which field is wrong.
func New(cfg Config) (*Docs, error) {
	var callable []string
	for _, address := range []string{cfg.Issuer, cfg.Server} {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || strings.ContainsAny(u.Host, "; ,'") {
			return nil, fmt.Errorf("no URL that a page could call: %q", address)
		}
		callable = append(callable, u.Scheme+"://"+u.Host)
	}
	d := &Docs{
		files: make(map[string]file),
		// Swagger UI draws its icons from data: URLs in its style.
		policy: "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' " + strings.Join(callable, " ") +
			"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}
	page, err := template.ParseFS(own, "assets/docs.html")
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	data := map[string]string{"Title": cfg.Title, "Base": path.Base(cfg.Path), "Document": cfg.Document, "Issuer": cfg.Issuer, "ClientID": cfg.ClientID}
	if err := page.Execute(&body, data); err != nil {
		return nil, err
	}
	d.add(cfg.Path, ".html", body.Bytes(), false)
	for _, name := range []string{"docs.js", "oauth2-redirect.html", "oauth2-redirect.js"} {
		text, err := own.ReadFile("assets/" + name)
		if err != nil {
			return nil, err
		}
		d.add(cfg.Path+"/"+name, path.Ext(name), text, false)
	}
	for _, name := range []string{"swagger-ui.css.gz", "swagger-ui-bundle.js.gz", "favicon-32x32.png"} {
		text, err := static.FS.ReadFile(name)
		if err != nil {
			return nil, err
		}
		plain, gzipped := strings.CutSuffix(name, ".gz")
		d.add(cfg.Path+"/"+plain, path.Ext(plain), text, gzipped)
	}
	return d, nil
}

func (d *Docs) add(at, extension string, body []byte, gzipped bool) {
	sum := sha256.Sum256(body)
	d.files[at] = file{contentType: contentTypes[extension], etag: `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, body: body, gzipped: gzipped}
}

// Paths are those that the reference has, in order.
func (d *Docs) Paths() []string { return slices.Sorted(maps.Keys(d.files)) }

// ServeHTTP answers GET and HEAD for one of Paths, and 404 for every other.
func (d *Docs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := d.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Type", f.contentType)
	header.Set("Content-Security-Policy", d.policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-cache") // kept, but asked for again: the next version may have another
	header.Set("ETag", f.etag)
	if f.gzipped {
		header.Set("Vary", "Accept-Encoding")
	}
	switch {
	case httpd.NoneMatch(r, f.etag):
		w.WriteHeader(http.StatusNotModified)
	case !f.gzipped:
		w.Write(f.body) //nolint:errcheck // nobody is left to tell
	case strings.Contains(r.Header.Get("Accept-Encoding"), "gzip"):
		header.Set("Content-Encoding", "gzip")
		w.Write(f.body) //nolint:errcheck // nobody is left to tell
	default:
		if plain, err := gzip.NewReader(bytes.NewReader(f.body)); err == nil {
			io.Copy(w, plain) //nolint:errcheck,gosec // nobody is left to tell, and the file is our own
		}
	}
}
