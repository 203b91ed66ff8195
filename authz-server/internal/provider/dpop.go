package provider

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/jwks"
)

// How long proofs and nonces are good (RFC 9449 §4.3, §8, §11.1).
const (
	proofAge     = time.Minute // since iat, and jwks.DefaultLeeway before and after, for clocks differ
	nonceMinutes = 5           // since a nonce of ours was made
)

var (
	errInvalidDPoPProof = &fosite.RFC6749Error{ErrorField: "invalid_dpop_proof", CodeField: http.StatusBadRequest}
	errUseDPoPNonce     = &fosite.RFC6749Error{ErrorField: "use_dpop_nonce", CodeField: http.StatusBadRequest}
)

// proof is a DPoP proof that was verified: whoever sent the request holds the key.
type proof struct {
	thumbprint string    // RFC 7638, base64url of the SHA-256
	alg        string    // what it is signed by; not every client may use each: see spendProof
	id         string    // jti, which spendProof uses up
	until      time.Time // good until then
}

// boundAlg is the algorithm that a token is bound to beside the key: resource services do not know its client's profile, and
// an RSA key does not say by which algorithm it signs. Empty: the key says.
func (p *proof) boundAlg() string {
	if p.alg == "RS256" || p.alg == "PS256" {
		return p.alg
	}
	return ""
}

// readProof verifies the DPoP header of a request (RFC 9449 §4.3). No header is no error: nil is returned. With an access
// token the proof must be for that one (§7). The proof is good for one use: spendProof makes sure of that, once it is known
// who asks, so that a stranger cannot fill the memory of used ones.
func (s *Server) readProof(r *http.Request, accessToken string) (*proof, error) {
	headers := r.Header.Values("DPoP")
	if len(headers) == 0 {
		return nil, nil
	}
	if len(headers) > 1 {
		return nil, refuse(errInvalidDPoPProof, "send one DPoP header")
	}
	read, err := jwks.ParseProof(headers[0], client.Algorithms)
	if err != nil {
		_, why, _ := strings.Cut(err.Error(), "proof: ")
		return nil, refuse(errInvalidDPoPProof, "the DPoP proof is refused: "+why)
	}
	now, target := s.now(), s.at.URL(r.URL.Path)
	switch {
	case read.Method != r.Method:
		return nil, refuse(errInvalidDPoPProof, "htm must be the method of the request, "+r.Method)
	case !read.IsForURL(target):
		return nil, refuse(errInvalidDPoPProof, "htu must be "+target)
	case accessToken != "" && !read.IsForToken(accessToken):
		return nil, refuse(errInvalidDPoPProof, "ath must be the hash of the access token")
	}
	until := read.IssuedAt.Add(proofAge + jwks.DefaultLeeway)
	if s.dpopNonces { // RFC 9449 §4.3, number 11: the nonce says when, whatever the client's clock says
		made, ok := s.nonceMade(read.Nonce)
		if until = made.Add((nonceMinutes + 1) * time.Minute); !ok || (numericDate{made}).ahead(now) || !now.Before(until) {
			return nil, refuse(errUseDPoPNonce, "the DPoP proof needs the nonce of the header DPoP-Nonce")
		}
	} else if (numericDate{read.IssuedAt}).ahead(now) || !now.Before(until) {
		return nil, refuse(errInvalidDPoPProof, "iat must be now")
	}
	return &proof{read.Thumbprint, read.Algorithm, read.ID, until}, nil
}

// spendProof makes sure that a proof is one that the client may make (FAPI 2.0 Security Profile §5.4.1), and used once (RFC
// 9449 §11.1): it is remembered for as long as it is good. nil: there is none.
func (s *Server) spendProof(ctx context.Context, c *client.Client, p *proof) error {
	if p == nil {
		return nil
	}
	if allowed := c.Algorithms(); !slices.Contains(allowed, p.alg) {
		return refuse(errInvalidDPoPProof, "the DPoP proof must be signed by one of "+strings.Join(allowed, ", ")+", as the client's profile demands")
	}
	return s.useProof(ctx, p)
}

func (s *Server) useProof(ctx context.Context, p *proof) error {
	err := s.store.UseID(ctx, "dpop", p.thumbprint, p.id, p.until)
	if errors.Is(err, store.ErrExists) {
		return refuse(errInvalidDPoPProof, "the DPoP proof was used before; make a new one for each request")
	}
	return err
}

// nonce is a DPoP nonce (RFC 9449 §8): the minute it was made in, and a MAC, so that every replica knows it without a memory.
func (s *Server) nonce(now time.Time) string {
	minute := binary.BigEndian.AppendUint64(nil, uint64(now.Unix()/60)) //nolint:gosec // G115: after 1970
	return base64.RawURLEncoding.EncodeToString(append(minute, s.nonceMAC(minute)...))
}

// nonceMade is when a nonce was made; false: it is none of ours.
func (s *Server) nonceMade(nonce string) (time.Time, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(raw) != 8+sha256.Size || !hmac.Equal(raw[8:], s.nonceMAC(raw[:8])) {
		return time.Time{}, false
	}
	return time.Unix(int64(binary.BigEndian.Uint64(raw[:8]))*60, 0), true //nolint:gosec // G115: we made it, says the MAC
}

func (s *Server) nonceMAC(minute []byte) []byte {
	mac := hmac.New(sha256.New, s.nonceKey)
	mac.Write(minute)
	return mac.Sum(nil)
}

// newNonceKey derives the key of the nonces, the same in every replica, from the server's salt.
func newNonceKey(salt []byte) ([]byte, error) {
	return hkdf.Key(sha256.New, salt, nil, "maru dpop nonce", sha256.Size)
}
