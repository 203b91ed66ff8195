package passkeys

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// BeginLogin returns the options by which a browser offers the passkeys that
// it has: the JSON form of CredentialRequestOptions.
func (p *Passkeys) BeginLogin(ctx context.Context, browser Browser) (options []byte, err error) {
	request, _, err := p.party.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, err
	}
	return p.begin(ctx, accounts.Ceremony{Browser: browser.Secret, Purpose: accounts.LogIn}, request.Response.Challenge, request)
}

// FinishLogin checks the answer of a browser to BeginLogin, an AuthenticationResponseJSON, and
// returns whose passkey it is. [*RefusedError]: the answer is none, or not to this browser's
// challenge, or of nobody with an open account.
func (p *Passkeys) FinishLogin(ctx context.Context, browser Browser, answer []byte) (accounts.User, accounts.Passkey, error) {
	parsed, err := p.answer(ctx, accounts.Ceremony{Browser: browser.Secret, Purpose: accounts.LogIn}, answer)
	if err != nil {
		return accounts.User{}, accounts.Passkey{}, err
	}
	whose, unknown, err := p.whose(ctx, parsed)
	if err != nil {
		return accounts.User{}, accounts.Passkey{}, err
	}
	_, used, err := p.party.ValidatePasskeyLogin(func(_, _ []byte) (webauthn.User, error) { return whose, nil }, webauthn.SessionData{
		Challenge: parsed.Response.CollectedClientData.Challenge, UserVerification: protocol.VerificationRequired,
	}, parsed)
	switch {
	case unknown:
		return accounts.User{}, accounts.Passkey{}, &RefusedError{Reason: "nobody has it", Unknown: parsed.ID}
	case err != nil:
		return accounts.User{}, accounts.Passkey{}, refused(err)
	case whose.user.Disabled:
		return accounts.User{}, accounts.Passkey{}, &RefusedError{Reason: "the account is disabled"}
	}
	passkey, err := p.use(ctx, browser, whose, used, parsed)
	return whose.user, passkey, err
}

// whose returns the person with the passkey of an answer. If nobody has it, it returns somebody who
// does not exist, with whom the check fails after the same work.
func (p *Passkeys) whose(ctx context.Context, answer *protocol.ParsedCredentialAssertionData) (whose *person, unknown bool, err error) {
	passkey, user, handle, err := p.store.Passkeys.PasskeyByCredential(ctx, answer.RawID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &person{handle: answer.Response.UserHandle,
			passkeys: []accounts.Passkey{{CredentialID: answer.RawID, PublicKey: nobodysKey}}}, true, nil
	case err != nil:
		return nil, false, err
	}
	return &person{handle, user, []accounts.Passkey{passkey}}, false, nil
}

// BeginConfirmation returns the options by which a browser asks for one of
// user's passkeys, as BeginLogin does. [store.ErrNotFound]: the person has none.
func (p *Passkeys) BeginConfirmation(ctx context.Context, browser Browser, user accounts.User) (options []byte, err error) {
	person, err := p.person(ctx, user)
	if err != nil {
		return nil, err
	}
	if len(person.passkeys) == 0 {
		return nil, store.ErrNotFound
	}
	request, _, err := p.party.BeginLogin(person, webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, err
	}
	return p.begin(ctx, accounts.Ceremony{Browser: browser.Secret, Purpose: accounts.Confirm, UserID: user.ID}, request.Response.Challenge,
		request)
}

// FinishConfirmation checks the answer of a browser to BeginConfirmation, and returns which passkey
// it was. [*RefusedError] is as of FinishLogin; another person's passkey is refused too.
func (p *Passkeys) FinishConfirmation(ctx context.Context, browser Browser, user accounts.User, answer []byte) (accounts.Passkey, error) {
	parsed, err := p.answer(ctx, accounts.Ceremony{Browser: browser.Secret, Purpose: accounts.Confirm, UserID: user.ID}, answer)
	if err != nil {
		return accounts.Passkey{}, err
	}
	person, err := p.person(ctx, user)
	if err != nil {
		return accounts.Passkey{}, err
	}
	used, err := p.party.ValidateLogin(person, webauthn.SessionData{
		Challenge: parsed.Response.CollectedClientData.Challenge, UserID: person.handle, UserVerification: protocol.VerificationRequired,
	}, parsed)
	if err != nil {
		return accounts.Passkey{}, refused(err)
	}
	return p.use(ctx, browser, person, used, parsed)
}

// answer reads an answer, and ends its ceremony.
func (p *Passkeys) answer(ctx context.Context, c accounts.Ceremony, answer []byte) (*protocol.ParsedCredentialAssertionData, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return nil, refused(err)
	}
	return parsed, p.spend(ctx, c, parsed.Response.CollectedClientData)
}

// use notes that a passkey was used whose signature is right. An authenticator that counts must
// count upwards (WebAuthn §6.1.1).
func (p *Passkeys) use(ctx context.Context, browser Browser, whose *person, used *webauthn.Credential,
	answer *protocol.ParsedCredentialAssertionData) (accounts.Passkey, error) {
	var passkey accounts.Passkey
	for _, one := range whose.passkeys {
		if bytes.Equal(one.CredentialID, answer.RawID) {
			passkey = one
		}
	}
	passkey.SignCount, passkey.BackedUp = answer.Response.AuthenticatorData.Counter, used.Flags.BackupState
	passkey.Browser = browser.device()
	err := p.store.Passkeys.UsePasskey(ctx, passkey)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return accounts.Passkey{}, &RefusedError{Reason: "it was removed just now", Unknown: answer.ID}
	case errors.Is(err, store.ErrStale):
		if err := p.store.Passkeys.NoteClone(ctx, passkey.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
			return accounts.Passkey{}, err
		}
		return accounts.Passkey{}, &RefusedError{Reason: "its counter went backwards", Cloned: &passkey}
	}
	return passkey, err
}

// nobodysKey is what a signature is checked by if nobody has the credential, for the sake of the
// time that it takes: a COSE_Key for ES256 (RFC 9053 §7.1.1), with the base point of P-256.
var nobodysKey = mustDecode("a5010203262001" +
	"2158206b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296" +
	"2258204fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")

func mustDecode(text string) []byte {
	raw, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return raw
}
