package httpd

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"
)

// ServeJSON answers GET and HEAD with a JSON document that any cache may keep for maxAge, and with
// 304 where the caller has it by its ETag already.
func ServeJSON(w http.ResponseWriter, r *http.Request, document []byte, maxAge time.Duration) {
	ServeDocument(w, r, "application/json", document, maxAge)
}

// ServeDocument is [ServeJSON] for a document of another type.
func ServeDocument(w http.ResponseWriter, r *http.Request, contentType string, document []byte, maxAge time.Duration) {
	sum := sha256.Sum256(document)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	header := w.Header()
	header.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(maxAge.Seconds())))
	header.Set("ETag", etag)
	if NoneMatch(r, etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", fmt.Sprint(len(document)))
	if r.Method != http.MethodHead {
		w.Write(document) //nolint:errcheck // nobody is left to tell
	}
}
