package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// queue sends spans in batches, from a goroutine of its own, so that neither a slow collector nor
// one that is away holds up a request. Spans that do not fit are dropped and counted; OpenTelemetry's
// own queue drops them silently.
type queue struct {
	exporter sdk.SpanExporter
	log      *slog.Logger
	counts   *prometheus.CounterVec
	limits   limits

	spans chan sdk.ReadOnlySpan
	flush chan chan struct{}
	stop  chan struct{} // closed by Shutdown
	done  chan struct{} // closed when the goroutine has ended
	once  sync.Once

	failing bool // the last batch was not sent; of the goroutine alone
}

var _ sdk.SpanProcessor = (*queue)(nil)

// limits are those of OpenTelemetry's batch processor, by its variables and defaults.
type limits struct {
	size  int           // OTEL_BSP_MAX_QUEUE_SIZE: spans that wait
	batch int           // OTEL_BSP_MAX_EXPORT_BATCH_SIZE
	delay time.Duration // OTEL_BSP_SCHEDULE_DELAY: how long a span waits at most for others
	send  time.Duration // OTEL_BSP_EXPORT_TIMEOUT
}

func readLimits() (l limits, err error) {
	number := func(name string, standard int) int {
		text := os.Getenv(name)
		if text == "" {
			return standard
		}
		n, wrong := strconv.Atoi(text)
		if wrong != nil || n < 1 || n > 1_000_000 {
			err = fmt.Errorf("%s: %q is not a number from 1 to 1000000", name, text)
		}
		return n
	}
	l.size, l.batch = number("OTEL_BSP_MAX_QUEUE_SIZE", 2048), number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)
	l.delay = time.Duration(number("OTEL_BSP_SCHEDULE_DELAY", 5000)) * time.Millisecond
	l.send = time.Duration(number("OTEL_BSP_EXPORT_TIMEOUT", 30_000)) * time.Millisecond
	l.batch = min(l.batch, l.size)
	return l, err
}

// What can come of a span.
const (
	sent    = "sent"
	failed  = "failed"
	dropped = "dropped"
)

func newCounts(registry prometheus.Registerer) *prometheus.CounterVec {
	counts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "trace_spans_total",
		Help: "Spans of traces, by outcome: sent, failed (the collector did not take them) or dropped (too many waited). All 0 without traces.",
	}, []string{"outcome"})
	for _, outcome := range []string{sent, failed, dropped} {
		counts.WithLabelValues(outcome)
	}
	if registry != nil {
		registry.MustRegister(counts)
	}
	return counts
}

func newQueue(exporter sdk.SpanExporter, log *slog.Logger, counts *prometheus.CounterVec) (*queue, error) {
	bounds, err := readLimits()
	if err != nil {
		return nil, err
	}
	q := &queue{
		exporter: exporter, log: log, counts: counts, limits: bounds, spans: make(chan sdk.ReadOnlySpan, bounds.size),
		flush: make(chan chan struct{}), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go q.run()
	return q, nil
}

// OnStart implements sdk.SpanProcessor.
func (*queue) OnStart(context.Context, sdk.ReadWriteSpan) {}

// OnEnd implements sdk.SpanProcessor. It never waits.
func (q *queue) OnEnd(span sdk.ReadOnlySpan) {
	if !span.SpanContext().IsSampled() {
		return
	}
	if span.InstrumentationScope().Name != scope {
		span = bare{span}
	}
	select {
	case q.spans <- span:
	default:
		q.counts.WithLabelValues(dropped).Inc()
	}
}

// bare is a span of a library that found the trace in the context, such as fosite: what it says
// beside its name may be text of an error, or a parameter.
type bare struct{ sdk.ReadOnlySpan }

// Attributes implements sdk.ReadOnlySpan.
func (bare) Attributes() []attribute.KeyValue { return nil }

// Events implements sdk.ReadOnlySpan.
func (bare) Events() []sdk.Event { return nil }

// Status implements sdk.ReadOnlySpan.
func (b bare) Status() sdk.Status { return sdk.Status{Code: b.ReadOnlySpan.Status().Code} }

// ForceFlush implements sdk.SpanProcessor.
func (q *queue) ForceFlush(ctx context.Context) error {
	flushed := make(chan struct{})
	select {
	case q.flush <- flushed:
	case <-q.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-flushed:
	case <-q.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Shutdown implements sdk.SpanProcessor: it sends what waits, until ctx ends.
func (q *queue) Shutdown(ctx context.Context) error {
	q.once.Do(func() { close(q.stop) })
	select {
	case <-q.done:
	case <-ctx.Done():
	}
	return q.exporter.Shutdown(ctx)
}

func (q *queue) run() {
	defer close(q.done)
	ticker := time.NewTicker(q.limits.delay)
	defer ticker.Stop()
	batch := make([]sdk.ReadOnlySpan, 0, q.limits.batch)
	for {
		var flushed chan struct{}
		full := false
		select {
		case span := <-q.spans:
			batch = append(batch, span)
			full = len(batch) == cap(batch)
		case <-ticker.C:
			full = true
		case flushed = <-q.flush:
			batch, full = q.drain(batch), true
		case <-q.stop:
			q.send(q.drain(batch))
			return
		}
		if full {
			q.send(batch)
			batch = batch[:0]
		}
		if flushed != nil {
			close(flushed)
		}
	}
}

// drain adds what waits to batch, and sends what becomes full.
func (q *queue) drain(batch []sdk.ReadOnlySpan) []sdk.ReadOnlySpan {
	for {
		select {
		case span := <-q.spans:
			if batch = append(batch, span); len(batch) == cap(batch) {
				q.send(batch)
				batch = batch[:0]
			}
		default:
			return batch
		}
	}
}

// send sends a batch. It logs the first failure of a row, and the end of the row.
func (q *queue) send(batch []sdk.ReadOnlySpan) {
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), q.limits.send)
	defer cancel()
	err := q.exporter.ExportSpans(ctx, batch)
	outcome := sent
	if err != nil {
		outcome = failed
	}
	q.counts.WithLabelValues(outcome).Add(float64(len(batch)))
	switch {
	case err != nil && !q.failing:
		q.log.Warn("traces cannot be sent; they are dropped", "error", err)
	case err == nil && q.failing:
		q.log.Info("traces are sent again")
	}
	q.failing = err != nil
}
