package jwks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/maru-auth/maru/jwks/internal/exactjson"
	"github.com/maru-auth/maru/jwks/internal/statuslist"
)

// Defaults of StatusConfig.
const (
	DefaultFailOpenFor      = statuslist.DefaultFailOpenFor // 2 minutes
	DefaultStatusMinRefresh = statuslist.DefaultMinRefresh  // 1 second
	DefaultStatusMaxRefresh = statuslist.DefaultMaxRefresh  // 1 minute
	DefaultMaxLists         = statuslist.DefaultMaxLists    // 128
	DefaultMaxListBytes     = statuslist.DefaultMaxBytes    // 1 MiB
)

// announcementDelay is how long tokens without a status are accepted after the
// issuer has begun to announce status lists: those that it issued before live
// out their lives.
const announcementDelay = 15 * time.Minute

// StatusConfig says how [StatusLists] learn which tokens were revoked. What is
// zero means the default; negative times and bounds are errors, except for
// FailOpenFor.
type StatusConfig struct {
	// Issuer is that of the tokens. Required.
	Issuer string
	// Keys are the issuer's keys, the same as the Verifier's. If they are a
	// *Cache, it fetches the key set again when a list withdraws a key, and says
	// whether the issuer announces lists. Required.
	Keys KeySource
	// Algorithms that a list may be signed with. Nil: RS256 only.
	Algorithms []string
	// Prefixes of the addresses where lists may be: http or https URLs that end
	// in a slash. Tokens that refer to another place are refused, and nothing is
	// fetched from there. Nil: the issuer's origin.
	Prefixes []string
	// Client fetches, as that of CacheConfig. An attempt ends after 5 seconds.
	Client *http.Client

	// FailOpenFor is how long after a list was last confirmed it is still used
	// while the next fetches fail. Then its tokens are refused with
	// ErrStatusUnavailable. Zero: 2 minutes. Negative: not at all, so a list
	// counts for its ttl and 5 seconds.
	FailOpenFor time.Duration
	// MinRefresh and MaxRefresh bound how long a list counts as fresh, which
	// else is its ttl. Zero: 1 second and 1 minute. A list without ttl counts
	// for MaxRefresh.
	MinRefresh, MaxRefresh time.Duration
	// MaxLists bounds how many lists are followed. More are refused with
	// ErrStatusUnavailable. Zero: 128.
	MaxLists int
	// MaxListBytes bounds a list, decompressed. Zero: 1 MiB, which has room for
	// 2²⁰ statuses of 8 bits.
	MaxListBytes int

	// Required refuses tokens without a status list, whatever the issuer
	// announces.
	Required bool
	// InsecureOptional accepts tokens without a status list, though the issuer
	// announces lists. Such tokens cannot be revoked: who has a key that the
	// issuer withdrew may forge some until the key set is fetched again.
	InsecureOptional bool

	// File is where the last lists are kept as well, so that a service that
	// starts while the issuer is away knows what was revoked. It is believed
	// under the conditions of CacheConfig.File, and counts from when each list
	// was last confirmed. Several processes may share a file. Empty: none.
	File string

	// Log gets failures and recoveries, once each, at levels warn and info.
	// Never any part of a token. Nil: no log.
	Log *slog.Logger
	// Now is the clock, the same as the Verifier's. Nil: time.Now.
	Now func() time.Time
}

// StatusLists follow the Token Status Lists (draft-ietf-oauth-status-list) that
// an issuer's tokens refer to, and say which tokens were revoked. Each list is
// fetched when the first of its tokens comes, refreshed in the background by
// its ttl, and let go when nobody asks about it for an hour. With a *Cache, the
// issuer's newest lists, 8 at most, are followed before a token refers to them,
// as its metadata say which there are (§9).
//
// Several Verifiers, for several audiences, should share one. Many goroutines
// may use it at once; asking about a list that is held takes no lock and never
// waits.
type StatusLists struct {
	follower *statuslist.Follower
	keys     KeySource
	cache    *Cache // nil: the keys are of another source
	required bool
	optional bool
}

var _ KeySource = (*StatusLists)(nil)

// NewStatusLists returns lists that are fetched until ctx ends. It fails only
// for a wrong configuration.
func NewStatusLists(ctx context.Context, cfg StatusConfig) (*StatusLists, error) {
	if cfg.Required && cfg.InsecureOptional {
		return nil, errors.New("jwks: StatusConfig: both Required and InsecureOptional")
	}
	s := &StatusLists{keys: cfg.Keys, required: cfg.Required, optional: cfg.InsecureOptional}
	follow := statuslist.Config{
		Issuer: cfg.Issuer, Keys: cfg.Keys, Algorithms: cfg.Algorithms, Prefixes: cfg.Prefixes, Client: cfg.Client,
		FailOpenFor: cfg.FailOpenFor, MinRefresh: cfg.MinRefresh, MaxRefresh: cfg.MaxRefresh,
		MaxLists: cfg.MaxLists, MaxBytes: cfg.MaxListBytes,
		File: cfg.File, Log: cfg.Log, Now: cfg.Now,
	}
	if cache, ok := cfg.Keys.(*Cache); ok {
		s.cache = cache
		follow.Keys = namedKeys{cache}
		follow.KeyWithdrawn = cache.cache.Refetch
		follow.Announced = func() bool {
			return cache.aggregation() != ""
		}
		follow.Aggregation = cache.aggregation
	}
	var err error
	s.follower, err = statuslist.New(ctx, follow)
	return s, err
}

