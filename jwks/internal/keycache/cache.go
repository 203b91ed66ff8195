// Package keycache keeps an issuer's key set at hand: it fetches the set and
// keeps it fresh in the background, holds on to it while the issuer is away, and
// saves it for the next start. It is what jwks.Cache does.
package keycache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maru-auth/maru/jwks/jose"
)

// Defaults of CacheConfig.
const (
	DefaultMinRefresh = time.Minute
	DefaultMaxRefresh = time.Hour
	DefaultCooldown   = 10 * time.Second
	DefaultMaxStale   = 12 * time.Hour
)

const (
	// maxWait bounds how long a token with an unknown key waits for a fetch.
	maxWait = time.Second
	// maxWaiting bounds how many wait so at once. More fail at once, so that a
	// flood of such tokens cannot pile up while the issuer is slow.
	maxWaiting = 512
	// firstRetry and Cooldown bound the pauses between attempts while the
	// issuer does not answer.
	firstRetry = 100 * time.Millisecond
	// trustedCooldown is the pause between fetches that Find forces.
	trustedCooldown = time.Second
)

// ErrUnavailable means that no key set is held, or the one held is too old, or
// the key is not in it and the issuer cannot be asked. It is
// jwks.ErrKeysUnavailable.
var ErrUnavailable = errors.New("jwks: keys unavailable")

// Config is jwks.CacheConfig, where its fields are documented.
type Config struct {
	Issuer  string
	JWKSURL string

	Client *http.Client

	MinRefresh, MaxRefresh time.Duration
	Cooldown               time.Duration
	MaxStale               time.Duration

	File string

	RSA jose.RSAVerifier

	Log *slog.Logger
}

// A Cache is what jwks.Cache documents. One goroutine, which ends with the
// context given to [New], does all fetching.
type Cache struct {
	cfg     Config // with defaults
	log     *slog.Logger
	fetcher *fetcher
	saved   savedFile

	fallback *heldSet // from the file, for when the first fetch fails; of the goroutine alone

	held    atomic.Pointer[heldSet] // nil until a fetch has succeeded
	wanted  chan struct{}           // wakes the goroutine for a forced fetch
	stopped chan struct{}           // closed when the goroutine has ended

	mu      sync.Mutex
	flight  chan struct{} // closed at the end of the fetch that is wanted or under way; nil: none
	fetched chan struct{} // closed, and made anew, at the end of each fetch
	forced  time.Time     // when a token last forced a fetch
	sought  time.Time     // when Find last did
	waiting int           // how many wait in findMissing
	lastErr error         // why the last fetch failed; nil: it did not
	missing missingKeys

	fetches, failures atomic.Uint64 // see Stats
}

// heldSet is a key set and how long it may be used. It is immutable.
type heldSet struct {
	keys       *jose.KeySet
	usableTill time.Time
	fetched    time.Time
}

func (h *heldSet) lookup(id string) []jose.Key {
	keys, _ := h.keys.Keys(context.Background(), id) // fails if there is none
	return keys
}

// ids returns the ids of the usable keys, in the set's order.
func (h *heldSet) ids() []string {
	var ids []string
	for _, key := range h.lookup("") {
		ids = append(ids, key.ID())
	}
	return ids
}

