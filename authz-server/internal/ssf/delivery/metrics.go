package delivery

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

// What can come of a set.
const (
	deliveredOutcome = "delivered"
	failedOutcome    = "failed"
	refusedOutcome   = "refused"
	droppedOutcome   = "dropped"
)

type metrics struct {
	sets    *prometheus.CounterVec
	waiting *prometheus.GaugeVec
	oldest  *prometheus.GaugeVec
	refused *prometheus.GaugeVec
	stopped *prometheus.GaugeVec
}

func newMetrics(registry prometheus.Registerer) (metrics, error) {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "authz_stream_" + name, Help: help}, []string{"stream", "receiver"})
	}
	m := metrics{
		sets: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "authz_stream_events_total",
			Help: "Events for receivers, by outcome: delivered, failed (the receiver did not answer as it should; it is tried again), " +
				"refused (given up, because the receiver refused it again and again) or dropped (too many waited).",
		}, []string{"outcome"}),
		waiting: gauge("waiting", "Events that wait for a receiver, without those given up. 1000 stands for more."),
		oldest:  gauge("oldest_seconds", "How long the oldest event has waited for a receiver; 0 if none does."),
		refused: gauge("refused", "Events that a receiver refused, and that were given up. 1000 stands for more."),
		stopped: gauge("stopped", "1 for a stream that is paused or disabled."),
	}
	for _, outcome := range []string{deliveredOutcome, failedOutcome, refusedOutcome, droppedOutcome} {
		m.sets.WithLabelValues(outcome)
	}
	if registry == nil {
		return m, nil
	}
	return m, errors.Join(registry.Register(m.sets), registry.Register(m.waiting), registry.Register(m.oldest),
		registry.Register(m.refused), registry.Register(m.stopped))
}

// measure keeps the gauges up to date until ctx ends.
func (t *Transmitter) measure(ctx context.Context) {
	ticker := time.NewTicker(measureEvery)
	defer ticker.Stop()
	for {
		t.measureOnce(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// measureOnce leaves the gauges as they are when the database does not answer: that has its own
// alarm.
func (t *Transmitter) measureOnce(ctx context.Context) {
	all, err := t.Store.Streams.List(ctx)
	if err != nil {
		return
	}
	depths := make([]streams.Depth, len(all))
	for i, one := range all {
		if depths[i], err = t.Store.Streams.Depth(ctx, one.ID); err != nil {
			return
		}
	}
	for _, one := range []*prometheus.GaugeVec{t.metrics.waiting, t.metrics.oldest, t.metrics.refused, t.metrics.stopped} {
		one.Reset() // streams that are gone
	}
	for i, one := range all {
		labels := []string{one.ID, one.ClientID + one.Service}
		age, stopped := 0.0, 0.0
		if !depths[i].Oldest.IsZero() {
			age = max(t.Now().Sub(depths[i].Oldest).Seconds(), 0)
		}
		if one.Status != streams.Enabled {
			stopped = 1
		}
		t.metrics.waiting.WithLabelValues(labels...).Set(float64(depths[i].Waiting))
		t.metrics.oldest.WithLabelValues(labels...).Set(age)
		t.metrics.refused.WithLabelValues(labels...).Set(float64(depths[i].Refused))
		t.metrics.stopped.WithLabelValues(labels...).Set(stopped)
	}
}
