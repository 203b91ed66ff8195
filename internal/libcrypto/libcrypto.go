// Package libcrypto signs and verifies with RSA by the system's OpenSSL 3 (libcrypto.so.3) in
// programs that are built with the tag libcrypto, and by crypto/rsa in all others. OpenSSL takes a
// quarter of the time for a signature. It is called without cgo; an executable with the tag is linked
// dynamically all the same, while others are static.
//
// The answers are those of crypto/rsa: whatever OpenSSL does not do exactly alike, such as a key of
// an unusual size, is left to Go. If the library is missing, too old, or fails its known answer,
// [Problem] says so, and Go does all the work.
package libcrypto

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of a Scheme
	_ "crypto/sha512"
	"errors"
	"fmt"
	"sync"
)

// A Scheme is a way to sign with RSA (RFC 8017 §8) with a hash: SHA-256, SHA-384 or SHA-512.
type Scheme struct {
	Hash crypto.Hash
	PSS  bool // RSASSA-PSS with a salt as long as the hash; else RSASSA-PKCS1-v1_5
}

// The schemes that are used for signing (RFC 7518 §3.3 and §3.5).
var (
	RS256 = Scheme{Hash: crypto.SHA256}
	PS256 = Scheme{Hash: crypto.SHA256, PSS: true}
)

// Bounds of the moduli that OpenSSL gets, in bits. Go refuses short ones, and OpenSSL treats long
// ones with long exponents differently.
const (
	minBits = 2048
	maxBits = 8192
)

// load finds the library, once.
var load = sync.OnceValues(open)

// Name says what computes: "go", or "libcrypto" and the version of the library, such as
// "libcrypto 3.0.19". The first call of any function loads the library.
func Name() string {
	if lib, _ := load(); lib != nil {
		return "libcrypto " + lib.version
	}
	return "go"
}

// Problem says why Go is used in a program that is built with the tag. Nil: it is not, or the
// program is not so built.
func Problem() error {
	_, err := load()
	return err
}

// A Signer signs with one private key. It is safe for concurrent use; OpenSSL's copy of the key is
// wiped once the Signer is garbage.
type Signer struct {
	private *rsa.PrivateKey
	scheme  Scheme
	handle  *handle // nil: Go signs
	problem error
}

// NewSigner returns a Signer for a key, which it must be able to keep. OpenSSL gets a copy of the
// key, and signs once to show that it agrees with Go; that takes milliseconds.
func NewSigner(private *rsa.PrivateKey, scheme Scheme) *Signer {
	s := &Signer{private: private, scheme: scheme}
	lib, _ := load()
	if lib == nil || !suits(&private.PublicKey, scheme) || len(private.Primes) != 2 {
		return s
	}
	if s.handle, s.problem = lib.signing(private, scheme); s.problem == nil {
		s.problem = s.compare()
	}
	if s.problem != nil {
		s.handle = nil
	}
	return s
}

var errDisagree = errors.New("OpenSSL's signature is not Go's")

// compare has OpenSSL sign with the key for the first time.
func (s *Signer) compare() error {
	digest := make([]byte, s.scheme.Hash.Size())
	signature, ok := s.handle.sign(digest)
	if !ok {
		return errors.New("OpenSSL does not sign")
	}
	if s.scheme.PSS {
		if !s.scheme.verify(&s.private.PublicKey, digest, signature) {
			return errDisagree
		}
		return nil
	}
	if want, err := s.scheme.sign(s.private, digest); err != nil || !bytes.Equal(want, signature) {
		return errDisagree
	}
	return nil
}

// Problem says why Go signs with this key although the library is there. Nil: it does not, or the
// key is of a size that is always left to Go.
func (s *Signer) Problem() error { return s.problem }

// Name is that of the package, for this key.
func (s *Signer) Name() string {
	if s.handle == nil {
		return "go"
	}
	return Name()
}

// Sign returns the signature of a digest, which has the length of the scheme's hash. By
// RSASSA-PKCS1-v1_5 a digest always has the same one.
func (s *Signer) Sign(digest []byte) ([]byte, error) {
	if s.handle != nil && len(digest) == s.scheme.Hash.Size() {
		if signature, ok := s.handle.sign(digest); ok {
			return signature, nil
		}
	}
	return s.scheme.sign(s.private, digest)
}

// A Verifier verifies signatures of one public key. It is safe for concurrent use.
type Verifier struct {
	public *rsa.PublicKey
	scheme Scheme
	handle *handle // nil: Go verifies
}

// NewVerifier returns a Verifier for a key, which must not change afterwards.
func NewVerifier(public *rsa.PublicKey, scheme Scheme) *Verifier {
	v := &Verifier{public: public, scheme: scheme}
	if lib, _ := load(); lib != nil && suits(public, scheme) {
		v.handle, _ = lib.verifying(public, scheme) // a key that it cannot read is left to Go
	}
	return v
}

// Verification returns the Verify method of a [Verifier], or nil if Go would do its work: it is a
// jose.RSAVerifier.
func Verification(public *rsa.PublicKey, hash crypto.Hash, pss bool) func(digest, signature []byte) bool {
	if v := NewVerifier(public, Scheme{hash, pss}); v.handle != nil {
		return v.Verify
	}
	return nil
}

// Verify says whether the signature is the key's for the digest.
func (v *Verifier) Verify(digest, signature []byte) bool {
	// OpenSSL takes a signature for PSS without its leading zeros (RFC 8017 §8.1.2 does not).
	if v.handle != nil && len(digest) == v.scheme.Hash.Size() && len(signature) == v.public.Size() {
		if good, ok := v.handle.verify(digest, signature); ok {
			return good
		}
	}
	return v.scheme.verify(v.public, digest, signature)
}

// suits says whether OpenSSL and Go treat a key alike.
func suits(public *rsa.PublicKey, scheme Scheme) bool {
	switch scheme.Hash {
	case crypto.SHA256, crypto.SHA384, crypto.SHA512:
	default:
		return false
	}
	if public == nil || public.N == nil || public.N.Sign() <= 0 || public.N.Bit(0) == 0 {
		return false
	}
	bits := public.N.BitLen()
	return bits >= minBits && bits <= maxBits && public.E >= 3 && public.E < 1<<31 && public.E%2 == 1
}

func (s Scheme) options() *rsa.PSSOptions {
	return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: s.Hash}
}

// sign is Go's.
func (s Scheme) sign(private *rsa.PrivateKey, digest []byte) ([]byte, error) {
	if s.PSS {
		return rsa.SignPSS(rand.Reader, private, s.Hash, digest, s.options())
	}
	return rsa.SignPKCS1v15(nil, private, s.Hash, digest)
}

// verify is Go's.
func (s Scheme) verify(public *rsa.PublicKey, digest, signature []byte) bool {
	if s.PSS {
		return rsa.VerifyPSS(public, s.Hash, digest, signature, s.options()) == nil
	}
	return rsa.VerifyPKCS1v15(public, s.Hash, digest, signature) == nil
}

func (s Scheme) String() string {
	if s.PSS {
		return fmt.Sprintf("RSASSA-PSS with %v", s.Hash)
	}
	return fmt.Sprintf("RSASSA-PKCS1-v1_5 with %v", s.Hash)
}
