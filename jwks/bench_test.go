package jwks_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks/jwkstest"
)

// BenchmarkVerify reports, as the metric "x-bare", how much longer Verify
// takes than the bare RSA-2048 verification that it cannot do without. The two
// take turns, so that whatever else the machine does slows both alike.
func BenchmarkVerify(b *testing.B) {
	iss := jwkstest.NewIssuer(b)
	v := iss.Verifier(b, audience)
	token := iss.AccessToken(b, jwkstest.Token{
		Audience: audience,
		Scope:    "openid profile board:read board:write",
		Roles:    []string{"moderator"},
	})
	bare := bareVerification(b, iss, token)

	const turn = 16
	var verifying, baring time.Duration
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		start := time.Now()
		for range turn {
			if _, err := v.Verify(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
		middle := time.Now()
		for range turn {
			bare()
		}
		verifying += middle.Sub(start)
		baring += time.Since(middle)
	}
	perOp := float64(b.N) * turn
	b.ReportMetric(float64(verifying.Nanoseconds())/perOp, "ns/verify")
	b.ReportMetric(float64(baring.Nanoseconds())/perOp, "ns/bare")
	b.ReportMetric(float64(verifying)/float64(baring), "x-bare")
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
