package limits

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// A Quota bounds how often something is done within a window of time. The window begins with the first time, and the count
// starts anew when it is over. What lives no longer than a window therefore exists at most twice Limit times.
type Quota struct {
	Subject string // what is counted and for whom
	Limit   int
	Window  time.Duration

	// Shards is how many rows the count is spread over, so that many can count at once: each row bounds its part of Limit.
	// 0 stands for 1.
	Shards int

	// Shared says that others take from the quota too: who finds it used up has done nothing wrong.
	Shared bool
}

// wider is how much more a wider network may do than the one within it: it can be one customer's, and thousands'.
const wider = 10

// QuotasOf bounds how often a sender does one kind of thing. networks are what the sender is known by, the narrowest first
// (httpd.Networks): limit is that one's, and the wider one has ten times as much.
func QuotasOf(networks []string, kind string, limit int, window time.Duration) (quotas []Quota) {
	return QuotasWithin(networks, kind, limit, limit*wider, window)
}

// QuotasWithin is QuotasOf where what a sender takes is taken from others: wide is the limit of the wider network, which
// one sender can have to itself, and should be well below what there is for all.
func QuotasWithin(networks []string, kind string, limit, wide int, window time.Duration) (quotas []Quota) {
	for _, network := range networks {
		quotas = append(quotas, Quota{Subject: kind + " " + network, Limit: limit, Window: window})
		limit = wide
	}
	return quotas
}

// A QuotaError says that a quota is used up.
type QuotaError struct {
	Quota Quota
	Wait  time.Duration // until it is counted anew; sooner, should something be given back
}

func (e *QuotaError) Error() string {
	return fmt.Sprintf("the quota %q of %d in %s is used up", e.Quota.Subject, e.Quota.Limit, e.Quota.Window)
}

// Places are what a caller took of quotas, so that it can give it back.
type Places []place

// place is the row that a quota was counted in, with the window that it was counted for.
type place struct {
	subject string
	ends    int64
}

// Quotas are the counts that quotas bound.
type Quotas struct {
	db  *sqldb.DB
	now func() time.Time
}

// NewQuotas makes them of a database and a clock.
func NewQuotas(db *sqldb.DB, now func() time.Time) *Quotas { return &Quotas{db, now} }

// TakeQuotas counts one in each of the quotas, or in none of them. The error is a [*QuotaError] when one is used up. Any
// number of callers, on any number of replicas, get Limit and no more.
//
// Two callers that share several quotas must name them in the same order; the one that most callers share comes last, for
// its row is locked until the end of the transaction. Call it outside of one.
func (s *Quotas) TakeQuotas(ctx context.Context, quotas ...Quota) error {
	return s.With(ctx, quotas, func(context.Context, Places) error { return nil })
}

// With is TakeQuotas with more to do in the same transaction.
func (s *Quotas) With(ctx context.Context, quotas []Quota, do func(ctx context.Context, taken Places) error) error {
	for {
		// Found out by reading alone, so that a flood of refusals does not compete with those who write.
		rows := make([]shard, len(quotas))
		for i, q := range quotas {
			var err error
			if rows[i], err = s.findRoom(ctx, q); err != nil {
				return err
			}
		}
		err := s.db.Tx(ctx, func(ctx context.Context) error {
			var taken Places
			for _, row := range rows {
				one, err := s.takeQuota(ctx, row)
				if err != nil {
					return err
				}
				taken = append(taken, one)
			}
			return do(ctx, taken)
		})
		// Others took the rest of a row meanwhile. To look at another row in the same transaction could be a deadlock: this
		// one is locked now. Each round follows somebody's success, so there are no more of them than places.
		if !errors.Is(err, errNoRoom) {
			return err
		}
	}
}

// errNoRoom says that a row which had room has none any more.
var errNoRoom = errors.New("a shard of a quota is used up")

// shard is one row of a quota.
type shard struct {
	subject string
	limit   int
	window  time.Duration
}

// shard is the i-th row of the quota.
func (q Quota) shard(i int) shard {
	if q.Shards <= 1 {
		return shard{q.Subject, q.Limit, q.Window}
	}
	limit := q.Limit / q.Shards
	if i < q.Limit%q.Shards {
		limit++
	}
	return shard{q.Subject + "#" + strconv.Itoa(i), limit, q.Window}
}

// findRoom returns a row of the quota that is not used up.
func (s *Quotas) findRoom(ctx context.Context, q Quota) (shard, error) {
	now, shards := s.now(), max(1, q.Shards)
	wait, start := q.Window, rand.IntN(shards) //nolint:gosec // G404: spreads the load, keeps no secret
	for i := range shards {
		row := q.shard((start + i) % shards)
		if row.limit < 1 {
			continue
		}
		var taken, ends int64
		err := s.db.QueryRow(ctx, `SELECT taken, ends_at FROM quotas WHERE subject = $1`, row.subject).Scan(&taken, &ends)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return shard{}, err
		}
		if err != nil || ends <= sqldb.Micros(now) || taken < int64(row.limit) {
			return row, nil
		}
		wait = min(wait, sqldb.Time(ends).Sub(now))
	}
	return shard{}, &QuotaError{q, wait}
}

// takeQuota counts one in the row, or returns errNoRoom.
func (s *Quotas) takeQuota(ctx context.Context, row shard) (place, error) {
	now := s.now()
	one := place{subject: row.subject}
	err := s.db.ExecReturning(ctx, `INSERT INTO quotas (subject, taken, ends_at) VALUES ($1, 1, $2)
		ON CONFLICT (subject) DO UPDATE SET
			taken = CASE WHEN quotas.ends_at <= $3 THEN 1 ELSE quotas.taken + 1 END,
			ends_at = CASE WHEN quotas.ends_at <= $3 THEN excluded.ends_at ELSE quotas.ends_at END
		WHERE quotas.ends_at <= $3 OR quotas.taken < $4 RETURNING ends_at`,
		row.subject, sqldb.Micros(now.Add(row.window)), sqldb.Micros(now), row.limit).Scan(&one.ends)
	if errors.Is(err, sql.ErrNoRows) {
		err = errNoRoom
	}
	return one, err
}

// GiveBack gives back what was counted, unless its window is over.
func (s *Quotas) GiveBack(ctx context.Context, taken Places) error {
	for _, one := range taken {
		if _, err := s.db.Exec(ctx, `UPDATE quotas SET taken = taken - 1 WHERE subject = $1 AND ends_at = $2 AND taken > 0`, one.subject, one.ends); err != nil {
			return err
		}
	}
	return nil
}

// Text is how places are kept in a column: a line each, the window before the subject. [ParsePlaces] reads it.
func (p Places) Text() string {
	var b strings.Builder
	for _, one := range p {
		fmt.Fprintf(&b, "%d %s\n", one.ends, one.subject)
	}
	return b.String()
}

// ParsePlaces reads what [Places.Text] wrote.
func ParsePlaces(text string) (taken Places) {
	for line := range strings.Lines(text) {
		ends, subject, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if at, err := strconv.ParseInt(ends, 10, 64); err == nil {
			taken = append(taken, place{subject, at})
		}
	}
	return taken
}

// Sweeps are the counts whose window is over.
func (s *Quotas) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "counts of quotas", Rows: sqldb.Rows{Table: "quotas", Key: "subject", Where: "ends_at <= $1", Order: "ends_at"}},
	}
}
