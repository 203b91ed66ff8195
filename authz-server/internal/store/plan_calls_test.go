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
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/statuses"
	"github.com/maru-auth/maru/internal/sqldb/growthtest"
)

// key is the hash under which grown stored row i.
func key(i int) []byte { return fmt.Append(nil, "x", i) }

// planned are the calls that the test makes.
type planned struct {
	*Store
	calls []growthtest.Call
}

func (s *planned) add(method string, do func(ctx context.Context) error) {
	s.calls = append(s.calls, growthtest.Call{Method: method, Do: do})
}

// late adds a call that finds nothing. It costs as much as one that finds something.
func (s *planned) late(method string, do func(ctx context.Context) error) {
	s.add(method, func(ctx context.Context) error {
		if err := do(ctx); !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("want ErrNotFound, got: %w", err)
		}
		return nil
	})
}

// prepare leaves some hundred rows in each of the tables.
func (s *planned) prepare(ctx context.Context, tables ...string) error {
	for _, table := range tables {
		if err := growthtest.Prepare(ctx, s.db, leave[table]); err != nil {
			return err
		}
	}
	return nil
}

var soon = planNow.Add(time.Hour)

func planCalls(s *Store) []growthtest.Call {
	p := &planned{Store: s}
	p.ofClients()
	p.ofStreams()
	p.ofDirectories()
	p.ofConsents()
	p.ofDevices()
	p.ofGrants()
	p.ofInteractions()
	p.ofKeys()
	p.ofLogouts()
	p.ofOutbox()
	p.ofSessions()
	p.ofLogins()
	p.ofPasskeys()
	p.ofMailed()
	p.ofAttempts()
	p.ofUsers()
	p.ofSignup()
	p.ofRoles()
	p.ofFactors()
	p.ofOperators()
	p.ofAudit()
	p.ofUpstreams()
	p.ofAll()
	return p.calls
}

func (s *planned) ofClients() {
	s.add("Client", func(ctx context.Context) error { _, err := s.Clients.Client(ctx, "c1"); return err })
	s.add("ClientWithSecrets", func(ctx context.Context) error { _, _, err := s.Clients.ClientWithSecrets(ctx, "c1"); return err })
	s.add("Remembered", func(ctx context.Context) error { _, _, _, err := s.Clients.Remembered(ctx, "c2"); return err })
	s.add("ClientSecretHashes", func(ctx context.Context) error { _, err := s.Clients.ClientSecretHashes(ctx, "c1"); return err })
	s.add("ClientSecrets", func(ctx context.Context) error { _, err := s.Clients.ClientSecrets(ctx, "c1"); return err })
	s.add("ListClients", func(ctx context.Context) error { _, err := s.Clients.ListClients(ctx, "c5", 100); return err })
	s.add("CreateClient", func(ctx context.Context) error { return s.Clients.CreateClient(ctx, client.Client{ID: "new"}) })
	s.add("UpdateClient", func(ctx context.Context) error { return s.Clients.UpdateClient(ctx, client.Client{ID: "c1"}) })
	s.add("AddClientSecret", func(ctx context.Context) error { return s.Clients.AddClientSecret(ctx, "c1", key(0), planNow) })
	s.add("ReplaceClientSecrets", func(ctx context.Context) error { return s.Clients.ReplaceClientSecrets(ctx, "c1", key(0)) })
	s.add("DeleteClient", func(ctx context.Context) error {
		if err := s.prepare(ctx, "grants", "consents", "interactions", "device_codes"); err != nil {
			return err
		}
		_, err := s.DeleteClient(ctx, "c1")
		return err
	})
	s.add("RegisterClient", func(ctx context.Context) error {
		return s.Clients.RegisterClient(ctx, client.Client{ID: "new"},
			registry.Registration{Secret: key(0), Token: key(0), InitialToken: key(1099)})
	})
	s.add("SweepUnusedClients", func(ctx context.Context) error {
		_, err := s.Clients.SweepUnusedClients(ctx, 800*time.Millisecond)
		return err
	})
	s.add("PutDocumentClient", func(ctx context.Context) error {
		_, err := s.Clients.PutDocumentClient(ctx, client.Client{ID: "https://1.example/"})
		return err
	})
	s.add("ReplaceRegistrationToken", func(ctx context.Context) error {
		return s.Clients.ReplaceRegistrationToken(ctx, "c1", key(1))
	})
	s.add("HasRegistration", func(ctx context.Context) error { return s.Clients.HasRegistration(ctx, "c1") })
	s.late("CheckRegistrationToken", func(ctx context.Context) error { return s.Clients.CheckRegistrationToken(ctx, "c1", "another") })
	s.add("CreateInitialToken", func(ctx context.Context) error { return s.Clients.CreateInitialToken(ctx, key(0), "", 1, soon) })
	s.add("CheckInitialToken", func(ctx context.Context) error { return s.Clients.CheckInitialToken(ctx, key(1099)) })
}

