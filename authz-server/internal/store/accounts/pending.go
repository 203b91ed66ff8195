package accounts

import (
	"context"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/internal/sqldb"
)

// PendingLifetime is how long a log-in waits for its second step.
const PendingLifetime = 10 * time.Minute

// PendingLogin is a log-in whose password was right, or that came from an upstream, and that owes a
// second step. It opens nothing.
type PendingLogin struct {
	User        User
	CheckedHash string            // the password hash at that time
	AMR         []string          // what was proved
	From        *upstreams.Origin // the log-in at an upstream; nil: it is none
	CreatedAt   time.Time
}

// Pending stores log-ins that owe a second step, one for each browser.
type Pending struct {
	db  *sqldb.DB
	now func() time.Time
}

// NewPending returns the log-ins in db.
func NewPending(db *sqldb.DB, now func() time.Time) *Pending { return &Pending{db, now} }

// BeginLogin stores that user proved amr, such as their password, in the browser with this secret. from
// is the log-in at an upstream; nil: it is none. It replaces what the browser had begun before.
func (s *Pending) BeginLogin(ctx context.Context, browser string, user User, amr []string, from *upstreams.Origin) error {
	now, at := s.now(), upstreams.Origin{}
	if from != nil {
		at = *from
	}
	_, err := s.db.Exec(ctx, `INSERT INTO pending_logins (browser_hash, user_id, password_hash,
		created_at, expires_at, amr, origin, upstream, issuer, subject, sid)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (browser_hash) DO UPDATE SET user_id = $2, password_hash = $3, created_at = $4,
		expires_at = $5, amr = $6, origin = $7, upstream = $8, issuer = $9, subject = $10, sid = $11`,
		opaque.Hash(browser), user.ID, user.PasswordHash,
		sqldb.Micros(now), sqldb.Micros(now.Add(PendingLifetime)), strings.Join(amr, " "), from.Text(),
		at.Upstream, at.Issuer, at.Subject, at.Session)
	return err
}

// EndFrom ends the log-ins that began by the session from.Session at an upstream, or, if that is empty,
// by any of from.Subject.
func (s *Pending) EndFrom(ctx context.Context, from upstreams.Origin) error {
	if from.Session != "" {
		_, err := s.db.Exec(ctx, `DELETE FROM pending_logins
			WHERE upstream = $1 AND issuer = $2 AND sid = $3 AND sid <> '' AND ($4 = '' OR subject = $4)`,
			from.Upstream, from.Issuer, from.Session, from.Subject)
		return err
	}
	_, err := s.db.Exec(ctx, `DELETE FROM pending_logins
		WHERE upstream = $1 AND issuer = $2 AND subject = $3 AND upstream <> ''`, from.Upstream, from.Issuer, from.Subject)
	return err
}

// PendingLogin returns what the browser has begun. ErrNotFound: nothing, or it has expired, or the
// account was disabled or got another password since.
func (s *Pending) PendingLogin(ctx context.Context, browser string) (PendingLogin, error) {
	var p PendingLogin
	var created int64
	var amr, origin string
	var err error
	p.User, err = scanUser(s.db.QueryRow(ctx, `SELECT `+userColumns+`, p.password_hash, p.created_at, p.amr, p.origin
		FROM pending_logins p JOIN users u ON u.id = p.user_id
		WHERE p.browser_hash = $1 AND p.expires_at > $2 AND NOT u.disabled
		AND u.password_hash = p.password_hash`,
		opaque.Hash(browser), sqldb.Micros(s.now())).Scan, &p.CheckedHash, &created, &amr, &origin)
	if err != nil {
		return PendingLogin{}, err
	}
	p.AMR = strings.Fields(amr)
	p.CreatedAt = sqldb.Time(created)
	p.From, err = upstreams.ParseOrigin(origin)
	return p, err
}

// EndLogin forgets what the browser has begun. Call it in the transaction that makes the session:
// of several calls at once, one succeeds. ErrNotFound: there is nothing.
func (s *Pending) EndLogin(ctx context.Context, browser string) error {
	return row.Changed(s.db.Exec(ctx, `DELETE FROM pending_logins
		WHERE browser_hash = $1 AND expires_at > $2`, opaque.Hash(browser), sqldb.Micros(s.now())))
}

// Sweeps lists expired log-ins.
func (s *Pending) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "log-ins without a second step", Rows: sqldb.Rows{
			Table: "pending_logins", Key: "browser_hash", Where: "expires_at <= $1", Order: "expires_at"}},
	}
}
