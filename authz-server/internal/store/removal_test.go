package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/keystore"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/internal/sqldb"
)

func TestAClientWithManyGrantsIsGoneAtOnceAndItsRowsInBatches(t *testing.T) {
	inTown(t, func(t *testing.T, s *town) {
		s.many(t, 900)
		s.grant(t, "others", "other", "")
		ctx, cancel := context.WithCancel(t.Context())
		statements := 0
		gone, err := s.DeleteClient(sqldb.Observe(ctx, func(query string, _ []any) {
			if strings.HasPrefix(query, "DELETE FROM refresh_tokens") {
				if statements++; statements == 2 {
					cancel() // as a request that times out
				}
			}
		}), "app")
		if !errors.Is(err, context.Canceled) {
			t.Fatal(gone, err)
		}
		if _, err := s.Clients.Client(t.Context(), "app"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the client is there: %v", err)
		}
		if _, _, err := s.Clients.ClientWithSecrets(t.Context(), "app"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the client can authenticate: %v", err)
		}
		if _, err := s.Grants.Grant(t.Context(), "many900"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a grant is there: %v", err)
		}
		if list, err := s.Clients.ListClients(t.Context(), "", 10); err != nil || len(list) != 1 {
			t.Error(list, err)
		}
		if err := s.Clients.UpdateClient(t.Context(), client.Client{ID: "app"}); err == nil {
			t.Error("it was changed")
		}
		if s.Count(t, "grants") < 500 {
			t.Error("the batches are too large")
		}
		gone, err = s.DeleteClient(t.Context(), "app") // goes on
		if err != nil || gone.Consents != 1 || gone.Grants < 500 {
			t.Error(gone, err)
		}
		if g, c, r, cl := s.Count(t, "grants"), s.Count(t, "authorization_codes"), s.Count(t, "refresh_tokens"), s.Count(t, "clients"); g != 1 ||
			c != 0 || r != 0 || cl != 1 {
			t.Errorf("%d grants, %d codes, %d refresh tokens and %d clients are left", g, c, r, cl)
		}
		if _, err := s.DeleteClient(t.Context(), "app"); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestTheSweepGoesOnWithAClientThatIsHalfRemoved(t *testing.T) {
	inTown(t, func(t *testing.T, s *town) {
		s.many(t, 500)
		ctx, cancel := context.WithCancel(t.Context())
		_, err := s.DeleteClient(sqldb.Observe(ctx, func(query string, _ []any) {
			if strings.HasPrefix(query, "DELETE FROM refresh_tokens") {
				cancel()
			}
		}), "app")
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		_, err = s.Sweep(t.Context())
		ok(t, err)
		if g, c := s.Count(t, "grants"), s.Count(t, "clients"); g != 0 || c != 1 {
			t.Errorf("%d grants and %d clients are left", g, c)
		}
	})
}

// A request that read a grant before its client was disabled exchanges no token after.
func TestNoTokenIsNotedForAGrantOfADisabledClient(t *testing.T) {
	inTown(t, func(t *testing.T, s *town) {
		s.grant(t, "g", "app", "")
		note := func() error {
			return s.Grants.NoteStatus(t.Context(), "g", grants.Note{Status: "list/1;other", Lifetime: time.Minute})
		}
		ok(t, note())
		for range 2 {
			ok(t, s.DisableClient(t.Context(), "app"))
			if err := note(); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("disabled: %v", err)
			}
			ok(t, s.Clients.Enable(t.Context(), "app"))
			ok(t, note())
		}
		s.Now = s.Now.Add(time.Second)
		ok(t, s.Clients.Compromised(t.Context(), "app", opaque.Hash("new")))
		if err := note(); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("compromised: %v", err)
		}
		ok(t, s.Clients.MarkRemoved(t.Context(), "app"))
		if err := note(); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("removed: %v", err)
		}
	})
}

func TestEndAllEndsWhatMustNotLiveOn(t *testing.T) {
	inTown(t, func(t *testing.T, s *town) {
		ctx := t.Context()
		session, _, err := s.Sessions.CreateSession(ctx, accounts.Session{UserID: s.bob.ID}, "x")
		ok(t, err)
		ok(t, s.Logouts.NoteSessionClient(ctx, session.ID, "app"))
		s.many(t, 450)
		ok(t, s.Devices.CreateDeviceCode(ctx,
			grants.DeviceCode{Hash: opaque.Hash("d"), UserCode: "D", ClientID: "app", ExpiresAt: s.Now.Add(time.Hour)}))
		_, err = s.Interactions.CreateInteraction(ctx, requests.Interaction{ClientID: "app"}, "browser")
		ok(t, err)
		ok(t, s.Pushed.CreatePushedRequest(ctx, "urn:x", requests.PushedRequest{ClientID: "app", ExpiresAt: s.Now.Add(time.Hour)}))
		ok(t, s.Clients.CreateInitialToken(ctx, opaque.Hash("i"), "", 5, s.Now.Add(time.Hour)))
		_, _, err = s.Invitations.CreateInvitation(ctx, accounts.Invitation{ExpiresAt: s.Now.Add(time.Hour)}) // maybe used since the backup
		ok(t, err)
		ok(t, s.Mailed.AddMailed(ctx, accounts.Mailed{Purpose: accounts.ToReset, User: s.bob}, "link", "", ""))
		ok(t, s.Keys.AddSigningKey(ctx, keystore.SigningKey{KID: "k", Alg: "RS256", Generation: 1, PrivateKey: []byte("k")}))

		ended, err := s.EndAll(ctx, false)
		if want := (store.Ended{Sessions: 1, Grants: 450, DeviceCodes: 1, Requests: 3, InitialTokens: 1, Invitations: 1}); err != nil || ended != want {
			t.Errorf("%+v %v", ended, err)
		}
		for table, want := range map[string]int{
			"sessions": 0, "session_clients": 0, "grants": 0, "authorization_codes": 0, "refresh_tokens": 0, "device_codes": 0,
			"interactions": 0, "pushed_requests": 0, "mailed": 0, "initial_access_tokens": 0, "invitations": 0,
			"users": 2, "clients": 2, "consents": 1, "signing_keys": 1, "outbox": 1,
		} {
			if n := s.Count(t, table); n != want {
				t.Errorf("%s has %d rows, want %d", table, n, want)
			}
		}
		if ended, err = s.EndAll(ctx, true); err != nil || ended != (store.Ended{Consents: 1}) {
			t.Errorf("%+v %v", ended, err)
		}
	})
}
