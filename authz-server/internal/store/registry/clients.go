// Package registry stores clients: their metadata and secrets, and the tokens by which they
// register and manage themselves. It also removes those that nobody uses.
package registry

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/cache"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/authz-server/internal/store/statuses"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Clients stores registered clients: their metadata, their secrets, and the tokens by which they
// register.
type Clients struct {
	db       *sqldb.DB
	now      func() time.Time
	statuses *statuses.Statuses // of the access tokens, which end with their client

	parsed *cache.Cache[[sha256.Size]byte, client.Client] // by the hash of their metadata
	memory clientMemory

	keepUnused time.Duration // see KeepUnused
	sweeping   sync.Mutex
	swept      string // id of the document client that was looked at last
}

// NewClients returns the clients in db.
func NewClients(db *sqldb.DB, now func() time.Time, statuses *statuses.Statuses) *Clients {
	return &Clients{
		db: db, now: now, statuses: statuses,
		parsed: cache.New[[sha256.Size]byte, client.Client](parsedClientBytes),
		memory: clientMemory{clients: cache.New[string, credentials](rememberedBytes)},
	}
}

// Client returns a client that can be used. Its slices and maps are shared: replace them, never
// change their elements. ErrNotFound: there is none with that id; ErrDisabled, which is an
// ErrNotFound: there is, and an operator disabled it.
func (s *Clients) Client(ctx context.Context, id string) (client.Client, error) {
	c, err := s.Registered(ctx, id)
	return usable(c, err)
}

// usable is the one check that a client is not disabled.
func usable(c client.Client, err error) (client.Client, error) {
	if err == nil && !c.DisabledAt.IsZero() {
		return client.Client{}, row.ErrDisabled
	}
	return c, err
}

// Registered is [Clients.Client] for operators, and for what people and services are told of a
// client: it returns disabled clients too. Nothing may be done for a client that it returns.
func (s *Clients) Registered(ctx context.Context, id string) (client.Client, error) {
	r := clientRow{id: id}
	if err := s.db.QueryRow(ctx, `SELECT `+clientColumns+`, r.vouched
		FROM clients c
		LEFT JOIN registration_tokens r ON r.client_id = c.id WHERE c.id = $1 AND c.removed_at = 0`,
		id).Scan(r.into()...); err != nil {
		return client.Client{}, row.NotFound(err)
	}
	return s.read(r)
}

// ClientWithSecrets returns a client and the hashes ([opaque.Hash]) of its unexpired secrets, by
// one statement: what the token endpoint needs to authenticate it. The client is shared, as with
// Client, and so are the errors.
func (s *Clients) ClientWithSecrets(ctx context.Context, id string) (client.Client, [][]byte, error) {
	c, secrets, err := s.RegisteredWithSecrets(ctx, id)
	if c, err = usable(c, err); err != nil {
		return client.Client{}, nil, err
	}
	return c, secrets, nil
}

// RegisteredWithSecrets is [Clients.ClientWithSecrets] for operators, as Registered is Client.
func (s *Clients) RegisteredWithSecrets(ctx context.Context, id string) (client.Client, [][]byte, error) {
	found, err := s.credentials(ctx, id)
	if err != nil {
		return client.Client{}, nil, err
	}
	return found.client, found.unexpired(s.now()), nil
}

// ListClients returns up to limit clients, disabled ones too, in the order of their ids, starting after an id (""
// starts at the first).
func (s *Clients) ListClients(ctx context.Context, after string, limit int) ([]client.Client, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (client.Client, error) {
		var r clientRow
		if err := rows.Scan(append([]any{&r.id}, r.into()...)...); err != nil {
			return client.Client{}, err
		}
		return s.read(r)
		// A join would let Postgres read all registrations up to the first of these clients.
	}, `SELECT c.id, `+clientColumns+`, (SELECT r.vouched
		FROM registration_tokens r WHERE r.client_id = c.id)
		FROM clients c WHERE c.id > $1 AND c.removed_at = 0 ORDER BY c.id LIMIT $2`, after, limit)
}

// parsedClientBytes bounds the memory that parsed metadata takes. A parsed client counts for
// parsedPerByte times the size of its text.
const (
	parsedClientBytes = 16 << 20
	parsedPerByte     = 4
)

