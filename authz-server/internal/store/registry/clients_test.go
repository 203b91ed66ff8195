package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

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
	storetest.Empty(t, func(t *testing.T, s *storetest.World) {
		want := demoClient("demo")
		if err := s.Clients.CreateClient(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if err := s.Clients.CreateClient(t.Context(), want); !errors.Is(err, store.ErrExists) {
			t.Errorf("second creation: %v", err)
		}
		want.CreatedAt, want.UpdatedAt = s.Now.UTC(), s.Now.UTC()
		got, err := s.Clients.Client(t.Context(), "demo")
		if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
		}
		withSecrets, secrets, err := s.Clients.ClientWithSecrets(t.Context(), "demo")
		if err != nil || len(secrets) != 0 || fmt.Sprintf("%+v", withSecrets) != fmt.Sprintf("%+v", want) {
			t.Errorf("got %+v, %v, %v", withSecrets, secrets, err)
		}

		s.Now = s.Now.Add(time.Hour)
		want.Name, want.Trusted = "Renamed", false
		if err := s.Clients.UpdateClient(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		want.UpdatedAt = s.Now.UTC()
		got, err = s.Clients.Client(t.Context(), "demo")
		if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("after update: %+v, %v", got, err)
		}
	})
}

func TestUnknownClientIsNotFound(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, s *storetest.World) {
		ctx := t.Context()
		_, err1 := s.Clients.Client(ctx, "nobody")
		_, _, err2 := s.Clients.ClientWithSecrets(ctx, "nobody")
		_, err3 := s.DeleteClient(ctx, "nobody")
		for what, err := range map[string]error{
			"Client": err1, "ClientWithSecrets": err2, "DeleteClient": err3,
			"UpdateClient":            s.Clients.UpdateClient(ctx, demoClient("nobody")),
			"AddClientSecret":         s.Clients.AddClientSecret(ctx, "nobody", opaque.Hash("s"), s.Now),
			"ReplaceClientSecrets":    s.Clients.ReplaceClientSecrets(ctx, "nobody", opaque.Hash("s")),
			"ReplaceClientSecretsNil": s.Clients.ReplaceClientSecrets(ctx, "nobody", nil),
		} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func TestClientsArePagedById(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, s *storetest.World) {
		for _, id := range []string{"c", "a", "b"} {
			if err := s.Clients.CreateClient(t.Context(), demoClient(id)); err != nil {
				t.Fatal(err)
			}
		}
		var ids []string
		for after := ""; ; {
			page, err := s.Clients.ListClients(t.Context(), after, 2)
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
	storetest.Empty(t, func(t *testing.T, s *storetest.World) {
		ctx := t.Context()
		if err := s.Clients.CreateClient(ctx, demoClient("demo")); err != nil {
			t.Fatal(err)
		}
		valid := func() string {
			t.Helper()
			_, hashes, err := s.Clients.ClientWithSecrets(ctx, "demo")
			if err != nil {
				t.Fatal(err)
			}
			alone, err := s.Clients.ClientSecretHashes(ctx, "demo")
			if err != nil || len(alone) != len(hashes) {
				t.Fatalf("%d hashes alone, %d with the client: %v", len(alone), len(hashes), err)
			}
			var names string
			for _, name := range []string{"one", "two", "three", "four"} {
				if slices.ContainsFunc(hashes, func(h []byte) bool { return bytes.Equal(h, opaque.Hash(name)) }) {
					names += name + " "
				}
			}
			return names
		}
		add := func(secret string, expireOlder time.Time) {
			t.Helper()
			if err := s.Clients.AddClientSecret(ctx, "demo", opaque.Hash(secret), expireOlder); err != nil {
				t.Fatal(err)
			}
		}
		add("one", time.Time{})
		s.Now = s.Now.Add(time.Minute)
		add("two", s.Now.Add(24*time.Hour))
		if got := valid(); got != "one two " {
			t.Error(got)
		}
		s.Now = s.Now.Add(time.Hour)
		add("three", s.Now.Add(48*time.Hour)) // does not lengthen the life of "one"
		s.Now = s.Now.Add(23*time.Hour - time.Microsecond)
		if got := valid(); got != "one two three " {
			t.Error(got)
		}
		s.Now = s.Now.Add(time.Microsecond)
		if got := valid(); got != "two three " {
			t.Error(got)
		}
		if n, err := s.Sweep(ctx); n != 1 || err != nil {
			t.Errorf("swept %d, %v", n, err)
		}
		if err := s.Clients.ReplaceClientSecrets(ctx, "demo", opaque.Hash("four")); err != nil {
			t.Fatal(err)
		}
		if got := valid(); got != "four " {
			t.Error(got)
		}
		if err := s.Clients.ReplaceClientSecrets(ctx, "demo", nil); err != nil {
			t.Fatal(err)
		}
		if got := valid(); got != "" {
			t.Error(got)
		}
	})
}

func TestOneOfParallelCreationsWins(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, s *storetest.World) {
		storetest.OneWins(t, store.ErrExists, func(ctx context.Context, _ int) error { return s.Clients.CreateClient(ctx, demoClient("demo")) })
	})
}

func BenchmarkClientWithSecrets(b *testing.B) {
	s, err := store.Open(b.Context(), sqldbtest.SQLite(b), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.Clients.CreateClient(b.Context(), demoClient("demo")); err != nil {
		b.Fatal(err)
	}
	if err := s.Clients.AddClientSecret(b.Context(), "demo", opaque.Hash("secret"), time.Time{}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := s.Clients.ClientWithSecrets(b.Context(), "demo"); err != nil {
			b.Fatal(err)
		}
	}
}

// Of two who change a client from the same reading, one is told: else what an operator took away
// would come back.
func TestAClientIsNotChangedFromAnOldReading(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, s *storetest.World) {
		if err := s.Clients.CreateClient(t.Context(), demoClient("app")); err != nil {
			t.Fatal(err)
		}
		before, err := s.Clients.Client(t.Context(), "app")
		if err != nil {
			t.Fatal(err)
		}
		storetest.OneWins(t, store.ErrStale, func(ctx context.Context, i int) error {
			c := before
			c.Name = fmt.Sprint("name ", i)
			return s.Clients.UpdateClient(ctx, c)
		})
	})
}

// An operator who replaces a secret that leaked relies on the new one being the only one.
func TestSecretsReplacedAtOnceLeaveOne(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, s *storetest.World) {
		if err := s.Clients.CreateClient(t.Context(), demoClient("app")); err != nil {
			t.Fatal(err)
		}
		storetest.Winners(t, func(ctx context.Context, i int) (bool, error) {
			return true, s.Clients.ReplaceClientSecrets(ctx, "app", opaque.Hash(fmt.Sprint("secret ", i)))
		})
		if hashes, err := s.Clients.ClientSecretHashes(t.Context(), "app"); err != nil || len(hashes) != 1 {
			t.Errorf("%d secrets are good: %v", len(hashes), err)
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
			if err := s.Clients.CreateClient(ctx, client.Client{ID: id, Name: id, RedirectURIs: uris}); err != nil {
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
		if _, err := s.Clients.Client(t.Context(), fmt.Sprintf("client%d", n)); err != nil {
			t.Fatal(err)
		}
	}
	if grown := heap() - before; grown > 24<<20 {
		t.Errorf("%d MiB are kept of clients that were read", grown>>20)
	}
}