// setTimes puts the defaults in place, and checks the rest.
func (cfg *Config) setTimes() error {
	for _, d := range []struct {
		name  string
		value *time.Duration
		def   time.Duration
	}{
		{"MinRefresh", &cfg.MinRefresh, DefaultMinRefresh},
		{"MaxRefresh", &cfg.MaxRefresh, DefaultMaxRefresh},
		{"Cooldown", &cfg.Cooldown, DefaultCooldown},
		{"MaxStale", &cfg.MaxStale, DefaultMaxStale},
	} {
		if *d.value < 0 {
			return fmt.Errorf("jwks: %s is negative", d.name)
		}
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	if cfg.MinRefresh > cfg.MaxRefresh {
		return fmt.Errorf("jwks: MinRefresh of %v is more than MaxRefresh of %v", cfg.MinRefresh, cfg.MaxRefresh)
	}
	return nil
}

// New is jwks.NewCache.
func New(ctx context.Context, cfg Config) (*Cache, error) {
	if cfg.JWKSURL == "" && cfg.Issuer == "" {
		return nil, errors.New("jwks: CacheConfig needs an Issuer or a JWKSURL")
	}
	if err := cfg.setTimes(); err != nil {
		return nil, err
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	f, err := newFetcher(cfg, log)
	if err != nil {
		return nil, err
	}
	saved, err := newSavedFile(cfg)
	if err != nil {
		return nil, err
	}
	c := &Cache{
		saved:   saved,
		cfg:     cfg,
		log:     log,
		fetcher: f,
		wanted:  make(chan struct{}, 1),
		stopped: make(chan struct{}),
		flight:  make(chan struct{}), // the first fetch
		fetched: make(chan struct{}),
		missing: newMissingKeys(),
	}
	c.loadSaved(time.Now())
	go c.run(ctx)
	return c, nil
}

// Ready is what jwks.Cache.Ready documents.
func (c *Cache) Ready(ctx context.Context) error {
	for {
		// Taken before the look at what is held, so that no fetch is missed.
		c.mu.Lock()
		fetched := c.fetched
		c.mu.Unlock()
		if c.usable(time.Now()) != nil {
			return nil
		}
		select {
		case <-fetched:
		case <-ctx.Done():
			return c.unavailable(ctx.Err())
		case <-c.stopped:
			return c.unavailable(errStopped)
		}
	}
}

// Keys is what jwks.Cache.Keys documents.
func (c *Cache) Keys(ctx context.Context, id string) ([]jose.Key, error) {
	if held := c.usable(time.Now()); held != nil {
		if keys := held.lookup(id); len(keys) > 0 {
			return keys, nil
		}
	}
	return c.findMissing(ctx, id, false)
}

// Find is Keys for a key that the issuer itself has named: what tokens with
// unknown keys have used up, the Cooldown and the places to wait, is not in its
// way. It forces a fetch once a second at most.
func (c *Cache) Find(ctx context.Context, id string) ([]jose.Key, error) {
	return c.findMissing(ctx, id, true)
}

// usable returns what is held unless that is too old.
func (c *Cache) usable(now time.Time) *heldSet {
	held := c.held.Load()
	if held == nil || !now.Before(held.usableTill) {
		return nil
	}
	return held
}

// findMissing waits for a fetch that may bring the key, and looks again. If
// the fetch under way when it was called does not bring the key, a second one
// may: the issuer could have published the key in between. There is no third.
func (c *Cache) findMissing(ctx context.Context, id string, trusted bool) ([]jose.Key, error) {
	timeout := time.NewTimer(maxWait)
	defer timeout.Stop()
	for fetches := 0; ; fetches++ {
		look := c.look(id, fetches < 2, trusted)
		if look.wait == nil {
			return look.keys, look.err
		}
		var err error
		select {
		case <-look.wait:
		case <-ctx.Done():
			err = ctx.Err()
		case <-timeout.C:
			err = errSlow
		case <-c.stopped:
			err = errStopped
		}
		c.waited(id, look.forced && !trusted && err == nil)
		if err != nil {
			return nil, c.unavailable(err)
		}
	}
}

var (
	errSlow    = errors.New("the issuer is slow to answer")
	errCrowded = errors.New("too many wait for the issuer's answer")
	errStopped = errors.New("the cache's context has ended")
)

// look is what can be said of a key now, or, if wait is not nil, what to wait
// for before looking again.
type look struct {
	keys   []jose.Key
	err    error
	wait   <-chan struct{}
	forced bool // the fetch to wait for was wanted by this look
}

// look says what is known of a key that a moment ago was not held, and what to
// wait for if the caller may still wait.
func (c *Cache) look(id string, mayWait, trusted bool) look {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	held := c.usable(now)
	if held != nil {
		if keys := held.lookup(id); len(keys) > 0 {
			return look{keys: keys}
		}
		if !trusted && c.missing.remembered(id, now) {
			return look{err: jose.ErrUnknownKey}
		}
	}
	if mayWait && !trusted && c.waiting >= maxWaiting {
		return look{err: c.unavailableLocked(errCrowded)}
	}
	if mayWait && c.flight != nil {
		c.waiting++
		return look{wait: c.flight}
	}
	last, cooldown := &c.forced, c.cfg.Cooldown
	if trusted {
		last, cooldown = &c.sought, min(trustedCooldown, c.cfg.Cooldown)
	}
	if !mayWait || now.Sub(*last) < cooldown {
		if held == nil || c.lastErr != nil {
			return look{err: c.unavailableLocked(nil)}
		}
		return look{err: jose.ErrUnknownKey}
	}
	*last = now
	c.flight = make(chan struct{})
	c.waiting++
	c.wake()
	return look{wait: c.flight, forced: true}
}

// wake makes the goroutine fetch now, or again if it fetches just now.
func (c *Cache) wake() {
	select {
	case c.wanted <- struct{}{}:
	default: // it is awake
	}
}

// Refetch fetches the set anew in the background, because what is held must
// not be believed any longer. The caller sees to it that this is rare.
func (c *Cache) Refetch() { c.wake() }

// Announcement returns what the issuer's metadata say of status lists; nil
// until they have been fetched, and always with a JWKSURL.
func (c *Cache) Announcement() *Announcement { return c.fetcher.statusList.Load() }

// waited ends a wait that look began. If proved, a fetch has ended that began
// after somebody asked for the key; if it did not bring it, that is remembered.
func (c *Cache) waited(id string, proved bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting--
	if !proved {
		return
	}
	if held := c.held.Load(); c.lastErr == nil && held != nil && len(held.lookup(id)) == 0 {
		c.missing.remember(id, c.forced, c.cfg.Cooldown)
	}
}

// unavailable is ErrUnavailable with what is known of the reason.
func (c *Cache) unavailable(reason error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unavailableLocked(reason)
}

func (c *Cache) unavailableLocked(reason error) error {
	switch {
	case reason != nil && c.lastErr != nil:
		return fmt.Errorf("%w: %w; last fetch: %w", ErrUnavailable, reason, c.lastErr)
	case reason != nil:
		return fmt.Errorf("%w: %w", ErrUnavailable, reason)
	case c.lastErr != nil:
		return fmt.Errorf("%w: last fetch: %w", ErrUnavailable, c.lastErr)
	}
	return ErrUnavailable
}

// run is the one goroutine that fetches.
func (c *Cache) run(ctx context.Context) {
	defer close(c.stopped)
	defer c.fetcher.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for failures := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-c.wanted:
		}
		fetched, err := c.refresh(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			failures++
			timer.Reset(jitter(retryPause(failures, c.cfg.Cooldown)))
			continue
		}
		failures = 0
		c.save(fetched)
		// Before the end of the set's life, so that no caller meets an old one.
		timer.Reset(max(jitter(fetched.lifetime*9/10), firstRetry))
	}
}

