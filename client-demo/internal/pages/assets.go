package pages

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// Assets serves styles, scripts and the app's mark.
type Assets struct {
	prefix string // "/static/<hash>/"; the hash of all files, which browsers may therefore keep for good
	files  http.Handler
}

func newAssets() Assets {
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
	return Assets{prefix, http.StripPrefix(prefix, http.FileServerFS(dir))}
}

// ServeHTTP serves the files below /static/.
func (a Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if path.Ext(r.URL.Path) == "" || !strings.HasPrefix(r.URL.Path, a.prefix) { // no listing of the folder
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	a.files.ServeHTTP(w, r)
}

// File serves one file at a fixed address, where browsers look for it, and the issuer, which shows
// the app's mark.
func (a Assets) File(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=86400")
		http.ServeFileFS(w, r, assetFiles, "assets/"+name)
	})
}
