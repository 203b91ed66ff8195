package notices_test

import (
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/notices"
)

func TestEveryKindHasItsPlaceInTheAuditLogAndWords(t *testing.T) {
	t.Parallel()
	for _, kind := range notices.Kinds {
		if kind != notices.NewDevice && !notices.AuditKind(kind).Known() {
			t.Errorf("the audit log does not know %s", notices.AuditKind(kind))
		}
		for _, l := range messages.All.List() {
			if l.Security.Events[string(kind)] == "" {
				t.Errorf("%s has no words for %s", l.Tag, kind)
			}
		}
	}
}
