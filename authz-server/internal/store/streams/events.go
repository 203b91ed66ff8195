package streams

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Type is what happened: the last part of an event type's URI.
type Type string

// The types of events that there are.
const (
	SessionRevoked    Type = "session-revoked" // CAEP §3.1, as the next two
	TokenClaimsChange Type = "token-claims-change"
	CredentialChange  Type = "credential-change"
	AccountDisabled   Type = "account-disabled" // RISC §2, as the next three
	AccountEnabled    Type = "account-enabled"
	AccountPurged     Type = "account-purged"
	IdentifierChanged Type = "identifier-changed"

	Verification  Type = "verification"   // SSF §8.1.4, of a stream
	StreamUpdated Type = "stream-updated" // SSF §8.1.5, of a stream
)

// Types lists those that a receiver can ask for.
var Types = []Type{SessionRevoked, TokenClaimsChange, CredentialChange, AccountDisabled, AccountEnabled, AccountPurged, IdentifierChanged}

const schemas = "https://schemas.openid.net/secevent/"

// URI is the full name of a type.
func (t Type) URI() string {
	switch t {
	case Verification, StreamUpdated:
		return schemas + "ssf/event-type/" + string(t)
	case SessionRevoked, TokenClaimsChange, CredentialChange:
		return schemas + "caep/event-type/" + string(t)
	}
	return schemas + "risc/event-type/" + string(t)
}

// Who caused an event (CAEP §2, "initiating_entity").
const (
	ByPerson = "user"
	ByAdmin  = "admin"
	ByPolicy = "policy"
)

// Cause is why something happened.
type Cause struct {
	By     string `json:"by,omitempty"`     // ByPerson, ByAdmin, ByPolicy; empty: not known
	Reason string `json:"reason,omitempty"` // for administrators, in English
}

// Detail is what else there is to say of an event, by its type.
type Detail struct {
	Cause

	Session string `json:"session,omitempty"` // session-revoked: its "sid"
	// Clients are those that knew of the session, or whom the person of a purged account had
	// allowed something.
	Clients []string `json:"clients,omitempty"`

	CredentialType string `json:"credential_type,omitempty"` // credential-change: a value of CAEP §3.3.1, as the next
	ChangeType     string `json:"change_type,omitempty"`

	Claims map[string]any `json:"claims,omitempty"` // token-claims-change: the new values, by name
	// RoleScopes are the scopes that tell of the roles that changed. Claims has "roles" then, all that
	// the person has at that resource, and Roles says which scopes tell of each.
	RoleScopes []string `json:"role_scopes,omitempty"`
	Roles      []Role   `json:"roles,omitempty"`

	DeleteContent bool `json:"delete_content,omitempty"` // account-purged: what the person wrote goes too

	Email    string `json:"email,omitempty"` // identifier-changed: the old one
	NewEmail string `json:"new_email,omitempty"`
}

// Role is a role that a person has at the resource that an event is about.
type Role struct {
	Name   string   `json:"name"`
	Scopes []string `json:"scopes"` // a client that has one of them may know of it
}

// Event is something that happened to an account.
type Event struct {
	ID     string // the claim "txn" of all SETs about it; set by Emit
	Type   Type
	UserID string
	Detail Detail
	At     time.Time // set by Emit
}

// Emit notes that something happened to an account. Call it in the transaction in which it happens,
// and after the statement that locks the row of the person, if there is one: the events of a person
// are told in the order of their transactions. It writes nothing if no stream is for it.
func (s *Streams) Emit(ctx context.Context, e Event) error {
	detail, err := json.Marshal(e.Detail)
	if err != nil {
		return err
	}
	n, err := s.db.Exec(ctx, `INSERT INTO account_events (id, user_id, seq, type, detail, at, due_at)
		SELECT $1, $2, COALESCE((SELECT max(seq) FROM account_events WHERE user_id = $2), 0) + 1,
			$3, $4, CAST($5 AS BIGINT), CAST($5 AS BIGINT)
		WHERE EXISTS (SELECT 1 FROM streams WHERE status <> 'disabled' AND delivered LIKE $6)`,
		rand.Text(), e.UserID, string(e.Type), string(detail), sqldb.Micros(s.now()), "% "+string(e.Type)+" %")
	if n > 0 {
		s.db.AfterCommit(ctx, func() {
			select {
			case s.happened <- struct{}{}:
			default: // it is known already
			}
		})
	}
	return err
}

// Next returns up to limit events that are to be put into queues now: of each person, the first.
func (s *Streams) Next(ctx context.Context, limit int) ([]Event, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (e Event, err error) {
		var detail string
		var at int64
		if err := rows.Scan(&e.ID, &e.UserID, &e.Type, &detail, &at); err != nil {
			return e, err
		}
		e.At = sqldb.Time(at)
		return e, json.Unmarshal([]byte(detail), &e.Detail)
	}, `SELECT e.id, e.user_id, e.type, e.detail, e.at
		FROM (SELECT id, user_id, seq, type, detail, at, due_at FROM account_events
			WHERE due_at <= $1 ORDER BY due_at, id LIMIT 500) e
		WHERE NOT EXISTS (SELECT 1 FROM account_events b WHERE b.user_id = e.user_id
			AND (b.seq < e.seq OR b.seq = e.seq AND b.id < e.id))
		ORDER BY e.due_at, e.id LIMIT $2`, sqldb.Micros(s.now()), limit)
}

// Spend removes an event that Next returned. Call it first in the transaction that puts the event
// into queues: of several calls at once, one succeeds. ErrNotFound: it is there already.
func (s *Streams) Spend(ctx context.Context, id string) error {
	return row.Changed(s.db.Exec(ctx, `DELETE FROM account_events WHERE id = $1`, id))
}

// Delay has an event wait that cannot be put into queues at the moment.
func (s *Streams) Delay(ctx context.Context, id string, until time.Time) error {
	_, err := s.db.Exec(ctx, `UPDATE account_events SET due_at = $1 WHERE id = $2`,
		sqldb.Micros(until), id)
	return err
}
