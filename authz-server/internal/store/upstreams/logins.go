package upstreams

import (
	"context"
	"database/sql"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// How long somebody may take at an upstream, and how long they may take then to make an account or
// to prove that they have one.
const (
	LoginLifetime   = 15 * time.Minute
	ArrivalLifetime = 15 * time.Minute
)

// Purpose is what somebody goes to an upstream for.
type Purpose string

// The purposes.
const (
	LogIn   Purpose = "login"
	Confirm Purpose = "confirm" // a person who is logged in proves again who they are
	Link    Purpose = "link"    // a person who is logged in wants to log in there from now on
	LogOut  Purpose = "logout"  // somebody who logged out here logs out there, too
)

// Login is a log-in that is under way at an upstream.
type Login struct {
	Upstream    string
	Issuer      string
	Purpose     Purpose
	UserID      string    // who it has to be; empty: whoever comes back
	SessionID   string    // theirs
	Interaction string    // whence they come; of LogOut: the address where they go on
	CreatedAt   time.Time // set by the store
}

// Begin stores a log-in that the browser with this secret begins, under the state that goes to the
// upstream. Only hashes of the two are stored.
func (s *Upstreams) Begin(ctx context.Context, state, browser string, l Login) error {
	now := s.now()
	_, err := s.db.Exec(ctx, `INSERT INTO upstream_logins (state_hash, browser_hash, upstream, issuer, purpose, user_id,
		session_id, interaction, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		opaque.Hash(state), opaque.Hash(browser), l.Upstream, l.Issuer, string(l.Purpose),
		sql.NullString{String: l.UserID, Valid: l.UserID != ""}, l.SessionID, l.Interaction,
		sqldb.Micros(now), sqldb.Micros(now.Add(LoginLifetime)))
	return err
}

// Spend ends a log-in that comes back from an upstream; of several calls one succeeds. ErrNotFound:
// it is unknown, spent or expired, or was begun in another browser or for another upstream.
func (s *Upstreams) Spend(ctx context.Context, state, browser, upstream string) (l Login, err error) {
	l.Upstream = upstream
	var created int64
	err = s.db.ExecReturning(ctx, `DELETE FROM upstream_logins
		WHERE state_hash = $1 AND browser_hash = $2 AND upstream = $3 AND expires_at > $4
		RETURNING issuer, purpose, COALESCE(user_id, ''), session_id, interaction, created_at`,
		opaque.Hash(state), opaque.Hash(browser), upstream, sqldb.Micros(s.now())).Scan(
		&l.Issuer, &l.Purpose, &l.UserID, &l.SessionID, &l.Interaction, &created)
	l.CreatedAt = sqldb.Time(created)
	return l, row.NotFound(err)
}

// Arrival is somebody who logged in at an upstream, whose identity there is nobody's yet.
type Arrival struct {
	Upstream    string
	Issuer      string
	Data        string // JSON of package upstream
	Interaction string
	CreatedAt   time.Time // set by the store
}

// Arrive keeps an arrival in the browser with this secret, in place of the one before.
func (s *Upstreams) Arrive(ctx context.Context, browser string, a Arrival) error {
	now := s.now()
	_, err := s.db.Exec(ctx, `INSERT INTO upstream_arrivals (browser_hash, upstream, issuer, data, interaction, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (browser_hash) DO UPDATE SET upstream = $2, issuer = $3, data = $4,
		interaction = $5, created_at = $6, expires_at = $7`,
		opaque.Hash(browser), a.Upstream, a.Issuer, a.Data, a.Interaction,
		sqldb.Micros(now), sqldb.Micros(now.Add(ArrivalLifetime)))
	return err
}

// Arrival returns that of a browser. ErrNotFound: there is none, or it has expired.
func (s *Upstreams) Arrival(ctx context.Context, browser string) (a Arrival, err error) {
	var created int64
	err = s.db.QueryRow(ctx, `SELECT upstream, issuer, data, interaction, created_at FROM upstream_arrivals
		WHERE browser_hash = $1 AND expires_at > $2`, opaque.Hash(browser), sqldb.Micros(s.now())).Scan(
		&a.Upstream, &a.Issuer, &a.Data, &a.Interaction, &created)
	a.CreatedAt = sqldb.Time(created)
	return a, row.NotFound(err)
}

// SpendArrival ends the arrival that was read. Call it in the transaction of what it is for: of
// several calls one succeeds. ErrNotFound: it is spent, or another has taken its place.
func (s *Upstreams) SpendArrival(ctx context.Context, browser string, a Arrival) error {
	return row.Changed(s.db.Exec(ctx, `DELETE FROM upstream_arrivals WHERE browser_hash = $1 AND created_at = $2 AND data = $3`,
		opaque.Hash(browser), sqldb.Micros(a.CreatedAt), a.Data))
}
