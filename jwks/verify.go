package jwks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// DefaultLeeway is how far clocks may differ, for every time in a JWT that
// comes from elsewhere: exp counts for so long after it, nbf and iat so long
// before. FAPI 2.0 Security Profile §5.3.2.1 demands that 10 seconds ahead are
// taken, and more than 60 refused.
const DefaultLeeway = 10 * time.Second

// DefaultMaxTokenBytes is the default of VerifierConfig.MaxTokenBytes.
const DefaultMaxTokenBytes = 8 << 10

const (
	maxLeeway = 5 * time.Minute
)

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

	// Leeway is how far the clocks of issuer and verifier may differ. Zero:
	// DefaultLeeway. Negative: none. At most 5 minutes.
	Leeway time.Duration
	// MaxTokenBytes is the longest token looked at. Zero: 8 KiB.
	MaxTokenBytes int
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// A Verifier decides whether access tokens are good. It is immutable, and many
// goroutines may use it at once.
type Verifier struct {
	issuer, audience string
	keys             KeySource
	algorithms       map[string]algorithm
	types            []string // lower case, without application/
	leeway           time.Duration
	maxTokenBytes    int
	now              func() time.Time
}

// NewVerifier returns a Verifier, or an error that says what is wrong with the
// configuration.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	switch {
	case cfg.Issuer == "":
		return nil, errors.New("jwks: VerifierConfig needs an Issuer")
	case cfg.Audience == "":
		return nil, errors.New("jwks: VerifierConfig needs an Audience")
	case cfg.Keys == nil:
		return nil, errors.New("jwks: VerifierConfig needs Keys")
	case cfg.Leeway > maxLeeway:
		return nil, fmt.Errorf("jwks: a leeway of %v is more than %v", cfg.Leeway, maxLeeway)
	case cfg.MaxTokenBytes < 0:
		return nil, errors.New("jwks: MaxTokenBytes is negative")
	}
	v := &Verifier{
		issuer:        cfg.Issuer,
		audience:      cfg.Audience,
		keys:          cfg.Keys,
		algorithms:    make(map[string]algorithm),
		leeway:        max(cfg.Leeway, 0),
		maxTokenBytes: cfg.MaxTokenBytes,
		now:           cfg.Now,
	}
	if cfg.Leeway == 0 {
		v.leeway = DefaultLeeway
	}
	if v.maxTokenBytes == 0 {
		v.maxTokenBytes = DefaultMaxTokenBytes
	}
	if v.now == nil {
		v.now = time.Now
	}
	allowed := cfg.Algorithms
	if len(allowed) == 0 {
		allowed = []string{"RS256"}
	}
	for _, name := range allowed {
		algo, ok := algorithms[name]
		if !ok {
			return nil, fmt.Errorf("jwks: algorithm %q is unknown, or no signature by a private key", name)
		}
		v.algorithms[name] = algo
	}
	types := cfg.Types
	if len(types) == 0 {
		types = []string{"at+jwt"}
	}
	for _, t := range types {
		if t = tokenType(t); t == "" {
			return nil, errors.New("jwks: empty token type")
		}
		v.types = append(v.types, t)
	}
	return v, nil
}

// tokenType normalizes a typ header (RFC 7515 §4.1.9): a media type, whose
// case means nothing and whose "application/" may be left out.
func tokenType(typ string) string {
	return strings.TrimPrefix(strings.ToLower(typ), "application/")
}

// Verify returns the token's claims if the token is good, and otherwise an
// error that wraps one of this package's Err values. Everything is checked on
// every call, in the order of the README: first what is cheap and needs no
// key, then the signature, and only then is anything in the claims believed.
//
// Verify does not use the network, but with a [Cache] it may wait up to a
// second for a key that is not held, and less if ctx ends.
//
// A token that is bound to its sender's key is refused, since a token alone
// cannot show that the sender has the key: a [Guard] with [DPoP] can.
func (v *Verifier) Verify(ctx context.Context, token string) (*Claims, error) {
	c, err := v.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	// RFC 9449 §7.1, RFC 8705 §3: who merely bears such a token may not use it.
	if c.hasConfirmation {
		return nil, ErrSenderConstrained
	}
	return &c.Claims, nil
}

