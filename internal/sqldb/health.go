package sqldb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/internal/sqldb/internal/fault"
)

// MaxClockOffset is how far apart this machine's clock and the database's may be. Codes live for a
// minute, and verifiers allow clocks to differ by about a minute.
const MaxClockOffset = 5 * time.Second

// Ready tells whether requests that read can be answered: the database answers, on SQLite its file
// is still the one that was opened, the schema is what the program expects, and the clock is right;
// or the database is away, and its replica answers. It does not wait behind requests. It does not
// ask whether the database takes writes: see [DB.Watch].
func (db *DB) Ready(ctx context.Context) error {
	if db.replica == nil || !db.replica.fits() {
		return db.ready(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // there is another that answers
	defer cancel()
	if err := db.ready(ctx); err != nil && !errors.Is(err, ErrUnavailable) {
		return err
	}
	return nil
}

func (db *DB) ready(ctx context.Context) error {
	if err := db.checkWriter(); err != nil {
		return err
	}
	if _, err := db.compareClocks(ctx); err != nil {
		return err
	}
	return db.checkSchema(ctx)
}

// CheckClock returns an error if this machine's clock differs from the database's by more than
// [MaxClockOffset], or if that cannot be found out: then nothing may be removed for its age. All
// replicas share the database's clock. On SQLite there is no second clock, and without Options.Now
// no comparison.
func (db *DB) CheckClock(ctx context.Context) error {
	if db.engine != Postgres || db.opts.Now == nil {
		return nil
	}
	_, err := db.compareClocks(ctx)
	return err
}

// ClockRight tells whether [DB.CheckClock] finds this machine's clock right, or did a few seconds ago: for
// work that begins often, and must not begin by a wrong clock. An error says that it cannot be found out.
// [DB.Watch] logs what is wrong.
func (db *DB) ClockRight(ctx context.Context) (right bool, err error) {
	if db.engine != Postgres || db.opts.Now == nil {
		return true, nil
	}
	db.clock.Lock()
	defer db.clock.Unlock()
	if !db.clock.checked.IsZero() && time.Since(db.clock.checked) < watchEvery {
		return db.clock.right, nil
	}
	_, err = db.compareClocks(ctx)
	if err != nil && !errors.Is(err, errClock) {
		return false, err
	}
	db.clock.checked, db.clock.right = time.Now(), err == nil
	return err == nil, nil
}

// clock is what [DB.ClockRight] found out.
type clock struct {
	sync.Mutex
	checked time.Time // by the monotonic clock; zero: never
	right   bool
}

var errClock = errors.New("set it right (NTP)")

// compareClocks asks the database for its time and returns how far this machine's clock is ahead of
// it, with an error if that is too much.
func (db *DB) compareClocks(ctx context.Context) (ahead time.Duration, err error) {
	query := `SELECT 0`
	if db.engine == Postgres {
		query = `SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`
	}
	ctx, cancel := db.limit(ctx)
	defer cancel()
	var micros int64
	var asked time.Time
	var took time.Duration
	err = db.repeat(ctx, fault.Broken, func() error {
		started := time.Now()
		if db.opts.Now != nil {
			asked = db.opts.Now()
		}
		err := db.checks.QueryRowContext(ctx, query).Scan(&micros)
		took = time.Since(started)
		return err
	})
	if err != nil {
		return 0, explain(ctx, err)
	}
	if db.engine != Postgres || db.opts.Now == nil {
		return 0, nil
	}
	ahead = asked.Add(took / 2).Sub(time.UnixMicro(micros))
	if off := ahead.Abs() - took/2; off > MaxClockOffset { // the database answered at some moment while we waited
		direction := "ahead of"
		if ahead < 0 {
			direction = "behind"
		}
		return ahead, fmt.Errorf("this machine's clock is %s %s the database's; %w",
			ahead.Abs().Round(time.Millisecond), direction, errClock)
	}
	return ahead, nil
}

const watchEvery = 5 * time.Second

// Watch watches the database until ctx ends. It logs when the database becomes ready or stops being
// so, and when it stops or starts taking writes, and keeps metrics of both, of the clocks'
// difference and of the pools. A nil registerer keeps none.
func (db *DB) Watch(ctx context.Context, log *slog.Logger, metrics prometheus.Registerer) {
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		if metrics != nil {
			metrics.MustRegister(g)
		}
		return g
	}
	ready := gauge("database_ready", "1 while the database answers with the right schema, file and clock.")
	writable := gauge("database_writable", "1 while the database takes writes in time.")
	ahead := gauge("database_clock_ahead_seconds", "How far this machine's clock is ahead of the database's. 0 on SQLite.")
	if metrics != nil {
		db.sweeping.register(metrics)
		db.write.register("write", metrics)
		if db.read != db.write {
			db.read.register("read", metrics)
		}
	}
	var behind, used prometheus.Gauge
	if db.replica != nil {
		behind = gauge("database_replica_lag_seconds", "How far the read replica is behind the database.")
		used = gauge("database_replica_used", "1 while reads that may lag go to the read replica.")
	}
	var wasReady, wasWritable, wasUsed = true, true, true
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		if db.servers != nil {
			db.servers.look(ctx)
		}
		offset, _ := db.compareClocks(ctx)
		readErr, writeErr := db.ready(ctx), db.checkWrites(ctx)
		if ctx.Err() != nil {
			return
		}
		ahead.Set(offset.Seconds())
		if db.replica != nil {
			lag, err := db.replica.state()
			behind.Set(lag.Seconds())
			note(log, used, &wasUsed, err, "the read replica is not used", "the read replica is used again")
		}
		note(log, ready, &wasReady, readErr, "the database is not ready", "the database is ready again")
		note(log, writable, &wasWritable, writeErr, "the database takes no writes; what only reads goes on", "the database takes writes again")
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func note(log *slog.Logger, gauge prometheus.Gauge, was *bool, err error, stopped, again string) {
	switch {
	case err != nil && *was:
		log.Error(stopped, "error", err)
	case err == nil && !*was:
		log.Info(again)
	}
	*was = err == nil
	gauge.Set(map[bool]float64{true: 1}[err == nil])
}

// checkWrites begins a transaction that changes nothing.
func (db *DB) checkWrites(ctx context.Context) error {
	return db.Tx(ctx, func(ctx context.Context) error {
		if db.engine == SQLite {
			return nil // BEGIN IMMEDIATE takes the lock
		}
		var readOnly string
		if err := db.QueryRow(ctx, `SHOW transaction_read_only`).Scan(&readOnly); err != nil {
			return err
		}
		if readOnly == "on" {
			db.servers.demoted()
			return fmt.Errorf("%w: it is read-only", ErrUnavailable)
		}
		return nil
	})
}
