package rest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/jwks/events"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestEventsAreCountedByTypeAndOutcome(t *testing.T) {
	issuer, metrics := jwkstest.NewIssuer(t), prometheus.NewRegistry()
	api, err := New(Config{
		Issuer: issuer.URL(), Audience: audience, Verifier: issuer.Verifier(t, audience), Keys: issuer.KeySet(), Metrics: metrics, Log: discard,
	}, Resource{Name: "Test"})
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	if err := api.Events(time.Now, func(_ context.Context, e PersonEvent) error {
		switch {
		case e.Person == "unlucky":
			return errors.New("the database is away")
		case seen[e.ID]:
			return events.ErrDuplicate
		case !e.Until.After(time.Now().Add(events.DefaultMaxAge)):
			t.Errorf("it may be forgotten at %v", e.Until)
		}
		seen[e.ID] = true
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	handler, err := api.Handler()
	if err != nil {
		t.Fatal(err)
	}
	push := func(want int, event jwkstest.SET) {
		t.Helper()
		if event.Audience == "" {
			event.Audience = audience
		}
		r := httptest.NewRequest(http.MethodPost, "/v1/events", strings.NewReader(issuer.SET(t, event)))
		r.Header.Set("Content-Type", "application/secevent+jwt")
		w := httptest.NewRecorder()
		if handler.ServeHTTP(w, r); w.Code != want {
			t.Errorf("status %d, want %d", w.Code, want)
		}
	}
	push(202, jwkstest.SET{ID: "a"})
	push(202, jwkstest.SET{ID: "a"})
	push(500, jwkstest.SET{Subject: "unlucky"})
	push(202, jwkstest.SET{Subject: "a\x00b"})
	push(202, jwkstest.SET{Type: "https://example.com/secevent/unknown"})
	push(400, jwkstest.SET{Audience: "https://api.example/other"})
	push(503, jwkstest.SET{IssuedAt: time.Now().Add(time.Hour)})
	for range 150 { // of whom nobody knows where they come from here: they are one sender
		issuerSays := jwkstest.SET{Type: events.TypeSessionRevoked, Subject: strings.Repeat("x", 300)}
		push(202, issuerSays)
	}
	last := 0
	for i := 0; i < 200 && last != http.StatusTooManyRequests; i++ {
		r := httptest.NewRequest(http.MethodPost, "/v1/events", strings.NewReader("forged"))
		r.Header.Set("Content-Type", "application/secevent+jwt")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if last = w.Code; last == http.StatusTooManyRequests && w.Header().Get("Retry-After") != "1" {
			t.Error(w.Header())
		}
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the last of a flood: %d", last)
	}
	received := func(kind, outcome string) float64 {
		families, err := metrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			for _, m := range family.GetMetric() {
				labels := map[string]string{}
				for _, label := range m.GetLabel() {
					labels[label.GetName()] = label.GetValue()
				}
				if family.GetName() == "events_received_total" && labels["type"] == kind && labels["outcome"] == outcome {
					return m.GetCounter().GetValue()
				}
			}
		}
		return -1
	}
	for _, tc := range []struct {
		kind, outcome string
		want          float64
	}{
		{"account-purged", "applied", 1}, {"account-purged", "duplicate", 1}, {"account-purged", "failed", 1}, {"account-purged", "ignored", 1},
		{"other", "applied", 1}, {"none", "invalid_audience", 1}, {"none", "unavailable", 1}, {"session-revoked", "ignored", 150}, {"none", "invalid_key", 0},
		{"none", "too_many", 1},
	} {
		if got := received(tc.kind, tc.outcome); got != tc.want {
			t.Errorf("%s %s: %v, want %v", tc.kind, tc.outcome, got, tc.want)
		}
	}
}
