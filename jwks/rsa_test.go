package jwks_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

// A program's own RSA verifies tokens by keys that were fetched, and by those of the file after a
// restart without the issuer.
func TestAnotherRSALibraryVerifiesTokens(t *testing.T) {
	iss := jwkstest.NewIssuer(t)
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience})
	file := filepath.Join(t.TempDir(), "keys.json")
	answer, asked := true, 0
	library := func(*rsa.PublicKey, crypto.Hash, bool) func(digest, signature []byte) bool {
		return func(_, _ []byte) bool { asked++; return answer }
	}
	verifier := func(ctx context.Context, client *http.Client) *jwks.Verifier {
		cache, err := jwks.NewCache(ctx, jwks.CacheConfig{Issuer: iss.URL(), Client: client, File: file, RSA: library})
		if err != nil {
			t.Fatal(err)
		}
		if err := cache.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		v, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: cache, VerifyEveryTime: true})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	judge := func(v *jwks.Verifier) {
		t.Helper()
		before := asked
		answer = true
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Error(err)
		}
		answer = false
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, jwks.ErrSignature) {
			t.Errorf("a token that the library refuses: %v", err)
		}
		if asked != before+2 {
			t.Errorf("the library was asked %d times of 2", asked-before)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	judge(verifier(ctx, nil))
	// The file is written after the keys are ready, and not once ctx has ended.
	testenv.Eventually(t, "the keys are saved", func() bool {
		_, err := os.Stat(file)
		return err == nil
	})
	cancel()
	judge(verifier(t.Context(), &http.Client{Transport: away{}}))
}

// away is a network without the issuer.
type away struct{}

func (away) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("away") }
