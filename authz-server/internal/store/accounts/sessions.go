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
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/internal/sqldb"
)

// How long a session lasts unless LimitSessions says otherwise: idle counts from its last use,
// lifetime from log-in.
const (
	SessionIdle     = 12 * time.Hour
	SessionLifetime = 14 * 24 * time.Hour
)

// SessionLimits are how long a session lasts unused (Idle) and in all (Absolute).
type SessionLimits struct{ Idle, Absolute time.Duration }

// LimitSessions sets how long sessions last. Call it before anything else uses the store.
func (s *Sessions) LimitSessions(limits SessionLimits) { s.limits = limits }

// end is when a session ends if it is not used after now.
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

	SeenAddress string    // the network address at SeenAt; empty: not known to be another than Address
	ExpiresAt   time.Time // absolute
}

// Sessions stores log-ins.
type Sessions struct {
	db      *sqldb.DB
	now     func() time.Time
	limits  SessionLimits
	grants  *grants.Grants  // which end with their session
	logouts *outbox.Logouts // and which clients are told
	events  *streams.Streams
}

// NewSessions returns the sessions in db. What ends with a session is in grants and logouts, and
// events tells receivers of it. They last for [SessionIdle] and [SessionLifetime].
func NewSessions(
	db *sqldb.DB, now func() time.Time, grants *grants.Grants, logouts *outbox.Logouts, events *streams.Streams,
) *Sessions {
	return &Sessions{db, now, SessionLimits{SessionIdle, SessionLifetime}, grants, logouts, events}
}

// Why sessions end, as receivers of events are told (CAEP §2).
var (
	loggedOut       = streams.Cause{By: streams.ByPerson, Reason: "The person ended the session."}
	tooManySessions = streams.Cause{By: streams.ByPolicy, Reason: "The person has too many sessions."}
	endedByAdmin    = streams.Cause{By: streams.ByAdmin, Reason: "An administrator ended all sessions."}
	oneEndedByAdmin = streams.Cause{By: streams.ByAdmin, Reason: "An administrator ended the session."}
	endedUpstream   = streams.Cause{By: streams.ByPolicy, Reason: "The session at another provider ended, by which the person logged in."}
	disabledAccount = streams.Cause{By: streams.ByAdmin, Reason: "The account was disabled."}
	changedPassword = streams.Cause{By: streams.ByPerson, Reason: "The password was changed."}
	resetPassword   = streams.Cause{Reason: "The password was reset."}
	plannedDeletion = streams.Cause{Reason: "The account waits to be deleted."}
	deletedAccount  = streams.Cause{Reason: "The account was deleted."}
)

const sessionColumns = `s.id, s.user_id, s.auth_time, s.amr, s.acr, s.address, s.user_agent,
	s.created_at, s.seen_at, s.expires_at, s.seen_address`

type sessionRow struct {
	Session
	amr                              string
	authTime, created, seen, expires int64
}

func (r *sessionRow) into() []any {
	return []any{&r.ID, &r.UserID, &r.authTime, &r.amr, &r.ACR, &r.Address, &r.UserAgent,
		&r.created, &r.seen, &r.expires, &r.SeenAddress}
}

func (r *sessionRow) session() Session {
	r.AMR = strings.Fields(r.amr)
	r.AuthTime, r.CreatedAt = sqldb.Time(r.authTime), sqldb.Time(r.created)
	r.SeenAt, r.ExpiresAt = sqldb.Time(r.seen), sqldb.Time(r.expires)
	return r.Session
}

// CreateSession logs a person in. It stores a session for in.UserID with AMR, ACR, Address, UserAgent
// and, if it is not zero or to come, AuthTime of in, and returns it with the value of its cookie, which is stored nowhere. If in.ID
// names a live session of the same person, that session goes on under its id, with everything else
// new, its cookie too. checkedHash is the password hash that the password was checked against. The
// session beyond MaxSessions that was used least recently ends. ErrNotFound: the account was
// disabled, or its password changed, since the check.
func (s *Sessions) CreateSession(
	ctx context.Context, in Session, checkedHash string,
) (session Session, cookie string, err error) {
	now := s.now().UTC().Truncate(time.Microsecond)
	cookie = opaque.New()
	if in.AuthTime.IsZero() || in.AuthTime.After(now) {
		in.AuthTime = now
	}
	in.AuthTime, in.CreatedAt, in.SeenAt = in.AuthTime.UTC().Truncate(time.Second), now, now
	in.ExpiresAt = now.Add(s.limits.Absolute)
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		// This changes nothing and locks the row: disabling the account or changing its password
		// happens before or after, never in between.
		if err := row.Changed(s.db.Exec(ctx, `UPDATE users SET disabled = disabled
			WHERE id = $1 AND NOT disabled AND password_hash = $2`,
			in.UserID, checkedHash)); err != nil {
			return err
		}
		if in.ID != "" {
			if renewed, err := s.renew(ctx, in, cookie); err != nil || renewed {
				return err
			}
		}
		in.ID = rand.Text()
		if err := s.insert(ctx, in, cookie); err != nil {
			return err
		}
		return s.endSurplus(ctx, in.UserID)
	})
	if err != nil {
		return Session{}, "", err
	}
	return in, cookie, nil
}

