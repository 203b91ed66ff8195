package keystore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// ServerSecret is a secret of the server as the database keeps it.
type ServerSecret struct {
	Name  string
	Value []byte // encrypted; see package keys
}

// ServerSecret returns the secret with that name. If there is none, it stores what make returns: of
// several replicas that start at once each may call make, and all get the one value that was
// stored.
func (s *Keys) ServerSecret(ctx context.Context, name string, make func() ([]byte, error)) ([]byte, error) {
	value, err := s.serverSecret(ctx, name)
	if !errors.Is(err, sql.ErrNoRows) {
		return value, err
	}
	made, err := make()
	if err != nil {
		return nil, err
	}
	if _, err := s.db.Exec(ctx, `INSERT INTO server_secrets (name, value) VALUES ($1, $2)
		ON CONFLICT DO NOTHING`, name, made); err != nil {
		return nil, err
	}
	return s.serverSecret(ctx, name)
}

func (s *Keys) serverSecret(ctx context.Context, name string) (value []byte, err error) {
	err = s.db.QueryRow(ctx, `SELECT value FROM server_secrets WHERE name = $1`, name).Scan(&value)
	return value, err
}

// ServerSecrets returns all of them, by name.
func (s *Keys) ServerSecrets(ctx context.Context) ([]ServerSecret, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (one ServerSecret, err error) {
		err = rows.Scan(&one.Name, &one.Value)
		return one, err
	}, `SELECT name, value FROM server_secrets ORDER BY name`)
}

// RewrapServerSecret replaces a secret's encrypted form. ErrNotFound: another process has done so
// since it was read, or the secret is gone.
func (s *Keys) RewrapServerSecret(ctx context.Context, name string, from, to []byte) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE server_secrets SET value = $3
		WHERE name = $1 AND value = $2`, name, from, to))
}
