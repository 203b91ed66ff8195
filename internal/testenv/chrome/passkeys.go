package chrome

import (
	"github.com/chromedp/cdproto/webauthn"
)

// Authenticator keeps passkeys for a [Browser], and uses them without asking anybody.
type Authenticator struct {
	b  *Browser
	id webauthn.AuthenticatorID
}

// Authenticator gives the browser an authenticator of the device that verifies its person. Its
// passkeys are synced.
func (b *Browser) Authenticator() *Authenticator {
	b.t.Helper()
	Call(b, webauthn.Enable, webauthn.EnableParams{})
	added := Call(b, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: "ctap2", Ctap2version: "ctap2_1", Transport: "internal", HasResidentKey: true, HasUserVerification: true,
			IsUserVerified: true, AutomaticPresenceSimulation: true, DefaultBackupEligibility: true, DefaultBackupState: true,
		}})
	return &Authenticator{b, added.AuthenticatorID}
}

// Answer says whether the authenticator finds somebody there when it looks.
func (a *Authenticator) Answer(on bool) {
	a.b.t.Helper()
	Call(a.b, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: a.id, Enabled: on})
}

// Verify says whether the authenticator recognizes its person.
func (a *Authenticator) Verify(on bool) {
	a.b.t.Helper()
	Call(a.b, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: a.id, IsUserVerified: on})
}

// Count is how many passkeys the authenticator has.
func (a *Authenticator) Count() int {
	a.b.t.Helper()
	return len(Call(a.b, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id}).Credentials)
}

// Remove takes the authenticator from the browser, with its passkeys.
func (a *Authenticator) Remove() {
	a.b.t.Helper()
	Call(a.b, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: a.id})
}