// clientRow is a client as the database keeps it.
type clientRow struct {
	id, metadata                      string
	created, updated, disabled, epoch int64
	used                              int64
	vouched                           sql.NullBool // null: it did not register itself
}

const clientColumns = `c.metadata, c.created_at, c.updated_at, c.disabled_at, c.epoch, c.used_at`

// into returns the destinations of clientColumns and vouched.
func (r *clientRow) into() []any {
	return []any{&r.metadata, &r.created, &r.updated, &r.disabled, &r.epoch, &r.used, &r.vouched}
}

// read makes a client of a row. Parsing costs more than the SELECT, so each text is parsed once;
// but the row is read each time, so that no replica sees an old one.
func (s *Clients) read(r clientRow) (client.Client, error) {
	text := sha256.Sum256([]byte(r.metadata))
	c, ok := s.parsed.Get(text)
	if !ok {
		var err error
		if c, _, err = client.Decode([]byte(r.metadata)); err != nil {
			return client.Client{}, fmt.Errorf("client %s in the database: %w", r.id, err)
		}
		s.parsed.Add(text, c, parsedPerByte*len(r.metadata))
	}
	c.ID, c.CreatedAt, c.UpdatedAt = r.id, sqldb.Time(r.created), sqldb.Time(r.updated)
	c.DisabledAt, c.UsedAt, c.Epoch = sqldb.Time(r.disabled), sqldb.Time(r.used), r.epoch
	c.Unvouched = (c.Document() || r.vouched.Valid && !r.vouched.Bool) && !c.Trusted
	return c, nil
}

// CreateClient stores a client that passed [client.Client.Check]. ErrExists: its id is taken.
func (s *Clients) CreateClient(ctx context.Context, c client.Client) error {
	metadata, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return row.Added(s.db.Exec(ctx, `INSERT INTO clients (id, metadata, created_at, updated_at)
		VALUES ($1, $2, $3, $3) ON CONFLICT DO NOTHING`,
		c.ID, string(metadata), sqldb.Micros(s.now())))
}

// UpdateClient replaces a client's metadata by metadata that passed [client.Client.Check]. Its
// secrets stay. Unless c.UpdatedAt is zero, it must be that of the stored client. ErrNotFound:
// there is none with that id. ErrStale: it was changed since c was read, and c would undo the
// change.
func (s *Clients) UpdateClient(ctx context.Context, c client.Client) error {
	metadata, err := json.Marshal(c)
	if err != nil {
		return err
	}
	// The time of the change is also the row's version, so it moves on even if the clock does not.
	rows, err := s.change(ctx, c.ID, `UPDATE clients
		SET metadata = $2, updated_at = CASE WHEN updated_at < $3 THEN $3 ELSE updated_at + 1 END
		WHERE id = $1 AND removed_at = 0 AND (updated_at = $4 OR $5)`,
		c.ID, string(metadata), sqldb.Micros(s.now()), sqldb.Micros(c.UpdatedAt), c.UpdatedAt.IsZero())
	if err == nil && rows == 0 {
		if _, err = s.Registered(ctx, c.ID); err == nil {
			err = row.ErrStale
		}
	}
	return err
}

// holdClient locks a client's row and moves on its version, before its secrets are changed: of two
// calls at once, the second sees what the first left. ErrNotFound: there is no such client.
func (s *Clients) holdClient(ctx context.Context, id string) error {
	return row.Changed(s.change(ctx, id, `UPDATE clients SET updated_at = updated_at + 1
		WHERE id = $1 AND removed_at = 0`, id))
}