// renew makes the live session in.ID of in.UserID a new log-in, if there is such a session.
func (s *Sessions) renew(ctx context.Context, in Session, cookie string) (renewed bool, err error) {
	rows, err := s.db.Exec(ctx, `UPDATE sessions
		SET cookie_hash = $1, auth_time = $2, amr = $3, acr = $4, address = $5, user_agent = $6, seen_address = '',
		created_at = $7, seen_at = $7, idle_expires_at = $8, expires_at = $9
		WHERE id = $10 AND user_id = $11 AND idle_expires_at > $7`,
		opaque.Hash(cookie), sqldb.Micros(in.AuthTime),
		strings.Join(in.AMR, " "), in.ACR, in.Address, in.UserAgent,
		sqldb.Micros(in.CreatedAt), sqldb.Micros(s.limits.end(in.CreatedAt, in.ExpiresAt)),
		sqldb.Micros(in.ExpiresAt), in.ID, in.UserID)
	return rows == 1, err
}

func (s *Sessions) insert(ctx context.Context, in Session, cookie string) error {
	_, err := s.db.Exec(ctx, `INSERT INTO sessions (id, cookie_hash, user_id, auth_time, amr,
		acr, address, user_agent, created_at, seen_at, idle_expires_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11)`,
		in.ID, opaque.Hash(cookie), in.UserID, sqldb.Micros(in.AuthTime),
		strings.Join(in.AMR, " "), in.ACR, in.Address, in.UserAgent,
		sqldb.Micros(in.CreatedAt), sqldb.Micros(s.limits.end(in.CreatedAt, in.ExpiresAt)),
		sqldb.Micros(in.ExpiresAt))
	return err
}

// RaiseSession notes that the person of a live session has proved more: amr and acr are what they
// have proved altogether. The session keeps its id and the time of its log-in, and gets a new
// cookie, which RaiseSession returns. ErrNotFound: the session is over, or the account was
// disabled.
func (s *Sessions) RaiseSession(ctx context.Context, in Session, amr []string, acr string) (cookie string, err error) {
	cookie = opaque.New()
	return cookie, s.db.Tx(ctx, func(ctx context.Context) error {
		if err := row.Changed(s.db.Exec(ctx, `UPDATE users SET disabled = disabled
			WHERE id = $1 AND NOT disabled`, in.UserID)); err != nil {
			return err
		}
		return row.Changed(s.db.Exec(ctx, `UPDATE sessions
			SET cookie_hash = $1, amr = $2, acr = $3
			WHERE id = $4 AND user_id = $5 AND idle_expires_at > $6`,
			opaque.Hash(cookie), strings.Join(amr, " "), acr, in.ID, in.UserID, sqldb.Micros(s.now())))
	})
}

// MaxSessions is how many live sessions a person can have; the least recently used ones end.
const MaxSessions = 100

// endSurplus ends a person's sessions beyond MaxSessions: somebody who knows the password can log
// in again and again.
func (s *Sessions) endSurplus(ctx context.Context, userID string) error {
	ids, err := sqldb.All(ctx, s.db, row.Text,
		`SELECT id FROM sessions WHERE user_id = $1 AND idle_expires_at > $2
			ORDER BY seen_at DESC, id LIMIT 5 OFFSET $3`,
		userID, sqldb.Micros(s.now()), MaxSessions)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.endOne(ctx, tooManySessions, `id = $1`, id); err != nil && !errors.Is(err, row.ErrNotFound) {
			return err
		}
	}
	return nil
}

// SessionByCookie returns the live session with this cookie, and its person. ErrNotFound: it is
// unknown or has expired, or the account is disabled.
func (s *Sessions) SessionByCookie(ctx context.Context, cookie string) (Session, User, error) {
	var row sessionRow
	user, err := scanUser(s.db.QueryRow(ctx, `SELECT `+userColumns+`, `+sessionColumns+`
		FROM sessions s JOIN users u ON u.id = s.user_id
		WHERE s.cookie_hash = $1 AND s.idle_expires_at > $2 AND NOT u.disabled`,
		opaque.Hash(cookie), sqldb.Micros(s.now())).Scan, row.into()...)
	if err != nil {
		return Session{}, User{}, err
	}
	return row.session(), user, nil
}

