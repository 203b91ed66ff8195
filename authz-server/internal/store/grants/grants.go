package grants

import (
	"context"
	"database/sql"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Grant is what a person gave to a client by one authorization. Its code, refresh tokens and access tokens live as long as it does.
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
	// KeyThumbprint is the DPoP key that refresh tokens of a public client are bound to (RFC 9449 §5); empty: none.
	KeyThumbprint string
	AuthTime      time.Time
	ACR           string
	AMR           []string
	CreatedAt     time.Time
	ExpiresAt     time.Time
	RevokedAt     time.Time // zero: live
}

// Live tells whether the grant may still be used at the time now.
func (g *Grant) Live(now time.Time) bool { return g.RevokedAt.IsZero() && now.Before(g.ExpiresAt) }

// Grants are what people gave to clients, with their codes and tokens.
type Grants struct {
	db  *sqldb.DB
	now func() time.Time
}

// NewGrants makes them of a database and a clock.
func NewGrants(db *sqldb.DB, now func() time.Time) *Grants { return &Grants{db, now} }

const grantColumns = `g.id, g.client_id, g.user_id, g.session_id, g.scope, g.declined, g.audience, g.offline, g.claims, g.jkt, g.auth_time, g.acr, g.amr, g.created_at, g.expires_at, g.revoked_at`

// grantFields are the destinations of grantColumns; finish turns the raw values into g.
func grantFields(g *Grant) (fields []any, finish func()) {
	var scope, declined, audience, amr string
	var authTime, created, expires, revoked int64
	fields = []any{&g.ID, &g.ClientID, &g.UserID, &g.SessionID, &scope, &declined, &audience, &g.Offline, &g.Claims, &g.KeyThumbprint, &authTime, &g.ACR, &amr, &created, &expires, &revoked}
	return fields, func() {
		g.Scope, g.Declined = strings.Fields(scope), strings.Fields(declined)
		g.Audience, g.AMR = strings.Fields(audience), strings.Fields(amr)
		g.AuthTime, g.CreatedAt = sqldb.Time(authTime), sqldb.Time(created)
		g.ExpiresAt, g.RevokedAt = sqldb.Time(expires), sqldb.Time(revoked)
	}
}

// CreateGrant stores a new grant to the client c, as it was read when the grant was decided. In a
// transaction, c is then not removed before the transaction ends. ErrStale: c has been changed or
// removed since it was read, and what was decided from it may be wrong. (A document client is only
// checked to be there: the document decides, and its row is written anew by every reader.)
//
// Call [Store.ContinueSession] before it in the same transaction, so that whatever ends the session,
// and what was granted in it, comes before and is seen, or after and finds the grant. Of more than
// MaxGrants to this client by this person the oldest ends.
func (s *Grants) CreateGrant(ctx context.Context, g Grant, c *client.Client) error {
	rows, err := s.db.Exec(ctx, `INSERT INTO grants (id, client_id, user_id, session_id, scope, audience, offline, claims, jkt, auth_time, acr, amr, created_at, expires_at, revoked_at, declined)
		SELECT $1, c.id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, $17 FROM clients c WHERE c.id = $2 AND c.removed_at = 0 AND (c.updated_at = $15 OR $16)`,
		g.ID, c.ID, g.UserID, g.SessionID, strings.Join(g.Scope, " "), strings.Join(g.Audience, " "), g.Offline, g.Claims, g.KeyThumbprint,
		sqldb.Micros(g.AuthTime), g.ACR, strings.Join(g.AMR, " "), sqldb.Micros(g.CreatedAt), sqldb.Micros(g.ExpiresAt), sqldb.Micros(c.UpdatedAt), c.Document(), strings.Join(g.Declined, " "))
	if sqldb.IsMissingReference(err) || (err == nil && rows == 0) {
		return row.ErrStale
	}
	if err != nil {
		return err
	}
	return s.bound(ctx, g.UserID, c.ID)
}

