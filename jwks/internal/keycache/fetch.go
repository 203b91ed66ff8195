package keycache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/maru-auth/maru/jwks/httpcache"
	"github.com/maru-auth/maru/jwks/internal/exactjson"
	"github.com/maru-auth/maru/jwks/jose"
)

const (
	// fetchTimeout bounds one refresh, discovery included.
	fetchTimeout = 10 * time.Second
	// maxDocument bounds a document's length in bytes.
	maxDocument = 512 << 10
	// maxRedirects bounds the redirects followed, all within one origin.
	maxRedirects = 3
	// defaultLifetime is how long a key set counts as fresh whose issuer does
	// not say.
	defaultLifetime = 10 * time.Minute
)

// A fetcher gets key sets from an issuer. It belongs to one goroutine.
type fetcher struct {
	client     *http.Client
	ownClient  bool
	keepRaw    bool
	issuer     string // empty: no discovery
	minRefresh time.Duration
	maxRefresh time.Duration

	url        string    // of the key set; empty: not discovered yet
	discovered time.Time // when

	// What the last fetch brought from url; keys is nil if nothing.
	etag string
	last fetchedSet
}

type fetchedSet struct {
	keys     *jose.KeySet
	raw      []byte        // the document; nil unless it is to be saved
	lifetime time.Duration // how long it counts as fresh
}

func newFetcher(cfg Config, log *slog.Logger) (*fetcher, error) {
	f := &fetcher{minRefresh: cfg.MinRefresh, maxRefresh: cfg.MaxRefresh, url: cfg.JWKSURL, keepRaw: cfg.File != ""}
	setting, where := "JWKSURL", cfg.JWKSURL
	if where == "" {
		f.issuer = cfg.Issuer
		setting, where = "Issuer", cfg.Issuer
	}
	u, err := checkURL(where)
	if err != nil {
		return nil, fmt.Errorf("jwks: CacheConfig.%s: %w", setting, err)
	}
	if f.issuer != "" && (u.RawQuery != "" || u.Fragment != "") {
		// OpenID Connect Discovery §3.
		return nil, errors.New("jwks: CacheConfig.Issuer has a query or a fragment")
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		log.Warn("keys are fetched without TLS: whoever can change the answer can forge tokens", "host", u.Host)
	}
	f.client, f.ownClient = fetchClient(cfg.Client)
	return f, nil
}

func checkURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("not a URL")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return nil, errors.New("not an http or https URL")
	case u.User != nil:
		return nil, errors.New("has user information")
	}
	return u, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// fetchClient returns the client to use, and whether it was made here.
func fetchClient(given *http.Client) (client *http.Client, own bool) {
	if given != nil {
		copied := *given
		if copied.CheckRedirect == nil {
			copied.CheckRedirect = withinOrigin
		}
		return &copied, false
	}
	return &http.Client{
		CheckRedirect: withinOrigin,
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout:    5 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			IdleConnTimeout:        30 * time.Second,
			ForceAttemptHTTP2:      true,
		},
	}, true
}

// withinOrigin follows redirects only where the first request went: another
// host, or plain http, must not speak for the issuer.
func withinOrigin(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if req.URL.Scheme != first.Scheme || req.URL.Host != first.Host {
		return errors.New("redirect to another origin")
	}
	if len(via) > maxRedirects {
		return errors.New("too many redirects")
	}
	return nil
}

func (f *fetcher) close() {
	if f.ownClient {
		f.client.CloseIdleConnections()
	}
}

// fetch gets the key set, after discovery if the set's URL is not known or
// was found long ago.
func (f *fetcher) fetch(ctx context.Context) (fetchedSet, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	if f.issuer != "" && (f.url == "" || time.Since(f.discovered) >= f.maxRefresh) {
		if err := f.discover(ctx); err != nil {
			return fetchedSet{}, fmt.Errorf("discovery: %w", err)
		}
	}
	set, err := f.fetchKeys(ctx)
	if err != nil {
		if f.issuer != "" {
			f.discovered = time.Time{} // the set may have moved
		}
		return fetchedSet{}, fmt.Errorf("key set: %w", err)
	}
	f.last = set
	return set, nil
}

// discover finds out where the key set is (OpenID Connect Discovery §4).
func (f *fetcher) discover(ctx context.Context) error {
	at := strings.TrimSuffix(f.issuer, "/") + "/.well-known/openid-configuration"
	_, body, err := f.get(ctx, at, "")
	if err != nil {
		return err
	}
	var issuer, keysAt string
	err = exactjson.Members(string(body), func(name, value string) (err error) {
		switch name {
		case "issuer":
			issuer, err = exactjson.String(value)
		case "jwks_uri":
			keysAt, err = exactjson.String(value)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("malformed document: %w", err)
	}
	// §4.3: or else one issuer could speak for another.
	if issuer != f.issuer {
		return fmt.Errorf("the document is of issuer %.256q", issuer)
	}
	u, err := checkURL(keysAt)
	if err != nil {
		return fmt.Errorf("jwks_uri: %w", err)
	}
	if u.Scheme != "https" && strings.HasPrefix(f.issuer, "https:") {
		return errors.New("jwks_uri: not https, though the issuer is")
	}
	if keysAt != f.url {
		f.url, f.etag, f.last = strings.Clone(keysAt), "", fetchedSet{}
	}
	f.discovered = time.Now()
	return nil
}

func (f *fetcher) fetchKeys(ctx context.Context) (fetchedSet, error) {
	header, body, err := f.get(ctx, f.url, f.etag)
	if err != nil {
		return fetchedSet{}, err
	}
	lifetime, said := httpcache.Freshness(header, time.Now())
	if body == nil {
		// RFC 9111 §4.3.4: unchanged; what the answer does not say anew, goes on
		// to be true.
		set := f.last
		if said {
			set.lifetime = f.bound(lifetime)
		}
		return set, nil
	}
	keys, err := jose.ParseKeySet(body)
	if err != nil {
		return fetchedSet{}, err
	}
	f.etag = header.Get("ETag")
	if !said {
		lifetime = defaultLifetime
	}
	set := fetchedSet{keys: keys, lifetime: f.bound(lifetime)}
	if f.keepRaw {
		set.raw = body
	}
	return set, nil
}

func (f *fetcher) bound(lifetime time.Duration) time.Duration {
	return min(max(lifetime, f.minRefresh), f.maxRefresh)
}

// get returns the answer's header and body. The body is nil if the document
// still has the etag.
func (f *fetcher) get(ctx context.Context, at, etag string) (http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && etag != "":
		return resp.Header, nil, nil
	case resp.StatusCode != http.StatusOK:
		return nil, nil, fmt.Errorf("%s answers with status %d", at, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return nil, nil, err
	}
	if len(body) > maxDocument {
		return nil, nil, fmt.Errorf("%s answers with more than %d bytes", at, maxDocument)
	}
	return resp.Header, body, nil
}
