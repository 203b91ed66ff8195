package registry

import (
	"context"
	"math"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Sweeps lists what has expired, and clients that nobody uses.
func (s *Clients) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "expired client secrets", Rows: sqldb.Rows{
			Table: "client_secrets", Key: "client_id, secret_hash", Where: "expires_at > 0 AND expires_at <= $1", Order: "expires_at"}},
		{Name: "expired initial access tokens", Rows: sqldb.Rows{
			Table: "initial_access_tokens", Key: "token_hash", Where: "expires_at <= $1", Order: "expires_at"}},
		{Name: "initial access tokens that are used up", Rows: sqldb.Rows{
			Table: "initial_access_tokens", Key: "token_hash", Where: "uses_left <= 0", Order: "uses_left"}},
		// These two have batches of their own, so one step does all of it.
		{Name: "document clients that nobody uses", Step: s.sweepDocumentClients,
			Batch: math.MaxInt64},
		{Name: "registered clients that nobody uses", Step: s.sweepUnused, Batch: math.MaxInt64},
	}
}

// KeepUnused sets how long an unused client that registered itself is kept; 0, the default, keeps
// it for ever. Call it before anything else uses the store.
func (s *Clients) KeepUnused(unused time.Duration) { s.keepUnused = unused }

func (s *Clients) sweepUnused(ctx context.Context, _ time.Time) (removed int64, err error) {
	if s.keepUnused == 0 {
		return 0, nil
	}
	return s.SweepUnusedClients(ctx, s.keepUnused)
}

// SweepUnusedClients removes clients that registered themselves, that nobody vouched for, and that
// have been unused for that long: they got no token, no person agreed to them, and no request is
// under way. A change of their metadata is not a use, since it would keep any number of them alive. It returns how many
// went. It looks at each client once in that time, in small batches, so that clients in use cost
// little. Several replicas may sweep at once.
func (s *Clients) SweepUnusedClients(ctx context.Context, unused time.Duration) (removed int64, err error) {
	now := s.now()
	due := sqldb.Micros(now.Add(-unused))
	const batch = 50 // clients, of several statements each
	_, err = s.db.Batches(ctx, batch, func(ctx context.Context) (looked int64, err error) {
		var gone int64
		err = s.db.Tx(ctx, func(ctx context.Context) error {
			looked, gone, err = s.removeUnused(ctx, due, sqldb.Micros(now))
			return err
		})
		if err == nil {
			removed += gone
		}
		return looked, err
	})
	return removed, err
}

// removeUnused looks at a batch of clients that were last looked at before due.
func (s *Clients) removeUnused(ctx context.Context, due, now int64) (looked, gone int64, err error) {
	ids, err := sqldb.All(ctx, s.db, row.Text,
		`SELECT client_id FROM registration_tokens WHERE NOT vouched AND checked_at <= $1
			ORDER BY checked_at LIMIT 50`, due)
	if err != nil {
		return 0, 0, err
	}
	for _, id := range ids {
		n, err := s.db.Exec(ctx, `DELETE FROM clients
			WHERE id = $1 AND created_at <= $2 AND used_at <= $2 AND `+clientUnused, id, due)
		if err != nil {
			return 0, 0, err
		}
		gone += n
		if _, err := s.db.Exec(ctx, `UPDATE registration_tokens SET checked_at = $2
			WHERE client_id = $1`, id, now); err != nil {
			return 0, 0, err
		}
	}
	return int64(len(ids)), gone, nil
}

// clientUnused is the condition that nothing refers to a client, and that it is not disabled: a
// document client would come back. It avoids EXISTS, which Postgres
// may answer by reading everything that refers to any client, and orders by the one index that
// leads there.
const clientUnused = `clients.disabled_at = 0 AND (SELECT 1 FROM grants g WHERE g.client_id = clients.id
	ORDER BY g.client_id, g.created_at LIMIT 1) IS NULL
	AND (SELECT 1 FROM consents a WHERE a.client_id = clients.id
	ORDER BY a.client_id, a.created_at LIMIT 1) IS NULL
	AND (SELECT 1 FROM interactions i WHERE i.client_id = clients.id
	ORDER BY i.client_id, i.created_at LIMIT 1) IS NULL
	AND (SELECT 1 FROM device_codes d WHERE d.client_id = clients.id
	ORDER BY d.client_id, d.created_at LIMIT 1) IS NULL`

// sweepDocumentClients removes document clients that were not seen for documentRetention and that
// nobody uses. A call looks at documentPages pages of them, and the next call goes on behind those,
// so that every client is looked at now and then, however many are in use.
func (s *Clients) sweepDocumentClients(ctx context.Context, now time.Time) (rows int64, err error) {
	const documentPages = 5
	until := sqldb.Micros(now.Add(-documentRetention))
	for range documentPages {
		s.sweeping.Lock()
		after := max(s.swept, "https://")
		s.sweeping.Unlock()
		ids, err := sqldb.All(ctx, s.db, row.Text, `SELECT id FROM clients
			WHERE id > $1 AND id < 'https:0' ORDER BY id LIMIT 200`, after)
		if err != nil {
			return rows, err
		}
		last := ""
		if len(ids) == sqldb.BatchRows {
			last = ids[len(ids)-1]
		}
		if len(ids) > 0 {
			n, err := s.db.Exec(ctx, `DELETE FROM clients
				WHERE id > $1 AND id <= $2 AND updated_at <= $3 AND `+clientUnused,
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
