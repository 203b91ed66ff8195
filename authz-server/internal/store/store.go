// Package store is the authorization server's database. The packages below it hold the SQL
// statements, each for its own tables. This one opens the database, joins them, and does what
// concerns several of them: it removes a client, ends everything, and sweeps.
//
// A one-time transition is a single conditional statement whose row count decides. All methods are
// safe for concurrent use.
package store

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/authz-server/internal/store/keystore"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/statistics"
	"github.com/maru-auth/maru/authz-server/internal/store/statuses"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/internal/sqldb"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are what makes the schema, in the folder "migrations".
func Migrations() fs.FS { return migrations }

// SchemaVersion returns the version of the schema that this program makes: the number of its last
// migration.
func SchemaVersion() (latest int64, err error) {
	all, err := fs.ReadDir(migrations, "migrations")
	for _, one := range all {
		number, _, _ := strings.Cut(one.Name(), "_")
		version, notOne := strconv.ParseInt(number, 10, 64)
		if notOne == nil {
			latest = max(latest, version)
		}
	}
	return latest, err
}

// What a look-up or a change can find. Any other error is a failure of the database.
var (
	ErrNotFound = row.ErrNotFound
	ErrExists   = row.ErrExists
	ErrStale    = row.ErrStale
	ErrDisabled = row.ErrDisabled // of a client; it is an ErrNotFound

	// ErrUnavailable says that the database cannot do it at the moment. See [sqldb.ErrUnavailable].
	ErrUnavailable = sqldb.ErrUnavailable
)

// IgnoreNotFound is err, or nil if that is [ErrNotFound].
func IgnoreNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// Store is the authorization server's database. Its Sweep removes what has expired or is not needed
// any more.
type Store struct {
	sqldb.Upkeep
	db *sqldb.DB

	Users        *accounts.Users
	Roles        *roles.Roles
	Sessions     *accounts.Sessions
	Pending      *accounts.Pending
	Browsers     *accounts.Browsers
	History      *accounts.History
	Passkeys     *accounts.Passkeys
	Mailed       *accounts.MailedLinks
	Invitations  *accounts.Invitations
	Agreements   *accounts.Agreements
	Factors      *accounts.Factors
	Clients      *registry.Clients
	Resources    *registry.Resources
	Applied      *registry.Applied
	Consents     *grants.Consents
	Grants       *grants.Grants
	Devices      *grants.Devices
	Outbox       *outbox.Queue
	Logouts      *outbox.Logouts
	Streams      *streams.Streams
	Interactions *requests.Interactions
	Pushed       *requests.Pushed
	Quotas       *limits.Quotas
	Attempts     *limits.Attempts
	UsedIDs      *limits.UsedIDs
	Repeated     *limits.Repeated
	Keys         *keystore.Keys
	Statuses     *statuses.Statuses
	Statistics   *statistics.Statistics
	Refusals     *statistics.Refusals
	Audit        *auditlog.Entries
	Upstreams    *upstreams.Upstreams
}

// Open is [OpenWith] without limits of time, for tests. It makes an SQLite file that is missing.
func Open(ctx context.Context, databaseURL string, now func() time.Time) (*Store, error) {
	return OpenWith(ctx, sqldb.Options{DatabaseURL: databaseURL, Create: true}, now)
}

