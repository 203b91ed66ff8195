package clientauth

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/jwks/jose"
)

// How long proofs and nonces are good (RFC 9449 §4.3, §8, §11.1).
const (
	proofAge  = time.Minute // after iat, if no nonce dates the proof
	nonceStep = time.Minute
	nonceGood = 5 // steps after that of a nonce
)

// Proof is a DPoP proof that was verified: the sender of the request holds the key.
type Proof = jose.Proof

// newProofRule makes the rule for proofs and the nonces that they may need. The key of the nonces
// is derived from secret, and so the same in every replica.
func newProofRule(required bool, secret []byte) (*jose.ProofRule, *jose.Nonces, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "maru dpop nonce", sha256.Size)
	if err != nil {
		return nil, nil, err
	}
	nonces := &jose.Nonces{Key: key, Step: nonceStep, Steps: nonceGood}
	rule := &jose.ProofRule{Algorithms: client.Algorithms, MaxAge: proofAge, Leeway: jose.DefaultLeeway}
	if required {
		rule.Nonces = nonces
	}
	return rule, nonces, nil
}

// Nonce is the DPoP nonce that clients should use now.
func (a *Authenticator) Nonce() string { return a.nonces.At(a.Now()) }

// BoundAlg is the algorithm that a token is bound to beside the key of a proof: resource services
// do not know its client's profile, and an RSA key does not say by which algorithm it signs. Empty:
// the key says.
func BoundAlg(p *Proof) string {
	if p.Algorithm == "RS256" || p.Algorithm == "PS256" {
		return p.Algorithm
	}
	return ""
}

// ReadProof verifies the DPoP header of a request. No header is no error: nil is returned. The
// proof is good for one use: SpendProof makes sure of that, once the client is known, so that a
// stranger cannot fill the memory of used ones.
func (a *Authenticator) ReadProof(r *http.Request) (*Proof, error) {
	if len(r.Header.Values("DPoP")) == 0 {
		return nil, nil
	}
	return a.checkProof(r, jose.ProofTarget{})
}

// SpendProof makes sure that a proof is one that the client may make (FAPI 2.0 Security Profile
// §5.4.1), and used once. nil: there is none.
func (a *Authenticator) SpendProof(ctx context.Context, c *client.Client, p *Proof) error {
	if p == nil {
		return nil
	}
	if allowed := c.Algorithms(); !slices.Contains(allowed, p.Algorithm) {
		return oauth.InvalidDPoPProof.Because("the DPoP proof must be signed by one of " +
			strings.Join(allowed, ", ") + ", as the client's profile demands")
	}
	return a.useProof(ctx, p)
}

// Prove makes sure that a request has a proof for its access token, which is bound to a key and
// perhaps to an algorithm (RFC 9449 §7.1), and that the proof is used once.
func (a *Authenticator) Prove(r *http.Request, token, thumbprint, alg string) error {
	p, err := a.checkProof(r, jose.ProofTarget{Token: token, Thumbprint: thumbprint, Algorithm: alg})
	if err != nil {
		return err
	}
	return a.useProof(r.Context(), p)
}

// checkProof returns the proof of a request, if it is good for the request and the rest of the
// target.
func (a *Authenticator) checkProof(r *http.Request, target jose.ProofTarget) (*Proof, error) {
	at := a.Issuer.URL(r.URL.Path)
	target.Method, target.URLs = r.Method, []string{at}
	p, err := a.proofs.Check(r.Header.Values("DPoP"), target, a.Now())
	var why jose.ProofError
	switch {
	case errors.Is(err, jose.ErrProofNonce):
		return nil, oauth.UseDPoPNonce.Because("the DPoP proof needs the nonce of the header DPoP-Nonce")
	case errors.As(err, &why):
		return nil, oauth.InvalidDPoPProof.Because("the DPoP proof for " + r.Method + " " + at +
			" is refused: " + string(why))
	}
	return p, err
}

func (a *Authenticator) useProof(ctx context.Context, p *Proof) error {
	err := a.used.Use(ctx, p, a.Now())
	if errors.Is(err, jose.ErrReplayedProof) {
		return oauth.InvalidDPoPProof.Because("the DPoP proof was used before; make a new one for each request")
	}
	return err
}

// UsedProofs is the memory of proofs that all replicas share.
func UsedProofs(s *store.Store) jose.ProofMemory { return usedProofs{s} }

var _ jose.ProofMemory = usedProofs{}

// usedProofs is the memory of proofs that all replicas share: the database.
type usedProofs struct{ *store.Store }

// Use is [jose.ProofMemory].Use.
func (u usedProofs) Use(ctx context.Context, p *Proof, _ time.Time) error {
	err := u.UsedIDs.UseID(ctx, "dpop", p.Thumbprint, p.ID, p.Until)
	if errors.Is(err, store.ErrExists) {
		return jose.ErrReplayedProof
	}
	return err
}
