package accounts

import (
	"context"
	"database/sql"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// Agreement says that a person agreed to a version of the terms.
type Agreement struct {
	UserID  string
	Version string
	Address string    // the network address that they agreed from
	At      time.Time // set by Agree
}

// Agreements stores what people agreed to. A person has a row for each version, of which an
// operator makes few.
type Agreements struct {
	db  *sqldb.DB
	now func() time.Time
}

// NewAgreements returns the agreements in db.
func NewAgreements(db *sqldb.DB, now func() time.Time) *Agreements { return &Agreements{db, now} }

// Agree records an agreement. The first to a version counts: agreeing once more changes nothing.
func (s *Agreements) Agree(ctx context.Context, a Agreement) error {
	_, err := s.db.Exec(ctx, `INSERT INTO agreements (user_id, version, address, agreed_at)
		VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		a.UserID, a.Version, a.Address, sqldb.Micros(s.now()))
	return err
}

// Agreed tells whether a person agreed to a version of the terms.
func (s *Agreements) Agreed(ctx context.Context, userID, version string) (agreed bool, err error) {
	err = s.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM agreements WHERE user_id = $1 AND version = $2)`,
		userID, version).Scan(&agreed)
	return agreed, err
}

// AgreementsOf returns what a person agreed to, the first first.
func (s *Agreements) AgreementsOf(ctx context.Context, userID string) ([]Agreement, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (Agreement, error) {
		a := Agreement{UserID: userID}
		var at int64
		err := rows.Scan(&a.Version, &a.Address, &at)
		a.At = sqldb.Time(at)
		return a, err
	}, `SELECT version, address, agreed_at FROM agreements WHERE user_id = $1
		ORDER BY agreed_at, version LIMIT 1000`, userID)
}
