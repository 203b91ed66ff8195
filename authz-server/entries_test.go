package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// readingCommands change nothing that the audit log is about.
var readingCommands = strings.Fields(`audit.list audit.verify client.list client.show doctor group.list group.show invite.list
	keys.list logout.list mail.list mail.test openapi resource.list role.list stream.list stream.show upstream.list upstream.show user.list version`)

// A new command that changes something has to be added here, and to leave an entry that says who ran it.
func TestEveryCommandThatChangesSomethingLeavesAnEntry(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	_, end := serving(t, c.url, "--terms-url=https://maker.example/terms", "--terms-version=1")
	end()
	s := c.store()
	find := func(kind audit.Kind) []audit.Entry {
		t.Helper()
		all, err := audit.New(s).List(t.Context(), auditlog.Filter{Kind: string(kind), Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if len(find(audit.SettingsStarted)) != 1 || len(find(audit.TermsChanged)) != 1 {
		t.Error("a start leaves no entries of its settings and terms")
	}
	for _, one := range []string{"mail", "logout"} {
		if err := s.Outbox.Add(t.Context(), outbox.Item{ID: one, Kind: one, Lane: "shop", Payload: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	user, key, stream, invitation := "mina@example.org", "", "", ""
	lines := file("users.jsonl", `{"email":"imported@example.org","name":"I"}`)
	tried := []string{"serve"}
	for _, one := range []struct {
		command string // with dots in place of spaces
		args    []string
		input   string
		kind    audit.Kind
		before  func()
		after   func(out string)
	}{
		{command: "client.create", args: []string{"--id=dir", "--name=Dir", "--grant-type=client_credentials", "--scope=scim ssf.read"}, kind: audit.ClientCreated},
		{command: "client.update", args: []string{"dir", "--name=Directory"}, kind: audit.ClientChanged},
		{command: "client.rotate-secret", args: []string{"dir"}, kind: audit.ClientSecretMade},
		{command: "client.disable", args: []string{"dir"}, kind: audit.ClientDisabled},
		{command: "client.enable", args: []string{"dir"}, kind: audit.ClientEnabled},
		{command: "client.import", args: []string{file("client.json", `{"client_id":"i","client_name":"I","grant_types":["client_credentials"],"scope":"user:lookup"}`)}, kind: audit.ClientCreated},
		{command: "client.rotate-registration-token", args: []string{"self"}, kind: audit.ClientSecretMade, before: func() {
			if err := s.Clients.RegisterClient(t.Context(), client.Client{ID: "self", Name: "Self"},
				registry.Registration{Secret: opaque.Hash("s"), Token: opaque.Hash("t")}); err != nil {
				t.Fatal(err)
			}
		}},
		{command: "client.initial-token", kind: audit.InitialTokenMade},
		{command: "user.create", args: []string{"--email=" + user, "--name=Mina", "--password-stdin"}, input: "several unrelated wooden words\n", kind: audit.UserCreated},
		{command: "user.import", args: []string{lines}, kind: audit.UserCreated},
		{command: "user.set-claims", args: []string{"--email=" + user, `--json={"nickname":"m"}`}, kind: audit.UserChanged},
		{command: "user.set-password", args: []string{"--email=" + user, "--password-stdin"}, input: "other unrelated wooden words\n", kind: audit.UserPasswordReset},
		{command: "user.reset-link", args: []string{user}, kind: audit.ResetLinkMade},
		{command: "user.set-role", args: []string{user, "moderator"}, kind: audit.RoleGranted},
		{command: "user.entrust", args: []string{"--directory=dir", user}, kind: audit.UserEntrusted},
		{command: "user.remove-factors", args: []string{user}, kind: audit.UserSecondStepOff, before: func() {
			u, err := s.Users.UserByEmail(t.Context(), user)
			if err == nil {
				err = errors.Join(s.Factors.BeginTOTP(t.Context(), u.ID, []byte("x")),
					s.Factors.ConfirmTOTP(t.Context(), u.ID, []byte("x"), []byte("x"), 1, nil))
			}
			if err != nil {
				t.Fatal(err)
			}
		}},
		{command: "user.disable", args: []string{user}, kind: audit.UserDisabled},
		{command: "user.enable", args: []string{user}, kind: audit.UserEnabled},
		{command: "group.create", args: []string{"Team"}, kind: audit.GroupCreated},
		{command: "group.update", args: []string{"Team", "--name=Team 2"}, kind: audit.GroupChanged},
		{command: "group.grant", args: []string{"Team 2", "board/moderator"}, kind: audit.RoleGranted},
		{command: "group.add", args: []string{"Team 2", user}, kind: audit.GroupJoined},
		{command: "group.entrust", args: []string{"Team 2", "--directory=dir"}, kind: audit.GroupEntrusted},
		{command: "group.remove", args: []string{"Team 2", user}, kind: audit.GroupLeft},
		{command: "group.revoke", args: []string{"Team 2", "board/moderator"}, kind: audit.RoleRevoked},
		{command: "group.delete", args: []string{"Team 2"}, kind: audit.GroupDeleted},
		{command: "role.create", args: []string{"board/writer", "--scope=board:write"}, kind: audit.RoleDefined},
		{command: "role.update", args: []string{"board/writer", "--description=Writes"}, kind: audit.RoleChanged},
		{command: "role.delete", args: []string{"board/writer"}, kind: audit.RoleDeleted},
		{command: "resource.create", args: []string{"orders", "--id=https://orders.example", "--scope=orders:read"}, kind: audit.ResourceCreated},
		{command: "resource.update", args: []string{"orders", "--scope=orders:pick"}, kind: audit.ResourceChanged},
		{command: "resource.delete", args: []string{"orders"}, kind: audit.ResourceDeleted},
		{command: "upstream.create", args: []string{"google", "--preset=google", "--client-id=x", "--client-secret-file=" + file("secret", "of the upstream")}, kind: audit.UpstreamCreated},
		{command: "upstream.update", args: []string{"google", "--client-id=y"}, kind: audit.UpstreamChanged},
		{command: "upstream.delete", args: []string{"google"}, kind: audit.UpstreamDeleted},
		{command: "invite.create", kind: audit.InvitationMade, after: func(string) { invitation = find(audit.InvitationMade)[0].Target.ID }},
		{command: "invite.revoke", args: []string{"INVITATION"}, kind: audit.InvitationWithdrawn},
		{command: "bootstrap-admin", kind: audit.BootstrapLinked},
		{command: "stream.create", args: []string{"--client=dir"}, kind: audit.StreamCreated, after: func(out string) { stream = strings.TrimSpace(out) }},
		{command: "stream.pause", args: []string{"STREAM"}, kind: audit.StreamChanged},
		{command: "stream.enable", args: []string{"STREAM"}, kind: audit.StreamChanged},
		{command: "stream.disable", args: []string{"STREAM"}, kind: audit.StreamChanged},
		{command: "stream.retry", args: []string{"STREAM"}, kind: audit.StreamChanged},
		{command: "stream.delete", args: []string{"STREAM"}, kind: audit.StreamDeleted},
		{command: "mail.retry", args: []string{"--all"}, kind: audit.QueueRetried},
		{command: "logout.retry", args: []string{"--all"}, kind: audit.QueueRetried},
		{command: "apply", args: []string{file("maru.yaml", "groups: [{name: Applied}]\n")}, kind: audit.ConfigurationGiven},
		{command: "keys.rotate", kind: audit.KeyRotated, after: func(string) { key = find(audit.KeyCreated)[0].Target.ID }},
		{command: "keys.withdraw", args: []string{"KEY"}, kind: audit.KeyWithdrawn},
		{command: "keys.rewrap", args: []string{"--key-encryption-key=" + strings.Repeat("B", 43) + "=", "--old-key-encryption-key=" + testKEK}, kind: audit.KeysRewrapped},
		{command: "user.delete", args: []string{user}, kind: audit.UserDeletionPlanned},
		{command: "client.delete", args: []string{"dir"}, kind: audit.ClientDeleted},
		{command: "audit.export", kind: audit.LogExported},
		{command: "backup", args: []string{filepath.Join(dir, "backup.db")}, kind: audit.BackedUp},
		{command: "after-restore", kind: audit.Restored},
	} {
		tried = append(tried, one.command)
		if one.before != nil {
			one.before()
		}
		before := len(find(one.kind))
		args := strings.Split(one.command, ".")
		for _, arg := range one.args {
			args = append(args, strings.NewReplacer("INVITATION", invitation, "STREAM", stream, "KEY", key).Replace(arg))
		}
		out, err := c.run(one.input, args...)
		if err != nil {
			t.Errorf("%q: %v", args, err)
			continue
		}
		fresh := find(one.kind)
		if len(fresh) <= before {
			t.Errorf("%q leaves no entry %s", args, one.kind)
			continue
		}
		if e := fresh[0]; e.Actor.Kind != audit.Machine || e.Proof != "command" || e.Actor.Label == "" {
			t.Errorf("%q: %+v", args, e)
		}
		if one.after != nil {
			one.after(out)
		}
	}
	tried = append(tried, "restore") // its entry is in the database that takes the place: TestARestoredDatabaseSaysSo
	checkCommands(t, append(tried, readingCommands...))
}

// checkCommands compares names with those of all commands.
func checkCommands(t *testing.T, names []string) {
	t.Helper()
	p := &program{}
	parser, err := p.parser(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, leaf := range parser.Model.Leaves(false) {
		all = append(all, strings.ReplaceAll(strings.TrimPrefix(leaf.FullPath(), "authz-server "), " ", "."))
	}
	for _, one := range all {
		if !slices.Contains(names, one) {
			t.Errorf("does %s leave an entry, or only read?", one)
		}
	}
	for _, one := range names {
		if !slices.Contains(all, one) {
			t.Errorf("there is no command %s", one)
		}
	}
}

// The terms are noted when they change, and not at every start.
func TestTermsThatChangeAreInTheAuditLog(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	for _, args := range [][]string{
		nil, {"--terms-url=https://maker.example/terms", "--terms-version=1"}, {"--terms-url=https://maker.example/terms", "--terms-version=1"},
		{"--terms-url=https://maker.example/terms", "--terms-version=2"}, nil,
	} {
		_, end := serving(t, c.url, args...)
		end()
	}
	all, err := audit.New(c.store()).List(t.Context(), auditlog.Filter{Kind: string(audit.TermsChanged), Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var versions []string
	for _, e := range all {
		version, _ := e.Detail["version"].(string)
		versions = append(versions, version)
	}
	if !slices.Equal(versions, []string{"", "2", "1"}) {
		t.Errorf("%q", versions)
	}
}

func TestARestoredDatabaseSaysSo(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	backup := filepath.Join(t.TempDir(), "backup.db")
	c.must("backup", backup)
	if _, err := c.run("", "restore", backup); err != nil {
		t.Fatal(err)
	}
	out := c.must("audit", "list", "--kind=database.restored", "--format=json")
	shows(t, out, `"kind":"machine"`, backup)
	hides(t, c.must("audit", "list", "--kind=database.backed_up", "--format=json"), backup) // which came after the copy
}
