package passkeys_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/passkeys"
	"github.com/maru-auth/maru/authz-server/internal/passkeys/passkeytest"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

const (
	origin = "https://login.example"
	rp     = "login.example"
)

var browser = passkeys.Browser{Secret: "the browser", Device: "the device"}

// world is a store with passkeys for its person.
type world struct {
	*storetest.World
	*passkeys.Passkeys
}

func inWorld(t *testing.T, test func(t *testing.T, w world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, s *storetest.World) {
		at, err := issuer.Parse(origin)
		storetest.OK(t, err)
		p, err := passkeys.New(passkeys.Config{Store: s.Store, Issuer: at, Name: "Maru", Log: slog.New(slog.DiscardHandler)})
		storetest.OK(t, err)
		test(t, world{s, p})
	})
}

func authenticator(t *testing.T, algorithm int) *passkeytest.Authenticator {
	t.Helper()
	a, err := passkeytest.New(origin, rp, algorithm)
	storetest.OK(t, err)
	return a
}

// register makes the authenticator's passkey the person's.
func (w world) register(t *testing.T, a *passkeytest.Authenticator) accounts.Passkey {
	t.Helper()
	made, err := w.tryRegister(t, a)
	storetest.OK(t, err)
	made, err = w.Store.Passkeys.AddPasskey(t.Context(), made)
	storetest.OK(t, err)
	return made
}

func (w world) tryRegister(t *testing.T, a *passkeytest.Authenticator) (accounts.Passkey, error) {
	t.Helper()
	options, err := w.BeginRegistration(t.Context(), browser, w.Person)
	storetest.OK(t, err)
	answer, err := a.Register(options)
	storetest.OK(t, err)
	return w.FinishRegistration(t.Context(), browser, w.Person, answer)
}

// logIn answers new options.
func (w world) logIn(t *testing.T, a *passkeytest.Authenticator) (accounts.User, accounts.Passkey, error) {
	t.Helper()
	options, err := w.BeginLogin(t.Context(), browser)
	storetest.OK(t, err)
	answer, err := a.Assert(options)
	storetest.OK(t, err)
	return w.FinishLogin(t.Context(), browser, answer)
}

// wantRefused fails unless err is a refusal for a reason with this text.
func wantRefused(t *testing.T, what string, err error, reason string) {
	t.Helper()
	var refused *passkeys.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(refused.Reason, reason) {
		t.Errorf("%s: %v, not refused for %q", what, err, reason)
	}
}

func TestAPersonLogsInByAPasskeyAlone(t *testing.T) {
	inWorld(t, func(t *testing.T, w world) {
		for name, algorithm := range map[string]int{"ES256": passkeytest.ES256, "EdDSA": passkeytest.EdDSA, "RS256": passkeytest.RS256} {
			a := authenticator(t, algorithm)
			a.Flags |= passkeytest.BackupEligible
			w.register(t, a)
			a.Flags |= passkeytest.BackedUp
			user, used, err := w.logIn(t, a)
			if err != nil || user.ID != w.Person.ID || !bytes.Equal(used.CredentialID, a.Credential) || !used.BackedUp {
				t.Errorf("%s: %+v %+v %v", name, user, used, err)
			}
			if proof := passkeys.Proof(used); !slices.Equal(proof, proofs.SyncedPasskey) {
				t.Errorf("%s: %v", name, proof)
			}
		}
		all, err := w.Store.Passkeys.Passkeys(t.Context(), w.Person.ID)
		if err != nil || len(all) != 3 || !all[0].BackedUp || !all[0].BackupEligible || all[0].UsedAt.IsZero() ||
			!slices.Equal(all[0].Transports, []string{"internal"}) {
			t.Errorf("%+v %v", all, err)
		}
		device := authenticator(t, passkeytest.ES256)
		if made := w.register(t, device); !slices.Equal(passkeys.Proof(made), proofs.DevicePasskey) {
			t.Errorf("%v", passkeys.Proof(made))
		}
	})
}

