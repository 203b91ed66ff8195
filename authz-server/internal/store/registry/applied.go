package registry

import (
	"context"
	"database/sql"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Applied remembers what was made by applying a configuration. It is safe for concurrent use.
type Applied struct {
	db  *sqldb.DB
	now func() time.Time
}

// NewApplied returns what db remembers.
func NewApplied(db *sqldb.DB, now func() time.Time) *Applied { return &Applied{db, now} }

// Mark says that a configuration made something.
type Mark struct {
	Kind, Name    string
	Configuration string
	MadeAt        time.Time // when the thing was created: another one of that name was not made so
}

// lockKind is the kind of the row by which [Applied.Begin] lets one in after the other.
const lockKind = ""

// Begin lets one application of a configuration in after the other, until the caller's transaction
// ends.
func (s *Applied) Begin(ctx context.Context) error {
	_, err := s.db.Exec(ctx, `INSERT INTO applied (kind, name, configuration, made_at) VALUES ($1, '', '', $2)
		ON CONFLICT (kind, name) DO UPDATE SET made_at = $2`, lockKind, sqldb.Micros(s.now()))
	return err
}

// All returns what configurations made, in the order of kinds and names. Operators write their
// configurations, and there are no more things than those name.
func (s *Applied) All(ctx context.Context) ([]Mark, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (m Mark, err error) {
		var made int64
		err = rows.Scan(&m.Kind, &m.Name, &m.Configuration, &made)
		m.MadeAt = sqldb.Time(made)
		return m, err
	}, `SELECT kind, name, configuration, made_at FROM applied WHERE kind > $1 ORDER BY kind, name`, lockKind)
}

// Mark remembers what a configuration has just made.
func (s *Applied) Mark(ctx context.Context, m Mark) error {
	_, err := s.db.Exec(ctx, `INSERT INTO applied (kind, name, configuration, made_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (kind, name) DO UPDATE SET configuration = $3, made_at = $4`,
		m.Kind, m.Name, m.Configuration, sqldb.Micros(m.MadeAt))
	return err
}

// Forget forgets a mark. ErrNotFound: there is none.
func (s *Applied) Forget(ctx context.Context, kind, name string) error {
	return row.Changed(s.db.Exec(ctx, `DELETE FROM applied WHERE kind = $1 AND name = $2`, kind, name))
}
