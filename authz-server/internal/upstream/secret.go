package upstream

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"

	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
)

// purpose separates the encryption of secrets from other uses of the key-encryption key.
const purpose = "upstream secret"

// Seal encrypts the secret of the upstream with a name; an empty one stays empty.
func Seal(kek *keys.KEK, name, secret string) ([]byte, error) {
	if secret == "" {
		return []byte{}, nil
	}
	return kek.Seal(purpose, []byte(secret), name)
}

// open returns what [Seal] encrypted. stale says that an old key was needed.
func open(kek *keys.KEK, u upstreams.Upstream) (secret string, stale bool, err error) {
	if len(u.Secret) == 0 {
		return "", false, nil
	}
	plain, stale, err := kek.Open(purpose, u.Secret, u.Name)
	return string(plain), stale, err
}

// hintPurpose is that of ID tokens, which are kept for a log-out.
const hintPurpose = "upstream id token"

// maxHint is the longest ID token that is kept, in bytes: it becomes part of an address.
const maxHint = 8 << 10

// sealHint encrypts the ID token of o for o.IDToken. It opens for no other upstream, and for nobody else.
func sealHint(kek *keys.KEK, o upstreams.Origin, token string) (string, error) {
	sealed, err := kek.Seal(hintPurpose, []byte(token), o.Upstream, o.Issuer, o.Subject)
	return base64.RawStdEncoding.EncodeToString(sealed), err
}

// openHint returns what sealHint encrypted. stale says that an old key was needed.
func openHint(kek *keys.KEK, o upstreams.Origin) (token string, stale bool, err error) {
	sealed, err := base64.RawStdEncoding.DecodeString(o.IDToken)
	if err != nil {
		return "", false, err
	}
	plain, stale, err := kek.Open(hintPurpose, sealed, o.Upstream, o.Issuer, o.Subject)
	return string(plain), stale, err
}

// SecretIs tells whether a secret is the one that an upstream has.
func SecretIs(kek *keys.KEK, u upstreams.Upstream, secret string) bool {
	has, _, err := open(kek, u)
	return err == nil && subtle.ConstantTimeCompare([]byte(has), []byte(secret)) == 1
}

// Rewrap encrypts anew the secrets, and the ID tokens of sessions, that are still encrypted under an old
// key-encryption key, and returns how many there were.
func Rewrap(ctx context.Context, s *upstreams.Upstreams, kek *keys.KEK) (done int, err error) {
	all, err := s.List(ctx)
	if err != nil {
		return 0, err
	}
	for _, one := range all {
		secret, stale, err := open(kek, one)
		if err != nil || !stale {
			continue // what no key opens stays as it is
		}
		sealed, err := Seal(kek, one.Name, secret)
		if err != nil {
			return done, err
		}
		if err := s.Rewrap(ctx, one.Name, one.Secret, sealed); err != nil && !errors.Is(err, store.ErrNotFound) {
			return done, err
		}
		done++
	}
	for after, more := "", true; more; more = after != "" {
		var page []upstreams.Kept
		if page, after, err = s.Kept(ctx, after, 200); err != nil {
			return done, err
		}
		for _, one := range page {
			token, stale, err := openHint(kek, one.Origin)
			if err != nil || !stale {
				continue
			}
			sealed, err := sealHint(kek, one.Origin, token)
			if err != nil {
				return done, err
			}
			if err := s.RewrapIDToken(ctx, one.SessionID, one.IDToken, sealed); err != nil && !errors.Is(err, store.ErrNotFound) {
				return done, err
			}
			done++
		}
	}
	return done, nil
}
