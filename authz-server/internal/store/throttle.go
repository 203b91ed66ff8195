package store

import (
	"context"
	"database/sql"
	"strconv"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// An Attempt is the right to one try. It holds one of its subject's places until it is known how the try ended: see
// ReleaseAttempt and FailAttempt. One that nothing more is heard of counts as failed after attemptHeld.
type Attempt struct {
	subject, slot string
	at            int64
}

// attemptHeld is how long a try can take to be decided.
const attemptHeld = 30 * time.Second

// ReserveAttempt takes one of limit tries that subject has within window. When none is left, ok is false, and wait tells
// when the next one comes free: 0 means that others hold what is left and have not failed yet, so that one may come free at
// any moment. Every subject has limit slots, and taking one is a single conditional statement, so that any number of
// parallel callers on any number of replicas get limit tries and no more.
func (s *Store) ReserveAttempt(ctx context.Context, subject string, limit int, window time.Duration) (attempt Attempt, wait time.Duration, ok bool, err error) {
	now := s.now()
	at, cutoff := sqldb.Micros(now), sqldb.Micros(now.Add(-window))
	// What is read here only spares statements that cannot succeed; the statement below decides.
	next, held := at, false // the oldest failure that counts, whose slot comes free first
	taken := make(map[string]bool)
	if _, err := sqldb.All(ctx, s.db, func(rows *sql.Rows) (struct{}, error) {
		var slot string
		var failed, heldUntil int64
		err := rows.Scan(&slot, &failed, &heldUntil)
		taken[slot] = true
		next, held = min(next, failed), held || heldUntil > at
		return struct{}{}, err
	}, `SELECT id, failed_at, held_until FROM login_failures WHERE subject = $1 AND failed_at > $2`, subject, cutoff); err != nil {
		return Attempt{}, 0, false, err
	}
	for n := range limit {
		slot := strconv.Itoa(n)
		if taken[slot] {
			continue
		}
		rows, err := s.db.Exec(ctx, `INSERT INTO login_failures (subject, id, failed_at, held_until) VALUES ($1, $2, $3, $4)
			ON CONFLICT (subject, id) DO UPDATE SET failed_at = excluded.failed_at, held_until = excluded.held_until
			WHERE login_failures.failed_at <= $5`, subject, slot, at, sqldb.Micros(now.Add(attemptHeld)), cutoff)
		if err != nil {
			return Attempt{}, 0, false, err
		}
		if rows == 1 {
			return Attempt{subject, slot, at}, 0, true, nil
		}
		held = true // by the one who was faster
	}
	if held {
		return Attempt{}, 0, false, nil
	}
	return Attempt{}, max(sqldb.Time(next).Add(window).Sub(now), time.Second), false, nil
}

// ReleaseAttempt gives the try back: it succeeded, or was not made after all.
func (s *Store) ReleaseAttempt(ctx context.Context, a Attempt) error {
	_, err := s.db.Exec(ctx, `DELETE FROM login_failures WHERE subject = $1 AND id = $2 AND failed_at = $3`, a.subject, a.slot, a.at)
	return err
}

// FailAttempt notes that the try has failed. It counts until the window that it was reserved for is over.
func (s *Store) FailAttempt(ctx context.Context, a Attempt) error {
	_, err := s.db.Exec(ctx, `UPDATE login_failures SET held_until = 0 WHERE subject = $1 AND id = $2 AND failed_at = $3`, a.subject, a.slot, a.at)
	return err
}

// ClearAttempts forgets the failed tries of subject, and none that is still being decided.
func (s *Store) ClearAttempts(ctx context.Context, subject string) error {
	_, err := s.db.Exec(ctx, `DELETE FROM login_failures WHERE subject = $1 AND held_until <= $2`, subject, sqldb.Micros(s.now()))
	return err
}

// FailureRetention is how long counted tries are kept: longer than any window.
const FailureRetention = 24 * time.Hour

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

// sweepSessionBatch is how many sessions one transaction ends: each takes several statements.
const sweepSessionBatch = 40

func (s *Store) sweepSessions(ctx context.Context, now int64) (rows int64, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		ids, err := sqldb.All(ctx, s.db, func(rows *sql.Rows) (id string, err error) { return id, rows.Scan(&id) },
			`SELECT id FROM sessions WHERE idle_expires_at <= $1 ORDER BY idle_expires_at LIMIT 40`, now)
		if err != nil {
			return err
		}
		for _, id := range ids {
			n, err := s.db.Exec(ctx, `DELETE FROM sessions WHERE id = $1 AND idle_expires_at <= $2`, id, now)
			if err != nil {
				return err
			}
			rows += n
			if n == 1 {
				if err := s.revokeGrantsOfSession(ctx, id); err != nil {
					return err
				}
				// Nobody logged out: an application's own session lasts as long as the application says, and nobody is told.
				if _, err := s.db.Exec(ctx, `DELETE FROM session_clients WHERE session_id = $1`, id); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return rows, err
}
