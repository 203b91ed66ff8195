package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
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
	taken, err := s.Outbox.Take(t.Context(), outbox.KindLogout, time.Minute, 10, func(string) int { return 10 })
	if err != nil || len(taken) != 2 {
		t.Fatal(taken, err)
	}
	for _, d := range taken {
		next := time.Now().Add(time.Hour)
		if d.Lane == "dead" {
			next = time.Time{}
		}
		if err := s.Outbox.Postpone(t.Context(), d, "it answers with status 500", next); err != nil {
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

	// The client is mended: what was given up is tried again, and so is what waits.
	shows(t, c.must("logout", "retry", "--all"), ": 1")
	shows(t, c.must("logout", "retry", "--all"), ": 0")
	waiting := slices.IndexFunc(taken, func(d outbox.Item) bool { return d.Lane == "waiting" })
	shows(t, c.must("logout", "retry", taken[waiting].ID), ": 1")
	if text := c.must("logout", "list"); strings.Contains(text, "given up") {
		t.Error(text)
	}
	if again, err := s.Outbox.Take(t.Context(), outbox.KindLogout, time.Minute, 10, func(string) int { return 10 }); err != nil || len(again) != 2 {
		t.Error(again, err)
	}
	c.refused([]string{"logout", "retry", taken[waiting].ID}, "is being tried")
	c.refused([]string{"logout", "retry", "nonsense"}, "no delivery")
	c.refused([]string{"logout", "retry"}, "--all")
}
