package jose

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

var (
	// ErrReplayedProof means that a DPoP proof was used before.
	ErrReplayedProof = errors.New("jwks: DPoP proof used again")
	// ErrProofNonce means that a DPoP proof lacks a recent nonce.
	ErrProofNonce = errors.New("jwks: DPoP proof without a recent nonce")
	// ErrTooManyProofs means that no further DPoP proof can be remembered. It
	// says nothing about the proof.
	ErrTooManyProofs = errors.New("jwks: too many DPoP proofs to remember")
)

// A ProofMemory makes sure that a DPoP proof is used once (RFC 9449 §11.1). It
// is used by many goroutines at once.
type ProofMemory interface {
	// Use remembers the proof, which [ProofRule.Check] found good at now, by
	// Thumbprint and ID until p.Until. It returns ErrReplayedProof if it
	// remembers it already, and may return ErrTooManyProofs rather than forget
	// another. Any other error is a failure of the memory.
	Use(ctx context.Context, p *Proof, now time.Time) error
}

// A ProofRule says which DPoP proofs are good (RFC 9449 §4.3), at a resource
// server as at a token endpoint. It must not be changed while it is used.
type ProofRule struct {
	Algorithms []string      // that a proof may be signed with
	MaxAge     time.Duration // how long a proof is good after iat
	Leeway     time.Duration // how far clocks may differ, before iat and after MaxAge
	Nonces     *Nonces       // date the proofs in place of iat; nil: no nonce is needed
}

// A ProofTarget is what a proof must have been made for.
type ProofTarget struct {
	Method string
	URLs   []string // any of which it may name; see [Proof.IsForURL]

	// Token is the access token that comes with the proof. Empty: none, and
	// ath makes no difference.
	Token string
	// Thumbprint and Algorithm are those of the key that the token is bound
	// to. Empty: any.
	Thumbprint, Algorithm string
}

// Check returns the proof in a request's DPoP headers if it is good now. What
// remains is to use it, once: see [ProofMemory]. The error is a [ProofError],
// or ErrProofNonce.
func (r *ProofRule) Check(headers []string, target ProofTarget, now time.Time) (*Proof, error) {
	switch {
	case len(headers) == 0:
		return nil, errProofMissing
	case len(headers) > 1:
		return nil, errProofTwice
	}
	p, err := ParseProof(headers[0], r.Algorithms)
	if err != nil {
		return nil, err
	}
	switch {
	case target.Token != "" && p.TokenHash == "":
		return nil, errProofClaims
	case target.Thumbprint != "" && p.Thumbprint != target.Thumbprint:
		return nil, errProofBinding
	case target.Algorithm != "" && !SameAlgorithm(p.Algorithm, target.Algorithm):
		return nil, errProofBoundAlg
	case p.Method != target.Method:
		return nil, errProofMethod
	case !slices.ContainsFunc(target.URLs, p.IsForURL):
		return nil, errProofURL
	case target.Token != "" && !p.IsForToken(target.Token):
		return nil, errProofToken
	}
	if err := r.checkTime(p, now); err != nil {
		return nil, err
	}
	return p, nil
}

// checkTime checks when a proof was made: by its nonce, which the server dated
// itself, or else by iat (RFC 9449 §4.3, number 11).
func (r *ProofRule) checkTime(p *Proof, now time.Time) error {
	if r.Nonces != nil {
		until, ok := r.Nonces.until(p.Nonce, now)
		if !ok {
			return ErrProofNonce
		}
		p.Until = until
		if latest := r.Nonces.At(now); p.Nonce != latest {
			p.NextNonce = latest
		}
		return nil
	}
	p.Until = p.IssuedAt.Add(r.MaxAge + r.Leeway)
	if p.IssuedAt.After(now.Add(r.Leeway)) || !now.Before(p.Until) {
		return errProofAge
	}
	return nil
}

// Nonces makes DPoP nonces (RFC 9449 §8): a nonce is a keyed hash of the step
// of time in which it is made. So nothing is stored, and replicas with one Key
// know each other's nonces.
type Nonces struct {
	// Key is secret, 32 bytes or more.
	Key []byte
	// Step is how long a nonce is given out. It is good for the rest of that
	// step and for Steps more.
	Step  time.Duration
	Steps int
}

// At returns the nonce to give out at a moment.
func (n *Nonces) At(now time.Time) string { return n.ofStep(n.step(now)) }

func (n *Nonces) step(now time.Time) int64 { return now.UnixNano() / int64(n.Step) }

func (n *Nonces) ofStep(step int64) string {
	mac := hmac.New(sha256.New, n.Key)
	mac.Write(binary.BigEndian.AppendUint64([]byte("DPoP-Nonce"), uint64(step))) //nolint:gosec // G115: any step has a nonce
	return base64url.EncodeToString(mac.Sum(nil)[:18])
}

// until returns when a nonce stops being good, if it is good now.
func (n *Nonces) until(nonce string, now time.Time) (time.Time, bool) {
	latest := n.step(now)
	// A replica's clock may be ahead, and have made one of the next step.
	for step := latest + 1; step >= latest-int64(n.Steps); step-- {
		if hmac.Equal([]byte(nonce), []byte(n.ofStep(step))) {
			return time.Unix(0, (step+int64(n.Steps)+1)*int64(n.Step)), true
		}
	}
	return time.Time{}, false
}

// Lifetime is how long a nonce is good at most, counted by the clock of a
// replica that is behind.
func (n *Nonces) Lifetime() time.Duration { return time.Duration(n.Steps+2) * n.Step }
