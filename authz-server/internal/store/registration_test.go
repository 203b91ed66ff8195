package store_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
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
		if _, err := f.Sweep(t.Context()); err != nil {
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
		all, err := f.ListClients(t.Context(), "", 100)
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
		if n, err := f.Sweep(t.Context()); n != 2 || err != nil {
			t.Errorf("%d swept, %v", n, err)
		}
	})
}

func TestADocumentClientLivesWhileItIsUsed(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		if err := f.EndSession(t.Context(), f.session.ID); err != nil { // which would be swept as well
			t.Fatal(err)
		}
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
		if n, err := f.Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("%d swept too early, %v", n, err)
		}
		f.now = f.now.Add(time.Second)
		if n, err := f.Sweep(t.Context()); n != 2 || err != nil {
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

func TestClientsThatNobodyUsesAreSwept(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		const unused = 72 * time.Hour
		register := func(id string, initial []byte) {
			t.Helper()
			if err := f.RegisterClient(t.Context(), client.Client{ID: id}, store.Registration{Secret: store.Hash(id), Token: store.Hash(id), InitialToken: initial}); err != nil {
				t.Fatal(err)
			}
		}
		there := func(id string) bool {
			t.Helper()
			_, err := f.Client(t.Context(), id)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
			return err == nil
		}
		sweep := func() int64 {
			t.Helper()
			n, err := f.SweepUnusedClients(t.Context(), unused)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		hash := store.Hash("initial")
		if err := f.CreateInitialToken(t.Context(), hash, "", 1, f.now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		for n := range 250 { // more than a batch
			register(fmt.Sprintf("unused%d", n), nil)
		}
		for _, id := range []string{"agreed", "asked", "changed"} {
			register(id, nil)
		}
		register("vouched", hash)
		if err := f.DecideConsent(t.Context(), f.user.ID, "agreed", []string{"openid"}, nil); err != nil {
			t.Fatal(err)
		}
		f.now = f.now.Add(unused - time.Second)
		if n := sweep(); n != 0 {
			t.Fatalf("%d went too early", n)
		}
		if err := f.UpdateClient(t.Context(), client.Client{ID: "changed"}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.CreateInteraction(t.Context(), store.Interaction{ClientID: "asked"}, "browser"); err != nil {
			t.Fatal(err)
		}
		f.now = f.now.Add(time.Second)
		if n := sweep(); n != 251 || there("unused0") || there("unused249") || there("changed") {
			t.Errorf("%d of 251 went", n)
		}
		for _, id := range []string{"app", "agreed", "asked", "vouched"} { // "app" is an operator's
			if !there(id) {
				t.Errorf("%s is gone", id)
			}
		}
		f.now = f.now.Add(unused)
		if _, err := f.Sweep(t.Context()); err != nil { // the interaction
			t.Fatal(err)
		}
		if n := sweep(); n != 1 || there("asked") || !there("agreed") || !there("vouched") || !there("app") {
			t.Errorf("later, %d went", n)
		}
	})
}

// 1,000 registrations of the largest size are read; what is kept of them stays small.
func TestParsedClientsAreBoundedInBytes(t *testing.T) {
	s, err := store.Open(t.Context(), sqldbtest.SQLite(t), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var uris []string
	for n := range 16 {
		uris = append(uris, fmt.Sprintf("https://app.example/%d/%s", n, strings.Repeat("x", 1900)))
	}
	err = s.Tx(t.Context(), func(ctx context.Context) error {
		for n := range 1000 {
			id := fmt.Sprintf("client%d", n)
			if err := s.CreateClient(ctx, client.Client{ID: id, Name: id, RedirectURIs: uris}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for n := range 1000 {
		if _, err := s.Client(t.Context(), fmt.Sprintf("client%d", n)); err != nil {
			t.Fatal(err)
		}
	}
	if grown := heap() - before; grown > 24<<20 {
		t.Errorf("%d MiB are kept of clients that were read", grown>>20)
	}
}
