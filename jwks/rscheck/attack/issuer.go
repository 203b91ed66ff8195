package attack

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// IssuerConfig configures an [Issuer]. Its zero value is usable.
type IssuerConfig struct {
	// Listen is the address that the issuer listens on, as host:port. Empty:
	// a free port of 127.0.0.1.
	Listen string
	// URL is the issuer's identifier, if the server under test reaches the
	// issuer by another address than it listens on. Empty: http:// and the
	// address that it listens on.
	URL string
	// Algorithm signs access tokens: RS256 (also if empty), PS256, ES256 or
	// EdDSA.
	Algorithm string
}

// An Issuer serves metadata (OpenID Connect Discovery and RFC 8414), a key set
// and status lists, and misbehaves when told to. It never issues a token to
// anybody: [Run] mints them.
type Issuer struct {
	url, path string
	alg       string
	server    *http.Server
	listener  net.Listener
	ended     chan struct{}
	// foreign signs what no server must take; it is published in traps alone.
	foreign *key
	// certificate is of the foreign key, and signed by it.
	certificate []byte

	mu      sync.Mutex
	made    []*key // all but foreign
	current *key   // signs good tokens
	set     []any  // JWKs that are published
	mode    mode
	maxAge  int // seconds that the key set may be cached
	fetches int // of the key set
	flying  int // requests for the key set that are being answered
	sent    int // bytes of oversized key sets
	traps   map[string]int
	lists   statusLists
}

// A mode is how the issuer answers requests for the key set.
type mode int

const (
	healthy   mode = iota
	down           // breaks every connection off, also those for other documents
	failing        // status 500
	page           // status 200 and HTML, as a proxy in between does
	slow           // the right answer, after slowness
	oversized      // the right answer, and then far too much
)

const (
	slowness      = 4 * time.Second
	oversizeBytes = 64 << 20
)

// NewIssuer starts an issuer. Close ends it.
func NewIssuer(cfg IssuerConfig) (*Issuer, error) {
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.Algorithm == "" {
		cfg.Algorithm = "RS256"
	}
	i := &Issuer{alg: cfg.Algorithm, maxAge: 5, traps: map[string]int{}, ended: make(chan struct{}), lists: newStatusLists()}
	var err error
	if i.foreign, err = newKey(cfg.Algorithm); err != nil {
		return nil, err
	}
	if i.current, err = i.newKey(); err != nil {
		return nil, err
	}
	i.set = []any{i.current.published()}
	if i.certificate, err = selfSigned(i.foreign); err != nil {
		return nil, err
	}
	if i.listener, err = net.Listen("tcp", cfg.Listen); err != nil {
		return nil, fmt.Errorf("the issuer cannot listen: %w", err)
	}
	i.url = cfg.URL
	if i.url == "" {
		i.url = "http://" + i.listener.Addr().String()
	}
	u, err := url.Parse(i.url)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		_ = i.listener.Close()
		return nil, fmt.Errorf("the issuer's URL %q is not an http or https URL without query and fragment", i.url)
	}
	i.path = strings.TrimSuffix(u.Path, "/")
	i.server = &http.Server{
		Handler: http.HandlerFunc(i.serve), ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: time.Minute, MaxHeaderBytes: 1 << 20,
	}
	go func() {
		defer close(i.ended)
		_ = i.server.Serve(i.listener) // always an error: Close ends it
	}()
	return i, nil
}

// selfSigned is a certificate of k by k, for the header x5c.
func selfSigned(k *key) ([]byte, error) {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	return x509.CreateCertificate(rand.Reader, template, template, k.private.Public(), k.private)
}

// Close ends the issuer, and breaks off what it was answering.
func (i *Issuer) Close() error {
	err := i.server.Close()
	<-i.ended
	i.mu.Lock()
	defer i.mu.Unlock()
	giveBack(append(i.made, i.foreign))
	i.made = nil
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// URL is the issuer's identifier: iss of its tokens.
func (i *Issuer) URL() string { return i.url }

// JWKSURL is where the key set is.
func (i *Issuer) JWKSURL() string { return i.base() + "/jwks.json" }

// Algorithm signs the issuer's access tokens.
func (i *Issuer) Algorithm() string { return i.alg }

func (i *Issuer) base() string { return strings.TrimSuffix(i.url, "/") }

// newKey makes a key that is not published yet.
func (i *Issuer) newKey() (*key, error) {
	k, err := newKey(i.alg)
	if err != nil {
		return nil, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.made = append(i.made, k)
	return k, nil
}

// publish replaces the key set by these keys: a *key, or a JWK that is made up.
func (i *Issuer) publish(keys ...any) {
	set := make([]any, len(keys))
	for n, k := range keys {
		if k, ok := k.(*key); ok {
			set[n] = k.published()
			continue
		}
		set[n] = k
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.set = set
}

// sign makes k the key of good tokens.
func (i *Issuer) sign(k *key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.current = k
}

func (i *Issuer) signer() *key {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.current
}

func (i *Issuer) setMode(m mode) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.mode = m
}

// fetched returns how often the key set was asked for, also in vain.
func (i *Issuer) fetched() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

// answering returns how many requests for the key set are under way.
func (i *Issuer) answering() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.flying
}

// oversent returns how many bytes of the last oversized key set were taken.
func (i *Issuer) oversent() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.sent
}

