package libcrypto

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkSign reports how long a signature takes as a ratio of Go's, "x-go". The two take turns,
// so that whatever else the machine does slows both; the ratio is that of the medians.
func BenchmarkSign(b *testing.B) {
	for _, bits := range []int{2048, 3072, 4096} {
		private, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			b.Fatal(err)
		}
		digest := sha256.Sum256([]byte("message"))
		for _, scheme := range []Scheme{RS256, PS256} {
			b.Run(fmt.Sprintf("%v-%d", scheme, bits), func(b *testing.B) {
				signer := NewSigner(private, scheme)
				compare(b, func() error { _, err := scheme.sign(private, digest[:]); return err },
					func() error { _, err := signer.Sign(digest[:]); return err })
			})
		}
	}
}

// BenchmarkVerify is BenchmarkSign for verifications.
func BenchmarkVerify(b *testing.B) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte("message"))
	for _, scheme := range []Scheme{RS256, PS256} {
		b.Run(scheme.String(), func(b *testing.B) {
			signature, err := scheme.sign(private, digest[:])
			if err != nil {
				b.Fatal(err)
			}
			wrong := func(good bool) error {
				if !good {
					return fmt.Errorf("a good signature is refused")
				}
				return nil
			}
			verifier := NewVerifier(&private.PublicKey, scheme)
			compare(b, func() error { return wrong(scheme.verify(&private.PublicKey, digest[:], signature)) },
				func() error { return wrong(verifier.Verify(digest[:], signature)) })
		})
	}
}

func compare(b *testing.B, byGo, ours func() error) {
	var goes, took []time.Duration
	for b.Loop() {
		start := time.Now()
		if err := byGo(); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		if err := ours(); err != nil {
			b.Fatal(err)
		}
		goes, took = append(goes, middle.Sub(start)), append(took, time.Since(middle))
	}
	slices.Sort(goes)
	slices.Sort(took)
	b.ReportMetric(float64(goes[len(goes)/2]), "go-ns")
	b.ReportMetric(float64(took[len(took)/2]), "ours-ns")
	b.ReportMetric(float64(took[len(took)/2])/float64(goes[len(goes)/2]), "x-go")
}
