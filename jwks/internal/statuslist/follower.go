// Package statuslist follows the Token Status Lists of an issuer
// (draft-ietf-oauth-status-list): it fetches those that tokens refer to, keeps
// them fresh in the background, and says which tokens were revoked. It is what
// jwks.StatusLists does.
package statuslist

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maru-auth/maru/jwks/internal/fetch"
	"github.com/maru-auth/maru/jwks/internal/savedfile"
	"github.com/maru-auth/maru/jwks/jose"
)

// Defaults of Config.
const (
	DefaultFailOpenFor = 2 * time.Minute
	DefaultMinRefresh  = time.Second
	DefaultMaxRefresh  = time.Minute
	DefaultMaxLists    = 128
	DefaultMaxBytes    = 1 << 20
)

const (
	// maxWait bounds how long a token waits for a list that is not held.
	maxWait = time.Second
	// maxWaiting bounds how many wait so at once.
	maxWaiting = 512
	// maxFirst bounds how many lists are fetched for the first time at once.
	maxFirst = 16
	// unusedFor is after which time a list that nobody asks about is dropped.
	unusedFor = time.Hour
)

var (
	// ErrUnavailable means that the list cannot be had, or not recently enough.
	ErrUnavailable = errors.New("jwks: status list unavailable")
	// ErrRevoked means that the status is another than VALID.
	ErrRevoked = errors.New("jwks: token revoked")
	// ErrUnknown means that the issuer says nothing of the token's status.
	ErrUnknown = errors.New("jwks: token without a status")
)

// A KeySource is jwks.KeySource.
type KeySource interface {
	Keys(ctx context.Context, id string) ([]jose.Key, error)
}

// Config is jwks.StatusConfig, where its fields are documented.
type Config struct {
	Issuer     string
	Keys       KeySource
	Algorithms []string
	Prefixes   []string
	Client     *http.Client

	FailOpenFor            time.Duration
	MinRefresh, MaxRefresh time.Duration
	MaxLists, MaxBytes     int

	File string
	Log  *slog.Logger
	Now  func() time.Time

	// KeyWithdrawn is called when a key turns out to be withdrawn. Nil: nothing
	// is.
	KeyWithdrawn func()
	// Announced says whether the issuer is known to publish lists, to be saved.
	// Nil: it is not.
	Announced func() bool
	// Aggregation returns where the issuer says which lists there are; the empty
	// string as long as that is not known. Nil: nowhere.
	Aggregation func() string
}

// A Follower is what jwks.StatusLists documents. Each list has a goroutine,
// which ends with the context given to [New], or when nobody asks about the
// list and the issuer does not name it among its newest.
type Follower struct {
	cfg       Config // with defaults
	client    *http.Client
	ownClient bool
	announced bool // by the file

	lists     atomic.Pointer[map[string]*followed] // by uri; replaced, never changed
	withdrawn atomic.Pointer[map[string]struct{}]  // ids of keys; replaced, never changed
	waiting   atomic.Int64
	first     chan struct{} // has room for maxFirst
	unsaved   atomic.Bool
	save      chan struct{} // wakes the goroutine that saves
	foreign   atomic.Bool   // one was logged

	fetches, failures atomic.Uint64

	mu sync.Mutex // held to replace lists or withdrawn

	ctx context.Context // of all fetching: who waits for a fetch does not end it
}

// New is jwks.NewStatusLists.
func New(ctx context.Context, cfg Config) (*Follower, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	f := &Follower{
		cfg: cfg, ctx: ctx,
		first: make(chan struct{}, maxFirst),
		save:  make(chan struct{}, 1),
	}
	f.client, f.ownClient = fetch.Client(cfg.Client)
	f.lists.Store(&map[string]*followed{})
	f.withdrawn.Store(&map[string]struct{}{})
	if cfg.File != "" {
		if err := savedfile.CheckFolder(cfg.File); err != nil {
			return nil, fmt.Errorf("jwks: StatusConfig.File: %w", err)
		}
		f.load()
	}
	go f.keep(ctx)
	if cfg.Aggregation != nil {
		go f.lookAhead()
	}
	return f, nil
}