func (s *planned) ofConsents() {
	s.add("Consent", func(ctx context.Context) error { _, err := s.Consents.Consent(ctx, "u1", "c1"); return err })
	s.add("ClientsOf", func(ctx context.Context) error { _, err := s.Consents.ClientsOf(ctx, "u1"); return err })
	s.add("Connections", func(ctx context.Context) error { _, err := s.Consents.Connections(ctx, "u1"); return err })
	s.add("LastUses", func(ctx context.Context) error { _, err := s.Consents.LastUses(ctx, "u600"); return err })
	s.add("GrantConsent", func(ctx context.Context) error { return s.Consents.GrantConsent(ctx, "u1", "c1", []string{"openid"}) })
	s.add("DecideConsent", func(ctx context.Context) error {
		return s.Consents.DecideConsent(ctx, "u1", "c2", nil, []string{"email"})
	})
	s.add("HoldConsent", func(ctx context.Context) error { return s.Consents.HoldConsent(ctx, "u1", "c1", nil) })
	s.add("WithdrawConsent", func(ctx context.Context) error { return s.Consents.WithdrawConsent(ctx, "u1", "c1") })
}

func (s *planned) ofDevices() {
	s.add("CreateDeviceCode", func(ctx context.Context) error {
		return s.Devices.CreateDeviceCode(ctx, grants.DeviceCode{Hash: key(0), UserCode: "new", ClientID: "c1", ExpiresAt: soon})
	})
	s.add("DeviceCode", func(ctx context.Context) error { _, err := s.Devices.DeviceCode(ctx, key(1)); return err })
	s.add("PendingDeviceCode", func(ctx context.Context) error { _, err := s.Devices.PendingDeviceCode(ctx, "x2000"); return err })
	s.late("AllowedDeviceCode", func(ctx context.Context) error { _, err := s.Devices.AllowedDeviceCode(ctx, "x1", "u1"); return err })
	s.add("AllowDevice", func(ctx context.Context) error { return s.Devices.AllowDevice(ctx, key(2000), "g1") })
	s.add("DenyDevice", func(ctx context.Context) error { return s.Devices.DenyDevice(ctx, key(2000)) })
	s.add("PollDevice", func(ctx context.Context) error { _, err := s.Devices.PollDevice(ctx, key(2000)); return err })
	s.add("RedeemDeviceCode", func(ctx context.Context) error {
		_, err := s.Devices.RedeemDeviceCode(ctx, key(2001), &grants.RefreshToken{Number: 1}, grants.Note{})
		return err
	})
	s.add("RedeemDeviceCode", func(ctx context.Context) error {
		_, err := s.Devices.RedeemDeviceCode(ctx, key(2001), nil, grants.Note{})
		return err
	})
}

