package jwks

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/jwks/jose"
)

// Defaults of DPoPConfig.
const (
	DefaultProofAge       = time.Minute
	DefaultMaxProofs      = 1 << 17
	DefaultMaxNonceProofs = 1 << 19 // with RequireNonce
)

const (
	maxProofAge = 10 * time.Minute
	nonceStep   = 2 * time.Minute
)

// DPoPConfig says which proofs of possession a [DPoP] accepts.
type DPoPConfig struct {
	// BaseURL is where clients reach what the Guard sees as the path "/", such
	// as "https://api.example", or "https://example.org/notes" behind a
	// gateway that takes "/notes" off. A proof names the URL of its request,
	// which is compared with this and never with the Host, Forwarded or
	// X-Forwarded-* header: a caller could choose those. Required.
	BaseURL string
	// Required refuses bearer tokens.
	Required bool

	// Algorithms that a proof may be signed with. Nil: ES256, EdDSA, Ed25519,
	// PS256 and RS256. A token may narrow that: see [DPoP].
	Algorithms []string
	// MaxAge is how long a proof is good after it was made. Zero: 1 minute. At
	// most 10 minutes. With RequireNonce, the nonce's age counts instead.
	MaxAge time.Duration
	// Leeway is how far the clocks of client and service may differ. Zero:
	// DefaultLeeway. Negative: none. At most 5 minutes. With RequireNonce, the
	// client's clock does not matter.
	Leeway time.Duration
	// MaxProofs is how many proofs are remembered in each of two periods of
	// MaxAge and twice Leeway, so that none is good twice; some 40 bytes each.
	// With RequireNonce, a period is 6 minutes.
	// When there are more, requests are refused with ErrTooManyProofs. A key
	// gets no more of that room than it leaves free, so that one client, which
	// has half of it at most, does not shut out others. Zero: 131072, which is
	// 1600 proofs a second, or with RequireNonce 524288, which is 1450.
	MaxProofs int
	// Memory remembers the proofs that were used, in place of the process: one
	// that all replicas share lets none be used twice. Nil: the process does,
	// as MaxProofs says.
	Memory ProofMemory

	// RequireNonce demands that proofs name a nonce that this service gave out
	// in the last 2 to 4 minutes, which the refusal of one without tells: a
	// proof cannot be made in advance then, and may have any iat (RFC 9449
	// §4.3, number 11). It costs clients a request more now and then.
	RequireNonce bool
	// NonceKey is what nonces are made with: 32 secret bytes or more, the same
	// for all replicas behind one address. Nil: random, for this process alone.
	NonceKey []byte
}

// A DPoP checks that the sender of an access token has the key that the token
// is bound to (RFC 9449), and that each proof is used once. Give it to a Guard; several
// Guards may share it. Many goroutines may use it at once.
//
// A token with the claim dpop_alg, a string, takes proofs by that algorithm
// alone. An issuer can so hold a client to a profile, such as
// FAPI 2.0, which forbids RS256, at services that do not know the client: an
// RSA key alone does not say by which algorithm it signs.
//
// Without a Memory of your own, used proofs are remembered in the process. Behind a
// load balancer a proof could be used once at each replica, within MaxAge; where
// that matters, share a Memory, or keep a client at one replica.
type DPoP struct {
	base     string // scheme, host and path prefix
	required bool
	rule     jose.ProofRule
	memory   ProofMemory
}

// NewDPoP returns a DPoP, or an error that says what is wrong with the
// configuration.
func NewDPoP(cfg DPoPConfig) (*DPoP, error) {
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || !isWebURL(base) || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("jwks: DPoPConfig needs a BaseURL: an http or https URL without user, query or fragment")
	}
	switch {
	case cfg.MaxAge < 0 || cfg.MaxAge > maxProofAge:
		return nil, fmt.Errorf("jwks: a MaxAge of %v is negative or more than %v", cfg.MaxAge, maxProofAge)
	case cfg.Leeway > maxLeeway:
		return nil, fmt.Errorf("jwks: a leeway of %v is more than %v", cfg.Leeway, maxLeeway)
	case cfg.MaxProofs < 0:
		return nil, errors.New("jwks: MaxProofs is negative")
	case cfg.NonceKey != nil && len(cfg.NonceKey) < 32:
		return nil, errors.New("jwks: a NonceKey must have 32 bytes or more")
	}
	d := &DPoP{
		base:     strings.TrimSuffix(base.Scheme+"://"+base.Host+base.EscapedPath(), "/"),
		required: cfg.Required,
		rule: jose.ProofRule{
			Algorithms: slices.Clone(cfg.Algorithms),
			MaxAge:     cmp.Or(cfg.MaxAge, DefaultProofAge),
			Leeway:     max(cmp.Or(cfg.Leeway, DefaultLeeway), 0),
		},
		memory: cfg.Memory,
	}
	if len(d.rule.Algorithms) == 0 {
		d.rule.Algorithms = []string{"ES256", "EdDSA", "Ed25519", "PS256", "RS256"}
	}
	if err := jose.CheckAlgorithms(d.rule.Algorithms); err != nil {
		return nil, err
	}
	// From the earliest moment that a proof is good to the last.
	period, most := d.rule.MaxAge+2*d.rule.Leeway, DefaultMaxProofs
	if cfg.RequireNonce {
		d.rule.Nonces = newNonces(cfg.NonceKey)
		period, most = d.rule.Nonces.Lifetime(), DefaultMaxNonceProofs
	}
	if d.memory == nil {
		d.memory = &usedProofs{limit: cmp.Or(cfg.MaxProofs, most), period: period}
	}
	return d, nil
}

// newNonces returns the nonces of a service. No key: a random one.
func newNonces(key []byte) *jose.Nonces {
	if key == nil {
		key = make([]byte, 32)
		_, _ = rand.Read(key) // never fails
	}
	return &jose.Nonces{Key: slices.Clone(key), Step: nonceStep, Steps: 1}
}

// Algorithms returns the algorithms that a proof may be signed with, for
// metadata (RFC 9728 §2, dpop_signing_alg_values_supported).
func (d *DPoP) Algorithms() []string { return slices.Clone(d.rule.Algorithms) }

// names are those of the algorithms, for challenges.
func (d *DPoP) names() string { return strings.Join(d.rule.Algorithms, " ") }

// nonce returns the nonce that proofs need now. Nonces are required.
func (d *DPoP) nonce(now time.Time) string { return d.rule.Nonces.At(now) }

// binding is what a token is bound to.
type binding struct {
	thumbprint string // cnf.jkt
	algorithm  string // dpop_alg; empty: any
}

// check checks the request's proof for its token (RFC 9449 §4.3), and uses it
// up. fresh is a nonce that the client should use from now on, or empty.
func (d *DPoP) check(r *http.Request, token string, bound binding, now time.Time) (fresh string, err error) {
	p, err := d.rule.Check(r.Header.Values("DPoP"), jose.ProofTarget{
		Method:     r.Method,
		URLs:       d.urls(r.URL),
		Token:      token,
		Thumbprint: bound.thumbprint,
		Algorithm:  bound.algorithm,
	}, now)
	if err != nil {
		return "", err
	}
	return p.NextNonce, d.memory.Use(r.Context(), p, now)
}

// urls returns the URLs that a proof for a request may name.
func (d *DPoP) urls(request *url.URL) []string {
	switch path := request.EscapedPath(); {
	case !strings.HasPrefix(path, "/"):
		return nil
	case path == "/": // at the end of the base URL, the slash makes no difference
		return []string{d.base + path, d.base}
	default:
		return []string{d.base + path}
	}
}
