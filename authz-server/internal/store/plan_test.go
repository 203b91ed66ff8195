package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/internal/sqldb/growthtest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// grown puts most of everything with the client c1, the person u1 and the session s1, as far as they can have it. Every time
// is its row's number in milliseconds, and the clock stands at planNow. Nearly all is unexpired then.
var grown = []string{
	`INSERT INTO users (id, email, email_key, email_verified, name, locale, password_hash, roles, disabled, created_at, updated_at)
		` + growthtest.Numbers + ` SELECT 'u' || i, 'u' || i, 'u' || i, false, 'n', '', 'hash', '', false, i, i FROM n`,
	`INSERT INTO users (id, email, email_key, email_verified, name, locale, password_hash, roles, disabled, created_at, updated_at)
		VALUES ('former', 'U@Bücher.example', 'u@bücher.example', false, 'n', '', 'hash', '', false, 1, 1)`,
	`INSERT INTO clients (id, metadata, created_at, updated_at)
		` + growthtest.Numbers + ` SELECT 'c' || i, '{"client_name":"n","backchannel_logout_uri":"https://a.example/"}', i, i FROM n`,
	`INSERT INTO clients (id, metadata, created_at, updated_at)
		` + growthtest.Numbers + ` SELECT 'https://' || i || '.example/', '{"client_name":"n"}', i, 0 FROM n`,
	`INSERT INTO client_secrets (client_id, secret_hash, created_at, expires_at)
		` + growthtest.Numbers + ` SELECT 'c' || i, CAST('x' || i AS BYTEA), i, i * 1000 FROM n`,
	`INSERT INTO registration_tokens (client_id, token_hash, vouched, checked_at)
		` + growthtest.Numbers + ` SELECT 'c' || i, CAST('x' || i AS BYTEA), i % 2 = 0, i * 1000 FROM n`,
	`INSERT INTO initial_access_tokens (token_hash, note, uses_left, created_at, expires_at)
		` + growthtest.Numbers + ` SELECT CAST('x' || i AS BYTEA), '', i % 100, i, i * 1000 FROM n`,
	`INSERT INTO sessions (id, cookie_hash, user_id, auth_time, amr, acr, address, user_agent, created_at, seen_at, idle_expires_at, expires_at)
		` + growthtest.Numbers + ` SELECT 's' || i, CAST('x' || i AS BYTEA), 'u' || CASE WHEN i <= 100 THEN 1 ELSE i END, i, '', '', '', '', i, i,
		CASE WHEN i <= 100 THEN 9000000000000 ELSE i * 1000 + 700000 END, 9000000000000 FROM n`,
	`INSERT INTO session_clients (session_id, client_id) ` + growthtest.Numbers + ` SELECT 's' || i, 'c1' FROM n`,
	`INSERT INTO interactions (handle_hash, browser_hash, client_id, form, consent, consent_scope, consent_sid, created_at, expires_at)
		` + growthtest.Numbers + ` SELECT CAST('x' || i AS BYTEA), CAST('b' AS BYTEA), 'c1', '', '', '', 's' || i, i, i * 1000 FROM n`,
	`INSERT INTO pushed_requests (uri_hash, client_id, form, expires_at)
		` + growthtest.Numbers + ` SELECT CAST('x' || i AS BYTEA), 'c1', '', i * 1000 FROM n`,
	`INSERT INTO device_codes (device_code_hash, user_code, client_id, scope, audience, jkt, address, user_agent, grant_id, denied, spent, polled_at, poll_interval, early, created_at, expires_at)
		` + growthtest.Numbers + ` SELECT CAST('x' || i AS BYTEA), 'x' || i, 'c1', '', '', '', '', '', CASE WHEN i % 2 = 0 THEN '' ELSE 'g' || i END, false, false, 0, 0, false, i, i * 1000 FROM n`,
	`INSERT INTO consents (user_id, client_id, scope, declined, created_at, updated_at)
		` + growthtest.Numbers + ` SELECT 'u' || i, 'c1', '', '', i, i FROM n`,
	`INSERT INTO login_failures (subject, id, failed_at) ` + growthtest.Numbers + ` SELECT 'address:' || i, '0', i * 1000 - 86400000000 FROM n`,
	`INSERT INTO quotas (subject, taken, ends_at) ` + growthtest.Numbers + ` SELECT 'x' || i, 1, i * 1000 FROM n`,
	`INSERT INTO grants (id, client_id, user_id, session_id, scope, audience, offline, auth_time, acr, amr, created_at, expires_at, revoked_at)
		` + growthtest.Numbers + ` SELECT 'g' || i, 'c1', 'u' || CASE WHEN i <= 500 THEN 1 ELSE i END, CASE WHEN i <= 500 THEN 's1' ELSE 's' || i END, '', '',
		i % 2 = 0, i, '', '', i, CASE WHEN i > 500 THEN i * 1000 - 86400000000 + 86400000000 * (i % 2) ELSE 9000000000000 END,
		CASE WHEN i > 500 AND i % 2 = 0 THEN i * 1000 ELSE 0 END FROM n`,
	`INSERT INTO authorization_codes (code_hash, grant_id, active, redirect_uri, code_challenge, nonce, jkt, expires_at)
		` + growthtest.Numbers + ` SELECT CAST('x' || i AS BYTEA), 'g' || i, i % 2 = 1, '', '', '', '', i * 1000 FROM n`,
	`INSERT INTO refresh_tokens (token_hash, grant_id, jti, kid, issued_at, expires_at, used_at, successor)
		` + growthtest.Numbers + ` SELECT CAST('x' || i AS BYTEA), CASE WHEN i % 2 = 0 THEN 'g502' ELSE 'g' || i END, '', '', i, 9000000000000, 0, CAST('' AS BYTEA) FROM n`,
	`INSERT INTO revoked_tokens (jti, expires_at) ` + growthtest.Numbers + ` SELECT 'x' || i, i * 1000 - 3600000000 FROM n`,
	`INSERT INTO used_ids (id_hash, expires_at) ` + growthtest.Numbers + ` SELECT CAST('x' || i AS BYTEA), i * 1000 FROM n`,
	`INSERT INTO logout_deliveries (id, client_id, user_id, session_id, attempts, last_error, created_at, due_at, given_up_at)
		` + growthtest.Numbers + ` SELECT 'x' || i, CASE WHEN i % 100 = 0 THEN 'c' || i ELSE 'c1' END, 'u1', 's', 0, '', i, i, CASE WHEN i % 2 = 0 THEN i * 1000 - 2592000000000 ELSE 0 END FROM n`,
}