func (s *planned) ofGrants() {
	s.add("CreateGrant", func(ctx context.Context) error {
		// One whose id makes it end those beyond the bound.
		return s.Grants.CreateGrant(ctx, grants.Grant{ID: "new3", UserID: "u1", SessionID: "s1", ExpiresAt: soon},
			&client.Client{ID: "c1", UpdatedAt: time.UnixMicro(1)})
	})
	s.add("BindGrant", func(ctx context.Context) error { return s.Grants.BindGrant(ctx, "g1", "jkt") })
	s.add("CreateCode", func(ctx context.Context) error {
		return s.Grants.CreateCode(ctx, key(0), grants.Code{Grant: grants.Grant{ID: "g1"}})
	})
	s.add("Code", func(ctx context.Context) error { _, err := s.Grants.Code(ctx, key(1)); return err })
	s.add("RedeemCode", func(ctx context.Context) error {
		_, err := s.Grants.RedeemCode(ctx, key(2001), &grants.RefreshToken{Number: 1}, grants.Note{})
		return err
	})
	s.add("RedeemCode", func(ctx context.Context) error { // for a client that gets no refresh token
		_, err := s.Grants.RedeemCode(ctx, key(2001), nil, grants.Note{})
		return err
	})
	s.add("RotateRefreshToken", func(ctx context.Context) error {
		_, err := s.Grants.RotateRefreshToken(ctx, "g1", grants.RefreshToken{Number: 2}, grants.Note{})
		return err
	})
	s.add("KeepRefreshToken", func(ctx context.Context) error { _, err := s.Grants.KeepRefreshToken(ctx, "g1", 1); return err })
	s.add("OldRefreshToken", func(ctx context.Context) error { _, _, err := s.Grants.OldRefreshToken(ctx, key(1)); return err })
	s.add("RotateOldRefreshToken", func(ctx context.Context) error {
		_, err := s.Grants.RotateOldRefreshToken(ctx, key(1), grants.RefreshToken{Number: 1}, grants.Note{})
		return err
	})
	s.add("ContinueSession", func(ctx context.Context) error { return s.Sessions.ContinueSession(ctx, "s1000") })
	s.add("Grant", func(ctx context.Context) error { _, err := s.Grants.Grant(ctx, "g1"); return err })
	s.add("RevokeGrant", func(ctx context.Context) error { _, err := s.Grants.RevokeGrant(ctx, "g1"); return err })
	s.add("RevokeToken", func(ctx context.Context) error { return s.Grants.RevokeToken(ctx, "new", "", soon) })
	s.add("RevokedSince", func(ctx context.Context) error { _, err := s.Grants.RevokedSince(ctx, soon); return err })
	s.add("NoteStatus", func(ctx context.Context) error {
		return s.Grants.NoteStatus(ctx, "g3", grants.Note{Status: "l1/1", Lifetime: time.Minute})
	})
	s.add("Lease", func(ctx context.Context) error {
		_, err := s.Statuses.Lease(ctx, statuses.Holder{ClientID: "c1"}, 16, soon, "new")
		return err
	})
	s.add("Lease", func(ctx context.Context) error { // of a list that has no room
		_, err := s.Statuses.Lease(ctx, statuses.Holder{ClientID: "c1"}, statuses.ListSize, soon, "new")
		return err
	})
	s.add("Lists", func(ctx context.Context) error { _, err := s.Statuses.Lists(ctx); return err })
	s.add("RevokedBlocks", func(ctx context.Context) error { _, err := s.Statuses.RevokedBlocks(ctx, soon); return err })
	s.add("RevokeClient", func(ctx context.Context) error { return s.Statuses.RevokeClient(ctx, "c3") })
	s.add("Disable", func(ctx context.Context) error { return s.Clients.Disable(ctx, "c4") })
	s.add("Enable", func(ctx context.Context) error { return s.Clients.Enable(ctx, "c4") })
	s.add("Compromised", func(ctx context.Context) error { return s.Clients.Compromised(ctx, "c4", key(0)) })
	s.add("RemoveEnded", func(ctx context.Context) error { _, err := s.RemoveEnded(ctx); return err })
	s.add("DisableClient", func(ctx context.Context) error { return s.DisableClient(ctx, "c5") })
	s.add("RevokeTokens", func(ctx context.Context) error { return s.Clients.RevokeTokens(ctx, "c6") })
	s.add("Registered", func(ctx context.Context) error { _, err := s.Clients.Registered(ctx, "c1"); return err })
	s.add("RegisteredWithSecrets", func(ctx context.Context) error { _, _, err := s.Clients.RegisteredWithSecrets(ctx, "c1"); return err })
	s.add("ToCleanUp", func(ctx context.Context) error { _, err := s.Clients.ToCleanUp(ctx); return err })
	s.add("CleanedUp", func(ctx context.Context) error { return s.Clients.CleanedUp(ctx, registry.Ended{ID: "c100", Since: 1}) })
	s.add("Exchanges", func(ctx context.Context) error { _, err := s.Clients.Exchanges(ctx, "c500"); return err })
	s.add("ExchangesRevoked", func(ctx context.Context) error {
		return s.Clients.ExchangesRevoked(ctx, registry.Ended{ID: "c300", Since: 1})
	})
	s.add("RevokeExchanged", func(ctx context.Context) error { return s.Store.RevokeExchanged(ctx) })
	s.add("RevokeExchanged", func(ctx context.Context) error {
		err := growthtest.Prepare(ctx, s.db, `UPDATE grants SET statuses = 'l1/1;x ', statuses_until = 9000000000000 WHERE id IN ('g1', 'g900')`)
		return errors.Join(err, s.Grants.RevokeExchanged(ctx, "c1"))
	})
	s.add("EndWith", func(ctx context.Context) error {
		return s.Grants.EndWith(ctx, "u1", []string{"admin:read", "admin:write"})
	})
	s.add("RevokeTokensOf", func(ctx context.Context) error {
		return s.Grants.RevokeTokensOf(ctx, "u1", []string{"board:moderate", "board:write"})
	})
	s.add("RevokeAll", func(ctx context.Context) error { return s.Statuses.RevokeAll(ctx) })
	s.add("TokenRevoked", func(ctx context.Context) error { _, err := s.Grants.TokenRevoked(ctx, "x1", "c1"); return err })
}

