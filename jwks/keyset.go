package jwks

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// Bounds of an RSA modulus, in bits: shorter ones are no longer safe (RFC
// 7518 §3.3), longer ones cost more than they give.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// base64url as RFC 7515 wants it: no padding, and no stray bits at the end,
// so that a token has one spelling only. See decodeBase64.
var base64url = base64.RawURLEncoding.Strict()

var errBase64 = errors.New("not base64url")

// decodeBase64 appends the decoded src to dst. Unlike the decoder of
// encoding/base64 it does not read over line breaks.
func decodeBase64(dst []byte, src string) ([]byte, error) {
	want := base64url.DecodedLen(len(src))
	start := len(dst)
	dst = slices.Grow(dst, want)[:start+want]
	n, err := base64url.Decode(dst[start:], []byte(src))
	if err != nil || n != want {
		return nil, errBase64
	}
	return dst, nil
}

// algorithm is a row of RFC 7518 §3.1 or RFC 8037 §3.1: how to hash, and how
// to verify with a key that fits.
type algorithm struct {
	hash   crypto.Hash // zero: the message itself is signed
	fits   func(public crypto.PublicKey) bool
	verify func(public crypto.PublicKey, hash crypto.Hash, digest, signature []byte) bool
}

// algorithms has every algorithm that can be allowed: signatures by a private
// key only. Neither "none" nor a keyed hash can ever be.
var algorithms = map[string]algorithm{
	"RS256":   {crypto.SHA256, isRSA, verifyPKCS1v15},
	"RS384":   {crypto.SHA384, isRSA, verifyPKCS1v15},
	"RS512":   {crypto.SHA512, isRSA, verifyPKCS1v15},
	"PS256":   {crypto.SHA256, isRSA, verifyPSS},
	"PS384":   {crypto.SHA384, isRSA, verifyPSS},
	"PS512":   {crypto.SHA512, isRSA, verifyPSS},
	"ES256":   {crypto.SHA256, isEC(elliptic.P256()), verifyECDSA},
	"ES384":   {crypto.SHA384, isEC(elliptic.P384()), verifyECDSA},
	"ES512":   {crypto.SHA512, isEC(elliptic.P521()), verifyECDSA},
	"EdDSA":   {0, isEd25519, verifyEd25519},
	"Ed25519": {0, isEd25519, verifyEd25519}, // RFC 9864's name for it
}

// SameAlgorithm says whether two names mean one algorithm: they are equal, or
// one is EdDSA and the other Ed25519. RFC 9864 §2.2 gave the latter name to
// what the former means with the only curve that is supported here; some
// programs write one into a key, and the other into what the key signs.
func SameAlgorithm(a, b string) bool {
	return a == b || a == "EdDSA" && b == "Ed25519" || a == "Ed25519" && b == "EdDSA"
}

func isRSA(public crypto.PublicKey) bool { _, ok := public.(*rsa.PublicKey); return ok }

func isEd25519(public crypto.PublicKey) bool { _, ok := public.(ed25519.PublicKey); return ok }

func isEC(curve elliptic.Curve) func(crypto.PublicKey) bool {
	return func(public crypto.PublicKey) bool {
		key, ok := public.(*ecdsa.PublicKey)
		return ok && key.Curve == curve
	}
}

func verifyPKCS1v15(public crypto.PublicKey, hash crypto.Hash, digest, signature []byte) bool {
	return rsa.VerifyPKCS1v15(public.(*rsa.PublicKey), hash, digest, signature) == nil
}

// RFC 7518 §3.5: the salt is as long as the hash.
func verifyPSS(public crypto.PublicKey, hash crypto.Hash, digest, signature []byte) bool {
	options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	return rsa.VerifyPSS(public.(*rsa.PublicKey), hash, digest, signature, options) == nil
}

// RFC 7518 §3.4: the two numbers, each as long as the curve's order, one after
// the other.
func verifyECDSA(public crypto.PublicKey, _ crypto.Hash, digest, signature []byte) bool {
	key := public.(*ecdsa.PublicKey)
	size := (key.Curve.Params().BitSize + 7) / 8
	if len(signature) != 2*size {
		return false
	}
	r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
	return ecdsa.Verify(key, digest, r, s)
}