// planNow leaves some batches of each table to be swept.
var planNow = time.UnixMicro(1_000_000)

func TestNoStatementScansOrCountsWhatGrows(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		s, err := Open(t.Context(), databaseURL, func() time.Time { return planNow })
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		growthtest.Test{
			DB: s.db, URL: databaseURL, Store: reflect.TypeFor[*Store](), Fill: grown,
			Small: map[string]string{
				"signing_keys":   "some for each algorithm",
				"server_secrets": "the server has two",
			},
			Apart: []string{"Close", "CheckClock", "Ready", "Warning", "Watch", "Tx", "LimitSessions", "LogoutsDue"},
			Calls: planCalls(s),
		}.Run(t)
	})
}

// leave removes all but some hundred rows of a table: enough for several batches.
var leave = map[string]string{
	"sessions":              `DELETE FROM sessions WHERE seen_at > 200`,
	"session_clients":       `DELETE FROM session_clients WHERE length(session_id) > 4`,
	"grants":                `DELETE FROM grants WHERE created_at > 700`,
	"interactions":          `DELETE FROM interactions WHERE created_at > 500`,
	"pushed_requests":       `DELETE FROM pushed_requests WHERE expires_at > 500000`,
	"device_codes":          `DELETE FROM device_codes WHERE created_at > 500`,
	"initial_access_tokens": `DELETE FROM initial_access_tokens WHERE created_at > 500`,
	"consents":              `DELETE FROM consents WHERE created_at > 500`,
}

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
	add("SweepClientSecrets", func(ctx context.Context) error { _, err := s.SweepClientSecrets(ctx); return err })
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
	add("SweepRegistration", func(ctx context.Context) error {
		if err := growthtest.Prepare(ctx, s.db, `UPDATE clients SET removed_at = 1 WHERE id = 'c1'`); err != nil {
			return err
		}
		if err := prepare(ctx, "grants", "consents", "interactions", "device_codes"); err != nil {
			return err
		}
		_, err := s.SweepRegistration(ctx)
		return err
	})

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
	add("SweepGrants", func(ctx context.Context) error { _, err := s.SweepGrants(ctx); return err })

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
	add("CreatePosted", func(ctx context.Context) error { _, err := s.CreatePosted(ctx, url.Values{"a": {"b"}}); return err })
	late("Posted", func(ctx context.Context) error { _, err := s.Posted(ctx, "x"); return err })
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
	add("TakeLogouts", func(ctx context.Context) error {
		s.told = "c29000"
		_, err := s.TakeLogouts(ctx, time.Minute, 16, 4)
		return err
	})
	add("EndLogout", func(ctx context.Context) error { return s.EndLogout(ctx, "x1") })
	add("PostponeLogout", func(ctx context.Context) error { return s.PostponeLogout(ctx, LogoutDelivery{ID: "x1"}, "slow", soon) })
	add("LogoutDeliveries", func(ctx context.Context) error { _, err := s.LogoutDeliveries(ctx, "x5", 500); return err })
	add("SweepLogouts", func(ctx context.Context) error { _, err := s.SweepLogouts(ctx); return err })

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
	add("ReleaseAttempt", func(ctx context.Context) error {
		return s.ReleaseAttempt(ctx, Attempt{subject: "address:1", slot: "0"})
	})
	add("FailAttempt", func(ctx context.Context) error { return s.FailAttempt(ctx, Attempt{subject: "address:1", slot: "0"}) })
	add("TakeQuotas", func(ctx context.Context) error {
		return s.TakeQuotas(ctx, Quota{Subject: "x2000", Limit: 9, Window: time.Hour}, Quota{Subject: "x", Limit: 9, Window: time.Hour, Shards: 3})
	})
	add("Uncount", func(ctx context.Context) error {
		return s.Uncount(ctx, Interaction{counted: []place{{"x2000", 2_000_000}}})
	})
	add("ClearAttempts", func(ctx context.Context) error { return s.ClearAttempts(ctx, "address:1") })
	add("Sweep", func(ctx context.Context) error { _, err := s.Sweep(ctx); return err })
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
	return calls
}
