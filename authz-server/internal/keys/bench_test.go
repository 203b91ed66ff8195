package keys

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

var benchmarkClaims = []byte(`{"iss":"https://login.example","sub":"0123456789abcdef","aud":["https://api.example/user"],` +
	`"client_id":"demo","scope":"user:read user:write","iat":1700000000,"exp":1700000600,"jti":"0123456789abcdef.0123456789abcdef"}`)

// BenchmarkSign compares Sign with the bare signature of the same digest, one after the other so
// that a busy machine slows both.
func BenchmarkSign(b *testing.B) {
	s, err := store.Open(b.Context(), sqldbtest.SQLite(b), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	ring, err := Open(b.Context(), Config{Store: s.Keys, KEK: testKEK(b, 1), Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	private := ring.snapshot.Load().lines[RS256][0].private.(*rsa.PrivateKey)
	digest := sha256.Sum256(benchmarkClaims)
	var bare, signed []time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:]); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		if _, _, err := ring.Sign(b.Context(), "at+jwt", benchmarkClaims); err != nil {
			b.Fatal(err)
		}
		bare, signed = append(bare, middle.Sub(start)), append(signed, time.Since(middle))
	}
	b.ReportMetric(float64(median(bare)), "bare-ns")
	b.ReportMetric(float64(median(signed))/float64(median(bare)), "x-bare")
}

// median does not mind the few calls that the machine interrupted.
func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

// BenchmarkReadWithdrawn is what each replica does twice a second.
func BenchmarkReadWithdrawn(b *testing.B) {
	p := newPlace(b, sqldbtest.SQLite(b))
	ring := p.ring(b)
	_, kid := sign(b, ring)
	withdraw(b, ring, kid)
	for b.Loop() {
		if _, err := ring.ReadWithdrawn(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
