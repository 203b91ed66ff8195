package keys

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/maru-auth/maru/jwks/jose"
)

// maxJWT is the size of the largest token that is looked at, in bytes.
const maxJWT = 16 << 10

// Sign makes a JWT of claims (a JSON object) with the current RS256 key. typ is its header's media
// type, such as "at+jwt".
func (k *Ring) Sign(ctx context.Context, typ string, claims []byte) (jwt, kid string, err error) {
	return k.SignAs(ctx, RS256, typ, claims)
}

// SignAs makes a JWT with the current key of an algorithm, one of [client.Algorithms].
func (k *Ring) SignAs(ctx context.Context, alg, typ string, claims []byte) (jwt, kid string, err error) {
	if err := k.turns.take(ctx); err != nil {
		return "", "", fmt.Errorf("wait to sign: %w", err)
	}
	defer k.turns.leave()
	// The current key now, not that of before the wait: it may have been replaced, or withdrawn.
	one := k.snapshot.Load().lines[alg].current(k.cfg.Now())
	if one == nil {
		return "", "", fmt.Errorf("sign with %q: %w", alg, errAlgorithm)
	}
	jwt, err = one.sign(typ, claims)
	return jwt, one.kid, err
}

// SignWith makes a JWT with a named RS256 key of the ring, also a retired one. As RS256 is
// deterministic, the same arguments give the same token again. ErrUnknown: the key is gone, or of
// another algorithm.
func (k *Ring) SignWith(ctx context.Context, kid, typ string, claims []byte) (string, error) {
	if _, err := k.lookup(ctx, kid); err != nil { // it may ask the database, which a turn does not wait for
		return "", err
	}
	if err := k.turns.take(ctx); err != nil {
		return "", fmt.Errorf("wait to sign: %w", err)
	}
	defer k.turns.leave()
	one, ok := k.snapshot.Load().byKID[kid]
	if !ok || one.alg != RS256 {
		return "", ErrUnknown
	}
	return one.sign(typ, claims)
}

// Verify checks that jwt was signed by a key of the ring and has one of the given types (compared
// as media types, RFC 7515 §4.1.9), and returns its claims; the caller checks those. The header
// must name the algorithm of the key. ErrInvalid: it is no such token, or ErrWithdrawn. Any other
// error is a failure of the database.
func (k *Ring) Verify(ctx context.Context, jwt string, types ...string) (claims []byte, kid string, err error) {
	if len(jwt) > maxJWT {
		return nil, "", fmt.Errorf("%w: it is too long", ErrInvalid)
	}
	t, err := jose.Parse(jwt)
	switch {
	case err != nil:
		return nil, "", fmt.Errorf("%w: it is malformed", ErrInvalid)
	case t.Type == "" || !t.HasType(types...):
		return nil, "", fmt.Errorf("%w: its type is not %s", ErrInvalid, strings.Join(types, " or "))
	}
	one, err := k.lookup(ctx, t.KeyID)
	if errors.Is(err, ErrUnknown) && k.snapshot.Load().isWithdrawn(t.KeyID) {
		return nil, "", ErrWithdrawn
	}
	if errors.Is(err, ErrUnknown) {
		return nil, "", fmt.Errorf("%w: its key is unknown", ErrInvalid)
	}
	if err != nil {
		return nil, "", err
	}
	if t.Algorithm != one.alg { // Ed25519 is not EdDSA here
		return nil, "", fmt.Errorf("%w: its algorithm is not that of its key", ErrInvalid)
	}
	claims, ok := t.VerifiedBy(one.public)
	if !ok {
		return nil, "", fmt.Errorf("%w: its signature is wrong", ErrInvalid)
	}
	return claims, one.kid, nil
}
