package client_test

import (
	"errors"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// A sector is proved by redirect URIs: an answer goes to nobody else. A device is given its ID
// token wherever it is, so that a client could name another's URIs, or its public list of them, and
// learn by what name that one knows a person.
func TestADeviceCannotJoinAnothersSector(t *testing.T) {
	t.Parallel()
	for _, sector := range []string{"", "https://victim.example/uris.json"} {
		c := client.Client{
			ID: "thief", Name: "Thief", TokenEndpointAuthMethod: client.AuthNone, RedirectURIs: []string{"https://victim.example/cb"},
			GrantTypes: []string{client.AuthorizationCode, client.DeviceCode}, Scope: "openid", SubjectType: "pairwise", SectorIdentifierURI: sector,
		}
		var wrong *client.Error
		if err := c.Check(client.Policy{Scopes: []string{"openid"}}); !errors.As(err, &wrong) || wrong.Field != "subject_type" {
			t.Errorf("sector %q: %v", sector, err)
		}
		c.GrantTypes = []string{client.AuthorizationCode}
		if err := c.Check(client.Policy{Scopes: []string{"openid"}}); err != nil {
			t.Error(err)
		}
	}
}
