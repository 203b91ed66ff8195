package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/backup"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv"
)

func TestABackupComesBackWithoutWhatItForgot(t *testing.T) {
	dir := t.TempDir()
	c := commandLine{t, "sqlite:" + filepath.Join(dir, "authz.db")}
	c.must("client", "create", "--id", "app", "--name", "App", "--public", "--redirect-uri", "https://app.example/cb")
	if out, err := c.run(goodPassword, "user", "create", "--email", "mina@example.org", "--name", "Mina", "--password-stdin"); err != nil {
		t.Fatal(out, err)
	}
	s := c.store()
	user, err := s.Users.UserByEmail(t.Context(), "mina@example.org")
	if err != nil {
		t.Fatal(err)
	}
	session, cookie, err := s.Sessions.CreateSession(t.Context(), accounts.Session{UserID: user.ID}, user.PasswordHash)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Consents.GrantConsent(t.Context(), user.ID, "app", []string{"openid"}); err != nil {
		t.Fatal(err)
	}

	before := c.must("keys", "list")
	file := filepath.Join(dir, "backup.db")
	if out := c.must("backup", file); !strings.Contains(out, "after-restore") {
		t.Error(out)
	}
	c.refused([]string{"backup", file}, "exists")
	if err := s.Sessions.EndSession(t.Context(), session.ID); err != nil { // what the backup does not know
		t.Fatal(err)
	}

	restored := commandLine{t, "sqlite:" + file}
	rs := restored.store()
	if _, _, err := rs.Sessions.SessionByCookie(t.Context(), cookie); err != nil {
		t.Fatalf("the backup lacks the session: %v", err)
	}
	if out := restored.must("after-restore"); !strings.Contains(out, "ended 1 sessions") {
		t.Error(out)
	}
	if _, _, err := rs.Sessions.SessionByCookie(t.Context(), cookie); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the session lives on: %v", err)
	}
	if _, err := rs.Consents.Consent(t.Context(), user.ID, "app"); err != nil {
		t.Errorf("the consent went without being asked for: %v", err)
	}
	keys := restored.must("keys", "list")
	if keys != before {
		t.Errorf("other keys:\n%s\nwant\n%s", keys, before)
	}
	shows(t, restored.must("after-restore", "--forget-consents", "--rotate-keys"), "1 consents", "new keys")
	if rotated := restored.must("keys", "list"); rotated == keys {
		t.Error("the keys are the same")
	}
	if _, err := rs.Users.User(t.Context(), user.ID); err != nil {
		t.Errorf("the account went: %v", err)
	}
	if _, err := rs.Clients.Client(t.Context(), "app"); err != nil {
		t.Errorf("the client went: %v", err)
	}
}

func TestABackupOfPostgresIsPgDumps(t *testing.T) {
	c := commandLine{t, sqldbtest.Postgres(t)}
	file := filepath.Join(t.TempDir(), "backup")
	if out, err := c.run("", "backup", file); !errors.Is(err, backup.ErrUsePgDump) {
		t.Error(out, err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("there is a file")
	}
}

func TestARestoredServerKnowsNothingOfWhoWasLoggedIn(t *testing.T) {
	dir := t.TempDir()
	c := commandLine{t, "sqlite:" + filepath.Join(dir, "authz.db")}
	_, end := serving(t, c.url)
	end()
	if out, err := c.run(goodPassword, "user", "create", "--email", "mina@example.org", "--name", "Mina", "--password-stdin"); err != nil {
		t.Fatal(out, err)
	}
	s := c.store()
	user, err := s.Users.UserByEmail(t.Context(), "mina@example.org")
	if err != nil {
		t.Fatal(err)
	}
	_, cookie, err := s.Sessions.CreateSession(t.Context(), accounts.Session{UserID: user.ID}, user.PasswordHash)
	if err == nil {
		err = s.Pending.BeginLogin(t.Context(), "a browser", user, []string{"pwd"}, nil)
	}
	if err == nil {
		err = s.Passkeys.BeginCeremony(t.Context(), accounts.Ceremony{Challenge: "challenge", Browser: "a browser", Purpose: "login"})
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "backup.db")
	shows(t, c.must("backup", file), "SHA-256", "restore")
	c.must("user", "disable", "mina@example.org") // what the backup does not know

	_, end = serving(t, c.url)
	c.refused([]string{"restore", file}, "a process uses the database")
	end()
	out := c.must("restore", file)
	shows(t, out, "ended 1 sessions", "the database that was there is "+filepath.Join(dir, "authz.db.before-restore-"), "every access token is revoked", "SECURITY.md")
	rs := c.store()
	if _, _, err := rs.Sessions.SessionByCookie(t.Context(), cookie); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the session lives on: %v", err)
	}
	if _, err := rs.Pending.PendingLogin(t.Context(), "a browser"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a log-in whose password was right goes on: %v", err)
	}
	if again, err := rs.Users.User(t.Context(), user.ID); err != nil || again.Disabled {
		t.Errorf("%+v %v", again, err)
	}
	shows(t, c.must("audit", "list", "--kind=database.restored", "--format=json"), `"file":"`+file)
	shows(t, c.must("audit", "verify"), "whole")
	addr, _ := serving(t, c.url) // and a server works with it
	if addr == "" {
		t.Error("no server")
	}
	before, err := filepath.Glob(filepath.Join(dir, "authz.db.before-restore-*"))
	if err != nil || len(before) != 1 {
		t.Fatal(before, err)
	}
	kept := commandLine{t, "sqlite:" + before[0]}.store()
	if one, err := kept.Users.User(t.Context(), user.ID); err != nil || !one.Disabled {
		t.Errorf("what is kept is not what was there: %+v %v", one, err)
	}
	c.refused([]string{"restore", filepath.Join(dir, "none")}, "no such file")
	pg := commandLine{t, "postgres://localhost/x"}
	if _, err := pg.run("", "restore", file); !errors.Is(err, backup.ErrUsePgRestore) {
		t.Error(err)
	}
}

