package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// The algorithms of the ring's keys. Rows of others are left alone.
const (
	RS256   = "RS256"   // RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3)
	PS256   = "PS256"   // RSASSA-PSS with SHA-256 (RFC 7518 §3.5)
	ES256   = "ES256"   // ECDSA on P-256 with SHA-256 (RFC 7518 §3.4)
	EdDSA   = "EdDSA"   // Ed25519 (RFC 8037 §3.1)
	Ed25519 = "Ed25519" // the same by its own name (RFC 9864 §2.2); verifiers that know one name want it in the key as well
)

// algorithms in the order in which they are listed and published.
var algorithms = client.Algorithms

// types has the kind of key that each algorithm needs (RFC 7518 §6.1, RFC 8037 §2).
var types = map[string]string{RS256: "RSA", PS256: "RSA", ES256: "EC", EdDSA: "OKP", Ed25519: "OKP"}

// purpose separates the signing keys' encryption from other uses of the key-encryption key.
const purpose = "signing key"

// key is one signing key. It does not change once made.
type key struct {
	kid         string
	alg         string
	generation  int64
	private     crypto.Signer // fits alg: see newKey
	createdAt   time.Time
	activatesAt time.Time
	retiresAt   time.Time       // when a later generation takes over; zero: none is there
	jwk         json.RawMessage // the public key
	envelope    []byte          // as the database has it
	stale       bool            // encrypted under an old key-encryption key
	headers     *sync.Map       // typ → its encoded JOSE header and the dot after it
}

// generate makes a key for an algorithm; bits is the size of an RSA key.
func generate(alg string, bits int) (*key, error) {
	var private crypto.Signer
	var err error
	switch alg {
	case RS256, PS256:
		private, err = rsa.GenerateKey(rand.Reader, bits)
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA, Ed25519:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = errAlgorithm
	}
	if err != nil {
		return nil, fmt.Errorf("make a signing key for %s: %w", alg, err)
	}
	return newKey(alg, private)
}

var errAlgorithm = errors.New("no such algorithm")

// newKey fails for a private key that does not fit the algorithm.
func newKey(alg string, private crypto.Signer) (*key, error) {
	jwk := publicJWK{Use: "sig", Alg: alg}
	encode := base64.RawURLEncoding.EncodeToString
	var canonical string // RFC 7638 §3.2: the required members in the order of their names, without space
	switch private := private.(type) {
	case *rsa.PrivateKey:
		private.Precompute()
		jwk.Kty, jwk.N, jwk.E = "RSA", encode(private.N.Bytes()), encode(big.NewInt(int64(private.E)).Bytes())
		canonical = `{"e":"` + jwk.E + `","kty":"RSA","n":"` + jwk.N + `"}`
	case *ecdsa.PrivateKey:
		if private.Curve != elliptic.P256() {
			return nil, errors.New("is on another curve than P-256")
		}
		point, err := private.PublicKey.Bytes() // 4, x and y, these in full length (RFC 7518 §6.2.1.2)
		if err != nil {
			return nil, err
		}
		jwk.Kty, jwk.Crv, jwk.X, jwk.Y = "EC", "P-256", encode(point[1:33]), encode(point[33:])
		canonical = `{"crv":"P-256","kty":"EC","x":"` + jwk.X + `","y":"` + jwk.Y + `"}`
	case ed25519.PrivateKey:
		jwk.Kty, jwk.Crv, jwk.X = "OKP", "Ed25519", encode(private.Public().(ed25519.PublicKey))
		canonical = `{"crv":"Ed25519","kty":"OKP","x":"` + jwk.X + `"}`
	}
	if want := types[alg]; want == "" || jwk.Kty != want {
		return nil, fmt.Errorf("is no key for %s", alg)
	}
	thumbprint := sha256.Sum256([]byte(canonical))
	jwk.Kid = encode(thumbprint[:])
	published, err := json.Marshal(jwk)
	if err != nil {
		return nil, err
	}
	return &key{kid: jwk.Kid, alg: alg, private: private, jwk: published, headers: &sync.Map{}}, nil
}

