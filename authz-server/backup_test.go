package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/internal/sqldb/backup"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
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