func TestTheOptionsDemandAPasskey(t *testing.T) {
	inWorld(t, func(t *testing.T, w world) {
		a := authenticator(t, passkeytest.ES256)
		w.register(t, a)
		raw, err := w.BeginRegistration(t.Context(), browser, w.Person)
		storetest.OK(t, err)
		var o struct {
			PublicKey struct {
				RP   struct{ ID, Name string }
				User struct {
					ID, Name, DisplayName string
				}
				Challenge              string
				Timeout                int
				Attestation            string
				PubKeyCredParams       []struct{ Alg int }
				ExcludeCredentials     []struct{ ID string }
				AuthenticatorSelection struct {
					ResidentKey, UserVerification string
					RequireResidentKey            bool
				}
			}
		}
		storetest.OK(t, json.Unmarshal(raw, &o))
		k := o.PublicKey
		if k.RP.ID != rp || k.RP.Name != "Maru" || k.AuthenticatorSelection.ResidentKey != "required" || !k.AuthenticatorSelection.RequireResidentKey ||
			k.AuthenticatorSelection.UserVerification != "required" || k.Timeout != 300_000 || len(k.ExcludeCredentials) != 1 || k.User.Name != w.Person.Email || len(k.User.ID) != 86 || len(k.PubKeyCredParams) != 3 {
			t.Errorf("%s", raw)
		}
		if strings.Contains(string(raw), w.Person.ID) {
			t.Errorf("the options have the person's id: %s", raw)
		}
		if raw, err = w.BeginLogin(t.Context(), browser); err != nil || !strings.Contains(string(raw), `"userVerification":"required"`) ||
			strings.Contains(string(raw), "allowCredentials") {
			t.Errorf("%s %v", raw, err)
		}
	})
}

func TestAnAnswerThatLiesIsRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w world) {
		for what, one := range map[string]struct {
			lie    func(a *passkeytest.Authenticator)
			reason string
		}{
			"another site's page":           {func(a *passkeytest.Authenticator) { a.Origin = "https://login.example.evil.example" }, "another origin"},
			"a page of a subdomain":         {func(a *passkeytest.Authenticator) { a.Origin = "https://app.login.example" }, "another origin"},
			"another port":                  {func(a *passkeytest.Authenticator) { a.Origin = "https://login.example:8443" }, "another origin"},
			"plain http":                    {func(a *passkeytest.Authenticator) { a.Origin = "http://login.example" }, "another origin"},
			"another spelling":              {func(a *passkeytest.Authenticator) { a.Origin = "HTTPS://LOGIN.example" }, "another origin"},
			"in another site's frame":       {func(a *passkeytest.Authenticator) { a.Cross = true }, "cross origin"},
			"a key for another site":        {func(a *passkeytest.Authenticator) { a.RP = "evil.example" }, "authenticator response"},
			"nobody verified the person":    {func(a *passkeytest.Authenticator) { a.Flags &^= passkeytest.UserVerified }, "authenticator response"},
			"nobody was there":              {func(a *passkeytest.Authenticator) { a.Flags &^= passkeytest.UserPresent }, "authenticator response"},
			"an answer to something else":   {func(a *passkeytest.Authenticator) { a.Type = "payment.get" }, "ceremony type"},
			"synced and bound to a device":  {func(a *passkeytest.Authenticator) { a.Flags |= passkeytest.BackedUp }, ""},
			"the flag that must not change": {func(a *passkeytest.Authenticator) { a.Flags |= passkeytest.BackupEligible }, "Backup Eligible"},
			"for somebody else":             {func(a *passkeytest.Authenticator) { a.Handle = []byte("somebody else") }, "User ID"},
		} {
			a := authenticator(t, passkeytest.ES256)
			if what != "the flag that must not change" && what != "for somebody else" { // which a new one may choose
				liar := authenticator(t, passkeytest.ES256)
				one.lie(liar)
				_, err := w.tryRegister(t, liar)
				wantRefused(t, "registration: "+what, err, "")
			}
			w.register(t, a)
			one.lie(a)
			_, _, err := w.logIn(t, a)
			wantRefused(t, what, err, one.reason)
		}
		stranger := authenticator(t, passkeytest.ES384)
		_, err := w.tryRegister(t, stranger)
		wantRefused(t, "an algorithm that was not offered", err, "")
		for _, answer := range []string{"", "{}", "null", "[]", `{"id":"AA","rawId":"AA","type":"public-key","response":{}}`} {
			_, _, err := w.FinishLogin(t.Context(), browser, []byte(answer))
			wantRefused(t, answer, err, "")
			_, err = w.FinishRegistration(t.Context(), browser, w.Person, []byte(answer))
			wantRefused(t, answer, err, "")
			_, err = w.FinishConfirmation(t.Context(), browser, w.Person, []byte(answer))
			wantRefused(t, answer, err, "")
		}
	})
}

