package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestServeFromStartToStop(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		addresses, done := make(chan net.Addr, 1), make(chan error, 1)
		p := &program{in: strings.NewReader(""), out: io.Discard, errs: io.Discard, now: time.Now, serving: func(addr net.Addr) { addresses <- addr }}
		go func() {
			done <- p.run(ctx, []string{
				"--database-url=" + databaseURL, "--key-encryption-key=" + testKEK, "--listen=127.0.0.1:0",
				"--issuer=https://login.example", "--log-level=error", "--jwks-max-age=1m",
			})
		}()
		var base string
		select {
		case addr := <-addresses:
			base = "http://" + addr.String()
		case err := <-done:
			t.Fatal(err)
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		get := func(path string, want int) (http.Header, string) {
			t.Helper()
			resp, err := client.Get(base + path)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != want {
				t.Errorf("%s: %s, %v", path, resp.Status, err)
			}
			return resp.Header, string(body)
		}
		get("/readyz", http.StatusOK)
		_, discovery := get("/.well-known/openid-configuration", http.StatusOK)
		var metadata struct {
			Issuer  string `json:"issuer"`
			JWKSURI string `json:"jwks_uri"`
		}
		if err := json.Unmarshal([]byte(discovery), &metadata); err != nil || metadata.Issuer != "https://login.example" || metadata.JWKSURI != "https://login.example/.well-known/jwks.json" {
			t.Errorf("%+v, %v", metadata, err)
		}
		header, jwks := get("/.well-known/jwks.json", http.StatusOK)
		if header.Get("Cache-Control") != "public, max-age=60" || header.Get("ETag") == "" || !strings.Contains(jwks, `"kid"`) {
			t.Errorf("%v, %s", header, jwks)
		}
		get("/login", http.StatusOK)
		if header, page := get("/nothing", http.StatusNotFound); !strings.HasPrefix(header.Get("Content-Type"), "text/html") || page == "" {
			t.Errorf("a page that is not there: %v", header)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
