package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
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

// Code is an authorization code with what the token endpoint has to check (RFC 6749 §4.1.3, RFC 7636 §4.6).
type Code struct {
	Grant         Grant
	Active        bool
	RedirectURI   string // as sent
	CodeChallenge string // S256; empty: none was sent
	Nonce         string
	KeyThumbprint string // the DPoP key that must be proved to redeem it (RFC 9449 §10); empty: any
	ExpiresAt     time.Time
}

// RefreshToken is one refresh token of a grant. It is stored without its text: from ID, KeyID and the times it can be signed again.
type RefreshToken struct {
	Hash      []byte // of the JWT's signature part
	GrantID   string
	ID        string // jti
	KeyID     string
	IssuedAt  time.Time
	ExpiresAt time.Time
	UsedAt    time.Time // zero: unused
	Successor []byte    // hash of the token that it was exchanged for
}

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
// maxGrants to this client by this person the oldest ends.
func (s *Store) CreateGrant(ctx context.Context, g Grant, c *client.Client) error {
	rows, err := s.db.Exec(ctx, `INSERT INTO grants (id, client_id, user_id, session_id, scope, audience, offline, claims, jkt, auth_time, acr, amr, created_at, expires_at, revoked_at, declined)
		SELECT $1, c.id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, $17 FROM clients c WHERE c.id = $2 AND c.removed_at = 0 AND (c.updated_at = $15 OR $16)`,
		g.ID, c.ID, g.UserID, g.SessionID, strings.Join(g.Scope, " "), strings.Join(g.Audience, " "), g.Offline, g.Claims, g.KeyThumbprint,
		sqldb.Micros(g.AuthTime), g.ACR, strings.Join(g.AMR, " "), sqldb.Micros(g.CreatedAt), sqldb.Micros(g.ExpiresAt), sqldb.Micros(c.UpdatedAt), c.Document(), strings.Join(g.Declined, " "))
	if sqldb.IsMissingReference(err) || (err == nil && rows == 0) {
		return ErrStale
	}
	if err != nil {
		return err
	}
	return s.boundGrants(ctx, g.UserID, c.ID)
}

// BindGrant binds a grant's refresh tokens to a DPoP key.
func (s *Store) BindGrant(ctx context.Context, id, thumbprint string) error {
	return changed(s.db.Exec(ctx, `UPDATE grants SET jkt = $1 WHERE id = $2`, thumbprint, id))
}

// CreateCode stores a new authorization code of a stored grant under the code's hash.
func (s *Store) CreateCode(ctx context.Context, hash []byte, c Code) error {
	_, err := s.db.Exec(ctx, `INSERT INTO authorization_codes (code_hash, grant_id, active, redirect_uri, code_challenge, nonce, jkt, expires_at)
		VALUES ($1, $2, true, $3, $4, $5, $6, $7)`,
		hash, c.Grant.ID, c.RedirectURI, c.CodeChallenge, c.Nonce, c.KeyThumbprint, sqldb.Micros(c.ExpiresAt))
	return err
}

// Code returns an authorization code, spent and expired ones too, or ErrNotFound.
func (s *Store) Code(ctx context.Context, hash []byte) (Code, error) {
	var c Code
	var expires int64
	fields, finish := grantFields(&c.Grant)
	err := s.db.QueryRow(ctx, `SELECT c.active, c.redirect_uri, c.code_challenge, c.nonce, c.jkt, c.expires_at, `+grantColumns+`
		FROM authorization_codes c JOIN grants g ON g.id = c.grant_id WHERE c.code_hash = $1`, hash).
		Scan(append([]any{&c.Active, &c.RedirectURI, &c.CodeChallenge, &c.Nonce, &c.KeyThumbprint, &expires}, fields...)...)
	if err != nil {
		return Code{}, notFound(err)
	}
	finish()
	c.ExpiresAt = sqldb.Time(expires)
	return c, nil
}

