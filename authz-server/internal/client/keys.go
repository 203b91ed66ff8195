package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/maru-auth/maru/jwks/jose"
)

// Limits of a client's key set.
const (
	maxKeys   = 20
	maxKeySet = 64 << 10 // bytes
)

// ParseKeys returns the public keys of a JWK set (RFC 7517 §5) that the server can verify by: RSA
// of 2048 to 8192 bits, EC on P-256, Ed25519. Keys of other kinds, and keys for encryption, are
// passed over, so that one of them does not spoil the set. A set with a private or symmetric key is
// refused: it was published by mistake. A set without a usable key is fine.
func ParseKeys(set []byte) ([]jose.Key, error) {
	keys, problem := parseKeys(set)
	if problem != "" {
		return nil, errors.New("the key set " + problem)
	}
	return keys, nil
}

// parseKeys says what is wrong beginning with a verb; empty: nothing.
func parseKeys(set []byte) ([]jose.Key, string) {
	if len(set) > maxKeySet {
		return nil, fmt.Sprintf("must be at most %d KiB long", maxKeySet>>10)
	}
	if err := jose.CheckExact(set); err != nil {
		return nil, "must be a JSON object with the array keys (RFC 7517 §5): " + err.Error()
	}
	parsed, err := jose.ParseKeySet(set)
	if err != nil {
		return nil, "must be a JSON object with the array keys (RFC 7517 §5)"
	}
	if parsed.Len()+len(parsed.Skipped()) > maxKeys {
		return nil, fmt.Sprintf("may hold at most %d keys", maxKeys)
	}
	for _, why := range parsed.Skipped() {
		switch {
		case errors.Is(why, jose.ErrSecretKey):
			return nil, "must not hold private or symmetric keys: remove them, and make new ones, for these have been shown"
		case errors.Is(why, jose.ErrMalformedKey):
			return nil, "must hold JSON objects in keys (RFC 7517 §5)"
		}
	}
	all, _ := parsed.Keys(context.Background(), "") // fails if there is none
	return slices.DeleteFunc(slices.Clone(all),
		func(key jose.Key) bool { return !slices.ContainsFunc(Algorithms, key.Fits) }), ""
}