func (s *planned) ofInteractions() {
	s.add("CreateInteraction", func(ctx context.Context) error {
		_, err := s.Interactions.CreateInteraction(ctx, requests.Interaction{ClientID: "c1", Form: url.Values{"a": {"b"}}}, "browser")
		return err
	})
	s.add("ExtendInteraction", func(ctx context.Context) error {
		return s.Interactions.ExtendInteraction(ctx, "x", "b", time.Hour)
	})
	s.late("Interaction", func(ctx context.Context) error { _, err := s.Interactions.Interaction(ctx, "x", "b"); return err })
	s.late("DecideInteraction", func(ctx context.Context) error {
		return s.Interactions.DecideInteraction(ctx, "x", "b", "s1", requests.ConsentAllow, nil)
	})
	s.late("SpentInteraction", func(ctx context.Context) error { _, err := s.Interactions.SpentInteraction(ctx, "x", "b"); return err })
	s.add("CreatePosted", func(ctx context.Context) error {
		_, err := s.Interactions.CreatePosted(ctx, url.Values{"a": {"b"}})
		return err
	})
	s.late("Posted", func(ctx context.Context) error { _, err := s.Interactions.Posted(ctx, "x"); return err })
	s.late("SpendInteraction", func(ctx context.Context) error { _, err := s.Interactions.SpendInteraction(ctx, "x"); return err })
	s.add("CreatePushedRequest", func(ctx context.Context) error {
		return s.Pushed.CreatePushedRequest(ctx, "x", requests.PushedRequest{ClientID: "c1", ExpiresAt: soon})
	})
	s.late("PushedRequest", func(ctx context.Context) error { _, err := s.Pushed.PushedRequest(ctx, "x"); return err })
	s.add("SpendPushedRequest", func(ctx context.Context) error { return s.Pushed.SpendPushedRequest(ctx, "x") })
}

func (s *planned) ofKeys() {
	s.add("AddSigningKey", func(ctx context.Context) error {
		return s.Keys.AddSigningKey(ctx, keystore.SigningKey{KID: "k", Alg: "RS256", Generation: 1, PrivateKey: key(0), ActivatesAt: soon})
	})
	s.add("SigningKeys", func(ctx context.Context) error { _, _, err := s.Keys.SigningKeys(ctx); return err })
	s.late("ActivateSigningKey", func(ctx context.Context) error { _, err := s.Keys.ActivateSigningKey(ctx, "RS256"); return err })
	s.late("RewrapSigningKey", func(ctx context.Context) error { return s.Keys.RewrapSigningKey(ctx, "k", key(0), key(1)) })
	s.late("DeleteSigningKey", func(ctx context.Context) error { return s.Keys.DeleteSigningKey(ctx, "k") })
	s.add("Withdraw", func(ctx context.Context) error {
		one := keystore.SigningKey{KID: "w", Alg: "RS256", Generation: 1, PrivateKey: key(0), ActivatesAt: planNow}
		if err := s.Keys.AddSigningKey(ctx, one); err != nil {
			return err
		}
		return s.Keys.Withdraw(ctx, keystore.Withdrawal{KIDs: []string{"gone", "w"}, Missing: true, Until: soon,
			Replacements: map[string]keystore.SigningKey{"RS256": {KID: "r", PrivateKey: key(1)}}})
	})
	s.late("Withdraw", func(ctx context.Context) error {
		return s.Keys.Withdraw(ctx, keystore.Withdrawal{KIDs: []string{"unknown"}})
	})
	s.add("WithdrawnKIDs", func(ctx context.Context) error { _, err := s.Keys.WithdrawnKIDs(ctx); return err })
	s.add("ForgetWithdrawnKeys", s.Keys.ForgetWithdrawnKeys)
	s.add("ServerSecret", func(ctx context.Context) error {
		_, err := s.Keys.ServerSecret(ctx, "name", func() ([]byte, error) { return key(0), nil })
		return err
	})
	s.add("ServerSecrets", func(ctx context.Context) error { _, err := s.Keys.ServerSecrets(ctx); return err })
	s.late("RewrapServerSecret", func(ctx context.Context) error { return s.Keys.RewrapServerSecret(ctx, "name", key(0), key(1)) })
}

