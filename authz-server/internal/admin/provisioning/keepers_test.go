package provisioning_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/admin/provisioning"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// A directory may keep a group when it is asked, and not any more when the group's row is locked.
func TestADirectoryThatKeepsAGroupNoMoreDoesNotChangeIt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if !strings.HasPrefix(w.URL(), "postgres") {
			t.Skip("SQLite has one transaction at a time")
		}
		before, after := "Crew", "Pirates"
		g, err := w.operate.CreateGroup(t.Context(), w.actors["okta"], provisioning.GroupEdit{Name: &before}, "")
		storetest.OK(t, err)
		entrusted := false
		ctx := storetest.BeforeStatements(t.Context(), func(query string) {
			if !entrusted && strings.HasPrefix(query, "UPDATE groups SET version = version WHERE") {
				entrusted = true
				storetest.OK(t, w.admin.EntrustGroup(t.Context(), machine, g.ID, "entra", ""))
			}
		})
		_, err = w.operate.EditGroup(ctx, w.actors["okta"], g.ID, "", provisioning.GroupEdit{Name: &after}, "")
		var refused *admin.Refused
		if !errors.As(err, &refused) || refused.Why != admin.NotKept {
			t.Errorf("the directory that kept it: %v", err)
		}
		if now, err := w.admin.Group(t.Context(), machine, g.ID); err != nil || now.Name != before || !entrusted {
			t.Errorf("the group is %q, %v; given to another directory: %t", now.Name, err, entrusted)
		}
	})
}