func TestAnAnswerCountsOnceAndInItsBrowserAlone(t *testing.T) {
	inWorld(t, func(t *testing.T, w world) {
		a := authenticator(t, passkeytest.ES256)
		w.register(t, a)
		options, err := w.BeginLogin(t.Context(), browser)
		storetest.OK(t, err)
		answer, err := a.Assert(options)
		storetest.OK(t, err)
		_, _, err = w.FinishLogin(t.Context(), passkeys.Browser{Secret: "another browser"}, answer)
		wantRefused(t, "another browser's challenge", err, "challenge")
		_, err = w.FinishConfirmation(t.Context(), browser, w.Person, answer)
		wantRefused(t, "a log-in's answer as a confirmation", err, "challenge")
		won := storetest.Winners(t, func(ctx context.Context, _ int) (bool, error) {
			_, _, err := w.FinishLogin(ctx, browser, answer)
			var refused *passkeys.RefusedError
			if errors.As(err, &refused) {
				return false, nil
			}
			return err == nil, err
		})
		if won != 1 {
			t.Errorf("one answer logged in %d times", won)
		}
		options, err = w.BeginLogin(t.Context(), browser)
		storetest.OK(t, err)
		answer, err = a.Assert(options)
		storetest.OK(t, err)
		w.Now = w.Now.Add(accounts.CeremonyLifetime)
		_, _, err = w.FinishLogin(t.Context(), browser, answer)
		wantRefused(t, "too late", err, "challenge")
	})
}

func TestACopyOfAKeyIsFoundOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w world) {
		a := authenticator(t, passkeytest.ES256)
		a.Counts = true
		w.register(t, a)
		thief := a.Copy()
		for range 2 {
			if _, _, err := w.logIn(t, a); err != nil {
				t.Fatal(err)
			}
		}
		_, _, err := w.logIn(t, thief)
		var refused *passkeys.RefusedError
		if !errors.As(err, &refused) || refused.Cloned == nil || refused.Cloned.UserID != w.Person.ID {
			t.Errorf("a copy logs in: %v", err)
		}
		all, err := w.Store.Passkeys.Passkeys(t.Context(), w.Person.ID)
		if err != nil || all[0].ClonedAt.IsZero() || all[0].SignCount != 2 {
			t.Errorf("%+v %v", all, err)
		}
	})
}

