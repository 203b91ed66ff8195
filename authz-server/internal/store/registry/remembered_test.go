package registry_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// Every change of a client has the process that makes it forget the client, when it is committed.
func TestWhatAClientWasIsForgottenWithEachChange(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, s *storetest.World) {
		storetest.OK(t, s.Clients.CreateClient(t.Context(), demoClient("demo")))
		remembered := func(ctx context.Context) bool {
			t.Helper()
			_, _, is, err := s.Clients.Remembered(ctx, "demo")
			storetest.OK(t, err)
			return is
		}
		failed := errors.New("failed")
		for name, change := range map[string]func(ctx context.Context) error{
			"metadata": func(ctx context.Context) error { return s.Clients.UpdateClient(ctx, demoClient("demo")) },
			"secret": func(ctx context.Context) error {
				return s.Clients.AddClientSecret(ctx, "demo", opaque.Hash("x"), s.Now)
			},
			"secrets":     func(ctx context.Context) error { return s.Clients.ReplaceClientSecrets(ctx, "demo", nil) },
			"compromised": func(ctx context.Context) error { return s.Clients.Compromised(ctx, "demo", opaque.Hash("y")) },
			"tokens":      func(ctx context.Context) error { return s.Clients.RevokeTokens(ctx, "demo") },
			"enabled again": func(ctx context.Context) error {
				return errors.Join(s.Clients.Disable(ctx, "demo"), s.Clients.Enable(ctx, "demo"))
			},
		} {
			remembered(t.Context())
			if !remembered(t.Context()) {
				t.Fatalf("%s: it is not remembered before", name)
			}
			err := s.Tx(t.Context(), func(ctx context.Context) error {
				storetest.OK(t, change(ctx))
				if remembered(ctx) {
					t.Errorf("%s: in the transaction, it is as it was before", name)
				}
				return failed
			})
			if !errors.Is(err, failed) || !remembered(t.Context()) {
				t.Errorf("%s: rolled back: %v", name, err)
			}
			storetest.OK(t, change(t.Context()))
			if remembered(t.Context()) {
				t.Errorf("%s: it is remembered as it was", name)
			}
		}
		remembered(t.Context())
		s.Now = s.Now.Add(registry.RememberFor - time.Microsecond)
		if !remembered(t.Context()) {
			t.Error("it is forgotten early")
		}
		s.Now = s.Now.Add(time.Microsecond)
		if remembered(t.Context()) {
			t.Error("it is remembered too long")
		}
		s.Now = s.Now.Add(-time.Hour)
		if remembered(t.Context()) {
			t.Error("it is remembered after the clock went back")
		}
		// A secret ends when it ends.
		storetest.OK(t, s.Clients.ReplaceClientSecrets(t.Context(), "demo", opaque.Hash("old")))
		storetest.OK(t, s.Clients.AddClientSecret(t.Context(), "demo", opaque.Hash("new"), s.Now.Add(time.Second)))
		for _, want := range []int{2, 2, 1} {
			_, hashes, is, err := s.Clients.Remembered(t.Context(), "demo")
			storetest.OK(t, err)
			if len(hashes) != want {
				t.Errorf("%d secrets, want %d; remembered: %v", len(hashes), want, is)
			}
			if is {
				s.Now = s.Now.Add(time.Second)
			}
		}
		storetest.OK(t, s.Clients.MarkRemoved(t.Context(), "demo"))
		if _, _, is, err := s.Clients.Remembered(t.Context(), "demo"); is || err == nil {
			t.Errorf("after it was removed: %v %v", is, err)
		}
	})
}
