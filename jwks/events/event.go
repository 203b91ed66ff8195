package events

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// The types of events that have a [Payload].
const (
	TypeSessionRevoked    = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
	TypeTokenClaimsChange = "https://schemas.openid.net/secevent/caep/event-type/token-claims-change"
	TypeCredentialChange  = "https://schemas.openid.net/secevent/caep/event-type/credential-change"
	TypeAccountDisabled   = "https://schemas.openid.net/secevent/risc/event-type/account-disabled"
	TypeAccountEnabled    = "https://schemas.openid.net/secevent/risc/event-type/account-enabled"
	TypeAccountPurged     = "https://schemas.openid.net/secevent/risc/event-type/account-purged"
	TypeIdentifierChanged = "https://schemas.openid.net/secevent/risc/event-type/identifier-changed"
	TypeVerification      = "https://schemas.openid.net/secevent/ssf/event-type/verification"
	TypeStreamUpdated     = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated"
)

// An Event is what a good Security Event Token tells.
type Event struct {
	ID          string // jti: the same whenever the transmitter repeats the event
	Type        string // the URI that names it; see [Event.Name]
	Issuer      string // iss
	Transaction string // txn: what events with one cause have in common; empty: not said
	IssuedAt    time.Time
	// OccurredAt is when it happened: the event's event_timestamp, else toe, else
	// iat. Events of one subject come in their order, but one that was
	// repeated may come late: act on the newest.
	OccurredAt time.Time
	Subject    Subject

	// Payload is what the event says, by its type; nil if the type is not one
	// of this package. Acknowledge such an event and ignore it, or read Raw.
	Payload Payload
	Raw     json.RawMessage // the payload as JSON: an object
}

// Name is the last part of the Type if the event has a Payload, such as
// "account-purged", and otherwise "other": one of a few, for metrics.
func (e Event) Name() string {
	if e.Payload == nil {
		return "other"
	}
	return e.Type[strings.LastIndexByte(e.Type, '/')+1:]
}

// A Payload is what an event of a known type says: one of *SessionRevoked,
// *TokenClaimsChange, *CredentialChange, *AccountDisabled, *AccountEnabled,
// *AccountPurged, *IdentifierChanged, *Verification and *StreamUpdated.
type Payload interface{ payload() }

// A Cause is what the events of CAEP may say of why they happened (CAEP §2).
type Cause struct {
	InitiatingEntity string            `json:"initiating_entity"` // admin, user, policy or system; empty: not said
	ReasonAdmin      map[string]string `json:"reason_admin"`      // by language; for the log
	ReasonUser       map[string]string `json:"reason_user"`       // by language; may be shown to the person
}

func (c *Cause) cause() *Cause { return c }

// SessionRevoked: a session has ended (CAEP §3.1). The subject says which one,
// or that it is all of a person.
type SessionRevoked struct {
	Cause `json:"-"`
}

// TokenClaimsChange: claims of tokens that were issued are no longer true
// (CAEP §3.2).
type TokenClaimsChange struct {
	Cause  `json:"-"`
	Claims map[string]json.RawMessage `json:"claims"` // the new values; at least one
}

// CredentialChange: a password, passkey or the like was made, changed or
// removed (CAEP §3.3).
type CredentialChange struct {
	Cause          `json:"-"`
	CredentialType string `json:"credential_type"` // "password", "fido2-platform", …
	ChangeType     string `json:"change_type"`     // create, revoke, update or delete
	FriendlyName   string `json:"friendly_name"`
}

// AccountDisabled: nobody can log in to the account (RISC §2.3).
type AccountDisabled struct {
	Reason string `json:"reason"` // "hijacking" or "bulk-account"; empty: not said
}

// AccountEnabled: people can log in to the account again (RISC §2.4).
type AccountEnabled struct{}

// AccountPurged: the account was deleted for good (RISC §2.2).
type AccountPurged struct {
	// Content is what the person wants to become of what they wrote: "keep" or
	// "delete". It is a member of Maru's own; empty: not said.
	Content string `json:"content"`
}

// IdentifierChanged: the address or number by which the subject names the
// person is another now (RISC §2.5).
type IdentifierChanged struct {
	NewValue string `json:"new-value"` // empty: not said
}

// Verification is a test of the stream, which the receiver may have asked for
// (SSF §8.1.4).
type Verification struct {
	State string `json:"state"` // what the receiver asked with; empty: nothing
}

// StreamUpdated: the transmitter has paused, ended or resumed the stream (SSF
// §8.1.5).
type StreamUpdated struct {
	Status string `json:"status"` // enabled, paused or disabled
	Reason string `json:"reason"`
}

func (*SessionRevoked) payload()    {}
func (*TokenClaimsChange) payload() {}
func (*CredentialChange) payload()  {}
func (*AccountDisabled) payload()   {}
func (*AccountEnabled) payload()    {}
func (*AccountPurged) payload()     {}
func (*IdentifierChanged) payload() {}
func (*Verification) payload()      {}
func (*StreamUpdated) payload()     {}

var (
	errClaims     = errors.New("claims must have the new values")
	errCredential = errors.New("credential_type and change_type are required")
	errStatus     = errors.New("status must be enabled, paused or disabled")
	errContent    = errors.New("content must be keep or delete")
)

// payloads has how to read the payload of each type, with what its definition
// requires.
var payloads = map[string]func(json.RawMessage) (Payload, error){
	TypeSessionRevoked: read(func(*SessionRevoked) error { return nil }),
	TypeTokenClaimsChange: read(func(p *TokenClaimsChange) error {
		if len(p.Claims) == 0 {
			return errClaims
		}
		return nil
	}),
	TypeCredentialChange: read(func(p *CredentialChange) error {
		if p.CredentialType == "" || p.ChangeType == "" {
			return errCredential
		}
		return nil
	}),
	TypeAccountDisabled:   read(func(*AccountDisabled) error { return nil }),
	TypeAccountEnabled:    read(func(*AccountEnabled) error { return nil }),
	TypeAccountPurged:     read(checkPurge),
	TypeIdentifierChanged: read(func(*IdentifierChanged) error { return nil }),
	TypeVerification:      read(func(*Verification) error { return nil }),
	TypeStreamUpdated:     read(checkStream),
}

func checkPurge(p *AccountPurged) error {
	switch p.Content {
	case "", "keep", "delete":
		return nil
	}
	return errContent
}

func checkStream(p *StreamUpdated) error {
	switch p.Status {
	case "enabled", "paused", "disabled":
		return nil
	}
	return errStatus
}

// payloadOf is a pointer to T that is a Payload.
type payloadOf[T any] interface {
	*T
	Payload
}

func read[T any, P payloadOf[T]](check func(P) error) func(json.RawMessage) (Payload, error) {
	return func(raw json.RawMessage) (Payload, error) {
		p := P(new(T))
		if err := unmarshal(raw, p); err != nil {
			return nil, err
		}
		if c, ok := any(p).(interface{ cause() *Cause }); ok {
			if err := unmarshal(raw, c.cause()); err != nil {
				return nil, err
			}
		}
		return p, check(p)
	}
}
