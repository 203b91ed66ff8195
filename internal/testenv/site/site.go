// Package site is somebody's web site for tests: https on loopback, with a certificate that the
// code under test is told to trust by the file of a CA.
package site

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Site is a server that ends with the test. Its Client method returns a client that trusts it.
type Site struct {
	*httptest.Server
	CAFile string // PEM, of the certificate that the server shows
}

// New starts a site whose pages handler serves, often a [*Pages]. It is silent about handshakes
// that fail.
func New(t testing.TB, handler http.Handler) *Site {
	t.Helper()
	s := &Site{Server: httptest.NewUnstartedServer(handler), CAFile: filepath.Join(t.TempDir(), "ca.pem")}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(s.CAFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// Pages serves texts by path; any other path is 404 Not Found. The zero value has none. Its methods
// may be called concurrently, also while it serves.
type Pages struct {
	mu           sync.Mutex
	pages        map[string]string
	hits         map[string]int
	cacheControl string
}

// Set makes text the page at path, which begins with a slash.
func (p *Pages) Set(path, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pages == nil {
		p.pages = map[string]string{}
	}
	p.pages[path] = text
}

// Delete makes path 404 Not Found.
func (p *Pages) Delete(path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pages, path)
}

// CacheControl sets that header of all pages from now on; empty: none.
func (p *Pages) CacheControl(value string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cacheControl = value
}

// Hits returns how often path was asked for, found or not.
func (p *Pages) Hits(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hits[path]
}

// ServeHTTP serves the page.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hits == nil {
		p.hits = map[string]int{}
	}
	p.hits[r.URL.Path]++
	text, ok := p.pages[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if p.cacheControl != "" {
		w.Header().Set("Cache-Control", p.cacheControl)
	}
	io.WriteString(w, text) //nolint:errcheck // the test that reads it sees it
}
