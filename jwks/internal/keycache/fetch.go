package keycache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/maru-auth/maru/jwks/httpcache"
	"github.com/maru-auth/maru/jwks/internal/exactjson"
	"github.com/maru-auth/maru/jwks/internal/fetch"
	"github.com/maru-auth/maru/jwks/jose"
)

const (
	// fetchTimeout bounds one refresh, discovery included.
	fetchTimeout = 10 * time.Second
	// maxDocument bounds a document's length in bytes.
	maxDocument = 512 << 10
	// defaultLifetime is how long a key set counts as fresh whose issuer does
	// not say.
	defaultLifetime = 10 * time.Minute
)

// A fetcher gets key sets from an issuer. It belongs to one goroutine.
type fetcher struct {
	client     *http.Client
	ownClient  bool
	keepRaw    bool
	rsa        jose.RSAVerifier
	issuer     string // empty: no discovery
	minRefresh time.Duration
	maxRefresh time.Duration

	url        string    // of the key set; empty: not discovered yet
	discovered time.Time // when
	statusList atomic.Pointer[Announcement]

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
	f := &fetcher{minRefresh: cfg.MinRefresh, maxRefresh: cfg.MaxRefresh, url: cfg.JWKSURL, keepRaw: cfg.File != "", rsa: cfg.RSA}
	setting, where := "JWKSURL", cfg.JWKSURL
	if where == "" {
		f.issuer = cfg.Issuer
		setting, where = "Issuer", cfg.Issuer
	}
	u, err := fetch.CheckURL(where)
	if err != nil {
		return nil, fmt.Errorf("jwks: CacheConfig.%s: %w", setting, err)
	}
	if f.issuer != "" && (u.RawQuery != "" || u.Fragment != "") {
		// OpenID Connect Discovery §3.
		return nil, errors.New("jwks: CacheConfig.Issuer has a query or a fragment")
	}
	if u.Scheme == "http" && !fetch.IsLoopback(u.Hostname()) {
		log.Warn("keys are fetched without TLS: whoever can change the answer can forge tokens", "host", u.Host)
	}
	f.client, f.ownClient = fetch.Client(cfg.Client)
	return f, nil
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
	var issuer, keysAt, listsAt string
	err = exactjson.Members(string(body), func(name, value string) (err error) {
		switch name {
		case "issuer":
			issuer, err = exactjson.String(value)
		case "jwks_uri":
			keysAt, err = exactjson.String(value)
		case "status_list_aggregation_endpoint":
			listsAt, err = exactjson.String(value)
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
	u, err := fetch.CheckURL(keysAt)
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
	f.announce(strings.Clone(listsAt), f.discovered)
	return nil
}

// An Announcement is what the issuer's metadata say of status lists
// (draft-ietf-oauth-status-list §9.1).
type Announcement struct {
	// Aggregation is where the issuer says which lists there are. Empty: it
	// publishes none.
	Aggregation string
	// Since is when it began or ceased to publish lists; zero: not in this process.
	Since time.Time
}

func (f *fetcher) announce(aggregation string, now time.Time) {
	before := f.statusList.Load()
	switch {
	case before == nil:
		f.statusList.Store(&Announcement{Aggregation: aggregation})
	case (before.Aggregation == "") != (aggregation == ""):
		f.statusList.Store(&Announcement{aggregation, now})
	case before.Aggregation != aggregation:
		f.statusList.Store(&Announcement{aggregation, before.Since})
	}
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
	set := fetchedSet{keys: keys.VerifyingBy(f.rsa), lifetime: f.bound(lifetime)}
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
	request := fetch.Request{URL: at, Accept: "application/json, application/jwk-set+json", ETag: etag, Max: maxDocument}
	return request.Get(ctx, f.client)
}
