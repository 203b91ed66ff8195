package client

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/jwks"
)

// Limits of a client's key set.
const (
	maxKeys    = 20
	maxKeySet  = 64 << 10 // bytes
	minRSABits = 2048     // RFC 7518 §3.3
	maxRSABits = 8192     // verifying by a longer one is work that a stranger could order
)

// ParseKeys returns the public keys of a JWK set (RFC 7517 §5) that the server can verify by: RSA of 2048 to 8192 bits, EC on
// P-256, Ed25519. Keys of other kinds, and keys for encryption, are passed over, so that one of them does not spoil the set.
// A set with a private or secret key is refused: it was published by mistake. None usable is no error.
func ParseKeys(set []byte) ([]jose.JSONWebKey, error) {
	keys, problem := parseKeys(set)
	if problem != "" {
		return nil, errors.New("the key set " + problem)
	}
	return keys, nil
}

// parseKeys says what is wrong beginning with a verb; empty: nothing.
func parseKeys(set []byte) ([]jose.JSONWebKey, string) {
	if len(set) > maxKeySet {
		return nil, fmt.Sprintf("must be at most %d KiB long", maxKeySet>>10)
	}
	var members struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := jwks.UnmarshalExact(set, &members); err != nil {
		return nil, "must be a JSON object with the array keys (RFC 7517 §5): " + err.Error()
	}
	if members.Keys == nil {
		return nil, "must be a JSON object with the array keys (RFC 7517 §5)"
	}
	if len(members.Keys) > maxKeys {
		return nil, fmt.Sprintf("may hold at most %d keys", maxKeys)
	}
	var usable []jose.JSONWebKey
	for _, text := range members.Keys {
		var parts map[string]json.RawMessage
		if err := jwks.UnmarshalExact(text, &parts); err != nil {
			return nil, "must hold JSON objects in keys (RFC 7517 §5)"
		}
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
			if _, there := parts[private]; there {
				return nil, "must not hold private or symmetric keys: remove them, and make new ones, for these have been shown"
			}
		}
		var key jose.JSONWebKey
		if err := json.Unmarshal(text, &key); err == nil && usableKey(&key) {
			usable = append(usable, key)
		}
	}
	return usable, ""
}

func usableKey(key *jose.JSONWebKey) bool {
	if key.Use == "enc" || !key.Valid() {
		return false
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		bits := public.N.BitLen()
		return bits >= minRSABits && bits <= maxRSABits
	case *ecdsa.PublicKey:
		return public.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return true
	}
	return false
}
