package keystore_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestReplicasThatStartAtOnceGetOneServerSecret(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		got := make([][]byte, 32)
		storetest.Winners(t, func(ctx context.Context, i int) (bool, error) {
			value, err := f.Keys.ServerSecret(ctx, "salt", func() ([]byte, error) { return []byte(rand.Text()), nil })
			got[i] = value
			return err == nil, err
		})
		for _, value := range got {
			if len(value) == 0 || !bytes.Equal(value, got[0]) {
				t.Fatalf("%q and %q", value, got[0])
			}
		}
		again, err := f.Keys.ServerSecret(t.Context(), "salt", func() ([]byte, error) {
			t.Error("made again")
			return nil, nil
		})
		if !bytes.Equal(again, got[0]) || err != nil {
			t.Errorf("%q, %v", again, err)
		}
		other, err := f.Keys.ServerSecret(t.Context(), "other", func() ([]byte, error) { return []byte("other"), nil })
		if string(other) != "other" || err != nil {
			t.Errorf("%q, %v", other, err)
		}
	})
}

func TestAServerSecretThatCannotBeMadeIsNotStored(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		broken := errors.New("broken")
		if _, err := f.Keys.ServerSecret(t.Context(), "salt", func() ([]byte, error) { return nil, broken }); !errors.Is(err, broken) {
			t.Error(err)
		}
		if all, err := f.Keys.ServerSecrets(t.Context()); len(all) != 0 || err != nil {
			t.Errorf("%v, %v", all, err)
		}
	})
}

func TestServerSecretsAreRewrappedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		for _, name := range []string{"b", "a"} {
			if _, err := f.Keys.ServerSecret(t.Context(), name, func() ([]byte, error) { return []byte("old " + name), nil }); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Keys.RewrapServerSecret(t.Context(), "a", []byte("old a"), []byte("new a")); err != nil {
			t.Error(err)
		}
		if err := f.Keys.RewrapServerSecret(t.Context(), "a", []byte("old a"), []byte("other")); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		all, err := f.Keys.ServerSecrets(t.Context())
		if err != nil || len(all) != 2 || all[0].Name != "a" || string(all[0].Value) != "new a" || string(all[1].Value) != "old b" {
			t.Errorf("%v, %v", all, err)
		}
	})
}