func (s *planned) ofLogouts() {
	s.add("NoteSessionClient", func(ctx context.Context) error { return s.Logouts.NoteSessionClient(ctx, "s1", "c2") })
	s.add("SessionClients", func(ctx context.Context) error { _, err := s.Logouts.SessionClients(ctx, "s1"); return err })
}

func (s *planned) ofOutbox() {
	room := func(string) int { return 4 }
	s.add("Add", func(ctx context.Context) error { return s.Outbox.Add(ctx, outbox.Item{Kind: "logout", Lane: "c1"}) })
	s.add("Take", func(ctx context.Context) error {
		_, err := s.Outbox.Take(ctx, "logout", time.Minute, 16, room)
		return err
	})
	for range 5 { // until it has been in all lanes, and begins anew
		s.add("Take", func(ctx context.Context) error {
			_, err := s.Outbox.Take(ctx, "logout", time.Minute, 200, room)
			return err
		})
	}
	s.add("Take", func(ctx context.Context) error { // nothing is due in a thousand lanes
		taken, err := s.Outbox.Take(ctx, "mail", time.Minute, 16, room)
		if len(taken) > 0 {
			return fmt.Errorf("%d are due", len(taken))
		}
		return err
	})
	s.add("End", func(ctx context.Context) error { return s.Outbox.End(ctx, "x1") })
	s.add("Postpone", func(ctx context.Context) error { return s.Outbox.Postpone(ctx, outbox.Item{ID: "x1"}, "slow", soon) })
	s.add("List", func(ctx context.Context) error { _, err := s.Outbox.List(ctx, "logout", "x5", 500); return err })
	s.add("Retry", func(ctx context.Context) error { return s.Outbox.Retry(ctx, "logout", "x2") })
	s.add("RetryGivenUp", func(ctx context.Context) error {
		if err := s.prepare(ctx, "outbox"); err != nil {
			return err
		}
		_, err := s.Outbox.RetryGivenUp(ctx, "logout")
		return err
	})
	s.add("Depth", func(ctx context.Context) error { _, err := s.Outbox.Depth(ctx, "logout"); return err })
	s.add("Payloads", func(ctx context.Context) error { _, _, err := s.Outbox.Payloads(ctx, "x5", 200); return err })
	s.add("Reseal", func(ctx context.Context) error { return s.Outbox.Reseal(ctx, "x1", []byte("x"), key(1)) })
}

func (s *planned) ofSessions() {
	s.add("CreateSession", func(ctx context.Context) error {
		_, _, err := s.Sessions.CreateSession(ctx, accounts.Session{UserID: "u1"}, "hash")
		return err
	})
	s.add("CreateSession", func(ctx context.Context) error {
		_, _, err := s.Sessions.CreateSession(ctx, accounts.Session{ID: "s200", UserID: "u200"}, "hash")
		return err
	})
	s.late("SessionByCookie", func(ctx context.Context) error { _, _, err := s.Sessions.SessionByCookie(ctx, "x"); return err })
	s.add("TouchSession", func(ctx context.Context) error {
		return s.Sessions.TouchSession(ctx, accounts.Session{ID: "s1"}, "", 0)
	})
	s.add("SessionsOf", func(ctx context.Context) error { _, err := s.Sessions.SessionsOf(ctx, "u1"); return err })
	s.add("EndSession", func(ctx context.Context) error { return s.Sessions.EndSession(ctx, "s1") })
	s.add("EndSessionOf", func(ctx context.Context) error { return s.Sessions.EndSessionOf(ctx, "u1", "s1") })
	s.add("EndSessionsOf", func(ctx context.Context) error { return s.Sessions.EndSessionsOf(ctx, "u1", "s100") })
}

