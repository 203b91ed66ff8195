package jwks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maru-auth/maru/jwks/jose"
)

// DefaultLeeway is how far clocks may differ, for every time in a JWT that
// comes from elsewhere: exp counts for so long after it, nbf and iat so long
// before.
const DefaultLeeway = jose.DefaultLeeway // 10 seconds

// DefaultMaxTokenBytes is the default of VerifierConfig.MaxTokenBytes.
const DefaultMaxTokenBytes = 8 << 10

// typeAccessToken is the type of an access token (RFC 9068 §2.1).
const typeAccessToken = "at+jwt"

const maxLeeway = 5 * time.Minute

// VerifierConfig says which tokens a [Verifier] accepts.
type VerifierConfig struct {
	// Issuer is the only issuer accepted; compared character by character.
	// Required.
	Issuer string
	// Audience is what this service is called in tokens: the resource's
	// identifier, usually its URL. Required.
	Audience string
	// Keys are the issuer's keys, usually a *Cache. Required.
	Keys KeySource

	// Algorithms that a token may be signed with. Nil: RS256 only. Possible
	// are RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512,
	// EdDSA and Ed25519.
	Algorithms []string
	// Types that a token's header may name (typ). Nil: at+jwt only, as RFC
	// 9068 demands of access tokens. Case and the prefix "application/" make
	// no difference. Beware: a Verifier that accepts "JWT", as issuers older
	// than RFC 9068 need it, cannot tell an ID token from an access token but
	// by its audience.
	Types []string

	// Status says which tokens were revoked. Nil: a token is good until it
	// expires, and its status is not looked at.
	Status *StatusLists

	// Leeway is how far the clocks of issuer and verifier may differ. Zero:
	// DefaultLeeway. Negative: none. At most 5 minutes.
	Leeway time.Duration
	// MaxTokenBytes is the longest token looked at. Zero: 8 KiB.
	MaxTokenBytes int
	// Now is the clock. Nil: time.Now.
	Now func() time.Time

	// Memory remembers tokens that were verified, so that their signature is
	// checked once; all that can change is checked on each use. Nil: one of
	// this Verifier's own, from [NewTokenMemory] with the zero configuration.
	// Several Verifiers may share a Memory, and its bounds, whatever their
	// configurations.
	Memory TokenMemory
	// VerifyEveryTime means that no token is remembered.
	VerifyEveryTime bool
}

// A Verifier decides whether access tokens are good. It is immutable, and many
// goroutines may use it at once.
type Verifier struct {
	issuer, audience string
	keys             KeySource
	status           *StatusLists
	algorithms       []string
	types            []string
	leeway           time.Duration
	maxTokenBytes    int
	now              func() time.Time
	memory           TokenMemory // nil: none
	policy           []byte      // see policyHash
	counts           counts

	// signed returns the payload of a token that one of the keys signed. Other
	// than the function of that name in fuzz tests alone.
	signed func(t *jose.JWT, keys []Key) (payload []byte, signer Key, err error)
}

// NewVerifier returns a Verifier, or an error that says what is wrong with the
// configuration.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	v := &Verifier{
		issuer:        cfg.Issuer,
		audience:      cfg.Audience,
		keys:          cfg.Keys,
		status:        cfg.Status,
		algorithms:    slices.Clone(cfg.Algorithms),
		leeway:        max(cmp.Or(cfg.Leeway, DefaultLeeway), 0),
		maxTokenBytes: cmp.Or(cfg.MaxTokenBytes, DefaultMaxTokenBytes),
		now:           cfg.Now,
		signed:        signed,
	}
	if v.now == nil {
		v.now = time.Now
	}
	if len(v.algorithms) == 0 {
		v.algorithms = []string{"RS256"}
	}
	for _, typ := range cfg.Types {
		v.types = append(v.types, jose.NormalType(typ))
	}
	if len(v.types) == 0 {
		v.types = []string{typeAccessToken}
	}
	if v.memory = cfg.Memory; v.memory == nil && !cfg.VerifyEveryTime {
		v.memory, _ = NewTokenMemory(TokenMemoryConfig{}) // fails for negative bounds alone
	}
	v.policy = v.policyHash()
	return v, nil
}

