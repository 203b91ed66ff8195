// Package limits counts what may be done only so often: quotas within a window of time, tries that
// may fail, and identifiers that can be used once.
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

// A Quota bounds how often something is done within a window of time. The window begins with the
// first time; when it is over, the count starts again. So of what lives no longer than a window, at
// most twice Limit exist.
type Quota struct {
	Subject string // what is counted and for whom
	Limit   int
	Window  time.Duration

	// Shards is how many rows the count is spread over, so that many callers can count at once.
	// Each row bounds its part of Limit. 0 stands for 1.
	Shards int

	// Shared says that others take from the quota too, so that a caller who finds it used up may
	// have done nothing wrong.
	Shared bool
}

// wider is how many times more a wider network may do than the one within it: it can be one
// customer's network, or thousands of customers'.
const wider = 10

// QuotasOf bounds how often a sender does one kind of thing. networks are what the sender is known
// by, the narrowest first (httpd.Networks). limit is for the narrowest; the wider one has ten times
// as much.
func QuotasOf(networks []string, kind string, limit int, window time.Duration) (quotas []Quota) {
	return QuotasWithin(networks, kind, limit, limit*wider, window)
}

// QuotasWithin is QuotasOf where senders share one supply. wide is the limit of the wider network,
// which one sender can have to itself: set it well below what there is for all.
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
	return fmt.Sprintf("the quota %q of %d in %s is used up", e.Quota.Subject, e.Quota.Limit,
		e.Quota.Window)
}

// Places are what a caller took from quotas and can give back.
type Places []place

// place is a row in which a quota was counted, and the window for which it counts.
type place struct {
	subject string
	ends    int64
}

// Quotas stores counts.
type Quotas struct {
	db  *sqldb.DB
	now func() time.Time
}

// NewQuotas returns the counts in db.
func NewQuotas(db *sqldb.DB, now func() time.Time) *Quotas { return &Quotas{db, now} }

// TakeQuotas counts one in each of the quotas, or in none. A [*QuotaError] says that one is used
// up. Callers get Limit and no more, however many they are and on however many replicas.
//
// Callers that share several quotas must name them in the same order, the most widely shared one
// last, since its row is locked until the transaction ends. In a transaction of the caller's, name one
// without shards, of which few take at once: they wait for each other until it ends. With shards, or
// several, a row that fills up meanwhile makes it look for another while it has some locked: call it
// outside a transaction then.
func (s *Quotas) TakeQuotas(ctx context.Context, quotas ...Quota) error {
	return s.With(ctx, quotas, func(context.Context, Places) error { return nil })
}

// With is TakeQuotas, with more to do in the same transaction.
func (s *Quotas) With(ctx context.Context, quotas []Quota, do func(ctx context.Context, taken Places) error) error {
	for {
		// These only read, so that a flood of refusals does not compete with writers.
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
		// Others took the rest of a row meanwhile. Looking at another row in the same transaction
		// could deadlock, since this one is locked now. Each round follows somebody's success, so
		// there are at most as many rounds as places.
		if !errors.Is(err, errNoRoom) {
			return err
		}
	}
}

// errNoRoom says that a row that had room has none any more.
var errNoRoom = errors.New("a shard of a quota is used up")

// shard is one row of a quota.
type shard struct {
	subject string
	limit   int
	window  time.Duration
}

// shard returns row i of the quota.
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
		err := s.db.QueryRow(ctx, `SELECT taken, ends_at FROM quotas WHERE subject = $1`,
			row.subject).Scan(&taken, &ends)
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

// takeQuota counts one in the row. errNoRoom: it is used up.
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

// GiveBack takes back what was counted, unless its window is over.
func (s *Quotas) GiveBack(ctx context.Context, taken Places) error {
	for _, one := range taken {
		if _, err := s.db.Exec(ctx, `UPDATE quotas SET taken = taken - 1
			WHERE subject = $1 AND ends_at = $2 AND taken > 0`, one.subject, one.ends); err != nil {
			return err
		}
	}
	return nil
}

// Text is how a column keeps places: a line each, the window before the subject. [ParsePlaces]
// reads it.
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

// Sweeps lists counts whose window is over.
func (s *Quotas) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "counts of quotas", Rows: sqldb.Rows{
			Table: "quotas", Key: "subject", Where: "ends_at <= $1", Order: "ends_at"}},
	}
}
