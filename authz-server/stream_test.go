package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestAnOperatorManagesStreams(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	c.must("client", "create", "--id", "desk", "--name", "Desk", "--grant-type", "client_credentials", "--scope", "ssf.read", "--trusted")
	c.must("client", "create", "--id", "job", "--name", "Job", "--grant-type", "client_credentials", "--scope", "board:read")
	header := filepath.Join(t.TempDir(), "header")
	if err := os.WriteFile(header, []byte("Bearer of-the-desk\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	push := []string{"--endpoint", "https://desk.example/events", "--header-file", header, "--event", "account-disabled", "--event", "account-purged"}
	id := strings.TrimSpace(c.must(append([]string{"stream", "create", "--client", "desk"}, push...)...))
	c.refused([]string{"stream", "create", "--client", "desk"}, "has a stream already")
	c.refused([]string{"stream", "create", "--client", "job"}, "may not have a stream")
	c.refused([]string{"stream", "create", "--client", "nobody"}, "there is no client")
	c.refused([]string{"stream", "create", "--client", "desk", "--endpoint", "http://desk.example/"}, "is not https")

	s := c.store()
	stored, err := s.Streams.Stream(t.Context(), id)
	if err != nil || len(stored.Header) == 0 || strings.Contains(string(stored.Header), "of-the-desk") || len(stored.Delivered) != 2 {
		t.Errorf("%+v %v", stored, err)
	}
	if err := s.Streams.Add(t.Context(), id, streams.Set{Type: streams.AccountDisabled, Claims: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	shows(t, c.must("stream", "list"), id, "desk", "push", "enabled")
	var listed admin.Stream
	if err := json.Unmarshal([]byte(c.must("stream", "list", "--format", "json")), &listed); err != nil || listed.Waiting != 1 || listed.Endpoint != "https://desk.example/events" {
		t.Errorf("%+v %v", listed, err)
	}
	shows(t, c.must("stream", "show", id), `"stream_id": "`+id+`"`, `"refused_events": []`)
	shows(t, c.must("stream", "pause", id, "--reason", "maintenance"), "paused")
	stored, err = s.Streams.Stream(t.Context(), id)
	if err != nil || stored.Status != streams.Paused || stored.Reason != "maintenance" {
		t.Errorf("%+v %v", stored, err)
	}
	if ready, _, err := s.Streams.Ready(t.Context(), stored, 10); err != nil || len(ready) != 1 || ready[0].Type != streams.StreamUpdated {
		t.Errorf("the receiver is told %+v %v", ready, err)
	}
	shows(t, c.must("stream", "enable", id), "enabled")
	shows(t, c.must("stream", "retry", id), "0")
	shows(t, c.must("stream", "disable", id), "disabled")
	stored, err = s.Streams.Stream(t.Context(), id)
	if err != nil || stored.Status != streams.Disabled {
		t.Errorf("%+v %v", stored, err)
	}
	if ready, _, err := s.Streams.Ready(t.Context(), stored, 10); err != nil || len(ready) != 3 { // paused, enabled, disabled
		t.Errorf("the receiver is told %+v %v", ready, err)
	}
	shows(t, c.must("stream", "delete", id), "deleted")
	c.refused([]string{"stream", "show", id}, "there is no stream")
}
