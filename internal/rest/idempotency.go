package rest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
)

// CreateInput is what every request that creates takes; embed it.
type CreateInput struct {
	IdempotencyKey string `header:"Idempotency-Key" pattern:"^[!-~]+$" patternDescription:"visible ASCII without spaces" maxLength:"255" doc:"A random text of your choice, at most 255 visible ASCII characters. The same request with the same key, within 24 hours, creates nothing new and returns what was created; another request with it is an error."`
}

// RequestHash is a hash of what was asked, as cleaned: a request that is sent again has the same.
//
// It is kept, and whoever reads it could try what was asked, a password for example, as fast as
// SHA-256 goes. So it is made with a secret key (HMAC, RFC 2104), the same in every replica. Nil: with
// none, which is for requests that can have nothing secret in them.
func RequestHash(key []byte, asked any) ([]byte, error) {
	text, err := json.Marshal(asked)
	if err != nil {
		return nil, err
	}
	if key != nil {
		mac := hmac.New(sha256.New, key)
		mac.Write(text)
		return mac.Sum(nil), nil
	}
	hash := sha256.Sum256(text)
	return hash[:], nil
}
