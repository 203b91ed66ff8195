// Package delivery tells receivers what happened to accounts: it puts events into the queues of
// streams (fanout.go, sets.go), pushes what waits in them (push.go), and makes the streams of this
// server's own services (services.go). Package ssf has the endpoints.
package delivery

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/services"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
)

// Config is what [New] needs. All fields are required but those with a default.
type Config struct {
	Issuer   string
	Tokens   *tokens.Issuer
	Store    *store.Store
	Fetch    *fetch.Client      // pushes to clients
	Services *services.Services // pushes to this server's own services
	KEK      *keys.KEK
	Log      *slog.Logger
	Now      func() time.Time
	Metrics  prometheus.Registerer // nil: nothing is counted
}

// Transmitter delivers events. It is safe for concurrent use, and every replica runs one.
type Transmitter struct {
	Config
	metrics metrics

	mu      sync.Mutex
	pushing map[string]bool // by the stream's id
	pushes  sync.WaitGroup
	freed   chan struct{} // receives a value soon after a push ended
}

// New makes a transmitter. The error is one of cfg.Metrics.
func New(cfg Config) (*Transmitter, error) {
	m, err := newMetrics(cfg.Metrics)
	return &Transmitter{Config: cfg, metrics: m, pushing: map[string]bool{}, freed: make(chan struct{}, 1)}, err
}

// How often it is looked for what other processes wrote, and for receivers that are due again; and
// how often the queues are measured.
const (
	pollEvery    = 500 * time.Millisecond
	measureEvery = 30 * time.Second
)

// Run delivers until ctx ends; pushes under way then are finished first.
func (t *Transmitter) Run(ctx context.Context) {
	defer t.pushes.Wait()
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { t.measure(ctx) })
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for ctx.Err() == nil {
		waiting := t.Store.Streams.Waiting()
		events, err := t.fanOut(ctx)
		started, errPush := t.startPushes(ctx)
		if err := errors.Join(err, errPush); err != nil && ctx.Err() == nil {
			t.Log.ErrorContext(ctx, "cannot read the events that are to be delivered", "error", err)
		}
		if err == nil && errPush == nil && events+started > 0 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-t.Store.Streams.Happened():
		case <-waiting:
		case <-t.freed:
		case <-poll.C:
		}
	}
}

// Deliver puts all events into queues and pushes what is due, once for each stream. It returns when
// nothing is left to do now.
func (t *Transmitter) Deliver(ctx context.Context) error {
	for {
		events, err := t.fanOut(ctx)
		if err != nil {
			return err
		}
		started, err := t.startPushes(ctx)
		t.pushes.Wait()
		if err != nil || events+started == 0 {
			return err
		}
	}
}

// Sign makes the JWT of a set (RFC 8417, SSF §4.1): always by RS256 (CAEP Interoperability Profile
// §2.6), and with the key and "iat" of the moment, whenever the set was written: a receiver that
// was down for long refuses neither. "toe" says when it happened.
func (t *Transmitter) Sign(ctx context.Context, stream *streams.Stream, set *streams.Set) (string, error) {
	return t.Tokens.Sign(ctx, "", typeSET, envelope{
		Issuer: t.Issuer, Audience: stream.Audience, ID: set.ID, IssuedAt: t.Now().Unix(), rest: set.Claims,
	})
}

// purpose separates the encryption of streams' headers from other uses of the key-encryption key.
const purpose = "stream"

// SealHeader encrypts the value of the header Authorization that a stream's pushes have. It opens
// in no other stream.
func SealHeader(kek *keys.KEK, streamID, value string) ([]byte, error) {
	if value == "" {
		return []byte{}, nil
	}
	return kek.Seal(purpose, []byte(value), streamID)
}

// OpenHeader returns what [SealHeader] encrypted. stale says that an old key was needed.
func OpenHeader(kek *keys.KEK, s *streams.Stream) (value string, stale bool, err error) {
	if len(s.Header) == 0 {
		return "", false, nil
	}
	plain, stale, err := kek.Open(purpose, s.Header, s.ID)
	return string(plain), stale, err
}

// Rewrap encrypts anew the headers that are still encrypted under an old key-encryption key, and
// returns how many there were.
func Rewrap(ctx context.Context, s *streams.Streams, kek *keys.KEK) (done int, err error) {
	all, err := s.List(ctx)
	if err != nil {
		return 0, err
	}
	for _, one := range all {
		value, stale, err := OpenHeader(kek, &one)
		if err != nil || !stale {
			continue // what no key opens stays as it is
		}
		sealed, err := SealHeader(kek, one.ID, value)
		if err != nil {
			return done, err
		}
		if err := s.Rewrap(ctx, one.ID, one.Header, sealed); err != nil && !errors.Is(err, store.ErrNotFound) {
			return done, err
		}
		done++
	}
	return done, nil
}
