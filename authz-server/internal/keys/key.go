package keys

import (
	"crypto"
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
)

// RS256 is RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3): the one algorithm built so far. Rows of others are left alone.
const RS256 = "RS256"

// purpose separates the signing keys' encryption from other uses of the key-encryption key.
const purpose = "signing key"

// key is one signing key. It does not change once made.
type key struct {
	kid         string
	generation  int64
	private     *rsa.PrivateKey
	createdAt   time.Time
	activatesAt time.Time
	retiresAt   time.Time       // when a later generation takes over; zero: none is there
	jwk         json.RawMessage // the public key
	envelope    []byte          // as the database has it
	stale       bool            // encrypted under an old key-encryption key
	headers     *sync.Map       // typ → its encoded JOSE header and the dot after it
}

func newKey(private *rsa.PrivateKey) (*key, error) {
	private.Precompute()
	n := base64.RawURLEncoding.EncodeToString(private.N.Bytes())
	e := base64.RawURLEncoding.EncodeToString(big.NewInt(int64(private.E)).Bytes())
	// RFC 7638 §3.2: these members in this order, without space.
	thumbprint := sha256.Sum256([]byte(`{"e":"` + e + `","kty":"RSA","n":"` + n + `"}`))
	kid := base64.RawURLEncoding.EncodeToString(thumbprint[:])
	jwk, err := json.Marshal(struct {
		Kty string `json:"kty"`
		Use string `json:"use"`
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		N   string `json:"n"`
		E   string `json:"e"`
	}{"RSA", "sig", RS256, kid, n, e})
	if err != nil {
		return nil, err
	}
	return &key{kid: kid, private: private, jwk: jwk, headers: &sync.Map{}}, nil
}

// sign makes a JWT in the compact form (RFC 7515 §7.1). The same claims and typ give the same text.
func (k *key) sign(typ string, claims []byte) (string, error) {
	header, err := k.header(typ)
	if err != nil {
		return "", err
	}
	size := len(header) + base64.RawURLEncoding.EncodedLen(len(claims))
	jwt := make([]byte, 0, size+1+base64.RawURLEncoding.EncodedLen(k.private.Size()))
	jwt = append(jwt, header...)
	jwt = base64.RawURLEncoding.AppendEncode(jwt, claims)
	digest := sha256.Sum256(jwt)
	signature, err := rsa.SignPKCS1v15(nil, k.private, crypto.SHA256, digest[:])
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	jwt = append(jwt, '.')
	return string(base64.RawURLEncoding.AppendEncode(jwt, signature)), nil
}

func (k *key) header(typ string) (string, error) {
	if header, ok := k.headers.Load(typ); ok {
		return header.(string), nil
	}
	header, err := json.Marshal(struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Typ string `json:"typ"`
	}{RS256, k.kid, typ})
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
	return kek.Seal(purpose, der, RS256, k.kid)
}

// openKey decrypts a row's private key, and holds it to be the one that kid names.
func openKey(kek *KEK, kid string, envelope []byte) (k *key, stale bool, err error) {
	der, stale, err := kek.Open(purpose, envelope, RS256, kid)
	if err != nil {
		return nil, false, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, false, err
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, false, errors.New("is no RSA key")
	}
	k, err = newKey(private)
	if err != nil {
		return nil, false, err
	}
	if k.kid != kid {
		return nil, false, errors.New("is not the key that its kid names")
	}
	return k, stale, nil
}
