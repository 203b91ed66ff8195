package httpd

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/maru-auth/maru/internal/tracing"
)

const (
	sentTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	sentSpan  = "00f067aa0ba902b7"
)

// traceRequest has a server answer a request, from a proxy or from a stranger, and returns its log.
func traceRequest(t *testing.T, traces *tracing.Tracing, from string, handler http.HandlerFunc) string {
	t.Helper()
	var log bytes.Buffer
	s := &Server{Log: slog.New(traced{slog.NewTextHandler(&log, nil)}), Tracing: traces}
	r := httptest.NewRequest("GET", "/secret-path?code=secret-code", nil)
	r.RemoteAddr = from
	r.Header.Set("Traceparent", "00-"+sentTrace+"-"+sentSpan+"-01")
	r.Header.Set("Tracestate", "secret=state")
	s.wrap(handler, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, prometheus.NewRegistry(), 1<<20).ServeHTTP(httptest.NewRecorder(), r)
	return log.String()
}

func TestATraceGoesOnForProxiesAndBeginsAnewForStrangers(t *testing.T) {
	for from, goesOn := range map[string]bool{"127.0.0.1:1234": true, "203.0.113.9:1234": false} {
		recorder := tracetest.NewSpanRecorder()
		log := traceRequest(t, tracing.New(recorder), from, func(w http.ResponseWriter, _ *http.Request) {
			NoteRefusal(w, "invalid_grant", "secret detail")
			w.WriteHeader(http.StatusBadRequest)
		})
		span := recorder.Ended()[0]
		if got := span.SpanContext().TraceID().String() == sentTrace; got != goesOn || span.Parent().IsValid() != goesOn {
			t.Errorf("%s: trace %s, parent %s", from, span.SpanContext().TraceID(), span.Parent().SpanID())
		}
		if span.Name() != "GET unmatched" || strings.Contains(fmt.Sprint(span.Attributes(), span.SpanContext().TraceState()), "secret") {
			t.Errorf("%s: %s %v", from, span.Name(), span.Attributes())
		}
		if !strings.Contains(log, "trace_id="+span.SpanContext().TraceID().String()) || !strings.Contains(log, "span_id="+span.SpanContext().SpanID().String()) {
			t.Errorf("%s: the log does not name the span: %s", from, log)
		}
	}
}

// A stranger's flag "sampled" must not have everything recorded, nor must its absence hide a request.
func TestAStrangersFlagDecidesNothing(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	never := tracing.New(recorder, sdk.WithSampler(sdk.ParentBased(sdk.NeverSample())))
	traceRequest(t, never, "203.0.113.9:1234", func(http.ResponseWriter, *http.Request) {})
	if n := len(recorder.Ended()); n != 0 {
		t.Errorf("%d spans were recorded for a stranger", n)
	}
	traceRequest(t, never, "127.0.0.1:1234", func(http.ResponseWriter, *http.Request) {})
	if n := len(recorder.Ended()); n != 1 {
		t.Errorf("%d spans were recorded for a proxy that records", n)
	}
}

func TestWithoutTracesTheLogNamesTheProxysTrace(t *testing.T) {
	quiet := func(http.ResponseWriter, *http.Request) {}
	if log := traceRequest(t, nil, "127.0.0.1:1234", quiet); !strings.Contains(log, "trace_id="+sentTrace+" span_id="+sentSpan) {
		t.Errorf("the log: %s", log)
	}
	if log := traceRequest(t, nil, "203.0.113.9:1234", quiet); strings.Contains(log, "trace_id") {
		t.Errorf("a stranger's: %s", log)
	}
}

func TestCallsCarryTheTraceToOurOwnAndNotToStrangers(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	var ours, strangers http.Header
	keep := func(header *http.Header) http.RoundTripper {
		return answers(func(r *http.Request) (*http.Response, error) {
			*header = r.Header
			return &http.Response{StatusCode: 503, Body: http.NoBody}, nil
		})
	}
	traceRequest(t, tracing.New(recorder), "127.0.0.1:1234", func(_ http.ResponseWriter, r *http.Request) {
		for _, next := range []http.RoundTripper{Calls{}.To("user", keep(&ours)), Calls{}.ToStrangers("clients", keep(&strangers))} {
			out, err := http.NewRequestWithContext(r.Context(), "GET", "https://user.example/secret?token=secret", nil)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := next.RoundTrip(out); err != nil { //nolint:bodyclose // there is none
				t.Error(err)
			}
			if out.Header.Get("Traceparent") != "" {
				t.Error("the caller's request was changed")
			}
		}
	})
	spans := recorder.Ended()
	want := "00-" + sentTrace + "-" + spans[0].SpanContext().SpanID().String() + "-01"
	if ours.Get("Traceparent") != want || ours.Get("Tracestate") != "" || strangers.Get("Traceparent") != "" {
		t.Errorf("sent %q, want %q; to strangers %q", ours, want, strangers)
	}
	if len(spans) != 3 || spans[0].Name() != "GET user" || spans[0].Parent().SpanID() != spans[2].SpanContext().SpanID() ||
		strings.Contains(fmt.Sprint(spans[0].Attributes()), "secret") {
		t.Errorf("%d spans: %s %v", len(spans), spans[0].Name(), spans[0].Attributes())
	}
}

// Off, traces cost no memory: neither at the door, nor at a call, nor in the log.
func TestWithoutTracesNothingIsAllocatedForThem(t *testing.T) {
	ctx := t.Context()
	r := httptest.NewRequest("GET", "/", nil)
	var off *tracing.Tracing
	for name, f := range map[string]func(){
		"request":    func() { _, span := off.Request(ctx, r, trustedPeer(r, nil)); span.End(nil) },
		"call":       func() { _, span := tracing.Call(r, "user", true); span.SetStatus(200); span.End(nil) },
		"statement":  func() { tracing.Statement(ctx, "sqlite", "SELECT 1").End(nil) },
		"part":       func() { _, span := tracing.Part(ctx, "transaction"); span.End(nil) },
		"background": func() { _, span := tracing.Begin(off.With(ctx), "work"); span.End(nil) },
		"log":        func() { tracing.IDs(ctx) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// BenchmarkRequest is what the door costs, without traces and with traces that are not recorded, and
// that are.
func BenchmarkRequest(b *testing.B) {
	for _, bench := range []struct {
		name   string
		traces *tracing.Tracing
	}{
		{"off", nil},
		{"not recorded", tracing.New(nothing{}, sdk.WithSampler(sdk.NeverSample()))},
		{"recorded", tracing.New(nothing{})},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := &Server{Log: slog.New(slog.DiscardHandler), Tracing: bench.traces}
			handler := s.wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), nil, prometheus.NewRegistry(), 1<<20)
			r := httptest.NewRequestWithContext(context.Background(), "GET", "/", nil)
			b.ReportAllocs()
			for b.Loop() {
				handler.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}

// nothing is a processor of spans that does nothing.
type nothing struct{}

func (nothing) OnStart(context.Context, sdk.ReadWriteSpan) {}
func (nothing) OnEnd(sdk.ReadOnlySpan)                     {}
func (nothing) Shutdown(context.Context) error             { return nil }
func (nothing) ForceFlush(context.Context) error           { return nil }
