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
)

type asset struct {
	content     []byte
	contentType string
}

// addAsset makes an embedded file available under a path that names its content, so that browsers
// can cache it for ever, and returns the link to it.
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
	// Browsers and bookmarks ask for these without a link.
	for path, contentType := range map[string]string{"/favicon.ico": "image/x-icon",
		"/apple-touch-icon.png": "image/png"} {
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
	// Somebody may open the icon as a document.
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
}
