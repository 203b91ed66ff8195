// Package grants stores what people let clients do: consents, and the grants made from them with
// their authorization codes, refresh tokens and revocations. The requests of devices, which wait
// for a grant, are here too.
package grants

import (
	"context"
	"database/sql"
	"hash/crc32"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Grant is what a person gave a client by one authorization. Its code, refresh tokens and access
// tokens live no longer than the grant does.
type Grant struct {
	ID        string
	ClientID  string
	UserID    string
	SessionID string // the login session that it was given in
	Scope     []string
	Declined  []string // what was asked for and not granted, of scopes
	Audience  []string
	Offline   bool   // outlives its session
	Claims    string // the authorization's parameter "claims" (OIDC Core §5.5), or empty
	// KeyThumbprint is the DPoP key to which the refresh tokens of a public client are bound (RFC
	// 9449 §5). Empty: none.
	KeyThumbprint string
	AuthTime      time.Time
	ACR           string
	AMR           []string
	CreatedAt     time.Time
	ExpiresAt     time.Time
	RevokedAt     time.Time // zero: live
	Refresh       RefreshToken
	// Statuses are those of the access tokens issued since StatusesSince, as noted (see Note).
	Statuses      string
	StatusesSince time.Time
	Epoch         int64 // counts how often its tokens were revoked while it goes on
	// ClientUpdatedAt is the version of its client when the grant was read.
	ClientUpdatedAt time.Time
}

// Live tells whether the grant can be used at the time now.
func (g *Grant) Live(now time.Time) bool { return g.RevokedAt.IsZero() && now.Before(g.ExpiresAt) }

// Grants stores what people gave clients, with its codes and tokens.
type Grants struct {
	db  *sqldb.DB
	now func() time.Time
}

// NewGrants returns the grants in db.
func NewGrants(db *sqldb.DB, now func() time.Time) *Grants { return &Grants{db, now} }

// grantColumns are of grants as g and, by ofUsable, of clients as c.
const grantColumns = `g.id, g.client_id, g.user_id, g.session_id, g.scope, g.declined, g.audience,
	g.offline, g.claims, g.jkt, g.auth_time, g.acr, g.amr, g.created_at, g.expires_at, g.revoked_at,
	g.refresh_number, g.refresh_kid, g.refresh_issued_at, g.refresh_expires_at, g.refresh_rotated_at,
	g.statuses, g.statuses_since, g.epoch, c.updated_at`

// grantFields are the destinations of grantColumns; finish turns the raw values into g.
func grantFields(g *Grant) (fields []any, finish func()) {
	var scope, declined, audience, amr string
	var authTime, created, expires, revoked, issued, idle, rotated, statuses, updated int64
	fields = []any{&g.ID, &g.ClientID, &g.UserID, &g.SessionID, &scope, &declined, &audience,
		&g.Offline, &g.Claims, &g.KeyThumbprint, &authTime, &g.ACR, &amr, &created, &expires,
		&revoked, &g.Refresh.Number, &g.Refresh.KeyID, &issued, &idle, &rotated,
		&g.Statuses, &statuses, &g.Epoch, &updated}
	return fields, func() {
		g.Scope, g.Declined = strings.Fields(scope), strings.Fields(declined)
		g.Audience, g.AMR = strings.Fields(audience), strings.Fields(amr)
		g.AuthTime, g.CreatedAt = sqldb.Time(authTime), sqldb.Time(created)
		g.ExpiresAt, g.RevokedAt = sqldb.Time(expires), sqldb.Time(revoked)
		g.Refresh.IssuedAt, g.Refresh.ExpiresAt = sqldb.Time(issued), sqldb.Time(idle)
		g.Refresh.RotatedAt, g.StatusesSince = sqldb.Time(rotated), sqldb.Time(statuses)
		g.ClientUpdatedAt = sqldb.Time(updated)
	}
}

// CreateGrant stores a new grant to the client c, as c was read when the grant was decided. In a
// transaction, c is then not removed before the transaction ends. ErrStale: c was changed,
// removed or disabled since it was read, so what was decided from it may be wrong. (A document client only has
// to be there: its document decides, and every reader writes its row anew.)
//
// Call [accounts.Sessions.ContinueSession] before it in the same transaction. What ends the session
// and its grants then comes before and is seen, or comes after and finds the grant. Of a person's
// grants to one client beyond MaxGrants, the oldest end, some at a time.
func (s *Grants) CreateGrant(ctx context.Context, g Grant, c *client.Client) error {
	rows, err := s.db.Exec(ctx, `INSERT INTO grants (id, client_id, user_id, session_id, scope,
		audience, offline, claims, jkt, auth_time, acr, amr, created_at, expires_at, revoked_at,
		declined)
		SELECT $1, c.id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, $17 FROM clients c
		WHERE c.id = $2 AND c.removed_at = 0 AND c.disabled_at = 0 AND (c.updated_at = $15 OR $16)`,
		g.ID, c.ID, g.UserID, g.SessionID, strings.Join(g.Scope, " "),
		strings.Join(g.Audience, " "), g.Offline, g.Claims, g.KeyThumbprint,
		sqldb.Micros(g.AuthTime), g.ACR, strings.Join(g.AMR, " "), sqldb.Micros(g.CreatedAt),
		sqldb.Micros(g.ExpiresAt), sqldb.Micros(c.UpdatedAt), c.Document(),
		strings.Join(g.Declined, " "))
	if sqldb.IsMissingReference(err) || (err == nil && rows == 0) {
		return row.ErrStale
	}
	if err != nil {
		return err
	}
	if !bounds(g.ID) {
		return nil
	}
	return s.bound(ctx, g.UserID, c.ID)
}

// BindGrant binds a grant's refresh tokens to a DPoP key.
func (s *Grants) BindGrant(ctx context.Context, id, thumbprint string) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE grants SET jkt = $1 WHERE id = $2`, thumbprint, id))
}

// single is a code or token that can be used once. Its statements know the time as $1 and it as $2.
type single struct {
	key     []byte
	grantOf string // selects the id of its grant, while it is unused
	spend   string // marks it as used
}

// use spends a code or token and stores the grant's first refresh token, unless that is nil. Of
// several calls one wins: the one whose spend changes a row. No call wins if the grant is over. The
// note is of the access token that is issued with it.
func (s *Grants) use(ctx context.Context, one single, first *RefreshToken, note Note) (won bool, err error) {
	now, noted := sqldb.Micros(s.now()), note.args(s.now())
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		won = false // an earlier try, which was undone, may have
		var n int64
		var err error
		if first == nil {
			n, err = s.db.Exec(ctx, holdGrantOf+one.grantOf, append([]any{now, one.key}, noted...)...)
		} else {
			n, err = s.db.Exec(ctx, beginRefreshOf+one.grantOf, append([]any{now, one.key, first.Number,
				first.KeyID, sqldb.Micros(first.IssuedAt), sqldb.Micros(first.ExpiresAt)}, noted...)...)
		}
		if err != nil || n == 0 {
			return err
		}
		n, err = s.db.Exec(ctx, one.spend, now, one.key)
		won = n == 1
		return err
	})
	return won && err == nil, err
}

// These begin the statement that notes the use of a grant, by a code or token, and locks it if it
// is live, so that it stays live until the transaction ends. Run it before you touch the row of the
// code or token: the removal of a client locks in that order. What follows selects the grant's id.
// The second writes the grant's first refresh token too, and finds no grant that has one.
var (
	holdGrantOf = `UPDATE grants SET used_at = $1, ` + noteStatus(3) + `
		WHERE revoked_at = 0 AND expires_at > $1 AND id = `
	beginRefreshOf = `UPDATE grants SET used_at = $1, refresh_number = $3, refresh_kid = $4,
		refresh_issued_at = $5, refresh_expires_at = $6, ` + noteStatus(7) + `
		WHERE refresh_number = 0 AND revoked_at = 0 AND expires_at > $1 AND id = `
)

// ofUsable joins the client of a grant, if the client is there, not disabled, and its secret was not
// rotated as compromised since the grant began.
const ofUsable = `JOIN clients c ON c.id = g.client_id AND c.removed_at = 0 AND c.disabled_at = 0
	AND g.created_at >= c.grants_since`

// Grant returns a grant, even a revoked or expired one. ErrNotFound: there is none, or its client
// was removed or disabled, or ended it with all the grants it had.
func (s *Grants) Grant(ctx context.Context, id string) (Grant, error) {
	var g Grant
	fields, finish := grantFields(&g)
	if err := s.db.QueryRow(ctx, `SELECT `+grantColumns+` FROM grants g
		`+ofUsable+` WHERE g.id = $1`,
		id).Scan(fields...); err != nil {
		return Grant{}, row.NotFound(err)
	}
	finish()
	return g, nil
}

// RevokeGrant ends a grant with all its tokens. It tells whether this call did so.
func (s *Grants) RevokeGrant(ctx context.Context, id string) (revoked bool, err error) {
	n, err := s.end(ctx, `id = $1`, id)
	return n == 1, err
}

// RevokeOfSession ends the grants that were given in a session and do not outlive it.
func (s *Grants) RevokeOfSession(ctx context.Context, id string) error {
	_, err := s.end(ctx, `session_id = $1 AND NOT offline`, id)
	return err
}

// bounds tells whether the grant with the id, which is random, ends those beyond MaxGrants: one in 16
// does, since it has to pass over all that stay.
func bounds(id string) bool { return crc32.ChecksumIEEE([]byte(id))%16 == 0 }

// bound ends a person's oldest grants to a client beyond MaxGrants.
func (s *Grants) bound(ctx context.Context, userID, clientID string) error {
	_, err := s.end(ctx, `id IN
		(SELECT id FROM grants WHERE user_id = $1 AND client_id = $2
		ORDER BY user_id DESC, client_id DESC, created_at DESC LIMIT 100 OFFSET 500)`,
		userID, clientID)
	return err
}

// Remove removes the grants whose ids pick selects, at most sqldb.BatchRows at a time, until it
// selects none. It returns how many there were, and how many of them were live. A grant's code goes
// with it, and its access tokens are revoked if it was live. So would its old refresh tokens (see
// removeOld), which go first, in batches of their own: a grant can have any number of them. The two statements share no transaction: a request that
// uses a token locks the grant before the token, so locking in the other order could deadlock.
func (s *Grants) Remove(ctx context.Context, pick string, args ...any) (grants, live int64, err error) {
	now := strconv.FormatInt(sqldb.Micros(s.now()), 10)
	_, err = s.db.Batches(ctx, 1, func(ctx context.Context) (int64, error) {
		tokens, err := s.removeOld(ctx, pick, args...)
		if err != nil || tokens == sqldb.BatchRows {
			return tokens, err
		}
		var gone []removed
		err = s.db.Tx(ctx, func(ctx context.Context) error {
			gone, err = sqldb.All(ctx, s.db, func(rows *sql.Rows) (g removed, err error) {
				return g, rows.Scan(&g.id, &g.statuses, &g.until, &g.live)
			}, `DELETE FROM grants WHERE id IN (`+pick+`)
				RETURNING id, statuses_before || statuses, statuses_until,
				revoked_at = 0 AND expires_at > `+now, args...)
			for _, one := range gone {
				if err == nil {
					err = s.revokeRemoved(ctx, one)
				}
			}
			return err
		})
		if err != nil {
			return tokens, err
		}
		for _, one := range gone {
			grants++
			if one.live {
				live++
			}
		}
		return tokens + int64(len(gone)), nil
	})
	return grants, live, err
}

// MaxGrants is how many grants to one client a person keeps: of more, the oldest end before there are
// many more. It keeps short what ends all of a person's grants at once, such as disabling the account.
const MaxGrants = 500

// RevokeOfUser ends a person's grants but those given in the session except.
func (s *Grants) RevokeOfUser(ctx context.Context, userID, except string) error {
	_, err := s.end(ctx, `user_id = $1 AND session_id <> $2`, userID, except)
	return err
}

// revokeToClient ends what a person gave a client and returns how many grants that were.
func (s *Grants) revokeToClient(ctx context.Context, userID, clientID string) (revoked int64, err error) {
	return s.end(ctx, `user_id = $1 AND client_id = $2`, userID, clientID)
}

// endRetention is how long a grant stays after its end. For that long, the log can tell late use
// from forgery.
const endRetention = 24 * time.Hour

// Sweeps lists grants, with their codes and tokens, endRetention after they expired or were
// revoked; grants whose code nobody redeemed; and revocations of tokens that have expired since.
// The hash of a spent code stays as long as its grant, so that a replay is recognized.
func (s *Grants) Sweeps() []sqldb.Sweep {
	over := func(pick string) func(context.Context, time.Time) (int64, error) {
		return func(ctx context.Context, now time.Time) (int64, error) {
			rows, _, err := s.Remove(ctx, pick, sqldb.Micros(now.Add(-endRetention)))
			return rows, err
		}
	}
	const all = math.MaxInt64 // Remove has batches of its own
	return []sqldb.Sweep{
		{Name: "revocations", Keep: time.Hour, Rows: sqldb.Rows{
			Table: "revoked_tokens", Key: "jti", Where: "expires_at < $1", Order: "expires_at"}},
		{Name: "expired grants", Batch: all,
			Step: over(`SELECT id FROM grants WHERE expires_at < $1
				ORDER BY expires_at LIMIT 50`)},
		{Name: "revoked grants", Batch: all,
			Step: over(`SELECT id FROM grants WHERE revoked_at > 0 AND revoked_at < $1
				ORDER BY revoked_at LIMIT 50`)},
		{Name: "grants whose code nobody redeemed", Batch: all,
			Step: over(`SELECT grant_id AS id FROM authorization_codes
				WHERE active AND expires_at < $1 ORDER BY expires_at LIMIT 50`)},
	}
}
