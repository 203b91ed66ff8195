package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"

	"github.com/maru-auth/maru/resources/board/internal/store"
)

// CreateInput is what every request that creates takes.
type CreateInput struct {
	IdempotencyKey string `header:"Idempotency-Key" pattern:"^[!-~]+$" patternDescription:"visible ASCII without spaces" maxLength:"255" doc:"A random text of your choice, at most 255 visible ASCII characters. The same request with the same key, within 24 hours, creates nothing new and returns what was created; another request with it is an error."`
}

// key names the request of ctx for the store. The client's key counts for the caller and the route;
// asked, as cleaned, must be the same again.
func (in CreateInput) key(ctx context.Context, route string, asked any) (store.IdempotencyKey, error) {
	if in.IdempotencyKey == "" {
		return store.IdempotencyKey{}, nil
	}
	text, err := json.Marshal(asked)
	if err != nil {
		return store.IdempotencyKey{}, err
	}
	hash := sha256.Sum256(text)
	return store.IdempotencyKey{Subject: callerOf(ctx).subject, Route: route, Key: in.IdempotencyKey, Request: hash[:]}, nil
}
