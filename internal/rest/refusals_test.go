package rest

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestARefusalIsFoundInTheLogByItsRequestID(t *testing.T) {
	f := newFixture(t)
	log := new(bytes.Buffer)
	addresses, done := make(chan net.Addr, 1), make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	server := &httpd.Server{Config: httpd.Config{Listen: "127.0.0.1:0", ShutdownTimeout: 10 * time.Second}, Log: slog.New(slog.NewTextHandler(log, nil)),
		Handler: f.handler, Serving: func(a net.Addr) { addresses <- a }}
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
			if !strings.Contains(line, says) || !strings.Contains(line, "level=INFO") || strings.Contains(line, "status=2") == strings.Contains(line, "description=") {
				t.Errorf("%s is not in %s", says, line)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("not in the log: %v", want)
	}
}
