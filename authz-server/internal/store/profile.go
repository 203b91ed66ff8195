package store

import (
	"context"
	"encoding/json"

	"github.com/maru-auth/maru/internal/sqldb"
)

// EditUser changes what an account says of its person (Name, EmailVerified, Locale and Claims; nothing else) as edit does.
// Between what edit is shown and what is stored nobody else changes the account. An error of edit is returned, and then
// nothing is changed. ErrNotFound: there is no such account.
func (s *Users) EditUser(ctx context.Context, id string, edit func(*User) error) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		// First, because it locks the row: on PostgreSQL two could read the same otherwise.
		if err := changed(s.db.Exec(ctx, `UPDATE users SET updated_at = $1 WHERE id = $2`, sqldb.Micros(s.now()), id)); err != nil {
			return err
		}
		u, err := s.User(ctx, id)
		if err != nil {
			return err
		}
		if err := edit(&u); err != nil {
			return err
		}
		claims, err := json.Marshal(u.Claims)
		if err != nil {
			return err
		}
		return changed(s.db.Exec(ctx, `UPDATE users SET name = $1, email_verified = $2, locale = $3, claims = $4 WHERE id = $5`,
			u.Name, u.EmailVerified, u.Locale, string(claims), id))
	})
}

// ResetPassword replaces a password that nobody could tell, as an operator does: it ends all sessions of the person, and
// revokes all grants, offline ones too, for whoever knew the old password may have made them.
func (s *Users) ResetPassword(ctx context.Context, id, newHash string) error {
	return s.sessions.logouts.tx(ctx, func(ctx context.Context) error {
		if err := changed(s.db.Exec(ctx, `UPDATE users SET password_hash = $1, updated_at = $2 WHERE id = $3`, newHash, sqldb.Micros(s.now()), id)); err != nil {
			return err
		}
		return s.sessions.endAllOf(ctx, id, "")
	})
}
