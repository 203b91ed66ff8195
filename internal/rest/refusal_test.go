package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestRefusedTokensAreCounted(t *testing.T) {
	f := newFixture(t)
	bad := f.issuer.BadTokens(audience, jwkstest.Token{Scope: "test:read"})
	want := map[string]float64{"no_token": 1, "client_token": 1, "insufficient_scope": 1}
	f.get("/v1/thing", "")
	f.get("/v1/thing", f.issuer.ClientToken(t, jwkstest.Token{Audience: audience, Scope: "test:read"}))
	f.get("/v1/thing", f.issuer.AccessToken(t, jwkstest.Token{Audience: audience}))
	for _, b := range bad {
		f.get("/v1/thing", b.Token)
		want[refusalReason(b.Want)]++
	}
	families, err := f.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for len(families) > 0 && families[0].GetName() != "tokens_refused_total" {
		families = families[1:]
	}
	if len(families) == 0 {
		t.Fatal("no metric")
	}
	counted := families[0].GetMetric()
	if len(counted) != len(refusalReasons) {
		t.Errorf("%d reasons are counted, want all %d from the start and no other", len(counted), len(refusalReasons))
	}
	for _, metric := range counted {
		reason := metric.GetLabel()[0].GetValue()
		if got := metric.GetCounter().GetValue(); got != want[reason] {
			t.Errorf("%s: %v, want %v", reason, got, want[reason])
		}
	}
}

// A new sentinel of jwks would be counted as "other" until it has a label.
func TestEveryReasonHasALabelOfItsOwn(t *testing.T) {
	labels := make(map[string]bool)
	for _, r := range refusalReasons {
		if labels[r.label] || refusalReason(fmt.Errorf("wrapped: %w", r.err)) != r.label {
			t.Errorf("%s", r.label)
		}
		labels[r.label] = true
	}
	if got := refusalReason(errors.New("something else")); got != "other" {
		t.Error(got)
	}
}

func TestARefusalIsFoundInTheLogByItsRequestID(t *testing.T) {
	f := newFixture(t)
	log := new(bytes.Buffer)
	addresses, done := make(chan net.Addr, 1), make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	server := &httpd.Server{
		Config: httpd.Config{Listen: "127.0.0.1:0", ShutdownTimeout: 10 * time.Second}, Log: slog.New(slog.NewTextHandler(log, nil)),
		Handler: f.handler, Serving: func(a net.Addr) { addresses <- a },
	}
	go func() { done <- server.Run(ctx) }()
	base := "http://" + (<-addresses).String()
	want := make(map[string]string) // by request id
	ask := func(method, path, token, says string) {
		r, err := http.NewRequestWithContext(ctx, method, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		want[resp.Header.Get("X-Request-Id")] = says
	}
	ask("GET", "/v1/thing", "", "error=no_token")
	ask("GET", "/v1/thing", f.issuer.ClientToken(t, jwkstest.Token{ClientID: "batch", Audience: audience, Scope: "test:read"}), "client=batch")
	ask("GET", "/v1/thing", f.issuer.AccessToken(t, jwkstest.Token{ClientID: "app", Audience: audience}), "error=insufficient_scope")
	ask("GET", "/v1/nothing", "", "error=not_found")
	ask("POST", "/v1/thing", "", "error=method_not_allowed")
	ask("GET", "/v1/thing?%ff", "", "error=bad_request")
	ask("GET", "/v1/thing", f.issuer.AccessToken(t, jwkstest.Token{ClientID: "app", Audience: audience, Scope: "test:read"}), "status=204")
	bad := f.issuer.BadTokens(audience, jwkstest.Token{Scope: "test:read"})
	for _, b := range bad {
		if len(b.Token) < 16<<10 { // no server takes so large a header
			ask("GET", "/v1/thing", b.Token, "error="+refusalReason(b.Want))
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, b := range bad {
		if strings.Contains(log.String(), b.Token[:min(len(b.Token), 40)]) {
			t.Errorf("the token that is %s is in the log", b.Name)
		}
	}
	for line := range strings.Lines(log.String()) {
		for id, says := range want {
			if !strings.Contains(line, "request="+id) {
				continue
			}
			delete(want, id)
			if !strings.Contains(line, says) || !strings.Contains(line, "level=INFO") ||
				strings.Contains(line, "status=2") == strings.Contains(line, "description=") {
				t.Errorf("%s is not in %s", says, line)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("not in the log: %v", want)
	}
}
