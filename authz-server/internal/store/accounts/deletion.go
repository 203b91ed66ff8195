package accounts

import (
	"context"
	"database/sql"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/internal/sqldb"
)

// DeletionDelay is how long an account waits to be deleted, so that its person can think again, or
// find out that somebody else asked for it.
const DeletionDelay = 7 * 24 * time.Hour

// PlanDeletion lets an account wait to be deleted, after [DeletionDelay]; posts tells whether what
// the person wrote goes too. It ends all sessions and revokes all grants, and returns when the
// account goes. ErrNotFound: it waits already, or there is no such account.
func (s *Users) PlanDeletion(ctx context.Context, id string, posts bool) (at time.Time, err error) {
	at = s.now().Add(DeletionDelay).UTC().Truncate(time.Microsecond)
	return at, s.db.Tx(ctx, func(ctx context.Context) error {
		if err := row.Changed(s.db.Exec(ctx, `UPDATE users SET delete_at = $1, delete_posts = $2,
			updated_at = $3 WHERE id = $4 AND delete_at = 0`,
			sqldb.Micros(at), posts, sqldb.Micros(s.now()), id)); err != nil {
			return err
		}
		return s.sessions.endAllOf(ctx, plannedDeletion, id, "")
	})
}

// HastenDeletion has an account deleted as soon as a server looks for accounts that are due,
// whether it waits already or not. What its person wrote goes too if posts is true. Its sessions
// end now. ErrNotFound: there is no such account.
func (s *Users) HastenDeletion(ctx context.Context, id string, posts bool) error {
	now := sqldb.Micros(s.now())
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if err := row.Changed(s.db.Exec(ctx, `UPDATE users SET delete_at = $1, delete_posts = $2,
			updated_at = $3 WHERE id = $4`, now, posts, now, id)); err != nil {
			return err
		}
		return s.sessions.endAllOf(ctx, plannedDeletion, id, "")
	})
}

// CancelDeletion keeps an account that waited to be deleted. ErrNotFound: it does not wait.
func (s *Users) CancelDeletion(ctx context.Context, id string) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE users SET delete_at = 0, delete_posts = FALSE,
		updated_at = $1 WHERE id = $2 AND delete_at > 0`, sqldb.Micros(s.now()), id))
}

// DueDeletions returns up to limit accounts that have waited long enough, the longest first.
func (s *Users) DueDeletions(ctx context.Context, limit int) ([]User, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (User, error) { return scanUser(rows.Scan) },
		`SELECT `+userColumns+` FROM users u WHERE u.delete_at > 0 AND u.delete_at <= $1
			ORDER BY u.delete_at LIMIT $2`, sqldb.Micros(s.now()), limit)
}

// DeleteUser deletes an account that [Users.DueDeletions] returned, with everything of its person:
// its sessions end, and clients and receivers of events are told. Of several calls at once, one succeeds. ErrNotFound: it
// is gone, or its person has thought again.
func (s *Users) DeleteUser(ctx context.Context, due User) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		// First of all this locks the row: a log-in under way comes before, and is ended below.
		if err := row.Changed(s.db.Exec(ctx, `UPDATE users SET disabled = TRUE
			WHERE id = $1 AND delete_at = $2 AND delete_at > 0 AND delete_at <= $3`,
			due.ID, sqldb.Micros(due.DeleteAt), sqldb.Micros(s.now()))); err != nil {
			return err
		}
		if err := s.sessions.endAllOf(ctx, deletedAccount, due.ID, ""); err != nil {
			return err
		}
		if err := s.purged(ctx, due); err != nil {
			return err
		}
		if err := s.eraseTraces(ctx, due); err != nil {
			return err
		}
		return row.Changed(s.db.Exec(ctx, `DELETE FROM users WHERE id = $1`, due.ID))
	})
}

// purged tells receivers of the end of an account, while it is known who has known its person.
func (s *Users) purged(ctx context.Context, user User) error {
	clients, err := sqldb.All(ctx, s.db, row.Text, `SELECT client_id FROM consents WHERE user_id = $1
		UNION SELECT client_id FROM grants WHERE user_id = $1`, user.ID)
	if err != nil {
		return err
	}
	return s.events.Emit(ctx, streams.Event{Type: streams.AccountPurged, UserID: user.ID,
		Detail: streams.Detail{Clients: clients, DeleteContent: user.DeletePosts}})
}

// eraseTraces removes what names a person in tables that are nobody's own.
func (s *Users) eraseTraces(ctx context.Context, user User) error {
	for _, erase := range []struct{ statement, what string }{
		{`UPDATE invitations SET used_by = '' WHERE used_by = $1 AND used_by <> ''`, user.ID},
		{`DELETE FROM invitations WHERE made_by = $1 AND made_by <> ''`, user.ID},
		{`DELETE FROM mailed WHERE email_key = $1`, user.Key},
		// Letters that wait or were given up have names, addresses and links in them. What clients and
		// services are to be told stays.
		{`DELETE FROM outbox WHERE kind = 'mail' AND user_id = $1 AND user_id <> ''`, user.ID},
	} {
		if _, err := s.db.Exec(ctx, erase.statement, erase.what); err != nil {
			return err
		}
	}
	return nil
}
