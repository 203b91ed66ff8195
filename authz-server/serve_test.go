package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestServeFromStartToStop(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		addr, end := serving(t, databaseURL, "--issuer=https://login.example", "--jwks-max-age=1m")
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: stay}
		get := func(path string, want int) (http.Header, string) {
			t.Helper()
			resp, err := client.Get("http://" + addr + path)
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
		err := json.Unmarshal([]byte(discovery), &metadata)
		if err != nil || metadata.Issuer != "https://login.example" || metadata.JWKSURI != "https://login.example/.well-known/jwks.json" {
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
		end()
	})
}
