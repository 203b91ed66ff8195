// Package upstreams stores other providers by which people log in, who they are there, and log-ins
// that are under way there.
package upstreams

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// MaxUpstreams is how many there can be: each is a button on the page that logs people in.
const MaxUpstreams = 20

// ErrTooMany says that there are [MaxUpstreams] already, or that a person has [MaxIdentities].
var ErrTooMany = errors.New("there are too many")

// ErrInUse says that people log in by an upstream that is to be removed.
var ErrInUse = errors.New("people log in by it")

// Upstream is another provider.
type Upstream struct {
	Name      string
	Settings  string // JSON, of package upstream
	Secret    []byte // encrypted; empty: there is none
	Issuer    string // which identities must have, to be of any use; empty: any
	Strong    bool   // a log-in there can stand for the second step
	Disabled  bool
	Version   int64 // set by the store
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Upstreams stores them.
type Upstreams struct {
	db  *sqldb.DB
	now func() time.Time
}

// New returns the upstreams in db.
func New(db *sqldb.DB, now func() time.Time) *Upstreams { return &Upstreams{db, now} }

// Create stores a new upstream. ErrExists: there is one of that name. ErrTooMany.
func (s *Upstreams) Create(ctx context.Context, u Upstream) error {
	now := sqldb.Micros(s.now())
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if err := row.Added(s.db.Exec(ctx, `INSERT INTO upstreams (name, settings, secret, disabled, version, created_at, updated_at,
				issuer, strong)
			VALUES ($1, $2, $3, $4, 1, $5, $5, $6, $7) ON CONFLICT DO NOTHING`,
			u.Name, u.Settings, bytesOf(u.Secret), u.Disabled, now, u.Issuer, u.Strong)); err != nil {
			return err
		}
		all, err := s.List(ctx)
		if err == nil && len(all) > MaxUpstreams {
			err = ErrTooMany
		}
		return err
	})
}

// bytesOf is b as a column that is not null takes it.
func bytesOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

const columns = `u.name, u.settings, u.secret, u.disabled, u.version, u.created_at, u.updated_at, u.issuer, u.strong`

func scan(scan func(...any) error) (u Upstream, err error) {
	var created, updated int64
	err = scan(&u.Name, &u.Settings, &u.Secret, &u.Disabled, &u.Version, &created, &updated, &u.Issuer, &u.Strong)
	u.CreatedAt, u.UpdatedAt = sqldb.Time(created), sqldb.Time(updated)
	return u, row.NotFound(err)
}

// Upstream returns the one with a name, disabled or not. ErrNotFound: there is none.
func (s *Upstreams) Upstream(ctx context.Context, name string) (Upstream, error) {
	return scan(s.db.QueryRow(ctx, `SELECT `+columns+` FROM upstreams u WHERE u.name = $1`, name).Scan)
}

// List returns all, disabled or not, in the order in which they were made.
func (s *Upstreams) List(ctx context.Context) ([]Upstream, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (Upstream, error) { return scan(rows.Scan) },
		`SELECT `+columns+` FROM upstreams u ORDER BY u.created_at, u.name`)
}

// Update changes an upstream whose Version was read. ErrStale: it was changed or removed since.
func (s *Upstreams) Update(ctx context.Context, u Upstream) error {
	err := row.Changed(s.db.Exec(ctx, `UPDATE upstreams SET settings = $1, secret = $2, disabled = $3,
		version = version + 1, updated_at = $4, issuer = $5, strong = $6 WHERE name = $7 AND version = $8`,
		u.Settings, bytesOf(u.Secret), u.Disabled, sqldb.Micros(s.now()), u.Issuer, u.Strong, u.Name, u.Version))
	if errors.Is(err, row.ErrNotFound) {
		return row.ErrStale
	}
	return err
}

// Rewrap replaces an encrypted secret by the same under another key. ErrNotFound: it was replaced
// since.
func (s *Upstreams) Rewrap(ctx context.Context, name string, before, after []byte) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE upstreams SET secret = $1 WHERE name = $2 AND secret = $3`,
		after, name, before))
}

// Delete removes an upstream by which nobody logs in. ErrNotFound: there is none. ErrInUse.
func (s *Upstreams) Delete(ctx context.Context, name string) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		// This locks the row: whoever links meanwhile comes before, and is seen, or finds nothing.
		if err := row.Changed(s.db.Exec(ctx, `UPDATE upstreams SET disabled = TRUE WHERE name = $1`, name)); err != nil {
			return err
		}
		var id string
		err := s.db.QueryRow(ctx, `SELECT id FROM identities WHERE upstream = $1
			ORDER BY upstream, issuer, subject LIMIT 1`, name).Scan(&id)
		if err == nil {
			return ErrInUse
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		return row.Changed(s.db.Exec(ctx, `DELETE FROM upstreams WHERE name = $1`, name))
	})
}

// RemoveIdentities removes who people are at an upstream, in batches. Disable it before, or others
// come.
func (s *Upstreams) RemoveIdentities(ctx context.Context, name string) (removed int64, err error) {
	return s.db.Remove(ctx, sqldb.Rows{
		Table: "identities", Key: "id", Where: "upstream = $1", Order: "upstream, issuer, subject"}, name)
}

// Sweeps lists log-ins that were given up.
func (s *Upstreams) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "log-ins under way at upstreams", Rows: sqldb.Rows{
			Table: "upstream_logins", Key: "state_hash", Where: "expires_at <= $1", Order: "expires_at"}},
		{Name: "log-ins at upstreams without an account", Rows: sqldb.Rows{
			Table: "upstream_arrivals", Key: "browser_hash", Where: "expires_at <= $1", Order: "expires_at"}},
	}
}
