package registry_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/authz-server/internal/store/statuses"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestClientsThatNobodyUsesAreSwept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		const unused = 72 * time.Hour
		register := func(id string, initial []byte) {
			t.Helper()
			if err := f.Clients.RegisterClient(t.Context(), client.Client{ID: id},
				registry.Registration{Secret: opaque.Hash(id), Token: opaque.Hash(id), InitialToken: initial}); err != nil {
				t.Fatal(err)
			}
		}
		there := func(id string) bool {
			t.Helper()
			_, err := f.Clients.Client(t.Context(), id)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
			return err == nil
		}
		sweep := func() int64 {
			t.Helper()
			n, err := f.Clients.SweepUnusedClients(t.Context(), unused)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		hash := opaque.Hash("initial")
		if err := f.Clients.CreateInitialToken(t.Context(), hash, "", 1, f.Now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		for n := range 250 { // more than a batch
			register(fmt.Sprintf("unused%d", n), nil)
		}
		for _, id := range []string{"agreed", "asked", "changed", "served"} {
			register(id, nil)
		}
		register("vouched", hash)
		if err := f.Consents.DecideConsent(t.Context(), f.Person.ID, "agreed", []string{"openid"}, nil); err != nil {
			t.Fatal(err)
		}
		f.Now = f.Now.Add(unused - time.Second)
		if n := sweep(); n != 0 {
			t.Fatalf("%d went too early", n)
		}
		if err := f.Clients.UpdateClient(t.Context(), client.Client{ID: "changed"}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Interactions.CreateInteraction(t.Context(), requests.Interaction{ClientID: "asked"}, "browser"); err != nil {
			t.Fatal(err)
		}
		// A service's tokens, by client credentials, leave no more than this.
		if _, err := f.Statuses.Lease(t.Context(), statuses.Holder{ClientID: "served"}, 16, f.Now.Add(time.Hour), "new"); err != nil {
			t.Fatal(err)
		}
		f.Now = f.Now.Add(time.Second)
		if n := sweep(); n != 251 || there("unused0") || there("unused249") || there("changed") {
			t.Errorf("%d of 251 went", n)
		}
		for _, id := range []string{"app", "agreed", "asked", "vouched", "served"} { // "app" is an operator's
			if !there(id) {
				t.Errorf("%s is gone", id)
			}
		}
		f.Now = f.Now.Add(unused)
		if _, err := f.Sweep(t.Context()); err != nil { // the interaction
			t.Fatal(err)
		}
		if n := sweep(); n != 2 || there("asked") || there("served") || !there("agreed") || !there("vouched") || !there("app") {
			t.Errorf("later, %d went", n)
		}
	})
}
