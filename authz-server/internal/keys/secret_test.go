package keys

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestASecretIsMadeOnceAndKeptEncrypted(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := newPlace(t, databaseURL)
		kek := testKEK(t, 1)
		got := make([][]byte, 8)
		var group sync.WaitGroup
		for i := range got {
			group.Go(func() {
				var err error
				if got[i], err = Secret(t.Context(), p.store.Keys, kek, "salt", 32); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for _, one := range got {
			if len(one) != 32 || bytes.Equal(one, make([]byte, 32)) || !bytes.Equal(one, got[0]) {
				t.Errorf("%x and %x", one, got[0])
			}
		}
		other, err := Secret(t.Context(), p.store.Keys, kek, "other", 32)
		if err != nil || bytes.Equal(other, got[0]) {
			t.Errorf("two names have one secret: %v", err)
		}
		rows, err := p.store.Keys.ServerSecrets(t.Context())
		if err != nil || len(rows) != 2 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		for _, row := range rows {
			if bytes.Contains(row.Value, got[0]) || bytes.Contains(row.Value, other) {
				t.Error("the database shows the secret")
			}
		}
		if secret, err := Secret(t.Context(), p.store.Keys, testKEK(t, 2), "salt", 32); !errors.Is(err, ErrWrongKEK) || secret != nil {
			t.Errorf("with another key-encryption key: %v", err)
		}
		if secret, err := Secret(t.Context(), p.store.Keys, kek, "salt", 16); err == nil || secret != nil {
			t.Error("a secret of another size is taken")
		}
		// One row's envelope is no good in another.
		if err := p.store.Keys.RewrapServerSecret(t.Context(), rows[0].Name, rows[0].Value, rows[1].Value); err != nil {
			t.Fatal(err)
		}
		if _, err := Secret(t.Context(), p.store.Keys, kek, rows[0].Name, 32); !errors.Is(err, ErrWrongKEK) {
			t.Error(err)
		}
		if _, err := p.ring(t).Rewrap(t.Context()); !errors.Is(err, ErrWrongKEK) {
			t.Errorf("a rewrap that cannot read all says that it is done: %v", err)
		}
	})
}
