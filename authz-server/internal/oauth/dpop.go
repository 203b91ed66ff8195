package oauth

import (
	"context"
	"crypto"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/jwks"
)

// Limits of a DPoP proof (RFC 9449 §4.3, §11.1).
const (
	maxProof     = 4 << 10         // bytes
	maxProofID   = 256             // bytes of jti
	proofPast    = time.Minute     // how old iat may be
	proofAhead   = 8 * time.Second // how far ahead, for clocks differ
	nonceMinutes = 5               // how long a nonce of ours is good
)

var (
	errInvalidDPoPProof = &fosite.RFC6749Error{ErrorField: "invalid_dpop_proof", CodeField: http.StatusBadRequest}
	errUseDPoPNonce     = &fosite.RFC6749Error{ErrorField: "use_dpop_nonce", CodeField: http.StatusBadRequest}
)

// proof is a DPoP proof that was verified: whoever sent the request holds the key.
type proof struct {
	thumbprint string // RFC 7638, base64url of the SHA-256
	id         string // jti, which spendProof uses up
	issued     time.Time
}

// proofAlgorithms are those that a proof may be signed with: asymmetric ones alone.
var proofAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA}

// readProof verifies the DPoP header of a request (RFC 9449 §4.3). No header is no error: nil is returned. With an access
// token the proof must be for that one (§7). The proof is good for one use: spendProof makes sure of that, once it is known
// who asks, so that a stranger cannot fill the memory of used ones.
func (s *Server) readProof(r *http.Request, accessToken string) (*proof, error) {
	headers := r.Header.Values("DPoP")
	if len(headers) == 0 {
		return nil, nil
	}
	if len(headers) > 1 || len(headers[0]) > maxProof {
		return nil, refuse(errInvalidDPoPProof, "send one DPoP header, of at most 4096 bytes")
	}
	text, key, err := openProof(headers[0])
	if err != nil {
		return nil, refuse(errInvalidDPoPProof, "the DPoP proof is refused: "+err.Error())
	}
	var claims struct {
		Method   string   `json:"htm"`
		URL      string   `json:"htu"`
		IssuedAt *float64 `json:"iat"`
		ID       string   `json:"jti"`
		Hash     string   `json:"ath"`
		Nonce    string   `json:"nonce"`
	}
	if err := jwks.UnmarshalExact(text, &claims); err != nil {
		return nil, refuse(errInvalidDPoPProof, "the DPoP proof's claims cannot be read: "+err.Error())
	}
	now := s.now()
	sum := sha256.Sum256([]byte(accessToken))
	switch {
	case claims.Method != r.Method:
		return nil, refuse(errInvalidDPoPProof, "htm must be the method of the request, "+r.Method)
	case !sameTarget(claims.URL, s.at.URL(r.URL.Path)):
		return nil, refuse(errInvalidDPoPProof, "htu must be "+s.at.URL(r.URL.Path))
	case claims.IssuedAt == nil:
		return nil, refuse(errInvalidDPoPProof, "iat is missing")
	case claims.ID == "" || len(claims.ID) > maxProofID:
		return nil, refuse(errInvalidDPoPProof, "jti is missing or too long")
	case accessToken != "" && claims.Hash != base64.RawURLEncoding.EncodeToString(sum[:]):
		return nil, refuse(errInvalidDPoPProof, "ath must be the hash of the access token")
	}
	if s.dpopNonces && !s.validNonce(claims.Nonce, now) {
		return nil, refuse(errUseDPoPNonce, "the DPoP proof needs the nonce of the header DPoP-Nonce")
	}
	issued := time.Unix(int64(*claims.IssuedAt), 0)
	if issued.Before(now.Add(-proofPast)) || issued.After(now.Add(proofAhead)) {
		return nil, refuse(errInvalidDPoPProof, "iat must be now")
	}
	thumbprint, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, refuse(errInvalidDPoPProof, "the jwk has no thumbprint")
	}
	return &proof{base64.RawURLEncoding.EncodeToString(thumbprint), claims.ID, issued}, nil
}

// spendProof makes sure that a proof is used once (RFC 9449 §11.1). It is remembered for as long as iat lets it pass. nil: there is none.
func (s *Server) spendProof(ctx context.Context, p *proof) error {
	if p == nil {
		return nil
	}
	err := s.store.UseID(ctx, "dpop", p.thumbprint, p.id, p.issued.Add(proofPast+proofAhead))
	if errors.Is(err, store.ErrExists) {
		return refuse(errInvalidDPoPProof, "the DPoP proof was used before; make a new one for each request")
	}
	return err
}

// openProof verifies a proof by the key that it brings, and returns its claims.
func openProof(token string) ([]byte, *jose.JSONWebKey, error) {
	jws, err := jose.ParseSignedCompact(token, proofAlgorithms)
	if err != nil {
		return nil, nil, errors.New("it is no JWT signed by RS256, PS256, ES256 or EdDSA")
	}
	header := jws.Signatures[0].Protected
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); !strings.EqualFold(typ, "dpop+jwt") {
		return nil, nil, errors.New("typ must be dpop+jwt")
	}
	key := header.JSONWebKey
	if key == nil || !key.Valid() || !key.IsPublic() {
		return nil, nil, errors.New("the header must have a public key as jwk, and no private one")
	}
	text, err := jws.Verify(key)
	if err != nil {
		return nil, nil, errors.New("its signature is wrong")
	}
	return text, key, nil
}

// sameTarget compares htu with the address of the endpoint, without query and fragment (RFC 9449 §4.3).
func sameTarget(htu, endpoint string) bool {
	u, err := url.Parse(htu)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	}
	return strings.ToLower(u.Scheme)+"://"+host+u.EscapedPath() == endpoint
}

// nonce is a DPoP nonce (RFC 9449 §8): the minute it was made in, and a MAC, so that every replica knows it without a memory.
func (s *Server) nonce(now time.Time) string {
	minute := binary.BigEndian.AppendUint64(nil, uint64(now.Unix()/60)) //nolint:gosec // G115: after 1970
	return base64.RawURLEncoding.EncodeToString(append(minute, s.nonceMAC(minute)...))
}

func (s *Server) validNonce(nonce string, now time.Time) bool {
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(raw) != 8+sha256.Size || !hmac.Equal(raw[8:], s.nonceMAC(raw[:8])) {
		return false
	}
	age := now.Unix()/60 - int64(binary.BigEndian.Uint64(raw[:8])) //nolint:gosec // G115: we made it, says the MAC
	return age >= 0 && age <= nonceMinutes
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
