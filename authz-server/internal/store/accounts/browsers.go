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

// How long a browser is known after its last log-in, how many a person has at most, how many people
// are known in one, and for how long it can be trusted.
const (
	BrowserRetention = 400 * 24 * time.Hour // what browsers keep a cookie
	MaxBrowsers      = 100
	MaxPeople        = 50
	TrustLifetime    = 30 * 24 * time.Hour
)

// moveGrace is how long the secret of before a log-in is good as well: a second click on the
// button, and a browser that the answer did not reach, still send it.
const moveGrace = time.Minute

// Browsers stores in which browsers people have logged in. A browser is found by a secret that its
// cookie keeps; only the hash is stored. Each log-in gives it another secret.
type Browsers struct {
	db  *sqldb.DB
	now func() time.Time
}

// NewBrowsers returns the browsers in db.
func NewBrowsers(db *sqldb.DB, now func() time.Time) *Browsers { return &Browsers{db, now} }

// NoteLogin notes a log-in of a person in the browser that brought the secret old, or none if that
// is empty, and whose secret is fresh from now on, for everybody who has logged in there. It tells
// whether the person had logged in there before, and whether they had logged in anywhere. Call it
// in the transaction that makes the session.
//
// A secret that somebody planted in the browser is worth nothing to them afterwards: where the
// person was not known by it, it does not become theirs, and where they were, it is good for a
// minute, and not for what the browser is trusted with from now on.
func (s *Browsers) NoteLogin(ctx context.Context, userID, old, fresh, address, userAgent string) (known, first bool, err error) {
	if old != "" {
		if err := s.move(ctx, opaque.Hash(old), opaque.Hash(fresh)); err != nil {
			return false, false, err
		}
	}
	now := sqldb.Micros(s.now())
	rows, err := s.db.Exec(ctx, `UPDATE browsers SET address = $1, user_agent = $2, seen_at = $3
		WHERE user_id = $4 AND browser_hash = $5 AND NOT forgotten`, address, userAgent, now, userID, opaque.Hash(fresh))
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
		rand.Text(), userID, opaque.Hash(fresh), address, userAgent, now); err != nil {
		return false, false, err
	}
	return false, first, s.dropSurplus(ctx, userID, opaque.Hash(fresh))
}

// move gives the browser another secret, for all of its people and their passkeys: one statement,
// so that of two log-ins at once each row goes with one.
func (s *Browsers) move(ctx context.Context, old, fresh []byte) error {
	now := s.now()
	if _, err := s.db.Exec(ctx, `UPDATE browsers
		SET browser_hash = $1, before_hash = $3,
		moved_at = CASE WHEN browser_hash = $3 THEN $2 ELSE moved_at END
		WHERE (browser_hash = $3 OR before_hash = $3 AND moved_at > $4) AND NOT forgotten`,
		fresh, sqldb.Micros(now), old, sqldb.Micros(now.Add(-moveGrace))); err != nil {
		return err
	}
	_, err := s.db.Exec(ctx, `UPDATE passkeys SET browser_hash = $1
		WHERE user_id IN (SELECT user_id FROM browsers WHERE browser_hash = $1) AND browser_hash = $2`, fresh, old)
	return err
}

// dropSurplus keeps the browsers of a person, and the people of a browser, within their bounds.
func (s *Browsers) dropSurplus(ctx context.Context, userID string, browser []byte) error {
	if _, err := s.db.Exec(ctx, `DELETE FROM browsers WHERE id IN (SELECT id FROM browsers
		WHERE user_id = $1 ORDER BY seen_at DESC, id LIMIT 5 OFFSET $2)`, userID, MaxBrowsers); err != nil {
		return err
	}
	_, err := s.db.Exec(ctx, `DELETE FROM browsers WHERE id IN (SELECT id FROM browsers
		WHERE browser_hash = $1 ORDER BY seen_at DESC, id LIMIT 5 OFFSET $2)`, browser, MaxPeople)
	return err
}

