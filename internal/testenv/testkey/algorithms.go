package testkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"sync"
)

// ByAlgorithm has a private key for each JWS algorithm with public keys (RFC 7518 §3.1, RFC 8037),
// made once a process. Keys of one type share one key where the algorithms allow it.
var ByAlgorithm = sync.OnceValue(func() map[string]crypto.Signer {
	rsaKey, err1 := rsa.GenerateKey(rand.Reader, 2048)
	_, edKey, err2 := ed25519.GenerateKey(rand.Reader)
	ec256, err3 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ec384, err4 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	ec521, err5 := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		panic(err)
	}
	return map[string]crypto.Signer{
		"RS256": rsaKey, "RS384": rsaKey, "RS512": rsaKey,
		"PS256": rsaKey, "PS384": rsaKey, "PS512": rsaKey,
		"ES256": ec256, "ES384": ec384, "ES512": ec521, "EdDSA": edKey,
	}
})