// trap returns the URL of a trap: something that only a bad token names, so
// that whoever asks for it follows what strangers write.
func (i *Issuer) trap(name string) string { return i.base() + "/trap/" + name }

func (i *Issuer) trapped(name string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.traps[name]
}

func (i *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	rest, below := strings.CutPrefix(path, i.path)
	if rest, trap := strings.CutPrefix(rest, "/trap/"); below && trap {
		i.serveTrap(w, rest)
		return
	}
	isKeys := below && rest == "/jwks.json"
	i.mu.Lock()
	mode := i.mode
	if isKeys {
		i.fetches++
		i.flying++
		defer func() {
			i.mu.Lock()
			defer i.mu.Unlock()
			i.flying--
		}()
	}
	i.mu.Unlock()
	switch {
	case mode == down:
		panic(http.ErrAbortHandler) // breaks the connection off, silently
	case isKeys:
		i.serveKeys(w, r, mode)
	// OpenID Connect Discovery §4 appends the path, RFC 8414 §3 inserts it.
	case below && rest == "/.well-known/openid-configuration",
		below && rest == "/.well-known/oauth-authorization-server",
		path == "/.well-known/oauth-authorization-server"+i.path:
		writeJSON(w, "application/json", i.metadata(i.url, i.JWKSURL()))
	case below && strings.HasPrefix(rest, statusPath):
		i.serveStatus(w, r, strings.TrimPrefix(rest, statusPath))
	default:
		http.NotFound(w, r)
	}
}

// metadata is what discovery serves. The endpoints that people and clients
// would use are not there.
func (i *Issuer) metadata(issuer, jwksURI string) []byte {
	at := i.base()
	return mustJSON(map[string]any{
		"issuer": issuer, "jwks_uri": jwksURI,
		"authorization_endpoint": at + "/oauth2/authorize", "token_endpoint": at + "/oauth2/token",
		"userinfo_endpoint": at + "/oauth2/userinfo", "introspection_endpoint": at + "/oauth2/introspect",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{i.alg},
		"status_list_aggregation_endpoint":      at + statusPath,
	})
}

func (i *Issuer) serveKeys(w http.ResponseWriter, r *http.Request, mode mode) {
	i.mu.Lock()
	set := mustJSON(map[string]any{"keys": i.set})
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", i.maxAge))
	i.mu.Unlock()
	switch mode {
	case failing:
		http.Error(w, "The issuer has a bad day.", http.StatusInternalServerError)
	case page:
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>Maintenance</title><p>We will be back soon."))
	case slow:
		select {
		case <-time.After(slowness):
		case <-r.Context().Done():
			return
		}
		writeJSON(w, "application/json", set)
	case oversized:
		i.serveOversized(w, set)
	default:
		writeJSON(w, "application/json", set)
	}
}

// serveOversized writes the set with a member that does not end for a long
// time, and counts how much of it is taken.
func (i *Issuer) serveOversized(w http.ResponseWriter, set []byte) {
	w.Header().Set("Content-Type", "application/json")
	padding := bytes.Repeat([]byte("x"), 64<<10)
	sent, err := w.Write(append(set[:len(set)-1], `,"padding":"`...))
	for err == nil && sent < oversizeBytes {
		var n int
		n, err = w.Write(padding)
		sent += n
	}
	if err == nil {
		_, _ = w.Write([]byte(`"}`))
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.sent = sent
}

// serveTrap serves the foreign key in every form, under the trap's name.
func (i *Issuer) serveTrap(w http.ResponseWriter, rest string) {
	name, what, _ := strings.Cut(rest, "/")
	i.mu.Lock()
	i.traps[name]++
	i.mu.Unlock()
	switch {
	case strings.HasPrefix(what, ".well-known/"):
		writeJSON(w, "application/json", i.metadata(i.trap(name), i.trap(name)+"/jwks.json"))
	case strings.HasSuffix(what, ".der"):
		writeJSON(w, "application/pkix-cert", i.certificate)
	default:
		writeJSON(w, "application/json", mustJSON(map[string]any{"keys": []any{i.foreign.published()}}))
	}
}

func writeJSON(w http.ResponseWriter, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(body) // an error means that the caller is gone
}

// eventually asks until done says yes, for limit at most, and returns whether
// it did and after how long.
func eventually(ctx context.Context, limit, pause time.Duration, done func() bool) (bool, time.Duration) {
	start := time.Now()
	for {
		if done() {
			return true, time.Since(start)
		}
		if time.Since(start)+pause > limit {
			return false, time.Since(start)
		}
		select {
		case <-ctx.Done():
			return false, time.Since(start)
		case <-time.After(pause):
		}
	}
}
