package accounts

import (
	"context"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// ResetPassword replaces a password without asking for the old one, as an operator does, or
// somebody in the browser with the secret browser; empty: in none that is known. It ends all
// sessions of the person and revokes all grants, offline ones too: anybody who knew the old
// password may have made them. For the same reason no browser is trusted any more, and none but
// that one is known.
func (s *Users) ResetPassword(ctx context.Context, id, newHash, browser string) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if err := row.Changed(s.db.Exec(ctx, `UPDATE users SET password_hash = $1, updated_at = $2
			WHERE id = $3`, newHash, sqldb.Micros(s.now()), id)); err != nil {
			return err
		}
		if err := forgetAll(ctx, s.db, id, browser); err != nil {
			return err
		}
		return s.sessions.endAllOf(ctx, id, "")
	})
}

// RehashPassword stores the same password under newer parameters. ErrNotFound: it was changed in
// between.
func (s *Users) RehashPassword(ctx context.Context, id, oldHash, newHash string) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE users SET password_hash = $1
		WHERE id = $2 AND password_hash = $3`, newHash, id, oldHash))
}

// ChangePassword replaces the password that oldHash stands for; an empty one stands for none. It
// ends every session of the person but keepSession, every grant but those given in it (see
// [Sessions.EndSessionsOf]), and the trust of all browsers. keepSession gets a new cookie, which
// ChangePassword returns, so that somebody who stole the old one is out as well. ErrNotFound: the
// password is another by now, or keepSession has ended.
func (s *Users) ChangePassword(ctx context.Context, id, oldHash, newHash, keepSession string) (cookie string, err error) {
	now := sqldb.Micros(s.now())
	cookie = opaque.New()
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if err := row.Changed(s.db.Exec(ctx, `UPDATE users SET password_hash = $1, updated_at = $2
			WHERE id = $3 AND password_hash = $4`,
			newHash, now, id, oldHash)); err != nil {
			return err
		}
		if err := row.Changed(s.db.Exec(ctx, `UPDATE sessions SET cookie_hash = $1
			WHERE id = $2 AND user_id = $3 AND idle_expires_at > $4`,
			opaque.Hash(cookie), keepSession, id, now)); err != nil {
			return err
		}
		if err := endTrust(ctx, s.db, id); err != nil {
			return err
		}
		return s.sessions.endAllOf(ctx, id, keepSession)
	})
	if err != nil {
		return "", err
	}
	return cookie, nil
}
