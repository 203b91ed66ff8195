package registry

import (
	"context"
	"database/sql"
	"errors"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Disable takes everything from a client but its rows, and revokes all access tokens that it holds,
// in one transaction: it is unknown from then on, except to operators. Requests that read it before
// get no tokens (see RevokeTokens), and what people are just deciding for it is stale. The tokens
// that others exchanged from its grants are left to [store.Store.RevokeExchanged], also if it is
// enabled before that. A client that is disabled stays so. ErrNotFound: there is none with that id.
func (s *Clients) Disable(ctx context.Context, id string) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if err := row.Changed(s.change(ctx, id, `UPDATE clients
			SET disabled_at = CASE WHEN disabled_at = 0 THEN $2 ELSE disabled_at END,
			exchanges_ended_at = CASE WHEN exchanges_ended_at < $2 THEN $2 ELSE exchanges_ended_at + 1 END, `+touched+`
			WHERE id = $1 AND removed_at = 0`, id, sqldb.Micros(s.now()))); err != nil {
			return err
		}
		return s.RevokeTokens(ctx, id)
	})
}

// Enable lets a disabled client, and what people gave it, be used again. Its access tokens stay
// revoked. ErrNotFound: there is none with that id.
func (s *Clients) Enable(ctx context.Context, id string) error {
	return row.Changed(s.change(ctx, id, `UPDATE clients SET disabled_at = 0, `+touched+`
		WHERE id = $1 AND removed_at = 0`, id, sqldb.Micros(s.now())))
}

// Compromised makes hash a client's only secret, revokes all access tokens that it holds, and ends
// all grants to it and its registration access token, in one transaction: whoever has what the
// client had has nothing from then on. The grants' rows stay until [Clients.CleanedUp]. ErrNotFound:
// there is none with that id.
func (s *Clients) Compromised(ctx context.Context, id string, hash []byte) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if err := row.Changed(s.change(ctx, id, `UPDATE clients SET grants_since = $2, `+touched+`
			WHERE id = $1 AND removed_at = 0`, id, sqldb.Micros(s.now()))); err != nil {
			return err
		}
		if err := s.ReplaceClientSecrets(ctx, id, hash); err != nil {
			return err
		}
		// It would make secrets and keys as good as those that end.
		if err := s.ReplaceRegistrationToken(ctx, id, nil); err != nil && !errors.Is(err, row.ErrNotFound) {
			return err
		}
		return s.RevokeTokens(ctx, id)
	})
}

// touched moves on a client's version, so that what was decided from an earlier one is stale. $2 is
// the time.
const touched = `updated_at = CASE WHEN updated_at < $2 THEN $2 ELSE updated_at + 1 END`

// RevokeTokens revokes all access tokens that a client holds. Call it in a transaction that has
// changed the client's row, and so locked it. A block of places for tokens is leased under the same lock,
// and only in the epoch in which the client was read: it was leased before and is revoked here, or
// it is refused.
func (s *Clients) RevokeTokens(ctx context.Context, id string) error {
	if _, err := s.change(ctx, id, `UPDATE clients SET epoch = epoch + 1 WHERE id = $1`, id); err != nil {
		return err
	}
	return s.statuses.RevokeClient(ctx, id)
}

// Ended is a client of which something is over since a time in microseconds: all grants that began
// before, or all tokens that others had exchanged from its grants by then.
type Ended struct {
	ID    string
	Since int64
}

func scanEnded(rows *sql.Rows) (e Ended, err error) { return e, rows.Scan(&e.ID, &e.Since) }

// ToCleanUp returns up to 20 clients that have rows of grants that [Clients.Compromised] ended.
func (s *Clients) ToCleanUp(ctx context.Context) ([]Ended, error) {
	return sqldb.All(ctx, s.db, scanEnded, `SELECT id, grants_since FROM clients
		WHERE grants_since > 0 ORDER BY id LIMIT 20`)
}

// CleanedUp notes that no rows are left of the grants that ended.
func (s *Clients) CleanedUp(ctx context.Context, e Ended) error {
	_, err := s.db.Exec(ctx, `UPDATE clients SET grants_since = 0
		WHERE id = $1 AND grants_since = $2`, e.ID, e.Since)
	return err
}

// Exchanges returns up to 20 clients, in the order of their ids and after the id after, that were
// disabled, and of whose grants tokens that others exchanged may not be revoked yet.
func (s *Clients) Exchanges(ctx context.Context, after string) ([]Ended, error) {
	return sqldb.All(ctx, s.db, scanEnded, `SELECT id, exchanges_ended_at FROM clients
		WHERE exchanges_ended_at > 0 AND id > $1 ORDER BY id LIMIT 20`, after)
}

// ExchangesRevoked notes that these tokens are revoked. It does nothing if the client was disabled
// once more meanwhile.
func (s *Clients) ExchangesRevoked(ctx context.Context, e Ended) error {
	_, err := s.db.Exec(ctx, `UPDATE clients SET exchanges_ended_at = 0
		WHERE id = $1 AND exchanges_ended_at = $2`, e.ID, e.Since)
	return err
}
