package passkeys

import (
	"context"
	"crypto/sha512"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// BeginRegistration returns the options by which a browser makes a passkey of
// user: the JSON form of CredentialCreationOptions. [accounts.ErrTooMany]: the person can have no
// more.
func (p *Passkeys) BeginRegistration(ctx context.Context, browser Browser, user accounts.User) (options []byte, err error) {
	person, err := p.person(ctx, user)
	if err != nil {
		return nil, err
	}
	if len(person.passkeys) >= accounts.MaxPasskeys {
		return nil, accounts.ErrTooMany
	}
	creation, _, err := p.party.BeginRegistration(person,
		webauthn.WithExclusions(webauthn.Credentials(person.WebAuthnCredentials()).CredentialDescriptors()),
		webauthn.WithCredentialParameters(algorithms()))
	if err != nil {
		return nil, err
	}
	return p.begin(ctx, accounts.Ceremony{Browser: browser.Secret, Purpose: accounts.Register, UserID: user.ID},
		creation.Response.Challenge, creation)
}

// BeginSignup is BeginRegistration for somebody who has no account yet: user has the name and the
// address that they typed. The handle that the authenticator keeps is derived from the challenge,
// so that nothing about them is stored.
func (p *Passkeys) BeginSignup(ctx context.Context, browser Browser, user accounts.User) (options []byte, err error) {
	creation, _, err := p.party.BeginRegistration(&person{handle: []byte("derived"), user: user},
		webauthn.WithCredentialParameters(algorithms()),
		func(o *protocol.PublicKeyCredentialCreationOptions) error {
			o.User.ID = protocol.URLEncodedBase64(signupHandle(o.Challenge.String()))
			return nil
		})
	if err != nil {
		return nil, err
	}
	return p.begin(ctx, accounts.Ceremony{Browser: browser.Secret, Purpose: accounts.Register}, creation.Response.Challenge, creation)
}

// signupHandle is the handle of somebody who signs up by the answer to a challenge: 64 bytes that
// nobody could choose.
func signupHandle(challenge string) []byte {
	sum := sha512.Sum512([]byte("user handle " + challenge))
	return sum[:]
}

// FinishSignup is FinishRegistration after BeginSignup. Store handle with the passkey, by
// [accounts.Passkeys.SetUserHandle].
func (p *Passkeys) FinishSignup(ctx context.Context, browser Browser, answer []byte) (made accounts.Passkey, handle []byte, err error) {
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return accounts.Passkey{}, nil, refused(err)
	}
	handle = signupHandle(parsed.Response.CollectedClientData.Challenge)
	made, err = p.made(ctx, browser, &person{handle: handle}, parsed)
	return made, handle, err
}

// maxCredentialID is how long a credential id may be, in bytes (WebAuthn §7.1, step 25).
const maxCredentialID = 1023

// FinishRegistration checks the answer of a browser to BeginRegistration: a
// RegistrationResponseJSON. It returns the passkey without a name; store it by
// [accounts.Passkeys.AddPasskey]. [*RefusedError]: the answer is none, or not to this browser's
// challenge.
func (p *Passkeys) FinishRegistration(ctx context.Context, browser Browser, user accounts.User, answer []byte) (accounts.Passkey, error) {
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return accounts.Passkey{}, refused(err)
	}
	person, err := p.person(ctx, user)
	if err != nil {
		return accounts.Passkey{}, err
	}
	return p.made(ctx, browser, person, parsed)
}

// made ends a registration, and checks what was made. whose has no id if they have no account yet.
func (p *Passkeys) made(ctx context.Context, browser Browser, whose *person,
	parsed *protocol.ParsedCredentialCreationData) (accounts.Passkey, error) {
	client := parsed.Response.CollectedClientData
	c := accounts.Ceremony{Browser: browser.Secret, Purpose: accounts.Register, UserID: whose.user.ID}
	if err := p.spend(ctx, c, client); err != nil {
		return accounts.Passkey{}, err
	}
	made, err := p.party.CreateCredential(whose, webauthn.SessionData{
		Challenge: client.Challenge, UserID: whose.handle, UserVerification: protocol.VerificationRequired, CredParams: algorithms(),
	}, parsed)
	if err != nil {
		return accounts.Passkey{}, refused(err)
	}
	if len(made.ID) > maxCredentialID {
		return accounts.Passkey{}, &RefusedError{Reason: "the credential's id is too long"}
	}
	passkey := accounts.Passkey{
		UserID: whose.user.ID, CredentialID: made.ID, PublicKey: made.PublicKey, AAGUID: model(made.Authenticator.AAGUID),
		Format: made.AttestationFormat, SignCount: made.Authenticator.SignCount,
		BackupEligible: made.Flags.BackupEligible, BackedUp: made.Flags.BackupState, Browser: browser.device(),
	}
	for _, transport := range made.Transport {
		if known[transport] {
			passkey.Transports = append(passkey.Transports, string(transport))
		}
	}
	return passkey, nil
}

// known are the ways to reach an authenticator (WebAuthn §5.8.4). What else a browser says is not
// kept.
var known = map[protocol.AuthenticatorTransport]bool{
	protocol.USB: true, protocol.NFC: true, protocol.BLE: true, protocol.SmartCard: true, protocol.Hybrid: true, protocol.Internal: true,
}

// model is an AAGUID as text, or empty if it says nothing.
func model(aaguid []byte) string {
	id, err := uuid.FromBytes(aaguid)
	if err != nil || id == uuid.Nil {
		return ""
	}
	return id.String()
}

// providers are the names of those that keep most passkeys, by AAGUID
// (https://github.com/passkeydeveloper/passkey-authenticator-aaguids).
var providers = map[string]string{
	"fbfc3007-154e-4ecc-8c0b-6e020557d7bd": "Apple Passwords",
	"dd4ec289-e01d-41c9-bb89-70fa845d4bf2": "iCloud Keychain",
	"ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4": "Google Password Manager",
	"adce0002-35bc-c60a-648b-0b25f1f05503": "Chrome on Mac",
	"771b48fd-d3d4-4f74-9232-fc157ab0507a": "Edge on Mac",
	"08987058-cadc-4b81-b6e1-30de50dcbe96": "Windows Hello",
	"9ddd1817-af5a-4672-a2b9-3e3dd95000a9": "Windows Hello",
	"6028b017-b1d4-4c02-b4b3-afcdafc96bb2": "Windows Hello",
	"53414d53-554e-4700-0000-000000000000": "Samsung Pass",
	"bada5566-a7aa-401f-bd96-45619a55120d": "1Password",
	"d548826e-79b4-db40-a3d8-11116f7e8349": "Bitwarden",
	"531126d6-e717-415c-9320-3d9aa6981239": "Dashlane",
	"b84e4048-15dc-4dd0-8640-f4f60813c8af": "NordPass",
	"0ea242b4-43c4-4a1b-8b17-dd6d0b6baec6": "Keeper",
	"f3809540-7f14-49c1-a8b3-8f813b225541": "Enpass",
	"50726f74-6f6e-5061-7373-50726f746f6e": "Proton Pass",
	"fdb141b2-5d84-443e-8a35-4698c205a502": "KeePassXC",
}

// Provider is what people know the keeper of p by, such as "Bitwarden"; empty: unknown. The
// authenticator says it of itself, without proof.
func Provider(p accounts.Passkey) string { return providers[p.AAGUID] }
