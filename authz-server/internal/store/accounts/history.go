package accounts

import (
	"context"
	"database/sql"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// Event is something that happened to an account.
type Event struct {
	UserID    string
	Kind      string // package notices has the kinds
	Detail    string // such as the name of a passkey; may be empty
	Address   string // the network address that asked for it; empty: an operator did it
	UserAgent string
	At        time.Time
}

// HistoryRetention is how long a person can see what happened to their account.
const HistoryRetention = 90 * 24 * time.Hour

// History has what happened to accounts, as the release before the audit log noted it. It can go,
// with its table, when nothing of that is younger than [HistoryRetention].
type History struct {
	db  *sqldb.DB
	now func() time.Time
}

// NewHistory returns the events in db.
func NewHistory(db *sqldb.DB, now func() time.Time) *History { return &History{db, now} }

// Events returns a person's last events, the latest first.
func (s *History) Events(ctx context.Context, userID string, limit int) ([]Event, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (Event, error) {
		e := Event{UserID: userID}
		var at int64
		err := rows.Scan(&e.Kind, &e.Detail, &e.Address, &e.UserAgent, &at)
		e.At = sqldb.Time(at)
		return e, err
	}, `SELECT kind, detail, address, user_agent, at FROM security_events
		WHERE user_id = $1 AND at > $2 ORDER BY at DESC, id DESC LIMIT $3`,
		userID, sqldb.Micros(s.now().Add(-HistoryRetention)), limit)
}

// Sweeps lists events older than [HistoryRetention].
func (s *History) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "security history", Keep: HistoryRetention, Rows: sqldb.Rows{
			Table: "security_events", Key: "id", Where: "at <= $1", Order: "at"}},
	}
}
