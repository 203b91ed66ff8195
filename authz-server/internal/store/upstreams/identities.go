package upstreams

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// MaxIdentities is how many a person can have.
const MaxIdentities = 20

// ErrLastWay says that a person could not log in any more without an identity.
var ErrLastWay = errors.New("it is the last way in")

// Identity is who a person is at an upstream.
type Identity struct {
	ID        string // set by Link
	Upstream  string
	Issuer    string
	Subject   string
	UserID    string
	Label     string // by which the person knows it
	CreatedAt time.Time
	UsedAt    time.Time // zero: not yet
}

const identityColumns = `i.id, i.upstream, i.issuer, i.subject, i.user_id, i.label, i.created_at, i.used_at`

func scanIdentity(scan func(...any) error) (i Identity, err error) {
	var created, used int64
	err = scan(&i.ID, &i.Upstream, &i.Issuer, &i.Subject, &i.UserID, &i.Label, &created, &used)
	i.CreatedAt, i.UsedAt = sqldb.Time(created), sqldb.Time(used)
	return i, row.NotFound(err)
}

// Identity returns the one that an upstream knows by a subject. ErrNotFound: nobody has it.
func (s *Upstreams) Identity(ctx context.Context, upstream, issuer, subject string) (Identity, error) {
	return scanIdentity(s.db.QueryRow(ctx, `SELECT `+identityColumns+` FROM identities i
		WHERE i.upstream = $1 AND i.issuer = $2 AND i.subject = $3`, upstream, issuer, subject).Scan)
}

// IdentitiesOf returns those of a person, the oldest first.
func (s *Upstreams) IdentitiesOf(ctx context.Context, userID string) ([]Identity, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (Identity, error) { return scanIdentity(rows.Scan) },
		`SELECT `+identityColumns+` FROM identities i WHERE i.user_id = $1 ORDER BY i.created_at, i.id LIMIT 100`, userID)
}

// hold locks a person's row, so that what is decided about their ways in stays so until the
// transaction ends.
func (s *Upstreams) hold(ctx context.Context, userID string) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE users SET disabled = disabled WHERE id = $1`, userID))
}

// Link makes an identity that of a person, and returns it. ErrExists: somebody has it, perhaps that
// person. ErrNotFound: there is no such person, or the upstream is disabled or gone. ErrTooMany.
func (s *Upstreams) Link(ctx context.Context, i Identity) (Identity, error) {
	i.ID = rand.Text()
	i.CreatedAt = s.now().UTC().Truncate(time.Microsecond)
	return i, s.db.Tx(ctx, func(ctx context.Context) error {
		if err := s.hold(ctx, i.UserID); err != nil {
			return err
		}
		if err := row.Changed(s.db.Exec(ctx, `UPDATE upstreams SET disabled = disabled
			WHERE name = $1 AND NOT disabled`, i.Upstream)); err != nil {
			return err
		}
		present, err := s.IdentitiesOf(ctx, i.UserID)
		if err != nil {
			return err
		}
		if len(present) >= MaxIdentities {
			return ErrTooMany
		}
		return row.Added(s.db.Exec(ctx, `INSERT INTO identities (id, upstream, issuer, subject, user_id, label, created_at, used_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 0) ON CONFLICT DO NOTHING`,
			i.ID, i.Upstream, i.Issuer, i.Subject, i.UserID, i.Label, sqldb.Micros(i.CreatedAt)))
	})
}

// NoteUse notes a log-in by an identity, whose label may be another by now. ErrNotFound: the person
// does not have it any more, or the upstream was disabled, or made another provider. Call it in the
// transaction of the log-in.
func (s *Upstreams) NoteUse(ctx context.Context, i Identity) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE identities SET used_at = $1, label = $2 WHERE id = $3 AND user_id = $4
		AND EXISTS (SELECT 1 FROM upstreams u WHERE u.name = identities.upstream AND NOT u.disabled
			AND (u.issuer = '' OR u.issuer = identities.issuer))`,
		sqldb.Micros(s.now()), i.Label, i.ID, i.UserID))
}

// Unlink takes an identity from a person, and returns it. ErrNotFound: they do not have it.
// ErrLastWay: they have no password, no passkey, and no other identity that an upstream takes which is
// enabled.
func (s *Upstreams) Unlink(ctx context.Context, userID, id string) (Identity, error) {
	return s.unlink(ctx, userID, id, false)
}

// UnlinkAnyway is Unlink for an identity that may be the last way in.
func (s *Upstreams) UnlinkAnyway(ctx context.Context, userID, id string) (Identity, error) {
	return s.unlink(ctx, userID, id, true)
}

func (s *Upstreams) unlink(ctx context.Context, userID, id string, anyway bool) (gone Identity, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		gone = Identity{}
		if err := s.hold(ctx, userID); err != nil {
			return err
		}
		var err error
		if gone, err = scanIdentity(s.db.QueryRow(ctx, `SELECT `+identityColumns+` FROM identities i
			WHERE i.id = $1 AND i.user_id = $2`, id, userID).Scan); err != nil {
			return err
		}
		var other bool
		if err := s.db.QueryRow(ctx, `SELECT u.password_hash <> '' OR u.passkey OR EXISTS (
			SELECT 1 FROM identities i JOIN upstreams p ON p.name = i.upstream
			WHERE i.user_id = u.id AND i.id <> $1 AND NOT p.disabled
			AND (p.issuer = '' OR p.issuer = i.issuer)) FROM users u WHERE u.id = $2`,
			id, userID).Scan(&other); err != nil {
			return row.NotFound(err)
		}
		if !other && !anyway {
			return ErrLastWay
		}
		return row.Changed(s.db.Exec(ctx, `DELETE FROM identities WHERE id = $1 AND user_id = $2`, id, userID))
	})
	return gone, err
}

// UnlinkAll takes all identities from a person, whatever other ways in they have.
func (s *Upstreams) UnlinkAll(ctx context.Context, userID string) error {
	_, err := s.db.Exec(ctx, `DELETE FROM identities WHERE user_id = $1`, userID)
	return err
}

// Linked is a person who has an identity at an upstream.
type Linked struct {
	UserID string
	Only   bool // they have no password, no passkey, and no identity at another upstream that is enabled
}

// LinkedTo returns the people of up to limit identities at an upstream. Who has two of them is there
// twice.
func (s *Upstreams) LinkedTo(ctx context.Context, name string, limit int) ([]Linked, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (l Linked, err error) {
		return l, rows.Scan(&l.UserID, &l.Only)
	}, `SELECT i.user_id, COALESCE((SELECT u.password_hash = '' AND NOT u.passkey FROM users u WHERE u.id = i.user_id), FALSE)
			AND NOT EXISTS (SELECT 1 FROM identities o JOIN upstreams p ON p.name = o.upstream
				WHERE o.user_id = i.user_id AND o.upstream <> $1 AND NOT p.disabled
				AND (p.issuer = '' OR p.issuer = o.issuer))
		FROM identities i WHERE i.upstream = $1 ORDER BY i.upstream, i.issuer, i.subject LIMIT $2`, name, limit)
}
