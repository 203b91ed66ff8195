package registry

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/cache"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// RememberFor is for how long [Clients.Remembered] may answer from memory: as long as what another
// process changed about a client can go unnoticed there. What this process changes is forgotten when
// it is committed.
const RememberFor = 2 * time.Second

// rememberedBytes bounds the memory of all remembered clients.
const rememberedBytes = 8 << 20

// clientMemory is what is remembered of clients that were just read.
type clientMemory struct {
	mu      sync.Mutex
	clients *cache.Cache[string, credentials]
	changes uint64 // how often something was forgotten
}

// credentials are a client that can be used, its secrets, expired ones too, and when they were read.
type credentials struct {
	client  client.Client
	secrets []secret
	size    int // roughly, in bytes
	readAt  time.Time
}

type secret struct {
	hash    []byte
	expires int64 // in microseconds; 0: never
}

// unexpired are the hashes of the secrets that are good at the time now.
func (c *credentials) unexpired(now time.Time) (hashes [][]byte) {
	for _, one := range c.secrets {
		if one.expires == 0 || one.expires > sqldb.Micros(now) {
			hashes = append(hashes, one.hash)
		}
	}
	return hashes
}

// Remembered is [Clients.ClientWithSecrets], but the client, if remembered says so, is as it was up
// to [RememberFor] ago, perhaps without a secret that it has got since. Only let a remembered client
// in, and decide from ClientWithSecrets what it is refused. What it is let in to must be checked by
// its UpdatedAt, or revoke itself by its Epoch.
func (s *Clients) Remembered(ctx context.Context, id string) (c client.Client, hashes [][]byte, remembered bool, err error) {
	now := s.now()
	if known, ok := s.memory.recall(id, now); ok && !s.db.InTransaction(ctx) {
		return known.client, known.unexpired(now), true, nil
	}
	changes := s.memory.seen()
	found, err := s.credentials(ctx, id)
	if found.client, err = usable(found.client, err); err != nil {
		return client.Client{}, nil, false, err
	}
	found.readAt = now
	if !s.db.InTransaction(ctx) {
		s.memory.keep(found, changes)
	}
	return found.client, found.unexpired(now), false, nil
}

// credentials reads a client, disabled or not, with its secrets.
func (s *Clients) credentials(ctx context.Context, id string) (credentials, error) {
	type withSecret struct {
		clientRow
		hash    []byte
		expires sql.NullInt64
	}
	// A parameter that is compared with expires_at, which has a partial index, would make SQLite
	// compile the statement anew each time.
	rows, err := sqldb.All(ctx, s.db, func(rows *sql.Rows) (withSecret, error) {
		r := withSecret{clientRow: clientRow{id: id}}
		return r, rows.Scan(append(r.into(), &r.hash, &r.expires)...)
	}, `SELECT `+clientColumns+`, r.vouched, s.secret_hash, s.expires_at FROM clients c
		LEFT JOIN registration_tokens r ON r.client_id = c.id
		LEFT JOIN client_secrets s ON s.client_id = c.id
		WHERE c.id = $1 AND c.removed_at = 0`, id)
	if err != nil {
		return credentials{}, err
	}
	if len(rows) == 0 {
		return credentials{}, row.ErrNotFound
	}
	found := credentials{size: len(id) + parsedPerByte*len(rows[0].metadata)}
	if found.client, err = s.read(rows[0].clientRow); err != nil {
		return credentials{}, err
	}
	for _, r := range rows {
		if r.hash != nil { // a client without secrets has one row without any
			found.secrets = append(found.secrets, secret{r.hash, r.expires.Int64})
			found.size += len(r.hash) + 32
		}
	}
	return found, nil
}

// change runs a statement that changes a client's row, or comes before one that changes its secrets
// in the same transaction. What is remembered of the client is forgotten when that is committed.
func (s *Clients) change(ctx context.Context, id, statement string, args ...any) (rows int64, err error) {
	rows, err = s.db.Exec(ctx, statement, args...)
	s.db.AfterCommit(ctx, func() { s.memory.forget(id) })
	return rows, err
}

func (m *clientMemory) recall(id string, now time.Time) (credentials, bool) {
	known, ok := m.clients.Get(id)
	age := now.Sub(known.readAt)
	return known, ok && 0 <= age && age < RememberFor
}

// seen is for keep, before the client is read.
func (m *clientMemory) seen() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changes
}

// keep remembers a client, unless something was forgotten since seen: it may have been read before
// that was committed.
func (m *clientMemory) keep(found credentials, seen uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.changes == seen {
		m.clients.Add(found.client.ID, found, found.size)
	}
}

func (m *clientMemory) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes++
	m.clients.Remove(id)
}
