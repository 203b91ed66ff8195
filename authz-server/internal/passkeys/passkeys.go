// Package passkeys makes and checks passkeys: credentials of WebAuthn that the browser offers by
// itself and that verify their person (https://www.w3.org/TR/webauthn-3/). It knows no pages; the
// rooms that have them ask it for the options of a ceremony and give it the browser's answer.
//
// A ceremony begins with a challenge that is stored as a hash, bound to the browser, the purpose
// and the person, and that can be answered once within [accounts.CeremonyLifetime].
package passkeys

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// Config is what [New] needs. All but Log must be set.
type Config struct {
	Store  *store.Store
	Issuer issuer.URL
	Name   string       // of the product, as browsers show it
	Log    *slog.Logger // nil: slog.Default()
}

// Passkeys makes and checks passkeys for one issuer. It is safe for concurrent use.
type Passkeys struct {
	store  *store.Store
	party  *webauthn.WebAuthn // nil: passkeys are off
	origin string
}

// New makes Passkeys. Where browsers allow no passkeys for the issuer they are off, which the log
// says once: its host must be a name, on https or on this machine (WebAuthn §5.1.2, §13.1).
func New(cfg Config) (*Passkeys, error) {
	p := &Passkeys{store: cfg.Store, origin: cfg.Issuer.Origin()}
	host, why := relyingParty(cfg.Issuer)
	if why != "" {
		cmp.Or(cfg.Log, slog.Default()).Info("passkeys are off: "+why, "issuer", cfg.Issuer.String())
		return p, nil
	}
	timeout := webauthn.TimeoutConfig{Timeout: accounts.CeremonyLifetime, TimeoutUVD: accounts.CeremonyLifetime}
	var err error
	p.party, err = webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: cfg.Name, RPOrigins: []string{p.origin},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			RequireResidentKey: protocol.ResidentKeyRequired(), ResidentKey: protocol.ResidentKeyRequirementRequired,
			UserVerification: protocol.VerificationRequired,
		},
		Timeouts: webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
		// Password managers that stand in for the browser answer extensions that nobody asked for.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, fmt.Errorf("passkeys for %s: %w", p.origin, err)
	}
	return p, nil
}

// relyingParty returns the issuer's host, or why there can be no passkeys for it.
func relyingParty(at issuer.URL) (host, why string) {
	u, err := url.Parse(at.Origin())
	if err != nil {
		return "", "the issuer is no address"
	}
	host = u.Hostname()
	switch {
	case net.ParseIP(host) != nil:
		return "", "the issuer's host is an address and not a name, such as localhost"
	case !at.Secure() && host != "localhost" && !strings.HasSuffix(host, ".localhost"):
		return "", "the issuer is on plain http"
	case protocol.ValidateRPID(host) != nil:
		return "", "the issuer's host is no domain"
	}
	return host, ""
}

// Browser is the one that takes part in a ceremony.
type Browser struct {
	Secret string // by which it is told from others, as long as a ceremony lasts
	Device string // by which it is known for longer; empty: it is not
}

// device is what is stored of the browser that used a passkey.
func (b Browser) device() []byte {
	if b.Device == "" {
		return nil
	}
	return opaque.Hash(b.Device)
}

// On tells whether there are passkeys. Nothing else may be called if not.
func (p *Passkeys) On() bool { return p.party != nil }

// RelyingParty is the RP ID, by which browsers know whose passkeys they keep; empty: none.
func (p *Passkeys) RelyingParty() string {
	if !p.On() {
		return ""
	}
	return p.party.Config.RPID
}

// A RefusedError says why an answer of an authenticator is refused. Its text is for the log and has
// nothing in it that the sender chose.
type RefusedError struct {
	Reason  string
	Unknown string            // the id of the credential, in base64url, if nobody has it: browsers can forget it
	Cloned  *accounts.Passkey // whose counter went backwards: somebody else has its key
}

func (e *RefusedError) Error() string { return "the passkey is refused: " + e.Reason }

// refused makes the error of what the library says. It keeps the kind of mistake alone: the rest
// repeats what was sent.
func refused(err error) error {
	var detailed *protocol.Error
	if errors.As(err, &detailed) {
		return &RefusedError{Reason: detailed.Details}
	}
	return &RefusedError{Reason: "it is not well formed"}
}

// Proof is what somebody has proved who used p.
func Proof(p accounts.Passkey) proofs.Proof {
	if p.BackupEligible {
		return proofs.SyncedPasskey
	}
	return proofs.DevicePasskey
}

// algorithms are what a passkey can sign by, the preferred first.
func algorithms() (list []protocol.CredentialParameter) {
	for _, alg := range []webauthncose.COSEAlgorithmIdentifier{webauthncose.AlgES256, webauthncose.AlgEdDSA, webauthncose.AlgRS256} {
		list = append(list, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: alg})
	}
	return list
}

// person is somebody as the library sees them.
type person struct {
	handle   []byte
	user     accounts.User
	passkeys []accounts.Passkey
}

var _ webauthn.User = (*person)(nil)

func (p *person) WebAuthnID() []byte          { return p.handle }
func (p *person) WebAuthnName() string        { return p.user.Email }
func (p *person) WebAuthnDisplayName() string { return p.user.Name }

func (p *person) WebAuthnCredentials() (all []webauthn.Credential) {
	for _, one := range p.passkeys {
		c := webauthn.Credential{ID: one.CredentialID, PublicKey: one.PublicKey, AttestationFormat: one.Format,
			Flags: webauthn.CredentialFlags{UserPresent: true, UserVerified: true, BackupEligible: one.BackupEligible,
				BackupState: one.BackedUp},
			Authenticator: webauthn.Authenticator{SignCount: one.SignCount}}
		for _, transport := range one.Transports {
			c.Transport = append(c.Transport, protocol.AuthenticatorTransport(transport))
		}
		all = append(all, c)
	}
	return all
}

func (p *Passkeys) person(ctx context.Context, user accounts.User) (*person, error) {
	handle, err := p.store.Passkeys.UserHandle(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	all, err := p.store.Passkeys.Passkeys(ctx, user.ID)
	return &person{handle, user, all}, err
}

// begin stores the challenge of options, and returns them as the browser's API takes them, in JSON.
func (p *Passkeys) begin(ctx context.Context, c accounts.Ceremony, challenge protocol.URLEncodedBase64, options any) ([]byte, error) {
	c.Challenge = challenge.String()
	if err := p.store.Passkeys.BeginCeremony(ctx, c); err != nil {
		return nil, err
	}
	return json.Marshal(options)
}

// spend ends the ceremony that an answer belongs to.
func (p *Passkeys) spend(ctx context.Context, c accounts.Ceremony, answer protocol.CollectedClientData) error {
	c.Challenge = answer.Challenge
	err := p.store.Passkeys.SpendCeremony(ctx, c)
	if errors.Is(err, store.ErrNotFound) {
		return &RefusedError{Reason: "its challenge was not given to this browser for this, or is answered or expired"}
	}
	if err == nil && answer.Origin != p.browserOrigin() { // the library would take another spelling
		return &RefusedError{Reason: "it was made for another origin"}
	}
	return err
}

// browserOrigin is the issuer's origin as browsers write it: without a port that is the usual one.
func (p *Passkeys) browserOrigin() string {
	if host, ok := strings.CutSuffix(p.origin, ":443"); ok && strings.HasPrefix(p.origin, "https:") {
		return host
	}
	if host, ok := strings.CutSuffix(p.origin, ":80"); ok && strings.HasPrefix(p.origin, "http:") {
		return host
	}
	return p.origin
}