// complete puts the defaults in place, and checks the rest.
func (cfg *Config) complete() error {
	issuer, err := fetch.CheckURL(cfg.Issuer)
	switch {
	case err != nil:
		return fmt.Errorf("jwks: StatusConfig.Issuer: %w", err)
	case cfg.Keys == nil:
		return errors.New("jwks: StatusConfig needs Keys")
	case cfg.MinRefresh < 0 || cfg.MaxRefresh < 0 || cfg.MaxLists < 0 || cfg.MaxBytes < 0:
		return errors.New("jwks: StatusConfig has a negative bound")
	}
	if len(cfg.Algorithms) == 0 {
		cfg.Algorithms = []string{"RS256"}
	}
	if err := jose.CheckAlgorithms(cfg.Algorithms); err != nil {
		return err
	}
	if len(cfg.Prefixes) == 0 {
		cfg.Prefixes = []string{issuer.Scheme + "://" + issuer.Host + "/"}
	}
	for _, prefix := range cfg.Prefixes {
		if u, err := fetch.CheckURL(prefix); err != nil || !strings.HasPrefix(prefix, u.Scheme+"://"+u.Host+"/") || !strings.HasSuffix(prefix, "/") {
			return fmt.Errorf("jwks: StatusConfig.Prefixes: %q is not an http or https URL that ends in a slash", prefix)
		}
	}
	cfg.FailOpenFor = cmp.Or(cfg.FailOpenFor, DefaultFailOpenFor)
	cfg.MinRefresh = cmp.Or(cfg.MinRefresh, DefaultMinRefresh)
	cfg.MaxRefresh = cmp.Or(cfg.MaxRefresh, DefaultMaxRefresh)
	cfg.MaxLists = cmp.Or(cfg.MaxLists, DefaultMaxLists)
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, DefaultMaxBytes)
	if cfg.MinRefresh > cfg.MaxRefresh {
		return fmt.Errorf("jwks: MinRefresh of %v is more than MaxRefresh of %v", cfg.MinRefresh, cfg.MaxRefresh)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return nil
}

// Check returns nil if the list at uri says that the status at index is VALID.
// It takes no lock and does not wait if the list is held and recent enough.
// Errors: ErrRevoked, ErrUnknown, ErrUnavailable.
func (f *Follower) Check(ctx context.Context, uri string, index uint64) error {
	now := f.cfg.Now()
	if l := (*f.lists.Load())[uri]; l != nil {
		l.use(now)
		if held := l.held.Load(); held.usable(now) {
			return held.decide(index)
		}
	}
	return f.await(ctx, uri, index)
}

// Withdrawn says whether the issuer has withdrawn the key with the id. It
// takes no lock.
func (f *Follower) Withdrawn(keyID string) bool {
	_, ok := (*f.withdrawn.Load())[keyID]
	return ok
}

// SavedAnnounced says whether the file that was there at the start says that
// the issuer publishes lists.
func (f *Follower) SavedAnnounced() bool { return f.announced }

// decide says what the list says of a token.
func (h *held) decide(index uint64) error {
	status, ok := h.list.at(index)
	switch {
	// §8.3: no statement can be made about such a token.
	case !ok:
		return fmt.Errorf("%w: the list has no such index", ErrUnknown)
	// §7.1: whatever else there is, only 0x00 means VALID.
	case status != 0:
		return ErrRevoked
	}
	return nil
}

var (
	errSlow    = errors.New("the issuer is slow to answer")
	errCrowded = errors.New("too many wait for the issuer's answer")
	errStopped = errors.New("the context of the lists has ended")
	errTooMany = errors.New("too many lists")
)

