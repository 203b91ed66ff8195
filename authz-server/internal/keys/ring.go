// Package keys is the ring of signing keys: it makes them, keeps them encrypted in the database,
// rotates, signs, verifies what this server signed, and publishes the public halves.
//
// Each algorithm has its own line of generations; no key serves two algorithms. A key's state
// follows from the clock alone, so that replicas agree without talking to each other:
//
//   - the current key is that of the latest generation that has activated;
//   - a next key waits, and is published for so long before it signs that no verifier meets an
//     unknown one;
//   - a retired key stays published until the last access or ID token that it signed has expired,
//     and verifies refresh tokens and ID token hints here until the last refresh token has.
//
// A key that was compromised is withdrawn: see [Ring.Withdraw].
package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/keystore"
	"github.com/maru-auth/maru/jwks/jose"
)

// Config says how a [Ring] works.
type Config struct {
	Store *keystore.Keys
	KEK   *KEK
	Now   func() time.Time
	Log   *slog.Logger

	Bits            int                   // size of new RSA keys: 2048, 3072 or 4096. Zero: 2048
	Rotation        time.Duration         // how long a key signs before the next one takes over. Zero: until [Ring.Rotate]
	MaxAge          time.Duration         // how long others may cache the key set. Zero: 5 minutes
	TokenLifetime   time.Duration         // of the longest-lived token that others verify
	RefreshLifetime time.Duration         // how long a refresh token can live at most
	Reload          time.Duration         // how often Run reads the database again. Zero: 30 seconds
	Metrics         prometheus.Registerer // nil: nothing is measured

	// Made is called in the transaction that stores a new key; nil: nobody is told.
	Made func(ctx context.Context, kid, alg string, signsFrom time.Time) error

	generate func(alg string, bits int) (*key, error) // other than generate in a test that needs many
}

// Defaults of a [Config].
const (
	DefaultBits   = 2048
	DefaultMaxAge = 5 * time.Minute
	defaultReload = 30 * time.Second

	// slack is for clocks that differ and requests under way.
	slack = time.Minute

	// unknownCooldown is the shortest time between two looks into the database because of an
	// unknown kid.
	unknownCooldown = 5 * time.Second
)

// Errors of [Ring]. Any other error is a failure of the database.
var (
	ErrInvalid = errors.New("not a token of this server") // wrapped by each reason
	ErrPending = errors.New("a next key is waiting already")
	ErrUnknown = errors.New("no such key")

	// ErrWithdrawn is an ErrInvalid: the token names a key that was withdrawn. Anybody can make
	// such a token.
	ErrWithdrawn = fmt.Errorf("%w: its key was withdrawn", ErrInvalid)
)

// Ring holds the signing keys. Make it with [Open]; its methods are safe for concurrent use.
type Ring struct {
	cfg      Config
	signing  *prometheus.HistogramVec // how long signatures take, by algorithm; nil in [List]
	turns    turns
	snapshot atomic.Pointer[snapshot]
	looked   atomic.Int64 // when look last did, in Unix microseconds

	loading chan struct{} // holds one element while the database is read; guards what follows
	asked   time.Time     // the last look because of an unknown kid
	failed  error         // of the last look
}

// Open reads the keys, and makes the first one of each algorithm that has none: of several replicas
// that start at once, one makes it.
func Open(ctx context.Context, cfg Config) (*Ring, error) {
	if cfg.Bits == 0 {
		cfg.Bits = DefaultBits
	}
	if cfg.MaxAge == 0 {
		cfg.MaxAge = DefaultMaxAge
	}
	if cfg.Reload == 0 {
		cfg.Reload = defaultReload
	}
	if cfg.generate == nil {
		cfg.generate = generate
	}
	k := &Ring{cfg: cfg, turns: newTurns(), loading: make(chan struct{}, 1)}
	k.snapshot.Store(&snapshot{})
	if err := k.measure(); err != nil {
		return nil, err
	}
	if err := k.reload(ctx); err != nil {
		return nil, err
	}
	made := false
	for _, alg := range algorithms {
		if k.snapshot.Load().lines[alg].current(cfg.Now()) != nil {
			continue
		}
		if err := k.add(ctx, alg, 1, cfg.Now()); err != nil && !errors.Is(err, store.ErrExists) {
			return nil, err
		}
		made = true
	}
	if !made {
		return k, nil
	}
	if err := k.reload(ctx); err != nil {
		return nil, err
	}
	for _, alg := range algorithms {
		if k.snapshot.Load().lines[alg].current(cfg.Now()) == nil {
			return nil, fmt.Errorf("the first signing key for %s was made, and is not in the database", alg)
		}
	}
	return k, nil
}

// Run reads the keys again and again, makes the next one when it is time, and removes those that
// are past use, until ctx ends. It notices a withdrawal within half a second. It logs a failure,
// and keeps the keys that it knows.
func (k *Ring) Run(ctx context.Context) {
	ticker := time.NewTicker(k.cfg.Reload)
	defer ticker.Stop()
	notice := time.NewTicker(noticeWithin)
	defer notice.Stop()
	for {
		if err := k.tend(ctx); err != nil && ctx.Err() == nil {
			k.cfg.Log.Error("signing keys", "error", err)
		}
		for due := false; !due; {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				due = true
			case <-notice.C:
				_, _ = k.ReadWithdrawn(ctx) // tend logs what is wrong, and less often
			}
		}
	}
}

