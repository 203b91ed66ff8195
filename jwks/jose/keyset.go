package jose

import (
	"context"
	"errors"
	"fmt"

	"github.com/maru-auth/maru/jwks/internal/exactjson"
)

// ErrUnknownKey means that a JWT was signed by a key that is not in the set of
// its signer.
var ErrUnknownKey = errors.New("jwks: unknown key")

// A KeySet is a fixed set of keys: one that was fetched, or one that comes
// from a file where no issuer can be reached. It is immutable.
type KeySet struct {
	keys    []Key
	byID    map[string][]Key
	skipped []error
}

// ParseKeySet reads a JWK Set (RFC 7517 §5). Keys that cannot verify a
// signature here are left out, and [KeySet.Skipped] says why: those for
// encryption, of unknown or symmetric type, malformed, too weak, or published
// with their private half. So the set may come out empty. An error means that
// data is not a JWK Set at all.
func ParseKeySet(data []byte) (*KeySet, error) {
	set := &KeySet{byID: make(map[string][]Key)}
	found := false
	err := exactjson.Members(string(data), func(name, value string) error {
		if name != "keys" {
			return nil
		}
		found = true
		return exactjson.Elements(value, func(jwk string) error {
			set.add(jwk)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("jwks: malformed key set: %w", err)
	}
	if !found {
		return nil, errors.New("jwks: malformed key set: no member keys")
	}
	return set, nil
}

func (s *KeySet) add(jwk string) {
	key, err := parseKey(jwk)
	if err != nil {
		s.skipped = append(s.skipped, fmt.Errorf("jwks: key %.64q: %w", key.id, err))
		return
	}
	s.keys = append(s.keys, key)
	// RFC 7517 §4.5: equivalent keys of several types may share an id.
	s.byID[key.id] = append(s.byID[key.id], key)
}

// Keys returns the keys with the given id, or all of them for the empty id;
// ErrUnknownKey if there is none.
func (s *KeySet) Keys(_ context.Context, id string) ([]Key, error) {
	keys := s.keys
	if id != "" {
		keys = s.byID[id]
	}
	if len(keys) == 0 {
		return nil, ErrUnknownKey
	}
	return keys, nil
}

// Len returns the number of usable keys.
func (s *KeySet) Len() int { return len(s.keys) }

// Skipped says why each key was left out that was. The errors may be an
// [ErrSecretKey] or an [ErrMalformedKey].
func (s *KeySet) Skipped() []error { return s.skipped }
