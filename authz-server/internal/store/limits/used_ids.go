package limits

import (
	"context"
	"fmt"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// UsedIDs remembers identifiers that can be used once.
type UsedIDs struct {
	db  *sqldb.DB
	now func() time.Time
}

// NewUsedIDs returns the identifiers in db.
func NewUsedIDs(db *sqldb.DB, now func() time.Time) *UsedIDs { return &UsedIDs{db, now} }

// UseID spends an identifier that its issuer can use once, such as the jti of a client assertion or
// of a DPoP proof. Each purpose and issuer has identifiers of its own. UsedIDs remembers it until
// expires; from then on, refuse for its age what carries it. ErrExists: it was used before. Of any
// number of calls at once, one succeeds.
func (s *UsedIDs) UseID(ctx context.Context, purpose, issuer, jti string, expires time.Time) error {
	// The lengths make sure that no two triples give the same text.
	key := fmt.Sprintf("%d:%s %d:%s %s", len(purpose), purpose, len(issuer), issuer, jti)
	return row.Added(s.db.Exec(ctx, `INSERT INTO used_ids (id_hash, expires_at) VALUES ($1, $2)
		ON CONFLICT DO NOTHING`,
		opaque.Hash(key), sqldb.Micros(expires)))
}

// Sweeps lists identifiers that have expired.
func (s *UsedIDs) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "used identifiers", Rows: sqldb.Rows{
			Table: "used_ids", Key: "id_hash", Where: "expires_at <= $1", Order: "expires_at"}},
	}
}