func (k *Ring) tend(ctx context.Context) error {
	if err := k.reload(ctx); err != nil {
		return err
	}
	if err := k.cfg.Store.CheckClock(ctx); err != nil { // by a clock that is ahead, the keys in use are old ones
		return err
	}
	return errors.Join(k.rotateWhenDue(ctx), k.Sweep(ctx))
}

// Rewrap encrypts signing keys and secrets (see [Secret]) that are still encrypted under an old
// key-encryption key with the current one, and returns how many those were.
func (k *Ring) Rewrap(ctx context.Context) (int, error) {
	if err := k.reload(ctx); err != nil {
		return 0, err
	}
	done := 0
	for one := range k.snapshot.Load().all() {
		if !one.stale {
			continue
		}
		envelope, err := one.seal(k.cfg.KEK)
		if err != nil {
			return done, err
		}
		if err := k.cfg.Store.RewrapSigningKey(ctx, one.kid, one.envelope, envelope); err != nil &&
			!errors.Is(err, store.ErrNotFound) {
			return done, err
		}
		done++
	}
	secrets, err := k.rewrapSecrets(ctx)
	return done + secrets, errors.Join(err, k.reload(ctx))
}

func (k *Ring) reload(ctx context.Context) error {
	select {
	case k.loading <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-k.loading }()
	return k.load(ctx)
}

// load reads the keys and puts them in place, all or none. The caller holds loading.
func (k *Ring) load(ctx context.Context) error {
	loaded, err := k.read(ctx)
	k.failed = err
	if err == nil {
		k.noteWithdrawn(loaded)
		k.snapshot.Store(loaded)
	}
	return err
}

func (k *Ring) read(ctx context.Context) (*snapshot, error) {
	rows, withdrawn, err := k.cfg.Store.SigningKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the signing keys: %w", err)
	}
	loaded := &snapshot{lines: map[string]line{}, byKID: map[string]*key{}, withdrawn: withdrawn}
	for _, row := range rows {
		if !slices.Contains(algorithms, row.Alg) {
			continue // of a later version
		}
		one, err := k.open(row)
		if err != nil {
			return nil, err
		}
		if k.signing != nil {
			one.took = k.signing.WithLabelValues(one.alg)
		}
		one.generation, one.createdAt, one.activatesAt = row.Generation, row.CreatedAt, row.ActivatesAt
		loaded.lines[one.alg] = append(loaded.lines[one.alg], &one)
		loaded.byKID[one.kid] = &one
	}
	for _, row := range withdrawn {
		if slices.Contains(algorithms, row.Alg) && !row.ActivatesAt.After(row.WithdrawnAt) { // it has signed
			loaded.lines[row.Alg] = append(loaded.lines[row.Alg], &key{
				kid: row.KID, alg: row.Alg, generation: row.Generation, activatesAt: row.ActivatesAt, withdrawn: true,
			})
		}
	}
	loaded.arrange()
	return loaded, nil
}

// open makes the key of a row, without its times.
func (k *Ring) open(row keystore.SigningKey) (key, error) {
	if k.cfg.KEK == nil { // see List
		return key{alg: row.Alg, kid: row.KID}, nil
	}
	known, ok := k.snapshot.Load().byKID[row.KID]
	if ok && known.alg == row.Alg && bytes.Equal(known.envelope, row.PrivateKey) {
		return *known, nil // decrypting and precomputing cost milliseconds
	}
	opened, stale, err := openKey(k.cfg.KEK, row.Alg, row.KID, row.PrivateKey)
	if errors.Is(err, ErrWrongKEK) {
		return key{}, fmt.Errorf("the key-encryption key does not fit the keys in this database: "+
			"key %s %w; set the one that it was made with", row.KID, err)
	}
	if err != nil {
		return key{}, fmt.Errorf("signing key %s in the database: %w", row.KID, err)
	}
	if opened.rsa != nil && opened.rsa.Problem() != nil {
		k.cfg.Log.Warn("a signing key is used by Go alone", "kid", row.KID, "error", opened.rsa.Problem())
	}
	opened.envelope, opened.stale = row.PrivateKey, stale
	return *opened, nil
}

// lookup finds a key of the ring. It reads the database for an unknown one, since a replica may
// have rotated, but seldom, however many callers ask. The error is ErrUnknown, or a failure of the
// database.
func (k *Ring) lookup(ctx context.Context, kid string) (*key, error) {
	known := k.snapshot.Load()
	if one, ok := known.byKID[kid]; ok {
		return one, nil
	}
	if !jose.IsThumbprint(kid) || known.isWithdrawn(kid) { // not worth a look
		return nil, ErrUnknown
	}
	select {
	case k.loading <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-k.loading }()
	if one, ok := k.snapshot.Load().byKID[kid]; ok { // read while we waited
		return one, nil
	}
	if since := k.cfg.Now().Sub(k.asked); since < 0 || since >= unknownCooldown {
		k.asked = k.cfg.Now()
		// Not ended with this caller, for the outcome counts for all.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if err := k.load(ctx); err != nil {
			k.cfg.Log.Error("signing keys", "error", err)
		}
		if one, ok := k.snapshot.Load().byKID[kid]; ok {
			return one, nil
		}
	}
	if k.failed != nil {
		return nil, k.failed // it may exist
	}
	return nil, ErrUnknown
}
