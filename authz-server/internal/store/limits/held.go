package limits

import (
	"context"
	"database/sql"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// Failures is how many tries of a subject failed lately, or are being made.
type Failures struct {
	Subject string
	Count   int
	Last    time.Time
}

// FailuresOf returns the tries of a subject within the longest window, [FailureRetention]. The zero
// Count: there are none.
func (s *Attempts) FailuresOf(ctx context.Context, subject string) (f Failures, err error) {
	f.Subject = subject
	var last sql.NullInt64
	err = s.db.QueryRow(ctx, `SELECT count(*), max(failed_at) FROM login_failures
		WHERE subject = $1 AND failed_at > $2`,
		subject, sqldb.Micros(s.now().Add(-FailureRetention))).Scan(&f.Count, &last)
	f.Last = sqldb.Time(last.Int64)
	return f, err
}

// Latest returns the tries since a time, one for each, the latest first: at most limit.
func (s *Attempts) Latest(ctx context.Context, since time.Time, limit int) ([]Failures, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (f Failures, err error) {
		var last int64
		err = rows.Scan(&f.Subject, &last)
		f.Count, f.Last = 1, sqldb.Time(last)
		return f, err
	}, `SELECT subject, failed_at FROM login_failures WHERE failed_at > $1 ORDER BY failed_at DESC LIMIT $2`,
		sqldb.Micros(since), limit)
}

// ForgetAttempts forgets all tries of a subject, those of the undecided too, and tells whether there
// were any.
func (s *Attempts) ForgetAttempts(ctx context.Context, subject string) (forgot bool, err error) {
	n, err := s.db.Exec(ctx, `DELETE FROM login_failures WHERE subject = $1`, subject)
	return n > 0, err
}

// Used is how much of a quota without shards is used up.
type Used struct {
	Subject string
	Count   int64
	Until   time.Time // when it is counted anew
}

// UsedOf returns how much of a quota is used up. The zero Count: nothing.
func (s *Quotas) UsedOf(ctx context.Context, subject string) (u Used, err error) {
	all, err := sqldb.All(ctx, s.db, func(rows *sql.Rows) (u Used, err error) {
		var ends int64
		err = rows.Scan(&u.Subject, &u.Count, &ends)
		u.Until = sqldb.Time(ends)
		return u, err
	}, `SELECT subject, taken, ends_at FROM quotas WHERE subject = $1 AND ends_at > $2`, subject, sqldb.Micros(s.now()))
	if err != nil || len(all) == 0 {
		return Used{Subject: subject}, err
	}
	return all[0], nil
}

// ForgetQuota counts a quota anew, and tells whether there was anything to forget.
func (s *Quotas) ForgetQuota(ctx context.Context, subject string) (forgot bool, err error) {
	n, err := s.db.Exec(ctx, `DELETE FROM quotas WHERE subject = $1`, subject)
	return n > 0, err
}
