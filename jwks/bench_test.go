package jwks_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

// BenchmarkVerify reports how long a verification takes, of a token that is
// new (miss) and of one that is remembered (hit), and as the metric "x-bare"
// how much longer that is than the bare RSA-2048 verification. Bare and other
// verifications take turns, so that whatever else the machine does slows all
// alike; "x-bare" is the median of the turns' ratios.
func BenchmarkVerify(b *testing.B) {
	iss := jwkstest.NewIssuer(b)
	cache := iss.Cache(b)
	// A turn is that many tokens, all of them new to the verifier: few, so that
	// most turns are over before anything else gets the processor.
	tokens := make([]string, 16)
	for i := range tokens {
		tokens[i] = iss.AccessToken(b, jwkstest.Token{
			Audience: audience,
			Scope:    "openid profile board:read board:write",
			Roles:    []string{"moderator"},
		})
	}
	memory, err := jwks.NewTokenMemory(jwks.TokenMemoryConfig{})
	if err != nil {
		b.Fatal(err)
	}
	leeway := time.Second
	verifier := func() *jwks.Verifier {
		// Another policy, so the memory knows none of the tokens; but it is as full as ever.
		leeway++
		v, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: cache, Memory: memory, Leeway: leeway})
		if err != nil {
			b.Fatal(err)
		}
		return v
	}
	verifyAll := func(v *jwks.Verifier) {
		for _, token := range tokens {
			if _, err := v.Verify(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
	}
	warm := verifier()
	verifyAll(warm)
	bares := make([]func(), len(tokens))
	for i, token := range tokens {
		bares[i] = bareVerification(b, iss, token)
	}

	for name, next := range map[string]func() *jwks.Verifier{
		"hit":  func() *jwks.Verifier { return warm },
		"miss": verifier,
	} {
		b.Run(name, func(b *testing.B) {
			var verifying time.Duration
			var ratios []float64
			for b.Loop() {
				v := next()
				start := time.Now()
				for _, bare := range bares {
					bare()
				}
				baring := time.Since(start)
				start = time.Now()
				verifyAll(v)
				took := time.Since(start)
				verifying += took
				ratios = append(ratios, float64(took)/float64(baring))
			}
			slices.Sort(ratios)
			b.ReportMetric(float64(verifying.Nanoseconds())/float64(b.N*len(tokens)), "ns/verify")
			b.ReportMetric(ratios[len(ratios)/2], "x-bare")
		})
	}
}

// BenchmarkBareRSAVerify is what every verifier pays: one RSA-2048 signature.
func BenchmarkBareRSAVerify(b *testing.B) {
	iss := jwkstest.NewIssuer(b)
	bare := bareVerification(b, iss, iss.AccessToken(b, jwkstest.Token{}))
	for b.Loop() {
		bare()
	}
}

// BenchmarkVerifyParallel shows whether goroutines get in each other's way.
func BenchmarkVerifyParallel(b *testing.B) {
	iss := jwkstest.NewIssuer(b)
	v := iss.Verifier(b, audience)
	token := iss.AccessToken(b, jwkstest.Token{Audience: audience})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := v.Verify(b.Context(), token); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkRefuse shows what hostile tokens cost: each should be cheaper than
// a good one.
func BenchmarkRefuse(b *testing.B) {
	iss := jwkstest.NewIssuer(b)
	v := iss.Verifier(b, audience)
	many := `{"alg":"RS256","typ":"at+jwt"` + strings.Repeat(`,"aa":1`, 700) + `}`
	for name, token := range map[string]string{
		"alg none":       "eyJhbGciOiJub25lIn0.e30.",
		"unknown kid":    iss.Sign(map[string]any{"alg": "RS256", "typ": "at+jwt", "kid": "x"}, map[string]any{}),
		"crowded header": base64.RawURLEncoding.EncodeToString([]byte(many)) + ".e30.e30",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := v.Verify(b.Context(), token); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

// bareVerification returns a function that verifies the token's signature and
// does nothing else.
func bareVerification(b *testing.B, iss *jwkstest.Issuer, token string) func() {
	b.Helper()
	keys, err := iss.KeySet().Keys(b.Context(), iss.KeyID())
	if err != nil {
		b.Fatal(err)
	}
	public := keys[0].Public().(*rsa.PublicKey)
	dot := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte(token[:dot]))
	return func() {
		if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature); err != nil {
			b.Fatal(err)
		}
	}
}
