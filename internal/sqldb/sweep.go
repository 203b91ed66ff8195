package sqldb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// A Sweep is one kind of rows that a store no longer needs, and how they go. A store lists its
// sweeps in one table and hands it to [DB.Upkeep]:
//
//	[]sqldb.Sweep{
//		{Name: "expired keys", Rows: sqldb.Rows{
//			Table: "idempotency_keys", Key: "subject, route, request_key",
//			Where: "expires_at <= $1", Order: "expires_at"}},
//		{Name: "failed log-ins", Keep: 24 * time.Hour, Rows: …},
//		{Name: "deleted posts", Step: s.sweepPosts, Batch: 1},
//	}
//
// What is swept counts as gone already, from the moment when it expires: sweeping only gives the
// space back. So a sweep may be late, may end half-way, and may run on several replicas at once.
type Sweep struct {
	Name string // of the rows, in the plural, for the log: "expired sessions"

	// Rows are removed in batches. In Rows.Where, $1 is the moment Keep ago, in unix microseconds;
	// there are no other arguments.
	Rows Rows
	Keep time.Duration // how long a row stays beyond its time; 0: not at all

	// Step takes the place of Rows where removing a batch takes more than one statement. It handles
	// at most Batch rows in one transaction and returns how many; it is called until it returns
	// fewer. now is the same for all steps of a sweep.
	Step func(ctx context.Context, now time.Time) (rows int64, err error)

	Batch int64 // rows of a batch at most; 0: BatchRows
}

// Sweep sweeps each kind of rows once and returns how many rows went in all. now is the store's
// time. When one kind fails, the others still get their turn; the error names all that failed.
func (db *DB) Sweep(ctx context.Context, now time.Time, sweeps []Sweep) (rows int64, err error) {
	var failed []error
	for _, one := range sweeps {
		db.sweeping.begin(one.Name)
		n, err := db.sweep(ctx, now, one)
		db.sweeping.end(one.Name, n)
		rows += n
		if ctx.Err() != nil {
			return rows, ctx.Err()
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("remove %s: %w", one.Name, err))
		}
	}
	return rows, errors.Join(failed...)
}

func (db *DB) sweep(ctx context.Context, now time.Time, one Sweep) (rows int64, err error) {
	batch := one.Batch
	if batch == 0 {
		batch = BatchRows
	}
	if one.Step != nil {
		return db.Batches(ctx, batch, func(ctx context.Context) (int64, error) { return one.Step(ctx, now) })
	}
	var args []any
	if strings.Contains(one.Rows.Where, "$1") {
		args = append(args, Micros(now.Add(-one.Keep)))
	}
	db.measureBacklog(ctx, one.Name, one.Rows, args)
	return db.remove(ctx, one.Rows, batch, args...)
}

// SweepEvery sweeps at once and then again and again until ctx ends; without sweeps it returns.
// Failures go to the log. It sweeps nothing while [DB.CheckClock] returns an error: by a clock that
// is ahead, everything has expired.
func (db *DB) SweepEvery(ctx context.Context, every time.Duration, log *slog.Logger, now func() time.Time, sweeps []Sweep) {
	if len(sweeps) == 0 {
		return
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		err := db.CheckClock(ctx)
		if err == nil {
			_, err = db.Sweep(ctx, now(), sweeps)
		}
		if err == nil {
			db.sweeping.ended.SetToCurrentTime()
		}
		if err != nil && ctx.Err() == nil {
			log.Error("expired rows stay for now", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
