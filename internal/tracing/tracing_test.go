package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

func TestAStatementIsNamedByItsVerbAndItsFirstTable(t *testing.T) {
	for query, want := range map[string]string{
		`SELECT id FROM posts WHERE id = $1`:                                     "SELECT posts",
		"\n\tINSERT INTO sessions (id, n) VALUES ($1, $2)":                       "INSERT sessions",
		`UPDATE grants SET active = false WHERE id = 'secret'`:                   "UPDATE grants",
		`DELETE FROM posts WHERE id IN (SELECT id FROM comments)`:                "DELETE posts",
		`WITH due AS (SELECT id FROM outbox) UPDATE outbox SET n = 1`:            "SELECT outbox",
		`SELECT COUNT(*) FROM (SELECT 1 FROM posts) AS n`:                        "SELECT posts",
		`SHOW transaction_read_only`:                                             "SHOW",
		`SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`: "SELECT clock_timestamp",
		`SELECT x FROM "strange name" WHERE y = 'mina@example.org'`:              "SELECT",
	} {
		if got := describe(query).name; got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

// stuck is an exporter that does not answer until it is let go.
type stuck struct {
	sdk.SpanExporter
	let chan struct{}
}

func (s stuck) ExportSpans(ctx context.Context, _ []sdk.ReadOnlySpan) error {
	<-s.let
	return errors.New("the collector is away")
}
func (stuck) Shutdown(context.Context) error { return nil }

func TestACollectorThatDoesNotAnswerHoldsUpNobodyAndWhatIsLostIsCounted(t *testing.T) {
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5")
	registry := prometheus.NewRegistry()
	counts := newCounts(registry)
	let := make(chan struct{})
	queue, err := newQueue(stuck{let: let}, slog.New(slog.DiscardHandler), counts)
	if err != nil {
		t.Fatal(err)
	}
	traces := New(queue)
	for range 100 {
		_, span := Begin(traces.With(t.Context()), "work")
		span.End(nil)
	}
	close(let)
	traces.Stop()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, one := range families[0].GetMetric() {
		got[one.GetLabel()[0].GetValue()] = one.GetCounter().GetValue()
	}
	// Five or so are with the exporter and ten wait, while the rest comes.
	if got["sent"] != 0 || got["failed"]+got["dropped"] != 100 || got["dropped"] < 80 {
		t.Error(got)
	}
}

func TestTracesAreSentOnlyIfTheEnvironmentNamesACollector(t *testing.T) {
	start := func() (*Tracing, error) {
		return Start(t.Context(), "test", slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
	if traces, err := start(); traces != nil || err != nil {
		t.Errorf("without an endpoint: %v, %v", traces, err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	traces, err := start()
	if traces == nil || err != nil {
		t.Errorf("with an endpoint: %v, %v", traces, err)
	}
	traces.Stop()
	for name, value := range map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_BSP_MAX_QUEUE_SIZE": "many"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			if _, err := start(); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		})
	}
	t.Setenv("OTEL_SDK_DISABLED", "true")
	if traces, err := start(); traces != nil || err != nil {
		t.Errorf("disabled: %v, %v", traces, err)
	}
}

func TestWhatALibraryAddsToATraceLosesAllButItsName(t *testing.T) {
	exporter := tracetest.NewInMemoryExporter()
	queue, err := newQueue(exporter, slog.New(slog.DiscardHandler), newCounts(nil))
	if err != nil {
		t.Fatal(err)
	}
	traces := New(queue)
	ctx, ours := Begin(traces.With(t.Context()), "work")
	_, theirs := trace.SpanFromContext(ctx).TracerProvider().Tracer("a library").Start(ctx, "step")
	theirs.SetAttributes(attribute.String("parameter", "secret"))
	theirs.RecordError(errors.New("secret"))
	theirs.SetStatus(codes.Error, "secret")
	theirs.End()
	ours.Set("kind", "known")
	ours.End(nil)
	if err := traces.provider.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	spans := exporter.GetSpans()
	if len(spans) != 2 || spans[0].Name != "step" || spans[0].Status.Code != codes.Error || len(spans[1].Attributes) != 1 {
		t.Errorf("%+v", spans)
	}
	if said := fmt.Sprintf("%+v", spans); strings.Contains(said, "secret") {
		t.Error(said)
	}
}