func (cfg *VerifierConfig) check() error {
	switch {
	case cfg.Issuer == "":
		return errors.New("jwks: VerifierConfig needs an Issuer")
	case cfg.Audience == "":
		return errors.New("jwks: VerifierConfig needs an Audience")
	case cfg.Keys == nil:
		return errors.New("jwks: VerifierConfig needs Keys")
	case cfg.Leeway > maxLeeway:
		return fmt.Errorf("jwks: a leeway of %v is more than %v", cfg.Leeway, maxLeeway)
	case cfg.MaxTokenBytes < 0:
		return errors.New("jwks: MaxTokenBytes is negative")
	case cfg.VerifyEveryTime && cfg.Memory != nil:
		return errors.New("jwks: a Memory is of no use with VerifyEveryTime")
	case slices.ContainsFunc(cfg.Types, func(typ string) bool { return jose.NormalType(typ) == "" }):
		return errors.New("jwks: empty token type")
	}
	return jose.CheckAlgorithms(cfg.Algorithms)
}

// Verify returns the token's claims if the token is good, and otherwise an
// error that wraps one of this package's Err values. Everything is checked, in
// the order of the README: first what is cheap and needs no key, then the
// signature, and only then is anything in the claims believed. The checks of a
// token that is remembered (see VerifierConfig.Memory) are those whose outcome
// may be another than the last time. The claims are the caller's own.
//
// Verify does not use the network, but with a [Cache] it may wait up to a
// second for a key that is not held, with [StatusLists] for a list, and less if
// ctx ends.
//
// A token that is bound to its sender's key is refused, since a token alone
// cannot show that the sender has the key: a [Guard] with [DPoP] can.
func (v *Verifier) Verify(ctx context.Context, token string) (*Claims, error) {
	c, err := v.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	// RFC 9449 §7.1, RFC 8705 §3: bearing such a token is not enough to use it.
	if c.hasConfirmation {
		return nil, ErrSenderConstrained
	}
	return c.copy(), nil
}

// readers has the buffers of verifications. A *jose.Reader.
var readers = sync.Pool{New: func() any { return new(jose.Reader) }}

// verify is Verify, but leaves it to the caller whether the token is bound, and
// to copy what others share.
func (v *Verifier) verify(ctx context.Context, text string) (*claimsSet, error) {
	if text == "" {
		return nil, ErrNoToken
	}
	if len(text) > v.maxTokenBytes {
		return nil, ErrTooLarge
	}
	r := readers.Get().(*jose.Reader)
	defer func() {
		r.Reset()
		readers.Put(r)
	}()
	name := TokenKey(r.Read(text, v.policy))
	token, err := v.remembered(ctx, name)
	if err != nil {
		return nil, err
	}
	known := token != nil
	if known {
		v.counts.remembered.Add(1)
	} else {
		v.counts.anew.Add(1)
		if token, err = v.verifyAnew(ctx, r); err != nil {
			return nil, err
		}
		token.name = name
	}
	if err := v.live(ctx, token.signer.ID(), &token.claims); err != nil {
		return nil, err
	}
	if !known {
		v.remember(token)
	}
	return &token.claims, nil
}

