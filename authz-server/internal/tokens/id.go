package tokens

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/jwks/jose"
)

// IDClaims are the claims of an ID token (OIDC Core §2, §3.3.2.11) but for those about the person.
type IDClaims struct {
	Issuer          string   `json:"iss"`
	Subject         string   `json:"sub"`
	Audience        string   `json:"aud"`
	AuthorizedParty string   `json:"azp"`
	IssuedAt        int64    `json:"iat"`
	Expiry          int64    `json:"exp"`
	AuthTime        int64    `json:"auth_time"`
	Nonce           string   `json:"nonce,omitempty"`
	ACR             string   `json:"acr,omitempty"`
	AMR             []string `json:"amr,omitempty"`
	SessionID       string   `json:"sid"`
	AccessTokenHash string   `json:"at_hash,omitempty"`
	CodeHash        string   `json:"c_hash,omitempty"`
}

// IDSpec is what an ID token says beside what its grant does.
type IDSpec struct {
	Nonce       string
	AccessToken string // issued beside it
	Code        string // issued beside it
	ScopeClaims bool   // with the claims of the scope, because no access token can fetch them
}

// ID issues an ID token, signed as its client registered for.
func (i *Issuer) ID(ctx context.Context, c *client.Client, g *grants.Grant, want IDSpec) (string, error) {
	now := i.now()
	claims := IDClaims{
		Issuer:          i.url,
		Subject:         i.Subject(c, g.UserID),
		Audience:        c.ID,
		AuthorizedParty: c.ID,
		IssuedAt:        now.Unix(),
		Expiry:          now.Add(i.Lifetimes.IDToken).Unix(),
		AuthTime:        g.AuthTime.Unix(),
		Nonce:           want.Nonce,
		ACR:             g.ACR,
		AMR:             g.AMR,
		SessionID:       g.SessionID,
		AccessTokenHash: leftHash(c.IDTokenSignedResponseAlg, want.AccessToken),
		CodeHash:        leftHash(c.IDTokenSignedResponseAlg, want.Code),
	}
	requested, err := ReadClaimsRequest(g.Claims)
	if err != nil {
		return "", err
	}
	var scope []string
	// With a code beside it, another ID token follows from the token endpoint, which no address
	// carries: that one says who the person is (OIDC Core §3.3.3.6).
	if want.ScopeClaims || c.IDTokenClaims && want.Code == "" {
		scope = g.Scope
	}
	if len(scope)+len(requested.IDToken) == 0 {
		return i.Sign(ctx, c.IDTokenSignedResponseAlg, typeID, claims)
	}
	user, err := i.store.Users.User(ctx, g.UserID)
	if err != nil {
		return "", err
	}
	about, err := About(user, scope, requested.IDToken)
	if err != nil {
		return "", err
	}
	whole, err := merge(about, claims)
	if err != nil {
		return "", err
	}
	return i.Sign(ctx, c.IDTokenSignedResponseAlg, typeID, whole)
}

// merge is the claims about a person together with the token's own, which win.
func merge(about map[string]any, own any) (map[string]any, error) {
	text, err := json.Marshal(own)
	if err != nil {
		return nil, err
	}
	return about, json.Unmarshal(text, &about)
}

// leftHash is the left half of the hash of a token or code, by the hash of the algorithm that signs
// (OIDC Core §3.1.3.6, §3.3.2.11): SHA-512 with Ed25519, SHA-256 with all others. Empty stays
// empty.
func leftHash(alg, text string) string {
	if text == "" {
		return ""
	}
	if jose.SameAlgorithm(alg, keys.EdDSA) {
		sum := sha512.Sum512([]byte(text))
		return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	}
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// Hint reads an ID token that this server issued, though it may have expired: an id_token_hint
// (OIDC Core §3.1.2.1). The error is ErrInvalid, or a failure of the database.
func (i *Issuer) Hint(ctx context.Context, token string) (IDClaims, error) {
	var claims IDClaims
	if err := i.verify(ctx, token, typeID, &claims); err != nil {
		return claims, err
	}
	if claims.Issuer != i.url || claims.SessionID == "" { // signed userinfo and signed answers have no sid
		return claims, ErrInvalid
	}
	return claims, nil
}
