// Package authors finds the names of authors. It asks the user service (GET /v1/users?ids=…) with
// the board's own client-credentials token, and keeps the answers in memory and in the board's
// database.
//
// The user service may be slow, down or broken: a reader waits at most a second for a name that is
// not known at all, and does not wait if the last answer was late or wrong. A name that is known
// but old is used, and renewed in the background.
package authors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/internal/tracing"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

const (
	cacheSize   = 20000           // names kept in memory
	fresh       = 5 * time.Minute // how long a name counts as current
	freshAbsent = time.Minute     // how long an id counts as unknown

	// After an event told that a name has changed, the user service may not know it yet.
	freshOutdated = 2 * time.Second  // how long a name counts as current then
	settle        = 30 * time.Second // and for how long that holds
	maxOutdated   = 1000             // ids for which it holds
	batch         = 100              // ids in one request: what the user service allows
	batchBytes    = 2000             // of ids in one request: escaped, they fit into a URL that every gateway takes
	maxID         = 128              // bytes of an id
	maxWanted     = 2000             // ids waiting to be asked for; further ones wait for their next reader

	readerWait = time.Second     // how long a reader waits for a name
	fetchLimit = 3 * time.Second // how long the user service may take
	firstPause = time.Second     // after a failure; doubles up to maxPause
	maxPause   = 30 * time.Second
)

// Config says where names come from.
type Config struct {
	// UserAPI is the base URL of the user service, without /v1. Empty: only names in the store are
	// used.
	UserAPI string
	// Issuer names, in its discovery document, the token endpoint at which ClientID and
	// ClientSecret get the board's own token.
	Issuer, ClientID, ClientSecret string

	Store *store.Store
	Now   func() time.Time
	Log   *slog.Logger
	Calls httpd.Calls
}

// Names finds the names of authors. Make it with [New], and keep [Names.Run] running. All methods
// are safe for concurrent use.
type Names struct {
	cfg    Config
	source *source
	cache  *lru.Cache[string, store.Name]

	outdated *lru.Cache[string, time.Time] // when an event told that an id's name had changed

	mu       sync.Mutex
	wanted   map[string]bool // ids to ask for
	answered chan struct{}   // closed, and replaced, after each answer
	slow     bool            // the last answer failed or was late: nobody waits
	reader   context.Context // of the first who waits for what is wanted, whose trace the asking joins; nil: nobody waits
	wake     chan struct{}   // of capacity one: something is wanted
}

// New checks cfg. Until Run runs, names come from the store only.
func New(cfg Config) (*Names, error) {
	u, err := url.Parse(cfg.UserAPI)
	if cfg.UserAPI != "" &&
		(err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "") {
		return nil, errors.New("--user-api must be an http or https URL without query or fragment, such as https://api.example/user")
	}
	if cfg.UserAPI != "" && (cfg.ClientID == "" || cfg.ClientSecret == "") {
		return nil, errors.New("--user-api needs --client-id and --client-secret, the board's own account at the issuer")
	}
	cache, err := lru.New[string, store.Name](cacheSize)
	if err != nil {
		return nil, err
	}
	outdated, err := lru.New[string, time.Time](maxOutdated)
	if err != nil {
		return nil, err
	}
	return &Names{
		cfg:      cfg,
		outdated: outdated,
		source:   newSource(cfg),
		cache:    cache,
		wanted:   make(map[string]bool),
		answered: make(chan struct{}),
		wake:     make(chan struct{}, 1),
	}, nil
}

// Of returns the names of the ids, as far as they are known or the user service returns them within
// a second. An id without a name is absent. It never fails: the log has what goes wrong.
func (n *Names) Of(ctx context.Context, ids []string) map[string]string {
	names := make(map[string]string, len(ids))
	missing := n.cached(ids, names)
	if len(missing) > 0 {
		missing = n.stored(ctx, missing, names)
	}
	if len(missing) > 0 && n.wait(ctx, missing) {
		n.cached(missing, names)
	}
	return names
}

