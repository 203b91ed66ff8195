package outbox

import (
	"context"
	"errors"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/internal/sqldb"
)

// KindMail is the kind of a letter: see package mail. One that is still queued goes with the account
// that it is about.
const KindMail = "mail"

// KindLogout is the kind of an item that tells a client of a log-out (OpenID Connect Back-Channel
// Logout 1.0). Its lane is the client's id, its topic that of the session that ended; without a
// topic, it stands for every session of the person.
const KindLogout = "logout"

// Logouts stores which clients know of a session, and what they are to be told of its end.
type Logouts struct {
	db      *sqldb.DB
	clients *registry.Clients
	queue   *Queue
}

// NewLogouts returns the log-outs in db. Clients say whether they want to be told.
func NewLogouts(db *sqldb.DB, clients *registry.Clients, queue *Queue) *Logouts {
	return &Logouts{db: db, clients: clients, queue: queue}
}

// NoteSessionClient remembers that a client knows of a session, so that it is told of the end. Call
// [accounts.Sessions.ContinueSession] before it in the same transaction: the session then does not
// end before the transaction does.
func (s *Logouts) NoteSessionClient(ctx context.Context, sessionID, clientID string) error {
	_, err := s.db.Exec(ctx, `INSERT INTO session_clients (session_id, client_id)
		VALUES ($1, $2) ON CONFLICT DO NOTHING`, sessionID, clientID)
	return err
}

// SessionClients returns the ids of the clients that know of a session, in order.
func (s *Logouts) SessionClients(ctx context.Context, sessionID string) ([]string, error) {
	return sqldb.All(ctx, s.db, row.Text, `SELECT client_id FROM session_clients
		WHERE session_id = $1 ORDER BY client_id`, sessionID)
}

// TellOfEnd forgets which clients know of a session, which it returns, and queues a delivery for
// each that wants to be told of the end.
func (s *Logouts) TellOfEnd(ctx context.Context, userID, sessionID string) (clients []string, err error) {
	clients, err = sqldb.All(ctx, s.db, row.Text, `DELETE FROM session_clients
		WHERE session_id = $1 RETURNING client_id`, sessionID)
	if err != nil {
		return nil, err
	}
	for _, id := range clients {
		c, err := s.clients.Client(ctx, id)
		if errors.Is(err, row.ErrNotFound) || (err == nil && c.BackchannelLogoutURI == "") {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := s.queueLogout(ctx, id, userID, sessionID); err != nil {
			return nil, err
		}
	}
	return clients, nil
}

// ForgetSession forgets which clients know of a session, and tells none of them.
func (s *Logouts) ForgetSession(ctx context.Context, sessionID string) error {
	_, err := s.db.Exec(ctx, `DELETE FROM session_clients WHERE session_id = $1`, sessionID)
	return err
}

// queueLogout queues a delivery for a client: of the end of a session or, if sessionID is empty, of
// all the person's access.
func (s *Logouts) queueLogout(ctx context.Context, clientID, userID, sessionID string) error {
	return s.queue.Add(ctx, Item{Kind: KindLogout, Lane: clientID, Topic: sessionID, UserID: userID})
}

// TellOfWithdrawal queues what tells a client that a person took back what they had allowed it. One
// logout token without a session stands for all sessions (OIDC Back-Channel Logout §2.4), unless
// the client requires each to be named. A client that knows of no session is told only if grants
// were revoked.
func (s *Logouts) TellOfWithdrawal(ctx context.Context, userID, clientID string, revoked bool) error {
	sessions, err := sqldb.All(ctx, s.db, row.Text, `DELETE FROM session_clients
		WHERE client_id = $1 AND session_id IN (SELECT id FROM sessions WHERE user_id = $2)
		RETURNING session_id`, clientID, userID)
	if err != nil || (!revoked && len(sessions) == 0) {
		return err
	}
	c, err := s.clients.Client(ctx, clientID)
	if errors.Is(err, row.ErrNotFound) || (err == nil && c.BackchannelLogoutURI == "") {
		return nil
	}
	if err != nil || !c.BackchannelLogoutSessionRequired {
		return errors.Join(err, s.queueLogout(ctx, clientID, userID, ""))
	}
	for _, id := range sessions {
		if err := s.queueLogout(ctx, clientID, userID, id); err != nil {
			return err
		}
	}
	return nil
}
