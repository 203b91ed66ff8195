package registry_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestADocumentClientLivesWhileItIsUsed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		if err := f.Sessions.EndSession(t.Context(), f.Session.ID); err != nil { // which would be swept as well
			t.Fatal(err)
		}
		const used, unused = "https://used.example/client.json", "https://unused.example/client.json"
		put := func(id, name string) client.Client {
			t.Helper()
			var before string
			if c, err := f.Store.Clients.Client(t.Context(), id); err == nil {
				before = c.Name
			}
			want := map[string]registry.PutDocument{"": registry.DocumentNew, name: registry.DocumentSame}
			outcome, ok := want[before]
			if !ok {
				outcome = registry.DocumentChanged
			}
			if got, err := f.Clients.PutDocumentClient(t.Context(), client.Client{ID: id, Name: name}); err != nil || got != outcome {
				t.Fatalf("%d, want %d: %v", got, outcome, err)
			}
			c, err := f.Store.Clients.Client(t.Context(), id)
			if err != nil || c.Name != name {
				t.Fatalf("%+v %v", c, err)
			}
			return c
		}
		first := put(used, "Used")
		f.Now = f.Now.Add(30 * time.Minute)
		if again := put(used, "Used"); !again.UpdatedAt.Equal(first.UpdatedAt) {
			t.Error("the same was written anew")
		}
		if changed := put(used, "Changed"); !changed.UpdatedAt.Equal(f.Now) || !changed.CreatedAt.Equal(first.CreatedAt) {
			t.Errorf("%+v", changed)
		}
		f.Now = f.Now.Add(time.Hour)
		if later := put(used, "Changed"); !later.UpdatedAt.Equal(f.Now) {
			t.Error("it was not confirmed")
		}
		put(unused, "Unused")
		storetest.Winners(t, func(ctx context.Context, i int) (bool, error) {
			_, err := f.Clients.PutDocumentClient(ctx, client.Client{ID: "https://race.example/c", Name: fmt.Sprint(i)})
			return true, err
		})
		if err := f.Consents.GrantConsent(t.Context(), f.Person.ID, used, []string{"openid"}); err != nil {
			t.Fatal(err)
		}
		f.Now = f.Now.Add(24*time.Hour - time.Second)
		if n, err := f.Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("%d swept too early, %v", n, err)
		}
		f.Now = f.Now.Add(time.Second)
		if n, err := f.Sweep(t.Context()); n != 2 || err != nil {
			t.Errorf("%d swept, %v", n, err)
		}
		if _, err := f.Store.Clients.Client(t.Context(), used); err != nil {
			t.Error("one with a consent is gone", err)
		}
		if _, err := f.Store.Clients.Client(t.Context(), "app"); err != nil {
			t.Error("a client that is no document is gone", err)
		}
	})
}
