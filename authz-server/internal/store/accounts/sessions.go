package accounts

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/internal/sqldb"
)

// How long a session lasts unless LimitSessions says otherwise: idle since it was last seen, and in all since log-in.
const (
	SessionIdle     = 12 * time.Hour
	SessionLifetime = 14 * 24 * time.Hour
)

// SessionLimits are how long a session lasts.
type SessionLimits struct{ Idle, Absolute time.Duration }

// LimitSessions sets how long sessions last from now on. Call it before anything else uses the store.
func (s *Sessions) LimitSessions(limits SessionLimits) { s.limits = limits }

// end is when a session of these limits ends if it is not used after now.
func (l SessionLimits) end(now, absolute time.Time) time.Time {
	if idle := now.Add(l.Idle); idle.Before(absolute) {
		return idle
	}
	return absolute
}

// Session is one browser's log-in.
type Session struct {
	ID        string // the "sid" claim; no secret
	UserID    string
	AuthTime  time.Time // when the person proved who they are; whole seconds, as the claim "auth_time" is
	AMR       []string  // how: RFC 8176 values
	ACR       string
	Address   string // the network address at log-in
	UserAgent string // at log-in
	CreatedAt time.Time
	SeenAt    time.Time // to within a few minutes
	ExpiresAt time.Time // absolute
}

// Sessions are the log-ins of people.
type Sessions struct {
	db      *sqldb.DB
	now     func() time.Time
	limits  SessionLimits
	grants  *grants.Grants  // which end with their session
	logouts *outbox.Logouts // and which clients are told
}

// NewSessions makes them of a database and a clock, with what ends when they do. They last for [SessionIdle] and
// [SessionLifetime].
func NewSessions(db *sqldb.DB, now func() time.Time, grants *grants.Grants, logouts *outbox.Logouts) *Sessions {
	return &Sessions{db, now, SessionLimits{SessionIdle, SessionLifetime}, grants, logouts}
}

const sessionColumns = `s.id, s.user_id, s.auth_time, s.amr, s.acr, s.address, s.user_agent, s.created_at, s.seen_at, s.expires_at`

type sessionRow struct {
	Session
	amr                              string
	authTime, created, seen, expires int64
}

func (r *sessionRow) into() []any {
	return []any{&r.ID, &r.UserID, &r.authTime, &r.amr, &r.ACR, &r.Address, &r.UserAgent, &r.created, &r.seen, &r.expires}
}

func (r *sessionRow) session() Session {
	r.AMR = strings.Fields(r.amr)
	r.AuthTime, r.CreatedAt, r.SeenAt, r.ExpiresAt = sqldb.Time(r.authTime), sqldb.Time(r.created), sqldb.Time(r.seen), sqldb.Time(r.expires)
	return r.Session
}

// CreateSession logs a person in: it stores a session for in.UserID with AMR, ACR, Address and UserAgent of in, and returns
// it with the cookie's value, which is kept nowhere. If in.ID names a live session of the same person, that one goes on under
// its id, with everything else new, the cookie too. checkedHash is the password hash that the person's password was checked
// against. Of more than MaxSessions the one used least recently ends. ErrNotFound: the account has been disabled, or its password changed, since then.
func (s *Sessions) CreateSession(ctx context.Context, in Session, checkedHash string) (session Session, cookie string, err error) {
	now := s.now().UTC().Truncate(time.Microsecond)
	cookie = opaque.New()
	in.AuthTime, in.CreatedAt, in.SeenAt, in.ExpiresAt = now.Truncate(time.Second), now, now, now.Add(s.limits.Absolute)
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		// Changing nothing, this locks the row: disabling the account or changing its password comes before or after, never between.
		if err := row.Changed(s.db.Exec(ctx, `UPDATE users SET disabled = disabled WHERE id = $1 AND NOT disabled AND password_hash = $2`, in.UserID, checkedHash)); err != nil {
			return err
		}
		if in.ID != "" {
			rows, err := s.db.Exec(ctx, `UPDATE sessions SET cookie_hash = $1, auth_time = $2, amr = $3, acr = $4, address = $5, user_agent = $6,
				created_at = $7, seen_at = $7, idle_expires_at = $8, expires_at = $9 WHERE id = $10 AND user_id = $11 AND idle_expires_at > $7`,
				opaque.Hash(cookie), sqldb.Micros(in.AuthTime), strings.Join(in.AMR, " "), in.ACR, in.Address, in.UserAgent,
				sqldb.Micros(now), sqldb.Micros(s.limits.end(now, in.ExpiresAt)), sqldb.Micros(in.ExpiresAt), in.ID, in.UserID)
			if err != nil || rows == 1 {
				return err
			}
		}
		in.ID = rand.Text()
		_, err := s.db.Exec(ctx, `INSERT INTO sessions (id, cookie_hash, user_id, auth_time, amr, acr, address, user_agent, created_at, seen_at, idle_expires_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11)`,
			in.ID, opaque.Hash(cookie), in.UserID, sqldb.Micros(in.AuthTime), strings.Join(in.AMR, " "), in.ACR, in.Address, in.UserAgent,
			sqldb.Micros(now), sqldb.Micros(s.limits.end(now, in.ExpiresAt)), sqldb.Micros(in.ExpiresAt))
		if err != nil {
			return err
		}
		return s.endSurplus(ctx, in.UserID)
	})
	if err != nil {
		return Session{}, "", err
	}
	return in, cookie, nil
}

