package store

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Registration is what comes with a client that registers itself. All hashes are [Hash] of the secret.
type Registration struct {
	Secret       []byte // hash of its secret; nil: it has none
	Token        []byte // hash of its registration access token (RFC 7592)
	InitialToken []byte // hash of the initial access token that it was let in by, of which one use is spent: who made that vouches for it; nil: none was needed
}

// RegisterClient stores a checked client with its registration, all or nothing. ErrNotFound: the initial access token is
// unknown, used up or expired. ErrExists: the client's id is taken.
func (s *Clients) RegisterClient(ctx context.Context, c client.Client, r Registration) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if r.InitialToken != nil {
			if err := s.useInitialToken(ctx, r.InitialToken); err != nil {
				return err
			}
		}
		if err := s.CreateClient(ctx, c); err != nil {
			return err
		}
		if r.Secret != nil {
			if err := s.AddClientSecret(ctx, c.ID, r.Secret, time.Time{}); err != nil {
				return err
			}
		}
		_, err := s.db.Exec(ctx, `INSERT INTO registration_tokens (client_id, token_hash, vouched, checked_at) VALUES ($1, $2, $3, $4)`,
			c.ID, r.Token, r.InitialToken != nil, sqldb.Micros(s.now()))
		return err
	})
}

// CheckRegistrationToken tells whether token manages a client. ErrNotFound: it does not, or there is no such client; the two
// cannot be told apart.
func (s *Clients) CheckRegistrationToken(ctx context.Context, clientID, token string) error {
	var hash []byte
	err := s.db.QueryRow(ctx, `SELECT token_hash FROM registration_tokens WHERE client_id = $1`, clientID).Scan(&hash)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	if err == nil && subtle.ConstantTimeCompare(hash, Hash(token)) != 1 {
		return ErrNotFound
	}
	return err
}

// CreateInitialToken stores a token by which uses clients can be registered until expires.
func (s *Clients) CreateInitialToken(ctx context.Context, hash []byte, note string, uses int64, expires time.Time) error {
	rows, err := s.db.Exec(ctx, `INSERT INTO initial_access_tokens (token_hash, note, uses_left, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`, hash, note, uses, sqldb.Micros(s.now()), sqldb.Micros(expires))
	if err == nil && rows == 0 {
		err = ErrExists
	}
	return err
}

