package sqldb

import (
	"context"

	"github.com/maru-auth/maru/internal/tracing"
)

type observerKey struct{}

// Observe returns a context in which f is called with every statement just before it runs, for
// tests that look at the plans of all statements of a store. f runs on the caller's goroutine.
func Observe(ctx context.Context, f func(query string, args []any)) context.Context {
	return context.WithValue(ctx, observerKey{}, f)
}

// observe tells a test of a statement, and begins its span if there is a trace.
func (db *DB) observe(ctx context.Context, query string, args []any) *tracing.Span {
	if f, ok := ctx.Value(observerKey{}).(func(query string, args []any)); ok {
		f(query, args)
	}
	return tracing.Statement(ctx, systems[db.engine], query)
}

// systems are the engines by their names in OpenTelemetry.
var systems = map[Engine]string{SQLite: "sqlite", Postgres: "postgresql"}
