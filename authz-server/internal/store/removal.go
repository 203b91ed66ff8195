package store

import (
	"context"
	"errors"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// DeletedClient counts what went with a client.
type DeletedClient struct {
	Grants   int64 // live ones: what people had given it, with all codes and refresh tokens
	Consents int64
}

// DeleteClient removes a client with its secrets, grants, consents and requests under way. It is
// gone for everybody at once, and its access tokens are revoked. What people gave it goes in
// batches, with pauses for others. If that ends early, Sweep or another call goes on with it. ErrNotFound: there is none with that id.
func (s *Store) DeleteClient(ctx context.Context, id string) (DeletedClient, error) {
	if err := s.Clients.MarkRemoved(ctx, id); err != nil {
		return DeletedClient{}, err
	}
	return s.purgeClient(ctx, id)
}

// PurgeClient does for a client that [registry.Clients.MarkRemoved] has marked what is left of
// DeleteClient.
func (s *Store) PurgeClient(ctx context.Context, id string) (DeletedClient, error) {
	return s.purgeClient(ctx, id)
}

// purgeClient removes all that refers to a removed client, and then its row.
func (s *Store) purgeClient(ctx context.Context, id string) (gone DeletedClient, err error) {
	_, gone.Grants, err = s.Grants.Remove(ctx, `SELECT id FROM grants WHERE client_id = $1
		ORDER BY client_id, created_at LIMIT 200`, id)
	if err != nil {
		return gone, err
	}
	var requests int64
	for _, one := range []struct {
		table, key string
		count      *int64
		order      string
	}{
		{"consents", "user_id", &gone.Consents, "created_at"},
		{"interactions", "handle_hash", &requests, "created_at"},
		{"device_codes", "device_code_hash", &requests, "created_at"},
		{"external_users", "user_id", &requests, "user_id"},
		{"external_groups", "group_id", &requests, "group_id"},
	} {
		n, err := s.db.Remove(ctx, sqldb.Rows{Table: one.table, Key: one.key,
			Where: "client_id = $1", Order: "client_id, " + one.order}, id)
		*one.count += n
		if err != nil {
			return gone, err
		}
	}
	stream, err := s.Streams.StreamOf(ctx, id)
	if err == nil {
		err = s.Streams.Delete(ctx, stream.ID)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return gone, err
	}
	return gone, s.Clients.Purge(ctx, id)
}

// purgeClients goes on where a DeleteClient ended early.
func (s *Store) purgeClients(ctx context.Context, _ time.Time) (rows int64, err error) {
	ids, err := s.Clients.Removed(ctx)
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

// DisableClient disables a client (see [registry.Clients.Disable]), and then revokes the tokens that
// others exchanged from its grants, as RevokeExchanged does. ErrNotFound: there is none with that id.
func (s *Store) DisableClient(ctx context.Context, id string) error {
	if err := s.Clients.Disable(ctx, id); err != nil {
		return err
	}
	return s.RevokeExchanged(ctx)
}

// RevokeExchanged revokes the tokens that others exchanged from the grants of clients that were
// disabled (see [registry.Clients.Disable]), in batches. If it ends early, Sweep or another call
// begins again with the client: to revoke a token twice does no harm.
func (s *Store) RevokeExchanged(ctx context.Context) error {
	for after := ""; ; {
		clients, err := s.Clients.Exchanges(ctx, after)
		if err != nil || len(clients) == 0 {
			return err
		}
		for _, one := range clients {
			if err := s.Grants.RevokeExchanged(ctx, one.ID); err != nil {
				return err
			}
			if err := s.Clients.ExchangesRevoked(ctx, one); err != nil {
				return err
			}
			after = one.ID
		}
	}
}

// RemoveEnded removes the rows of the grants that [registry.Clients.Compromised] ended, and revokes
// the tokens that others exchanged from them. It works in batches, and returns how many grants there
// were. If it ends early, Sweep or another call goes on with it.
func (s *Store) RemoveEnded(ctx context.Context) (rows int64, err error) {
	clients, err := s.Clients.ToCleanUp(ctx)
	if err != nil {
		return 0, err
	}
	for _, one := range clients {
		gone, _, err := s.Grants.Remove(ctx, `SELECT id FROM grants
			WHERE client_id = $1 AND created_at < $2 ORDER BY client_id, created_at LIMIT 200`,
			one.ID, one.Since)
		rows += gone
		if err == nil {
			err = s.Clients.CleanedUp(ctx, one)
		}
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// Ended counts what EndAll removed.
type Ended struct {
	Sessions, Grants, DeviceCodes, Requests, InitialTokens, Invitations, Consents int64
}

// EndAll revokes every access token, ends every session and grant, with all codes and refresh
// tokens, and removes what is under way: interactions, log-ins that owe a second step or are under
// way at upstreams, challenges for passkeys, pushed requests, mailed links, known browsers, device
// codes, initial access tokens and invitations. It tells clients of the sessions'
// end. With consents, it removes consents too, so that people are asked again. It works in batches,
// with pauses for others; what is made meanwhile may stay.
func (s *Store) EndAll(ctx context.Context, consents bool) (ended Ended, err error) {
	if err := s.Statuses.RevokeAll(ctx); err != nil {
		return ended, err
	}
	if ended.Sessions, err = s.Sessions.EndEverySession(ctx); err != nil {
		return ended, err
	}
	if ended.Grants, _, err = s.Grants.Remove(ctx, `SELECT id FROM grants
		ORDER BY id LIMIT 200`); err != nil {
		return ended, err
	}
	for _, one := range []struct {
		table, key string
		count      *int64
	}{
		{"session_clients", "session_id, client_id", new(int64)},
		{"device_codes", "device_code_hash", &ended.DeviceCodes},
		{"interactions", "handle_hash", &ended.Requests},
		{"pushed_requests", "uri_hash", &ended.Requests},
		{"mailed", "link_hash", &ended.Requests},                  // maybe spent since the backup
		{"pending_logins", "browser_hash", &ended.Requests},       // so is this
		{"passkey_ceremonies", "challenge_hash", &ended.Requests}, // and this
		{"browsers", "id", new(int64)},                            // whose trust may have ended since
		{"upstream_logins", "state_hash", &ended.Requests},
		{"upstream_arrivals", "browser_hash", &ended.Requests},
		{"initial_access_tokens", "token_hash", &ended.InitialTokens},
		{"invitations", "id", &ended.Invitations},
		{"consents", "user_id, client_id", &ended.Consents},
	} {
		if one.table == "consents" && !consents {
			continue
		}
		n, err := s.db.Remove(ctx, sqldb.Rows{Table: one.table, Key: one.key, Where: "true",
			Order: one.key})
		*one.count += n
		if err != nil {
			return ended, err
		}
	}
	return ended, nil
}
