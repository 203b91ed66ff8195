package store

import (
	"context"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// Sweep removes expired sessions (revoking the grants that end with them), interactions, pushed requests and counts, in small
// batches, and returns how many rows went. Several replicas may sweep at once.
func (s *Store) Sweep(ctx context.Context) (rows int64, err error) {
	now := s.now()
	batches := []func(context.Context) (int64, error){
		func(ctx context.Context) (int64, error) {
			return s.db.Exec(ctx, `DELETE FROM interactions WHERE handle_hash IN (SELECT handle_hash FROM interactions WHERE expires_at <= $1 ORDER BY expires_at LIMIT 200)`,
				sqldb.Micros(now))
		},
		func(ctx context.Context) (int64, error) {
			cutoff := sqldb.Micros(now.Add(-FailureRetention))
			return s.db.Exec(ctx, `DELETE FROM login_failures WHERE failed_at <= $1 AND (subject, id) IN (SELECT subject, id FROM login_failures WHERE failed_at <= $1 ORDER BY failed_at LIMIT 200)`,
				cutoff)
		},
		func(ctx context.Context) (int64, error) { return s.sweepQuotas(ctx, now) },
		func(ctx context.Context) (int64, error) {
			return s.db.Exec(ctx, `DELETE FROM pushed_requests WHERE uri_hash IN (SELECT uri_hash FROM pushed_requests WHERE expires_at <= $1 ORDER BY expires_at LIMIT 200)`,
				sqldb.Micros(now))
		},
	}
	rows, err = s.db.Batches(ctx, sweepSessionBatch, func(ctx context.Context) (int64, error) { return s.sweepSessions(ctx, sqldb.Micros(now)) })
	if err != nil {
		return rows, err
	}
	for _, batch := range batches {
		n, err := s.db.Batches(ctx, sweepBatch, batch)
		rows += n
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// SweepGrants removes what is over, in small batches, and returns how many rows went: grants, with their codes and refresh
// tokens, a day after they expired or were revoked, and those whose code nobody came for; device codes, and
// revocations of tokens that no longer verify. Of a spent code its hash stays for as long as its grant: it must be known again.
func (s *Store) SweepGrants(ctx context.Context) (rows int64, err error) {
	now := s.now()
	for _, sweep := range []struct {
		statement string
		before    time.Time
	}{
		{`DELETE FROM revoked_tokens WHERE jti IN (SELECT jti FROM revoked_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT 200)`, now.Add(-time.Hour)},
		{`DELETE FROM device_codes WHERE device_code_hash IN (SELECT device_code_hash FROM device_codes WHERE expires_at < $1 ORDER BY expires_at LIMIT 200)`, now.Add(-time.Hour)},
	} {
		n, err := inBatches(ctx, s.db, sweep.statement, sqldb.Micros(sweep.before))
		rows += n
		if err != nil {
			return rows, err
		}
	}
	for _, over := range []string{
		`SELECT id FROM grants WHERE expires_at < $1 ORDER BY expires_at LIMIT 200`,
		`SELECT id FROM grants WHERE revoked_at > 0 AND revoked_at < $1 ORDER BY revoked_at LIMIT 200`,
		`SELECT grant_id AS id FROM authorization_codes WHERE active AND expires_at < $1 ORDER BY expires_at LIMIT 200`,
	} {
		n, _, err := s.Grants.remove(ctx, over, sqldb.Micros(now.Add(-endRetention)))
		rows += n
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// SweepRegistration removes used identifiers and initial access tokens that have expired, tokens that are used up, and
// document clients that nobody uses, and what is left of removed ones, in small batches, and returns how many rows went. Several replicas may sweep at once.
func (s *Store) SweepRegistration(ctx context.Context) (rows int64, err error) {
	now := sqldb.Micros(s.now())
	for _, sweep := range []func() (int64, error){
		func() (int64, error) {
			return inBatches(ctx, s.db, `DELETE FROM used_ids WHERE id_hash IN (SELECT id_hash FROM used_ids WHERE expires_at <= $1 ORDER BY expires_at LIMIT 200)`, now)
		},
		func() (int64, error) {
			return inBatches(ctx, s.db, `DELETE FROM initial_access_tokens WHERE token_hash IN
				(SELECT token_hash FROM initial_access_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT 200)`, now)
		},
		func() (int64, error) {
			return inBatches(ctx, s.db, `DELETE FROM initial_access_tokens WHERE token_hash IN
				(SELECT token_hash FROM initial_access_tokens WHERE uses_left <= 0 ORDER BY uses_left LIMIT 200)`)
		},
		func() (int64, error) { return s.sweepDocumentClients(ctx) },
		func() (int64, error) { return s.sweepRemovedClients(ctx) },
	} {
		n, err := sweep()
		rows += n
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// endRetention is how long what has ended stays: a day, in which a use that comes late is told from a forgery in the log.
const endRetention = 24 * time.Hour
