package provider

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/jwks"
)

// Types of JWT, as their header says.
const (
	typeAccess  = "at+jwt" // RFC 9068 §2.1
	typeRefresh = "rt+jwt"
	typeID      = "JWT"
)

// audiences is the "aud" claim: one string, or an array of several (RFC 7519 §4.1.3).
type audiences []string

func (a audiences) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

func (a *audiences) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = audiences{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

// accessClaims are the claims of an access token (RFC 9068 §2.2).
type accessClaims struct {
	Issuer   string    `json:"iss"`
	Subject  string    `json:"sub"`
	Audience audiences `json:"aud"`
	ClientID string    `json:"client_id"`
	Scope    string    `json:"scope"`
	IssuedAt int64     `json:"iat"`
	Expiry   int64     `json:"exp"`
	ID       string    `json:"jti"`

	// Of a person's token alone.
	AuthTime  int64    `json:"auth_time,omitempty"`
	ACR       string   `json:"acr,omitempty"`
	AMR       []string `json:"amr,omitempty"`
	SessionID string   `json:"sid,omitempty"`
	Roles     []string `json:"roles,omitempty"`

	Confirmation *confirmation `json:"cnf,omitempty"`      // RFC 9449 §6.1: whose key must be proved with the token
	ProofAlg     string        `json:"dpop_alg,omitempty"` // what proofs of that key must be signed by; empty: the key says
	Actor        *actor        `json:"act,omitempty"`      // RFC 8693 §4.1: who acts for the person

	// Withheld is there in every exchanged token, and in no other: the scopes of the grant that an
	// earlier token of the chain did not carry though it was for their service. No later one gets them.
	Withheld []string `json:"withheld,omitzero"`
}

// bind binds the token to the key that its client proved, if it did.
func (c *accessClaims) bind(want accessRequest) {
	if want.Thumbprint != "" {
		c.Confirmation, c.ProofAlg = &confirmation{want.Thumbprint}, want.ProofAlg
	}
}

// confirmation binds a token to a key.
type confirmation struct {
	Thumbprint string `json:"jkt"`
}

// actor is a service that acts for the subject, and whom it acts for in turn.
type actor struct {
	Subject string `json:"sub"`
	Actor   *actor `json:"act,omitempty"`
}

// grantID is the grant that the token belongs to, or empty. It is the part of the jti before the dot.
func (c *accessClaims) grantID() string {
	grant, _, ok := strings.Cut(c.ID, ".")
	if !ok {
		return ""
	}
	return grant
}

// refreshClaims are the claims of a refresh token. Only this server is meant to read it.
type refreshClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	ClientID string `json:"client_id"`
	IssuedAt int64  `json:"iat"`
	Expiry   int64  `json:"exp"`
	ID       string `json:"jti"`
}