// RedeemCode spends a code and stores the grant's first refresh token, if there is one. Of several calls one wins. A grant
// that was revoked in the meantime lets nobody win.
func (s *Store) RedeemCode(ctx context.Context, hash []byte, first *RefreshToken) (won bool, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if n, err := s.db.Exec(ctx, holdGrantOf+`(SELECT grant_id FROM authorization_codes WHERE code_hash = $2)`, sqldb.Micros(s.now()), hash); err != nil || n == 0 {
			return err
		}
		n, err := s.db.Exec(ctx, `UPDATE authorization_codes SET active = false, redirect_uri = '', code_challenge = '', nonce = '', jkt = ''
			WHERE code_hash = $1 AND active AND expires_at > $2`,
			hash, sqldb.Micros(s.now()))
		if err != nil || n == 0 {
			return err
		}
		won = true
		if first == nil {
			return nil
		}
		return s.insertRefreshToken(ctx, *first)
	})
	return won && err == nil, err
}

// holdGrantOf begins the statement that locks the grant of a code or token before that is spent, if the grant is live; it then
// stays so until the transaction ends. It comes before the code's or token's own row, for the removal of a client takes them
// in that order. What follows finds the grant's id by the key $2.
const holdGrantOf = `UPDATE grants SET revoked_at = 0 WHERE revoked_at = 0 AND expires_at > $1 AND id = `

// insertRefreshToken stores a refresh token of a grant that holdGrant holds.
func (s *Store) insertRefreshToken(ctx context.Context, t RefreshToken) error {
	_, err := s.db.Exec(ctx, `INSERT INTO refresh_tokens (token_hash, grant_id, jti, kid, issued_at, expires_at, used_at, successor)
		VALUES ($1, $2, $3, $4, $5, $6, 0, $7)`,
		t.Hash, t.GrantID, t.ID, t.KeyID, sqldb.Micros(t.IssuedAt), sqldb.Micros(t.ExpiresAt), []byte{})
	return err
}

// RefreshToken returns a refresh token, used and expired ones too, with its grant, or ErrNotFound.
func (s *Store) RefreshToken(ctx context.Context, hash []byte) (RefreshToken, Grant, error) {
	var t RefreshToken
	var g Grant
	var issued, expires, used int64
	fields, finish := grantFields(&g)
	// In a transaction that spends or in none: the row must be the newest, so it is read where writes go.
	err := s.db.ExecReturning(ctx, `SELECT t.token_hash, t.grant_id, t.jti, t.kid, t.issued_at, t.expires_at, t.used_at, t.successor, `+grantColumns+`
		FROM refresh_tokens t JOIN grants g ON g.id = t.grant_id WHERE t.token_hash = $1`, hash).
		Scan(append([]any{&t.Hash, &t.GrantID, &t.ID, &t.KeyID, &issued, &expires, &used, &t.Successor}, fields...)...)
	if err != nil {
		return RefreshToken{}, Grant{}, notFound(err)
	}
	finish()
	t.IssuedAt, t.ExpiresAt, t.UsedAt = sqldb.Time(issued), sqldb.Time(expires), sqldb.Time(used)
	return t, g, nil
}

// RotateRefreshToken exchanges the unused token old for next. Of several calls one wins; the others find next's hash as
// old's successor. A revoked grant lets nobody win.
func (s *Store) RotateRefreshToken(ctx context.Context, old []byte, next RefreshToken) (won bool, err error) {
	now := sqldb.Micros(s.now())
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if n, err := s.db.Exec(ctx, holdGrantOf+`(SELECT grant_id FROM refresh_tokens WHERE token_hash = $2)`, sqldb.Micros(s.now()), old); err != nil || n == 0 {
			return err
		}
		n, err := s.db.Exec(ctx, `UPDATE refresh_tokens SET used_at = $1, successor = $2
			WHERE token_hash = $3 AND used_at = 0 AND expires_at > $1`, now, next.Hash, old)
		if err != nil || n == 0 {
			return err
		}
		won = true
		return s.insertRefreshToken(ctx, next)
	})
	return won && err == nil, err
}

