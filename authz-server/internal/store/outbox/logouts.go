// Package outbox stores what is to be told to others after a transaction: today the log-outs of
// clients, and which clients know of which session.
package outbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/internal/sqldb"
)

// LogoutDelivery is a log-out that a client has yet to be told of (OpenID Connect Back-Channel
// Logout 1.0).
type LogoutDelivery struct {
	ID        string
	ClientID  string
	UserID    string
	SessionID string // empty: every session of the person
	Attempts  int64  // those begun, the present one too
	LastError string
	CreatedAt time.Time // when the session ended
	DueAt     time.Time // when it is tried next; while a replica tries, when another one may
	GivenUpAt time.Time // zero: it is still tried
}

// Logouts stores which clients know of a session, and what they are to be told of its end.
type Logouts struct {
	db      *sqldb.DB
	now     func() time.Time
	clients *registry.Clients
	due     chan struct{}

	taking sync.Mutex
	told   string // id of the client that a log-out was taken for last
}

// NewLogouts returns the log-outs in db. Clients say whether they want to be told.
func NewLogouts(db *sqldb.DB, now func() time.Time, clients *registry.Clients) *Logouts {
	return &Logouts{db: db, now: now, clients: clients, due: make(chan struct{}, 1)}
}

// NoteSessionClient remembers that a client knows of a session, so that it is told of the end. In a
// transaction, the session then does not end before the transaction does. ErrNotFound: it has ended
// already.
func (s *Logouts) NoteSessionClient(ctx context.Context, sessionID, clientID string) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		// This changes nothing and locks the row.
		if err := row.Changed(s.db.Exec(ctx, `UPDATE sessions SET user_id = user_id WHERE id = $1`,
			sessionID)); err != nil {
			return err
		}
		_, err := s.db.Exec(ctx, `INSERT INTO session_clients (session_id, client_id)
			VALUES ($1, $2) ON CONFLICT DO NOTHING`, sessionID, clientID)
		return err
	})
}

// SessionClients returns the ids of the clients that know of a session, in order.
func (s *Logouts) SessionClients(ctx context.Context, sessionID string) ([]string, error) {
	return sqldb.All(ctx, s.db, row.Text, `SELECT client_id FROM session_clients
		WHERE session_id = $1 ORDER BY client_id`, sessionID)
}

// TellOfEnd forgets which clients know of a session and queues a delivery for each that wants to be
// told of the end.
func (s *Logouts) TellOfEnd(ctx context.Context, userID, sessionID string) error {
	clients, err := sqldb.All(ctx, s.db, row.Text, `DELETE FROM session_clients
		WHERE session_id = $1 RETURNING client_id`, sessionID)
	if err != nil {
		return err
	}
	for _, id := range clients {
		c, err := s.clients.Client(ctx, id)
		if errors.Is(err, row.ErrNotFound) || (err == nil && c.BackchannelLogoutURI == "") {
			continue
		}
		if err != nil {
			return err
		}
		if err := s.queueLogout(ctx, id, userID, sessionID); err != nil {
			return err
		}
	}
	return nil
}

// ForgetSession forgets which clients know of a session, and tells none of them.
func (s *Logouts) ForgetSession(ctx context.Context, sessionID string) error {
	_, err := s.db.Exec(ctx, `DELETE FROM session_clients WHERE session_id = $1`, sessionID)
	return err
}

// queueLogout queues a delivery for a client: of the end of a session or, if sessionID is empty, of
// all the person's access.
func (s *Logouts) queueLogout(ctx context.Context, clientID, userID, sessionID string) error {
	_, err := s.db.Exec(ctx, `INSERT INTO logout_deliveries (id, client_id, user_id, session_id,
		attempts, last_error, created_at, due_at, given_up_at)
		VALUES ($1, $2, $3, $4, 0, '', $5, $5, 0)`,
		rand.Text(), clientID, userID, sessionID, sqldb.Micros(s.now()))
	return err
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

// Tx runs f, which may queue log-outs, in a transaction, and then wakes whoever waits for
// LogoutsDue.
func (s *Logouts) Tx(ctx context.Context, f func(ctx context.Context) error) error {
	err := s.db.Tx(ctx, f)
	if err == nil {
		select {
		case s.due <- struct{}{}:
		default: // it is known already
		}
	}
	return err
}

// LogoutsDue receives a value soon after this process queued log-outs. To find those of other
// processes, poll with TakeLogouts.
func (s *Logouts) LogoutsDue() <-chan struct{} { return s.due }

// logoutClients is how many clients TakeLogouts looks at in one call.
const logoutClients = 50

// TakeLogouts takes up to limit deliveries that are due, at most perClient of each client. Nobody
// else takes them before the lease is over; if this process dies, another one takes them then. It
// goes from client to client, and the next call goes on behind the last one, so that a long queue
// of one client costs the others nothing.
func (s *Logouts) TakeLogouts(
	ctx context.Context, lease time.Duration, limit, perClient int,
) (taken []LogoutDelivery, err error) {
	now := s.now()
	s.taking.Lock()
	after := s.told
	s.taking.Unlock()
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		taken = nil
		clients, err := s.inTurn(ctx, after)
		if err != nil {
			return err
		}
		for _, id := range clients {
			got, err := s.takeOf(ctx, id, now, now.Add(lease), min(perClient, limit-len(taken)))
			if err != nil {
				return err
			}
			taken = append(taken, got...)
			if after = id; len(taken) >= limit {
				break
			}
		}
		return nil
	})
	if err == nil {
		s.taking.Lock()
		s.told = after
		s.taking.Unlock()
	}
	return taken, err
}

