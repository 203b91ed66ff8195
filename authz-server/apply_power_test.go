package main

import (
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// A directory makes a group of the name that an operator's file has, and puts somebody in.
func TestApplyGivesNoPowerToAGroupThatOthersMadeOrFilled(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		for _, name := range []string{"mallory", "mina"} {
			c.mustWith(goodPassword, "user", "create", "--email="+name+"@example.org", "--name="+name, "--password-stdin")
		}
		c.must("group", "create", "Platform administrators")
		c.must("group", "add", "Platform administrators", "mallory@example.org")
		file := configuration(t, "groups: [{name: Platform administrators, roles: [admin/admin]}]\n")
		c.refused([]string{"apply", file}, "mallory@example.org", "--adopt-administrative=groups/Platform administrators")
		c.refused([]string{"apply", "--dry-run", file}, "mallory@example.org")
		c.refused([]string{"apply", "--adopt-administrative=clients/Platform administrators", file}, "mallory@example.org")
		hides(t, c.must("group", "show", "Platform administrators"), "admin/admin")
		shows(t, c.must("apply", "--adopt-administrative=groups/platform ADMINISTRATORS", file), "~ groups/Platform administrators", "! becomes an administrator: mallory@example.org")
		shows(t, c.must("apply", file), "nothing to change")

		// One that the configuration made without power, and that others filled.
		c.must("apply", configuration(t, "configuration: other\ngroups: [{name: Team}, {name: Empty}]\n"))
		c.must("group", "add", "Team", "mina@example.org")
		crowned := configuration(t, "configuration: other\ngroups: [{name: Team, roles: [admin/admin]}, {name: Empty, roles: [admin/admin]}]\n")
		c.refused([]string{"apply", crowned}, "groups/Team", "mina@example.org")
		c.must("group", "remove", "Team", "mina@example.org")
		shows(t, c.must("apply", crowned), "~ groups/Team", "~ groups/Empty")
	})
}

// A service registers a client of the id that an operator's file has, and knows its secret.
func TestApplyGivesNoPowerToAClientThatOthersMade(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		c.must("client", "create", "--id=ops", "--name=Ops", "--grant-type=client_credentials")
		file := configuration(t, "clients: [{client_id: ops, client_name: Ops, grant_types: [client_credentials], scope: \"admin:write\"}]\n")
		out := filepath.Join(t.TempDir(), "secrets.json")
		c.refused([]string{"apply", "--secrets-out", out, file}, "--adopt-administrative=clients/ops")
		if _, err := os.Stat(out); err == nil {
			t.Error("a file of secrets is left of what did not happen")
		}
		shows(t, c.must("apply", "--secrets-out", out, "--adopt-administrative=clients/ops", file), "~ clients/ops", "client_secret")
		var kept struct{ Clients map[string]string }
		text, err := os.ReadFile(out)
		if err == nil {
			err = json.Unmarshal(text, &kept)
		}
		if err != nil || kept.Clients["ops"] == "" ||
			len(secrets(t, c.store(), "ops", kept.Clients["ops"])) != 1 { // the only one that works
			t.Errorf("%v %s", err, text)
		}
		shows(t, c.must("apply", file), "nothing to change")
	})
}

// What was committed has its secrets in the file alone.
func TestApplyKeepsTheSecretsOfWhatIsDone(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	c.must("apply", configuration(t, "clients: [{client_id: old, client_name: Old, token_endpoint_auth_method: none, redirect_uris: [\"https://old.example/cb\"]}]\n"))
	path, _, _ := strings.Cut(strings.TrimPrefix(c.url, "sqlite:"), "?")
	db, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = db.ExecContext(t.Context(), `CREATE TRIGGER full BEFORE DELETE ON clients BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	out := filepath.Join(t.TempDir(), "secrets.json")
	file := configuration(t, "clients: [{client_id: new, client_name: New, grant_types: [client_credentials]}]\n")
	c.refused([]string{"apply", "--prune", "--secrets-out", out, file}, out)
	var kept struct{ Clients map[string]string }
	text, err := os.ReadFile(out)
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	if err != nil || len(secrets(t, c.store(), "new", kept.Clients["new"])) != 1 {
		t.Errorf("%v %s", err, text)
	}
}

// Groups of before can be named like the id of another.
func TestAGroupIsFoundByItsIdFirst(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	c.must("group", "create", "Administrators")
	s := c.store()
	real, err := s.Roles.GroupNamed(t.Context(), "Administrators")
	if err == nil {
		_, err = s.Roles.CreateGroup(t.Context(), roles.Group{Name: real.ID})
	}
	if err != nil {
		t.Fatal(err)
	}
	c.must("group", "grant", real.ID, "admin/admin")
	shows(t, c.must("group", "show", "Administrators"), "admin/admin")
	c.refused([]string{"group", "create", real.ID[:35] + "0"}, "form of an id")
}
