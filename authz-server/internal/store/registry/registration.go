package registry

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Registration is what comes with a client that registers itself. All hashes are those of
// [opaque.Hash].
type Registration struct {
	Secret       []byte // hash of its secret; nil: it has none
	Token        []byte // hash of its registration access token (RFC 7592)
	InitialToken []byte // hash of the initial access token that let it in; see RegisterClient; nil: none was needed
}

// RegisterClient stores a checked client and its registration, all or nothing. It spends one use of
// the initial access token, whose maker then vouches for the client. ErrNotFound: the
// initial access token is unknown, used up or expired. ErrExists: the client's id is taken.
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
		_, err := s.db.Exec(ctx, `INSERT INTO registration_tokens (client_id, token_hash, vouched,
			checked_at) VALUES ($1, $2, $3, $4)`,
			c.ID, r.Token, r.InitialToken != nil, sqldb.Micros(s.now()))
		return err
	})
}

// CheckRegistrationToken checks that token manages a client. ErrNotFound: it does not, or there is
// no such client, or it is disabled; a caller cannot tell which.
func (s *Clients) CheckRegistrationToken(ctx context.Context, clientID, token string) error {
	var hash []byte
	err := s.db.QueryRow(ctx, `SELECT r.token_hash FROM registration_tokens r
		JOIN clients c ON c.id = r.client_id AND c.disabled_at = 0 WHERE r.client_id = $1`,
		clientID).Scan(&hash)
	if err == nil && subtle.ConstantTimeCompare(hash, opaque.Hash(token)) != 1 {
		return row.ErrNotFound
	}
	return row.NotFound(err)
}

// HasRegistration looks whether a client registered itself. ErrNotFound: it did not, or there is none.
func (s *Clients) HasRegistration(ctx context.Context, clientID string) error {
	var id string
	return row.NotFound(s.db.QueryRow(ctx, `SELECT client_id FROM registration_tokens WHERE client_id = $1`, clientID).Scan(&id))
}

// ReplaceRegistrationToken makes the token with this hash the one that manages a client; nil: none
// does. ErrNotFound: the client did not register itself, or there is none.
func (s *Clients) ReplaceRegistrationToken(ctx context.Context, clientID string, hash []byte) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE registration_tokens SET token_hash = $2
		WHERE client_id = $1`, clientID, append([]byte{}, hash...))) // an empty one is no token's
}

// CreateInitialToken stores a token that lets in so many clients until expires.
func (s *Clients) CreateInitialToken(ctx context.Context, hash []byte, note string, uses int64, expires time.Time) error {
	return row.Added(s.db.Exec(ctx, `INSERT INTO initial_access_tokens (token_hash, note, uses_left,
		created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		hash, note, uses, sqldb.Micros(s.now()), sqldb.Micros(expires)))
}

// InitialToken is an initial access token, by its hash.
type InitialToken struct {
	Hash      []byte
	Note      string
	UsesLeft  int64
	CreatedAt time.Time
	ExpiresAt time.Time
}

// InitialTokens returns up to limit tokens that could let in a client now, in the order of their
// hashes, starting after one (none starts at the first).
func (s *Clients) InitialTokens(ctx context.Context, after []byte, limit int) ([]InitialToken, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (t InitialToken, err error) {
		var created, expires int64
		err = rows.Scan(&t.Hash, &t.Note, &t.UsesLeft, &created, &expires)
		t.CreatedAt, t.ExpiresAt = sqldb.Time(created), sqldb.Time(expires)
		return t, err
	}, `SELECT token_hash, note, uses_left, created_at, expires_at FROM initial_access_tokens
		WHERE token_hash > $1 AND uses_left > 0 AND expires_at > $2 ORDER BY token_hash LIMIT $3`,
		append([]byte{}, after...), sqldb.Micros(s.now()), limit)
}

// RemoveInitialToken removes a token. ErrNotFound: there is none.
func (s *Clients) RemoveInitialToken(ctx context.Context, hash []byte) error {
	return row.Changed(s.db.Exec(ctx, `DELETE FROM initial_access_tokens WHERE token_hash = $1`, hash))
}

// CheckInitialToken checks that a token could let in a client now; [Clients.RegisterClient]
// decides. ErrNotFound: it could not.
func (s *Clients) CheckInitialToken(ctx context.Context, hash []byte) error {
	var left int64
	err := s.db.QueryRow(ctx, `SELECT uses_left FROM initial_access_tokens
		WHERE token_hash = $1 AND uses_left > 0 AND expires_at > $2`,
		hash, sqldb.Micros(s.now())).Scan(&left)
	return row.NotFound(err)
}

// useInitialToken spends one use. ErrNotFound: none is left.
func (s *Clients) useInitialToken(ctx context.Context, hash []byte) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE initial_access_tokens SET uses_left = uses_left - 1
		WHERE token_hash = $1 AND uses_left > 0 AND expires_at > $2`,
		hash, sqldb.Micros(s.now())))
}
