package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"

	"github.com/maru-auth/maru/resources/board/internal/store"
)

// CreateInput is what every request that creates takes.
type CreateInput struct {
	IdempotencyKey string `header:"Idempotency-Key" pattern:"^[!-~]+$" patternDescription:"visible ASCII without spaces" maxLength:"255" doc:"A random text of the caller's making, at most 255 visible ASCII characters. The same key with the same request, within 24 hours, creates nothing again and gets what was created; with another request it is an error."`
}

// once names the request of ctx for the store: the key counts for the caller and the route, and asked, as cleaned, is what
// must be the same again.
func (in CreateInput) once(ctx context.Context, route string, asked any) (store.Once, error) {
	if in.IdempotencyKey == "" {
		return store.Once{}, nil
	}
	text, err := json.Marshal(asked)
	if err != nil {
		return store.Once{}, err
	}
	hash := sha256.Sum256(text)
	return store.Once{Subject: callerOf(ctx).subject, Route: route, Key: in.IdempotencyKey, Request: hash[:]}, nil
}
