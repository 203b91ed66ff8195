package clientauth

import (
	"context"
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
	proofAge     = time.Minute // since iat, and jose.DefaultLeeway before and after, for clocks differ
	nonceMinutes = 5           // since a nonce of ours was made
)

// Proof is a DPoP proof that was verified: whoever sent the request holds the key.
type Proof struct {
	Thumbprint string    // RFC 7638, base64url of the SHA-256
	Alg        string    // what it is signed by; not every client may use each: see SpendProof
	id         string    // jti, which SpendProof uses up
	until      time.Time // good until then
}

// BoundAlg is the algorithm that a token is bound to beside the key: resource services do not know its client's profile, and
// an RSA key does not say by which algorithm it signs. Empty: the key says.
func (p *Proof) BoundAlg() string {
	if p.Alg == "RS256" || p.Alg == "PS256" {
		return p.Alg
	}
	return ""
}

// ReadProof verifies the DPoP header of a request (RFC 9449 §4.3). No header is no error: nil is returned. With an access
// token the proof must be for that one (§7). The proof is good for one use: SpendProof makes sure of that, once it is known
// who asks, so that a stranger cannot fill the memory of used ones.
func (a *Authenticator) ReadProof(r *http.Request, accessToken string) (*Proof, error) {
	headers := r.Header.Values("DPoP")
	if len(headers) == 0 {
		return nil, nil
	}
	if len(headers) > 1 {
		return nil, oauth.InvalidDPoPProof.Because("send one DPoP header")
	}
	read, err := jose.ParseProof(headers[0], client.Algorithms)
	if err != nil {
		_, why, _ := strings.Cut(err.Error(), "proof: ")
		return nil, oauth.InvalidDPoPProof.Because("the DPoP proof is refused: " + why)
	}
	now, target := a.Now(), a.Issuer.URL(r.URL.Path)
	switch {
	case read.Method != r.Method:
		return nil, oauth.InvalidDPoPProof.Because("htm must be the method of the request, " + r.Method)
	case !read.IsForURL(target):
		return nil, oauth.InvalidDPoPProof.Because("htu must be " + target)
	case accessToken != "" && !read.IsForToken(accessToken):
		return nil, oauth.InvalidDPoPProof.Because("ath must be the hash of the access token")
	}
	until := read.IssuedAt.Add(proofAge + jose.DefaultLeeway)
	if a.DPoPNonces { // RFC 9449 §4.3, number 11: the nonce says when, whatever the client's clock says
		made, ok := a.nonceMade(read.Nonce)
		if until = made.Add((nonceMinutes + 1) * time.Minute); !ok || (oauth.NumericDate{Time: made}).Ahead(now) || !now.Before(until) {
			return nil, oauth.UseDPoPNonce.Because("the DPoP proof needs the nonce of the header DPoP-Nonce")
		}
	} else if (oauth.NumericDate{Time: read.IssuedAt}).Ahead(now) || !now.Before(until) {
		return nil, oauth.InvalidDPoPProof.Because("iat must be now")
	}
	return &Proof{read.Thumbprint, read.Algorithm, read.ID, until}, nil
}

// SpendProof makes sure that a proof is one that the client may make (FAPI 2.0 Security Profile §5.4.1), and used once (RFC
// 9449 §11.1): it is remembered for as long as it is good. nil: there is none.
func (a *Authenticator) SpendProof(ctx context.Context, c *client.Client, p *Proof) error {
	if p == nil {
		return nil
	}
	if allowed := c.Algorithms(); !slices.Contains(allowed, p.Alg) {
		return oauth.InvalidDPoPProof.Because("the DPoP proof must be signed by one of " + strings.Join(allowed, ", ") + ", as the client's profile demands")
	}
	return a.UseProof(ctx, p)
}

// UseProof makes sure that a proof is used once, whoever made it.
func (a *Authenticator) UseProof(ctx context.Context, p *Proof) error {
	err := a.Store.UsedIDs.UseID(ctx, "dpop", p.Thumbprint, p.id, p.until)
	if errors.Is(err, store.ErrExists) {
		return oauth.InvalidDPoPProof.Because("the DPoP proof was used before; make a new one for each request")
	}
	return err
}
