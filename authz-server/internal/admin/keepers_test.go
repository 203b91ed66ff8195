package admin_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// A directory may keep a group when it is asked, and not any more when the group's row is locked.
func TestADirectoryThatKeepsAGroupNoMoreDoesNotChangeIt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if !strings.HasPrefix(w.URL(), "postgres") {
			t.Skip("SQLite has one transaction at a time")
		}
		_, err := w.CreateClient(t.Context(), machine, "entra", client.Patch{
			"client_name": "entra", "grant_types": []string{"client_credentials"}, "scope": "scim",
		}, "")
		storetest.OK(t, err)
		before, after := "Crew", "Pirates"
		g, err := w.ProvisionGroup(t.Context(), scim, admin.GroupEdit{Name: &before}, "")
		storetest.OK(t, err)
		entrusted := false
		ctx := storetest.BeforeStatements(t.Context(), func(query string) {
			if !entrusted && strings.HasPrefix(query, "UPDATE groups SET version = version WHERE") {
				entrusted = true
				storetest.OK(t, w.EntrustGroup(t.Context(), machine, g.ID, "entra", ""))
			}
		})
		_, err = w.EditProvisionedGroup(ctx, scim, g.ID, "", admin.GroupEdit{Name: &after}, "")
		var refused *admin.Refused
		if !errors.As(err, &refused) || refused.Why != admin.NotKept {
			t.Errorf("the directory that kept it: %v", err)
		}
		if now, err := w.Group(t.Context(), w.root, g.ID); err != nil || now.Name != before || !entrusted {
			t.Errorf("the group is %q, %v; given to another directory: %t", now.Name, err, entrusted)
		}
	})
}
