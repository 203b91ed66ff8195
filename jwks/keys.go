package jwks

import (
	"context"

	"github.com/maru-auth/maru/jwks/jose"
)

// A KeySource finds the keys that a token may be signed with. [Cache] and
// [KeySet] are sources. A source is used by many goroutines at once.
type KeySource interface {
	// Keys returns the keys with the given id, usually one, or all keys for
	// the empty id. Neither it nor the caller may change the slice later.
	// The error is ErrUnknownKey if there is none, and ErrKeysUnavailable if
	// that cannot be told now.
	Keys(ctx context.Context, id string) ([]Key, error)
}

// A Key is a public key of an issuer, as published in its key set.
type Key = jose.Key

// A KeySet is a fixed set of keys: a [KeySource] where no issuer can be reached.
type KeySet = jose.KeySet

var _ KeySource = (*KeySet)(nil)

// ParseKeySet reads a JWK Set (RFC 7517 §5), as [jose.ParseKeySet] does: keys
// that cannot verify a signature are left out, and [KeySet.Skipped] says why.
func ParseKeySet(data []byte) (*KeySet, error) { return jose.ParseKeySet(data) }
