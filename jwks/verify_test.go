package jwks_test

import (
	"errors"
	"testing"

	"github.com/maru-auth/maru/jwks/jwkstest"
)

const audience = "https://api.example/notes"

func TestEveryBadTokenIsRefusedForItsReason(t *testing.T) {
	iss := jwkstest.NewIssuer(t)
	v := iss.Verifier(t, audience)
	if _, err := v.Verify(t.Context(), iss.AccessToken(t, jwkstest.Token{Audience: audience})); err != nil {
		t.Fatalf("good token: %v", err)
	}
	for _, bad := range iss.BadTokens(audience) {
		t.Run(bad.Name, func(t *testing.T) {
			claims, err := v.Verify(t.Context(), bad.Token)
			if !errors.Is(err, bad.Want) {
				t.Errorf("error is %v, want %v", err, bad.Want)
			}
			if claims != nil {
				t.Error("claims of a bad token were handed out")
			}
		})
	}
}
