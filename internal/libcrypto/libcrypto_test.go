package libcrypto

import (
	"bytes"
	"crypto"
	_ "crypto/md5"
	"crypto/rsa"
	_ "crypto/sha1" // which a scheme may name, and Go alone knows
	"fmt"
	"math/big"
	"runtime"
	"sync"
	"testing"
)

// Without the tag, or the library, these tests hold Go to the same rules.

var schemes = []Scheme{
	{Hash: crypto.SHA256}, {Hash: crypto.SHA384}, {Hash: crypto.SHA512},
	{Hash: crypto.SHA256, PSS: true}, {Hash: crypto.SHA384, PSS: true}, {Hash: crypto.SHA512, PSS: true},
}

// Primes of a key of 2049 bits, whose encoded message for RSASSA-PSS is a byte shorter than the modulus
// (RFC 8017 §8.1.1).
const (
	oddP = "1810f627c5411dcafa83410941aebc2286c7031dcb1ce6e04bf7a8837e8a8144b21a615cd1953574846a3104ea" +
		"1d0ae838c5ef09208749c4d4636a57948ea476a200bc9f69ebe05766c4959a5a3cf230dd0bc658c68f8f907eef" +
		"99cfefa27855323defb17ea5337f605688c365fdaeda53566f4292c27a9a352428dce72a01e93"
	oddQ = "fa652ca494c69c2cc8c178415757ed611b7c587486643f4dcf11aec7b0ce3f18de0b7a58015bbb0760ab1e1ffc" +
		"6cb0eec3380f5d2aad4b94527136b5e4cb984e40ac12801a42a33094bc8014a11a8139358d2ab1afa730309b91" +
		"93034503f4da7859d748b5bd478b0397783218135c82c7aa79505cd4404681cf65251ec4c1d7"
)

// keys has one of the usual size, and an odd one, which are always the same: the corpus of the fuzz
// test is made of their signatures.
var keys = sync.OnceValue(func() map[int]*rsa.PrivateKey {
	return map[int]*rsa.PrivateKey{2048: knownKey(), 2049: fromPrimes(oddP, oddQ)}
})

func digest(scheme Scheme, text string) []byte {
	h := scheme.Hash.New()
	h.Write([]byte(text))
	return h.Sum(nil)
}

func TestSignaturesAreThoseOfGo(t *testing.T) {
	t.Parallel()
	for bits, key := range keys() {
		for _, scheme := range schemes {
			signer := NewSigner(key, scheme)
			if signer.Problem() != nil || signer.Name() != Name() {
				t.Fatalf("%d bits, %v: signed by %s: %v", bits, scheme, signer.Name(), signer.Problem())
			}
			for i := range 8 {
				sum := digest(scheme, fmt.Sprint("message ", i))
				signature, err := signer.Sign(sum)
				if err != nil {
					t.Fatal(err)
				}
				if !scheme.verify(&key.PublicKey, sum, signature) {
					t.Fatalf("%d bits, %v: Go refuses the signature", bits, scheme)
				}
				again, err := signer.Sign(sum)
				if err != nil {
					t.Fatal(err)
				}
				if scheme.PSS {
					if bytes.Equal(again, signature) {
						t.Errorf("%d bits, %v: the salt is always the same", bits, scheme)
					}
					continue
				}
				want, err := scheme.sign(key, sum)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(signature, want) || !bytes.Equal(again, want) {
					t.Errorf("%d bits, %v: the signature is not Go's", bits, scheme)
				}
			}
		}
	}
}

// spoilt returns signatures made of a good one, all but the first of them wrong.
func spoilt(key *rsa.PrivateKey, good []byte) map[string][]byte {
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	whole := new(big.Int).SetBytes(good)
	larger := new(big.Int).Add(whole, key.N) // the same number to whoever does not compare it with the modulus
	all := map[string][]byte{
		"good": good, "a bit flipped": flipped, "empty": {}, "one byte": {1}, "a byte short": good[:len(good)-1],
		"a byte long": append(bytes.Clone(good), 0), "a zero before": append([]byte{0}, good...),
		"its leading zeros left out": whole.Bytes(), "the modulus added": larger.Bytes(),
		"all zero": make([]byte, len(good)), "one": append(make([]byte, len(good)-1), 1),
		"all ones": bytes.Repeat([]byte{0xff}, len(good)), "the modulus": key.N.FillBytes(make([]byte, len(good))),
		"one less than the modulus": new(big.Int).Sub(key.N, big.NewInt(1)).FillBytes(make([]byte, len(good))),
	}
	return all
}

func TestSignaturesAreJudgedAsByGo(t *testing.T) {
	t.Parallel()
	for bits, key := range keys() {
		for _, scheme := range schemes {
			signer, verifier := NewSigner(key, scheme), NewVerifier(&key.PublicKey, scheme)
			for i := range 6 { // half of those by the key of 2049 bits begin with a zero
				sum := digest(scheme, fmt.Sprint(i))
				good, err := signer.Sign(sum)
				if err != nil {
					t.Fatal(err)
				}
				for name, signature := range spoilt(key, good) {
					want := scheme.verify(&key.PublicKey, sum, signature)
					if got := verifier.Verify(sum, signature); got != want {
						t.Errorf("%d bits, %v, %s: %v, and by Go %v", bits, scheme, name, got, want)
					}
				}
				for _, other := range schemes {
					if NewVerifier(&key.PublicKey, other).Verify(sum, good) != (other == scheme) {
						t.Errorf("%d bits: %v is taken for %v", bits, scheme, other)
					}
				}
			}
		}
	}
}

