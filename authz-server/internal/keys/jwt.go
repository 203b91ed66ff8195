package keys

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/maru-auth/maru/jwks/jose"
)

// maxJWT is the size of the largest token that is looked at, in bytes.
const maxJWT = 16 << 10

// Sign makes a JWT of claims (a JSON object) with the current RS256 key. typ is its header's media type, such as "at+jwt".
func (k *Ring) Sign(ctx context.Context, typ string, claims []byte) (jwt, kid string, err error) {
	return k.SignAs(ctx, RS256, typ, claims)
}

// SignAs makes a JWT with the current key of an algorithm, one of [client.Algorithms].
func (k *Ring) SignAs(_ context.Context, alg, typ string, claims []byte) (jwt, kid string, err error) {
	one := k.snapshot.Load().lines[alg].current(k.cfg.Now())
	if one == nil {
		return "", "", fmt.Errorf("sign with %q: %w", alg, errAlgorithm)
	}
	jwt, err = one.sign(typ, claims)
	return jwt, one.kid, err
}

// SignWith makes a JWT with a named RS256 key of the ring, also a retired one. As RS256 is deterministic, the same arguments
// give the same token again. ErrUnknown: the key is gone, or of another algorithm.
func (k *Ring) SignWith(ctx context.Context, kid, typ string, claims []byte) (string, error) {
	one, err := k.lookup(ctx, kid)
	if err != nil {
		return "", err
	}
	if one.alg != RS256 {
		return "", ErrUnknown
	}
	return one.sign(typ, claims)
}

// Verify checks that jwt was signed by a key of the ring and has one of the given types, compared without case and without
// the prefix "application/" (RFC 7515 §4.1.9), and returns its claims as they are: the caller checks those. The algorithm
// is that of the key, whatever the header says. ErrInvalid: it is no such token. Any other error is a failure of the database.
func (k *Ring) Verify(ctx context.Context, jwt string, types ...string) (claims []byte, kid string, err error) {
	header, payload, signature, err := split(jwt)
	if err != nil {
		return nil, "", err
	}
	if !slices.ContainsFunc(types, func(typ string) bool { return mediaType(typ) == mediaType(header.Typ) }) {
		return nil, "", fmt.Errorf("%w: its type is not %s", ErrInvalid, strings.Join(types, " or "))
	}
	one, err := k.lookup(ctx, header.Kid)
	if errors.Is(err, ErrUnknown) {
		return nil, "", fmt.Errorf("%w: its key is unknown", ErrInvalid)
	}
	if err != nil {
		return nil, "", err
	}
	if header.Alg != one.alg {
		return nil, "", fmt.Errorf("%w: its algorithm is not that of its key", ErrInvalid)
	}
	if !one.verifies([]byte(jwt[:strings.LastIndexByte(jwt, '.')]), signature) {
		return nil, "", fmt.Errorf("%w: its signature is wrong", ErrInvalid)
	}
	return payload, one.kid, nil
}

type header struct {
	Alg  string          `json:"alg"`
	Kid  string          `json:"kid"`
	Typ  string          `json:"typ"`
	Crit json.RawMessage `json:"crit"`
}

func split(jwt string) (h header, payload, signature []byte, err error) {
	malformed := fmt.Errorf("%w: it is malformed", ErrInvalid)
	// base64 skips line breaks even when it is strict.
	if len(jwt) > maxJWT || strings.Count(jwt, ".") != 2 || strings.ContainsAny(jwt, "\r\n") {
		return header{}, nil, nil, malformed
	}
	var parts [3][]byte
	for i, text := range strings.Split(jwt, ".") {
		if parts[i], err = base64.RawURLEncoding.Strict().DecodeString(text); err != nil {
			return header{}, nil, nil, malformed
		}
	}
	// RFC 7515 §4.1.11: no extension is understood.
	if err := jose.UnmarshalExact(parts[0], &h); err != nil || h.Crit != nil || h.Typ == "" {
		return header{}, nil, nil, malformed
	}
	return h, parts[1], parts[2], nil
}

func mediaType(typ string) string {
	return strings.TrimPrefix(strings.ToLower(typ), "application/")
}
