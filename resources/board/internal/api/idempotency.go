package api

import (
	"context"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

// CreateInput is what every request that creates takes.
type CreateInput struct{ rest.CreateInput }

// key names the request of ctx for the store. The client's key counts for the caller and the route;
// asked, as cleaned, must be the same again.
func (in CreateInput) key(ctx context.Context, route string, asked any) (store.IdempotencyKey, error) {
	if in.IdempotencyKey == "" {
		return store.IdempotencyKey{}, nil
	}
	hash, err := rest.RequestHash(nil, asked) // what is posted is for others to read
	if err != nil {
		return store.IdempotencyKey{}, err
	}
	return store.IdempotencyKey{Subject: callerOf(ctx).subject, Route: route, Key: in.IdempotencyKey, Request: hash}, nil
}
