package queue

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What can come of an attempt.
const (
	deliveredOutcome = "delivered"
	unwantedOutcome  = "unwanted"
	failedOutcome    = "failed"
	givenUpOutcome   = "given_up"
)

type metrics struct {
	attempts *prometheus.CounterVec
	waiting  *prometheus.GaugeVec
	oldest   *prometheus.GaugeVec
}

func newMetrics(registry prometheus.Registerer) (metrics, error) {
	m := metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "authz_queue_attempts_total",
			Help: "Attempts to deliver what leaves the server, by kind and outcome: delivered, unwanted (nobody wants it any more), " +
				"failed (it is tried again) or given_up.",
		}, []string{"kind", "outcome"}),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "authz_queue_waiting",
			Help: "Deliveries of a kind that are not done, without those given up. 1000 stands for more.",
		}, []string{"kind"}),
		oldest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "authz_queue_oldest_seconds",
			Help: "How long the oldest delivery of a kind has been due; 0 if none is.",
		}, []string{"kind"}),
	}
	if registry == nil {
		return m, nil
	}
	return m, errors.Join(registry.Register(m.attempts), registry.Register(m.waiting), registry.Register(m.oldest))
}

// begin starts the counts of a kind at 0, so that rates work.
func (m metrics) begin(kind string) {
	for _, outcome := range []string{deliveredOutcome, unwantedOutcome, failedOutcome, givenUpOutcome} {
		m.attempts.WithLabelValues(kind, outcome)
	}
	m.waiting.WithLabelValues(kind)
	m.oldest.WithLabelValues(kind)
}

// measure keeps the gauges up to date until ctx ends.
func (w *Worker) measure(ctx context.Context) {
	ticker := time.NewTicker(measureEvery)
	defer ticker.Stop()
	for {
		w.measureOnce(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// measureOnce leaves a gauge as it is when the database does not answer: that has its own alarm.
func (w *Worker) measureOnce(ctx context.Context) {
	for _, l := range w.lines {
		depth, err := w.Outbox.Depth(ctx, l.Kind)
		if err != nil {
			continue
		}
		w.metrics.waiting.WithLabelValues(l.Kind).Set(float64(depth.Waiting))
		age := 0.0
		if !depth.Oldest.IsZero() {
			age = max(w.Now().Sub(depth.Oldest).Seconds(), 0)
		}
		w.metrics.oldest.WithLabelValues(l.Kind).Set(age)
	}
}
