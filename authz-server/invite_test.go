package main

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/mail/mailtest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestInvitations(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		s := c.store()
		link := strings.TrimSpace(c.must("invite", "create", "--issuer=https://example.com/id", "--email=Mina@example.org", "--note=sales"))
		u, err := url.Parse(link)
		if err != nil || !strings.HasPrefix(link, "https://example.com/id/signup?invitation=") {
			t.Fatalf("%q: %v", link, err)
		}
		in, err := s.Invitations.Invitation(t.Context(), u.Query().Get("invitation"))
		if err != nil || in.Email != "Mina@example.org" || in.Mailed || in.Note != "sales" {
			t.Errorf("%+v %v", in, err)
		}
		if left := time.Until(in.ExpiresAt); left < 7*24*time.Hour-time.Hour || left > 7*24*time.Hour {
			t.Errorf("it lasts %s", left)
		}
		made := document(t, c.must("invite", "create", "--format=json", "--expires-in=1h"))
		if text := c.must("invite", "list"); !strings.Contains(text, in.ID) || !strings.Contains(text, "Mina@example.org") ||
			strings.Contains(text, u.Query().Get("invitation")) {
			t.Errorf("the list:\n%s", text)
		}
		id, _ := made["id"].(string)
		c.must("invite", "revoke", id)
		c.refused([]string{"invite", "revoke", id}, id, "invite list")
		if text := c.must("invite", "list", "--format=json"); strings.Contains(text, id) || strings.Count(text, "\n") != 1 ||
			!strings.Contains(text, `"state":"open"`) {
			t.Errorf("the list:\n%s", text)
		}
		c.refused([]string{"invite", "create", "--expires-in=1s"}, "--expires-in")
		c.refused([]string{"invite", "create", "--email=nobody"}, "--email")
		c.refused([]string{"invite", "create", "--issuer=example.com"}, "--issuer")
	})
}

// The link goes to the address and nowhere else, for whoever has it counts as its owner.
func TestAMailedInvitationIsShownToNobodyElse(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	s := c.store()
	server := mailtest.New(t)
	args := []string{"invite", "create", "--email=mina@example.org", "--send", "--mail-smtp-url=" + server.URL, "--mail-from=no-reply@example.com",
		"--brand-name=Acme"}
	server.Refuse(errors.New("not today"))
	c.refused(args, "not today")
	if text := c.must("invite", "list", "--format=json"); text != "" {
		t.Errorf("an invitation that was not sent is there:\n%s", text)
	}
	server.Refuse(nil)
	for _, args := range [][]string{args, append(args, "--format=json")} {
		if text := c.must(args...); strings.Contains(text, "/signup") {
			t.Errorf("it prints %s", text)
		}
	}
	got := server.Got()
	link := regexp.MustCompile(`/signup\?invitation=3?D?([A-Za-z0-9_-]{43})`).FindStringSubmatch(strings.ReplaceAll(got[len(got)-1], "=\r\n", ""))
	if link == nil || !strings.HasPrefix(got[len(got)-1], "mina@example.org\n") || !strings.Contains(got[len(got)-1], "Acme") {
		t.Fatalf("the mail: %s", got)
	}
	if in, err := s.Invitations.Invitation(t.Context(), link[1]); err != nil || !in.Mailed || in.Email != "mina@example.org" {
		t.Errorf("%+v %v", in, err)
	}
	c.refused([]string{"invite", "create", "--send"}, "--send needs --email")
	c.refused([]string{"invite", "create", "--send", "--email=x@example.org"}, "--mail-smtp-url")
}