// The recipe of deploy/README.md for Postgres, with its own programs.
func TestWhatAPostgresBackupForgotDoesNotLiveOn(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"pg_dump", "pg_restore"} {
		if _, err := exec.LookPath(name); err != nil {
			testenv.Absent(t, "no "+name)
		}
	}
	databaseURL := sqldbtest.Postgres(t)
	f, c := providertest.New(t, databaseURL), commandLine{t, databaseURL}
	b := f.Browser().LogIn(f.User)
	held := f.Tokens(f.Redeem(b.Code("scope", "openid user:read offline_access")))
	code := b.Code("scope", "openid user:read offline_access")
	file := filepath.Join(t.TempDir(), "dump")
	shell := func(script string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", strings.ReplaceAll(script, "FILE", file))
		cmd.Env = append(os.Environ(), "URL="+databaseURL)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	shell(backup.PgDump)

	// Since the backup, the code is spent, the grant is refreshed and then revoked, and the session ends.
	late := f.Tokens(f.Redeem(code))
	next := f.Tokens(f.Refresh(held.Refresh))
	c.must("user", "disable", f.User.Email)

	name := databaseName(t, databaseURL)
	admin := sqldbtest.Postgres(t)
	db, err := sqldb.Open(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.Exec(context.WithoutCancel(t.Context()), `DROP DATABASE `+name+`_before WITH (FORCE)`); err != nil {
			t.Error(err)
		}
		db.Close()
	})
	for _, statement := range []string{
		`SELECT`, `ALTER DATABASE ` + name + ` RENAME TO ` + name + `_before`, `CREATE DATABASE ` + name,
	} {
		var n int
		if statement == `SELECT` { // the servers are stopped
			err = db.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1`, name).Scan(&n)
		} else {
			_, err = db.Exec(t.Context(), statement)
		}
		if err != nil {
			t.Fatal(statement, err)
		}
	}
	shell(backup.PgRestore)
	shows(t, c.must("after-restore"), "every access token is revoked")

	f.Clock.Advance(time.Minute) // past the command's
	for which, tokens := range map[string]providertest.Tokens{"before the backup": held, "a refresh since": next, "a code since": late} {
		if !f.Invalid(tokens.Access) {
			t.Errorf("%s: the status list says that the token is valid", which)
		}
		if a := f.Userinfo(tokens.Access); a.Status != http.StatusUnauthorized {
			t.Errorf("%s: userinfo: %d %s", which, a.Status, a.Body)
		}
		if a := f.Refresh(tokens.Refresh); a.Status == http.StatusOK {
			t.Errorf("%s: the refresh token works", which)
		}
	}
	if a := f.Redeem(code); a.Status == http.StatusOK {
		t.Error("a code that was spent works again")
	}
	if a := b.Get("/account"); a.Status == http.StatusOK {
		t.Error("the session lives on")
	}
	f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code("scope", "openid user:read offline_access"))) // enabled, as in the backup
}

func databaseName(t *testing.T, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

// The page for operators has the commands that are tried.
func TestTheRecipeForPostgresIsTheOneThatIsTried(t *testing.T) {
	for _, name := range []string{"README.md", "README.ko.md"} {
		text, err := os.ReadFile(filepath.Join("..", "deploy", name))
		if err != nil {
			t.Fatal(err)
		}
		shows(t, string(text), backup.PgDump, backup.PgRestore, "RENAME TO", "createdb", "after-restore", "authz-server restore", "authz-server doctor")
	}
}