// MaxSessions is how many live sessions a person has: those used last.
const MaxSessions = 100

// endSurplus ends what a person has beyond MaxSessions. A right password can be sent again and again.
func (s *Sessions) endSurplus(ctx context.Context, userID string) error {
	ids, err := sqldb.All(ctx, s.db, row.Text,
		`SELECT id FROM sessions WHERE user_id = $1 AND idle_expires_at > $2 ORDER BY seen_at DESC, id LIMIT 5 OFFSET $3`, userID, sqldb.Micros(s.now()), MaxSessions)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.EndSession(ctx, id); err != nil && !errors.Is(err, row.ErrNotFound) {
			return err
		}
	}
	return nil
}

// SessionByCookie returns the live session with this cookie and its person. ErrNotFound: unknown, expired, or the account is disabled.
func (s *Sessions) SessionByCookie(ctx context.Context, cookie string) (Session, User, error) {
	var row sessionRow
	user, err := scanUser(s.db.QueryRow(ctx, `SELECT `+userColumns+`, `+sessionColumns+` FROM sessions s JOIN users u ON u.id = s.user_id
		WHERE s.cookie_hash = $1 AND s.idle_expires_at > $2 AND NOT u.disabled`, opaque.Hash(cookie), sqldb.Micros(s.now())).Scan, row.into()...)
	if err != nil {
		return Session{}, User{}, err
	}
	return row.session(), user, nil
}

// TouchSession notes that the session is in use, which moves its idle end. It writes nothing when that was noted less than every ago.
func (s *Sessions) TouchSession(ctx context.Context, session Session, every time.Duration) error {
	now := s.now()
	if now.Sub(session.SeenAt) < every {
		return nil
	}
	_, err := s.db.Exec(ctx, `UPDATE sessions SET seen_at = $1, idle_expires_at = $2 WHERE id = $3 AND seen_at < $1 AND idle_expires_at > $1`,
		sqldb.Micros(now), sqldb.Micros(s.limits.end(now, session.ExpiresAt)), session.ID)
	return err
}

// SessionsOf returns a person's live sessions, the last seen first, at most 100.
func (s *Sessions) SessionsOf(ctx context.Context, userID string) ([]Session, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (Session, error) {
		var row sessionRow
		err := rows.Scan(row.into()...)
		return row.session(), err
	}, `SELECT `+sessionColumns+` FROM sessions s WHERE s.user_id = $1 AND s.idle_expires_at > $2 ORDER BY s.seen_at DESC, s.id LIMIT $3`,
		userID, sqldb.Micros(s.now()), MaxSessions)
}

// EndSession ends a session and, in the same transaction, revokes its grants that do not outlive it and queues what its
// clients are to be told. ErrNotFound: no such session, or it has ended already.
func (s *Sessions) EndSession(ctx context.Context, id string) error {
	return s.endOne(ctx, `id = $1`, id)
}

// EndSessionOf is EndSession for a session that must be userID's: another person's is ErrNotFound.
func (s *Sessions) EndSessionOf(ctx context.Context, userID, id string) error {
	return s.endOne(ctx, `id = $1 AND user_id = $2`, id, userID)
}

func (s *Sessions) endOne(ctx context.Context, condition string, args ...any) error {
	return s.logouts.Tx(ctx, func(ctx context.Context) error {
		ended, err := s.endSessions(ctx, condition, args...)
		return row.Changed(int64(ended), err)
	})
}

