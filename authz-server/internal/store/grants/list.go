package grants

import (
	"context"
	"database/sql"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Listed is a grant as operators see it in a list.
type Listed struct {
	ID        string
	ClientID  string
	UserID    string
	SessionID string
	Scope     []string
	Offline   bool
	ACR       string
	AuthTime  time.Time
	CreatedAt time.Time
	UsedAt    time.Time // zero: never since its code
	ExpiresAt time.Time
	RevokedAt time.Time // zero: it was not revoked
}

func scanListed(rows *sql.Rows) (Listed, error) {
	var g Grant
	var used int64
	fields, finish := grantFields(&g)
	err := rows.Scan(append(fields, &used)...)
	finish()
	return Listed{
		ID: g.ID, ClientID: g.ClientID, UserID: g.UserID, SessionID: g.SessionID, Scope: g.Scope, Offline: g.Offline, ACR: g.ACR,
		AuthTime: g.AuthTime, CreatedAt: g.CreatedAt, UsedAt: sqldb.Time(used), ExpiresAt: g.ExpiresAt, RevokedAt: g.RevokedAt,
	}, err
}

// GrantsOf returns up to limit grants of a person, those that are over too, as long as they are kept,
// by their clients and then the oldest first. They start after a grant, which need not exist any
// more; the zero Listed starts at the first.
func (s *Grants) GrantsOf(ctx context.Context, userID string, after Listed, limit int) ([]Listed, error) {
	return sqldb.All(ctx, s.db, scanListed, `SELECT `+grantColumns+`, g.used_at FROM grants g
		JOIN clients c ON c.id = g.client_id AND c.removed_at = 0
		WHERE g.user_id = $1 AND (g.client_id, g.created_at, g.id) > ($2, $3, $4)
		ORDER BY g.client_id, g.created_at, g.id LIMIT $5`,
		userID, after.ClientID, sqldb.Micros(after.CreatedAt), after.ID, limit)
}

// GrantsTo is GrantsOf for the grants to a client, the oldest first.
func (s *Grants) GrantsTo(ctx context.Context, clientID string, after Listed, limit int) ([]Listed, error) {
	return sqldb.All(ctx, s.db, scanListed, `SELECT `+grantColumns+`, g.used_at FROM grants g
		JOIN clients c ON c.id = g.client_id AND c.removed_at = 0
		WHERE g.client_id = $1 AND (g.created_at, g.id) > ($2, $3)
		ORDER BY g.created_at, g.id LIMIT $4`,
		clientID, sqldb.Micros(after.CreatedAt), after.ID, limit)
}

// PartiesOf returns who gave a grant to which client. ErrNotFound: there is none with this id.
func (s *Grants) PartiesOf(ctx context.Context, id string) (userID, clientID string, err error) {
	err = s.db.QueryRow(ctx, `SELECT user_id, client_id FROM grants WHERE id = $1`, id).Scan(&userID, &clientID)
	return userID, clientID, row.NotFound(err)
}

// ConsentsTo returns up to limit consents to a client, the oldest first, starting after one, which
// need not exist any more; the zero Consent starts at the first.
func (s *Consents) ConsentsTo(ctx context.Context, clientID string, after Consent, limit int) ([]Consent, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (Consent, error) { return scanConsent(rows.Scan) },
		`SELECT `+consentColumns+` FROM consents
			WHERE client_id = $1 AND (created_at, user_id) > ($2, $3)
			ORDER BY created_at, user_id LIMIT $4`,
		clientID, sqldb.Micros(after.CreatedAt), after.UserID, limit)
}
