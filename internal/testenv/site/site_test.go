package site_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/maru-auth/maru/internal/testenv/site"
)

func TestASiteIsTrustedByItsCAFileAndServesItsPages(t *testing.T) {
	pages := &site.Pages{}
	s := site.New(t, pages)
	pages.Set("/a", "text")
	pages.CacheControl("max-age=60")

	ca, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for path, want := range map[string]int{"/a": http.StatusOK, "/b": http.StatusNotFound} {
		resp, err := client.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != want || pages.Hits(path) != 1 {
			t.Errorf("%s: %s %q, %d hits (%v)", path, resp.Status, text, pages.Hits(path), err)
		}
		if path == "/a" && (string(text) != "text" || resp.Header.Get("Cache-Control") != "max-age=60") {
			t.Errorf("%s: %q %v", path, text, resp.Header)
		}
	}
}
