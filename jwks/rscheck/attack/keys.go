package attack

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // SHA-384 and SHA-512 for signatures
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"sync"
)

// Algorithms are those that the issuer can sign access tokens with.
var Algorithms = []string{"RS256", "PS256", "ES256", "EdDSA"}

// A key signs. Its id is its RFC 7638 thumbprint.
type key struct {
	id      string
	alg     string
	private crypto.Signer
}

// rsaKeys are those made so far that nobody uses: making one takes a while.
var rsaKeys struct {
	sync.Mutex
	free []*rsa.PrivateKey
}

func takeRSA() (*rsa.PrivateKey, error) {
	rsaKeys.Lock()
	defer rsaKeys.Unlock()
	if n := len(rsaKeys.free); n > 0 {
		private := rsaKeys.free[n-1]
		rsaKeys.free = rsaKeys.free[:n-1]
		return private, nil
	}
	return rsa.GenerateKey(rand.Reader, 2048)
}

func giveBack(keys []*key) {
	rsaKeys.Lock()
	defer rsaKeys.Unlock()
	for _, k := range keys {
		if private, ok := k.private.(*rsa.PrivateKey); ok && private.N.BitLen() == 2048 {
			rsaKeys.free = append(rsaKeys.free, private)
		}
	}
}

func newKey(alg string) (*key, error) {
	k := &key{alg: alg}
	var err error
	switch alg {
	case "RS256", "PS256":
		k.private, err = takeRSA()
	case "ES256":
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("the algorithm %q is not one of %s", alg, strings.Join(Algorithms, ", "))
	}
	if err != nil {
		return nil, err
	}
	k.id = thumbprint(k.jwk())
	return k, nil
}

// jwk is the public key as a JWK with the members of its type alone.
func (k *key) jwk() map[string]any {
	switch public := k.private.Public().(type) {
	case *rsa.PublicKey:
		return map[string]any{"kty": "RSA", "n": base64url(public.N.Bytes()), "e": base64url(big.NewInt(int64(public.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, _ := public.Bytes() // a key made here is on its curve
		return map[string]any{"kty": "EC", "crv": "P-256", "x": base64url(point[1:33]), "y": base64url(point[33:])}
	case ed25519.PublicKey:
		return map[string]any{"kty": "OKP", "crv": "Ed25519", "x": base64url(public)}
	}
	return nil
}

// published is the JWK as it stands in a key set.
func (k *key) published() map[string]any {
	jwk := k.jwk()
	jwk["kid"], jwk["use"], jwk["alg"] = k.id, "sig", k.alg
	return jwk
}

// thumbprint is that of RFC 7638: a map becomes JSON with its members in order
// and no spaces.
func thumbprint(jwk map[string]any) string {
	sum := sha256.Sum256(mustJSON(jwk))
	return base64url(sum[:])
}

// publicForms are the forms of the public key that an attacker would try as an
// HMAC secret.
func (k *key) publicForms() map[string][]byte {
	pkix, _ := x509.MarshalPKIXPublicKey(k.private.Public()) // no error for these types
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix})
	forms := map[string][]byte{
		"PEM": text, "PEM without the last line break": text[:len(text)-1], "DER": pkix,
		"JWK": mustJSON(k.jwk()), "JWK as published": mustJSON(k.published()), "kid": []byte(k.id), "nothing": {},
	}
	switch public := k.private.Public().(type) {
	case *rsa.PublicKey:
		pkcs1 := x509.MarshalPKCS1PublicKey(public)
		forms["PKCS #1 PEM"] = pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: pkcs1})
		forms["PKCS #1 DER"] = pkcs1
		forms["n"] = public.N.Bytes()
		forms["n in base64url"] = []byte(base64url(public.N.Bytes()))
	case *ecdsa.PublicKey:
		forms["point"], _ = public.Bytes()
	case ed25519.PublicKey:
		forms["x"] = public
	}
	return forms
}

// signed returns the token of a header and claims that are JSON already,
// signed by the key's own algorithm whatever the header says.
func (k *key) signed(header, claims []byte) string {
	message := base64url(header) + "." + base64url(claims)
	return message + "." + base64url(k.signature(k.alg, message))
}

// signature signs by any algorithm that the type of the key has.
func (k *key) signature(alg, message string) []byte {
	hash := crypto.SHA256
	switch {
	case strings.HasSuffix(alg, "384"):
		hash = crypto.SHA384
	case strings.HasSuffix(alg, "512"):
		hash = crypto.SHA512
	}
	h := hash.New()
	h.Write([]byte(message))
	digest := h.Sum(nil)
	var signature []byte
	var err error
	switch private := k.private.(type) {
	case *rsa.PrivateKey:
		if strings.HasPrefix(alg, "PS") {
			signature, err = rsa.SignPSS(rand.Reader, private, hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			signature, err = rsa.SignPKCS1v15(nil, private, hash, digest)
		}
	case *ecdsa.PrivateKey:
		var r, s *big.Int
		if r, s, err = ecdsa.Sign(rand.Reader, private, digest); err == nil {
			signature = make([]byte, 64)
			r.FillBytes(signature[:32])
			s.FillBytes(signature[32:])
		}
	case ed25519.PrivateKey:
		signature = ed25519.Sign(private, []byte(message))
	}
	if err != nil {
		panic("attack: " + err.Error()) // not with a key that was made here
	}
	return signature
}

func hmacSigned(alg string, header, claims map[string]any, secret []byte) string {
	hash := map[string]crypto.Hash{"HS256": crypto.SHA256, "HS384": crypto.SHA384, "HS512": crypto.SHA512}[alg]
	message := encoded(header, claims)
	mac := hmac.New(hash.New, secret)
	mac.Write([]byte(message))
	return message + "." + base64url(mac.Sum(nil))
}

// encoded is a token up to its signature.
func encoded(header, claims map[string]any) string {
	return base64url(mustJSON(header)) + "." + base64url(mustJSON(claims))
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("attack: " + err.Error()) // not with values that come from here or from JSON
	}
	return b
}
