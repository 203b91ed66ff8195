package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/maru-auth/maru/jwks/internal/exactjson"
)

// Bounds of an RSA modulus, in bits: shorter ones are no longer safe (RFC
// 7518 §3.3), longer ones cost more than they give.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// A Key is a public key to verify signatures with: one of an issuer's or a
// client's key set, or the one in a DPoP proof. A value is immutable, and the
// zero value verifies nothing.
type Key struct {
	id         string
	algorithm  string // empty: any that fits the key's type
	public     crypto.PublicKey
	thumbprint string        // of public
	rsa        *rsaFunctions // nil: crypto/rsa
}

// NewKey returns the public half of a key that you sign with, for one
// algorithm. Its id is its thumbprint. An RSA key may have any size. The error
// says that the key does not fit the algorithm.
func NewKey(algorithm string, public crypto.PublicKey) (Key, error) {
	sum := thumbprint(public)
	key := Key{id: sum, algorithm: algorithm, public: public, thumbprint: sum}
	if !key.Fits(algorithm) {
		return Key{}, fmt.Errorf("is no key for %.32s", algorithm)
	}
	return key, nil
}

// ID returns the key's id (kid), which may be empty.
func (k Key) ID() string { return k.id }

// Algorithm returns the only algorithm that the key is used with, or the empty
// string if its JWK does not say.
func (k Key) Algorithm() string { return k.algorithm }

// Public returns the key itself: an *rsa.PublicKey, *ecdsa.PublicKey or
// ed25519.PublicKey. It must not be changed.
func (k Key) Public() crypto.PublicKey { return k.public }

// Fits says whether the key can verify signatures by an algorithm: it has the
// type and curve for it, and names no other (RFC 7517 §4.4).
func (k Key) Fits(alg string) bool {
	algo, ok := algorithms[alg]
	return ok && (k.algorithm == "" || SameAlgorithm(k.algorithm, alg)) && algo.fits(k.public)
}

// Verifies says whether a signature of the message is the key's, by an
// algorithm that it Fits. For a JWT use [JWT.VerifiedBy].
func (k Key) Verifies(alg string, message, signature []byte) bool {
	return k.Fits(alg) && k.verifies(alg, algorithms[alg].digest(message), signature)
}

// Thumbprint returns the thumbprint of the key (RFC 7638) with SHA-256, in
// base64url. It names the key alone: id and algorithm make no difference.
func (k Key) Thumbprint() string { return k.thumbprint }

// Equal says whether two keys are the same, under the same id, for the same
// algorithm: what one verifies, the other does.
func (k Key) Equal(other Key) bool {
	return k.thumbprint == other.thumbprint && k.algorithm == other.algorithm && k.id == other.id
}

// jwkMembers are the members of a JWK that matter for verifying.
type jwkMembers struct {
	kid, kty, use, alg string
	crv                string
	n, e, x, y         string
	ops                []string
	hasOps, secret     bool
}

// ErrSecretKey means that a JWK has a private or symmetric key. All who read it
// can sign with it, so its signatures prove nothing.
var ErrSecretKey = errors.New("it has a private or symmetric key")

// ErrMalformedKey means that a JWK is not one JSON object with unique names.
var ErrMalformedKey = errors.New("malformed")

// ParseKey reads a JWK (RFC 7517 §4) with a public key that signatures can be
// verified with: RSA of 2048 to 8192 bits, EC on P-256, P-384 or P-521, or
// Ed25519. The error says why it is not; the Key beside an error has its id at
// most.
func ParseKey(jwk []byte) (Key, error) {
	return parseKey(string(jwk))
}

func parseKey(jwk string) (Key, error) {
	var m jwkMembers
	if err := m.parse(jwk); err != nil {
		return Key{id: m.kid}, err
	}
	public, err := m.public()
	if err != nil {
		return Key{id: m.kid}, err
	}
	if algo, known := algorithms[m.alg]; m.alg != "" && (!known || !algo.fits(public)) {
		return Key{id: m.kid}, fmt.Errorf("algorithm %.32q not supported for it", m.alg)
	}
	// Cloned, so that a key does not keep the whole set's text.
	return Key{id: strings.Clone(m.kid), algorithm: strings.Clone(m.alg), public: public, thumbprint: thumbprint(public)}, nil
}

