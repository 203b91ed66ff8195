package sqldb

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// waits is how often, and how long, a pool of connections kept its callers waiting.
type waits struct {
	waiting atomic.Int64 // just now
	count   atomic.Uint64
	nanos   atomic.Int64 // of all together
	refused atomic.Uint64
}

// begin notes that a caller waits; end, that the wait is over, and whether it got a connection.
func (w *waits) begin() time.Time {
	w.waiting.Add(1)
	w.count.Add(1)
	return time.Now()
}

func (w *waits) end(began time.Time, got bool) {
	w.waiting.Add(-1)
	w.nanos.Add(time.Since(began).Nanoseconds())
	if !got {
		w.refused.Add(1)
	}
}

// register publishes the pool as name.
func (p *pool) register(name string, registry prometheus.Registerer) {
	labels := prometheus.Labels{"pool": name}
	gauge := func(name, help string, value func() float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, value))
	}
	counter := func(name, help string, value func() float64) {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, value))
	}
	gauge("database_pool_size", "Connections that the pool may have.", func() float64 { return float64(cap(p.places)) })
	gauge("database_pool_in_use", "Connections that statements and transactions have, and those being opened for them.",
		func() float64 { return float64(len(p.places)) })
	gauge("database_pool_waiting", "Callers that wait for a connection.", func() float64 { return float64(p.waits.waiting.Load()) })
	counter("database_pool_waits_total", "Waits for a connection.", func() float64 { return float64(p.waits.count.Load()) })
	counter("database_pool_wait_seconds_total", "Time waited for connections, all callers together.",
		func() float64 { return time.Duration(p.waits.nanos.Load()).Seconds() })
	counter("database_pool_refusals_total", "Waits that ended without a connection.", func() float64 { return float64(p.waits.refused.Load()) })
}

// sweepMeters are the metrics of the removal of rows that are no longer needed.
type sweepMeters struct {
	swept   *prometheus.CounterVec
	backlog *prometheus.GaugeVec
	ended   prometheus.Gauge
	running *prometheus.Desc

	mu    sync.Mutex
	since map[string]time.Time // by kind: when the sweep under way began; zero: none is
}

var _ prometheus.Collector = (*sweepMeters)(nil)

func newSweepMeters() *sweepMeters {
	return &sweepMeters{
		swept: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "database_swept_rows_total", Help: "Rows removed because nobody needs them any more, by kind.",
		}, []string{"kind"}),
		backlog: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "database_sweep_backlog_rows",
			Help: "Rows that were to be removed when the last sweep of their kind began, where one statement can count them. " +
				strconv.Itoa(maxBacklog) + " stands for more.",
		}, []string{"kind"}),
		ended: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "database_sweep_last_success_timestamp_seconds",
			Help: "When a sweep of all kinds last ended without an error, in Unix time. 0: none has since the start.",
		}),
		running: prometheus.NewDesc("database_sweep_running_seconds",
			"For how long rows of a kind are being removed; 0: they are not just now.", []string{"kind"}, nil),
		since: map[string]time.Time{},
	}
}

func (m *sweepMeters) register(registry prometheus.Registerer) {
	registry.MustRegister(m, m.swept, m.backlog, m.ended)
}

// Describe implements prometheus.Collector.
func (m *sweepMeters) Describe(out chan<- *prometheus.Desc) { out <- m.running }

// Collect implements prometheus.Collector.
func (m *sweepMeters) Collect(out chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for kind, since := range m.since {
		seconds := 0.0
		if !since.IsZero() {
			seconds = time.Since(since).Seconds()
		}
		out <- prometheus.MustNewConstMetric(m.running, prometheus.GaugeValue, seconds, kind)
	}
}

// begin notes that the sweep of a kind begins; end, that it ended.
func (m *sweepMeters) begin(kind string) { m.set(kind, time.Now()) }

func (m *sweepMeters) end(kind string, rows int64) {
	m.set(kind, time.Time{})
	m.swept.WithLabelValues(kind).Add(float64(rows))
}

func (m *sweepMeters) set(kind string, since time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.since[kind] = since
}

// maxBacklog is how many rows are counted at most, so that counting costs no more than removing a
// few batches.
const maxBacklog = 10_000

// measureBacklog counts the rows that a sweep is about to remove. It leaves the gauge as it is when
// the database does not answer: that has its own alarm.
func (db *DB) measureBacklog(ctx context.Context, kind string, rows Rows, args []any) {
	var n int64
	query := `SELECT COUNT(*) FROM (SELECT 1 FROM ` + rows.Table + ` WHERE ` + rows.Where + ` ORDER BY ` + rows.Order +
		` LIMIT ` + strconv.Itoa(maxBacklog) + `) AS backlog`
	if db.QueryRow(ctx, query, args...).Scan(&n) == nil {
		db.sweeping.backlog.WithLabelValues(kind).Set(float64(n))
	}
}