// BindGrant binds a grant's refresh tokens to a DPoP key.
func (s *Grants) BindGrant(ctx context.Context, id, thumbprint string) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE grants SET jkt = $1 WHERE id = $2`, thumbprint, id))
}

// spend makes something of a grant single use: it holds the grant that grantOf selects by key, runs spend, and stores the
// token issued for it, if there is one. Of several calls one wins: the one whose spend changes a row. A grant that is over lets nobody win.
func (s *Grants) spend(ctx context.Context, grantOf string, key []byte, issued *RefreshToken, spend func(ctx context.Context) (int64, error)) (won bool, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if n, err := s.db.Exec(ctx, holdGrantOf+grantOf, sqldb.Micros(s.now()), key); err != nil || n == 0 {
			return err
		}
		if n, err := spend(ctx); err != nil || n == 0 {
			return err
		}
		won = true
		if issued == nil {
			return nil
		}
		return s.insertRefreshToken(ctx, *issued)
	})
	return won && err == nil, err
}

// holdGrantOf begins the statement that locks the grant of a code or token before that is spent, if the grant is live; it then
// stays so until the transaction ends. It comes before the code's or token's own row, for the removal of a client takes them
// in that order. What follows finds the grant's id by the key $2.
const holdGrantOf = `UPDATE grants SET revoked_at = 0 WHERE revoked_at = 0 AND expires_at > $1 AND id = `

// Grant returns a grant, revoked and expired ones too, or ErrNotFound: also when its client was removed.
func (s *Grants) Grant(ctx context.Context, id string) (Grant, error) {
	var g Grant
	fields, finish := grantFields(&g)
	if err := s.db.QueryRow(ctx, `SELECT `+grantColumns+` FROM grants g JOIN clients c ON c.id = g.client_id AND c.removed_at = 0 WHERE g.id = $1`, id).Scan(fields...); err != nil {
		return Grant{}, row.NotFound(err)
	}
	finish()
	return g, nil
}

// RevokeGrant ends a grant with all its tokens. It tells whether this call did so.
func (s *Grants) RevokeGrant(ctx context.Context, id string) (revoked bool, err error) {
	n, err := s.db.Exec(ctx, `UPDATE grants SET revoked_at = $1 WHERE id = $2 AND revoked_at = 0`, sqldb.Micros(s.now()), id)
	return n == 1, err
}

// RevokeOfSession ends the grants that were given in a session and do not outlive it.
func (s *Grants) RevokeOfSession(ctx context.Context, id string) error {
	_, err := s.db.Exec(ctx, `UPDATE grants SET revoked_at = $1 WHERE session_id = $2 AND NOT offline AND revoked_at = 0`, sqldb.Micros(s.now()), id)
	return err
}

// bound ends the oldest grants of a person to a client when there are more than MaxGrants.
func (s *Grants) bound(ctx context.Context, userID, clientID string) error {
	_, err := s.db.Exec(ctx, `UPDATE grants SET revoked_at = $1 WHERE revoked_at = 0 AND id IN
		(SELECT id FROM grants WHERE user_id = $2 AND client_id = $3 ORDER BY user_id DESC, client_id DESC, created_at DESC LIMIT 20 OFFSET 500)`,
		sqldb.Micros(s.now()), userID, clientID)
	return err
}

// Remove removes the grants of which pick selects the ids, sqldb.BatchRows at most each time, until it finds no more. It
// returns how many there were, and how many of them were live. With a grant go its codes and its refresh tokens; nobody can
// say how many tokens there are, so they go first, in batches of their own. The two statements are no transaction: whoever
// uses a token locks its grant first and then the token, and one that locks in the other order could meet it in a deadlock.
func (s *Grants) Remove(ctx context.Context, pick string, args ...any) (grants, live int64, err error) {
	now := strconv.FormatInt(sqldb.Micros(s.now()), 10)
	_, err = s.db.Batches(ctx, 1, func(ctx context.Context) (int64, error) {
		tokens, err := s.db.Exec(ctx, `DELETE FROM refresh_tokens WHERE token_hash IN
			(SELECT t.token_hash FROM (`+pick+`) g JOIN refresh_tokens t ON t.grant_id = g.id LIMIT 200)`, args...)
		if err != nil || tokens == sqldb.BatchRows {
			return tokens, err
		}
		var removed []bool
		err = s.db.Tx(ctx, func(ctx context.Context) error {
			removed, err = sqldb.All(ctx, s.db, func(rows *sql.Rows) (live bool, err error) { return live, rows.Scan(&live) },
				`DELETE FROM grants WHERE id IN (`+pick+`) RETURNING revoked_at = 0 AND expires_at > `+now, args...)
			return err
		})
		if err != nil {
			return tokens, err
		}
		for _, one := range removed {
			grants++
			if one {
				live++
			}
		}
		return tokens + int64(len(removed)), nil
	})
	return grants, live, err
}

// MaxGrants is how many grants to one client a person keeps: another one ends the oldest. What ends all of a person's at once,
// such as closing the account, is short work then.
const MaxGrants = 500

// RevokeOfUser ends a person's grants but those that were given in the session except.
func (s *Grants) RevokeOfUser(ctx context.Context, userID, except string) error {
	_, err := s.db.Exec(ctx, `UPDATE grants SET revoked_at = $1 WHERE user_id = $2 AND session_id <> $3 AND revoked_at = 0`,
		sqldb.Micros(s.now()), userID, except)
	return err
}

// revokeToClient ends what a person gave to a client, and returns how many grants that were.
func (s *Grants) revokeToClient(ctx context.Context, userID, clientID string) (revoked int64, err error) {
	return s.db.Exec(ctx, `UPDATE grants SET revoked_at = $1 WHERE user_id = $2 AND client_id = $3 AND revoked_at = 0`,
		sqldb.Micros(s.now()), userID, clientID)
}

// endRetention is how long what has ended stays: a day, in which a use that comes late is told from a forgery in the log.
const endRetention = 24 * time.Hour

// Sweeps are grants, with their codes and refresh tokens, a day after they expired or were revoked, and those whose code
// nobody came for; and revocations of tokens that no longer verify. Of a spent code its hash stays for as long as its grant:
// it must be known again.
func (s *Grants) Sweeps() []sqldb.Sweep {
	over := func(pick string) func(context.Context, time.Time) (int64, error) {
		return func(ctx context.Context, now time.Time) (int64, error) {
			rows, _, err := s.Remove(ctx, pick, sqldb.Micros(now.Add(-endRetention)))
			return rows, err
		}
	}
	const all = math.MaxInt64 // Remove has batches of its own
	return []sqldb.Sweep{
		{Name: "revocations", Keep: time.Hour, Rows: sqldb.Rows{Table: "revoked_tokens", Key: "jti", Where: "expires_at < $1", Order: "expires_at"}},
		{Name: "expired grants", Batch: all,
			Step: over(`SELECT id FROM grants WHERE expires_at < $1 ORDER BY expires_at LIMIT 200`)},
		{Name: "revoked grants", Batch: all,
			Step: over(`SELECT id FROM grants WHERE revoked_at > 0 AND revoked_at < $1 ORDER BY revoked_at LIMIT 200`)},
		{Name: "grants whose code nobody came for", Batch: all,
			Step: over(`SELECT grant_id AS id FROM authorization_codes WHERE active AND expires_at < $1 ORDER BY expires_at LIMIT 200`)},
	}
}