// Hold locks a client's row, in a transaction, and changes nothing: what is read of it afterwards
// stays so until the transaction ends. ErrNotFound: there is no such client.
func (s *Clients) Hold(ctx context.Context, id string) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE clients SET created_at = created_at
		WHERE id = $1 AND removed_at = 0`, id))
}

// AddClientSecret gives a client one more secret, by its [opaque.Hash]. The secrets that it has
// stop working at expireOlder at the latest; the zero time leaves them as they are. ErrNotFound:
// there is no such client.
func (s *Clients) AddClientSecret(ctx context.Context, id string, hash []byte, expireOlder time.Time) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if err := s.holdClient(ctx, id); err != nil {
			return err
		}
		if !expireOlder.IsZero() {
			_, err := s.db.Exec(ctx, `UPDATE client_secrets SET expires_at = $2
				WHERE client_id = $1 AND (expires_at = 0 OR expires_at > $2)`,
				id, sqldb.Micros(expireOlder))
			if err != nil {
				return err
			}
		}
		return row.Changed(s.db.Exec(ctx, `INSERT INTO client_secrets (client_id, secret_hash,
			created_at, expires_at)
			SELECT id, $2, $3, 0 FROM clients WHERE id = $1 AND removed_at = 0
			ON CONFLICT (client_id, secret_hash) DO UPDATE SET expires_at = 0`,
			id, hash, sqldb.Micros(s.now())))
	})
}

// ReplaceClientSecrets makes hash a client's only secret at once; nil leaves it none. ErrNotFound:
// there is no such client.
func (s *Clients) ReplaceClientSecrets(ctx context.Context, id string, hash []byte) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if err := s.holdClient(ctx, id); err != nil {
			return err
		}
		if _, err := s.db.Exec(ctx, `DELETE FROM client_secrets WHERE client_id = $1`,
			id); err != nil || hash == nil {
			return err
		}
		return s.AddClientSecret(ctx, id, hash, time.Time{})
	})
}

// ClientSecretHashes returns the hashes of a client's unexpired secrets, the newest first. It
// returns none if there is no such client.
func (s *Clients) ClientSecretHashes(ctx context.Context, id string) ([][]byte, error) {
	return sqldb.All(ctx, s.db,
		func(rows *sql.Rows) (hash []byte, err error) { return hash, rows.Scan(&hash) },
		`SELECT secret_hash FROM client_secrets
			WHERE client_id = $1 AND (expires_at = 0 OR expires_at > $2)
			ORDER BY created_at DESC, secret_hash`,
		id, sqldb.Micros(s.now()))
}

// Secret is a secret of a client, of which only the hash is stored.
type Secret struct {
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
}

// ClientSecrets lists the unexpired secrets of a client, the latest first.
func (s *Clients) ClientSecrets(ctx context.Context, id string) ([]Secret, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (Secret, error) {
		var created, expires int64
		err := rows.Scan(&created, &expires)
		return Secret{sqldb.Time(created), sqldb.Time(expires)}, err
	}, `SELECT created_at, expires_at FROM client_secrets
		WHERE client_id = $1 AND (expires_at = 0 OR expires_at > $2) ORDER BY created_at DESC, secret_hash`, id, sqldb.Micros(s.now()))
}

// MarkRemoved hides a client from everybody, revokes all its access tokens, and removes its secrets
// and its registration. Its row stays until [Clients.Purge]. ErrNotFound: there is none with that id.
func (s *Clients) MarkRemoved(ctx context.Context, id string) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		now := sqldb.Micros(s.now())
		if err := row.Changed(s.change(ctx, id, `UPDATE clients SET removed_at = $2, updated_at = $2
			WHERE id = $1`, id, now)); err != nil {
			return err
		}
		if _, err := s.db.Exec(ctx, `DELETE FROM client_secrets WHERE client_id = $1`,
			id); err != nil {
			return err
		}
		if _, err := s.db.Exec(ctx, `DELETE FROM registration_tokens WHERE client_id = $1`, id); err != nil {
			return err
		}
		return s.RevokeTokens(ctx, id)
	})
}

// Removed returns the ids of up to 20 clients that are marked as removed.
func (s *Clients) Removed(ctx context.Context) ([]string, error) {
	return sqldb.All(ctx, s.db, row.Text, `SELECT id FROM clients WHERE removed_at > 0
		ORDER BY id LIMIT 20`)
}

// Purge removes the row of a client that is marked as removed. Remove what refers to it first.
func (s *Clients) Purge(ctx context.Context, id string) error {
	_, err := s.db.Exec(ctx, `DELETE FROM clients WHERE id = $1 AND removed_at > 0`, id)
	return err
}