// namedKeys are keys that the issuer's own lists name. Who floods a verifier with
// unknown keys must not delay them: a list signed with a new key may be the one
// that withdraws the key of before.
type namedKeys struct{ *Cache }

func (k namedKeys) Keys(ctx context.Context, id string) ([]Key, error) {
	return k.cache.Find(ctx, id)
}

// aggregation is where the issuer says which status lists there are; empty: it
// publishes none, or that is not known.
func (c *Cache) aggregation() string {
	if announcement := c.cache.Announcement(); announcement != nil {
		return announcement.Aggregation
	}
	return ""
}

// check decides whether a token that is good otherwise was revoked, or signed
// with a withdrawn key.
func (s *StatusLists) check(ctx context.Context, keyID string, ref statusRef) error {
	if s.follower.Withdrawn(keyID) {
		return ErrKeyWithdrawn
	}
	if ref.uri != "" {
		err := s.follower.Check(ctx, ref.uri, ref.index)
		// The list may have come just now, and be the first to say so.
		if err == nil && s.follower.Withdrawn(keyID) {
			err = ErrKeyWithdrawn
		}
		return err
	}
	if s.demanded() {
		return ErrNoStatus
	}
	return nil
}

// demanded says whether tokens must have a status: the issuer announces status
// lists (§9.1), so all that it issues have one, and a token without was made by
// somebody else with a stolen key.
func (s *StatusLists) demanded() bool {
	switch {
	case s.required || s.optional:
		return s.required
	case s.cache == nil:
		return false
	}
	announcement := s.cache.cache.Announcement()
	if announcement == nil { // not known yet, or never: by the last process
		return s.follower.SavedAnnounced()
	}
	return announcement.Aggregation != "" &&
		(announcement.Since.IsZero() || time.Since(announcement.Since) >= announcementDelay)
}

// Withdrawn says whether a list of the issuer's has withdrawn the key with the
// id as compromised. A [Verifier] with these lists refuses what such a key
// signed.
func (s *StatusLists) Withdrawn(keyID string) bool { return s.follower.Withdrawn(keyID) }

// Keys returns the keys of StatusConfig.Keys but for those that were withdrawn:
// for whatever else the issuer signs, such as security events.
func (s *StatusLists) Keys(ctx context.Context, id string) ([]Key, error) {
	keys, err := s.keys.Keys(ctx, id)
	if err != nil || !slices.ContainsFunc(keys, s.withdrew) {
		return keys, err
	}
	keys = slices.DeleteFunc(slices.Clone(keys), s.withdrew)
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: it was withdrawn", ErrUnknownKey)
	}
	return keys, nil
}

func (s *StatusLists) withdrew(key Key) bool { return s.follower.Withdrawn(key.ID()) }

// StatusStats says how the following of lists goes.
type StatusStats struct {
	Lists       int           // that are followed
	Unusable    int           // of these: not had yet, or too old; their tokens are refused
	Oldest      time.Duration // since the last confirmation of the list that waits for one the longest
	Fetches     uint64        // that were attempted
	Failures    uint64        // of these
	Withdrawn   int           // keys that the issuer withdrew
	FailOpenFor time.Duration // of the configuration; zero: not at all
}

// Stats returns how the following goes.
func (s *StatusLists) Stats() StatusStats { return StatusStats(s.follower.Stats()) }

// statusRef is where a token's status is (§6.2).
type statusRef struct {
	uri   string // empty: nowhere
	index uint64
}

// statusValue reads the claim status. Mechanisms other than status_list are
// left out, and so are claims of the name that an issuer has for something else.
func statusValue(value string) (ref statusRef, err error) {
	if value[0] != '{' {
		return statusRef{}, nil
	}
	err = exactjson.Members(value, func(name, value string) error {
		if name != "status_list" {
			return nil
		}
		ref, err = statusListValue(value)
		return err
	})
	return ref, err
}

func statusListValue(value string) (ref statusRef, err error) {
	hasIndex := false
	err = exactjson.Members(value, func(name, value string) (err error) {
		switch name {
		case "idx":
			hasIndex = true
			ref.index, err = strconv.ParseUint(value, 10, 53)
		case "uri":
			ref.uri, err = exactjson.String(value)
		}
		return err
	})
	if err != nil || !hasIndex || ref.uri == "" {
		return statusRef{}, fmt.Errorf("status_list: %w", errStatusList)
	}
	return ref, nil
}

var errStatusList = errors.New("idx and uri are required")
