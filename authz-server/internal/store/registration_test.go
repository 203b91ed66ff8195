package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

func TestAnIdentifierIsUsedOnce(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		soon := f.now.Add(time.Minute)
		won := winners(t, func(ctx context.Context, _ int) (bool, error) {
			err := f.UseID(ctx, "assertion", "app", "1", soon)
			if errors.Is(err, store.ErrExists) {
				return false, nil
			}
			return err == nil, err
		})
		if won != 1 {
			t.Fatalf("%d of 32 used it", won)
		}
		for _, id := range [][3]string{{"assertion", "app", "2"}, {"assertion", "another", "1"}, {"dpop", "app", "1"}, {"assertion", "", "app 1:1 1"}, {"assertion", "app 1", ""}} {
			if err := f.UseID(t.Context(), id[0], id[1], id[2], soon); err != nil {
				t.Errorf("%v: %v", id, err)
			}
		}
		f.now = soon
		if _, err := f.SweepRegistration(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := f.UseID(t.Context(), "assertion", "app", "1", soon.Add(time.Minute)); err != nil {
			t.Errorf("after it was forgotten: %v", err)
		}
	})
}

func TestAClientIsRegisteredWithAllThatItHas(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		c := client.Client{ID: "self", Name: "Self"}
		if err := f.RegisterClient(t.Context(), c, store.Registration{Secret: store.Hash("secret"), Token: store.Hash("token")}); err != nil {
			t.Fatal(err)
		}
		got, secrets, err := f.ClientWithSecrets(t.Context(), "self")
		if err != nil || got.Name != "Self" || len(secrets) != 1 || string(secrets[0]) != string(store.Hash("secret")) {
			t.Errorf("%+v %v %v", got, secrets, err)
		}
		for id, want := range map[string]map[string]bool{"self": {"token": true, "another": false, "": false, "secret": false}, "app": {"token": false, "": false}, "none": {"token": false}} {
			for token, good := range want {
				err := f.CheckRegistrationToken(t.Context(), id, token)
				if good && err != nil || !good && !errors.Is(err, store.ErrNotFound) {
					t.Errorf("%q for %q: %v", token, id, err)
				}
			}
		}
		if err := f.RegisterClient(t.Context(), c, store.Registration{Token: store.Hash("another")}); !errors.Is(err, store.ErrExists) {
			t.Error(err)
		}
		if err := f.CheckRegistrationToken(t.Context(), "self", "token"); err != nil {
			t.Errorf("who registered the same id took it over: %v", err)
		}
		if _, err := f.DeleteClient(t.Context(), "self"); err != nil {
			t.Fatal(err)
		}
		if err := f.CheckRegistrationToken(t.Context(), "self", "token"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the token outlived its client: %v", err)
		}
	})
}

func TestAnInitialTokenLetsInSoManyClientsAndNoMore(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		hash := store.Hash("initial")
		if err := f.CreateInitialToken(t.Context(), hash, "for tests", 3, f.now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := f.CreateInitialToken(t.Context(), hash, "", 100, f.now.Add(time.Hour)); !errors.Is(err, store.ErrExists) {
			t.Error(err)
		}
		register := func(ctx context.Context, id string) (bool, error) {
			err := f.RegisterClient(ctx, client.Client{ID: id}, store.Registration{Token: store.Hash(id), InitialToken: hash})
			if errors.Is(err, store.ErrNotFound) {
				return false, nil
			}
			return err == nil, err
		}
		// A registration that fails for another reason spends nothing.
		if err := f.RegisterClient(t.Context(), client.Client{ID: "app"}, store.Registration{Token: hash, InitialToken: hash}); !errors.Is(err, store.ErrExists) {
			t.Error(err)
		}
		won := winners(t, func(ctx context.Context, i int) (bool, error) { return register(ctx, fmt.Sprint("self-", i)) })
		if won != 3 {
			t.Errorf("%d of 32 were let in by a token with 3 uses", won)
		}
		all, err := f.Clients(t.Context(), "", 100)
		if err != nil || len(all) != 4 { // and "app"
			t.Errorf("%d clients, %v", len(all), err)
		}
		if err := f.CheckInitialToken(t.Context(), hash); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("used up: %v", err)
		}

		late := store.Hash("late")
		if err := f.CreateInitialToken(t.Context(), late, "", 3, f.now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := f.CheckInitialToken(t.Context(), late); err != nil {
			t.Error(err)
		}
		f.now = f.now.Add(time.Hour)
		hash = late
		if ok, err := register(t.Context(), "late"); ok || err != nil {
			t.Errorf("let in by an expired token: %v", err)
		}
		if err := f.CheckInitialToken(t.Context(), late); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		if n, err := f.SweepRegistration(t.Context()); n != 2 || err != nil {
			t.Errorf("%d swept, %v", n, err)
		}
	})
}

func TestADocumentClientLivesWhileItIsUsed(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		const used, unused = "https://used.example/client.json", "https://unused.example/client.json"
		put := func(id, name string) client.Client {
			t.Helper()
			if err := f.PutDocumentClient(t.Context(), client.Client{ID: id, Name: name}); err != nil {
				t.Fatal(err)
			}
			c, err := f.Store.Client(t.Context(), id)
			if err != nil || c.Name != name {
				t.Fatalf("%+v %v", c, err)
			}
			return c
		}
		first := put(used, "Used")
		f.now = f.now.Add(30 * time.Minute)
		if again := put(used, "Used"); !again.UpdatedAt.Equal(first.UpdatedAt) {
			t.Error("the same was written anew")
		}
		if changed := put(used, "Changed"); !changed.UpdatedAt.Equal(f.now) || !changed.CreatedAt.Equal(first.CreatedAt) {
			t.Errorf("%+v", changed)
		}
		f.now = f.now.Add(time.Hour)
		if later := put(used, "Changed"); !later.UpdatedAt.Equal(f.now) {
			t.Error("it was not confirmed")
		}
		put(unused, "Unused")
		winners(t, func(ctx context.Context, i int) (bool, error) {
			return true, f.PutDocumentClient(ctx, client.Client{ID: "https://race.example/c", Name: fmt.Sprint(i)})
		})
		if err := f.GrantConsent(t.Context(), f.user.ID, used, []string{"openid"}); err != nil {
			t.Fatal(err)
		}
		f.now = f.now.Add(24*time.Hour - time.Second)
		if n, err := f.SweepRegistration(t.Context()); n != 0 || err != nil {
			t.Errorf("%d swept too early, %v", n, err)
		}
		f.now = f.now.Add(time.Second)
		if n, err := f.SweepRegistration(t.Context()); n != 2 || err != nil {
			t.Errorf("%d swept, %v", n, err)
		}
		if _, err := f.Store.Client(t.Context(), used); err != nil {
			t.Error("one with a consent is gone", err)
		}
		if _, err := f.Store.Client(t.Context(), "app"); err != nil {
			t.Error("a client that is no document is gone", err)
		}
	})
}