// await waits for a fetch that may bring the list, and decides.
func (f *Follower) await(ctx context.Context, uri string, index uint64) error {
	l, err := f.find(uri)
	if err != nil {
		return err
	}
	defer f.waiting.Add(-1)
	if f.waiting.Add(1) > maxWaiting {
		return fmt.Errorf("%w: %w", ErrUnavailable, errCrowded)
	}
	timeout := time.NewTimer(maxWait)
	defer timeout.Stop()
	for rounds := 0; ; rounds++ {
		if held := l.held.Load(); held.usable(f.cfg.Now()) {
			return held.decide(index)
		}
		round, err := l.want(rounds < 2)
		if round == nil {
			return unavailable(err)
		}
		select {
		case <-round:
		case <-ctx.Done():
			return unavailable(ctx.Err())
		case <-timeout.C:
			return unavailable(errSlow)
		case <-f.ctx.Done():
			return unavailable(errStopped)
		}
	}
}

func unavailable(reason error) error {
	if reason == nil {
		return ErrUnavailable
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, reason)
}

// find returns the list at uri, which is followed from now on.
func (f *Follower) find(uri string) (*followed, error) {
	if l := (*f.lists.Load())[uri]; l != nil {
		return l, nil
	}
	if !f.allows(uri) {
		if !f.foreign.Swap(true) {
			f.cfg.Log.Warn("a token refers to a status list outside of the issuer's origin; such tokens are refused", "uri", uri)
		}
		return nil, fmt.Errorf("%w: its list is not the issuer's", ErrUnknown)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	lists := *f.lists.Load()
	if l := lists[uri]; l != nil {
		return l, nil
	}
	lists = maps.Clone(lists)
	if len(lists) >= f.cfg.MaxLists && !f.makeRoom(lists) {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, errTooMany)
	}
	uri = strings.Clone(uri) // must not keep all of the token
	l := newFollowed(uri, f.cfg.Now())
	lists[uri] = l
	f.lists.Store(&lists)
	go f.follow(l, false)
	return l, nil
}

// makeRoom drops a list that could not be fetched: only the issuer's signature
// shows that there is one. Those that are being fetched stay, or a flood of
// addresses would escape the bound of maxFirst.
func (f *Follower) makeRoom(lists map[string]*followed) bool {
	for uri, l := range lists {
		if l.held.Load() == nil && !l.busy() {
			delete(lists, uri)
			close(l.dropped)
			return true
		}
	}
	return false
}

// drop stops following a list; a token that refers to it begins anew.
func (f *Follower) drop(l *followed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	lists := *f.lists.Load()
	if lists[l.uri] != l {
		return // makeRoom was first
	}
	lists = maps.Clone(lists)
	delete(lists, l.uri)
	f.lists.Store(&lists)
	close(l.dropped)
	f.unsaved.Store(true)
}

// allows says whether a list may lie at uri. Who signs tokens must not make
// this process call whatever address it likes.
func (f *Follower) allows(uri string) bool {
	u, err := fetch.CheckURL(uri)
	if err != nil || u.Fragment != "" || strings.ContainsAny(uri, "\\ #") {
		return false
	}
	for _, prefix := range f.cfg.Prefixes {
		if strings.HasPrefix(uri, prefix) && !hasDots(u) {
			return true
		}
	}
	return false
}

// hasDots says whether the path has a segment that leads elsewhere (RFC 3986
// §5.2.4).
func hasDots(u *url.URL) bool {
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// Stats says how the following goes.
type Stats struct {
	Lists       int           // followed
	Unusable    int           // of these, how many are not held, or too old
	Oldest      time.Duration // since the list was confirmed for which that is longest ago
	Fetches     uint64        // so far
	Failures    uint64        // of these
	Withdrawn   int           // keys
	FailOpenFor time.Duration // zero: not at all
}

// Stats returns how the following goes.
func (f *Follower) Stats() Stats {
	lists := *f.lists.Load()
	s := Stats{
		Lists: len(lists), Fetches: f.fetches.Load(), Failures: f.failures.Load(),
		Withdrawn: len(*f.withdrawn.Load()), FailOpenFor: max(f.cfg.FailOpenFor, 0),
	}
	now := f.cfg.Now()
	for _, l := range lists {
		held := l.held.Load()
		if held != nil {
			s.Oldest = max(s.Oldest, now.Sub(held.confirmed))
		}
		if !held.usable(now) {
			s.Unusable++
		}
	}
	return s
}
