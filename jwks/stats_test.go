package jwks_test

import (
	"testing"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestAVerifierTellsHowOftenItRemembersATokenAndACacheHowItsFetchesGo(t *testing.T) {
	iss := jwkstest.NewIssuer(t)
	cache, err := jwks.NewCache(t.Context(), jwks.CacheConfig{Issuer: iss.URL()})
	if err != nil {
		t.Fatal(err)
	}
	v, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: cache})
	if err != nil {
		t.Fatal(err)
	}
	if err := cache.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience})
	for range 3 {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := v.Verify(t.Context(), "not a token"); err == nil {
		t.Error("accepted")
	}
	if got, want := v.Stats(), (jwks.VerifierStats{Remembered: 2, Anew: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := cache.Stats(); got.Keys != 1 || got.Fetches != 1 || got.Failures != 0 || got.Age <= 0 {
		t.Errorf("%+v", got)
	}
}