// Session returns a live session by its id. ErrNotFound: there is none.
func (s *Sessions) Session(ctx context.Context, id string) (Session, error) {
	var r sessionRow
	if err := s.db.QueryRow(ctx, `SELECT `+sessionColumns+` FROM sessions s
		WHERE s.id = $1 AND s.idle_expires_at > $2`, id, sqldb.Micros(s.now())).Scan(r.into()...); err != nil {
		return Session{}, row.NotFound(err)
	}
	return r.session(), nil
}

// TouchSession notes that the session is in use, from a network address, which moves its idle end.
// It writes nothing if the last note is younger than every.
func (s *Sessions) TouchSession(ctx context.Context, session Session, address string, every time.Duration) error {
	now := s.now()
	if now.Sub(session.SeenAt) < every {
		return nil
	}
	_, err := s.db.Exec(ctx, `UPDATE sessions SET seen_at = $1, idle_expires_at = $2, seen_address = $3
		WHERE id = $4 AND seen_at < $1 AND idle_expires_at > $1`,
		sqldb.Micros(now), sqldb.Micros(s.limits.end(now, session.ExpiresAt)), address, session.ID)
	return err
}

// SessionsOf returns a person's live sessions, the last seen first, at most [MaxSessions].
func (s *Sessions) SessionsOf(ctx context.Context, userID string) ([]Session, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (Session, error) {
		var row sessionRow
		err := rows.Scan(row.into()...)
		return row.session(), err
	}, `SELECT `+sessionColumns+` FROM sessions s WHERE s.user_id = $1 AND s.idle_expires_at > $2
		ORDER BY s.seen_at DESC, s.id LIMIT $3`,
		userID, sqldb.Micros(s.now()), MaxSessions)
}

// Owner returns whose a session is that has not ended. ErrNotFound: it has.
func (s *Sessions) Owner(ctx context.Context, id string) (userID string, err error) {
	err = s.db.QueryRow(ctx, `SELECT user_id FROM sessions WHERE id = $1`, id).Scan(&userID)
	return userID, row.NotFound(err)
}

// EndSession ends a session. In the same transaction it revokes the grants that do not outlive it
// and queues what its clients are to be told. ErrNotFound: there is no such session, or it has
// ended already.
func (s *Sessions) EndSession(ctx context.Context, id string) error {
	return s.endOne(ctx, loggedOut, `id = $1`, id)
}

// EndSessionOf is EndSession for a session of userID. ErrNotFound also stands for another person's
// session.
func (s *Sessions) EndSessionOf(ctx context.Context, userID, id string) error {
	return s.endOne(ctx, loggedOut, `id = $1 AND user_id = $2`, id, userID)
}

// EndSessionByAdmin is EndSessionOf for an operator.
func (s *Sessions) EndSessionByAdmin(ctx context.Context, userID, id string) error {
	return s.endOne(ctx, oneEndedByAdmin, `id = $1 AND user_id = $2`, id, userID)
}

// EndSessionByUpstream is EndSession for another provider, by which the person logged in.
func (s *Sessions) EndSessionByUpstream(ctx context.Context, id string) error {
	return s.endOne(ctx, endedUpstream, `id = $1`, id)
}

// EndSessionsByAdmin is EndSessionsOf for an operator, who ends all sessions of a person.
func (s *Sessions) EndSessionsByAdmin(ctx context.Context, userID string) error {
	return s.db.Tx(ctx, func(ctx context.Context) error { return s.endAllOf(ctx, endedByAdmin, userID, "") })
}

func (s *Sessions) endOne(ctx context.Context, why streams.Cause, condition string, args ...any) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		ended, err := s.endSessions(ctx, why, condition, args...)
		return row.Changed(int64(ended), err)
	})
}

// EndSessionsOf ends all sessions of a person but except ("" ends all), and revokes all grants that
// were not given in except. That includes offline grants, which outlive their session: a person who
// ends all other sessions wants everybody else out, and somebody else may have made any of those
// grants. ErrNotFound: except has itself ended.
func (s *Sessions) EndSessionsOf(ctx context.Context, userID, except string) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if except != "" {
			// If two sessions end each other at once, the lock on the person's row lets one of them
			// go first.
			if err := row.Changed(s.db.Exec(ctx, `UPDATE users SET disabled = disabled
				WHERE id = $1`, userID)); err != nil {
				return err
			}
			if err := row.Changed(s.db.Exec(ctx, `UPDATE sessions SET user_id = user_id
				WHERE id = $1 AND user_id = $2 AND idle_expires_at > $3`,
				except, userID, sqldb.Micros(s.now()))); err != nil {
				return err
			}
		}
		return s.endAllOf(ctx, loggedOut, userID, except)
	})
}

