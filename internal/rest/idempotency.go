package rest

import (
	"crypto/sha256"
	"encoding/json"
)

// CreateInput is what every request that creates takes; embed it.
type CreateInput struct {
	IdempotencyKey string `header:"Idempotency-Key" pattern:"^[!-~]+$" patternDescription:"visible ASCII without spaces" maxLength:"255" doc:"A random text of your choice, at most 255 visible ASCII characters. The same request with the same key, within 24 hours, creates nothing new and returns what was created; another request with it is an error."`
}

// RequestHash is a hash of what was asked, as cleaned: a request that is sent again has the same.
func RequestHash(asked any) ([]byte, error) {
	text, err := json.Marshal(asked)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(text)
	return hash[:], nil
}