func verifyEd25519(public crypto.PublicKey, _ crypto.Hash, message, signature []byte) bool {
	return ed25519.Verify(public.(ed25519.PublicKey), message, signature)
}

// verifies says whether signature is the key's for the message.
func (a algorithm) verifies(key Key, message, signature []byte) bool {
	switch a.hash {
	case crypto.SHA256:
		digest := sha256.Sum256(message)
		return a.verify(key.public, a.hash, digest[:], signature)
	case crypto.SHA384:
		digest := sha512.Sum384(message)
		return a.verify(key.public, a.hash, digest[:], signature)
	case crypto.SHA512:
		digest := sha512.Sum512(message)
		return a.verify(key.public, a.hash, digest[:], signature)
	default:
		return a.verify(key.public, a.hash, message, signature)
	}
}

// A Key is a public key of an issuer, as published in its key set. A value is
// immutable.
type Key struct {
	id        string
	algorithm string // empty: any that fits the key's type
	public    crypto.PublicKey
}

// ID returns the key's id (kid), which may be empty.
func (k Key) ID() string { return k.id }

// Algorithm returns the only algorithm that the issuer uses the key with, or
// the empty string if the key set does not say.
func (k Key) Algorithm() string { return k.algorithm }

// Public returns the key itself: an *rsa.PublicKey, *ecdsa.PublicKey or
// ed25519.PublicKey. It must not be changed.
func (k Key) Public() crypto.PublicKey { return k.public }

// Fits says whether the key can verify signatures by an algorithm: it has the
// type and curve for it, and names no other (RFC 7517 §4.4).
func (k Key) Fits(alg string) bool {
	algo, ok := algorithms[alg]
	return ok && k.isFor(alg, algo)
}

func (k Key) isFor(alg string, algo algorithm) bool {
	return (k.algorithm == "" || SameAlgorithm(k.algorithm, alg)) && algo.fits(k.public)
}

// Verifies says whether a signature of the message is the key's, by an
// algorithm that it Fits. It is for JWTs that no [Verifier] is made for, such
// as those that clients sign.
func (k Key) Verifies(alg string, message, signature []byte) bool {
	algo, ok := algorithms[alg]
	return ok && k.isFor(alg, algo) && algo.verifies(k, message, signature)
}

