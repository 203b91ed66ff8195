package messages_test

import (
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/consent"
	"github.com/maru-auth/maru/authz-server/internal/messages"
)

func TestEveryClaimThatAnAppCanAskForHasWords(t *testing.T) {
	t.Parallel()
	for _, l := range messages.All.List() {
		for _, claims := range consent.ScopeClaims {
			for _, claim := range claims {
				claim = strings.TrimSuffix(claim, "_verified")
				if said := l.Scope(consent.Prefix + claim); said == "" || said != l.Profile.Claims[claim] {
					t.Errorf("%s lacks what it means to see the claim %s", l.Tag, claim)
				}
			}
		}
	}
}