// verify is Verify, but leaves it to the caller whether the token is bound.
func (v *Verifier) verify(ctx context.Context, token string) (*claimsSet, error) {
	if token == "" {
		return nil, ErrNoToken
	}
	if len(token) > v.maxTokenBytes {
		return nil, ErrTooLarge
	}
	payload, typ, err := v.verifySignature(ctx, token)
	if err != nil {
		return nil, err
	}
	c := claimsSet{typ: typ}
	if err := c.parse(payload); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrClaims, err)
	}
	if err := v.check(&c); err != nil {
		return nil, err
	}
	return &c, nil
}

// verifySignature returns the payload and the type of a token that has a right
// header and signature.
func (v *Verifier) verifySignature(ctx context.Context, token string) (payload []byte, typ string, err error) {
	// RFC 7515 §3.1: header, payload and signature; no more.
	head, rest, ok := strings.Cut(token, ".")
	if !ok {
		return nil, "", ErrMalformed
	}
	body, sig, ok := strings.Cut(rest, ".")
	if !ok || head == "" || body == "" || strings.IndexByte(sig, '.') >= 0 {
		return nil, "", ErrMalformed
	}
	h, err := parseHeader(head)
	if err != nil {
		return nil, "", fmt.Errorf("%w: header: %w", ErrMalformed, err)
	}
	// RFC 8725 §3.1: the algorithm comes from our list, never from the token.
	algo, ok := v.algorithms[h.alg]
	if !ok {
		return nil, "", ErrAlgorithm
	}
	// RFC 9068 §4, RFC 8725 §3.11.
	if !slices.Contains(v.types, h.typ) {
		return nil, "", ErrType
	}
	signature, err := decodeBase64(nil, sig)
	if err != nil {
		return nil, "", fmt.Errorf("%w: signature: %w", ErrMalformed, err)
	}
	payload, err = decodeBase64(nil, body)
	if err != nil {
		return nil, "", fmt.Errorf("%w: payload: %w", ErrMalformed, err)
	}
	keys, err := v.keys.Keys(ctx, h.kid)
	if err != nil {
		return nil, "", err
	}
	message := []byte(token[:len(head)+1+len(body)])
	return payload, h.typ, verifyAny(keys, h, algo, message, signature)
}

// verifyAny checks the signature with those of the keys that fit. There is
// one, unless the issuer gives several keys one id.
func verifyAny(keys []Key, h header, algo algorithm, message, signature []byte) error {
	fitting, good := 0, false
	for _, key := range keys {
		if key.isFor(h.alg, algo) {
			fitting++
			good = good || algo.verifies(key, message, signature)
		}
		// A token without a kid is no licence to try every key there is.
		if h.kid == "" && fitting > 1 {
			return fmt.Errorf("%w: the token names none, and several could be meant", ErrUnknownKey)
		}
	}
	switch {
	case fitting == 0:
		return fmt.Errorf("%w: it is not the key's", ErrAlgorithm)
	case !good:
		return ErrSignature
	}
	return nil
}

// header is what matters of a JOSE header.
type header struct {
	alg, kid string
	typ      string // normalized
}

var errCritical = errors.New("critical extensions are not supported")

func parseHeader(encoded string) (header, error) {
	var h header
	data, err := decodeBase64(nil, encoded)
	if err != nil {
		return h, err
	}
	err = eachMember(data, func(name, value []byte) (err error) {
		switch string(name) {
		case "alg":
			h.alg, err = stringValue(value)
		case "kid":
			h.kid, err = stringValue(value)
		case "typ":
			h.typ, err = stringValue(value)
			h.typ = tokenType(h.typ)
		case "crit":
			// RFC 7515 §4.1.11: what is critical and not understood must be
			// refused, and no extension is understood here.
			err = errCritical
		}
		return err
	})
	return h, err
}

// check decides on the claims of a token whose signature is right.
func (v *Verifier) check(c *claimsSet) error {
	if c.Issuer != v.issuer {
		return ErrIssuer
	}
	if !slices.Contains(c.Audience, v.audience) {
		return ErrAudience
	}
	if c.Expiry.IsZero() {
		return fmt.Errorf("%w: no exp", ErrClaims)
	}
	now := v.now()
	if !now.Before(c.Expiry.Add(v.leeway)) {
		return ErrExpired
	}
	if latest := now.Add(v.leeway); c.NotBefore.After(latest) || c.IssuedAt.After(latest) {
		return ErrNotYetValid
	}
	// RFC 9068 §2.2 requires these too; tokens of other types may lack them.
	if c.typ == "at+jwt" && (c.Subject == "" || c.ClientID == "" || c.ID == "" || c.IssuedAt.IsZero()) {
		return fmt.Errorf("%w: sub, client_id, jti and iat are required", ErrClaims)
	}
	return nil
}
