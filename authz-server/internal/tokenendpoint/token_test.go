package tokenendpoint_test

import (
	"slices"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/tokenendpoint"
)

func TestTheTokenEndpointTakesTheGrantTypesThatClientsRegisterFor(t *testing.T) {
	served, registered := slices.Sorted(slices.Values(tokenendpoint.Types)), slices.Sorted(slices.Values(client.GrantTypes(false)))
	if !slices.Equal(served, registered) {
		t.Errorf("the endpoint takes %q, and clients register for %q", served, registered)
	}
}