// takeOf takes up to limit deliveries of one client. The condition on due_at stands outside as
// well, where Postgres evaluates it again after waiting for another transaction's update.
func (s *Logouts) takeOf(
	ctx context.Context, clientID string, now, until time.Time, limit int,
) ([]LogoutDelivery, error) {
	return sqldb.All(ctx, s.db, scanDelivery, `UPDATE logout_deliveries
		SET due_at = $1, attempts = attempts + 1
		WHERE due_at <= $2 AND given_up_at = 0 AND id IN (
			SELECT id FROM logout_deliveries
			WHERE client_id = $3 AND due_at <= $2 AND given_up_at = 0
			ORDER BY due_at, id LIMIT `+strconv.Itoa(limit)+`)
		RETURNING `+deliveryColumns, sqldb.Micros(until), sqldb.Micros(now), clientID)
}

// inTurn returns the clients to look at, which are those behind after and then, once round, those
// up to it.
func (s *Logouts) inTurn(ctx context.Context, after string) ([]string, error) {
	clients, err := s.clientsToTell(ctx, after)
	if err != nil || len(clients) >= logoutClients || after == "" {
		return clients, err
	}
	first, err := s.clientsToTell(ctx, "")
	if err != nil {
		return nil, err
	}
	first = slices.DeleteFunc(first, func(id string) bool { return id > after })
	return append(clients, first...), nil
}

// clientsToTell returns the next clients behind after that have deliveries waiting, due or not, by
// one look at an index for each.
func (s *Logouts) clientsToTell(ctx context.Context, after string) ([]string, error) {
	return sqldb.All(ctx, s.db, row.Text, `WITH RECURSIVE waiting (client_id, n) AS (
			SELECT min(client_id), 1 FROM logout_deliveries WHERE given_up_at = 0 AND client_id > $1
			UNION ALL
			SELECT (SELECT min(d.client_id) FROM logout_deliveries d
			WHERE d.given_up_at = 0 AND d.client_id > waiting.client_id), n + 1
			FROM waiting WHERE client_id IS NOT NULL AND n < 50)
		SELECT client_id FROM waiting WHERE client_id IS NOT NULL`, after)
}

const deliveryColumns = `id, client_id, user_id, session_id, attempts, last_error, created_at,
	due_at, given_up_at`

func scanDelivery(rows *sql.Rows) (d LogoutDelivery, err error) {
	var created, due, givenUp int64
	err = rows.Scan(&d.ID, &d.ClientID, &d.UserID, &d.SessionID, &d.Attempts, &d.LastError,
		&created, &due, &givenUp)
	d.CreatedAt, d.DueAt, d.GivenUpAt = sqldb.Time(created), sqldb.Time(due), sqldb.Time(givenUp)
	return d, err
}

// EndLogout removes a delivery that is done or not wanted any more.
func (s *Logouts) EndLogout(ctx context.Context, id string) error {
	_, err := s.db.Exec(ctx, `DELETE FROM logout_deliveries WHERE id = $1`, id)
	return err
}

// PostponeLogout notes why the attempt failed and when the next one is due; the zero time gives up.
// It does nothing if the lease was over and somebody else has taken the delivery since.
func (s *Logouts) PostponeLogout(ctx context.Context, taken LogoutDelivery, reason string, next time.Time) error {
	due, givenUp := next, time.Time{}
	if next.IsZero() {
		due, givenUp = taken.DueAt, s.now()
	}
	_, err := s.db.Exec(ctx, `UPDATE logout_deliveries
		SET due_at = $1, given_up_at = $2, last_error = $3 WHERE id = $4 AND attempts = $5`,
		sqldb.Micros(due), sqldb.Micros(givenUp), reason, taken.ID, taken.Attempts)
	return err
}

// LogoutDeliveries returns up to limit deliveries that are not done, including those given up, in
// the order of their ids, starting after the id after.
func (s *Logouts) LogoutDeliveries(ctx context.Context, after string, limit int) ([]LogoutDelivery, error) {
	return sqldb.All(ctx, s.db, scanDelivery, `SELECT `+deliveryColumns+` FROM logout_deliveries
		WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}

// LogoutRetention is how long an operator can see a delivery that was given up.
const LogoutRetention = 30 * 24 * time.Hour

// Sweeps lists deliveries that were given up [LogoutRetention] ago.
func (s *Logouts) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "log-outs that were given up", Keep: LogoutRetention, Rows: sqldb.Rows{
			Table: "logout_deliveries", Key: "id", Where: "given_up_at > 0 AND given_up_at <= $1", Order: "given_up_at"}},
	}
}
