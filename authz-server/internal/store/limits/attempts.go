package limits

import (
	"context"
	"database/sql"
	"strconv"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// Attempts counts tries that may fail, such as of a password, for each subject.
type Attempts struct {
	db  *sqldb.DB
	now func() time.Time
}

// NewAttempts returns the counts in db.
func NewAttempts(db *sqldb.DB, now func() time.Time) *Attempts { return &Attempts{db, now} }

// An Attempt is the right to one try. It holds one of its subject's slots until you say how the try
// ended, by ReleaseAttempt or FailAttempt. If you never do, it counts as failed after attemptHeld.
type Attempt struct {
	subject, slot string
	at            int64
}

// attemptHeld is how long a try can take.
const attemptHeld = 30 * time.Second

// ReserveAttempt takes one of limit tries that a subject has within window. If none is left, ok is
// false and wait tells when the next one comes free; 0 means that others hold tries that have not
// failed yet, so that one may come free at any moment. A subject has limit slots and taking one is
// a single conditional statement, so callers get limit tries and no more, however many they are and
// on however many replicas.
func (s *Attempts) ReserveAttempt(
	ctx context.Context, subject string, limit int, window time.Duration,
) (attempt Attempt, wait time.Duration, ok bool, err error) {
	now := s.now()
	at, cutoff := sqldb.Micros(now), sqldb.Micros(now.Add(-window))
	// This only saves statements that cannot succeed; the statement below decides.
	taken, next, held, err := s.takenSlots(ctx, subject, cutoff, at)
	if err != nil {
		return Attempt{}, 0, false, err
	}
	for n := range limit {
		slot := strconv.Itoa(n)
		if taken[slot] {
			continue
		}
		rows, err := s.db.Exec(ctx, `INSERT INTO login_failures (subject, id, failed_at, held_until)
			VALUES ($1, $2, $3, $4)
			ON CONFLICT (subject, id) DO UPDATE SET failed_at = excluded.failed_at,
			held_until = excluded.held_until
			WHERE login_failures.failed_at <= $5`,
			subject, slot, at, sqldb.Micros(now.Add(attemptHeld)), cutoff)
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

// takenSlots returns the slots of tries since cutoff, the time of the oldest of these tries, whose
// slot comes free first, and whether any of them is undecided at now.
func (s *Attempts) takenSlots(
	ctx context.Context, subject string, cutoff, now int64,
) (taken map[string]bool, oldest int64, held bool, err error) {
	taken, oldest = make(map[string]bool), now
	_, err = sqldb.All(ctx, s.db, func(rows *sql.Rows) (struct{}, error) {
		var slot string
		var failed, heldUntil int64
		err := rows.Scan(&slot, &failed, &heldUntil)
		taken[slot] = true
		oldest, held = min(oldest, failed), held || heldUntil > now
		return struct{}{}, err
	}, `SELECT id, failed_at, held_until FROM login_failures WHERE subject = $1 AND failed_at > $2`,
		subject, cutoff)
	return taken, oldest, held, err
}

// ReleaseAttempt gives a try back: it succeeded, or was not made.
func (s *Attempts) ReleaseAttempt(ctx context.Context, a Attempt) error {
	_, err := s.db.Exec(ctx, `DELETE FROM login_failures
		WHERE subject = $1 AND id = $2 AND failed_at = $3`, a.subject, a.slot, a.at)
	return err
}

// FailAttempt notes that a try has failed. It counts until its window is over.
func (s *Attempts) FailAttempt(ctx context.Context, a Attempt) error {
	_, err := s.db.Exec(ctx, `UPDATE login_failures SET held_until = 0
		WHERE subject = $1 AND id = $2 AND failed_at = $3`, a.subject, a.slot, a.at)
	return err
}

// ClearAttempts forgets a subject's failed tries, but none that is undecided.
func (s *Attempts) ClearAttempts(ctx context.Context, subject string) error {
	_, err := s.db.Exec(ctx, `DELETE FROM login_failures WHERE subject = $1 AND held_until <= $2`,
		subject, sqldb.Micros(s.now()))
	return err
}

// FailureRetention is how long tries are kept: longer than any window.
const FailureRetention = 24 * time.Hour

// Sweeps lists tries that no longer count.
func (s *Attempts) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "failed tries", Keep: FailureRetention, Rows: sqldb.Rows{
			Table: "login_failures", Key: "subject, id", Where: "failed_at <= $1", Order: "failed_at"}},
	}
}
