package accounts

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Browser is one in which a person has logged in.
type Browser struct {
	ID           string
	Address      string // at the last log-in, as is UserAgent
	UserAgent    string
	TrustedUntil time.Time // until then it stands for the second step of a log-in; zero: it does not
	CreatedAt    time.Time
	SeenAt       time.Time // the last log-in
}

// How long a browser is known after its last log-in, how many a person has at most, and for how
// long it can be trusted.
const (
	BrowserRetention = 400 * 24 * time.Hour // what browsers keep a cookie
	MaxBrowsers      = 100
	TrustLifetime    = 30 * 24 * time.Hour
)

// Browsers stores in which browsers people have logged in. A browser is found by a secret that its
// cookie keeps; only the hash is stored.
type Browsers struct {
	db  *sqldb.DB
	now func() time.Time
}

// NewBrowsers returns the browsers in db.
func NewBrowsers(db *sqldb.DB, now func() time.Time) *Browsers { return &Browsers{db, now} }

// NoteLogin notes a log-in of a person in the browser with this secret. It tells whether the person
// had logged in there before, and whether they had logged in anywhere. Call it in the transaction
// that makes the session.
func (s *Browsers) NoteLogin(ctx context.Context, userID, secret, address, userAgent string) (known, first bool, err error) {
	now := sqldb.Micros(s.now())
	rows, err := s.db.Exec(ctx, `UPDATE browsers SET address = $1, user_agent = $2, seen_at = $3
		WHERE user_id = $4 AND browser_hash = $5`, address, userAgent, now, userID, opaque.Hash(secret))
	if err != nil || rows == 1 {
		return rows == 1, false, err
	}
	var other string
	err = s.db.QueryRow(ctx, `SELECT id FROM browsers WHERE user_id = $1 LIMIT 1`, userID).Scan(&other)
	first = errors.Is(err, sql.ErrNoRows)
	if err != nil && !first {
		return false, false, err
	}
	if _, err := s.db.Exec(ctx, `INSERT INTO browsers (id, user_id, browser_hash, address,
		user_agent, trusted_until, created_at, seen_at) VALUES ($1, $2, $3, $4, $5, 0, $6, $6)
		ON CONFLICT DO NOTHING`,
		rand.Text(), userID, opaque.Hash(secret), address, userAgent, now); err != nil {
		return false, false, err
	}
	_, err = s.db.Exec(ctx, `DELETE FROM browsers WHERE id IN (SELECT id FROM browsers
		WHERE user_id = $1 ORDER BY seen_at DESC, id LIMIT 5 OFFSET $2)`, userID, MaxBrowsers)
	return false, first, err
}

// Known tells whether the person has logged in in the browser with this secret, and whether it
// stands for the second step.
func (s *Browsers) Known(ctx context.Context, userID, secret string) (known, trusted bool, err error) {
	var until int64
	err = s.db.QueryRow(ctx, `SELECT trusted_until FROM browsers
		WHERE user_id = $1 AND browser_hash = $2`, userID, opaque.Hash(secret)).Scan(&until)
	if errors.Is(err, sql.ErrNoRows) {
		return false, false, nil
	}
	return err == nil, until > sqldb.Micros(s.now()), err
}

// Trust lets the browser with this secret stand for the second step, for [TrustLifetime].
// ErrNotFound: the person has not logged in there.
func (s *Browsers) Trust(ctx context.Context, userID, secret string) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE browsers SET trusted_until = $1
		WHERE user_id = $2 AND browser_hash = $3`,
		sqldb.Micros(s.now().Add(TrustLifetime)), userID, opaque.Hash(secret)))
}

// Distrust ends the trust of a person's browser; the id "" stands for all of them. ErrNotFound: the
// person has none that is trusted.
func (s *Browsers) Distrust(ctx context.Context, userID, id string) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE browsers SET trusted_until = 0
		WHERE user_id = $1 AND trusted_until > 0 AND ($2 = '' OR id = $2)`, userID, id))
}

// TrustedBrowsers returns a person's browsers that stand for the second step, the last seen first.
func (s *Browsers) TrustedBrowsers(ctx context.Context, userID string) ([]Browser, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (b Browser, err error) {
		var trusted, created, seen int64
		err = rows.Scan(&b.ID, &b.Address, &b.UserAgent, &trusted, &created, &seen)
		b.TrustedUntil, b.CreatedAt, b.SeenAt = sqldb.Time(trusted), sqldb.Time(created), sqldb.Time(seen)
		return b, err
	}, `SELECT id, address, user_agent, trusted_until, created_at, seen_at FROM browsers
		WHERE user_id = $1 AND trusted_until > $2 ORDER BY seen_at DESC, id LIMIT $3`,
		userID, sqldb.Micros(s.now()), MaxBrowsers)
}

// Sweeps lists browsers without a log-in for [BrowserRetention].
func (s *Browsers) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "browsers that are not used any more", Keep: BrowserRetention, Rows: sqldb.Rows{
			Table: "browsers", Key: "id", Where: "seen_at <= $1", Order: "seen_at"}},
	}
}
