// Package apidocs serves an OpenAPI document as an interactive reference: Swagger UI, from the
// program itself, with log-in by authorization code and PKCE. The page loads nothing from other
// hosts, and no script is inline.
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
	Issuer   string // the page may call it, and accepts the answer to a log-in from it only (RFC 9207)
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
	policy, err := contentPolicy(cfg.Issuer, cfg.Server)
	if err != nil {
		return nil, err
	}
	page, err := writePage(cfg)
	if err != nil {
		return nil, err
	}
	d := &Docs{files: make(map[string]file), policy: policy}
	d.add(cfg.Path, ".html", page, false)
	for _, name := range []string{"docs.css", "docs.js", "oauth2-redirect.html", "oauth2-redirect.js"} {
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

// contentPolicy lets the page run and show only what is served here, and call these addresses.
func contentPolicy(addresses ...string) (string, error) {
	var callable []string
	for _, address := range addresses {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || strings.ContainsAny(u.Host, "; ,'") {
			return "", fmt.Errorf("no URL that a page could call: %q", address)
		}
		callable = append(callable, u.Scheme+"://"+u.Host)
	}
	// Swagger UI draws its icons from data: URLs in its style.
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
		"connect-src 'self' " + strings.Join(callable, " ") + "; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'", nil
}

func writePage(cfg Config) ([]byte, error) {
	page, err := template.ParseFS(own, "assets/docs.html")
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	err = page.Execute(&body, map[string]string{
		"Title": cfg.Title, "Base": path.Base(cfg.Path), "Document": cfg.Document, "Issuer": cfg.Issuer, "ClientID": cfg.ClientID,
	})
	return body.Bytes(), err
}

func (d *Docs) add(at, extension string, body []byte, gzipped bool) {
	sum := sha256.Sum256(body)
	etag := `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	d.files[at] = file{contentType: contentTypes[extension], etag: etag, body: body, gzipped: gzipped}
}

// Paths returns the paths that the reference has, in order.
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
	header.Set("Cache-Control", "no-cache") // kept, but asked for again: the next version may have another one
	header.Set("ETag", f.etag)
	if f.gzipped {
		header.Set("Vary", "Accept-Encoding")
	}
	switch {
	case httpd.NoneMatch(r, f.etag):
		w.WriteHeader(http.StatusNotModified)
	case !f.gzipped:
		w.Write(f.body) //nolint:errcheck // the client is gone
	case strings.Contains(r.Header.Get("Accept-Encoding"), "gzip"):
		header.Set("Content-Encoding", "gzip")
		w.Write(f.body) //nolint:errcheck // the client is gone
	default:
		if plain, err := gzip.NewReader(bytes.NewReader(f.body)); err == nil {
			io.Copy(w, plain) //nolint:errcheck,gosec // the client is gone, and the file is our own
		}
	}
}
