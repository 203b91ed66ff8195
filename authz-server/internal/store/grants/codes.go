package grants

import (
	"context"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Code is an authorization code and what the token endpoint checks about it (RFC 6749 §4.1.3, RFC
// 7636 §4.6).
type Code struct {
	Grant         Grant
	Active        bool
	RedirectURI   string // as sent
	CodeChallenge string // S256; empty: none was sent
	Nonce         string
	KeyThumbprint string // the DPoP key that must be proved to redeem it (RFC 9449 §10); empty: any
	ExpiresAt     time.Time
}

// CreateCode stores a new code of a stored grant, under the code's hash.
func (s *Grants) CreateCode(ctx context.Context, hash []byte, c Code) error {
	_, err := s.db.Exec(ctx, `INSERT INTO authorization_codes (code_hash, grant_id, active,
		redirect_uri, code_challenge, nonce, jkt, expires_at)
		VALUES ($1, $2, true, $3, $4, $5, $6, $7)`,
		hash, c.Grant.ID, c.RedirectURI, c.CodeChallenge, c.Nonce, c.KeyThumbprint, sqldb.Micros(c.ExpiresAt))
	return err
}

// Code returns an authorization code, even a spent or expired one. ErrNotFound: there is none.
func (s *Grants) Code(ctx context.Context, hash []byte) (Code, error) {
	var c Code
	var expires int64
	fields, finish := grantFields(&c.Grant)
	err := s.db.QueryRow(ctx, `SELECT code.active, code.redirect_uri, code.code_challenge, code.nonce, code.jkt,
		code.expires_at, `+grantColumns+`
		FROM authorization_codes code JOIN grants g ON g.id = code.grant_id `+ofUsable+`
		WHERE code.code_hash = $1`,
		hash).Scan(append([]any{&c.Active, &c.RedirectURI, &c.CodeChallenge, &c.Nonce,
		&c.KeyThumbprint, &expires}, fields...)...)
	if err != nil {
		return Code{}, row.NotFound(err)
	}
	finish()
	c.ExpiresAt = sqldb.Time(expires)
	return c, nil
}

// RedeemCode spends a code and stores the grant's first refresh token, unless first is nil. Of
// several calls one wins. No call wins if the grant has been revoked. The note is of the access token
// that the code is exchanged for.
func (s *Grants) RedeemCode(ctx context.Context, hash []byte, first *RefreshToken, note Note) (won bool, err error) {
	return s.use(ctx, single{
		key: hash,
		grantOf: `(SELECT grant_id FROM authorization_codes
			WHERE code_hash = $2 AND active AND expires_at > $1)`,
		spend: `UPDATE authorization_codes
			SET active = false, redirect_uri = '', code_challenge = '', nonce = '', jkt = ''
			WHERE code_hash = $2 AND active AND expires_at > $1`,
	}, first, note)
}
