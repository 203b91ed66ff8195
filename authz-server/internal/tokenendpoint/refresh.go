package tokenendpoint

import (
	"context"
	"errors"
	"slices"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/protocol"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
)

// refreshGrant exchanges a refresh token for new tokens (RFC 6749 §6). Every token is used once
// (RFC 9700 §4.14.2). Within the grace window a repeated refresh gets the same successor, so that a
// client that lost the answer, or asks twice at once, is not taken for a thief; after it, a second
// use ends the grant.
type refreshGrant struct{ *Config }

func (*refreshGrant) Type() string { return "refresh_token" }

func (cfg *refreshGrant) Check(ctx context.Context, request *protocol.TokenRequest) (protocol.Finish, error) {
	token := request.Form.Get("refresh_token")
	if token == "" {
		return nil, oauth.InvalidRequest.Because("the parameter refresh_token is missing")
	}
	row, g, err := cfg.Tokens.FindRefresh(ctx, token)
	if errors.Is(err, tokens.ErrInvalid) {
		return nil, oauth.InvalidGrant.Because("the refresh token is not one of this server, or is gone")
	}
	if err != nil {
		return nil, err
	}
	if g.ClientID != request.Client.ID {
		return nil, oauth.InvalidGrant.Because("the refresh token was issued to another client")
	}
	now := cfg.Now()
	if !g.Live(now) || !now.Before(row.ExpiresAt) {
		return nil, oauth.InvalidGrant.Because("the refresh token has expired, or its grant was revoked; let the person log in again")
	}
	scope, err := narrow(&g, request.Scope)
	if err != nil {
		return nil, err
	}
	if err := requireKey(request.Proof, g.KeyThumbprint); err != nil {
		return nil, err
	}
	want, err := cfg.narrowAccess(request, &g, scope)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*protocol.TokenAnswer, error) {
		return cfg.refresh(ctx, request, &row, &g, want)
	}, nil
}

// narrow returns the requested part of a grant's scope, or all of it when nothing is requested (RFC
// 6749 §6). Many clients send their configured scope at every refresh: what the person did not
// allow is left out, and the answer says so (§3.3). Only a scope that was never asked for is
// refused.
func narrow(g *grants.Grant, requested []string) ([]string, error) {
	if len(requested) == 0 {
		return g.Scope, nil
	}
	for _, scope := range requested {
		if !slices.Contains(g.Scope, scope) && !slices.Contains(g.Declined, scope) {
			return nil, oauth.InvalidScope.Because("the scope " + scope + " was not asked for when the person logged in; a refresh can narrow the scope and never widen it")
		}
	}
	scope := oauth.Intersect(g.Scope, requested)
	if len(scope) == 0 {
		return nil, oauth.InvalidScope.Because("the person allowed nothing of this scope")
	}
	return scope, nil
}

// refresh issues the new tokens of a grant, for the refresh token of a row.
func (cfg *refreshGrant) refresh(ctx context.Context, request *protocol.TokenRequest, row *grants.RefreshToken, g *grants.Grant,
	want tokens.AccessSpec) (*protocol.TokenAnswer, error) {
	c := request.Client
	access, err := cfg.Tokens.Access(ctx, c, g, want)
	if err != nil {
		return nil, err
	}
	answer := cfg.answer(access, want)
	if slices.Contains(want.Scope, "openid") {
		// OIDC Core §12.2: auth_time stays, and the nonce is left out.
		if answer.IDToken, err = cfg.Tokens.ID(ctx, c, g, tokens.IDSpec{AccessToken: access}); err != nil {
			return nil, err
		}
	}
	if c.Profile == client.ProfileFAPI2 && row.UsedAt.IsZero() { // one used before the client got this profile stays used
		// FAPI 2.0 Security Profile §5.3.2.1 no. 9: no rotation; the token is bound to the client's
		// authentication already.
		answer.RefreshToken = request.Form.Get("refresh_token")
		return answer, cfg.keepSession(ctx, c, g)
	}
	answer.RefreshToken, err = cfg.rotate(ctx, c, row, g)
	return answer, err
}

// rotate exchanges a refresh token for its successor: a new one if it is unused, and within the
// grace window the same again.
func (cfg *refreshGrant) rotate(ctx context.Context, c *client.Client, row *grants.RefreshToken, g *grants.Grant) (string, error) {
	if row.UsedAt.IsZero() {
		token, next, err := cfg.Tokens.Refresh(ctx, c, g)
		if err != nil {
			return "", err
		}
		won := false
		err = cfg.Store.Tx(ctx, func(ctx context.Context) error {
			if err := cfg.keepSession(ctx, c, g); err != nil {
				return err
			}
			won, err = cfg.Store.Grants.RotateRefreshToken(ctx, row.Hash, next)
			return err
		})
		if err == nil && won {
			return token, nil
		}
		if err == nil {
			// Another request was faster. What it left is the newest state, and what follows is
			// decided from that.
			*row, *g, err = cfg.Store.Grants.RefreshToken(ctx, row.Hash)
		}
		if errors.Is(err, store.ErrNotFound) {
			err = oauth.InvalidGrant.Because("the grant was removed, and its client with it")
		}
		if err != nil {
			return "", err
		}
	}
	if row.UsedAt.IsZero() || !g.Live(cfg.Now()) {
		return "", oauth.InvalidGrant.Because("the refresh token has expired, or its grant was revoked; let the person log in again")
	}
	if cfg.Now().Sub(row.UsedAt) > cfg.Tokens.Lifetimes.RefreshGrace {
		revoked, err := cfg.Store.Grants.RevokeGrant(ctx, g.ID)
		if err != nil {
			return "", err
		}
		if revoked {
			cfg.Log.WarnContext(ctx, "a refresh token was used again; its grant is revoked", "grant", g.ID, "client", g.ClientID)
		}
		return "", oauth.InvalidGrant.Because("the refresh token was used before; the grant is revoked, let the person log in again")
	}
	successor, _, err := cfg.Store.Grants.RefreshToken(ctx, row.Successor)
	if err != nil {
		return "", err
	}
	return cfg.Tokens.RefreshAgain(ctx, c, g, successor)
}

// keepSession counts a refresh as use of the login session that the grant depends on. If the
// session is over, so is the grant, unless the person agreed to offline access and the client is
// still registered for it.
func (cfg *refreshGrant) keepSession(ctx context.Context, c *client.Client, g *grants.Grant) error {
	if g.Offline && slices.Contains(c.Scopes(), "offline_access") {
		return nil
	}
	err := cfg.Store.Sessions.ContinueSession(ctx, g.SessionID)
	if errors.Is(err, store.ErrNotFound) {
		return oauth.InvalidGrant.Because("the login session has ended; let the person log in again")
	}
	return err
}
