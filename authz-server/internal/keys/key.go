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

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/internal/libcrypto"
	"github.com/maru-auth/maru/jwks/jose"
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

// purpose separates the signing keys' encryption from other uses of the key-encryption key.
const purpose = "signing key"

// key is one signing key. It does not change once made.
type key struct {
	kid         string
	alg         string
	generation  int64
	private     crypto.Signer     // fits alg: see newKey
	rsa         *libcrypto.Signer // signs with private, for RS256 and PS256; otherwise nil
	createdAt   time.Time
	activatesAt time.Time
	retiresAt   time.Time // when a later generation takes over; zero: none is there
	withdrawn   bool      // it only keeps its place, without private and public halves
	public      jose.Key
	jwk         json.RawMessage     // of public, as it is published
	envelope    []byte              // as the database has it
	stale       bool                // encrypted under an old key-encryption key
	headers     *sync.Map           // typ → its encoded JOSE header and the dot after it
	took        prometheus.Observer // of how long a signature takes; nil: nobody measures
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
	if one, ok := private.(*rsa.PrivateKey); ok {
		one.Precompute()
	}
	public, err := jose.NewKey(alg, private.Public())
	if err != nil {
		return nil, err
	}
	jwk, err := json.Marshal(newJWK(public))
	if err != nil {
		return nil, err
	}
	k := &key{kid: public.ID(), alg: alg, private: private, public: public.VerifyingBy(libcrypto.Verification), jwk: jwk, headers: &sync.Map{}}
	switch alg {
	case RS256:
		k.rsa = libcrypto.NewSigner(private.(*rsa.PrivateKey), libcrypto.RS256)
	case PS256:
		k.rsa = libcrypto.NewSigner(private.(*rsa.PrivateKey), libcrypto.PS256)
	}
	return k, nil
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

func newJWK(key jose.Key) publicJWK {
	jwk := publicJWK{Use: "sig", Alg: key.Algorithm(), Kid: key.ID()}
	encode := base64.RawURLEncoding.EncodeToString
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		jwk.Kty, jwk.N, jwk.E = "RSA", encode(public.N.Bytes()), encode(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point, _ := public.Bytes() // 4, x and y, these in full length (RFC 7518 §6.2.1.2); a key that fits is on its curve
		size := len(point) / 2
		jwk.Kty, jwk.Crv, jwk.X, jwk.Y = "EC", public.Params().Name, encode(point[1:1+size]), encode(point[1+size:])
	case ed25519.PublicKey:
		jwk.Kty, jwk.Crv, jwk.X = "OKP", "Ed25519", encode(public)
	}
	return jwk
}

// sign makes a JWT in the compact form (RFC 7515 §7.1). With RS256 and EdDSA the same claims and
// typ give the same text.
func (k *key) sign(typ string, claims []byte) (string, error) {
	header, err := k.header(typ)
	if err != nil {
		return "", err
	}
	size := len(header) + base64.RawURLEncoding.EncodedLen(len(claims))
	jwt := make([]byte, 0, size+1+base64.RawURLEncoding.EncodedLen(maxSignature))
	jwt = append(jwt, header...)
	jwt = base64.RawURLEncoding.AppendEncode(jwt, claims)
	began := time.Now()
	signature, err := k.signature(jwt)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	if k.took != nil {
		k.took.Observe(time.Since(began).Seconds())
	}
	jwt = append(jwt, '.')
	return string(base64.RawURLEncoding.AppendEncode(jwt, signature)), nil
}

// maxSignature is the size of the largest signature, that of an RSA key of 4096 bits, in bytes.
const maxSignature = 512

func (k *key) signature(message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	switch k.alg {
	case RS256, PS256:
		return k.rsa.Sign(digest[:])
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
	defer clear(der)
	return kek.Seal(purpose, der, k.alg, k.kid)
}

// openKey decrypts a row's private key, and holds it to be the one that kid names.
func openKey(kek *KEK, alg, kid string, envelope []byte) (k *key, stale bool, err error) {
	der, stale, err := kek.Open(purpose, envelope, alg, kid)
	if err != nil {
		return nil, false, err
	}
	defer clear(der)
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
