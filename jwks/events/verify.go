package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jose"
)

// Defaults of VerifierConfig.
const (
	DefaultMaxAge   = 31 * 24 * time.Hour
	DefaultMaxBytes = 64 << 10
)

// typeSET is the type of a Security Event Token (RFC 8417 §2.3).
const typeSET = "secevent+jwt"

// Errors of [Verifier.Verify] besides those of package jwks.
var (
	// ErrTooOld: issued longer ago than VerifierConfig.MaxAge.
	ErrTooOld = errors.New("events: the token is too old")
	// ErrEvent: the event itself is missing, or not as its definition wants it.
	ErrEvent = errors.New("events: malformed event")
)

// VerifierConfig says which Security Event Tokens a [Verifier] accepts.
type VerifierConfig struct {
	// Issuer is the only issuer accepted, that of the transmitter's
	// configuration; compared character by character. Required.
	Issuer string
	// Audience is what the transmitter calls this service: the aud of the event
	// stream. Required.
	Audience string
	// Keys are the issuer's keys: a *jwks.StatusLists, which leaves out those that
	// the issuer withdrew as compromised, or else a *jwks.Cache. Required.
	Keys jwks.KeySource

	// Algorithms that a token may be signed with. Nil: RS256 only, which every
	// transmitter has (CAEP Interoperability Profile 1.0). See jwks.VerifierConfig.
	Algorithms []string
	// MaxAge is how long after its iat a token is accepted. A transmitter must
	// be able to tell you of what happened while you were down, and you must
	// remember the ids of events for as long. Zero: 31 days.
	MaxAge time.Duration
	// Leeway is how far the clocks of transmitter and receiver may differ. Zero:
	// jwks.DefaultLeeway. Negative: none.
	Leeway time.Duration
	// MaxBytes is the longest token looked at. Zero: 64 KiB.
	MaxBytes int
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// A Verifier decides whether Security Event Tokens are good, and parses them.
// It is immutable, and many goroutines may use it at once.
type Verifier struct {
	cfg VerifierConfig // with defaults
}

// NewVerifier returns a Verifier, or an error that says what is wrong with the
// configuration.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	switch {
	case cfg.Issuer == "":
		return nil, errors.New("events: VerifierConfig needs an Issuer")
	case cfg.Audience == "":
		return nil, errors.New("events: VerifierConfig needs an Audience")
	case cfg.Keys == nil:
		return nil, errors.New("events: VerifierConfig needs Keys")
	case cfg.MaxAge < 0, cfg.MaxBytes < 0:
		return nil, errors.New("events: MaxAge and MaxBytes must not be negative")
	}
	if err := jose.CheckAlgorithms(cfg.Algorithms); err != nil {
		return nil, err
	}
	cfg.Algorithms = slices.Clone(cfg.Algorithms)
	if len(cfg.Algorithms) == 0 {
		cfg.Algorithms = []string{"RS256"}
	}
	cfg.MaxAge = cmp.Or(cfg.MaxAge, DefaultMaxAge)
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, DefaultMaxBytes)
	cfg.Leeway = max(cmp.Or(cfg.Leeway, jwks.DefaultLeeway), 0)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Verifier{cfg}, nil
}

// Remember says until when the ids of events must be remembered that are
// received now: any token that is accepted now is refused from then on.
func (v *Verifier) Remember() time.Time {
	return v.cfg.Now().Add(v.cfg.MaxAge + v.cfg.Leeway)
}

// Verify returns the event of a token if the token is good, and otherwise an
// error that wraps one of package jwks, [ErrTooOld] or [ErrEvent]. First comes
// what is cheap and needs no key, then the signature, and only then is anything
// of the event believed. An access token, an ID token or any other JWT is not
// taken for an event: it lacks the type, and has the claims sub and exp, which
// an event must not have.
//
// Verify does not use the network, but with a [jwks.Cache] it may wait up to a
// second for a key that is not held, and less if ctx ends.
func (v *Verifier) Verify(ctx context.Context, token string) (Event, error) {
	if len(token) > v.cfg.MaxBytes {
		return Event{}, jwks.ErrTooLarge
	}
	t, err := jose.Parse(token)
	switch {
	case err != nil:
		return Event{}, fmt.Errorf("%w: %w", jwks.ErrMalformed, err)
	// RFC 8725 §3.1: the algorithm comes from our list, never from the token.
	case !slices.Contains(v.cfg.Algorithms, t.Algorithm):
		return Event{}, jwks.ErrAlgorithm
	// SSF §4.1.1, RFC 8417 §2.3: explicit typing.
	case !t.HasType(typeSET):
		return Event{}, jwks.ErrType
	}
	keys, err := v.cfg.Keys.Keys(ctx, t.KeyID)
	if err != nil {
		return Event{}, err
	}
	payload, err := signed(t, keys)
	if err != nil {
		return Event{}, err
	}
	return v.event(payload)
}

// signed returns the payload of a token that one of the keys signed, as the
// function of that name in package jwks does.
func signed(t *jose.JWT, keys []jwks.Key) (payload []byte, err error) {
	found := false
	for _, key := range keys {
		if !key.Fits(t.Algorithm) {
			continue
		}
		if found && t.KeyID == "" {
			return nil, fmt.Errorf("%w: the token names none, and several could be meant", jwks.ErrUnknownKey)
		}
		found = true
		if payload == nil {
			payload, _ = t.VerifiedBy(key)
		}
	}
	switch {
	case !found:
		return nil, fmt.Errorf("%w: it is not the key's", jwks.ErrAlgorithm)
	case payload == nil:
		return nil, jwks.ErrSignature
	}
	return payload, nil
}

// event reads and judges what is signed.
func (v *Verifier) event(payload []byte) (Event, error) {
	c, err := parseClaims(payload)
	if err != nil {
		return Event{}, fmt.Errorf("%w: %w", jwks.ErrClaims, err)
	}
	now := v.cfg.Now()
	switch {
	case c.issuer != v.cfg.Issuer: // SSF §4.1.6
		return Event{}, jwks.ErrIssuer
	case !slices.Contains(c.audience, v.cfg.Audience): // SSF §4.1.8
		return Event{}, jwks.ErrAudience
	case c.issuedAt.After(now.Add(v.cfg.Leeway)):
		return Event{}, jwks.ErrNotYetValid
	case !now.Before(c.issuedAt.Add(v.cfg.MaxAge + v.cfg.Leeway)):
		return Event{}, ErrTooOld
	}
	e, err := c.event()
	if err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrEvent, err)
	}
	return e, nil
}
