package keys

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks/jose"
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
		if k.isPublished(one, now) {
			keys = append(keys, one.jwk)
		}
	}
	return append(append([]byte(`{"keys":[`), bytes.Join(keys, []byte{','})...), "]}\n"...)
}

func (k *Ring) isPublished(one *key, now time.Time) bool {
	return one.retiresAt.IsZero() || now.Before(one.retiresAt.Add(k.publishFor()))
}

// Public is a key of those that [Ring.ServeJWKS] publishes, for tokens that are verified in this
// process. [ErrUnknown]: there is none, or it was withdrawn. Any other error is a failure of the
// database.
func (k *Ring) Public(ctx context.Context, kid string) (jose.Key, error) {
	one, err := k.lookup(ctx, kid)
	if err == nil && !k.isPublished(one, k.cfg.Now()) {
		err = ErrUnknown
	}
	if err != nil {
		return jose.Key{}, err
	}
	return one.public, nil
}
