package store

import (
	"context"

	"github.com/maru-auth/maru/internal/sqldb"
)

// sweepBatch is how many rows one statement of long work removes or changes at most: others must get their turn to write. The
// statements say it as a number, for of a parameter Postgres would not know that it is small; and they say in which order,
// so that Postgres does not look for the few old rows among all.
const sweepBatch = 200

// inBatches runs a statement that removes sweepBatch rows or fewer until there are no more.
func inBatches(ctx context.Context, db *sqldb.DB, statement string, args ...any) (rows int64, err error) {
	return db.Batches(ctx, sweepBatch, func(ctx context.Context) (int64, error) { return db.Exec(ctx, statement, args...) })
}

// DeletedClient counts what went with a client.
type DeletedClient struct {
	Grants   int64 // live ones: what people had given it, with all codes and refresh tokens
	Consents int64
}

// DeleteClient removes a client, and with it its secrets, grants, consents and requests under way. It is gone for everybody at
// once, and access tokens that it holds are refused by introspection; resource services refuse them when they expire. The rows
// of what people gave it go in batches, with pauses for others. If that ends early, [Store.SweepRegistration] goes on with it, or
// another call. ErrNotFound: there is none of that id.
func (s *Store) DeleteClient(ctx context.Context, id string) (DeletedClient, error) {
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		now := sqldb.Micros(s.now())
		if err := changed(s.db.Exec(ctx, `UPDATE clients SET removed_at = $2, updated_at = $2 WHERE id = $1`, id, now)); err != nil {
			return err
		}
		if _, err := s.db.Exec(ctx, `DELETE FROM client_secrets WHERE client_id = $1`, id); err != nil {
			return err
		}
		_, err := s.db.Exec(ctx, `DELETE FROM registration_tokens WHERE client_id = $1`, id)
		return err
	})
	if err != nil {
		return DeletedClient{}, err
	}
	return s.purgeClient(ctx, id)
}

// purgeClient removes all that hangs on a removed client, and then its row.
func (s *Store) purgeClient(ctx context.Context, id string) (gone DeletedClient, err error) {
	_, gone.Grants, err = s.Grants.remove(ctx, `SELECT id FROM grants WHERE client_id = $1 ORDER BY client_id, created_at LIMIT 200`, id)
	if err != nil {
		return gone, err
	}
	gone.Consents, err = inBatches(ctx, s.db, `DELETE FROM consents WHERE client_id = $1 AND user_id IN
		(SELECT user_id FROM consents WHERE client_id = $1 ORDER BY client_id, created_at LIMIT 200)`, id)
	if err != nil {
		return gone, err
	}
	for _, statement := range []string{
		`DELETE FROM interactions WHERE handle_hash IN (SELECT handle_hash FROM interactions WHERE client_id = $1 ORDER BY client_id, created_at LIMIT 200)`,
		`DELETE FROM device_codes WHERE device_code_hash IN (SELECT device_code_hash FROM device_codes WHERE client_id = $1 ORDER BY client_id, created_at LIMIT 200)`,
	} {
		if _, err := inBatches(ctx, s.db, statement, id); err != nil {
			return gone, err
		}
	}
	_, err = s.db.Exec(ctx, `DELETE FROM clients WHERE id = $1 AND removed_at > 0`, id)
	return gone, err
}

// sweepRemovedClients goes on with what a DeleteClient did not bring to its end.
func (s *Store) sweepRemovedClients(ctx context.Context) (rows int64, err error) {
	ids, err := sqldb.All(ctx, s.db, scanText, `SELECT id FROM clients WHERE removed_at > 0 ORDER BY id LIMIT 20`)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		gone, err := s.purgeClient(ctx, id)
		rows += gone.Grants + gone.Consents + 1
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// Ended counts what EndAll removed.
type Ended struct {
	Sessions, Grants, DeviceCodes, Requests, InitialTokens, Consents int64
}

// EndAll ends every session and grant, with all codes and refresh tokens, and removes what is under way: interactions, pushed
// requests, device codes, and the initial access tokens. Clients are told of the sessions' end as usual. With consents, people
// are asked anew for those too. It works in batches, with pauses for others; what is made meanwhile may stay.
func (s *Store) EndAll(ctx context.Context, consents bool) (ended Ended, err error) {
	ended.Sessions, err = s.db.Batches(ctx, sweepSessionBatch, func(ctx context.Context) (n int64, err error) {
		err = s.Logouts.tx(ctx, func(ctx context.Context) error {
			sessions, err := s.endSessions(ctx, `id IN (SELECT id FROM sessions ORDER BY id LIMIT 40)`)
			n = int64(sessions)
			return err
		})
		return n, err
	})
	if err != nil {
		return ended, err
	}
	if ended.Grants, _, err = s.Grants.remove(ctx, `SELECT id FROM grants ORDER BY id LIMIT 200`); err != nil {
		return ended, err
	}
	for _, one := range []struct {
		count     *int64
		statement string
	}{
		{new(int64), `DELETE FROM session_clients WHERE (session_id, client_id) IN (SELECT session_id, client_id FROM session_clients ORDER BY session_id, client_id LIMIT 200)`},
		{&ended.DeviceCodes, `DELETE FROM device_codes WHERE device_code_hash IN (SELECT device_code_hash FROM device_codes ORDER BY device_code_hash LIMIT 200)`},
		{&ended.Requests, `DELETE FROM interactions WHERE handle_hash IN (SELECT handle_hash FROM interactions ORDER BY handle_hash LIMIT 200)`},
		{&ended.Requests, `DELETE FROM pushed_requests WHERE uri_hash IN (SELECT uri_hash FROM pushed_requests ORDER BY uri_hash LIMIT 200)`},
		{&ended.InitialTokens, `DELETE FROM initial_access_tokens WHERE token_hash IN (SELECT token_hash FROM initial_access_tokens ORDER BY token_hash LIMIT 200)`},
		{&ended.Consents, `DELETE FROM consents WHERE (user_id, client_id) IN (SELECT user_id, client_id FROM consents ORDER BY user_id, client_id LIMIT 200)`},
	} {
		if one.count == &ended.Consents && !consents {
			continue
		}
		n, err := inBatches(ctx, s.db, one.statement)
		*one.count += n
		if err != nil {
			return ended, err
		}
	}
	return ended, nil
}