// A digest of another length, or no hash at all, is an error of Go's, and never a signature.
func TestWrongDigestsAreRefusedAsByGo(t *testing.T) {
	t.Parallel()
	key := keys()[2048]
	for _, scheme := range append(schemes, Scheme{Hash: crypto.SHA1}, Scheme{Hash: crypto.MD5}, Scheme{}) {
		for _, length := range []int{0, 1, 20, 31, 33, 47, 49, 63, 65, 1 << 16} {
			sum := make([]byte, length)
			_, want := scheme.sign(key, sum)
			signature, err := NewSigner(key, scheme).Sign(sum)
			if (err == nil) != (want == nil) {
				t.Errorf("%+v, a digest of %d bytes: %v, and by Go %v", scheme, length, err, want)
			}
			if NewVerifier(&key.PublicKey, scheme).Verify(sum, signature) != scheme.verify(&key.PublicKey, sum, signature) {
				t.Errorf("%+v, a digest of %d bytes is judged otherwise than by Go", scheme, length)
			}
		}
	}
}

func TestUnusualKeysAreLeftToGo(t *testing.T) {
	t.Parallel()
	good := keys()[2048]
	public := func(n *big.Int, e int) *rsa.PublicKey { return &rsa.PublicKey{N: n, E: e} }
	huge := new(big.Int).Lsh(big.NewInt(1), 20000)
	for name, key := range map[string]*rsa.PublicKey{
		"no modulus":           {E: 65537},
		"zero":                 public(new(big.Int), 65537),
		"negative":             public(new(big.Int).Neg(good.N), 65537),
		"even":                 public(new(big.Int).Add(good.N, big.NewInt(1)), 65537),
		"tiny":                 public(big.NewInt(3233), 17),
		"1024 bits":            public(new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 1023), big.NewInt(1)), 65537),
		"20001 bits":           public(huge.Add(huge, big.NewInt(1)), 65537),
		"an exponent of 1":     public(good.N, 1),
		"an even exponent":     public(good.N, 65536),
		"a negative exponent":  public(good.N, -3),
		"an exponent too long": public(good.N, 1<<32+1),
	} {
		if suits(key, RS256) {
			t.Errorf("%s: OpenSSL gets the key", name)
		}
		if key.N == nil || key.N.Sign() <= 0 {
			continue // Go's own answer is a panic for some of these; jose has no such keys
		}
		sum, signature := digest(RS256, "x"), make([]byte, key.Size())
		signature[len(signature)-1] = 1
		if NewVerifier(key, RS256).Verify(sum, signature) != RS256.verify(key, sum, signature) {
			t.Errorf("%s: not Go's answer", name)
		}
	}
}

// A key whose parts do not fit together makes Go refuse to sign, or sign something that is wrong;
// OpenSSL must not give another answer.
func TestKeysThatDoNotFitTogetherAreLeftToGo(t *testing.T) {
	t.Parallel()
	key, other := keys()[2048], keys()[2049]
	for name, broken := range map[string]*rsa.PrivateKey{
		"another's primes":   {PublicKey: key.PublicKey, D: key.D, Primes: other.Primes},
		"another's exponent": {PublicKey: key.PublicKey, D: other.D, Primes: key.Primes},
		"another's modulus":  {PublicKey: other.PublicKey, D: key.D, Primes: key.Primes},
		"no primes":          {PublicKey: key.PublicKey, D: key.D},
	} {
		sum := digest(RS256, "x")
		want, wantErr := RS256.sign(broken, sum)
		signer := NewSigner(broken, RS256)
		got, err := signer.Sign(sum)
		if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
			t.Errorf("%s: %v, and by Go %v", name, err, wantErr)
		}
	}
}

func TestManySignAndVerifyAtOnce(t *testing.T) {
	t.Parallel()
	key := keys()[2048]
	var group sync.WaitGroup
	for _, scheme := range []Scheme{RS256, PS256} {
		signer, verifier := NewSigner(key, scheme), NewVerifier(&key.PublicKey, scheme)
		for i := range 16 {
			group.Go(func() {
				for j := range 20 {
					sum := digest(scheme, fmt.Sprint(i, j))
					signature, err := signer.Sign(sum)
					if err != nil || !scheme.verify(&key.PublicKey, sum, signature) || !verifier.Verify(sum, signature) {
						t.Errorf("%v: %v", scheme, err)
						return
					}
					signature[0] ^= 1
					if verifier.Verify(sum, signature) {
						t.Errorf("%v: a wrong signature is taken", scheme)
						return
					}
					if j%10 == 0 {
						runtime.GC()
					}
				}
			})
		}
	}
	group.Wait()
}

// FuzzVerify looks for a signature that OpenSSL and Go judge differently.
func FuzzVerify(f *testing.F) {
	for _, bits := range []int{2048, 2049} {
		for i, scheme := range schemes {
			key := keys()[bits]
			sum := digest(scheme, "seed")
			good, err := scheme.sign(key, sum)
			if err != nil {
				f.Fatal(err)
			}
			for _, signature := range spoilt(key, good) {
				f.Add(uint16(bits), uint8(i), sum, signature)
			}
		}
	}
	type kind struct{ bits, scheme int }
	verifiers := map[kind]*Verifier{}
	for bits, key := range keys() {
		for i, scheme := range schemes {
			verifiers[kind{bits, i}] = NewVerifier(&key.PublicKey, scheme)
		}
	}
	f.Fuzz(func(t *testing.T, bits uint16, scheme uint8, sum, signature []byte) {
		v := verifiers[kind{int(bits), int(scheme)}]
		if v == nil {
			return
		}
		if got, want := v.Verify(sum, signature), v.scheme.verify(v.public, sum, signature); got != want {
			t.Errorf("%v: %v, and by Go %v", v.scheme, got, want)
		}
	})
}
