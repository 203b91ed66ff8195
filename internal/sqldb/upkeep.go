package sqldb

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// OpenStore opens a store's database ([OpenWith]) and brings its schema up to date ([DB.Migrate])
// with the files of the folder "migrations" in embedded.
func OpenStore(ctx context.Context, opts Options, embedded fs.FS) (*DB, error) {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		return nil, err
	}
	db, err := OpenWith(ctx, opts)
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, files); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Upkeep is what a program does with a store's database as a whole, apart from what the store is
// about. A store embeds it, so that its program gets these methods and no way to SQL. Make one with
// [DB.Upkeep]; its methods are safe for concurrent use.
type Upkeep struct {
	db     *DB
	now    func() time.Time
	sweeps []Sweep
}

// Upkeep returns the upkeep of a store that keeps time by now and has the sweeps to make.
func (db *DB) Upkeep(now func() time.Time, sweeps []Sweep) Upkeep {
	return Upkeep{db: db, now: now, sweeps: sweeps}
}

// Close waits for statements under way and closes the database.
func (u Upkeep) Close() error { return u.db.Close() }

// Warning is a line for the operator about the connection, or empty.
func (u Upkeep) Warning() string { return u.db.Warning() }

// Ready tells whether requests that read can be answered. See [DB.Ready].
func (u Upkeep) Ready(ctx context.Context) error { return u.db.Ready(ctx) }

// CheckClock returns an error when nothing may be removed for its age. See [DB.CheckClock].
func (u Upkeep) CheckClock(ctx context.Context) error { return u.db.CheckClock(ctx) }

// Watch logs and measures how the database is until ctx ends. See [DB.Watch].
func (u Upkeep) Watch(ctx context.Context, log *slog.Logger, metrics prometheus.Registerer) {
	u.db.Watch(ctx, log, metrics)
}

// Sweep removes what the store no longer needs, and returns how many rows went. See [DB.Sweep].
func (u Upkeep) Sweep(ctx context.Context) (rows int64, err error) {
	return u.db.Sweep(ctx, u.now(), u.sweeps)
}

// SweepEvery sweeps again and again until ctx ends. See [DB.SweepEvery].
func (u Upkeep) SweepEvery(ctx context.Context, every time.Duration, log *slog.Logger) {
	u.db.SweepEvery(ctx, every, log, u.now, u.sweeps)
}
