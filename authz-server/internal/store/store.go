// Package store holds every SQL statement of the authorization server.
//
// One-time transitions are single conditional statements whose row count decides. All methods are safe for concurrent use.
package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/cache"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/internal/sqldb"
)

//go:embed migrations/*.sql
var migrations embed.FS

// What a look-up or a change can find. Any other error is a failure of the database.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	ErrStale    = errors.New("changed since it was read")
)

// ErrUnavailable is what the database cannot do at the moment. See [sqldb.ErrUnavailable].
var ErrUnavailable = sqldb.ErrUnavailable

// Store is the authorization server's database.
type Store struct {
	db  *sqldb.DB
	now func() time.Time

	*Users
	*Sessions
	*Clients
	*Consents
	*Grants
	*Devices
	*Logouts
	*Interactions
	*Pushed
	*Quotas
	*Attempts
	*UsedIDs
	*Keys
}

// newStore puts the parts together. What ends something knows what ends with it, and never the other way round.
func newStore(db *sqldb.DB, now func() time.Time) *Store {
	s := &Store{
		db: db, now: now,
		Clients: &Clients{db: db, now: now, parsed: cache.New[[sha256.Size]byte, client.Client](parsedClientBytes)},
		Keys:    &Keys{db, now}, Quotas: &Quotas{db, now}, Attempts: &Attempts{db, now}, UsedIDs: &UsedIDs{db, now}, Grants: &Grants{db, now},
	}
	s.Logouts = &Logouts{db: db, now: now, clients: s.Clients, due: make(chan struct{}, 1)}
	s.Interactions = &Interactions{db, now, s.Quotas}
	s.Pushed = &Pushed{db, now, s.UsedIDs}
	s.Devices = &Devices{db, now, s.Grants}
	s.Consents = &Consents{db, now, s.Interactions, s.Grants, s.Logouts}
	s.Sessions = &Sessions{db, now, SessionLimits{SessionIdle, SessionLifetime}, s.Grants, s.Logouts}
	s.Users = &Users{db, now, s.Sessions}
	return s
}

// Open is [OpenWith] without limits of time, for tests. It makes an SQLite file that is missing.
func Open(ctx context.Context, databaseURL string, now func() time.Time) (*Store, error) {
	return OpenWith(ctx, sqldb.Options{DatabaseURL: databaseURL, Create: true}, now)
}

// OpenWith connects to opts.DatabaseURL (see [sqldb.OpenWith]) and brings the schema up to date. now is the clock that decides what has expired.
func OpenWith(ctx context.Context, opts sqldb.Options, now func() time.Time) (*Store, error) {
	db, err := sqldb.OpenWith(ctx, opts)
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := db.Migrate(ctx, files); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return newStore(db, now), nil
}

// Close waits for statements under way and closes the database.
func (s *Store) Close() error { return s.db.Close() }

// Ready tells whether requests that read can be answered. See [sqldb.DB.Ready].
func (s *Store) Ready(ctx context.Context) error { return s.db.Ready(ctx) }

// CheckClock returns an error when nothing should be deleted for its age. See [sqldb.DB.CheckClock].
func (s *Store) CheckClock(ctx context.Context) error { return s.db.CheckClock(ctx) }

// Watch logs and measures how the database is until ctx ends. See [sqldb.DB.Watch].
func (s *Store) Watch(ctx context.Context, log *slog.Logger, metrics prometheus.Registerer) {
	s.db.Watch(ctx, log, metrics)
}

// Warning is a line for the operator about the connection, or empty.
func (s *Store) Warning() string { return s.db.Warning() }

// Tx runs f in one transaction, joining one that ctx already carries. See [sqldb.DB.Tx].
func (s *Store) Tx(ctx context.Context, f func(ctx context.Context) error) error {
	return s.db.Tx(ctx, f)
}

// Hash is how the store keeps a random secret: SHA-256 is enough for 256 bits that nobody chose.
func Hash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// NewSecret makes 256 random bits as text that is safe in cookies and URLs.
func NewSecret() string {
	raw := make([]byte, 32)
	rand.Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)
}