// A KeySource finds the keys that a token may be signed with. [Cache] and
// [KeySet] are sources. A source is used by many goroutines at once.
type KeySource interface {
	// Keys returns the keys with the given id, usually one, or all keys for
	// the empty id. Neither it nor the caller may change the slice later.
	// The error is ErrUnknownKey if there is none, and ErrKeysUnavailable if
	// that cannot be told now.
	Keys(ctx context.Context, id string) ([]Key, error)
}

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
	err := eachMember(data, func(name, value []byte) error {
		if string(name) != "keys" {
			return nil
		}
		found = true
		return eachElement(value, func(jwk []byte) error {
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

func (s *KeySet) add(jwk []byte) {
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
	if keys := s.lookup(id); len(keys) > 0 {
		return keys, nil
	}
	return nil, ErrUnknownKey
}

func (s *KeySet) lookup(id string) []Key {
	if id == "" {
		return s.keys
	}
	return s.byID[id]
}

// ids returns the ids of the usable keys, in the set's order.
func (s *KeySet) ids() []string {
	ids := make([]string, len(s.keys))
	for i, key := range s.keys {
		ids[i] = key.id
	}
	return ids
}

// Len returns the number of usable keys.
func (s *KeySet) Len() int { return len(s.keys) }

// Skipped says of each key that was left out, why.
func (s *KeySet) Skipped() []error { return s.skipped }

// jwkMembers are the members of a JWK that matter for verifying.
type jwkMembers struct {
	kty, use, alg, crv string
	n, e, x, y         string
	ops                []string
	hasOps, private    bool
}

// parseKey reads one JWK. With an error it returns a Key that has at most its
// id.
func parseKey(jwk []byte) (Key, error) {
	var key Key
	var m jwkMembers
	err := eachMember(jwk, func(name, value []byte) (err error) {
		switch string(name) {
		case "kid":
			key.id, err = stringValue(value)
		case "kty":
			m.kty, err = stringValue(value)
		case "use":
			m.use, err = stringValue(value)
		case "alg":
			m.alg, err = stringValue(value)
		case "crv":
			m.crv, err = stringValue(value)
		case "n":
			m.n, err = stringValue(value)
		case "e":
			m.e, err = stringValue(value)
		case "x":
			m.x, err = stringValue(value)
		case "y":
			m.y, err = stringValue(value)
		case "key_ops":
			m.hasOps = true
			m.ops, err = stringsValue(value)
		case "d", "k", "p", "q", "dp", "dq", "qi", "oth":
			m.private = true
		}
		return err
	})
	if err != nil {
		return key, err
	}
	key.algorithm = m.alg
	key.public, err = m.public()
	if err != nil {
		return Key{id: key.id}, err
	}
	if algo, known := algorithms[m.alg]; m.alg != "" && (!known || !algo.fits(key.public)) {
		return Key{id: key.id}, fmt.Errorf("algorithm %.32q not supported for it", m.alg)
	}
	return key, nil
}

// public builds the key, if it is one to verify signatures with.
func (m *jwkMembers) public() (crypto.PublicKey, error) {
	if m.use != "" && m.use != "sig" {
		return nil, fmt.Errorf("for use %.32q", m.use)
	}
	if m.hasOps && !slices.Contains(m.ops, "verify") {
		return nil, errors.New("not for verifying (key_ops)")
	}
	switch m.kty {
	case "RSA", "EC", "OKP":
	default:
		return nil, fmt.Errorf("key type %.32q not supported", m.kty)
	}
	if m.private {
		// Whoever reads the set can sign with it: it vouches for nothing.
		return nil, errors.New("published with its private half")
	}
	switch m.kty {
	case "RSA":
		return m.rsa()
	case "EC":
		return m.ec()
	default:
		return m.okp()
	}
}

func (m *jwkMembers) rsa() (crypto.PublicKey, error) {
	modulus, err := decodeBase64(nil, m.n)
	if err != nil {
		return nil, fmt.Errorf("n: %w", err)
	}
	exponent, err := decodeBase64(nil, m.e)
	if err != nil {
		return nil, fmt.Errorf("e: %w", err)
	}
	n, e := new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(exponent)
	if bits := n.BitLen(); bits < minRSABits || bits > maxRSABits {
		return nil, fmt.Errorf("RSA key of %d bits", bits)
	}
	if n.Bit(0) == 0 {
		return nil, errors.New("RSA modulus is even")
	}
	// crypto/rsa holds an exponent to 31 bits.
	if e.BitLen() < 2 || e.BitLen() > 31 || e.Bit(0) == 0 {
		return nil, errors.New("RSA exponent out of range")
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

func (m *jwkMembers) ec() (crypto.PublicKey, error) {
	var curve elliptic.Curve
	switch m.crv {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	case "P-521":
		curve = elliptic.P521()
	default:
		return nil, fmt.Errorf("curve %.32q not supported", m.crv)
	}
	// RFC 7518 §6.2.1.2: coordinates have the full size of the curve.
	size := (curve.Params().BitSize + 7) / 8
	point, err := decodeBase64([]byte{4}, m.x)
	if err != nil || len(point) != 1+size {
		return nil, errors.New("malformed x")
	}
	point, err = decodeBase64(point, m.y)
	if err != nil || len(point) != 1+2*size {
		return nil, errors.New("malformed y")
	}
	// Checks that the point is on the curve.
	public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, errors.New("not a point of its curve")
	}
	return public, nil
}

func (m *jwkMembers) okp() (crypto.PublicKey, error) {
	if m.crv != "Ed25519" {
		return nil, fmt.Errorf("curve %.32q not supported", m.crv)
	}
	x, err := decodeBase64(nil, m.x)
	if err != nil || len(x) != ed25519.PublicKeySize {
		return nil, errors.New("malformed x")
	}
	return ed25519.PublicKey(x), nil
}
