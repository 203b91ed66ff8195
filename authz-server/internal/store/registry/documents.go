package registry

import (
	"context"
	"encoding/json"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/internal/sqldb"
)

// A document client ([client.Client.Document]) keeps its row while anything refers to it, and for
// documentRetention after its document was last seen. That it was seen is written at most once in
// documentConfirmed.
const (
	documentRetention = 24 * time.Hour
	documentConfirmed = time.Hour
)

// PutDocumentClient stores a checked client that a document describes, or what changed in it. A row
// that says the same is written again only after documentConfirmed.
func (s *Clients) PutDocumentClient(ctx context.Context, c client.Client) error {
	metadata, err := json.Marshal(c)
	if err != nil {
		return err
	}
	now := s.now()
	_, err = s.db.Exec(ctx, `INSERT INTO clients (id, metadata, created_at, updated_at)
		VALUES ($1, $2, $3, $3)
		ON CONFLICT (id) DO UPDATE SET metadata = excluded.metadata,
		updated_at = excluded.updated_at
		WHERE clients.removed_at = 0 AND clients.disabled_at = 0
		AND (clients.metadata <> excluded.metadata OR clients.updated_at <= $4)`,
		c.ID, string(metadata), sqldb.Micros(now), sqldb.Micros(now.Add(-documentConfirmed)))
	return err
}
