package keys

import (
	"bytes"
	"net/http"

	"github.com/maru-auth/maru/internal/httpd"
)

// ServeJWKS answers GET and HEAD with the public keys (RFC 7517 §5): current, next, and those whose
// tokens may not have expired yet, without any that was withdrawn, at whichever replica. It may be
// cached for Config.MaxAge. Without the database it has the keys that are known.
func (k *Ring) ServeJWKS(w http.ResponseWriter, r *http.Request) {
	k.look(r.Context())
	httpd.ServeJSON(w, r, k.jwks(), k.cfg.MaxAge)
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