// verifyAnew checks all of a token that never changes: its form, its signature
// and what it claims.
func (v *Verifier) verifyAnew(ctx context.Context, r *jose.Reader) (*GenuineToken, error) {
	t, err := r.Parse()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	// RFC 8725 §3.1: the algorithm comes from our list, never from the token.
	if !slices.Contains(v.algorithms, t.Algorithm) {
		return nil, ErrAlgorithm
	}
	// RFC 9068 §4, RFC 8725 §3.11.
	typ := slices.Index(v.types, t.Type)
	if typ < 0 {
		return nil, ErrType
	}
	keys, err := v.keys.Keys(ctx, t.KeyID)
	if err != nil {
		return nil, err
	}
	payload, signer, err := v.signed(t, keys)
	if err != nil {
		return nil, err
	}
	token := &GenuineToken{signer: signer}
	c := &token.claims
	c.typ, c.keyID = v.types[typ], signer.ID()
	if c.keyID != t.KeyID {
		c.keyID = strings.Clone(t.KeyID) // must not keep all of the header
	}
	if err := c.parse(string(payload)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrClaims, err)
	}
	if err := v.check(c); err != nil {
		return nil, err
	}
	return token, nil
}

// signed returns the payload of a token that one of the keys signed, and that
// key. One fits the token, unless the issuer gives several one id.
func signed(t *jose.JWT, keys []Key) (payload []byte, signer Key, err error) {
	found := false
	for _, key := range keys {
		if !key.Fits(t.Algorithm) {
			continue
		}
		// A token without a kid must not make us try every key.
		if found && t.KeyID == "" {
			return nil, Key{}, fmt.Errorf("%w: the token names none, and several could be meant", ErrUnknownKey)
		}
		found = true
		if payload == nil {
			payload, _ = t.VerifiedBy(key)
			signer = key
		}
	}
	switch {
	case !found:
		return nil, Key{}, fmt.Errorf("%w: it is not the key's", ErrAlgorithm)
	case payload == nil:
		return nil, Key{}, ErrSignature
	}
	return payload, signer, nil
}

// check decides on the claims of a token whose signature is right, as far as
// they do not depend on when they are looked at.
func (v *Verifier) check(c *claimsSet) error {
	switch {
	case c.Issuer != v.issuer:
		return ErrIssuer
	case !slices.Contains(c.Audience, v.audience):
		return ErrAudience
	case c.Expiry.IsZero():
		return fmt.Errorf("%w: no exp", ErrClaims)
	// RFC 9068 §2.2 requires these too; tokens of other types may lack them.
	case c.typ == typeAccessToken && (c.Subject == "" || c.ClientID == "" || c.ID == "" || c.IssuedAt.IsZero()):
		return fmt.Errorf("%w: sub, client_id, jti and iat are required", ErrClaims)
	}
	return nil
}

// live decides whether a token that passed check is good at this moment. It is
// asked on every use of a token, however the token is known to be genuine.
// keyID is that of the key that signed it; empty: the key has none.
func (v *Verifier) live(ctx context.Context, keyID string, c *claimsSet) error {
	now := v.now()
	if !now.Before(c.Expiry.Add(v.leeway)) {
		return ErrExpired
	}
	if latest := now.Add(v.leeway); c.NotBefore.After(latest) || c.IssuedAt.After(latest) {
		return ErrNotYetValid
	}
	// draft-ietf-oauth-status-list §8.3: only for a token that is good otherwise.
	if v.status != nil {
		return v.status.check(ctx, keyID, c.status)
	}
	return nil
}

// Status returns the VerifierConfig's.
func (v *Verifier) Status() *StatusLists { return v.status }

// VerifierStats says how a [Verifier] found out about tokens.
type VerifierStats struct {
	Remembered uint64 // tokens whose signature had been verified before
	Anew       uint64 // tokens that were looked at whole, good or bad
}

// Stats returns how the tokens were judged so far.
func (v *Verifier) Stats() VerifierStats {
	return VerifierStats{Remembered: v.counts.remembered.Load(), Anew: v.counts.anew.Load()}
}

// counts is what Stats returns. They are apart in memory, so that processors
// that verify at once do not wait for each other more than they must.
type counts struct {
	remembered atomic.Uint64
	_          [56]byte
	anew       atomic.Uint64
}