func (s *planned) ofLogins() {
	s.late("RaiseSession", func(ctx context.Context) error {
		_, err := s.Sessions.RaiseSession(ctx, accounts.Session{ID: "none", UserID: "u1"}, nil, "")
		return err
	})
	s.add("BeginLogin", func(ctx context.Context) error {
		return s.Pending.BeginLogin(ctx, "x", accounts.User{ID: "u1"}, []string{"pwd"}, nil)
	})
	s.late("PendingLogin", func(ctx context.Context) error { _, err := s.Pending.PendingLogin(ctx, "y"); return err })
	s.late("EndLogin", func(ctx context.Context) error { return s.Pending.EndLogin(ctx, "y") })
	s.add("NoteLogin", func(ctx context.Context) error {
		_, _, err := s.Browsers.NoteLogin(ctx, "u1", "old", "new", "", "")
		return err
	})
	s.add("Known", func(ctx context.Context) error { _, _, err := s.Browsers.Known(ctx, "u1", "new"); return err })
	s.late("Trust", func(ctx context.Context) error { return s.Browsers.Trust(ctx, "u1", "new") })
	s.add("KnownBrowsers", func(ctx context.Context) error { _, err := s.Browsers.KnownBrowsers(ctx, "u1"); return err })
	s.add("TrustedBrowsers", func(ctx context.Context) error { _, err := s.Browsers.TrustedBrowsers(ctx, "u1"); return err })
	s.add("Distrust", func(ctx context.Context) error { return s.Browsers.Distrust(ctx, "u1", "") })
	s.add("Events", func(ctx context.Context) error { _, err := s.History.Events(ctx, "u1", 100); return err })
}

func (s *planned) ofPasskeys() {
	s.add("UserHandle", func(ctx context.Context) error { _, err := s.Passkeys.UserHandle(ctx, "u1"); return err })
	s.add("SetUserHandle", func(ctx context.Context) error { return s.Passkeys.SetUserHandle(ctx, "former", key(0)) })
	s.add("AddPasskey", func(ctx context.Context) error {
		_, err := s.Passkeys.AddPasskey(ctx, accounts.Passkey{UserID: "u100", CredentialID: key(0), PublicKey: key(0)})
		return err
	})
	s.add("Passkeys", func(ctx context.Context) error { _, err := s.Passkeys.Passkeys(ctx, "u1"); return err })
	s.add("PasskeyByCredential", func(ctx context.Context) error {
		_, _, _, err := s.Passkeys.PasskeyByCredential(ctx, key(1))
		return err
	})
	s.add("UsePasskey", func(ctx context.Context) error {
		return s.Passkeys.UsePasskey(ctx, accounts.Passkey{ID: "x1", SignCount: 2})
	})
	s.late("UsePasskey", func(ctx context.Context) error { return s.Passkeys.UsePasskey(ctx, accounts.Passkey{ID: "none"}) })
	s.add("NoteClone", func(ctx context.Context) error { return s.Passkeys.NoteClone(ctx, "x1") })
	s.add("RenamePasskey", func(ctx context.Context) error { return s.Passkeys.RenamePasskey(ctx, "u1", "x1", "n") })
	s.add("RemovePasskey", func(ctx context.Context) error { _, err := s.Passkeys.RemovePasskey(ctx, "u1", "x1"); return err })
	s.add("BeginCeremony", func(ctx context.Context) error {
		return s.Passkeys.BeginCeremony(ctx, accounts.Ceremony{Challenge: "c"})
	})
	s.late("SpendCeremony", func(ctx context.Context) error {
		return s.Passkeys.SpendCeremony(ctx, accounts.Ceremony{Challenge: "none"})
	})
}