// OpenWith connects to opts.DatabaseURL (see [sqldb.OpenWith]) and brings the schema up to date.
// The clock now decides what has expired.
func OpenWith(ctx context.Context, opts sqldb.Options, now func() time.Time) (*Store, error) {
	db, err := sqldb.OpenStore(ctx, opts, migrations)
	if err != nil {
		return nil, err
	}
	s := newStore(db, now)
	if err := s.Roles.Refresh(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// newStore joins the rooms. What ends something knows what ends with it, never the other way round.
func newStore(db *sqldb.DB, now func() time.Time) *Store {
	s := &Store{
		db:       db,
		Grants:   grants.NewGrants(db, now),
		Quotas:   limits.NewQuotas(db, now),
		Attempts: limits.NewAttempts(db, now),
		UsedIDs:  limits.NewUsedIDs(db, now),
		Repeated: limits.NewRepeated(db, now),
		Keys:     keystore.NewKeys(db, now),
		Streams:  streams.New(db, now),
		Pending:  accounts.NewPending(db, now),
		Browsers: accounts.NewBrowsers(db, now),
		History:  accounts.NewHistory(db, now),
		Mailed:   accounts.NewMailedLinks(db, now),
		Audit:    auditlog.NewEntries(db, now),
	}
	s.Statuses, s.Statistics, s.Refusals = statuses.New(db, now), statistics.New(db, now), statistics.NewRefusals(db, now)
	s.Clients, s.Resources = registry.NewClients(db, now, s.Statuses), registry.NewResources(db, now)
	s.Applied = registry.NewApplied(db, now)
	s.Invitations, s.Agreements = accounts.NewInvitations(db, now, s.HasAdministrator), accounts.NewAgreements(db, now)
	s.Interactions = requests.NewInteractions(db, now, s.Quotas)
	s.Pushed = requests.NewPushed(db, now, s.UsedIDs)
	s.Outbox = outbox.NewQueue(db, now)
	s.Logouts = outbox.NewLogouts(db, s.Clients, s.Outbox)
	s.Devices = grants.NewDevices(db, now, s.Grants)
	s.Consents = grants.NewConsents(db, now, s.Interactions, s.Grants, s.Logouts)
	s.Sessions = accounts.NewSessions(db, now, s.Grants, s.Logouts, s.Streams)
	s.Roles = roles.New(db, now, s.Grants, s.Streams)
	s.Users = accounts.NewUsers(db, now, s.Sessions, s.Streams, s.Roles)
	s.Factors = accounts.NewFactors(db, now, s.Streams)
	s.Passkeys = accounts.NewPasskeys(db, now, s.Streams)
	s.Upstreams = upstreams.New(db, now)
	s.Upkeep = db.Upkeep(now, s.sweeps())
	return s
}

// sweeps is all that is swept, in this order.
func (s *Store) sweeps() []sqldb.Sweep {
	return slices.Concat(
		s.Sessions.Sweeps(), s.Pending.Sweeps(), s.Browsers.Sweeps(), s.History.Sweeps(), s.Passkeys.Sweeps(), s.Mailed.Sweeps(),
		s.Interactions.Sweeps(), s.Pushed.Sweeps(),
		s.Factors.Sweeps(),
		s.Attempts.Sweeps(), s.Quotas.Sweeps(), s.UsedIDs.Sweeps(), s.Repeated.Sweeps(),
		s.Devices.Sweeps(), s.Grants.Sweeps(), s.Clients.Sweeps(), s.Outbox.Sweeps(), s.Streams.Sweeps(),
		s.Invitations.Sweeps(), s.Statuses.Sweeps(), s.Statistics.Sweeps(), s.Refusals.Sweeps(), s.Roles.Sweeps(), s.Upstreams.Sweeps(),
		// This has batches of its own, so one step does all of it.
		[]sqldb.Sweep{{Name: "removed clients", Step: s.purgeClients, Batch: math.MaxInt64}},
		[]sqldb.Sweep{{Name: "grants to clients whose secret was compromised", Batch: math.MaxInt64,
			Step: func(ctx context.Context, _ time.Time) (int64, error) { return s.RemoveEnded(ctx) }}},
		[]sqldb.Sweep{{Name: "tokens exchanged from grants of disabled clients", Batch: math.MaxInt64,
			Step: func(ctx context.Context, _ time.Time) (int64, error) { return 0, s.RevokeExchanged(ctx) }}},
	)
}

// Tx runs f in one transaction, joining the one that ctx carries, if any. See [sqldb.DB.Tx].
func (s *Store) Tx(ctx context.Context, f func(ctx context.Context) error) error {
	return s.db.Tx(ctx, f)
}

// AfterCommit calls f when the transaction that ctx carries has been committed. See
// [sqldb.DB.AfterCommit].
func (s *Store) AfterCommit(ctx context.Context, f func()) { s.db.AfterCommit(ctx, f) }
