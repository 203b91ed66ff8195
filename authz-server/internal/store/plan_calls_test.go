package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
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

	add("Client", func(ctx context.Context) error { _, err := s.Client(ctx, "c1"); return err })
	add("ClientWithSecrets", func(ctx context.Context) error { _, _, err := s.ClientWithSecrets(ctx, "c1"); return err })
	add("ClientSecretHashes", func(ctx context.Context) error { _, err := s.ClientSecretHashes(ctx, "c1"); return err })
	add("ListClients", func(ctx context.Context) error { _, err := s.ListClients(ctx, "c5", 100); return err })
	add("CreateClient", func(ctx context.Context) error { return s.CreateClient(ctx, client.Client{ID: "new"}) })
	add("UpdateClient", func(ctx context.Context) error { return s.UpdateClient(ctx, client.Client{ID: "c1"}) })
	add("AddClientSecret", func(ctx context.Context) error { return s.AddClientSecret(ctx, "c1", key(0), planNow) })
	add("ReplaceClientSecrets", func(ctx context.Context) error { return s.ReplaceClientSecrets(ctx, "c1", key(0)) })
	add("DeleteClient", func(ctx context.Context) error {
		if err := prepare(ctx, "grants", "consents", "interactions", "device_codes"); err != nil {
			return err
		}
		_, err := s.DeleteClient(ctx, "c1")
		return err
	})
	add("RegisterClient", func(ctx context.Context) error {
		return s.RegisterClient(ctx, client.Client{ID: "new"}, Registration{Secret: key(0), Token: key(0), InitialToken: key(1099)})
	})
	add("SweepUnusedClients", func(ctx context.Context) error { _, err := s.SweepUnusedClients(ctx, 800*time.Millisecond); return err })
	add("PutDocumentClient", func(ctx context.Context) error {
		return s.PutDocumentClient(ctx, client.Client{ID: "https://1.example/"})
	})
	late("CheckRegistrationToken", func(ctx context.Context) error { return s.CheckRegistrationToken(ctx, "c1", "another") })
	add("CreateInitialToken", func(ctx context.Context) error { return s.CreateInitialToken(ctx, key(0), "", 1, soon) })
	add("CheckInitialToken", func(ctx context.Context) error { return s.CheckInitialToken(ctx, key(1099)) })

	add("Consent", func(ctx context.Context) error { _, err := s.Consent(ctx, "u1", "c1"); return err })
	add("Connections", func(ctx context.Context) error { _, err := s.Connections(ctx, "u1"); return err })
	add("GrantConsent", func(ctx context.Context) error { return s.GrantConsent(ctx, "u1", "c1", []string{"openid"}) })
	add("DecideConsent", func(ctx context.Context) error { return s.DecideConsent(ctx, "u1", "c2", nil, []string{"email"}) })
	add("HoldConsent", func(ctx context.Context) error { return s.HoldConsent(ctx, "u1", "c1", nil) })
	add("WithdrawConsent", func(ctx context.Context) error { return s.WithdrawConsent(ctx, "u1", "c1") })

	add("CreateDeviceCode", func(ctx context.Context) error {
		return s.CreateDeviceCode(ctx, DeviceCode{Hash: key(0), UserCode: "new", ClientID: "c1", ExpiresAt: soon})
	})
	add("DeviceCode", func(ctx context.Context) error { _, err := s.DeviceCode(ctx, key(1)); return err })
	add("PendingDeviceCode", func(ctx context.Context) error { _, err := s.PendingDeviceCode(ctx, "x2000"); return err })
	late("AllowedDeviceCode", func(ctx context.Context) error { _, err := s.AllowedDeviceCode(ctx, "x1", "u1"); return err })
	add("AllowDevice", func(ctx context.Context) error { return s.AllowDevice(ctx, key(2000), "g1") })
	add("DenyDevice", func(ctx context.Context) error { return s.DenyDevice(ctx, key(2000)) })
	add("PollDevice", func(ctx context.Context) error { _, err := s.PollDevice(ctx, key(2000)); return err })
	add("RedeemDeviceCode", func(ctx context.Context) error {
		_, err := s.RedeemDeviceCode(ctx, key(2001), &RefreshToken{Hash: key(0), GrantID: "g2001"})
		return err
	})

	add("CreateGrant", func(ctx context.Context) error {
		return s.CreateGrant(ctx, Grant{ID: "new", UserID: "u1", SessionID: "s1", ExpiresAt: soon}, &client.Client{ID: "c1", UpdatedAt: time.UnixMicro(1)})
	})
	add("BindGrant", func(ctx context.Context) error { return s.BindGrant(ctx, "g1", "jkt") })
	add("CreateCode", func(ctx context.Context) error { return s.CreateCode(ctx, key(0), Code{Grant: Grant{ID: "g1"}}) })
	add("Code", func(ctx context.Context) error { _, err := s.Code(ctx, key(1)); return err })
	add("RedeemCode", func(ctx context.Context) error {
		_, err := s.RedeemCode(ctx, key(2001), &RefreshToken{Hash: key(0), GrantID: "g2001"})
		return err
	})
	add("RefreshToken", func(ctx context.Context) error { _, _, err := s.RefreshToken(ctx, key(1)); return err })
	add("RotateRefreshToken", func(ctx context.Context) error {
		_, err := s.RotateRefreshToken(ctx, key(1), RefreshToken{Hash: key(0), GrantID: "g1"})
		return err
	})
	add("ContinueSession", func(ctx context.Context) error { return s.ContinueSession(ctx, "s1000") })
	add("Grant", func(ctx context.Context) error { _, err := s.Grant(ctx, "g1"); return err })
	add("RevokeGrant", func(ctx context.Context) error { _, err := s.RevokeGrant(ctx, "g1"); return err })
	add("RevokeToken", func(ctx context.Context) error { return s.RevokeToken(ctx, "new", soon) })
	add("TokenRevoked", func(ctx context.Context) error { _, err := s.TokenRevoked(ctx, "x1"); return err })

	add("CreateInteraction", func(ctx context.Context) error {
		_, err := s.CreateInteraction(ctx, Interaction{ClientID: "c1", Form: url.Values{"a": {"b"}}}, "browser")
		return err
	})
	late("Interaction", func(ctx context.Context) error { _, err := s.Interaction(ctx, "x", "b"); return err })
	late("DecideInteraction", func(ctx context.Context) error { return s.DecideInteraction(ctx, "x", "b", "s1", ConsentAllow, nil) })
	late("SpentInteraction", func(ctx context.Context) error { _, err := s.SpentInteraction(ctx, "x", "b"); return err })
	add("CreatePosted", func(ctx context.Context) error { _, err := s.CreatePosted(ctx, url.Values{"a": {"b"}}); return err })
	late("Posted", func(ctx context.Context) error { _, err := s.Posted(ctx, "x"); return err })
	late("SpendInteraction", func(ctx context.Context) error { _, err := s.SpendInteraction(ctx, "x"); return err })
	add("CreatePushedRequest", func(ctx context.Context) error {
		return s.CreatePushedRequest(ctx, "x", PushedRequest{ClientID: "c1", ExpiresAt: soon})
	})
	late("PushedRequest", func(ctx context.Context) error { _, err := s.PushedRequest(ctx, "x"); return err })
	add("SpendPushedRequest", func(ctx context.Context) error { return s.SpendPushedRequest(ctx, "x") })

	add("AddSigningKey", func(ctx context.Context) error {
		return s.AddSigningKey(ctx, SigningKey{KID: "k", Alg: "RS256", Generation: 1, PrivateKey: key(0), ActivatesAt: soon})
	})
	add("SigningKeys", func(ctx context.Context) error { _, err := s.SigningKeys(ctx); return err })
	late("ActivateSigningKey", func(ctx context.Context) error { _, err := s.ActivateSigningKey(ctx, "RS256"); return err })
	late("RewrapSigningKey", func(ctx context.Context) error { return s.RewrapSigningKey(ctx, "k", key(0), key(1)) })
	late("DeleteSigningKey", func(ctx context.Context) error { return s.DeleteSigningKey(ctx, "k") })
	add("ServerSecret", func(ctx context.Context) error {
		_, err := s.ServerSecret(ctx, "name", func() ([]byte, error) { return key(0), nil })
		return err
	})
	add("ServerSecrets", func(ctx context.Context) error { _, err := s.ServerSecrets(ctx); return err })
	late("RewrapServerSecret", func(ctx context.Context) error { return s.RewrapServerSecret(ctx, "name", key(0), key(1)) })

	add("NoteSessionClient", func(ctx context.Context) error { return s.NoteSessionClient(ctx, "s1", "c2") })
	add("SessionClients", func(ctx context.Context) error { _, err := s.SessionClients(ctx, "s1"); return err })
	add("TakeLogouts", func(ctx context.Context) error { _, err := s.TakeLogouts(ctx, time.Minute, 16, 4); return err })
	for range 5 { // until it has been with all clients, and begins anew
		add("TakeLogouts", func(ctx context.Context) error { _, err := s.TakeLogouts(ctx, time.Minute, 1000, 4); return err })
	}
	add("EndLogout", func(ctx context.Context) error { return s.EndLogout(ctx, "x1") })
	add("PostponeLogout", func(ctx context.Context) error { return s.PostponeLogout(ctx, LogoutDelivery{ID: "x1"}, "slow", soon) })
	add("LogoutDeliveries", func(ctx context.Context) error { _, err := s.LogoutDeliveries(ctx, "x5", 500); return err })

	add("CreateSession", func(ctx context.Context) error {
		_, _, err := s.CreateSession(ctx, Session{UserID: "u1"}, "hash")
		return err
	})
	add("CreateSession", func(ctx context.Context) error {
		_, _, err := s.CreateSession(ctx, Session{ID: "s200", UserID: "u200"}, "hash")
		return err
	})
	late("SessionByCookie", func(ctx context.Context) error { _, _, err := s.SessionByCookie(ctx, "x"); return err })
	add("TouchSession", func(ctx context.Context) error { return s.TouchSession(ctx, Session{ID: "s1"}, 0) })
	add("SessionsOf", func(ctx context.Context) error { _, err := s.SessionsOf(ctx, "u1"); return err })
	add("EndSession", func(ctx context.Context) error { return s.EndSession(ctx, "s1") })
	add("EndSessionOf", func(ctx context.Context) error { return s.EndSessionOf(ctx, "u1", "s1") })
	add("EndSessionsOf", func(ctx context.Context) error { return s.EndSessionsOf(ctx, "u1", "s100") })

	add("ReserveAttempt", func(ctx context.Context) error {
		_, _, _, err := s.ReserveAttempt(ctx, "address:29999", 5, 15*time.Minute)
		return err
	})
	attempt := func(ctx context.Context) Attempt {
		a, _, _, err := s.ReserveAttempt(ctx, "address:1", 5, 15*time.Minute)
		if err != nil {
			panic(err)
		}
		return a
	}
	add("ReleaseAttempt", func(ctx context.Context) error { return s.ReleaseAttempt(ctx, attempt(ctx)) })
	add("FailAttempt", func(ctx context.Context) error { return s.FailAttempt(ctx, attempt(ctx)) })
	add("TakeQuotas", func(ctx context.Context) error {
		return s.TakeQuotas(ctx, Quota{Subject: "x2000", Limit: 9, Window: time.Hour}, Quota{Subject: "x", Limit: 9, Window: time.Hour, Shards: 3})
	})
	add("Uncount", func(ctx context.Context) error {
		handle, err := s.CreateInteraction(ctx, Interaction{ClientID: "c1"}, "browser", Quota{Subject: "x2000", Limit: 9, Window: time.Hour})
		if err != nil {
			return err
		}
		in, err := s.SpendInteraction(ctx, handle)
		if err != nil {
			return err
		}
		return s.Uncount(ctx, in)
	})
	add("ClearAttempts", func(ctx context.Context) error { return s.ClearAttempts(ctx, "address:1") })
	add("UseID", func(ctx context.Context) error { return s.UseID(ctx, "p", "i", "j", soon) })

	add("CreateUser", func(ctx context.Context) error { _, err := s.CreateUser(ctx, User{Email: "new"}); return err })
	add("User", func(ctx context.Context) error { _, err := s.User(ctx, "u1"); return err })
	add("UserByEmail", func(ctx context.Context) error { _, err := s.UserByEmail(ctx, "u1"); return err })
	add("UpdateEmailKeys", func(ctx context.Context) error { _, err := s.UpdateEmailKeys(ctx); return err })
	add("ListUsers", func(ctx context.Context) error { _, err := s.ListUsers(ctx, "u5", 500); return err })
	add("SetName", func(ctx context.Context) error { return s.SetName(ctx, "u1", "n") })
	add("SetRoles", func(ctx context.Context) error { return s.SetRoles(ctx, "u1", nil) })
	add("SetClaims", func(ctx context.Context) error { return s.SetClaims(ctx, "u1", Claims{}) })
	add("EditUser", func(ctx context.Context) error { return s.EditUser(ctx, "u1", func(*User) error { return nil }) })
	add("RehashPassword", func(ctx context.Context) error { return s.RehashPassword(ctx, "u1", "hash", "new") })
	add("ChangePassword", func(ctx context.Context) error {
		_, err := s.ChangePassword(ctx, "u1", "hash", "new", "s100")
		return err
	})
	add("ResetPassword", func(ctx context.Context) error { return s.ResetPassword(ctx, "u1", "new") })
	add("SetDisabled", func(ctx context.Context) error { return s.SetDisabled(ctx, "u1", true) })
	add("EndAll", func(ctx context.Context) error {
		if err := prepare(ctx, "sessions", "session_clients", "grants", "interactions", "pushed_requests", "device_codes", "initial_access_tokens", "consents"); err != nil {
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
	s.KeepUnused(800 * time.Millisecond)
	add("Sweep", sweep())
	add("Sweep", sweep(`UPDATE clients SET removed_at = 1 WHERE id = 'c1'`, leave["grants"], leave["consents"], leave["interactions"], leave["device_codes"]))
	return calls
}