// idClaims are the claims of an ID token (OIDC Core §2, §3.3.2.11) but for those about the person.
type idClaims struct {
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

// idTokenParts is what an ID token says beside its grant.
type idTokenParts struct {
	Nonce       string
	AccessToken string // issued beside it
	Code        string // issued beside it
	ScopeClaims bool   // with the claims of the scope, for no access token can fetch them
}

// audience says for which resource services a token with these scopes is meant; if for none, for this server's userinfo.
func (s *Server) audience(scope []string) []string {
	if found := client.AudienceOf(s.resources, scope); len(found) > 0 {
		return found
	}
	return []string{s.issuer}
}

// rolesScope is the scope that asks for a person's roles in the access token.
const rolesScope = "board:moderate"

// accessRequest is what an access token is to be good for.
type accessRequest struct {
	Scope      []string
	Audience   []string
	Thumbprint string // RFC 7638, of the DPoP key that it is bound to; empty: a bearer token
	ProofAlg   string // what proofs of that key must be signed by; empty: the key says
	Actor      *actor
	Withheld   []string // of an exchanged token; see accessClaims
	Subject    string   // of an exchanged token; empty: the person as the client knows them
	Expiry     int64    // of an exchanged token: not later than this, in seconds; 0: the usual lifetime
}

// accessToken issues an access token of a grant. Nothing is written: it is verified from itself.
func (s *Server) accessToken(ctx context.Context, c *client.Client, g *store.Grant, want accessRequest, now time.Time) (string, error) {
	claims := accessClaims{
		Issuer:    s.issuer,
		Subject:   s.subject(c, g.UserID),
		Audience:  want.Audience,
		ClientID:  c.ID,
		Scope:     strings.Join(want.Scope, " "),
		IssuedAt:  now.Unix(),
		Expiry:    now.Add(s.lifetimes.AccessToken).Unix(),
		ID:        g.ID + "." + rand.Text(),
		AuthTime:  g.AuthTime.Unix(),
		ACR:       g.ACR,
		AMR:       g.AMR,
		SessionID: g.SessionID,
		Actor:     want.Actor,
		Withheld:  want.Withheld,
	}
	if want.Subject != "" {
		claims.Subject = want.Subject
	}
	if want.Expiry != 0 {
		claims.Expiry = min(claims.Expiry, want.Expiry)
	}
	claims.bind(want)
	if slices.Contains(want.Scope, rolesScope) {
		user, err := s.store.User(ctx, g.UserID)
		if err != nil {
			return "", err
		}
		claims.Roles = user.Roles
	}
	return s.signAs(ctx, s.accessAlg(c), typeAccess, claims)
}

// accessAlg is what access tokens of a client are signed by; empty: RS256.
func (s *Server) accessAlg(c *client.Client) string {
	if c.Profile == client.ProfileFAPI2 {
		return s.profileTokenAlg
	}
	return ""
}

// newRefreshToken makes a refresh token of a grant and the row to store for it.
func (s *Server) newRefreshToken(ctx context.Context, c *client.Client, g *store.Grant, now time.Time) (string, store.RefreshToken, error) {
	row := store.RefreshToken{GrantID: g.ID, ID: rand.Text(), IssuedAt: now, ExpiresAt: now.Add(s.lifetimes.RefreshIdle)}
	if row.ExpiresAt.After(g.ExpiresAt) || c.Profile == client.ProfileFAPI2 { // which gets no second one
		row.ExpiresAt = g.ExpiresAt
	}
	claims, err := json.Marshal(s.refreshClaims(c, g, row))
	if err != nil {
		return "", row, err
	}
	token, kid, err := s.keys.Sign(ctx, typeRefresh, claims)
	if err != nil {
		return "", row, err
	}
	row.KeyID, row.Hash = kid, refreshHash(token)
	return token, row, nil
}

// sameRefreshToken signs the token of a row again. RS256 is deterministic, so it is the same to the letter.
func (s *Server) sameRefreshToken(ctx context.Context, c *client.Client, g *store.Grant, row store.RefreshToken) (string, error) {
	claims, err := json.Marshal(s.refreshClaims(c, g, row))
	if err != nil {
		return "", err
	}
	return s.keys.SignWith(ctx, row.KeyID, typeRefresh, claims)
}

func (s *Server) refreshClaims(c *client.Client, g *store.Grant, row store.RefreshToken) refreshClaims {
	return refreshClaims{
		Issuer: s.issuer, Subject: s.subject(c, g.UserID), Audience: s.issuer, ClientID: g.ClientID,
		IssuedAt: row.IssuedAt.Unix(), Expiry: row.ExpiresAt.Unix(), ID: row.ID,
	}
}

// refreshHash is the key of a refresh token's row. It comes from the signature, which nobody but this server can make: a
// look-up by the jti would let a forged token name somebody else's grant.
func refreshHash(token string) []byte {
	return store.Hash(token[strings.LastIndexByte(token, '.')+1:])
}

// idToken issues an ID token, signed as its client registered for.
func (s *Server) idToken(ctx context.Context, c *client.Client, g *store.Grant, parts idTokenParts, now time.Time) (string, error) {
	claims := idClaims{
		Issuer:          s.issuer,
		Subject:         s.subject(c, g.UserID),
		Audience:        c.ID,
		AuthorizedParty: c.ID,
		IssuedAt:        now.Unix(),
		Expiry:          now.Add(s.lifetimes.IDToken).Unix(),
		AuthTime:        g.AuthTime.Unix(),
		Nonce:           parts.Nonce,
		ACR:             g.ACR,
		AMR:             g.AMR,
		SessionID:       g.SessionID,
		AccessTokenHash: leftHash(c.IDTokenSignedResponseAlg, parts.AccessToken),
		CodeHash:        leftHash(c.IDTokenSignedResponseAlg, parts.Code),
	}
	requested, err := readClaimsRequest(g.Claims)
	if err != nil {
		return "", err
	}
	var scope []string
	// With a code beside it, another ID token follows from the token endpoint, which no address
	// carries: that one says who the person is (OIDC Core §3.3.3.6).
	if parts.ScopeClaims || c.IDTokenClaims && parts.Code == "" {
		scope = g.Scope
	}
	if len(scope)+len(requested.IDToken) == 0 {
		return s.signAs(ctx, c.IDTokenSignedResponseAlg, typeID, claims)
	}
	user, err := s.store.User(ctx, g.UserID)
	if err != nil {
		return "", err
	}
	about, err := claimsAbout(user, scope, requested.IDToken)
	if err != nil {
		return "", err
	}
	whole, err := merge(about, claims)
	if err != nil {
		return "", err
	}
	return s.signAs(ctx, c.IDTokenSignedResponseAlg, typeID, whole)
}

// merge is the claims about a person together with the token's own, which win.
func merge(about map[string]any, own any) (map[string]any, error) {
	text, err := json.Marshal(own)
	if err != nil {
		return nil, err
	}
	return about, json.Unmarshal(text, &about)
}

// leftHash is the left half of the hash of a token or code, with the hash of the algorithm that signs (OIDC Core §3.1.3.6, §3.3.2.11).
// EdDSA with Ed25519 hashes by SHA-512. Empty stays empty.
func leftHash(alg, text string) string {
	if text == "" {
		return ""
	}
	if jwks.SameAlgorithm(alg, keys.EdDSA) {
		sum := sha512.Sum512([]byte(text))
		return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	}
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// signAs signs with the algorithm that a client registered for; empty: RS256.
func (s *Server) signAs(ctx context.Context, alg, typ string, claims any) (string, error) {
	if alg == "" {
		alg = keys.RS256
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	token, _, err := s.keys.SignAs(ctx, alg, typ, text)
	return token, err
}

// errNotOurs says that a token is none that this server issued, of the type asked for.
var errNotOurs = errors.New("not a token of this server")

// verify checks that token is a JWT of that type which this server signed, and reads its claims. It does not look at the expiry.
func (s *Server) verify(ctx context.Context, token, typ string, claims any) error {
	text, _, err := s.keys.Verify(ctx, token, typ)
	if errors.Is(err, keys.ErrInvalid) {
		return errNotOurs
	}
	if err != nil {
		return err
	}
	return jwks.UnmarshalExact(text, claims)
}

// liveAccessToken reads an access token that is valid now: ours, unexpired, and neither it nor its grant revoked.
// Anything else is errNotOurs, or a failure of the database.
func (s *Server) liveAccessToken(ctx context.Context, token string) (accessClaims, error) {
	var claims accessClaims
	if err := s.verify(ctx, token, typeAccess, &claims); err != nil {
		return claims, err
	}
	if claims.Issuer != s.issuer || s.now().Unix() >= claims.Expiry {
		return claims, errNotOurs
	}
	revoked, err := s.store.TokenRevoked(ctx, claims.ID)
	if err != nil {
		return claims, err
	}
	if revoked {
		return claims, errNotOurs
	}
	if id := claims.grantID(); id != "" {
		g, err := s.store.Grant(ctx, id)
		if errors.Is(err, store.ErrNotFound) || (err == nil && !g.Live(s.now())) {
			return claims, errNotOurs
		}
		if err != nil {
			return claims, err
		}
	}
	return claims, nil
}

// personOf is the person of an access token. Its subject may be pairwise; the grant knows whose it is. store.ErrNotFound: it is a service's own.
func (s *Server) personOf(ctx context.Context, claims *accessClaims) (store.User, error) {
	g, err := s.store.Grant(ctx, claims.grantID())
	if err != nil {
		return store.User{}, err
	}
	return s.store.User(ctx, g.UserID)
}
