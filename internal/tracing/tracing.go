// Package tracing sends traces of requests to a collector, by OpenTelemetry (OTLP over HTTP), if the
// standard variable OTEL_EXPORTER_OTLP_ENDPOINT names one. Otherwise it does nothing, at no cost.
//
// What a span says is bounded, and nobody's secret: which program, route, table and outcome. It never
// has an address's path or query, a parameter, a header, a text of an error, or who somebody is.
//
// A trace begins, or goes on, where a request arrives ([Tracing.Request]) or where background work
// does ([Begin]); everything below finds it in the context, and adds nothing where there is none.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Tracing makes spans and sends them. A nil *Tracing makes none. It is safe for concurrent use.
type Tracing struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// scope is the name under which all spans are made.
const scope = "github.com/maru-auth/maru"

// Start returns what the environment asks for, by the variables of OpenTelemetry; nil: nothing.
// program is the name of the service, unless OTEL_SERVICE_NAME says otherwise. metrics gets the
// count of spans, also where there are none. The error names the variable that is wrong.
func Start(ctx context.Context, program string, log *slog.Logger, metrics prometheus.Registerer) (*Tracing, error) {
	counted := newCounts(metrics)
	if !wanted() {
		return nil, nil //nolint:nilnil // a nil *Tracing works
	}
	protocol := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	if protocol != "" && protocol != "http/protobuf" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL: %q is not spoken here; set http/protobuf, and an endpoint such as http://collector:4318", protocol)
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_…: %w", err)
	}
	described, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", program)),
		resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	queue, err := newQueue(exporter, log, counted)
	if err != nil {
		return nil, err
	}
	log.InfoContext(ctx, "traces are sent", "service", program)
	return New(queue, sdk.WithResource(described)), nil
}

// wanted tells whether the environment asks for traces.
func wanted() bool {
	endpoint := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != ""
	return endpoint && !strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") && os.Getenv("OTEL_TRACES_EXPORTER") != "none"
}

// New makes Tracing whose spans go to a processor, such as a test's. The sampler is what
// OTEL_TRACES_SAMPLER says; by default everything is recorded, unless the trace says otherwise.
func New(to sdk.SpanProcessor, options ...sdk.TracerProviderOption) *Tracing {
	provider := sdk.NewTracerProvider(append(options, sdk.WithSpanProcessor(to))...)
	return &Tracing{provider, provider.Tracer(scope)}
}

// Stop sends what waits, for five seconds at most.
func (t *Tracing) Stop() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // what could not be sent was counted
}

// traceContext reads and writes the header traceparent (W3C Trace Context). There is no baggage: it
// would carry what a stranger wrote through the whole system.
var traceContext propagation.TraceContext

// traceparent is the header's name in its canonical form.
const traceparent = "Traceparent"

// Request begins the span of a request that has arrived. trusted says that the peer is one of our
// own, so that its header traceparent is believed: the trace goes on, and is recorded if the peer
// records it. A stranger's header is ignored: it could join its requests to another's trace, or have
// everything recorded. Without Tracing, a trusted header is still noted in the context, for the log.
func (t *Tracing) Request(ctx context.Context, r *http.Request, trusted bool) (context.Context, *Span) {
	if header := r.Header[traceparent]; trusted && len(header) == 1 {
		remote := trace.SpanContextFromContext(traceContext.Extract(context.Background(), propagation.HeaderCarrier{traceparent: header}))
		if remote.IsValid() {
			ctx = trace.ContextWithRemoteSpanContext(ctx, remote)
		}
	}
	if t == nil {
		return ctx, nil
	}
	ctx, span := t.tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer))
	return ctx, &Span{span}
}