// ContinueSession counts the use of a refresh token as use of the session that its grant depends on.
// ErrNotFound: the session is over.
func (s *Store) ContinueSession(ctx context.Context, id string) error {
	now := s.now()
	return changed(s.db.Exec(ctx, `UPDATE sessions SET seen_at = $1, idle_expires_at = CASE WHEN expires_at < $2 THEN expires_at ELSE $2 END
		WHERE id = $3 AND idle_expires_at > $1`, sqldb.Micros(now), sqldb.Micros(now.Add(s.sessions.Idle)), id))
}

// Grant returns a grant, revoked and expired ones too, or ErrNotFound: also when its client was removed.
func (s *Store) Grant(ctx context.Context, id string) (Grant, error) {
	var g Grant
	fields, finish := grantFields(&g)
	if err := s.db.QueryRow(ctx, `SELECT `+grantColumns+` FROM grants g JOIN clients c ON c.id = g.client_id AND c.removed_at = 0 WHERE g.id = $1`, id).Scan(fields...); err != nil {
		return Grant{}, notFound(err)
	}
	finish()
	return g, nil
}

// RevokeGrant ends a grant with all its tokens. It tells whether this call did so.
func (s *Store) RevokeGrant(ctx context.Context, id string) (revoked bool, err error) {
	n, err := s.db.Exec(ctx, `UPDATE grants SET revoked_at = $1 WHERE id = $2 AND revoked_at = 0`, sqldb.Micros(s.now()), id)
	return n == 1, err
}

// RevokeToken remembers until expires that the access token jti is revoked.
func (s *Store) RevokeToken(ctx context.Context, jti string, expires time.Time) error {
	_, err := s.db.Exec(ctx, `INSERT INTO revoked_tokens (jti, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING`, jti, sqldb.Micros(expires))
	return err
}

// TokenRevoked tells whether the access token jti was revoked by itself.
func (s *Store) TokenRevoked(ctx context.Context, jti string) (bool, error) {
	var one int
	err := s.db.QueryRow(ctx, `SELECT 1 FROM revoked_tokens WHERE jti = $1`, jti).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// endRetention is how long what has ended stays: a day, in which a use that comes late is told from a forgery in the log.
const endRetention = 24 * time.Hour

// SweepGrants removes what is over, in small batches, and returns how many rows went: grants, with their codes and refresh
// tokens, a day after they expired or were revoked, and those whose code nobody came for; device codes, and
// revocations of tokens that no longer verify. Of a spent code its hash stays for as long as its grant: it must be known again.
func (s *Store) SweepGrants(ctx context.Context) (rows int64, err error) {
	now := s.now()
	for _, sweep := range []struct {
		statement string
		before    time.Time
	}{
		{`DELETE FROM revoked_tokens WHERE jti IN (SELECT jti FROM revoked_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT 200)`, now.Add(-time.Hour)},
		{`DELETE FROM device_codes WHERE device_code_hash IN (SELECT device_code_hash FROM device_codes WHERE expires_at < $1 ORDER BY expires_at LIMIT 200)`, now.Add(-time.Hour)},
	} {
		n, err := s.inBatches(ctx, sweep.statement, sqldb.Micros(sweep.before))
		rows += n
		if err != nil {
			return rows, err
		}
	}
	for _, over := range []string{
		`SELECT id FROM grants WHERE expires_at < $1 ORDER BY expires_at LIMIT 200`,
		`SELECT id FROM grants WHERE revoked_at > 0 AND revoked_at < $1 ORDER BY revoked_at LIMIT 200`,
		`SELECT grant_id AS id FROM authorization_codes WHERE active AND expires_at < $1 ORDER BY expires_at LIMIT 200`,
	} {
		n, _, err := s.removeGrants(ctx, over, sqldb.Micros(now.Add(-endRetention)))
		rows += n
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}
