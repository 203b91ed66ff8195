package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
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
// that says the same is written again only after documentConfirmed. It returns what came of it.
func (s *Clients) PutDocumentClient(ctx context.Context, c client.Client) (PutDocument, error) {
	metadata, err := json.Marshal(c)
	if err != nil {
		return DocumentSame, err
	}
	var before string
	err = s.db.QueryRow(ctx, `SELECT metadata FROM clients WHERE id = $1`, c.ID).Scan(&before)
	made := errors.Is(err, sql.ErrNoRows)
	if err != nil && !made {
		return DocumentSame, err
	}
	now := s.now()
	rows, err := s.db.Exec(ctx, `INSERT INTO clients (id, metadata, created_at, updated_at)
		VALUES ($1, $2, $3, $3)
		ON CONFLICT (id) DO UPDATE SET metadata = excluded.metadata,
		updated_at = excluded.updated_at
		WHERE clients.removed_at = 0 AND clients.disabled_at = 0
		AND (clients.metadata <> excluded.metadata OR clients.updated_at <= $4)`,
		c.ID, string(metadata), sqldb.Micros(now), sqldb.Micros(now.Add(-documentConfirmed)))
	switch {
	case err != nil || rows == 0:
		return DocumentSame, err
	case made:
		return DocumentNew, nil
	case before != string(metadata):
		return DocumentChanged, nil
	}
	return DocumentSame, nil
}

// PutDocument is what came of a document that was read.
type PutDocument int

// What can come of it.
const (
	DocumentSame PutDocument = iota // it says what it said, or the client is disabled or being removed
	DocumentNew
	DocumentChanged
)
