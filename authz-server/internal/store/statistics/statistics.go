// Package statistics stores how often something happened, by the hour and by the day. It is for
// charts: what a replica has counted when it crashes is lost.
package statistics

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// A Width is how much time one count is for.
type Width time.Duration

// The widths. Days begin at midnight UTC.
const (
	Hour = Width(time.Hour)
	Day  = Width(24 * time.Hour)
)

// How long counts are kept.
const (
	KeepHours = 40 * 24 * time.Hour
	KeepDays  = 400 * 24 * time.Hour
)

// MaxCounts is how many counts one look returns, at most: a day of hours, or a month of days, of
// some dozen kinds.
const MaxCounts = 1000

// Count is how often something of a kind happened within a width that began at Start.
type Count struct {
	Start time.Time
	Kind  string
	Count int64
}

// Statistics stores counts. It is safe for concurrent use.
type Statistics struct {
	db  *sqldb.DB
	now func() time.Time
}

// New returns the counts in db.
func New(db *sqldb.DB, now func() time.Time) *Statistics { return &Statistics{db, now} }

func start(at time.Time, width Width) int64 {
	return sqldb.Micros(at.UTC().Truncate(time.Duration(width)))
}

// Add counts what happened just now, by kind.
func (s *Statistics) Add(ctx context.Context, counts map[string]int64) error {
	now := s.now()
	return s.db.Tx(ctx, func(ctx context.Context) error {
		// In one order, so that replicas do not wait for one another in a circle.
		for _, kind := range slices.Sorted(maps.Keys(counts)) {
			for _, width := range []Width{Hour, Day} {
				if _, err := s.db.Exec(ctx, `INSERT INTO statistics (width, start, kind, count) VALUES ($1, $2, $3, $4)
					ON CONFLICT (width, start, kind) DO UPDATE SET count = statistics.count + excluded.count`,
					time.Duration(width).Microseconds(), start(now, width), kind, counts[kind]); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Since returns the counts from the one that since falls into up to now, the oldest first, at most
// [MaxCounts]. Where nothing of a kind happened, there is no count.
func (s *Statistics) Since(ctx context.Context, width Width, since time.Time) ([]Count, error) {
	return sqldb.All(ctx, s.db.Reader(), func(rows *sql.Rows) (c Count, err error) {
		var at int64
		err = rows.Scan(&at, &c.Kind, &c.Count)
		c.Start = sqldb.Time(at)
		return c, err
	}, `SELECT start, kind, count FROM statistics WHERE width = $1 AND start >= $2
		ORDER BY start, kind LIMIT $3`, time.Duration(width).Microseconds(), start(since, width), MaxCounts)
}

// Sweeps lists counts that are too old.
func (s *Statistics) Sweeps() []sqldb.Sweep {
	sweep := func(name string, width Width, keep time.Duration) sqldb.Sweep {
		where := "width = 3600000000 AND start <= $1"
		if width == Day {
			where = "width = 86400000000 AND start <= $1"
		}
		return sqldb.Sweep{Name: name, Keep: keep, Rows: sqldb.Rows{
			Table: "statistics", Key: "width, start, kind", Where: where, Order: "width, start"}}
	}
	return []sqldb.Sweep{
		sweep("statistics by the hour", Hour, KeepHours),
		sweep("statistics by the day", Day, KeepDays),
	}
}