// EndSessionsOf ends all sessions of a person but the one with the id except ("": all), and revokes
// all grants that were not given in it. Offline ones go too: they outlive their session, but a person
// who ends all others means to be alone, and whoever sat in one of them may have made any of them.
// ErrNotFound: the session except has itself ended.
func (s *Sessions) EndSessionsOf(ctx context.Context, userID, except string) error {
	return s.logouts.Tx(ctx, func(ctx context.Context) error {
		if except != "" {
			// Of two sessions that end each other at once, the person's row lets one be first.
			if err := row.Changed(s.db.Exec(ctx, `UPDATE users SET disabled = disabled WHERE id = $1`, userID)); err != nil {
				return err
			}
			if err := row.Changed(s.db.Exec(ctx, `UPDATE sessions SET user_id = user_id WHERE id = $1 AND user_id = $2 AND idle_expires_at > $3`,
				except, userID, sqldb.Micros(s.now()))); err != nil {
				return err
			}
		}
		return s.endAllOf(ctx, userID, except)
	})
}

// endAllOf does the work of EndSessionsOf in the caller's transaction.
func (s *Sessions) endAllOf(ctx context.Context, userID, except string) error {
	// First the sessions, whose rows every new grant holds: a grant that is under way is there
	// before its session can go, and so before the second statement looks.
	if _, err := s.endSessions(ctx, `user_id = $1 AND id <> $2`, userID, except); err != nil {
		return err
	}
	return s.grants.RevokeOfUser(ctx, userID, except)
}

// endSessions ends the sessions of which the condition holds: they go, their grants that do not outlive them are revoked, and
// every client of theirs that wants to be told gets a delivery. It runs in the caller's transaction, so that what was ended
// is told even if the process dies next, and it is the one place where sessions end but by expiry.
func (s *Sessions) endSessions(ctx context.Context, condition string, args ...any) (ended int, err error) {
	type key struct{ id, user string }
	sessions, err := sqldb.All(ctx, s.db, func(rows *sql.Rows) (k key, err error) { return k, rows.Scan(&k.id, &k.user) },
		`DELETE FROM sessions WHERE `+condition+` RETURNING id, user_id`, args...)
	if err != nil {
		return 0, err
	}
	for _, session := range sessions {
		if err := s.grants.RevokeOfSession(ctx, session.id); err != nil {
			return 0, err
		}
		if err := s.logouts.TellOfEnd(ctx, session.user, session.id); err != nil {
			return 0, err
		}
	}
	return len(sessions), nil
}

// ContinueSession counts the use of a refresh token as use of the session that its grant depends on.
// ErrNotFound: the session is over.
func (s *Sessions) ContinueSession(ctx context.Context, id string) error {
	now := s.now()
	return row.Changed(s.db.Exec(ctx, `UPDATE sessions SET seen_at = $1, idle_expires_at = CASE WHEN expires_at < $2 THEN expires_at ELSE $2 END
		WHERE id = $3 AND idle_expires_at > $1`, sqldb.Micros(now), sqldb.Micros(now.Add(s.limits.Idle)), id))
}

// Sweeps are the sessions that have expired. The grants that do not outlive them are revoked.
func (s *Sessions) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{{Name: "expired sessions", Step: s.sweepExpired, Batch: sessionBatch}}
}

func (s *Sessions) sweepExpired(ctx context.Context, at time.Time) (rows int64, err error) {
	now := sqldb.Micros(at)
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		ids, err := sqldb.All(ctx, s.db, row.Text,
			`SELECT id FROM sessions WHERE idle_expires_at <= $1 ORDER BY idle_expires_at LIMIT 40`, now)
		if err != nil {
			return err
		}
		for _, id := range ids {
			n, err := s.db.Exec(ctx, `DELETE FROM sessions WHERE id = $1 AND idle_expires_at <= $2`, id, now)
			if err != nil {
				return err
			}
			rows += n
			if n == 1 {
				if err := s.grants.RevokeOfSession(ctx, id); err != nil {
					return err
				}
				// Nobody logged out: an application's own session lasts as long as the application says, and nobody is told.
				if err := s.logouts.ForgetSession(ctx, id); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return rows, err
}

// sessionBatch is how many sessions one transaction ends: each takes several statements.
const sessionBatch = 40

// EndEverySession ends all sessions, in batches, and returns how many there were. Their clients are told as usual.
func (s *Sessions) EndEverySession(ctx context.Context) (ended int64, err error) {
	return s.db.Batches(ctx, sessionBatch, func(ctx context.Context) (rows int64, err error) {
		err = s.logouts.Tx(ctx, func(ctx context.Context) error {
			n, err := s.endSessions(ctx, `id IN (SELECT id FROM sessions ORDER BY id LIMIT 40)`)
			rows = int64(n)
			return err
		})
		return rows, err
	})
}
