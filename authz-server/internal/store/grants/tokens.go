package grants

import (
	"context"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// RefreshToken is the newest refresh token of a grant, the one that can be exchanged for the next.
// It is part of the grant's row, and so adds none. Its text is not stored: it can be signed again
// from this and the grant.
type RefreshToken struct {
	Number    int64 // counts the grant's refresh tokens, from 1; 0: it has none
	KeyID     string
	IssuedAt  time.Time
	ExpiresAt time.Time
	RotatedAt time.Time // when the one before it was exchanged for it; zero: it is the first
}

// RotateRefreshToken exchanges a live grant's refresh token for next, whose number is one higher.
// Of several calls one wins, and the others find next in the grant. The note is of the access token
// that comes with it.
func (s *Grants) RotateRefreshToken(ctx context.Context, grantID string, next RefreshToken, note Note) (won bool, err error) {
	now := s.now()
	// No index has one of the columns, so that Postgres changes the row where it is (HOT).
	n, err := s.db.Exec(ctx, `UPDATE grants SET used_at = $1, refresh_number = $2, refresh_kid = $3,
		refresh_issued_at = $4, refresh_expires_at = $5, refresh_rotated_at = $1, `+noteStatus(8)+`
		WHERE id = $6 AND refresh_number = $7 AND refresh_expires_at > $1
		AND revoked_at = 0 AND expires_at > $1`,
		append([]any{sqldb.Micros(now), next.Number, next.KeyID, sqldb.Micros(next.IssuedAt),
			sqldb.Micros(next.ExpiresAt), grantID, next.Number - 1}, note.args(now)...)...)
	return n == 1, err
}

// KeepRefreshToken notes that a live grant is used by its refresh token of that number, which stays
// as it is. It tells whether that is still the one.
func (s *Grants) KeepRefreshToken(ctx context.Context, grantID string, number int64) (kept bool, err error) {
	n, err := s.db.Exec(ctx, `UPDATE grants SET used_at = $1
		WHERE id = $2 AND refresh_number = $3 AND revoked_at = 0 AND expires_at > $1`,
		sqldb.Micros(s.now()), grantID, number)
	return n == 1, err
}