// cached adds the names in memory to names and returns the ids without an entry. Old entries count,
// and are asked for again.
func (n *Names) cached(ids []string, names map[string]string) (missing []string) {
	now := n.cfg.Now()
	var old []string
	for _, id := range ids {
		entry, ok := n.cache.Get(id)
		switch {
		case !askable(id):
			continue
		case !ok, n.cfg.UserAPI == "" && entry.Unknown && !n.isFresh(entry, now):
			missing = append(missing, id)
			continue
		case !n.isFresh(entry, now):
			old = append(old, id)
		}
		if entry.Name != "" {
			names[id] = entry.Name
		}
	}
	if len(old) > 0 {
		n.want(old)
	}
	return missing
}

// askable tells whether id can be in a list of ids in a URL. Any other subject has no name.
func askable(id string) bool {
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || c == ',' {
			return false
		}
	}
	return id != "" && len(id) <= maxID
}

// Outdate notes that an author has another name now, for an event, and asks for it if the old one
// is known. Error: [store.ErrReceived], or the database's.
func (n *Names) Outdate(ctx context.Context, r store.Receipt, id string) error {
	kept, err := n.cfg.Store.OutdateName(ctx, r, id)
	if err != nil {
		return err
	}
	if kept || n.cache.Contains(id) {
		n.outdated.Add(id, n.cfg.Now())
		n.want([]string{id})
	}
	return nil
}

func (n *Names) isFresh(entry store.Name, now time.Time) bool {
	age := now.Sub(entry.FetchedAt)
	if n.unsettled(entry) {
		at, _ := n.outdated.Get(entry.ID)
		return !entry.FetchedAt.Before(at) && age < freshOutdated
	}
	if entry.Unknown {
		return age < freshAbsent
	}
	return age < fresh
}

// unsettled tells whether the user service may have given the name before it knew of an event.
func (n *Names) unsettled(entry store.Name) bool {
	at, ok := n.outdated.Get(entry.ID)
	return ok && entry.FetchedAt.Before(at.Add(settle))
}

// stored does the same with the names in the database, which it takes into memory.
func (n *Names) stored(ctx context.Context, ids []string, names map[string]string) (missing []string) {
	known, err := n.cfg.Store.Names(ctx, ids)
	if err != nil {
		n.cfg.Log.Warn("cannot read the names of authors", "error", err)
		return ids
	}
	for _, name := range known {
		// A fetch that has ended meanwhile has the newer name.
		n.cache.ContainsOrAdd(name.ID, name)
	}
	missing = n.cached(ids, names)
	if n.cfg.UserAPI == "" { // nobody will tell
		for _, id := range missing {
			n.cache.Add(id, store.Name{ID: id, Unknown: true, FetchedAt: n.cfg.Now()})
		}
	}
	return missing
}

// want adds ids to those to be asked for.
func (n *Names) want(ids []string) {
	if n.cfg.UserAPI == "" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, id := range ids {
		if len(n.wanted) >= maxWanted {
			break
		}
		n.wanted[id] = true
	}
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// wait asks for ids and waits, for a bounded time, until memory has all of them. While the service
// is slow it returns at once.
func (n *Names) wait(ctx context.Context, ids []string) bool {
	if n.cfg.UserAPI == "" {
		return false
	}
	n.mu.Lock()
	if n.reader == nil {
		n.reader = ctx
	}
	n.mu.Unlock()
	n.want(ids)
	timeout := time.NewTimer(readerWait)
	defer timeout.Stop()
	for {
		// Read before looking, so that no answer is missed.
		n.mu.Lock()
		answered, slow := n.answered, n.slow
		n.mu.Unlock()
		if n.holds(ids) {
			return true
		}
		if slow {
			return false
		}
		select {
		case <-answered:
		case <-timeout.C:
			// The next readers need not wait to find that out.
			n.mu.Lock()
			defer n.mu.Unlock()
			n.slow = true
			return true
		case <-ctx.Done():
			return false
		}
	}
}

func (n *Names) holds(ids []string) bool {
	for _, id := range ids {
		if !n.cache.Contains(id) {
			return false
		}
	}
	return true
}

// Run asks the user service for what is wanted, one request at a time, until ctx ends. After a
// failure it pauses, longer each time, and asks again, so that it notices by itself when the
// service is back.
func (n *Names) Run(ctx context.Context) {
	defer n.source.close()
	for pause := time.Duration(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-n.wake:
		}
		for ids := n.take(); len(ids) > 0; ids = n.take() {
			err := n.fetch(ctx, ids)
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				pause = 0
				continue
			}
			n.want(ids)
			pause = min(max(2*pause, firstPause), maxPause)
			n.cfg.Log.Warn("cannot get the names of authors from the user service", "error", err, "next", pause)
			timer := time.NewTimer(pause)
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
		}
	}
}