// publicJWK is a public key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
type publicJWK struct {
	Kty string `json:"kty"`
	Use string `json:"use"`
	Alg string `json:"alg"`
	Kid string `json:"kid"`
	Crv string `json:"crv,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
}

// sign makes a JWT in the compact form (RFC 7515 §7.1). With RS256 and EdDSA the same claims and typ give the same text.
func (k *key) sign(typ string, claims []byte) (string, error) {
	header, err := k.header(typ)
	if err != nil {
		return "", err
	}
	size := len(header) + base64.RawURLEncoding.EncodedLen(len(claims))
	jwt := make([]byte, 0, size+1+base64.RawURLEncoding.EncodedLen(maxSignature))
	jwt = append(jwt, header...)
	jwt = base64.RawURLEncoding.AppendEncode(jwt, claims)
	signature, err := k.signature(jwt)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	jwt = append(jwt, '.')
	return string(base64.RawURLEncoding.AppendEncode(jwt, signature)), nil
}

// maxSignature is the size of the largest signature, that of an RSA key of 4096 bits, in bytes.
const maxSignature = 512

// pss is RFC 7518 §3.5: the salt is as long as the hash.
var pss = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}

func (k *key) signature(message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	switch k.alg {
	case RS256:
		return rsa.SignPKCS1v15(nil, k.private.(*rsa.PrivateKey), crypto.SHA256, digest[:])
	case PS256:
		return rsa.SignPSS(rand.Reader, k.private.(*rsa.PrivateKey), crypto.SHA256, digest[:], pss)
	case ES256:
		r, s, err := ecdsa.Sign(rand.Reader, k.private.(*ecdsa.PrivateKey), digest[:])
		if err != nil {
			return nil, err
		}
		// RFC 7518 §3.4: both numbers in full length, one after the other.
		signature := make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return signature, nil
	default:
		return ed25519.Sign(k.private.(ed25519.PrivateKey), message), nil
	}
}

// verifies tells whether signature is the key's, by the key's own algorithm.
func (k *key) verifies(message, signature []byte) bool {
	digest := sha256.Sum256(message)
	switch public := k.private.Public().(type) {
	case *rsa.PublicKey:
		if k.alg == PS256 {
			return rsa.VerifyPSS(public, crypto.SHA256, digest[:], signature, pss) == nil
		}
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
	case *ecdsa.PublicKey:
		if len(signature) != 64 {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(public, digest[:], r, s)
	case ed25519.PublicKey:
		return ed25519.Verify(public, message, signature)
	}
	return false
}

func (k *key) header(typ string) (string, error) {
	if header, ok := k.headers.Load(typ); ok {
		return header.(string), nil
	}
	header, err := json.Marshal(struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Typ string `json:"typ"`
	}{k.alg, k.kid, typ})
	if err != nil {
		return "", err
	}
	encoded := base64.RawURLEncoding.EncodeToString(header) + "."
	k.headers.Store(typ, encoded) // typ comes from our own code: a handful of values
	return encoded, nil
}

func (k *key) seal(kek *KEK) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, err
	}
	return kek.Seal(purpose, der, k.alg, k.kid)
}

// openKey decrypts a row's private key, and holds it to be the one that kid names.
func openKey(kek *KEK, alg, kid string, envelope []byte) (k *key, stale bool, err error) {
	der, stale, err := kek.Open(purpose, envelope, alg, kid)
	if err != nil {
		return nil, false, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, false, err
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, false, errors.New("cannot sign")
	}
	k, err = newKey(alg, private)
	if err != nil {
		return nil, false, err
	}
	if k.kid != kid {
		return nil, false, errors.New("is not the key that its kid names")
	}
	return k, stale, nil
}
