package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestRolesGroupsAndResourcesFromTheCommandLine(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	c.mustWith(goodPassword, mina()...)

	shows(t, c.must("resource", "list"), "board", "admin", "settings")
	c.must("resource", "create", "orders", "--id", "https://orders.example", "--scope", "orders:read", "--scope", "orders:write")
	shows(t, c.must("resource", "list", "--format", "json"), `"name":"orders"`, `"stored":true`, `"own_scopes":["scim"]`)
	c.refused([]string{"resource", "create", "orders", "--id", "https://x.example", "--scope", "x"}, "orders", "already")
	c.refused([]string{"resource", "create", "other", "--id", "https://x.example", "--scope", "board:read"}, "board:read", "belongs to")

	c.must("role", "create", "orders/picker", "--scope", "orders:read", "--description", "Takes things from shelves")
	c.must("role", "create", "board/editor", "--scope", "board:write")
	shows(t, c.must("role", "list"), "orders/picker", "board/editor", "board/moderator", "admin/admin", "Takes things")
	shows(t, c.must("role", "list", "--format", "json"), `{"resource":"orders","name":"picker","scopes":["orders:read"]`)
	c.refused([]string{"role", "create", "orders/picker", "--scope", "orders:read"}, "exists already")
	c.refused([]string{"role", "create", "nothing/picker", "--scope", "a"}, `no resource "nothing"`, "orders")
	c.refused([]string{"role", "create", "orders/packer", "--scope", "board:read"}, "not a scope of the resource orders")
	c.refused([]string{"role", "delete", "board/moderator"}, "built in")
	c.refused([]string{"role", "delete", "board/edit"}, "did you mean board/editor")

	c.must("role", "update", "board/editor", "--scope", "board:read", "--reason", "it reads")
	shows(t, c.must("role", "list"), "board:read")
	c.refused([]string{"role", "update", "board/moderator", "--scope", "board:read"}, "built in")
	c.refused([]string{"role", "update", "board/editor", "--scope", "orders:read"}, "not a scope of")
	c.must("resource", "update", "orders", "--id", "https://orders.example/v2", "--description", "Orders")
	shows(t, c.must("resource", "list"), "https://orders.example/v2", "orders:write")
	c.refused([]string{"resource", "update", "orders", "--scope", "orders:write"}, "--scope", "orders/picker")
	c.refused([]string{"resource", "update", "admin", "--scope", "x"}, "settings")
	shows(t, c.must("audit", "list", "--format", "json"), `"role.defined"`, `"role.changed"`, `"it reads"`, `"resource.changed"`)

	c.must("group", "create", "Editors", "--external-id", "dir-7")
	c.refused([]string{"group", "create", "EDITORS"}, "already")
	c.must("group", "grant", "Editors", "board/editor")
	c.refused([]string{"group", "grant", "Editors", "board/writer"}, "not a role that is defined")
	shows(t, c.must("group", "add", "editors", "mina@example.org"), "mina@example.org is in Editors now")
	shows(t, c.must("group", "add", "editors", "mina@example.org"), "already")
	c.must("group", "update", "editors", "--name", "Editors 2", "--external-id", "")
	c.must("group", "update", "Editors 2", "--name", "Editors", "--external-id", "dir-7")
	c.refused([]string{"group", "add", "nobody", "mina@example.org"}, "there is no group nobody")
	c.refused([]string{"group", "add", "editors", "nobody@example.org"}, "there is no account")
	shows(t, c.must("group", "show", "Editors"), "board/editor", "mina@example.org")
	var shown struct {
		ID, Name string
		Members  []string
		Roles    []struct{ Resource, Name string }
	}
	if err := json.Unmarshal([]byte(c.must("group", "show", "Editors", "--format", "json")), &shown); err != nil ||
		len(shown.Members) != 1 || len(shown.Roles) != 1 || shown.Roles[0].Name != "editor" {
		t.Errorf("%+v %v", shown, err)
	}
	shows(t, c.must("group", "list", "--format", "json"), `"external_id":"dir-7"`, `"name":"editor"`)
	hides(t, c.must("user", "list"), "board/editor") // only what was given directly

	c.must("user", "set-role", "mina@example.org", "orders/picker", "moderator")
	shows(t, c.must("user", "list"), "board/moderator orders/picker")
	c.refused([]string{"resource", "delete", "orders"}, "has roles")
	shows(t, c.must("role", "delete", "orders/picker"), "removed orders/picker")
	if list := c.must("user", "list"); !strings.Contains(list, "board/moderator") || strings.Contains(list, "picker") {
		t.Error(list)
	}
	c.must("resource", "delete", "orders")
	c.refused([]string{"resource", "delete", "board"}, "of the settings")

	shows(t, c.must("group", "revoke", "Editors", "board/editor"), "no more")
	c.refused([]string{"group", "revoke", "Editors", "board/editor"}, "does not have")
	shows(t, c.must("group", "remove", shown.ID, "mina@example.org"), "no more")
	shows(t, c.must("group", "remove", shown.ID, "mina@example.org"), "is not in Editors")
	c.must("group", "delete", "Editors")
	c.refused([]string{"group", "show", "Editors"}, "there is no group")
}
