package keystore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/keystore"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestOneOfParallelSigningKeysOfAGenerationWins(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, s *storetest.World) {
		storetest.OneWins(t, store.ErrExists, func(ctx context.Context, i int) error {
			return s.Keys.AddSigningKey(ctx, keystore.SigningKey{
				KID: fmt.Sprint("key", i), Alg: "RS256", Generation: 1, PrivateKey: []byte{byte(i)}, ActivatesAt: s.Now,
			})
		})
		keys, _, err := s.Keys.SigningKeys(t.Context())
		if err != nil || len(keys) != 1 {
			t.Errorf("%d keys: %v", len(keys), err)
		}
	})
}

func TestSigningKeyTransitionsHappenOnce(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, s *storetest.World) {
		ctx := t.Context()
		for generation := range int64(2) {
			err := s.Keys.AddSigningKey(ctx, keystore.SigningKey{
				KID: fmt.Sprint("key", generation+1), Alg: "RS256", Generation: generation + 1, PrivateKey: []byte("old"),
				ActivatesAt: s.Now.Add(time.Duration(generation) * time.Hour),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		storetest.OneWins(t, store.ErrNotFound, func(ctx context.Context, _ int) error {
			_, err := s.Keys.ActivateSigningKey(ctx, "RS256")
			return err
		})
		storetest.OneWins(t, store.ErrNotFound, func(ctx context.Context, _ int) error {
			return s.Keys.RewrapSigningKey(ctx, "key1", []byte("old"), []byte("new"))
		})
		keys, _, err := s.Keys.SigningKeys(ctx)
		if err != nil || len(keys) != 2 || string(keys[0].PrivateKey) != "new" || !keys[1].ActivatesAt.Equal(s.Now) {
			t.Fatalf("%+v, %v", keys, err)
		}
		storetest.OneWins(t, store.ErrNotFound, func(ctx context.Context, _ int) error { return s.Keys.DeleteSigningKey(ctx, "key2") })
	})
}