// endAllOf does the work of EndSessionsOf in the caller's transaction.
func (s *Sessions) endAllOf(ctx context.Context, why streams.Cause, userID, except string) error {
	// The sessions go first. Every new grant holds its session's row, so a grant under way is there
	// before its session can go, and the second statement finds it.
	if _, err := s.endSessions(ctx, why, `user_id = $1 AND id <> $2`, userID, except); err != nil {
		return err
	}
	return s.grants.RevokeOfUser(ctx, userID, except)
}

// endSessions ends the sessions that meet the condition: it deletes them, revokes the grants that
// do not outlive them, and queues a delivery for every client that wants to be told. It runs in the
// caller's transaction, so that clients are told even if the process dies next. Sessions end
// nowhere else, except by expiring.
func (s *Sessions) endSessions(
	ctx context.Context, why streams.Cause, condition string, args ...any,
) (ended int, err error) {
	type key struct{ id, user string }
	sessions, err := sqldb.All(ctx, s.db,
		func(rows *sql.Rows) (k key, err error) { return k, rows.Scan(&k.id, &k.user) },
		`DELETE FROM sessions WHERE `+condition+` RETURNING id, user_id`, args...)
	if err != nil {
		return 0, err
	}
	for _, session := range sessions {
		if err := s.grants.RevokeOfSession(ctx, session.id); err != nil {
			return 0, err
		}
		clients, err := s.logouts.TellOfEnd(ctx, session.user, session.id)
		if err != nil {
			return 0, err
		}
		if err := s.events.Emit(ctx, streams.Event{Type: streams.SessionRevoked, UserID: session.user,
			Detail: streams.Detail{Cause: why, Session: session.id, Clients: clients}}); err != nil {
			return 0, err
		}
	}
	return len(sessions), nil
}

// ContinueSession counts the use of a refresh token as use of the session that its grant depends
// on. ErrNotFound: the session is over.
func (s *Sessions) ContinueSession(ctx context.Context, id string) error {
	now := s.now()
	return row.Changed(s.db.Exec(ctx, `UPDATE sessions
		SET seen_at = $1, idle_expires_at = CASE WHEN expires_at < $2 THEN expires_at ELSE $2 END
		WHERE id = $3 AND idle_expires_at > $1`,
		sqldb.Micros(now), sqldb.Micros(now.Add(s.limits.Idle)), id))
}

// Sweeps lists expired sessions. Their grants that are not offline are revoked.
func (s *Sessions) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{{Name: "expired sessions", Step: s.sweepExpired, Batch: sessionBatch}}
}

func (s *Sessions) sweepExpired(ctx context.Context, at time.Time) (rows int64, err error) {
	now := sqldb.Micros(at)
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		rows = 0
		ids, err := sqldb.All(ctx, s.db, row.Text,
			`SELECT id FROM sessions WHERE idle_expires_at <= $1 ORDER BY idle_expires_at LIMIT 20`,
			now)
		if err != nil {
			return err
		}
		for _, id := range ids {
			n, err := s.db.Exec(ctx, `DELETE FROM sessions WHERE id = $1 AND idle_expires_at <= $2`,
				id, now)
			if err != nil {
				return err
			}
			rows += n
			if n == 1 {
				if err := s.grants.RevokeOfSession(ctx, id); err != nil {
					return err
				}
				// Nobody logged out, so no client is told: an app's own session lasts as long as
				// the app says.
				if err := s.logouts.ForgetSession(ctx, id); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return rows, err
}

// sessionBatch is how many sessions one transaction ends, with several statements each.
const sessionBatch = 20

// EndEverySession ends all sessions, in batches, and returns how many there were. It tells clients
// as EndSession does.
func (s *Sessions) EndEverySession(ctx context.Context) (ended int64, err error) {
	return s.db.Batches(ctx, sessionBatch, func(ctx context.Context) (rows int64, err error) {
		err = s.db.Tx(ctx, func(ctx context.Context) error {
			n, err := s.endSessions(ctx, endedByAdmin, `id IN (SELECT id FROM sessions ORDER BY id LIMIT 20)`)
			rows = int64(n)
			return err
		})
		return rows, err
	})
}