// retryPause doubles with each failure, up to limit.
func retryPause(failures int, limit time.Duration) time.Duration {
	return min(firstRetry<<min(failures-1, 20), limit)
}

// jitter takes up to a tenth off, so that many verifiers do not fetch at once.
func jitter(d time.Duration) time.Duration {
	return d - rand.N(d/10+1) //nolint:gosec // G404: spreads the load, keeps no secret
}

// refresh fetches once and tells those who wait.
func (c *Cache) refresh(ctx context.Context) (fetchedSet, error) {
	c.mu.Lock()
	if c.flight == nil {
		c.flight = make(chan struct{})
	}
	select { // a fetch that is wanted by now is this one
	case <-c.wanted:
	default:
	}
	c.mu.Unlock()

	fetched, err := c.fetcher.fetch(ctx)
	now := time.Now()
	c.fetches.Add(1)
	if err != nil {
		c.failures.Add(1)
	}
	if err == nil {
		c.logChange(fetched.keys)
	} else if ctx.Err() == nil {
		c.log.LogAttrs(ctx, slog.LevelWarn, "fetching the key set failed", slog.Any("error", err))
		if c.fallback != nil {
			c.useSaved(c.fallback)
		}
	}
	c.fallback = nil

	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastErr = err
	if err == nil {
		c.held.Store(&heldSet{fetched.keys, now.Add(fetched.lifetime + c.cfg.MaxStale), now})
	}
	close(c.flight)
	c.flight = nil
	close(c.fetched)
	c.fetched = make(chan struct{})
	return fetched, err
}

// save keeps what was fetched. A failure is only logged: it harms the next
// start alone.
func (c *Cache) save(fetched fetchedSet) {
	if err := c.saved.save(fetched, time.Now()); err != nil {
		c.log.Warn("saving the key set failed", "file", c.saved.path, "error", err)
	}
}

// logChange logs the set if its keys are others than those held.
func (c *Cache) logChange(keys *jose.KeySet) {
	ids := (&heldSet{keys: keys}).ids()
	if held := c.held.Load(); held != nil && slices.Equal(held.ids(), ids) {
		return
	}
	c.log.Info("new key set", "kids", ids)
	for _, err := range keys.Skipped() {
		c.log.Info("key left out", "reason", err)
	}
}