// Call begins the span of a request that is sent to somebody, and returns the request to send: with
// the header traceparent if propagate says so. Nil: there is no trace to add to.
func Call(r *http.Request, somebody string, propagate bool) (*http.Request, *Span) {
	ctx := r.Context()
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return r, nil
	}
	ctx, span := start(ctx, r.Method+" "+somebody, trace.SpanKindClient)
	if span != nil {
		span.of.SetAttributes(attribute.String("http.request.method", r.Method), attribute.String("peer.service", somebody))
		if propagate { // who else chose the address, chose what it says
			span.of.SetAttributes(attribute.String("server.address", r.URL.Hostname()))
		}
	}
	if propagate {
		r = r.Clone(ctx)
		traceContext.Inject(ctx, propagation.HeaderCarrier(r.Header))
		r.Header.Del("Tracestate") // it came from elsewhere
	}
	return r, span
}

// start begins a span below that of ctx; nil: there is none, or it is not recorded.
func start(ctx context.Context, name string, kind trace.SpanKind) (context.Context, *Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, nil
	}
	ctx, span := parent.TracerProvider().Tracer(scope).Start(ctx, name, trace.WithSpanKind(kind))
	return ctx, &Span{span}
}

type tracingKey struct{}

// With returns a context whose background work can begin traces by [Begin].
func (t *Tracing) With(ctx context.Context) context.Context {
	if t == nil {
		return ctx
	}
	return context.WithValue(ctx, tracingKey{}, t)
}

// Begin begins the span of a piece of background work, which is named by a few words. It is part of
// the trace of ctx, or else the beginning of one.
func Begin(ctx context.Context, name string) (context.Context, *Span) {
	if trace.SpanContextFromContext(ctx).IsValid() {
		return start(ctx, name, trace.SpanKindInternal)
	}
	t, _ := ctx.Value(tracingKey{}).(*Tracing)
	if t == nil {
		return ctx, nil
	}
	ctx, span := t.tracer.Start(ctx, name)
	return ctx, &Span{span}
}

// Part begins a span within the trace of ctx, if there is one.
func Part(ctx context.Context, name string) (context.Context, *Span) {
	return start(ctx, name, trace.SpanKindInternal)
}

// Join returns ctx with the trace of another context, for work that is done for its caller on
// another goroutine.
func Join(ctx, of context.Context) context.Context {
	if of == nil || !trace.SpanFromContext(of).IsRecording() {
		return ctx
	}
	return trace.ContextWithSpan(ctx, trace.SpanFromContext(of))
}

// IDs returns the ids of the trace and the span of ctx, in hex; empty: there is none.
func IDs(ctx context.Context) (traceID, spanID string) {
	of := trace.SpanContextFromContext(ctx)
	if !of.IsValid() {
		return "", ""
	}
	return of.TraceID().String(), of.SpanID().String()
}

// A Span is a part of a trace. A nil *Span does nothing.
type Span struct{ of trace.Span }

// Name names the span anew, when more is known.
func (s *Span) Name(name string) {
	if s != nil {
		s.of.SetName(name)
	}
}

// Set says more about the span: a text that is one of a few, or an id of ours.
func (s *Span) Set(name, value string) {
	if s != nil {
		s.of.SetAttributes(attribute.String(name, value))
	}
}

// SetStatus notes the status of an HTTP answer, and that the span failed if it is the server's fault.
func (s *Span) SetStatus(status int) {
	if s == nil {
		return
	}
	s.of.SetAttributes(attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		s.of.SetStatus(codes.Error, "")
	}
}

// Fail notes that the span failed, by one of a few words. The text of an error could hold anything.
func (s *Span) Fail(why string) {
	if s != nil {
		s.of.SetAttributes(attribute.String("error.type", why))
		s.of.SetStatus(codes.Error, "")
	}
}

// End ends the span. What err says is not part of it: see [Span.Fail].
func (s *Span) End(err error) {
	if s == nil {
		return
	}
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled):
		s.Fail("cancelled")
	case errors.Is(err, context.DeadlineExceeded):
		s.Fail("timeout")
	default:
		s.Fail("failed")
	}
	s.of.End()
}
