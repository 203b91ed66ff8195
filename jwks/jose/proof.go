package jose

import (
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/maru-auth/maru/jwks/internal/exactjson"
)

// Bounds of what a stranger may send as a proof.
const (
	maxProofBytes   = 4 << 10 // room for an RSA key of maxProofRSABits and its signature
	maxProofRSABits = 4096    // anybody may choose the key; longer ones cost too much
	maxProofID      = 256     // bytes of a jti
)

// ErrInvalidProof means that a DPoP proof is missing, malformed, or not for the
// request and token that it comes with. The text says what is wrong.
var ErrInvalidProof = errors.New("jwks: invalid DPoP proof")

// A ProofError is an [ErrInvalidProof] with what is wrong, which names no part
// of the proof and so may be told.
type ProofError string

func (e ProofError) Error() string { return ErrInvalidProof.Error() + ": " + string(e) }

func (ProofError) Unwrap() error { return ErrInvalidProof }

// The reasons for which a proof is refused.
const (
	errProofMissing   = ProofError("the header is missing")
	errProofTwice     = ProofError("there are several headers")
	errProofSize      = ProofError("it is too long")
	errProofMalformed = ProofError("it is malformed")
	errProofType      = ProofError("typ is not dpop+jwt")
	errProofAlgorithm = ProofError("alg is not accepted")
	errProofKey       = ProofError("jwk is not a public key that fits alg")
	errProofBinding   = ProofError("jwk is not the key that the access token is bound to")
	errProofBoundAlg  = ProofError("alg is not the one that the access token is bound to")
	errProofSignature = ProofError("the signature is wrong")
	errProofClaims    = ProofError("a claim is missing or malformed")
	errProofMethod    = ProofError("htm is not the request's method")
	errProofURL       = ProofError("htu is not the request's URL")
	errProofAge       = ProofError("iat is too long ago or in the future")
	errProofToken     = ProofError("ath is not the access token's hash")
)

// A Proof is a DPoP proof (RFC 9449 §4.2) of the right form, whose signature is
// that of the key that it carries. What it says may still be anything, unless
// it comes from [ProofRule.Check].
type Proof struct {
	Thumbprint string // [Key.Thumbprint] of the key
	Algorithm  string // alg

	ID        string    // jti
	Method    string    // htm
	URL       string    // htu
	IssuedAt  time.Time // iat
	TokenHash string    // ath; empty: none
	Nonce     string    // nonce; empty: none

	// Until is when the proof stops being good. Zero if ParseProof made it.
	Until time.Time
	// NextNonce is the nonce that the client should use from now on. Empty: the
	// one it used, or none is required.
	NextNonce string
}

// ParseProof reads the value of a DPoP header that is signed with one of the
// algorithms. The proof has jti, htm, htu and iat, and a jti of at most 256
// bytes. It is for the caller to compare them with the request, and to make
// sure that it is used once; [ProofRule] does. The error is a [ProofError].
func ParseProof(text string, algorithms []string) (*Proof, error) {
	return parseProof(text, algorithms, (*JWT).VerifiedBy)
}

func parseProof(text string, algorithms []string, verify func(t *JWT, key Key) (payload []byte, ok bool)) (*Proof, error) {
	if len(text) > maxProofBytes {
		return nil, errProofSize
	}
	t, err := Parse(text)
	if err != nil {
		return nil, errProofMalformed
	}
	key, err := t.proofKey(algorithms)
	if err != nil {
		return nil, err
	}
	payload, ok := verify(t, key)
	if !ok {
		return nil, errProofSignature
	}
	p := &Proof{Thumbprint: key.Thumbprint(), Algorithm: t.Algorithm}
	err = exactjson.Members(string(payload), func(name, value string) (err error) {
		switch name {
		case "jti":
			p.ID, err = exactjson.String(value)
		case "htm":
			p.Method, err = exactjson.String(value)
		case "htu":
			p.URL, err = exactjson.String(value)
		case "ath":
			p.TokenHash, err = exactjson.String(value)
		case "nonce":
			p.Nonce, err = exactjson.String(value)
		case "iat":
			p.IssuedAt, err = exactjson.NumericDate(value)
		}
		return err
	})
	if err != nil || p.ID == "" || len(p.ID) > maxProofID || p.Method == "" || p.URL == "" || p.IssuedAt.IsZero() {
		return nil, errProofClaims
	}
	return p, nil
}

// proofKey returns the key that a proof carries, which fits its algorithm, one
// of those that are allowed.
func (t *JWT) proofKey(allowed []string) (Key, error) {
	switch {
	case t.Type != "dpop+jwt":
		return Key{}, errProofType
	case !slices.Contains(allowed, t.Algorithm):
		return Key{}, errProofAlgorithm
	case t.jwk == "":
		return Key{}, errProofKey
	}
	key, err := parseKey(t.jwk)
	if err != nil || !key.Fits(t.Algorithm) {
		return Key{}, errProofKey
	}
	if public, ok := key.public.(*rsa.PublicKey); ok && public.N.BitLen() > maxProofRSABits {
		return Key{}, errProofKey
	}
	return key, nil
}

// IsForURL says whether the proof names a URL, both without query and
// fragment, and normalized (RFC 9449 §4.3).
func (p *Proof) IsForURL(target string) bool {
	u, err := url.Parse(p.URL)
	if err != nil || !isWebURL(u) {
		return false
	}
	want, err := url.Parse(target)
	return err == nil && normalURL(u) == normalURL(want)
}

// IsForToken says whether the proof has the hash of an access token.
func (p *Proof) IsForToken(token string) bool {
	ath := sha256.Sum256([]byte(token))
	return p.TokenHash == base64url.EncodeToString(ath[:])
}