// take removes up to a batch of ids from the wanted ones, and returns them.
func (n *Names) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var ids []string
	bytes := 0
	for id := range n.wanted {
		if len(ids) == batch || bytes+len(id) > batchBytes && len(ids) > 0 {
			break
		}
		ids = append(ids, id)
		bytes += len(id)
		delete(n.wanted, id)
	}
	return ids
}

// fetch asks for ids, keeps the answer and wakes the readers who wait.
func (n *Names) fetch(ctx context.Context, ids []string) (err error) {
	n.mu.Lock()
	reader := n.reader
	n.reader = nil
	n.mu.Unlock()
	ctx, span := tracing.Begin(tracing.Join(ctx, reader), "look up authors")
	defer func() { span.End(err) }()
	start := time.Now() // the wall clock: readers wait by it too
	answer, refused, err := n.ask(ctx, ids)
	if err == nil {
		now := n.cfg.Now()
		var names []store.Name
		for _, id := range ids {
			name, ok := answer[id]
			entry := store.Name{ID: id, Name: name, Unknown: !ok, FetchedAt: now}
			if slices.Contains(refused, id) {
				n.cfg.Log.Warn("the user service refuses to look up an author") // without the id: it does not belong into the log
				if known, ok := n.cache.Get(id); ok {
					entry.Name = known.Name // its earlier name
				}
				n.cache.Add(id, entry)
				continue
			}
			n.cache.Add(id, entry)
			if n.unsettled(entry) {
				entry.FetchedAt = time.Time{} // whoever else reads it, or we after a restart, is to ask again
			}
			names = append(names, entry)
		}
		if err := n.cfg.Store.SaveNames(ctx, names); err != nil {
			n.cfg.Log.Warn("cannot keep the names of authors", "error", err) // memory has them
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.slow = err != nil || time.Since(start) > readerWait
	if err == nil {
		for _, id := range ids {
			delete(n.wanted, id) // wanted again while the request was under way
		}
	}
	close(n.answered)
	n.answered = make(chan struct{})
	return err
}

// ask returns the names of ids; those without a name are absent. refused are the ids for which the
// user service refuses the request: they must not keep the names of others away. It is an error if
// the service refuses each of several ids.
func (n *Names) ask(ctx context.Context, ids []string) (names map[string]string, refused []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	names = make(map[string]string, len(ids))
	refused, err = n.askParts(ctx, ids, names)
	if err == nil && len(refused) == len(ids) && len(ids) > 1 {
		err = errRefused
	}
	if err != nil {
		return nil, nil, fmt.Errorf("ask for %d names: %w", len(ids), err)
	}
	return names, refused, nil
}

// askParts puts the names of ids into names. A request that is refused is repeated for each half of
// its ids.
func (n *Names) askParts(ctx context.Context, ids []string, names map[string]string) (refused []string, err error) {
	answer, err := n.source.names(ctx, ids)
	switch {
	case err == nil:
		maps.Copy(names, answer)
		return nil, nil
	case !errors.Is(err, errRefused):
		return nil, err
	case len(ids) == 1:
		return ids, nil
	}
	for _, half := range [][]string{ids[:len(ids)/2], ids[len(ids)/2:]} {
		more, err := n.askParts(ctx, half, names)
		if err != nil {
			return nil, err
		}
		refused = append(refused, more...)
	}
	return refused, nil
}

// newClient returns an HTTP client, for calls to the issuer or the user service.
func newClient(to string, calls httpd.Calls) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = 64 << 10
	transport.MaxConnsPerHost = 4
	return &http.Client{
		Transport: calls.To(to, transport),
		// A redirect could carry the secret or the token to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func trimBase(base string) string { return strings.TrimRight(base, "/") }
