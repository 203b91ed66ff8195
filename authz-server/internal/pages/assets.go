package pages

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/brand"
)

type asset struct {
	content     []byte
	contentType string
}

// addFile makes an embedded file available, and returns the link to it.
func (p *Pages) addFile(name string) (string, error) {
	content, err := files.ReadFile("assets/" + name)
	if err != nil {
		return "", err
	}
	ext := path.Ext(name)
	return p.addAsset(strings.TrimSuffix(name, ext), ext, content), nil
}

// addAsset makes content available under a path that names it, so that browsers can cache it for
// ever, and returns the link to it.
func (p *Pages) addAsset(name, ext string, content []byte) string {
	sum := sha256.Sum256(content)
	at := "/assets/" + name + "-" + base64.RawURLEncoding.EncodeToString(sum[:9]) + ext
	p.assets[at] = asset{content, mime.TypeByExtension(ext)}
	return p.cfg.Issuer.Path(at)
}

// addLook makes the stylesheet, the logo and the icon available: Maru's, or those of the product.
func (p *Pages) addLook() error {
	css, err := files.ReadFile("assets/maru.css")
	if err != nil {
		return err
	}
	p.css = p.addAsset("style", ".css", append([]byte(p.cfg.Brand.Stylesheet()), css...))
	if p.adminCSS, err = p.addFile("admin.css"); err != nil {
		return err
	}
	icon := p.cfg.Brand.Icon()
	if icon == nil {
		content, err := files.ReadFile("assets/maru.svg")
		if err != nil {
			return err
		}
		icon = &brand.Logo{Content: content, ContentType: "image/svg+xml"}
	}
	p.mark = mark{icon.ContentType, p.addLogo("icon", icon)}
	p.logo = logo{URL: p.mark.URL}
	if own := p.cfg.Brand.Logo; own != nil {
		p.logo = logo{p.addLogo("logo", own), own.Wordmark}
	}
	return nil
}

func (p *Pages) addLogo(name string, l *brand.Logo) string {
	if l.ContentType == "image/png" {
		return p.addAsset(name, ".png", l.Content)
	}
	return p.addAsset(name, ".svg", l.Content)
}

// mark is the icon of the browser's tab.
type mark struct{ Type, URL string }

// logo is the picture at the head of a page.
type logo struct {
	URL      string
	Wordmark bool // it shows the product's name
}

// Logo is the link to the product's logo, below the issuer's origin.
func (p *Pages) Logo() string { return p.logo.URL }

// Routes adds the assets to r.
func (p *Pages) Routes(r *mux.Router) {
	r.PathPrefix("/assets/").HandlerFunc(p.serveAsset).Methods(http.MethodGet, http.MethodHead)
	// Browsers and bookmarks ask for these without a link.
	for path, contentType := range map[string]string{"/favicon.ico": "image/x-icon",
		"/apple-touch-icon.png": "image/png"} {
		r.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			content, err := files.ReadFile("assets" + path)
			if err != nil {
				http.NotFound(w, r)
				return
			}
			kind := contentType
			if own := p.cfg.Brand.Icon(); own != nil { // browsers go by the type, not by the path
				content, kind = own.Content, own.ContentType
			}
			header := w.Header()
			header.Set("Content-Type", kind)
			header.Set("Cache-Control", "public, max-age=86400")
			setInert(header)
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
	setInert(header)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
}

// setInert forbids everything to a file that somebody opens as a document: an SVG file is one.
func setInert(header http.Header) {
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
}
