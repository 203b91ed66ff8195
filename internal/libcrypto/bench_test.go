package libcrypto

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jose"
	"github.com/maru-auth/maru/jwks/jwkstest"
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
					return errors.New("a good signature is refused")
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

// BenchmarkTokens reports how long jwks takes for a token that it has not seen before, by Go and by
// what this build uses, as a ratio of the bare RSA-2048 verification by Go ("x-bare").
func BenchmarkTokens(b *testing.B) {
	issuer := jwkstest.NewIssuer(b)
	const audience = "https://api.example"
	token := issuer.AccessToken(b, jwkstest.Token{Audience: audience, Scope: "openid board:read board:write"})
	set, err := issuer.KeySet().Keys(b.Context(), "")
	if err != nil {
		b.Fatal(err)
	}
	public := set[0].Public().(*rsa.PublicKey)
	dot := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte(token[:dot]))
	verify := func(rsa jose.RSAVerifier) func() error {
		cache, err := jwks.NewCache(b.Context(), jwks.CacheConfig{Issuer: issuer.URL(), RSA: rsa})
		if err != nil {
			b.Fatal(err)
		}
		if err := cache.Ready(b.Context()); err != nil {
			b.Fatal(err)
		}
		v, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: issuer.URL(), Audience: audience, Keys: cache, VerifyEveryTime: true})
		if err != nil {
			b.Fatal(err)
		}
		return func() error { _, err := v.Verify(b.Context(), token); return err }
	}
	byGo, ours := verify(nil), verify(Verification)
	times := map[string][]time.Duration{}
	for b.Loop() {
		for _, one := range []struct {
			name string
			run  func() error
		}{
			{"bare", func() error { return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) }},
			{"go", byGo}, {"ours", ours},
		} {
			start := time.Now()
			if err := one.run(); err != nil {
				b.Fatal(err)
			}
			times[one.name] = append(times[one.name], time.Since(start))
		}
	}
	median := func(name string) float64 {
		slices.Sort(times[name])
		return float64(times[name][len(times[name])/2])
	}
	b.ReportMetric(median("bare"), "bare-ns")
	b.ReportMetric(median("go")/median("bare"), "go-x-bare")
	b.ReportMetric(median("ours")/median("bare"), "ours-x-bare")
}

// BenchmarkConcurrentSign has more goroutines sign than there are processors, beside one that does
// short work in Go, and reports signatures a second, how long the slowest of a hundred signatures
// and of a hundred pieces of other work took, and the threads of the process.
func BenchmarkConcurrentSign(b *testing.B) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte("message"))
	signer := NewSigner(private, RS256)
	for name, sign := range map[string]func() error{
		"go":   func() error { _, err := RS256.sign(private, digest[:]); return err },
		"ours": func() error { _, err := signer.Sign(digest[:]); return err },
	} {
		b.Run(name, func(b *testing.B) {
			const signers = 16
			took := make([][]time.Duration, signers)
			var others []time.Duration
			stop := make(chan struct{})
			var beside, group sync.WaitGroup
			beside.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(time.Millisecond):
					}
					start := time.Now()
					done := make(chan struct{})
					go close(done) // as a request: another goroutine has to run
					<-done
					others = append(others, time.Since(start))
				}
			})
			start := time.Now()
			for i := range signers {
				group.Go(func() {
					for range b.N/signers + 1 {
						start := time.Now()
						if err := sign(); err != nil {
							b.Error(err)
							return
						}
						took[i] = append(took[i], time.Since(start))
					}
				})
			}
			group.Wait()
			elapsed := time.Since(start)
			close(stop)
			beside.Wait()
			all := slices.Concat(took...)
			slices.Sort(all)
			slices.Sort(others)
			b.ReportMetric(float64(len(all))/elapsed.Seconds(), "signatures/s")
			b.ReportMetric(float64(all[len(all)/2])/1e6, "p50-ms")
			b.ReportMetric(float64(all[len(all)*99/100])/1e6, "p99-ms")
			if len(others) > 0 {
				b.ReportMetric(float64(others[len(others)*99/100])/1e6, "other-p99-ms")
			}
			threads, _ := runtime.ThreadCreateProfile(nil)
			b.ReportMetric(float64(threads), "threads")
		})
	}
}
