package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/keystore"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/internal/sqldb/growthtest"
)

// key is the hash under which grown stored row i.
func key(i int) []byte { return fmt.Append(nil, "x", i) }

func planCalls(s *Store) (calls []growthtest.Call) {
	add := func(method string, do func(ctx context.Context) error) {
		calls = append(calls, growthtest.Call{Method: method, Do: do})
	}
	// late is a call that finds nothing: it looks at as much as one that finds something.
	late := func(method string, do func(ctx context.Context) error) {
		add(method, func(ctx context.Context) error {
			if err := do(ctx); !errors.Is(err, ErrNotFound) {
				return fmt.Errorf("want ErrNotFound, got: %w", err)
			}
			return nil
		})
	}
	prepare := func(ctx context.Context, tables ...string) error {
		for _, table := range tables {
			if err := growthtest.Prepare(ctx, s.db, leave[table]); err != nil {
				return err
			}
		}
		return nil
	}
	soon := planNow.Add(time.Hour)

	add("Client", func(ctx context.Context) error { _, err := s.Clients.Client(ctx, "c1"); return err })
	add("ClientWithSecrets", func(ctx context.Context) error { _, _, err := s.Clients.ClientWithSecrets(ctx, "c1"); return err })
	add("ClientSecretHashes", func(ctx context.Context) error { _, err := s.Clients.ClientSecretHashes(ctx, "c1"); return err })
	add("ListClients", func(ctx context.Context) error { _, err := s.Clients.ListClients(ctx, "c5", 100); return err })
	add("CreateClient", func(ctx context.Context) error { return s.Clients.CreateClient(ctx, client.Client{ID: "new"}) })
	add("UpdateClient", func(ctx context.Context) error { return s.Clients.UpdateClient(ctx, client.Client{ID: "c1"}) })
	add("AddClientSecret", func(ctx context.Context) error { return s.Clients.AddClientSecret(ctx, "c1", key(0), planNow) })
	add("ReplaceClientSecrets", func(ctx context.Context) error { return s.Clients.ReplaceClientSecrets(ctx, "c1", key(0)) })
	add("DeleteClient", func(ctx context.Context) error {
		if err := prepare(ctx, "grants", "consents", "interactions", "device_codes"); err != nil {
			return err
		}
		_, err := s.DeleteClient(ctx, "c1")
		return err
	})
	add("RegisterClient", func(ctx context.Context) error {
		return s.Clients.RegisterClient(ctx, client.Client{ID: "new"},
			registry.Registration{Secret: key(0), Token: key(0), InitialToken: key(1099)})
	})
	add("SweepUnusedClients", func(ctx context.Context) error {
		_, err := s.Clients.SweepUnusedClients(ctx, 800*time.Millisecond)
		return err
	})
	add("PutDocumentClient", func(ctx context.Context) error {
		return s.Clients.PutDocumentClient(ctx, client.Client{ID: "https://1.example/"})
	})
	late("CheckRegistrationToken", func(ctx context.Context) error { return s.Clients.CheckRegistrationToken(ctx, "c1", "another") })
	add("CreateInitialToken", func(ctx context.Context) error { return s.Clients.CreateInitialToken(ctx, key(0), "", 1, soon) })
	add("CheckInitialToken", func(ctx context.Context) error { return s.Clients.CheckInitialToken(ctx, key(1099)) })

	add("Consent", func(ctx context.Context) error { _, err := s.Consents.Consent(ctx, "u1", "c1"); return err })
	add("Connections", func(ctx context.Context) error { _, err := s.Consents.Connections(ctx, "u1"); return err })
	add("GrantConsent", func(ctx context.Context) error { return s.Consents.GrantConsent(ctx, "u1", "c1", []string{"openid"}) })
	add("DecideConsent", func(ctx context.Context) error {
		return s.Consents.DecideConsent(ctx, "u1", "c2", nil, []string{"email"})
	})
	add("HoldConsent", func(ctx context.Context) error { return s.Consents.HoldConsent(ctx, "u1", "c1", nil) })
	add("WithdrawConsent", func(ctx context.Context) error { return s.Consents.WithdrawConsent(ctx, "u1", "c1") })

	add("CreateDeviceCode", func(ctx context.Context) error {
		return s.Devices.CreateDeviceCode(ctx, grants.DeviceCode{Hash: key(0), UserCode: "new", ClientID: "c1", ExpiresAt: soon})
	})
	add("DeviceCode", func(ctx context.Context) error { _, err := s.Devices.DeviceCode(ctx, key(1)); return err })
	add("PendingDeviceCode", func(ctx context.Context) error { _, err := s.Devices.PendingDeviceCode(ctx, "x2000"); return err })
	late("AllowedDeviceCode", func(ctx context.Context) error { _, err := s.Devices.AllowedDeviceCode(ctx, "x1", "u1"); return err })
	add("AllowDevice", func(ctx context.Context) error { return s.Devices.AllowDevice(ctx, key(2000), "g1") })
	add("DenyDevice", func(ctx context.Context) error { return s.Devices.DenyDevice(ctx, key(2000)) })
	add("PollDevice", func(ctx context.Context) error { _, err := s.Devices.PollDevice(ctx, key(2000)); return err })
	add("RedeemDeviceCode", func(ctx context.Context) error {
		_, err := s.Devices.RedeemDeviceCode(ctx, key(2001), &grants.RefreshToken{Hash: key(0), GrantID: "g2001"})
		return err
	})

	add("CreateGrant", func(ctx context.Context) error {
		return s.Grants.CreateGrant(ctx, grants.Grant{ID: "new", UserID: "u1", SessionID: "s1", ExpiresAt: soon},
			&client.Client{ID: "c1", UpdatedAt: time.UnixMicro(1)})
	})
	add("BindGrant", func(ctx context.Context) error { return s.Grants.BindGrant(ctx, "g1", "jkt") })
	add("CreateCode", func(ctx context.Context) error {
		return s.Grants.CreateCode(ctx, key(0), grants.Code{Grant: grants.Grant{ID: "g1"}})
	})
	add("Code", func(ctx context.Context) error { _, err := s.Grants.Code(ctx, key(1)); return err })
	add("RedeemCode", func(ctx context.Context) error {
		_, err := s.Grants.RedeemCode(ctx, key(2001), &grants.RefreshToken{Hash: key(0), GrantID: "g2001"})
		return err
	})
	add("RefreshToken", func(ctx context.Context) error { _, _, err := s.Grants.RefreshToken(ctx, key(1)); return err })
	add("RotateRefreshToken", func(ctx context.Context) error {
		_, err := s.Grants.RotateRefreshToken(ctx, key(1), grants.RefreshToken{Hash: key(0), GrantID: "g1"})
		return err
	})
	add("ContinueSession", func(ctx context.Context) error { return s.Sessions.ContinueSession(ctx, "s1000") })
	add("Grant", func(ctx context.Context) error { _, err := s.Grants.Grant(ctx, "g1"); return err })
	add("RevokeGrant", func(ctx context.Context) error { _, err := s.Grants.RevokeGrant(ctx, "g1"); return err })
	add("RevokeToken", func(ctx context.Context) error { return s.Grants.RevokeToken(ctx, "new", soon) })
	add("TokenRevoked", func(ctx context.Context) error { _, err := s.Grants.TokenRevoked(ctx, "x1"); return err })

	add("CreateInteraction", func(ctx context.Context) error {
		_, err := s.Interactions.CreateInteraction(ctx, requests.Interaction{ClientID: "c1", Form: url.Values{"a": {"b"}}}, "browser")
		return err
	})
	late("Interaction", func(ctx context.Context) error { _, err := s.Interactions.Interaction(ctx, "x", "b"); return err })
	late("DecideInteraction", func(ctx context.Context) error {
		return s.Interactions.DecideInteraction(ctx, "x", "b", "s1", requests.ConsentAllow, nil)
	})
	late("SpentInteraction", func(ctx context.Context) error { _, err := s.Interactions.SpentInteraction(ctx, "x", "b"); return err })
	add("CreatePosted", func(ctx context.Context) error {
		_, err := s.Interactions.CreatePosted(ctx, url.Values{"a": {"b"}})
		return err
	})
	late("Posted", func(ctx context.Context) error { _, err := s.Interactions.Posted(ctx, "x"); return err })
	late("SpendInteraction", func(ctx context.Context) error { _, err := s.Interactions.SpendInteraction(ctx, "x"); return err })
	add("CreatePushedRequest", func(ctx context.Context) error {
		return s.Pushed.CreatePushedRequest(ctx, "x", requests.PushedRequest{ClientID: "c1", ExpiresAt: soon})
	})
	late("PushedRequest", func(ctx context.Context) error { _, err := s.Pushed.PushedRequest(ctx, "x"); return err })
	add("SpendPushedRequest", func(ctx context.Context) error { return s.Pushed.SpendPushedRequest(ctx, "x") })

	add("AddSigningKey", func(ctx context.Context) error {
		return s.Keys.AddSigningKey(ctx, keystore.SigningKey{KID: "k", Alg: "RS256", Generation: 1, PrivateKey: key(0), ActivatesAt: soon})
	})
	add("SigningKeys", func(ctx context.Context) error { _, err := s.Keys.SigningKeys(ctx); return err })
	late("ActivateSigningKey", func(ctx context.Context) error { _, err := s.Keys.ActivateSigningKey(ctx, "RS256"); return err })
	late("RewrapSigningKey", func(ctx context.Context) error { return s.Keys.RewrapSigningKey(ctx, "k", key(0), key(1)) })
	late("DeleteSigningKey", func(ctx context.Context) error { return s.Keys.DeleteSigningKey(ctx, "k") })
	add("ServerSecret", func(ctx context.Context) error {
		_, err := s.Keys.ServerSecret(ctx, "name", func() ([]byte, error) { return key(0), nil })
		return err
	})
	add("ServerSecrets", func(ctx context.Context) error { _, err := s.Keys.ServerSecrets(ctx); return err })
	late("RewrapServerSecret", func(ctx context.Context) error { return s.Keys.RewrapServerSecret(ctx, "name", key(0), key(1)) })

	add("NoteSessionClient", func(ctx context.Context) error { return s.Logouts.NoteSessionClient(ctx, "s1", "c2") })
	add("SessionClients", func(ctx context.Context) error { _, err := s.Logouts.SessionClients(ctx, "s1"); return err })
	add("TakeLogouts", func(ctx context.Context) error { _, err := s.Logouts.TakeLogouts(ctx, time.Minute, 16, 4); return err })
	for range 5 { // until it has been with all clients, and begins anew
		add("TakeLogouts", func(ctx context.Context) error {
			_, err := s.Logouts.TakeLogouts(ctx, time.Minute, 1000, 4)
			return err
		})
	}
	add("EndLogout", func(ctx context.Context) error { return s.Logouts.EndLogout(ctx, "x1") })
	add("PostponeLogout", func(ctx context.Context) error {
		return s.Logouts.PostponeLogout(ctx, outbox.LogoutDelivery{ID: "x1"}, "slow", soon)
	})
	add("LogoutDeliveries", func(ctx context.Context) error { _, err := s.Logouts.LogoutDeliveries(ctx, "x5", 500); return err })

	add("CreateSession", func(ctx context.Context) error {
		_, _, err := s.Sessions.CreateSession(ctx, accounts.Session{UserID: "u1"}, "hash")
		return err
	})
	add("CreateSession", func(ctx context.Context) error {
		_, _, err := s.Sessions.CreateSession(ctx, accounts.Session{ID: "s200", UserID: "u200"}, "hash")
		return err
	})
	late("SessionByCookie", func(ctx context.Context) error { _, _, err := s.Sessions.SessionByCookie(ctx, "x"); return err })
	add("TouchSession", func(ctx context.Context) error { return s.Sessions.TouchSession(ctx, accounts.Session{ID: "s1"}, 0) })
	add("SessionsOf", func(ctx context.Context) error { _, err := s.Sessions.SessionsOf(ctx, "u1"); return err })
	add("EndSession", func(ctx context.Context) error { return s.Sessions.EndSession(ctx, "s1") })
	add("EndSessionOf", func(ctx context.Context) error { return s.Sessions.EndSessionOf(ctx, "u1", "s1") })
	add("EndSessionsOf", func(ctx context.Context) error { return s.Sessions.EndSessionsOf(ctx, "u1", "s100") })

	add("ReserveAttempt", func(ctx context.Context) error {
		_, _, _, err := s.Attempts.ReserveAttempt(ctx, "address:29999", 5, 15*time.Minute)
		return err
	})
	attempt := func(ctx context.Context) limits.Attempt {
		a, _, _, err := s.Attempts.ReserveAttempt(ctx, "address:1", 5, 15*time.Minute)
		if err != nil {
			panic(err)
		}
		return a
	}
	add("ReleaseAttempt", func(ctx context.Context) error { return s.Attempts.ReleaseAttempt(ctx, attempt(ctx)) })
	add("FailAttempt", func(ctx context.Context) error { return s.Attempts.FailAttempt(ctx, attempt(ctx)) })
	add("TakeQuotas", func(ctx context.Context) error {
		return s.Quotas.TakeQuotas(ctx, limits.Quota{Subject: "x2000", Limit: 9, Window: time.Hour},
			limits.Quota{Subject: "x", Limit: 9, Window: time.Hour, Shards: 3})
	})
	add("Uncount", func(ctx context.Context) error {
		handle, err := s.Interactions.CreateInteraction(ctx, requests.Interaction{ClientID: "c1"}, "browser",
			limits.Quota{Subject: "x2000", Limit: 9, Window: time.Hour})
		if err != nil {
			return err
		}
		in, err := s.Interactions.SpendInteraction(ctx, handle)
		if err != nil {
			return err
		}
		return s.Interactions.Uncount(ctx, in)
	})
	add("ClearAttempts", func(ctx context.Context) error { return s.Attempts.ClearAttempts(ctx, "address:1") })
	add("UseID", func(ctx context.Context) error { return s.UsedIDs.UseID(ctx, "p", "i", "j", soon) })

	add("CreateUser", func(ctx context.Context) error {
		_, err := s.Users.CreateUser(ctx, accounts.User{Email: "new"})
		return err
	})
	add("User", func(ctx context.Context) error { _, err := s.Users.User(ctx, "u1"); return err })
	add("UserByEmail", func(ctx context.Context) error { _, err := s.Users.UserByEmail(ctx, "u1"); return err })
	add("UpdateEmailKeys", func(ctx context.Context) error { _, err := s.Users.UpdateEmailKeys(ctx); return err })
	add("ListUsers", func(ctx context.Context) error { _, err := s.Users.ListUsers(ctx, "u5", 500); return err })
	add("SetName", func(ctx context.Context) error { return s.Users.SetName(ctx, "u1", "n") })
	add("SetRoles", func(ctx context.Context) error { return s.Users.SetRoles(ctx, "u1", nil) })
	add("SetClaims", func(ctx context.Context) error { return s.Users.SetClaims(ctx, "u1", accounts.Claims{}) })
	add("EditUser", func(ctx context.Context) error {
		return s.Users.EditUser(ctx, "u1", func(*accounts.User) error { return nil })
	})
	add("RehashPassword", func(ctx context.Context) error { return s.Users.RehashPassword(ctx, "u1", "hash", "new") })
	add("ChangePassword", func(ctx context.Context) error {
		_, err := s.Users.ChangePassword(ctx, "u1", "hash", "new", "s100")
		return err
	})
	add("ResetPassword", func(ctx context.Context) error { return s.Users.ResetPassword(ctx, "u1", "new") })
	add("SetDisabled", func(ctx context.Context) error { return s.Users.SetDisabled(ctx, "u1", true) })
	add("EndAll", func(ctx context.Context) error {
		if err := prepare(ctx, "sessions", "session_clients", "grants", "interactions", "pushed_requests", "device_codes",
			"initial_access_tokens", "consents"); err != nil {
			return err
		}
		_, err := s.EndAll(ctx, true)
		return err
	})
	sweep := func(before ...string) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			for _, one := range before {
				if err := growthtest.Prepare(ctx, s.db, one); err != nil {
					return err
				}
			}
			_, err := s.Sweep(ctx)
			return err
		}
	}
	s.Clients.KeepUnused(800 * time.Millisecond)
	add("Sweep", sweep())
	add("Sweep", sweep(`UPDATE clients SET removed_at = 1
		WHERE id = 'c1'`, leave["grants"], leave["consents"], leave["interactions"], leave["device_codes"]))
	return calls
}