// CheckInitialToken tells whether a client could be registered by a token now; [Store.RegisterClient] decides. ErrNotFound: no.
func (s *Clients) CheckInitialToken(ctx context.Context, hash []byte) error {
	var left int64
	err := s.db.QueryRow(ctx, `SELECT uses_left FROM initial_access_tokens WHERE token_hash = $1 AND uses_left > 0 AND expires_at > $2`,
		hash, sqldb.Micros(s.now())).Scan(&left)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// useInitialToken spends one use, of which no more are given than there are.
func (s *Clients) useInitialToken(ctx context.Context, hash []byte) error {
	rows, err := s.db.Exec(ctx, `UPDATE initial_access_tokens SET uses_left = uses_left - 1 WHERE token_hash = $1 AND uses_left > 0 AND expires_at > $2`,
		hash, sqldb.Micros(s.now()))
	if err == nil && rows == 0 {
		err = ErrNotFound
	}
	return err
}

// Document clients ([client.Client.Document]) have a row while anything hangs on it, and for documentRetention after their
// document was last seen. It is confirmed to have been seen once in documentConfirmed.
const (
	documentRetention = 24 * time.Hour
	documentConfirmed = time.Hour
)

// PutDocumentClient stores a checked client that a document describes, or what changed in it. A row that says the same is
// written anew only once an hour.
func (s *Clients) PutDocumentClient(ctx context.Context, c client.Client) error {
	metadata, err := json.Marshal(c)
	if err != nil {
		return err
	}
	now := s.now()
	_, err = s.db.Exec(ctx, `INSERT INTO clients (id, metadata, created_at, updated_at) VALUES ($1, $2, $3, $3)
		ON CONFLICT (id) DO UPDATE SET metadata = excluded.metadata, updated_at = excluded.updated_at
		WHERE clients.removed_at = 0 AND (clients.metadata <> excluded.metadata OR clients.updated_at <= $4)`,
		c.ID, string(metadata), sqldb.Micros(now), sqldb.Micros(now.Add(-documentConfirmed)))
	return err
}

// SweepUnusedClients removes clients that registered themselves, that nobody vouched for, and that nobody used for so long: no
// person agreed to them, and nothing is under way. That their metadata was changed is no use: it would keep any number alive. It returns how many went. It looks at a client once in that time, in small
// batches, so that those in use cost little. Several replicas may sweep at once.
func (s *Clients) SweepUnusedClients(ctx context.Context, unused time.Duration) (removed int64, err error) {
	now := s.now()
	due := sqldb.Micros(now.Add(-unused))
	const batch = 50 // clients, of several statements each
	_, err = s.db.Batches(ctx, batch, func(ctx context.Context) (looked int64, err error) {
		gone := int64(0)
		err = s.db.Tx(ctx, func(ctx context.Context) error {
			gone = 0
			ids, err := sqldb.All(ctx, s.db, scanText,
				`SELECT client_id FROM registration_tokens WHERE NOT vouched AND checked_at <= $1 ORDER BY checked_at LIMIT 50`, due)
			if err != nil {
				return err
			}
			looked = int64(len(ids))
			for _, id := range ids {
				n, err := s.db.Exec(ctx, `DELETE FROM clients WHERE id = $1 AND created_at <= $2 AND `+clientUnused, id, due)
				if err != nil {
					return err
				}
				gone += n
				if _, err := s.db.Exec(ctx, `UPDATE registration_tokens SET checked_at = $2 WHERE client_id = $1`, id, sqldb.Micros(now)); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			removed += gone
		}
		return looked, err
	})
	return removed, err
}

// sweepDocumentClients removes document clients that were not seen for documentRetention and that nobody uses. It looks at
// documentPages pages of them a call, and the next call goes on behind those: however many are in use, each is looked at
// now and then.
func (s *Clients) sweepDocumentClients(ctx context.Context) (rows int64, err error) {
	const documentPages = 5
	until := sqldb.Micros(s.now().Add(-documentRetention))
	for range documentPages {
		s.sweeping.Lock()
		after := max(s.swept, "https://")
		s.sweeping.Unlock()
		ids, err := sqldb.All(ctx, s.db, scanText, `SELECT id FROM clients WHERE id > $1 AND id < 'https:0' ORDER BY id LIMIT 200`, after)
		if err != nil {
			return rows, err
		}
		last := ""
		if len(ids) == sweepBatch {
			last = ids[len(ids)-1]
		}
		if len(ids) > 0 {
			n, err := s.db.Exec(ctx, `DELETE FROM clients WHERE id > $1 AND id <= $2 AND updated_at <= $3 AND `+clientUnused,
				after, ids[len(ids)-1], until)
			rows += n
			if err != nil {
				return rows, err
			}
		}
		s.sweeping.Lock()
		s.swept = last
		s.sweeping.Unlock()
		if last == "" {
			break
		}
	}
	return rows, nil
}

// clientUnused is the condition that nothing hangs on a client. Not EXISTS, which Postgres may answer by reading all that
// hangs on any client, and in the order of the one index that leads there.
const clientUnused = `(SELECT 1 FROM grants g WHERE g.client_id = clients.id ORDER BY g.client_id, g.created_at LIMIT 1) IS NULL
	AND (SELECT 1 FROM consents a WHERE a.client_id = clients.id ORDER BY a.client_id, a.created_at LIMIT 1) IS NULL
	AND (SELECT 1 FROM interactions i WHERE i.client_id = clients.id ORDER BY i.client_id, i.created_at LIMIT 1) IS NULL
	AND (SELECT 1 FROM device_codes d WHERE d.client_id = clients.id ORDER BY d.client_id, d.created_at LIMIT 1) IS NULL`
