package jwks

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/maru-auth/maru/jwks/internal/keycache"
	"github.com/maru-auth/maru/jwks/jose"
)

// Defaults of CacheConfig.
const (
	DefaultMinRefresh = keycache.DefaultMinRefresh // 1 minute
	DefaultMaxRefresh = keycache.DefaultMaxRefresh // 1 hour
	DefaultCooldown   = keycache.DefaultCooldown   // 10 seconds
	DefaultMaxStale   = keycache.DefaultMaxStale   // 12 hours
)

// CacheConfig says where a [Cache] gets its keys and how long it keeps them.
// Times of zero mean the defaults; negative ones are errors.
type CacheConfig struct {
	// Issuer is the issuer's identifier, an http or https URL. Its discovery
	// document, at Issuer + "/.well-known/openid-configuration", names the key
	// set. Required without JWKSURL, and ignored with it.
	Issuer string
	// JWKSURL is where the key set is, if it is not to be discovered.
	JWKSURL string

	// Client fetches. Nil: one of its own, with timeouts, that follows
	// redirects only within an origin. A Client without CheckRedirect is
	// held to the same rule. Each attempt ends after 10 seconds anyway.
	Client *http.Client

	// MinRefresh and MaxRefresh bound how long a key set counts as fresh,
	// which else is what the issuer says by Cache-Control, or 10 minutes. A
	// refresh takes place in the background, a little before that is over.
	// Zero: 1 minute and 1 hour. A key withdrawn by the issuer is trusted for
	// MaxRefresh at most while the issuer can be reached.
	MinRefresh, MaxRefresh time.Duration
	// Cooldown is the least time between two fetches that tokens with unknown
	// keys cause. Zero: 10 seconds.
	Cooldown time.Duration
	// MaxStale is how much longer than fresh a key set is used if the issuer
	// does not answer. Then all tokens are refused with ErrKeysUnavailable.
	// Zero: 12 hours.
	MaxStale time.Duration

	// File is where the last good key set is kept as well, so that a service
	// that starts while the issuer is away can verify tokens at once. Its
	// directory must exist. It is written after each fetch, with mode 0600,
	// and believed if it is of this Issuer (or JWKSURL), well-formed, and
	// nobody but its owner may write to it: whoever can write to it can forge
	// tokens. A saved set counts from when it was fetched: it is used for as
	// long as one in memory would be. Several processes may share a file.
	// Empty: none.
	File string

	// RSA verifies what the RSA keys signed, for a program that has a faster
	// library than crypto/rsa: tokens, status lists and events alike. Nil:
	// crypto/rsa does.
	RSA jose.RSAVerifier

	// Log gets the fetches that fail, at level warn, those that change the
	// set, at level info, and keys left out. Never any part of a token. Nil:
	// no log.
	Log *slog.Logger
}

var _ KeySource = (*Cache)(nil)

var _ KeySource = (*Cache)(nil)

// A Cache holds an issuer's key set in memory and keeps it fresh in the
// background, in one goroutine that ends with the context given to [NewCache].
// Many goroutines may use it at once; finding a key that is held takes no
// lock and never waits.
type Cache struct{ cache *keycache.Cache }

// NewCache returns a Cache that fetches until ctx ends. It fails only for a
// wrong configuration: it does not wait for the issuer, which may be down and
// is then asked again and again; to wait, use [Cache.Ready]. After ctx has
// ended the keys held are still usable until they are too old.
func NewCache(ctx context.Context, cfg CacheConfig) (*Cache, error) {
	cache, err := keycache.New(ctx, keycache.Config(cfg))
	if err != nil {
		return nil, err
	}
	return &Cache{cache}, nil
}

// Ready waits until a usable key set is held, and returns nil then. If ctx or
// the Cache's own context ends before, the error is ErrKeysUnavailable and
// says why the last fetch failed.
func (c *Cache) Ready(ctx context.Context) error { return c.cache.Ready(ctx) }

// Keys returns the keys with the given id, or all keys for the empty id. If
// no usable set is held, or the id is unknown, it may cause a fetch (at most
// one per Cooldown) and wait for it (a second at most, and never longer than
// ctx). Errors: ErrUnknownKey; ErrKeysUnavailable.
func (c *Cache) Keys(ctx context.Context, id string) ([]Key, error) { return c.cache.Keys(ctx, id) }

// CacheStats says how the fetching of keys goes.
type CacheStats struct {
	Keys     int           // usable ones that are held; zero: none, or they are too old
	Age      time.Duration // since these were fetched
	Fetches  uint64        // that were attempted
	Failures uint64        // of these
}

// Stats returns how the fetching goes.
func (c *Cache) Stats() CacheStats { return CacheStats(c.cache.Stats()) }