// parse reads the members. It goes on after a malformed one, which must not
// hide the private half of a key.
func (m *jwkMembers) parse(jwk string) error {
	var malformed error
	err := exactjson.Members(jwk, func(name, value string) error {
		if err := m.set(name, value); err != nil && malformed == nil {
			malformed = err
		}
		return nil
	})
	switch {
	case m.secret:
		return ErrSecretKey
	case err != nil:
		return fmt.Errorf("%w: %w", ErrMalformedKey, err)
	}
	return malformed
}

func (m *jwkMembers) set(name, value string) (err error) {
	switch name {
	case "kid":
		m.kid, err = exactjson.String(value)
	case "kty":
		m.kty, err = exactjson.String(value)
	case "use":
		m.use, err = exactjson.String(value)
	case "alg":
		m.alg, err = exactjson.String(value)
	case "crv":
		m.crv, err = exactjson.String(value)
	case "n":
		m.n, err = exactjson.String(value)
	case "e":
		m.e, err = exactjson.String(value)
	case "x":
		m.x, err = exactjson.String(value)
	case "y":
		m.y, err = exactjson.String(value)
	case "key_ops":
		m.hasOps = true
		m.ops, err = exactjson.AppendStrings(nil, value)
	case "d", "k", "p", "q", "dp", "dq", "qi", "oth":
		m.secret = true
	}
	return err
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
	case "RSA":
		return m.rsa()
	case "EC":
		return m.ec()
	case "OKP":
		return m.okp()
	}
	return nil, fmt.Errorf("key type %.32q not supported", m.kty)
}

func (m *jwkMembers) rsa() (crypto.PublicKey, error) {
	modulus, err := decodeBase64(m.n)
	if err != nil {
		return nil, fmt.Errorf("n: %w", err)
	}
	exponent, err := decodeBase64(m.e)
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
	x, err := decodeBase64(m.x)
	if err != nil || len(x) != size {
		return nil, errors.New("malformed x")
	}
	y, err := decodeBase64(m.y)
	if err != nil || len(y) != size {
		return nil, errors.New("malformed y")
	}
	// Checks that the point is on the curve.
	public, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, errors.New("not a point of its curve")
	}
	return public, nil
}

func (m *jwkMembers) okp() (crypto.PublicKey, error) {
	if m.crv != "Ed25519" {
		return nil, fmt.Errorf("curve %.32q not supported", m.crv)
	}
	x, err := decodeBase64(m.x)
	if err != nil || len(x) != ed25519.PublicKeySize {
		return nil, errors.New("malformed x")
	}
	return ed25519.PublicKey(x), nil
}

// thumbprint is RFC 7638 with SHA-256, of a key as ParseKey makes it: the
// members that are required, in the order of their names.
func thumbprint(public crypto.PublicKey) string {
	var canonical string
	switch key := public.(type) {
	case *rsa.PublicKey:
		e := big.NewInt(int64(key.E)).Bytes()
		canonical = `{"e":"` + base64url.EncodeToString(e) + `","kty":"RSA","n":"` + base64url.EncodeToString(key.N.Bytes()) + `"}`
	case *ecdsa.PublicKey:
		point, err := key.Bytes() // 4, x and y
		if err != nil {
			return ""
		}
		size := (len(point) - 1) / 2
		canonical = `{"crv":"` + key.Params().Name + `","kty":"EC","x":"` + base64url.EncodeToString(point[1:1+size]) +
			`","y":"` + base64url.EncodeToString(point[1+size:]) + `"}`
	case ed25519.PublicKey:
		canonical = `{"crv":"Ed25519","kty":"OKP","x":"` + base64url.EncodeToString(key) + `"}`
	default:
		return ""
	}
	sum := sha256.Sum256([]byte(canonical))
	return base64url.EncodeToString(sum[:])
}

// thumbprintLength is the length of a SHA-256 in base64url.
const thumbprintLength = 43

// IsThumbprint says whether text has the form of a [Key.Thumbprint].
func IsThumbprint(text string) bool {
	if len(text) != thumbprintLength {
		return false
	}
	_, err := decodeBase64(text)
	return err == nil
}
