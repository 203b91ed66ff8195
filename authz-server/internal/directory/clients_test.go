package directory_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

func TestAStoredClientComesAsItIs(t *testing.T) {
	t.Parallel()
	f := one(t)
	if err := f.store.Clients.CreateClient(t.Context(), client.Client{ID: "app", Name: "App"}); err != nil {
		t.Fatal(err)
	}
	if err := f.store.Clients.AddClientSecret(t.Context(), "app", opaque.Hash("s"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	c, secrets, err := f.Client(t.Context(), "app")
	if err != nil || c.Name != "App" || len(secrets) != 1 {
		t.Errorf("%+v %v %v", c, secrets, err)
	}
	for _, id := range []string{"", "none", "http://app.example/c", "HTTPS://app.example/c"} {
		if _, _, err := f.Client(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func BenchmarkStoredClient(b *testing.B) {
	f := one(b)
	if err := f.store.Clients.CreateClient(b.Context(), client.Client{ID: "app"}); err != nil {
		b.Fatal(err)
	}
	for name, look := range map[string]func(context.Context, string) (client.Client, [][]byte, error){
		"store": f.store.Clients.ClientWithSecrets, "directory": f.Client,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := look(b.Context(), "app"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
