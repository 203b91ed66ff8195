package jose

import (
	"crypto"
	"crypto/rsa"
	"sync"
)

// An RSAVerifier verifies RSA signatures in place of crypto/rsa, for programs
// that have a faster library. It returns the function that says whether a
// signature of a digest is the key's: by RSASSA-PKCS1-v1_5 or, if pss is set,
// by RSASSA-PSS with a salt as long as the hash, which is SHA-256, SHA-384 or
// SHA-512. That function is called by many goroutines, and must give the
// answers of crypto/rsa, for every key and every signature: whoever it takes in
// error is let in. Nil in place of a function: crypto/rsa verifies.
//
// It is worth its while for keys that are used again and again, as an issuer's
// are. The key must not be changed.
type RSAVerifier func(public *rsa.PublicKey, hash crypto.Hash, pss bool) (verify func(digest, signature []byte) bool)

// rsaFunctions are those of an RSAVerifier for one key.
type rsaFunctions struct {
	verifier RSAVerifier
	byName   sync.Map // of an algorithm; a func(digest, signature []byte) bool, which may be nil
}

// VerifyingBy returns the same key, whose signatures another verifies, if it is
// an RSA key. Nil: crypto/rsa does.
func (k Key) VerifyingBy(verifier RSAVerifier) Key {
	k.rsa = nil
	if _, ok := k.public.(*rsa.PublicKey); ok && verifier != nil {
		k.rsa = &rsaFunctions{verifier: verifier}
	}
	return k
}

// VerifyingBy returns a set of the same keys, see [Key.VerifyingBy].
func (s *KeySet) VerifyingBy(verifier RSAVerifier) *KeySet {
	set := &KeySet{byID: make(map[string][]Key, len(s.byID)), skipped: s.skipped}
	for _, key := range s.keys {
		key = key.VerifyingBy(verifier)
		set.keys = append(set.keys, key)
		set.byID[key.id] = append(set.byID[key.id], key)
	}
	return set
}

// verifies says whether signature is the key's for what was hashed, by an
// algorithm that it fits.
func (k Key) verifies(name string, digest, signature []byte) bool {
	algo := algorithms[name]
	if k.rsa != nil {
		if verify := k.rsa.function(k.public.(*rsa.PublicKey), name, algo); verify != nil {
			return verify(digest, signature)
		}
	}
	return algo.verify(k.public, algo.hash, digest, signature)
}

func (r *rsaFunctions) function(public *rsa.PublicKey, name string, algo algorithm) func(digest, signature []byte) bool {
	made, ok := r.byName.Load(name)
	if !ok {
		// Of several that are made at once one is kept. There are six names.
		made, _ = r.byName.LoadOrStore(name, r.verifier(public, algo.hash, algo.pss))
	}
	return made.(func(digest, signature []byte) bool)
}
