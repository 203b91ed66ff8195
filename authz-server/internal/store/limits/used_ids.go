package limits

import (
	"context"
	"fmt"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// UsedIDs are identifiers that were used.
type UsedIDs struct {
	db  *sqldb.DB
	now func() time.Time
}

// NewUsedIDs makes them of a database and a clock.
func NewUsedIDs(db *sqldb.DB, now func() time.Time) *UsedIDs { return &UsedIDs{db, now} }

// UseID spends an identifier that its issuer may use once, such as the jti of a client assertion or of a DPoP proof. Those of
// different purposes and issuers do not meet. It is remembered until expires, from when on what carries it must be refused
// for its age. ErrExists: it was used before. Of any number of callers at once, one gets nil.
func (s *UsedIDs) UseID(ctx context.Context, purpose, issuer, jti string, expires time.Time) error {
	// With their lengths, so that no two triples make one text.
	key := fmt.Sprintf("%d:%s %d:%s %s", len(purpose), purpose, len(issuer), issuer, jti)
	return row.Added(s.db.Exec(ctx, `INSERT INTO used_ids (id_hash, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
		opaque.Hash(key), sqldb.Micros(expires)))
}

// Sweeps are the identifiers that need not be remembered any more.
func (s *UsedIDs) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "used identifiers", Rows: sqldb.Rows{Table: "used_ids", Key: "id_hash", Where: "expires_at <= $1", Order: "expires_at"}},
	}
}
