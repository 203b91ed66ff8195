package store

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// Consent is what a person has allowed a client to do.
type Consent struct {
	UserID    string
	ClientID  string
	Scope     []string // sorted
	CreatedAt time.Time
	UpdatedAt time.Time
}

const consentColumns = `user_id, client_id, scope, created_at, updated_at`

func scanConsent(scan func(...any) error) (Consent, error) {
	var c Consent
	var scope string
	var created, updated int64
	if err := scan(&c.UserID, &c.ClientID, &scope, &created, &updated); err != nil {
		return Consent{}, notFound(err)
	}
	c.Scope, c.CreatedAt, c.UpdatedAt = strings.Fields(scope), sqldb.Time(created), sqldb.Time(updated)
	return c, nil
}

// Consent returns what the person has allowed the client, or ErrNotFound.
func (s *Store) Consent(ctx context.Context, userID, clientID string) (Consent, error) {
	return scanConsent(s.db.QueryRow(ctx, `SELECT `+consentColumns+` FROM consents WHERE user_id = $1 AND client_id = $2`, userID, clientID).Scan)
}

// Connections returns what the person has allowed, the newest first, and with it the clients that need no consent but hold a
// live grant, with no scope.
func (s *Store) Connections(ctx context.Context, userID string) ([]Consent, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (Consent, error) { return scanConsent(rows.Scan) },
		`SELECT `+consentColumns+` FROM consents WHERE user_id = $1
		UNION ALL
		SELECT g.user_id, g.client_id, '', min(g.created_at), max(g.created_at) FROM grants g
		WHERE g.user_id = $1 AND g.revoked_at = 0 AND g.expires_at > $2
		AND NOT EXISTS (SELECT 1 FROM consents c WHERE c.user_id = g.user_id AND c.client_id = g.client_id)
		GROUP BY g.user_id, g.client_id
		ORDER BY updated_at DESC, client_id`, userID, sqldb.Micros(s.now()))
}

// GrantConsent adds scope to what the person has allowed the client.
func (s *Store) GrantConsent(ctx context.Context, userID, clientID string, scope []string) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		now := sqldb.Micros(s.now())
		if _, err := s.db.Exec(ctx, `INSERT INTO consents (user_id, client_id, scope, created_at, updated_at) VALUES ($1, $2, '', $3, $3) ON CONFLICT DO NOTHING`,
			userID, clientID, now); err != nil {
			return err
		}
		// The update locks the row before its scope is read: two grants at once both count.
		var before string
		if err := s.db.ExecReturning(ctx, `UPDATE consents SET updated_at = $1 WHERE user_id = $2 AND client_id = $3 RETURNING scope`,
			now, userID, clientID).Scan(&before); err != nil {
			return notFound(err)
		}
		union := slices.Concat(strings.Fields(before), scope)
		slices.Sort(union)
		union = slices.Compact(union)
		_, err := s.db.Exec(ctx, `UPDATE consents SET scope = $1 WHERE user_id = $2 AND client_id = $3`, strings.Join(union, " "), userID, clientID)
		return err
	})
}

// WithdrawConsent forgets what the person has allowed the client and revokes all grants that came of it, offline ones too.
// It is no error when there was no consent: a client that needs none can have grants.
func (s *Store) WithdrawConsent(ctx context.Context, userID, clientID string) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if _, err := s.db.Exec(ctx, `DELETE FROM consents WHERE user_id = $1 AND client_id = $2`, userID, clientID); err != nil {
			return err
		}
		_, err := s.db.Exec(ctx, `UPDATE grants SET revoked_at = $1 WHERE user_id = $2 AND client_id = $3 AND revoked_at = 0`,
			sqldb.Micros(s.now()), userID, clientID)
		return err
	})
}