// Known returns the id of the browser with this secret if the person has logged in there, and
// whether it stands for the second step; the id is empty if they have not. It stays the same when
// the secret changes.
func (s *Browsers) Known(ctx context.Context, userID, secret string) (id string, trusted bool, err error) {
	now := s.now()
	var until int64
	err = s.db.QueryRow(ctx, `SELECT id, trusted_until FROM browsers
		WHERE user_id = $1 AND NOT forgotten AND (browser_hash = $2 OR before_hash = $2 AND moved_at > $3)
		ORDER BY moved_at DESC LIMIT 1`,
		userID, opaque.Hash(secret), sqldb.Micros(now.Add(-moveGrace))).Scan(&id, &until)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return id, until > sqldb.Micros(now), err
}

// Trust lets the browser with this secret stand for the second step, for [TrustLifetime]; from now
// on no other secret is good for it. ErrNotFound: the person has not logged in there.
func (s *Browsers) Trust(ctx context.Context, userID, secret string) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE browsers SET trusted_until = $1, before_hash = NULL
		WHERE user_id = $2 AND browser_hash = $3 AND NOT forgotten`,
		sqldb.Micros(s.now().Add(TrustLifetime)), userID, opaque.Hash(secret)))
}

// endTrust lets no browser stand for a person's second step any more. Whatever changes what a
// person proves themselves by calls it, in its transaction.
func endTrust(ctx context.Context, db *sqldb.DB, userID string) error {
	_, err := db.Exec(ctx, `UPDATE browsers SET trusted_until = 0
		WHERE user_id = $1 AND trusted_until > 0`, userID)
	return err
}

// forgetAll is endTrust, after which no browser is known for a person's but the one with the secret
// keep; an empty one stands for none. The rows stay, so that the next log-in is no first one, of
// which nobody is told.
func forgetAll(ctx context.Context, db *sqldb.DB, userID, keep string) error {
	if err := endTrust(ctx, db, userID); err != nil {
		return err
	}
	_, err := db.Exec(ctx, `UPDATE browsers SET forgotten = TRUE
		WHERE user_id = $1 AND browser_hash <> $2`, userID, opaque.Hash(keep))
	return err
}

// Distrust ends the trust of a person's browser; the id "" stands for all of them. ErrNotFound: the
// person has none that is trusted.
func (s *Browsers) Distrust(ctx context.Context, userID, id string) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE browsers SET trusted_until = 0
		WHERE user_id = $1 AND trusted_until > 0 AND ($2 = '' OR id = $2)`, userID, id))
}

// TrustedBrowsers returns a person's browsers that stand for the second step, the last seen first.
func (s *Browsers) TrustedBrowsers(ctx context.Context, userID string) ([]Browser, error) {
	return s.list(ctx, userID, s.now())
}

// KnownBrowsers returns the browsers in which a person has logged in, the last seen first.
func (s *Browsers) KnownBrowsers(ctx context.Context, userID string) ([]Browser, error) {
	return s.list(ctx, userID, time.Time{})
}

// list returns the browsers that are trusted for longer than until; zero: or not at all.
func (s *Browsers) list(ctx context.Context, userID string, until time.Time) ([]Browser, error) {
	least := int64(-1)
	if !until.IsZero() {
		least = sqldb.Micros(until)
	}
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (b Browser, err error) {
		var trusted, created, seen int64
		err = rows.Scan(&b.ID, &b.Address, &b.UserAgent, &trusted, &created, &seen)
		b.TrustedUntil, b.CreatedAt, b.SeenAt = sqldb.Time(trusted), sqldb.Time(created), sqldb.Time(seen)
		return b, err
	}, `SELECT id, address, user_agent, trusted_until, created_at, seen_at FROM browsers
		WHERE user_id = $1 AND trusted_until > $2 ORDER BY seen_at DESC, id LIMIT $3`,
		userID, least, MaxBrowsers)
}

// Sweeps lists browsers without a log-in for [BrowserRetention].
func (s *Browsers) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "browsers that are not used any more", Keep: BrowserRetention, Rows: sqldb.Rows{
			Table: "browsers", Key: "id", Where: "seen_at <= $1", Order: "seen_at"}},
	}
}
