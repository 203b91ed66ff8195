package grants

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// RefreshToken is one refresh token of a grant. Its text is not stored: it can be signed again from
// ID, KeyID and the times.
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

// insertRefreshToken stores a refresh token of a grant that the transaction holds (see
// holdGrantOf).
func (s *Grants) insertRefreshToken(ctx context.Context, t RefreshToken) error {
	_, err := s.db.Exec(ctx, `INSERT INTO refresh_tokens (token_hash, grant_id, jti, kid, issued_at,
		expires_at, used_at, successor)
		VALUES ($1, $2, $3, $4, $5, $6, 0, $7)`,
		t.Hash, t.GrantID, t.ID, t.KeyID, sqldb.Micros(t.IssuedAt), sqldb.Micros(t.ExpiresAt), []byte{})
	return err
}

// RefreshToken returns a refresh token, even a used or expired one, with its grant. ErrNotFound:
// there is none.
func (s *Grants) RefreshToken(ctx context.Context, hash []byte) (RefreshToken, Grant, error) {
	var t RefreshToken
	var g Grant
	var issued, expires, used int64
	fields, finish := grantFields(&g)
	// This must see the newest row, in a transaction or not, so it reads where writes go.
	err := s.db.ExecReturning(ctx, `SELECT t.token_hash, t.grant_id, t.jti, t.kid, t.issued_at,
		t.expires_at, t.used_at, t.successor, `+grantColumns+`
		FROM refresh_tokens t JOIN grants g ON g.id = t.grant_id WHERE t.token_hash = $1`, hash).
		Scan(append([]any{&t.Hash, &t.GrantID, &t.ID, &t.KeyID, &issued, &expires, &used,
			&t.Successor}, fields...)...)
	if err != nil {
		return RefreshToken{}, Grant{}, row.NotFound(err)
	}
	finish()
	t.IssuedAt, t.ExpiresAt, t.UsedAt = sqldb.Time(issued), sqldb.Time(expires), sqldb.Time(used)
	return t, g, nil
}

// RotateRefreshToken exchanges the unused token old for next. Of several calls one wins, and the
// others find next's hash as old's successor. No call wins if the grant has been revoked.
func (s *Grants) RotateRefreshToken(ctx context.Context, old []byte, next RefreshToken) (won bool, err error) {
	return s.use(ctx, single{
		key: old, grantOf: `(SELECT grant_id FROM refresh_tokens WHERE token_hash = $2)`,
		spend: `UPDATE refresh_tokens SET used_at = $1, successor = $2
			WHERE token_hash = $3 AND used_at = 0 AND expires_at > $1`,
		args: []any{sqldb.Micros(s.now()), next.Hash, old},
	}, &next)
}

// RevokeToken remembers until expires that the access token jti is revoked.
func (s *Grants) RevokeToken(ctx context.Context, jti string, expires time.Time) error {
	_, err := s.db.Exec(ctx, `INSERT INTO revoked_tokens (jti, expires_at) VALUES ($1, $2)
		ON CONFLICT DO NOTHING`, jti, sqldb.Micros(expires))
	return err
}

// TokenRevoked tells whether the access token jti itself was revoked.
func (s *Grants) TokenRevoked(ctx context.Context, jti string) (bool, error) {
	var one int
	err := s.db.QueryRow(ctx, `SELECT 1 FROM revoked_tokens WHERE jti = $1`, jti).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
