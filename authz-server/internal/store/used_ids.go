package store

import (
	"context"
	"fmt"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// UsedIDs are identifiers that were used.
type UsedIDs struct {
	db  *sqldb.DB
	now func() time.Time
}

// UseID spends an identifier that its issuer may use once, such as the jti of a client assertion or of a DPoP proof. Those of
// different purposes and issuers do not meet. It is remembered until expires, from when on what carries it must be refused
// for its age. ErrExists: it was used before. Of any number of callers at once, one gets nil.
func (s *UsedIDs) UseID(ctx context.Context, purpose, issuer, jti string, expires time.Time) error {
	// With their lengths, so that no two triples make one text.
	key := fmt.Sprintf("%d:%s %d:%s %s", len(purpose), purpose, len(issuer), issuer, jti)
	rows, err := s.db.Exec(ctx, `INSERT INTO used_ids (id_hash, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
		Hash(key), sqldb.Micros(expires))
	if err == nil && rows == 0 {
		err = ErrExists
	}
	return err
}
