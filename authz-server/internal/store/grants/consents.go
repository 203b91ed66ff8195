package grants

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Consent is what a person has allowed a client.
type Consent struct {
	UserID    string
	ClientID  string
	Scope     []string // sorted words of package consent
	Declined  []string // what they declined when last asked; that alone is no reason to ask again
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Consents stores what people have allowed clients.
type Consents struct {
	db           *sqldb.DB
	now          func() time.Time
	interactions *requests.Interactions
	grants       *Grants
	logouts      *outbox.Logouts
}

// NewConsents returns the consents in db. Interactions, grants and logouts have what ends with a
// consent.
func NewConsents(
	db *sqldb.DB, now func() time.Time,
	interactions *requests.Interactions, grants *Grants, logouts *outbox.Logouts,
) *Consents {
	return &Consents{db, now, interactions, grants, logouts}
}

const consentColumns = `user_id, client_id, scope, declined, created_at, updated_at`

func scanConsent(scan func(...any) error) (Consent, error) {
	var c Consent
	var scope, declined string
	var created, updated int64
	if err := scan(&c.UserID, &c.ClientID, &scope, &declined, &created, &updated); err != nil {
		return Consent{}, row.NotFound(err)
	}
	c.Scope, c.Declined = strings.Fields(scope), strings.Fields(declined)
	c.CreatedAt, c.UpdatedAt = sqldb.Time(created), sqldb.Time(updated)
	return c, nil
}

// Consent returns what a person has allowed a client. ErrNotFound: nothing.
func (s *Consents) Consent(ctx context.Context, userID, clientID string) (Consent, error) {
	return scanConsent(s.db.QueryRow(ctx, `SELECT `+consentColumns+` FROM consents
		WHERE user_id = $1 AND client_id = $2`, userID, clientID).Scan)
}

// Connections returns what a person has allowed, the newest first. It includes clients that need no
// consent but hold a live grant; their scope is empty.
func (s *Consents) Connections(ctx context.Context, userID string) ([]Consent, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (Consent, error) { return scanConsent(rows.Scan) },
		`SELECT `+consentColumns+` FROM consents WHERE user_id = $1
		UNION ALL
		SELECT g.user_id, g.client_id, '', '', min(g.created_at), max(g.created_at) FROM grants g
		WHERE g.user_id = $1 AND g.revoked_at = 0 AND g.expires_at > $2
		AND NOT EXISTS (SELECT 1 FROM consents c
		WHERE c.user_id = g.user_id AND c.client_id = g.client_id)
		GROUP BY g.user_id, g.client_id
		ORDER BY updated_at DESC, client_id`, userID, sqldb.Micros(s.now()))
}

// ClientsOf returns the ids of the clients that a person allows something, or that hold a grant of
// theirs, over or not, as long as it is kept.
func (s *Consents) ClientsOf(ctx context.Context, userID string) ([]string, error) {
	return sqldb.All(ctx, s.db, row.Text, `SELECT client_id FROM consents WHERE user_id = $1
		UNION SELECT client_id FROM grants WHERE user_id = $1`, userID)
}

// LastUses returns when the clients that hold live grants of a person last used one, by client id.
func (s *Consents) LastUses(ctx context.Context, userID string) (map[string]time.Time, error) {
	type use struct {
		client string
		at     int64
	}
	uses, err := sqldb.All(ctx, s.db, func(rows *sql.Rows) (u use, err error) { return u, rows.Scan(&u.client, &u.at) },
		`SELECT client_id, max(CASE WHEN used_at > 0 THEN used_at ELSE created_at END) FROM grants
			WHERE user_id = $1 AND revoked_at = 0 GROUP BY client_id`, userID)
	last := make(map[string]time.Time, len(uses))
	for _, one := range uses {
		last[one.client] = sqldb.Time(one.at)
	}
	return last, err
}

// GrantConsent adds scope to what a person has allowed a client.
func (s *Consents) GrantConsent(ctx context.Context, userID, clientID string, scope []string) error {
	return s.DecideConsent(ctx, userID, clientID, scope, nil)
}

// DecideConsent notes what a person allowed a client and what they declined. What is in neither
// list stays as it was decided before. Existing grants keep what they have.
func (s *Consents) DecideConsent(ctx context.Context, userID, clientID string, allowed, declined []string) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		now := sqldb.Micros(s.now())
		if _, err := s.db.Exec(ctx, `INSERT INTO consents (user_id, client_id, scope, declined,
			created_at, updated_at) VALUES ($1, $2, '', '', $3, $3) ON CONFLICT DO NOTHING`,
			userID, clientID, now); err != nil {
			return err
		}
		// The update locks the row before its scope is read, so that of two at once neither is
		// lost.
		var scope, left string
		if err := s.db.ExecReturning(ctx, `UPDATE consents SET updated_at = $1
			WHERE user_id = $2 AND client_id = $3 RETURNING scope, declined`,
			now, userID, clientID).Scan(&scope, &left); err != nil {
			return row.NotFound(err)
		}
		_, err := s.db.Exec(ctx, `UPDATE consents SET scope = $1, declined = $2
			WHERE user_id = $3 AND client_id = $4`,
			moved(scope, allowed, declined), moved(left, declined, allowed), userID, clientID)
		return err
	})
}

// HoldConsent makes sure that a person still allows a client all of scope. In a transaction, this
// stays so until it ends: a withdrawal comes before and is seen here, or comes after and finds the
// grant. ErrStale: the person does not allow it any more.
func (s *Consents) HoldConsent(ctx context.Context, userID, clientID string, scope []string) error {
	var allowed string
	// This changes nothing and locks the row.
	err := s.db.ExecReturning(ctx, `UPDATE consents SET scope = scope
		WHERE user_id = $1 AND client_id = $2 RETURNING scope`, userID, clientID).Scan(&allowed)
	if errors.Is(err, sql.ErrNoRows) {
		return row.ErrStale
	}
	if err != nil {
		return err
	}
	words := strings.Fields(allowed)
	if slices.ContainsFunc(scope, func(word string) bool { return !slices.Contains(words, word) }) {
		return row.ErrStale
	}
	return nil
}

// moved returns a sorted list of words with some added and others removed, each once.
func moved(list string, added, taken []string) string {
	words := slices.DeleteFunc(slices.Concat(strings.Fields(list), added),
		func(word string) bool { return slices.Contains(taken, word) })
	slices.Sort(words)
	return strings.Join(slices.Compact(words), " ")
}

// WithdrawConsent forgets what a person has allowed a client and revokes all grants that came of
// it, offline ones too. It also forgets an answer to the consent page that was not acted on yet, so
// that the person is asked again. It queues what tells the client, if the client wants to be told,
// and forgets which sessions the client knew of. It is no error if there was no consent, since a
// client that needs none can have grants.
func (s *Consents) WithdrawConsent(ctx context.Context, userID, clientID string) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		// In the order in which an authorization request takes its locks: interaction, consent,
		// grant.
		if err := s.interactions.ForgetDecisions(ctx, userID, clientID); err != nil {
			return err
		}
		if _, err := s.db.Exec(ctx, `DELETE FROM consents WHERE user_id = $1 AND client_id = $2`,
			userID, clientID); err != nil {
			return err
		}
		revoked, err := s.grants.revokeToClient(ctx, userID, clientID)
		if err != nil {
			return err
		}
		// After the grants, as when a session ends.
		return s.logouts.TellOfWithdrawal(ctx, userID, clientID, revoked > 0)
	})
}
