package httpd

import (
	"context"
	"log/slog"

	"github.com/maru-auth/maru/internal/tracing"
)

// traced adds the ids of the trace to what is logged with its context, also where the trace is
// somebody else's: a line of the log and a span find each other.
type traced struct{ slog.Handler }

var _ slog.Handler = traced{}

// Handle implements slog.Handler.
func (h traced) Handle(ctx context.Context, line slog.Record) error {
	if trace, span := tracing.IDs(ctx); trace != "" {
		line.AddAttrs(slog.String("trace_id", trace), slog.String("span_id", span))
	}
	return h.Handler.Handle(ctx, line)
}

// WithAttrs implements slog.Handler.
func (h traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{h.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (h traced) WithGroup(name string) slog.Handler { return traced{h.Handler.WithGroup(name)} }