func TestAConfirmationTakesThePersonsOwnPasskeysAlone(t *testing.T) {
	inWorld(t, func(t *testing.T, w world) {
		if _, err := w.BeginConfirmation(t.Context(), browser, w.Person); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("without a passkey: %v", err)
		}
		mine := authenticator(t, passkeytest.ES256)
		w.register(t, mine)
		other := w
		other.World = &storetest.World{Store: w.Store}
		var err error
		other.Person, err = w.Users.CreateUser(t.Context(), accounts.User{Email: "b@example.com"})
		storetest.OK(t, err)
		theirs := authenticator(t, passkeytest.ES256)
		other.register(t, theirs)
		confirm := func(a *passkeytest.Authenticator) error {
			options, err := w.BeginConfirmation(t.Context(), browser, w.Person)
			storetest.OK(t, err)
			answer, err := a.Assert(options)
			storetest.OK(t, err)
			_, err = w.FinishConfirmation(t.Context(), browser, w.Person, answer)
			return err
		}
		storetest.OK(t, confirm(mine))
		wantRefused(t, "somebody else's", confirm(theirs), "")
		theirs.Handle = mine.Handle
		wantRefused(t, "somebody else's, who says they are the person", confirm(theirs), "")
	})
}

func TestAPasskeyOfNobodyIsRefusedAndCanBeForgotten(t *testing.T) {
	inWorld(t, func(t *testing.T, w world) {
		a := authenticator(t, passkeytest.ES256)
		made := w.register(t, a)
		_, err := w.Store.Passkeys.RemovePasskey(t.Context(), w.Person.ID, made.ID)
		storetest.OK(t, err)
		_, _, err = w.logIn(t, a)
		var refused *passkeys.RefusedError
		if !errors.As(err, &refused) || refused.Unknown != base64.RawURLEncoding.EncodeToString(a.Credential) {
			t.Errorf("%v", err)
		}
		b := authenticator(t, passkeytest.ES256)
		w.register(t, b)
		storetest.OK(t, w.Users.SetDisabled(t.Context(), w.Person.ID, true))
		_, _, err = w.logIn(t, b)
		if !errors.As(err, &refused) || refused.Unknown != "" {
			t.Errorf("a disabled account: %v", err)
		}
	})
}

func TestPasskeysNeedAnIssuerThatBrowsersAllow(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"https://login.example": "login.example", "https://login.example:8443/id": "login.example", "http://localhost:9000": "localhost",
		"http://maru.localhost:9000": "maru.localhost",
		"http://127.0.0.1:9000":      "", "https://192.0.2.1": "", "https://[::1]:9000": "", "http://login.example": "",
	} {
		at, err := issuer.Parse(id)
		storetest.OK(t, err)
		var log bytes.Buffer
		p, err := passkeys.New(passkeys.Config{Issuer: at, Name: "Maru", Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil || p.RelyingParty() != want || p.On() != (want != "") {
			t.Errorf("%s: %q %v", id, p.RelyingParty(), err)
		}
		if said := strings.Contains(log.String(), "passkeys are off"); said == p.On() {
			t.Errorf("%s: the log says %q", id, log.String())
		}
	}
}

// Whether somebody has a passkey, the time of the answer must not tell.
func TestAnUnknownPasskeyIsLookedForLikeAWrongOne(t *testing.T) {
	inWorld(t, func(t *testing.T, w world) {
		a, thief := authenticator(t, passkeytest.ES256), authenticator(t, passkeytest.ES256)
		w.register(t, a)
		thief.Credential, thief.Handle = a.Credential, a.Handle
		nobody := authenticator(t, passkeytest.ES256)
		nobody.Handle = a.Handle
		asked := func(a *passkeytest.Authenticator) []string {
			options, err := w.BeginLogin(t.Context(), browser)
			storetest.OK(t, err)
			answer, err := a.Assert(options)
			storetest.OK(t, err)
			return storetest.Statements(t.Context(), func(ctx context.Context) {
				_, _, err = w.FinishLogin(ctx, browser, answer)
				wantRefused(t, "no right answer", err, "")
			})
		}
		if wrong, unknown := asked(thief), asked(nobody); !slices.Equal(wrong, unknown) || len(wrong) == 0 {
			t.Errorf("a wrong signature: %q, an unknown passkey: %q", wrong, unknown)
		}
	})
}
