package main

import (
	"net/url"
	"strings"
	"testing"
	"time"
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
