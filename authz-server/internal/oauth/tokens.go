package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/store"
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

// idClaims are the claims of an ID token (OIDC Core §2).
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
	AccessTokenHash string   `json:"at_hash"`
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

// accessToken issues an access token of a grant. Nothing is written: it is verified from itself.
func (s *Server) accessToken(ctx context.Context, g *store.Grant, scope []string, now time.Time) (string, error) {
	claims := accessClaims{
		Issuer:    s.issuer,
		Subject:   g.UserID,
		Audience:  s.audience(scope),
		ClientID:  g.ClientID,
		Scope:     strings.Join(scope, " "),
		IssuedAt:  now.Unix(),
		Expiry:    now.Add(s.lifetimes.AccessToken).Unix(),
		ID:        g.ID + "." + rand.Text(),
		AuthTime:  g.AuthTime.Unix(),
		ACR:       g.ACR,
		AMR:       g.AMR,
		SessionID: g.SessionID,
	}
	if slices.Contains(scope, rolesScope) {
		user, err := s.store.User(ctx, g.UserID)
		if err != nil {
			return "", err
		}
		claims.Roles = user.Roles
	}
	return s.sign(ctx, typeAccess, claims)
}

// newRefreshToken makes a refresh token of a grant and the row to store for it.
func (s *Server) newRefreshToken(ctx context.Context, g *store.Grant, now time.Time) (string, store.RefreshToken, error) {
	row := store.RefreshToken{GrantID: g.ID, ID: rand.Text(), IssuedAt: now, ExpiresAt: now.Add(s.lifetimes.RefreshIdle)}
	if row.ExpiresAt.After(g.ExpiresAt) {
		row.ExpiresAt = g.ExpiresAt
	}
	claims, err := json.Marshal(s.refreshClaims(g, row))
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
func (s *Server) sameRefreshToken(ctx context.Context, g *store.Grant, row store.RefreshToken) (string, error) {
	claims, err := json.Marshal(s.refreshClaims(g, row))
	if err != nil {
		return "", err
	}
	return s.keys.SignWith(ctx, row.KeyID, typeRefresh, claims)
}

func (s *Server) refreshClaims(g *store.Grant, row store.RefreshToken) refreshClaims {
	return refreshClaims{
		Issuer: s.issuer, Subject: g.UserID, Audience: s.issuer, ClientID: g.ClientID,
		IssuedAt: row.IssuedAt.Unix(), Expiry: row.ExpiresAt.Unix(), ID: row.ID,
	}
}

// refreshHash is the key of a refresh token's row. It comes from the signature, which nobody but this server can make: a
// look-up by the jti would let a forged token name somebody else's grant.
func refreshHash(token string) []byte {
	return store.Hash(token[strings.LastIndexByte(token, '.')+1:])
}

// idToken issues an ID token beside an access token.
func (s *Server) idToken(ctx context.Context, g *store.Grant, nonce, accessToken string, now time.Time) (string, error) {
	sum := sha256.Sum256([]byte(accessToken))
	return s.sign(ctx, typeID, idClaims{
		Issuer:          s.issuer,
		Subject:         g.UserID,
		Audience:        g.ClientID,
		AuthorizedParty: g.ClientID,
		IssuedAt:        now.Unix(),
		Expiry:          now.Add(s.lifetimes.IDToken).Unix(),
		AuthTime:        g.AuthTime.Unix(),
		Nonce:           nonce,
		ACR:             g.ACR,
		AMR:             g.AMR,
		SessionID:       g.SessionID,
		AccessTokenHash: base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]), // OIDC Core §3.1.3.6
	})
}

func (s *Server) sign(ctx context.Context, typ string, claims any) (string, error) {
	text, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	token, _, err := s.keys.Sign(ctx, typ, text)
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
	return json.Unmarshal(text, claims)
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
