package accounts

import (
	"context"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
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
		if err := credentialChanged(ctx, s.events, id, "password", "update"); err != nil {
			return err
		}
		return s.sessions.endAllOf(ctx, resetPassword, id, "")
	})
}

// credentialChanged tells receivers that a person has a new credential, another one, or one less: in
// the words of CAEP §3.3.1.
func credentialChanged(ctx context.Context, events *streams.Streams, userID, credential, change string) error {
	return events.Emit(ctx, streams.Event{Type: streams.CredentialChange, UserID: userID, Detail: streams.Detail{
		Cause:          streams.Cause{Reason: "The way in which the person proves who they are was changed."},
		CredentialType: credential, ChangeType: change}})
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
		change := "update"
		if oldHash == "" {
			change = "create"
		}
		if err := credentialChanged(ctx, s.events, id, "password", change); err != nil {
			return err
		}
		return s.sessions.endAllOf(ctx, changedPassword, id, keepSession)
	})
	if err != nil {
		return "", err
	}
	return cookie, nil
}
