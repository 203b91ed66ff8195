package keys

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"

	"github.com/maru-auth/maru/internal/httpd"
)

// ServeJWKS answers GET and HEAD with the public keys (RFC 7517 §5): current, next, and those whose tokens may still be
// alive. It may be cached and read from any origin; there is nothing in it that is not public.
func (k *Ring) ServeJWKS(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		header.Set("Access-Control-Allow-Methods", "GET, HEAD")
		header.Set("Access-Control-Allow-Headers", "If-None-Match, Cache-Control")
		header.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		header.Set("Allow", "GET, HEAD, OPTIONS")
		http.Error(w, "The key set can only be read.", http.StatusMethodNotAllowed)
		return
	}
	body := k.jwks()
	sum := sha256.Sum256(body)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	header.Set("Access-Control-Expose-Headers", "ETag")
	header.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(k.cfg.MaxAge.Seconds())))
	header.Set("ETag", etag)
	if httpd.NoneMatch(r, etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", fmt.Sprint(len(body)))
	if r.Method == http.MethodGet {
		w.Write(body) //nolint:errcheck // nobody is left to tell
	}
}

func (k *Ring) jwks() []byte {
	now := k.cfg.Now()
	var keys [][]byte
	for one := range k.snapshot.Load().all() {
		if one.retiresAt.IsZero() || now.Before(one.retiresAt.Add(k.publishFor())) {
			keys = append(keys, one.jwk)
		}
	}
	return append(append([]byte(`{"keys":[`), bytes.Join(keys, []byte{','})...), "]}\n"...)
}
