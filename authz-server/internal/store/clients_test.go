package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// settableClock is a clock that a test moves.
type settableClock struct{ micros atomic.Int64 }

func (c *settableClock) now() time.Time          { return time.UnixMicro(c.micros.Load()) }
func (c *settableClock) advance(d time.Duration) { c.micros.Add(d.Microseconds()) }

// eachWithClock runs test on both engines with a new store and its clock.
func eachWithClock(t *testing.T, test func(t *testing.T, s *store.Store, clock *settableClock)) {
	t.Helper()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		clock := &settableClock{}
		clock.micros.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
		s, err := store.Open(t.Context(), databaseURL, clock.now)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		test(t, s, clock)
	})
}

func demoClient(id string) client.Client {
	return client.Client{
		ID: id, Name: "마루 Demo", RedirectURIs: []string{"https://demo.example/callback"},
		GrantTypes: []string{client.AuthorizationCode, client.RefreshToken}, ResponseTypes: []string{"code"},
		Scope: "openid profile", TokenEndpointAuthMethod: client.AuthBasic, ApplicationType: "web",
		Localized: map[string]string{"client_name#ko": "데모"}, Trusted: true, RequirePKCE: true,
		Audiences: []string{"https://api.example/user"},
	}
}

func TestClientComesBackAsStored(t *testing.T) {
	eachWithClock(t, func(t *testing.T, s *store.Store, clock *settableClock) {
		want := demoClient("demo")
		if err := s.CreateClient(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if err := s.CreateClient(t.Context(), want); !errors.Is(err, store.ErrExists) {
			t.Errorf("second creation: %v", err)
		}
		want.CreatedAt, want.UpdatedAt = clock.now().UTC(), clock.now().UTC()
		got, err := s.Client(t.Context(), "demo")
		if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
		}
		withSecrets, secrets, err := s.ClientWithSecrets(t.Context(), "demo")
		if err != nil || len(secrets) != 0 || fmt.Sprintf("%+v", withSecrets) != fmt.Sprintf("%+v", want) {
			t.Errorf("got %+v, %v, %v", withSecrets, secrets, err)
		}

		clock.advance(time.Hour)
		want.Name, want.Trusted = "Renamed", false
		if err := s.UpdateClient(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		want.UpdatedAt = clock.now().UTC()
		got, err = s.Client(t.Context(), "demo")
		if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("after update: %+v, %v", got, err)
		}
	})
}

