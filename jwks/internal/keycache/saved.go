package keycache

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/maru-auth/maru/jwks/internal/exactjson"
	"github.com/maru-auth/maru/jwks/internal/savedfile"
	"github.com/maru-auth/maru/jwks/jose"
)

// maxSaved bounds the file's length in bytes: a key set, and what is said
// about it.
const maxSaved = maxDocument + 64<<10

// maxSavedLifetime only keeps nonsense out: MaxRefresh is the bound.
const maxSavedLifetime = 366 * 24 * time.Hour

// A savedFile keeps the last good key set on disk, so that a service can start
// while its issuer is away.
type savedFile struct {
	path string // empty: nothing is kept
	// Where the keys must come from: one issuer's keys say nothing about
	// another's tokens.
	issuer, url string
}

// savedSet is the file's content.
type savedSet struct {
	Issuer   string          `json:"issuer,omitempty"`   // of Config
	URL      string          `json:"jwks_url,omitempty"` // of Config
	Fetched  time.Time       `json:"fetched"`
	Lifetime float64         `json:"lifetime"` // seconds
	KeySet   json.RawMessage `json:"key_set"`
}

// newSavedFile checks that there is a place for the file; the file need not be
// there.
func newSavedFile(cfg Config) (savedFile, error) {
	f := savedFile{path: cfg.File, url: cfg.JWKSURL}
	if f.url == "" {
		f.issuer = cfg.Issuer
	}
	if f.path == "" {
		return f, nil
	}
	if err := savedfile.CheckFolder(f.path); err != nil {
		return f, fmt.Errorf("jwks: CacheConfig.File: %w", err)
	}
	return f, nil
}

// save replaces the file, wholly or not at all.
func (f savedFile) save(set fetchedSet, now time.Time) error {
	if f.path == "" {
		return nil
	}
	text, err := json.Marshal(savedSet{f.issuer, f.url, now.UTC(), set.lifetime.Seconds(), set.raw})
	if err != nil {
		return err
	}
	return savedfile.Save(f.path, text)
}

// load returns the set that the file has, and when it was fetched. It fails
// with fs.ErrNotExist if there is no file, and with other errors for one that
// must not be believed.
func (f savedFile) load(now time.Time) (set fetchedSet, fetched time.Time, err error) {
	text, err := savedfile.Load(f.path, maxSaved)
	if err != nil {
		return set, fetched, err
	}
	saved, err := parseSaved(text)
	switch {
	case err != nil:
		return set, fetched, fmt.Errorf("malformed: %w", err)
	case saved.Issuer != f.issuer || saved.URL != f.url:
		return set, fetched, fmt.Errorf("of another issuer: %.256q %.256q", saved.Issuer, saved.URL)
	case saved.Fetched.After(now.Add(time.Minute)): // clocks are set back a little now and then
		return set, fetched, errors.New("from the future")
	case !(saved.Lifetime >= 0 && saved.Lifetime <= maxSavedLifetime.Seconds()): // NaN too
		return set, fetched, errors.New("the lifetime is out of range")
	}
	keys, err := jose.ParseKeySet(saved.KeySet)
	if err != nil {
		return set, fetched, err
	}
	if keys.Len() == 0 {
		return set, fetched, errors.New("no usable key")
	}
	lifetime := time.Duration(saved.Lifetime * float64(time.Second))
	return fetchedSet{keys: keys, raw: saved.KeySet, lifetime: lifetime}, saved.Fetched, nil
}

func parseSaved(text []byte) (saved savedSet, err error) {
	err = exactjson.Members(string(text), func(name, value string) (err error) {
		switch name {
		case "issuer":
			saved.Issuer, err = exactjson.String(value)
		case "jwks_url":
			saved.URL, err = exactjson.String(value)
		case "fetched":
			err = json.Unmarshal([]byte(value), &saved.Fetched)
		case "lifetime":
			err = json.Unmarshal([]byte(value), &saved.Lifetime)
		case "key_set":
			saved.KeySet = append(saved.KeySet, value...)
		}
		return err
	})
	return saved, err
}

// loadSaved uses the file's set as if it had been fetched when it was: at once
// while it is fresh, and, when it is older, only once the issuer has been
// asked in vain.
func (c *Cache) loadSaved(now time.Time) {
	if c.saved.path == "" {
		return
	}
	set, fetched, err := c.saved.load(now)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		c.log.Warn("the saved key set is not used", "file", c.saved.path, "error", err)
		return
	}
	lifetime := c.fetcher.bound(set.lifetime)
	held := &heldSet{set.keys.VerifyingBy(c.cfg.RSA), fetched.Add(lifetime + c.cfg.MaxStale), fetched}
	if !now.Before(held.usableTill) {
		c.log.Info("the saved key set is too old", "file", c.saved.path, "fetched", fetched)
		return
	}
	if now.Before(fetched.Add(lifetime)) {
		c.useSaved(held)
		return
	}
	c.fallback = held
}

func (c *Cache) useSaved(held *heldSet) {
	c.log.Info("saved key set in use until the issuer answers", "kids", held.ids(), "usable_until", held.usableTill)
	c.held.Store(held)
}
