package jwks_test

import (
	"context"
	"errors"
	"testing"

	"github.com/maru-auth/maru/jwks"
)

// How a Cache fetches and keeps keys is tested in internal/keycache.

func TestACacheNeedsToKnowWhereTheKeysAre(t *testing.T) {
	t.Parallel()
	if c, err := jwks.NewCache(t.Context(), jwks.CacheConfig{}); err == nil || c != nil {
		t.Errorf("%v, %v", c, err)
	}
}

func TestACacheWhoseContextHasEndedHasNoKeys(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c, err := jwks.NewCache(ctx, jwks.CacheConfig{Issuer: issuerURL})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(t.Context()); !errors.Is(err, jwks.ErrKeysUnavailable) {
		t.Errorf("ready: %v", err)
	}
	if keys, err := c.Keys(t.Context(), "k"); !errors.Is(err, jwks.ErrKeysUnavailable) || keys != nil {
		t.Errorf("%v, %v", keys, err)
	}
}
