package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestLogoutListShowsWhomNobodyCouldTell(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	s := c.store()
	user, err := s.Users.CreateUser(t.Context(), accounts.User{Email: "mina@example.org", PasswordHash: "x"})
	if err != nil {
		t.Fatal(err)
	}
	session, _, err := s.Sessions.CreateSession(t.Context(), accounts.Session{UserID: user.ID}, "x")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"waiting", "dead"} {
		if err := s.Clients.CreateClient(t.Context(), client.Client{ID: id, BackchannelLogoutURI: "https://app.example/out"}); err != nil {
			t.Fatal(err)
		}
		if err := s.Logouts.NoteSessionClient(t.Context(), session.ID, id); err != nil {
			t.Fatal(err)
		}
	}
	c.must("user", "disable", "mina@example.org") // the command line ends sessions too
	taken, err := s.Logouts.TakeLogouts(t.Context(), time.Minute, 10, 10)
	if err != nil || len(taken) != 2 {
		t.Fatal(taken, err)
	}
	for _, d := range taken {
		next := time.Now().Add(time.Hour)
		if d.ClientID == "dead" {
			next = time.Time{}
		}
		if err := s.Logouts.PostponeLogout(t.Context(), d, "it answers with status 500", next); err != nil {
			t.Fatal(err)
		}
	}

	text := c.must("logout", "list")
	if shows(t, text, "given up"); strings.Count(text, "status 500") != 2 || strings.Count(text, "\n") != 3 {
		t.Error(text)
	}
	for _, line := range strings.Split(strings.TrimSpace(c.must("logout", "list", "--format", "json")), "\n") {
		var got listedLogout
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		if got.Session != session.ID || got.User != user.ID || got.Attempts != 1 {
			t.Error(line)
		}
		if (got.GivenUpAt != nil) != (got.Client == "dead") || (got.NextAt != nil) != (got.Client == "waiting") {
			t.Error(line)
		}
	}
}
