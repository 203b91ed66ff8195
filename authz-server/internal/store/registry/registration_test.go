package registry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestAClientIsRegisteredWithAllThatItHas(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		c := client.Client{ID: "self", Name: "Self"}
		if err := f.Clients.RegisterClient(t.Context(), c,
			registry.Registration{Secret: opaque.Hash("secret"), Token: opaque.Hash("token")}); err != nil {
			t.Fatal(err)
		}
		got, secrets, err := f.Clients.ClientWithSecrets(t.Context(), "self")
		if err != nil || got.Name != "Self" || len(secrets) != 1 || string(secrets[0]) != string(opaque.Hash("secret")) {
			t.Errorf("%+v %v %v", got, secrets, err)
		}
		for id, want := range map[string]map[string]bool{"self": {"token": true, "another": false, "": false, "secret": false},
			"app": {"token": false, "": false}, "none": {"token": false}} {
			for token, good := range want {
				err := f.Clients.CheckRegistrationToken(t.Context(), id, token)
				if good && err != nil || !good && !errors.Is(err, store.ErrNotFound) {
					t.Errorf("%q for %q: %v", token, id, err)
				}
			}
		}
		err = f.Clients.RegisterClient(t.Context(), c, registry.Registration{Token: opaque.Hash("another")})
		if !errors.Is(err, store.ErrExists) {
			t.Error(err)
		}
		if err := f.Clients.CheckRegistrationToken(t.Context(), "self", "token"); err != nil {
			t.Errorf("who registered the same id took it over: %v", err)
		}
		if _, err := f.DeleteClient(t.Context(), "self"); err != nil {
			t.Fatal(err)
		}
		if err := f.Clients.CheckRegistrationToken(t.Context(), "self", "token"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the token outlived its client: %v", err)
		}
	})
}

func TestAnInitialTokenLetsInSoManyClientsAndNoMore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		hash := opaque.Hash("initial")
		if err := f.Clients.CreateInitialToken(t.Context(), hash, "for tests", 3, f.Now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := f.Clients.CreateInitialToken(t.Context(), hash, "", 100, f.Now.Add(time.Hour)); !errors.Is(err, store.ErrExists) {
			t.Error(err)
		}
		register := func(ctx context.Context, id string) (bool, error) {
			err := f.Clients.RegisterClient(ctx, client.Client{ID: id}, registry.Registration{Token: opaque.Hash(id), InitialToken: hash})
			if errors.Is(err, store.ErrNotFound) {
				return false, nil
			}
			return err == nil, err
		}
		// A registration that fails for another reason spends nothing.
		if err := f.Clients.RegisterClient(t.Context(), client.Client{ID: "app"},
			registry.Registration{Token: hash, InitialToken: hash}); !errors.Is(err, store.ErrExists) {
			t.Error(err)
		}
		won := storetest.Winners(t, func(ctx context.Context, i int) (bool, error) { return register(ctx, fmt.Sprint("self-", i)) })
		if won != 3 {
			t.Errorf("%d of 32 were let in by a token with 3 uses", won)
		}
		all, err := f.Clients.ListClients(t.Context(), "", 100)
		if err != nil || len(all) != 4 { // and "app"
			t.Errorf("%d clients, %v", len(all), err)
		}
		if err := f.Clients.CheckInitialToken(t.Context(), hash); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("used up: %v", err)
		}

		late := opaque.Hash("late")
		if err := f.Clients.CreateInitialToken(t.Context(), late, "", 3, f.Now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := f.Clients.CheckInitialToken(t.Context(), late); err != nil {
			t.Error(err)
		}
		f.Now = f.Now.Add(time.Hour)
		hash = late
		if ok, err := register(t.Context(), "late"); ok || err != nil {
			t.Errorf("let in by an expired token: %v", err)
		}
		if err := f.Clients.CheckInitialToken(t.Context(), late); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		if n, err := f.Sweep(t.Context()); n != 2 || err != nil {
			t.Errorf("%d swept, %v", n, err)
		}
	})
}
