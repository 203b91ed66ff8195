package tokenendpoint_test

import (
	"net/url"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestTokensAreCountedByGrantTypeAndClientType(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	f := providertest.NewWith(t, sqldbtest.SQLite(t), func(cfg *provider.Config) { cfg.Metrics = registry })
	f.AddClient("service", func(c *client.Client) {
		c.GrantTypes, c.Scope, c.RedirectURIs = []string{"client_credentials"}, "user:lookup", nil
	})
	f.Token("service", url.Values{"grant_type": {"client_credentials"}})
	f.Token("service", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:write"}}).WantError(t, 400, "invalid_scope")
	f.Token("service", url.Values{"grant_type": {"made up"}}).WantError(t, 400, "unsupported_grant_type")
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, family := range families {
		if family.GetName() != "authz_tokens_issued_total" {
			continue
		}
		for _, one := range family.GetMetric() {
			kind, grant, n := one.GetLabel()[0].GetValue(), one.GetLabel()[1].GetValue(), one.GetCounter().GetValue()
			if total += n; n > 0 && (kind != "confidential" || grant != "client_credentials") {
				t.Errorf("%v tokens for a %s client by %q", n, kind, grant)
			}
		}
		if len(family.GetMetric()) != 9 { // five grant types, and public clients have no client_credentials
			t.Errorf("%d series", len(family.GetMetric()))
		}
	}
	if total != 1 {
		t.Errorf("%v tokens", total)
	}
}