func TestUnknownClientIsNotFound(t *testing.T) {
	eachWithClock(t, func(t *testing.T, s *store.Store, clock *settableClock) {
		ctx := t.Context()
		_, err1 := s.Client(ctx, "nobody")
		_, _, err2 := s.ClientWithSecrets(ctx, "nobody")
		_, err3 := s.DeleteClient(ctx, "nobody")
		for what, err := range map[string]error{
			"Client": err1, "ClientWithSecrets": err2, "DeleteClient": err3,
			"UpdateClient":            s.UpdateClient(ctx, demoClient("nobody")),
			"AddClientSecret":         s.AddClientSecret(ctx, "nobody", store.Hash("s"), clock.now()),
			"ReplaceClientSecrets":    s.ReplaceClientSecrets(ctx, "nobody", store.Hash("s")),
			"ReplaceClientSecretsNil": s.ReplaceClientSecrets(ctx, "nobody", nil),
		} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func TestClientsArePagedById(t *testing.T) {
	eachWithClock(t, func(t *testing.T, s *store.Store, _ *settableClock) {
		for _, id := range []string{"c", "a", "b"} {
			if err := s.CreateClient(t.Context(), demoClient(id)); err != nil {
				t.Fatal(err)
			}
		}
		var ids []string
		for after := ""; ; {
			page, err := s.ListClients(t.Context(), after, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, c := range page {
				ids = append(ids, c.ID)
			}
			after = page[len(page)-1].ID
		}
		if !slices.Equal(ids, []string{"a", "b", "c"}) {
			t.Error(ids)
		}
	})
}

func TestSecretsOverlapWhileTheyAreRotated(t *testing.T) {
	eachWithClock(t, func(t *testing.T, s *store.Store, clock *settableClock) {
		ctx := t.Context()
		if err := s.CreateClient(ctx, demoClient("demo")); err != nil {
			t.Fatal(err)
		}
		valid := func() string {
			t.Helper()
			_, hashes, err := s.ClientWithSecrets(ctx, "demo")
			if err != nil {
				t.Fatal(err)
			}
			alone, err := s.ClientSecretHashes(ctx, "demo")
			if err != nil || len(alone) != len(hashes) {
				t.Fatalf("%d hashes alone, %d with the client: %v", len(alone), len(hashes), err)
			}
			var names string
			for _, name := range []string{"one", "two", "three", "four"} {
				if slices.ContainsFunc(hashes, func(h []byte) bool { return bytes.Equal(h, store.Hash(name)) }) {
					names += name + " "
				}
			}
			return names
		}
		add := func(secret string, expireOlder time.Time) {
			t.Helper()
			if err := s.AddClientSecret(ctx, "demo", store.Hash(secret), expireOlder); err != nil {
				t.Fatal(err)
			}
		}
		add("one", time.Time{})
		clock.advance(time.Minute)
		add("two", clock.now().Add(24*time.Hour))
		if got := valid(); got != "one two " {
			t.Error(got)
		}
		clock.advance(time.Hour)
		add("three", clock.now().Add(48*time.Hour)) // does not lengthen the life of "one"
		clock.advance(23*time.Hour - time.Microsecond)
		if got := valid(); got != "one two three " {
			t.Error(got)
		}
		clock.advance(time.Microsecond)
		if got := valid(); got != "two three " {
			t.Error(got)
		}
		if n, err := s.Sweep(ctx); n != 1 || err != nil {
			t.Errorf("swept %d, %v", n, err)
		}
		if err := s.ReplaceClientSecrets(ctx, "demo", store.Hash("four")); err != nil {
			t.Fatal(err)
		}
		if got := valid(); got != "four " {
			t.Error(got)
		}
		if err := s.ReplaceClientSecrets(ctx, "demo", nil); err != nil {
			t.Fatal(err)
		}
		if got := valid(); got != "" {
			t.Error(got)
		}
	})
}

func TestOneOfParallelCreationsWins(t *testing.T) {
	eachWithClock(t, func(t *testing.T, s *store.Store, _ *settableClock) {
		var won, lost atomic.Int32
		var group sync.WaitGroup
		for range 16 {
			group.Go(func() {
				switch err := s.CreateClient(t.Context(), demoClient("demo")); {
				case err == nil:
					won.Add(1)
				case errors.Is(err, store.ErrExists):
					lost.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		group.Wait()
		if won.Load() != 1 || lost.Load() != 15 {
			t.Errorf("%d won, %d lost", won.Load(), lost.Load())
		}
	})
}

func TestOneOfParallelSigningKeysOfAGenerationWins(t *testing.T) {
	eachWithClock(t, func(t *testing.T, s *store.Store, clock *settableClock) {
		var won, lost atomic.Int32
		var group sync.WaitGroup
		for i := range 16 {
			group.Go(func() {
				err := s.AddSigningKey(t.Context(), store.SigningKey{
					KID: fmt.Sprint("key", i), Alg: "RS256", Generation: 1, PrivateKey: []byte{byte(i)}, ActivatesAt: clock.now(),
				})
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, store.ErrExists):
					lost.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		group.Wait()
		keys, err := s.SigningKeys(t.Context())
		if err != nil || len(keys) != 1 || won.Load() != 1 || lost.Load() != 15 {
			t.Errorf("%d keys, %d won, %d lost: %v", len(keys), won.Load(), lost.Load(), err)
		}
	})
}

func TestSigningKeyTransitionsHappenOnce(t *testing.T) {
	eachWithClock(t, func(t *testing.T, s *store.Store, clock *settableClock) {
		ctx := t.Context()
		for generation := range int64(2) {
			err := s.AddSigningKey(ctx, store.SigningKey{
				KID: fmt.Sprint("key", generation+1), Alg: "RS256", Generation: generation + 1, PrivateKey: []byte("old"),
				ActivatesAt: clock.now().Add(time.Duration(generation) * time.Hour),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		wonOnce(t, "activate", func() error { _, err := s.ActivateSigningKey(ctx, "RS256"); return err })
		wonOnce(t, "rewrap", func() error { return s.RewrapSigningKey(ctx, "key1", []byte("old"), []byte("new")) })
		keys, err := s.SigningKeys(ctx)
		if err != nil || len(keys) != 2 || string(keys[0].PrivateKey) != "new" || !keys[1].ActivatesAt.Equal(clock.now()) {
			t.Fatalf("%+v, %v", keys, err)
		}
		wonOnce(t, "delete", func() error { return s.DeleteSigningKey(ctx, "key2") })
	})
}

// wonOnce runs f 16 times in parallel: one must succeed, and the others find nothing left to do.
func wonOnce(t *testing.T, what string, f func() error) {
	t.Helper()
	var won atomic.Int32
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			if err := f(); err == nil {
				won.Add(1)
			} else if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 {
		t.Errorf("%s: %d won", what, won.Load())
	}
}

func BenchmarkClientWithSecrets(b *testing.B) {
	s, err := store.Open(b.Context(), sqldbtest.SQLite(b), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.CreateClient(b.Context(), demoClient("demo")); err != nil {
		b.Fatal(err)
	}
	if err := s.AddClientSecret(b.Context(), "demo", store.Hash("secret"), time.Time{}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := s.ClientWithSecrets(b.Context(), "demo"); err != nil {
			b.Fatal(err)
		}
	}
}

// Of two who change a client from the same reading, one is told: else what an operator took away would come back.
func TestAClientIsNotChangedFromAnOldReading(t *testing.T) {
	eachWithClock(t, func(t *testing.T, s *store.Store, _ *settableClock) {
		if err := s.CreateClient(t.Context(), demoClient("app")); err != nil {
			t.Fatal(err)
		}
		before, err := s.Client(t.Context(), "app")
		if err != nil {
			t.Fatal(err)
		}
		won := winners(t, func(ctx context.Context, i int) (bool, error) {
			c := before
			c.Name = fmt.Sprint("name ", i)
			err := s.UpdateClient(ctx, c)
			if errors.Is(err, store.ErrStale) {
				return false, nil
			}
			return err == nil, err
		})
		if won != 1 {
			t.Errorf("%d of 32 changes counted", won)
		}
	})
}

// Whoever replaces a secret that leaked relies on the new one being the only one.
func TestSecretsReplacedAtOnceLeaveOne(t *testing.T) {
	eachWithClock(t, func(t *testing.T, s *store.Store, _ *settableClock) {
		if err := s.CreateClient(t.Context(), demoClient("app")); err != nil {
			t.Fatal(err)
		}
		winners(t, func(ctx context.Context, i int) (bool, error) {
			return true, s.ReplaceClientSecrets(ctx, "app", store.Hash(fmt.Sprint("secret ", i)))
		})
		if hashes, err := s.ClientSecretHashes(t.Context(), "app"); err != nil || len(hashes) != 1 {
			t.Errorf("%d secrets are good: %v", len(hashes), err)
		}
	})
}
