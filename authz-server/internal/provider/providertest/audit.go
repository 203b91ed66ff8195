package providertest

import (
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
)

// Audit is what the audit log has, the latest first.
func (f *Fixture) Audit(t testing.TB) []audit.Entry {
	t.Helper()
	all, err := audit.New(f.Store).List(t.Context(), auditlog.Filter{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
