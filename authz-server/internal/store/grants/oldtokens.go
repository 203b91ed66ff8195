package grants

import (
	"context"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// OldRefreshToken is a refresh token of the version in which each of them had a row. None is added;
// migrations/0020_refresh.sql says when the table can go, and this file with it.
type OldRefreshToken struct {
	Hash      []byte // of the JWT's signature part
	ID        string // jti
	KeyID     string
	IssuedAt  time.Time
	ExpiresAt time.Time
	UsedAt    time.Time // zero: unused

	// Successor is the hash of what that version exchanged it for. A used token without one was
	// exchanged for the grant's first numbered one.
	Successor []byte
}

// OldRefreshToken returns an old refresh token, even a used or expired one, with its grant.
// ErrNotFound: there is none.
func (s *Grants) OldRefreshToken(ctx context.Context, hash []byte) (OldRefreshToken, Grant, error) {
	var t OldRefreshToken
	var g Grant
	var issued, expires, used int64
	fields, finish := grantFields(&g)
	err := s.db.QueryRow(ctx, `SELECT t.token_hash, t.jti, t.kid, t.issued_at, t.expires_at,
		t.used_at, t.successor, `+grantColumns+`
		FROM refresh_tokens t JOIN grants g ON g.id = t.grant_id `+ofUsable+` WHERE t.token_hash = $1`, hash).
		Scan(append([]any{&t.Hash, &t.ID, &t.KeyID, &issued, &expires, &used, &t.Successor},
			fields...)...)
	if err != nil {
		return OldRefreshToken{}, Grant{}, row.NotFound(err)
	}
	finish()
	t.IssuedAt, t.ExpiresAt, t.UsedAt = sqldb.Time(issued), sqldb.Time(expires), sqldb.Time(used)
	return t, g, nil
}

// RotateOldRefreshToken exchanges an unused old token of a live grant for the grant's first
// numbered one. Of several calls one wins, and the others find next in the grant. The note is of the
// access token that comes with it.
func (s *Grants) RotateOldRefreshToken(ctx context.Context, hash []byte, next RefreshToken, note Note) (won bool, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		// A program of the version before may use it at the same time. It knows no numbers, so
		// that the token's row decides, before the number is written.
		won, err = s.use(ctx, single{
			key: hash,
			grantOf: `(SELECT grant_id FROM refresh_tokens
				WHERE token_hash = $2 AND used_at = 0 AND expires_at > $1)`,
			spend: `UPDATE refresh_tokens SET used_at = $1
				WHERE token_hash = $2 AND used_at = 0 AND expires_at > $1`,
		}, nil, note)
		if err != nil || !won {
			return err
		}
		return row.Changed(s.db.Exec(ctx, `UPDATE grants SET refresh_number = $1, refresh_kid = $2,
			refresh_issued_at = $3, refresh_expires_at = $4, refresh_rotated_at = $5
			WHERE id = (SELECT grant_id FROM refresh_tokens WHERE token_hash = $6)`,
			next.Number, next.KeyID, sqldb.Micros(next.IssuedAt), sqldb.Micros(next.ExpiresAt),
			sqldb.Micros(s.now()), hash))
	})
	return won && err == nil, err
}

// removeOld removes the old refresh tokens of the grants that pick selects, at most sqldb.BatchRows
// of them, and tells how many those were.
func (s *Grants) removeOld(ctx context.Context, pick string, args ...any) (int64, error) {
	return s.db.Exec(ctx, `DELETE FROM refresh_tokens WHERE token_hash IN
		(SELECT t.token_hash FROM (`+pick+`) g
		JOIN refresh_tokens t ON t.grant_id = g.id LIMIT 200)`, args...)
}