func (s *planned) ofAttempts() {
	s.add("ReserveAttempt", func(ctx context.Context) error {
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
	s.add("ReleaseAttempt", func(ctx context.Context) error { return s.Attempts.ReleaseAttempt(ctx, attempt(ctx)) })
	s.add("FailAttempt", func(ctx context.Context) error { return s.Attempts.FailAttempt(ctx, attempt(ctx)) })
	s.add("TakeQuotas", func(ctx context.Context) error {
		return s.Quotas.TakeQuotas(ctx, limits.Quota{Subject: "x2000", Limit: 9, Window: time.Hour},
			limits.Quota{Subject: "x", Limit: 9, Window: time.Hour, Shards: 3})
	})
	s.add("Uncount", func(ctx context.Context) error {
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
	s.add("ClearAttempts", func(ctx context.Context) error { return s.Attempts.ClearAttempts(ctx, "address:1") })
	s.add("UseID", func(ctx context.Context) error { return s.UsedIDs.UseID(ctx, "p", "i", "j", soon) })
	claim := func(ctx context.Context) error { _, _, err := s.Repeated.Claim(ctx, "k", []byte("r")); return err }
	s.add("Claim", func(ctx context.Context) error {
		if err := claim(ctx); err != nil {
			return err
		}
		return claim(ctx)
	})
	s.add("Known", func(ctx context.Context) error { _, _, err := s.Repeated.Known(ctx, "k", []byte("r")); return err })
	s.add("Made", func(ctx context.Context) error {
		if err := claim(ctx); err != nil {
			return err
		}
		return s.Repeated.Made(ctx, "k", "m")
	})
}

func (s *planned) ofUsers() {
	s.add("CreateUser", func(ctx context.Context) error {
		_, err := s.Users.CreateUser(ctx, accounts.User{Email: "new"})
		return err
	})
	s.add("User", func(ctx context.Context) error { _, err := s.Users.User(ctx, "u1"); return err })
	s.add("UserByEmail", func(ctx context.Context) error { _, err := s.Users.UserByEmail(ctx, "u1"); return err })
	s.add("UpdateEmailKeys", func(ctx context.Context) error { _, err := s.Users.UpdateEmailKeys(ctx); return err })
	s.add("ListUsersIn", func(ctx context.Context) error {
		_, err := s.Users.ListUsersIn(ctx, accounts.Closed, "u5", 100)
		if err == nil {
			_, err = s.Users.ListUsersIn(ctx, accounts.Leaving, "u5", 100)
		}
		return err
	})
	s.add("ListUsersWith", func(ctx context.Context) error {
		_, err := s.Users.ListUsersWith(ctx, roles.Moderator, "u5", 100)
		return err
	})
	s.add("ListUsers", func(ctx context.Context) error { _, err := s.Users.ListUsers(ctx, "u5", 500); return err })
	s.add("SetName", func(ctx context.Context) error { return s.Users.SetName(ctx, "u1", "n") })
	s.add("SetClaims", func(ctx context.Context) error { return s.Users.SetClaims(ctx, "u1", accounts.Claims{}) })
	s.add("EditUser", func(ctx context.Context) error {
		return s.Users.EditUser(ctx, "u1", func(*accounts.User) error { return nil })
	})
	s.add("RehashPassword", func(ctx context.Context) error { return s.Users.RehashPassword(ctx, "u1", "hash", "new") })
	s.add("ChangePassword", func(ctx context.Context) error {
		_, err := s.Users.ChangePassword(ctx, "u1", "hash", "new", "s100")
		return err
	})
	s.add("ResetPassword", func(ctx context.Context) error { return s.Users.ResetPassword(ctx, "u1", "new", "") })
	s.add("PlanDeletion", func(ctx context.Context) error { _, err := s.Users.PlanDeletion(ctx, "u2000", false); return err })
	s.add("HastenDeletion", func(ctx context.Context) error { return s.Users.HastenDeletion(ctx, "u2001", false) })
	s.add("CancelDeletion", func(ctx context.Context) error { return s.Users.CancelDeletion(ctx, "u600") })
	s.add("DueDeletions", func(ctx context.Context) error { _, err := s.Users.DueDeletions(ctx, 10); return err })
	s.add("DeleteUser", func(ctx context.Context) error {
		return s.Users.DeleteUser(ctx, accounts.User{ID: "u600", DeleteAt: time.UnixMicro(1)})
	})
	s.add("SetDisabled", func(ctx context.Context) error { return s.Users.SetDisabled(ctx, "u1", true) })
}

// ofAll are calls of what concerns several rooms.
func (s *planned) ofAll() {
	s.add("EndAll", func(ctx context.Context) error {
		if err := s.prepare(ctx, "upstream_logins", "upstream_arrivals", "sessions", "session_clients", "grants", "interactions", "pushed_requests", "mailed", "browsers", "device_codes",
			"initial_access_tokens", "invitations", "consents"); err != nil {
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
	s.add("Sweep", sweep())
	s.add("Sweep", sweep(`UPDATE clients SET removed_at = 1
		WHERE id = 'c1'`, leave["grants"], leave["consents"], leave["interactions"], leave["device_codes"]))
}
