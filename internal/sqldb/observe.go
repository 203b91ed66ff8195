package sqldb

import "context"

type observerKey struct{}

// Observe returns a context in which f is called with every statement just before it runs, for
// tests that look at the plans of all statements of a store. f runs on the caller's goroutine.
func Observe(ctx context.Context, f func(query string, args []any)) context.Context {
	return context.WithValue(ctx, observerKey{}, f)
}

func observe(ctx context.Context, query string, args []any) {
	if f, ok := ctx.Value(observerKey{}).(func(query string, args []any)); ok {
		f(query, args)
	}
}
