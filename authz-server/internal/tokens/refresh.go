package tokens

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
)

// RefreshClaims are the claims of a refresh token. Only this server is meant to read it.
type RefreshClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	ClientID string `json:"client_id"`
	IssuedAt int64  `json:"iat"`
	Expiry   int64  `json:"exp"`
	ID       string `json:"jti"`
}

// Refresh makes a refresh token of a grant, and the row to store for it.
func (i *Issuer) Refresh(ctx context.Context, c *client.Client, g *grants.Grant) (string, grants.RefreshToken, error) {
	now := i.now()
	row := grants.RefreshToken{GrantID: g.ID, ID: rand.Text(), IssuedAt: now, ExpiresAt: now.Add(i.Lifetimes.RefreshIdle)}
	if row.ExpiresAt.After(g.ExpiresAt) || c.Profile == client.ProfileFAPI2 { // which is not rotated
		row.ExpiresAt = g.ExpiresAt
	}
	claims, err := json.Marshal(i.RefreshClaims(c, g, row))
	if err != nil {
		return "", row, err
	}
	token, kid, err := i.keys.Sign(ctx, typeRefresh, claims)
	if err != nil {
		return "", row, err
	}
	row.KeyID, row.Hash = kid, refreshHash(token)
	return token, row, nil
}

// RefreshAgain signs the token of a row again. RS256 is deterministic: it is the same to the
// letter.
func (i *Issuer) RefreshAgain(ctx context.Context, c *client.Client, g *grants.Grant, row grants.RefreshToken) (string, error) {
	claims, err := json.Marshal(i.RefreshClaims(c, g, row))
	if err != nil {
		return "", err
	}
	return i.keys.SignWith(ctx, row.KeyID, typeRefresh, claims)
}

// RefreshClaims are the claims of the refresh token of a row.
func (i *Issuer) RefreshClaims(c *client.Client, g *grants.Grant, row grants.RefreshToken) RefreshClaims {
	return RefreshClaims{
		Issuer: i.url, Subject: i.Subject(c, g.UserID), Audience: i.url, ClientID: g.ClientID,
		IssuedAt: row.IssuedAt.Unix(), Expiry: row.ExpiresAt.Unix(), ID: row.ID,
	}
}

// refreshHash is the key of a refresh token's row. It comes from the signature, which only this
// server can make: a look-up by the jti would let a forged token name somebody else's grant.
func refreshHash(token string) []byte {
	return opaque.Hash(token[strings.LastIndexByte(token, '.')+1:])
}

// FindRefresh verifies a refresh token and finds its row. Only a token that this server signed
// reaches the database. The error is ErrInvalid, or a failure of the database.
func (i *Issuer) FindRefresh(ctx context.Context, token string) (grants.RefreshToken, grants.Grant, error) {
	var claims RefreshClaims
	if err := i.verify(ctx, token, typeRefresh, &claims); err != nil {
		return grants.RefreshToken{}, grants.Grant{}, err
	}
	row, g, err := i.store.Grants.RefreshToken(ctx, refreshHash(token))
	if errors.Is(err, store.ErrNotFound) || (err == nil && (row.ID != claims.ID || claims.Issuer != i.url)) {
		err = ErrInvalid
	}
	return row, g, err
}
