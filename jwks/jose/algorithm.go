package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"math/big"
)

// algorithm is a row of RFC 7518 §3.1 or RFC 8037 §3.1: how to hash, and how
// to verify with a key that fits.
type algorithm struct {
	hash   crypto.Hash // zero: the message itself is signed
	pss    bool        // it is RSASSA-PSS
	fits   func(public crypto.PublicKey) bool
	verify func(public crypto.PublicKey, hash crypto.Hash, digest, signature []byte) bool
}

// algorithms has every algorithm that can be allowed: signatures by a private
// key only. Neither "none" nor a keyed hash can ever be.
var algorithms = map[string]algorithm{
	"RS256":   {crypto.SHA256, false, isRSA, verifyPKCS1v15},
	"RS384":   {crypto.SHA384, false, isRSA, verifyPKCS1v15},
	"RS512":   {crypto.SHA512, false, isRSA, verifyPKCS1v15},
	"PS256":   {crypto.SHA256, true, isRSA, verifyPSS},
	"PS384":   {crypto.SHA384, true, isRSA, verifyPSS},
	"PS512":   {crypto.SHA512, true, isRSA, verifyPSS},
	"ES256":   {crypto.SHA256, false, isEC(elliptic.P256()), verifyECDSA},
	"ES384":   {crypto.SHA384, false, isEC(elliptic.P384()), verifyECDSA},
	"ES512":   {crypto.SHA512, false, isEC(elliptic.P521()), verifyECDSA},
	"EdDSA":   {0, false, isEd25519, verifyEd25519},
	"Ed25519": {0, false, isEd25519, verifyEd25519}, // RFC 9864's name for it
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

// CheckAlgorithms returns an error unless a [Key] can serve every algorithm
// named. Possible are RS256, RS384, RS512, PS256, PS384, PS512,
// ES256, ES384, ES512, EdDSA and Ed25519.
func CheckAlgorithms(names []string) error {
	for _, name := range names {
		if _, ok := algorithms[name]; !ok {
			return fmt.Errorf("jwks: algorithm %q is unknown, or no signature by a private key", name)
		}
	}
	return nil
}

// digest returns what is signed of a message: its hash, or the message itself.
func (a algorithm) digest(message []byte) []byte {
	switch a.hash {
	case crypto.SHA256:
		digest := sha256.Sum256(message)
		return digest[:]
	case crypto.SHA384:
		digest := sha512.Sum384(message)
		return digest[:]
	case crypto.SHA512:
		digest := sha512.Sum512(message)
		return digest[:]
	default:
		return message
	}
}
