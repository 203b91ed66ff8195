package statuslist

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/maru-auth/maru/jwks/jose"
)

// A followed list is one that tokens refer to.
type followed struct {
	uri     string
	held    atomic.Pointer[held] // nil until a fetch has succeeded
	used    atomic.Int64         // when it was last asked about, in seconds
	wanted  chan struct{}        // wakes its goroutine
	dropped chan struct{}        // closed when it is not followed any longer

	mu      sync.Mutex
	round   chan struct{} // closed at the end of the attempts under way; nil: none
	next    time.Time     // when the next attempt may begin; by the process's clock
	lastErr error         // why the last one failed; nil: it did not

	// Of the goroutine alone.
	tried    bool
	failures int  // in a row
	full     bool // the next fetch is unconditional
}

func newFollowed(uri string, now time.Time) *followed {
	l := &followed{uri: uri, wanted: make(chan struct{}, 1), dropped: make(chan struct{})}
	l.use(now)
	return l
}

// use notes that the list is asked about. It writes once a second at most, so
// that processors do not contend for it.
func (l *followed) use(now time.Time) {
	if seconds := now.Unix(); l.used.Load() != seconds {
		l.used.Store(seconds)
	}
}

// want returns what is closed at the end of the attempts under way, which it
// may begin. It returns nil, and why the last attempt failed, if there is
// nothing to wait for: the next attempt must wait, or one for a list that was
// held before is repeated in the background anyway.
func (l *followed) want(mayBegin bool) (round <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	failing := l.lastErr != nil && l.held.Load() != nil
	if !mayBegin || failing || l.round == nil && time.Now().Before(l.next) {
		return nil, l.lastErr
	}
	if l.round == nil {
		l.round = make(chan struct{})
		select {
		case l.wanted <- struct{}{}:
		default:
		}
	}
	return l.round, nil
}

// busy says whether attempts are under way.
func (l *followed) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.round != nil
}

// begin takes note that attempts begin.
func (l *followed) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select { // what is wanted by now is this one
	case <-l.wanted:
	default:
	}
	if l.round == nil {
		l.round = make(chan struct{})
	}
}

// end tells those who wait that the attempts are over.
func (l *followed) end(err error, pause time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastErr, l.next = err, time.Time{}
	if err != nil {
		l.next = time.Now().Add(pause)
	}
	close(l.round)
	l.round = nil
}

// held is a list that was verified, and how long it counts. It is immutable.
type held struct {
	*list
	keyID string // of the key that signed it
	etag  string
	// confirmed is when the request began whose answer says that this is the
	// list.
	confirmed  time.Time
	usableTill time.Time
}

func (h *held) usable(now time.Time) bool { return h != nil && now.Before(h.usableTill) }

// confirm returns the list as confirmed at a time. It is fresh for its ttl, and
// the time that the next fetch may take, but not beyond its expiry. When the
// next fetches fail, the service's FailOpenFor says how long it is used.
func (f *Follower) confirm(h held, at time.Time) *held {
	h.confirmed = at
	h.usableTill = at.Add(f.lifetime(h.list) + fetchTimeout)
	if expiry := h.expires.Add(jose.DefaultLeeway); expiry.Before(h.usableTill) {
		h.usableTill = expiry
	}
	if failOpen := at.Add(f.cfg.FailOpenFor); failOpen.After(h.usableTill) {
		h.usableTill = failOpen
	}
	return &h
}

// lifetime is the list's ttl within our bounds (§11.5).
func (f *Follower) lifetime(l *list) time.Duration {
	if l.ttl == 0 { // §5.1 only recommends it
		return f.cfg.MaxRefresh
	}
	return min(max(l.ttl, f.cfg.MinRefresh), f.cfg.MaxRefresh)
}
