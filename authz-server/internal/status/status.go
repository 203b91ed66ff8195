// Package status publishes which access tokens were revoked, as Token Status Lists
// (draft-ietf-oauth-status-list-21), so that resource services learn of it without asking about a
// token: GET /oauth2/status/{list}, and GET /oauth2/status for all of them.
//
// Each access token has an index of its own, and a grant's row notes those of its unexpired tokens
// in the write that their issue makes anyway (see grants.Note). That was chosen over a bit that all
// tokens of a grant share, because a token can then be revoked by itself, and because a list is
// over when its tokens are, after minutes, and not when its grants are, after months: ten million
// grants that are refreshed every ten minutes have some 30 lists of 128 KiB at a time, and idle ones
// take no room at all.
//
// No row is written for an index. A replica leases a block of positions of the newest list for a
// client, and counts them off in memory; a crash wastes what is left of the block. Because a block
// is a client's, all tokens of a client are revoked by one statement. A position becomes an index
// by a secret permutation of the list, so that an index tells nothing about order.
package status

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/statuses"
)

// SecretSize is the size of Config.Secret in bytes.
const SecretSize = 32

// How long things take, at most, until a revocation has its effect: a list is asked for every
// [DefaultTTL], and is no older than pollEvery.
const (
	DefaultTTL = 3 * time.Second
	pollEvery  = 500 * time.Millisecond

	// A list is signed anew when it changes, and in each window; it is valid a little longer than
	// two windows, which bounds for how long somebody can replay it.
	window   = 10 * time.Second
	validFor = 30 * time.Second

	// overlap is how much of what was read is read again, for transactions that were committed late
	// and clocks that differ.
	overlap = 30 * time.Second
	// wholeEvery is how often all is read, for those that were later still: operators' commands have
	// minutes.
	wholeEvery = time.Minute
)

// Config is what a [Lists] needs. All fields are required but those with a default.
type Config struct {
	Issuer string // the issuer identifier
	URL    string // of the list of lists; a list's is below it
	Blocks *statuses.Statuses
	Grants *grants.Grants
	Keys   *keys.Ring
	Secret []byte // of SecretSize random bytes, the same at each replica
	Log    *slog.Logger
	Now    func() time.Time

	TokenLifetime time.Duration         // of access tokens
	TTL           time.Duration         // how long a list is good without asking again. Zero: DefaultTTL
	Metrics       prometheus.Registerer // nil: none
}

// Ref is the place of a token in the lists.
type Ref struct {
	List  string // its name
	Index int64
}

// String is the form in which the database has it.
func (r Ref) String() string { return fmt.Sprintf("%s/%d", r.List, r.Index) }

// Lists gives each token its index and publishes the lists. It is safe for concurrent use.
type Lists struct {
	cfg     Config
	address string // of a list, without its name

	leasing sync.Mutex
	leases  map[string]*lease // by client

	shuffling sync.Mutex
	shuffles  map[string]*shuffle // by list

	mu     sync.Mutex // guards what follows, and is held while the database is read
	polled time.Time
	failed error // of the last poll
	known  map[string]*list
	// withdrawn are the keys whose tokens are refused, as all lists say.
	withdrawn []string
	read      time.Time // the newest revocation that was read
	whole     time.Time // when all was read last

	count prometheus.Gauge
}

// New makes Lists.
func New(cfg Config) (*Lists, error) {
	if len(cfg.Secret) != SecretSize {
		return nil, fmt.Errorf("status: the secret has %d bytes, not %d", len(cfg.Secret), SecretSize)
	}
	if cfg.TTL == 0 {
		cfg.TTL = DefaultTTL
	}
	l := &Lists{
		cfg: cfg, address: cfg.URL + "/",
		leases: map[string]*lease{}, shuffles: map[string]*shuffle{}, known: map[string]*list{},
		count: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "authz_status_lists", Help: "Token Status Lists that unexpired tokens may refer to.",
		}),
	}
	if cfg.Metrics != nil {
		if err := cfg.Metrics.Register(l.count); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// URI is the address of the list of a token.
func (l *Lists) URI(r Ref) string { return l.address + r.List }

// Ref is the place with this address and index. It is not ok if the address is not of a list here.
func (l *Lists) Ref(uri string, index int64) (r Ref, ok bool) {
	name, ok := strings.CutPrefix(uri, l.address)
	return Ref{name, index}, ok && isName(name) && 0 <= index && index < statuses.ListSize
}

// Run reads what was revoked again and again until ctx ends, also while nobody asks for a list: a
// block that was revoked must not be used on.
func (l *Lists) Run(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	failing := false
	for {
		err := l.refresh(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			l.cfg.Log.Error("status lists cannot be read; resource services decide by the last ones", "error", err)
		}
		if err == nil && failing {
			l.cfg.Log.Info("status lists are read again")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
