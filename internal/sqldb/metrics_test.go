package sqldb_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// watched has the metrics of db, whose Watch has run once.
func watched(t *testing.T, db *sqldb.DB) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewRegistry()
	ctx, stop := context.WithCancel(t.Context())
	stop() // it registers its metrics first
	db.Watch(ctx, slog.New(slog.DiscardHandler), registry)
	return registry
}

// measured is a metric's value; with a label's value, that of its series.
func measured(t *testing.T, registry *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, one := range family.GetMetric() {
			if family.GetName() == name && (len(one.GetLabel()) == 0 || one.GetLabel()[0].GetValue() == label) {
				return one.GetGauge().GetValue() + one.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("there is no %s of %q", name, label)
	return 0
}

func TestWaitsForAConnectionAreMeasured(t *testing.T) {
	db := openWith(t, sqldbtest.SQLite(t), sqldb.Options{DatabaseWaitTimeout: 20 * time.Millisecond})
	registry := watched(t, db)
	want := func(name string, want float64) {
		t.Helper()
		if got := measured(t, registry, name, "write"); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	want("database_pool_size", 1)
	want("database_pool_waits_total", 0)
	err := db.Tx(t.Context(), func(context.Context) error {
		want("database_pool_in_use", 1)
		return db.Tx(t.Context(), func(context.Context) error { return nil }) // another transaction
	})
	if !errors.Is(err, sqldb.ErrUnavailable) {
		t.Fatal(err)
	}
	want("database_pool_in_use", 0)
	want("database_pool_waiting", 0)
	want("database_pool_waits_total", 1)
	want("database_pool_refusals_total", 1)
	if got := measured(t, registry, "database_pool_wait_seconds_total", "write"); got < .02 || got > 60 {
		t.Errorf("waited %v s", got)
	}
}

func TestASweepTellsWhatThereIsToRemoveAndWhatWent(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		registry := watched(t, db)
		addThings(t, db, 1, 2, 3, 4, 5, 101)
		running := -1.0
		if _, err := db.Sweep(t.Context(), time.UnixMicro(100), []sqldb.Sweep{
			{Name: "things", Rows: old, Batch: 3},
			{Name: "others", Step: func(context.Context, time.Time) (int64, error) {
				running = measured(t, registry, "database_sweep_running_seconds", "others")
				return 7, nil
			}},
		}); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]float64{"database_swept_rows_total": 5, "database_sweep_backlog_rows": 5, "database_sweep_running_seconds": 0} {
			if got := measured(t, registry, name, "things"); got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		if got := measured(t, registry, "database_swept_rows_total", "others"); got != 7 || running <= 0 {
			t.Errorf("%v others, after %v s", got, running)
		}
		if got := measured(t, registry, "database_sweep_last_success_timestamp_seconds", ""); got != 0 {
			t.Errorf("SweepEvery did not run, and succeeded at %v", got)
		}
	})
}
