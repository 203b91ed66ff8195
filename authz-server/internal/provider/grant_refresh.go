package provider

import (
	"context"
	"errors"
	"slices"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// refreshGrant exchanges a refresh token for new tokens (RFC 6749 §6). Every token is used once (RFC 9700 §4.14.2). Within
// the grace window a repeated refresh gets the same successor, so that a client that lost the answer, or asks twice at
// once, is no thief; after it, a second use ends the grant.
type refreshGrant struct{ *Server }

var _ fosite.TokenEndpointHandler = (*refreshGrant)(nil)

// refreshing is a refresh token that was checked and is to be exchanged.
type refreshing struct {
	row   store.RefreshToken
	grant store.Grant
}

func (*refreshGrant) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

func (*refreshGrant) CanHandleTokenEndpointRequest(_ context.Context, request fosite.AccessRequester) bool {
	return request.GetGrantTypes().ExactOne("refresh_token")
}

func (s *refreshGrant) HandleTokenEndpointRequest(ctx context.Context, request fosite.AccessRequester) error {
	if err := requireGrant(request.GetClient(), "refresh_token"); err != nil {
		return err
	}
	token := request.GetRequestForm().Get("refresh_token")
	if token == "" {
		return refuse(fosite.ErrInvalidRequest, "the parameter refresh_token is missing")
	}
	row, g, err := s.findRefreshToken(ctx, token)
	if errors.Is(err, errNotOurs) {
		return refuse(fosite.ErrInvalidGrant, "the refresh token is not one of this server, or is gone")
	}
	if err != nil {
		return err
	}
	if g.ClientID != request.GetClient().GetID() {
		return refuse(fosite.ErrInvalidGrant, "the refresh token was issued to another client")
	}
	now := s.now()
	if !g.Live(now) || !now.Before(row.ExpiresAt) {
		return refuse(fosite.ErrInvalidGrant, "the refresh token has expired, or its grant was revoked; let the person log in again")
	}
	scope, err := narrow(&g, request.GetRequestedScopes())
	if err != nil {
		return err
	}
	given := request.GetSession().(*session) // the token endpoint makes no other
	if err := requireKey(given, g.KeyThumbprint); err != nil {
		return err
	}
	given.refresh = &refreshing{row: row, grant: g}
	given.access, err = s.narrowAccess(clientOf(request), &g, scope, request.GetRequestForm()["resource"])
	return err
}

// narrow returns the requested part of a grant's scope, or all of it when nothing is requested (RFC 6749 §6). Many clients send
// the scope that they are configured with at every refresh: what of it the person did not allow is left out, and the answer
// says so (§3.3). Only what the grant was never asked for is refused.
func narrow(g *store.Grant, requested []string) ([]string, error) {
	if len(requested) == 0 {
		return g.Scope, nil
	}
	for _, scope := range requested {
		if !slices.Contains(g.Scope, scope) && !slices.Contains(g.Declined, scope) {
			return nil, refuse(fosite.ErrInvalidScope, "the scope "+scope+" was not asked for when the person logged in; a refresh can narrow the scope and never widen it")
		}
	}
	scope := intersect(g.Scope, requested)
	if len(scope) == 0 {
		return nil, refuse(fosite.ErrInvalidScope, "the person allowed nothing of this scope")
	}
	return scope, nil
}

// findRefreshToken verifies a refresh token and finds its row. Only a token that this server signed reaches the database.
func (s *Server) findRefreshToken(ctx context.Context, token string) (store.RefreshToken, store.Grant, error) {
	var claims refreshClaims
	if err := s.verify(ctx, token, typeRefresh, &claims); err != nil {
		return store.RefreshToken{}, store.Grant{}, err
	}
	row, g, err := s.store.RefreshToken(ctx, refreshHash(token))
	if errors.Is(err, store.ErrNotFound) || (err == nil && (row.ID != claims.ID || claims.Issuer != s.issuer)) {
		err = errNotOurs
	}
	return row, g, err
}

func (s *refreshGrant) PopulateTokenEndpointResponse(ctx context.Context, request fosite.AccessRequester, response fosite.AccessResponder) error {
	if !s.CanHandleTokenEndpointRequest(ctx, request) {
		return fosite.ErrUnknownRequest
	}
	given := request.GetSession().(*session) // the token endpoint makes no other
	c, g, now := clientOf(request), &given.refresh.grant, s.now()
	access, err := s.accessToken(ctx, c, g, given.access, now)
	if err != nil {
		return err
	}
	if slices.Contains(given.access.Scope, "openid") {
		// OIDC Core §12.2: auth_time stays, and the nonce is left out.
		id, err := s.idToken(ctx, c, g, idTokenParts{AccessToken: access}, now)
		if err != nil {
			return err
		}
		response.SetExtra("id_token", id)
	}
	if c.Profile == client.ProfileFAPI2 && given.refresh.row.UsedAt.IsZero() { // one used before the client got this profile stays used
		// FAPI 2.0 Security Profile §5.3.2.1 no. 9: no rotation; the token is bound to the client's authentication already.
		if err := s.keepSession(ctx, c, g); err != nil {
			return err
		}
		response.SetExtra("refresh_token", request.GetRequestForm().Get("refresh_token"))
	} else {
		refresh, err := s.rotate(ctx, c, &given.refresh.row, g)
		if err != nil {
			return err
		}
		response.SetExtra("refresh_token", refresh)
	}
	s.answer(response, access, given.access)
	return nil
}

// rotate exchanges a refresh token for its successor: a new one if it is unused, and within the grace window the same again.
func (s *Server) rotate(ctx context.Context, c *client.Client, row *store.RefreshToken, g *store.Grant) (string, error) {
	if row.UsedAt.IsZero() {
		token, next, err := s.newRefreshToken(ctx, c, g, s.now())
		if err != nil {
			return "", err
		}
		won := false
		err = s.store.Tx(ctx, func(ctx context.Context) error {
			if err := s.keepSession(ctx, c, g); err != nil {
				return err
			}
			won, err = s.store.RotateRefreshToken(ctx, row.Hash, next)
			return err
		})
		if err == nil && won {
			return token, nil
		}
		if err == nil {
			// Another request was faster. What it left is the newest state, and what follows is decided from that.
			*row, *g, err = s.store.RefreshToken(ctx, row.Hash)
		}
		if errors.Is(err, store.ErrNotFound) {
			err = refuse(fosite.ErrInvalidGrant, "the grant was removed, and its client with it")
		}
		if err != nil {
			return "", err
		}
	}
	if row.UsedAt.IsZero() || !g.Live(s.now()) {
		return "", refuse(fosite.ErrInvalidGrant, "the refresh token has expired, or its grant was revoked; let the person log in again")
	}
	if s.now().Sub(row.UsedAt) > s.lifetimes.RefreshGrace {
		revoked, err := s.store.RevokeGrant(ctx, g.ID)
		if err != nil {
			return "", err
		}
		if revoked {
			s.log.WarnContext(ctx, "a refresh token was used again; its grant is revoked", "grant", g.ID, "client", g.ClientID)
		}
		return "", refuse(fosite.ErrInvalidGrant, "the refresh token was used before; the grant is revoked, let the person log in again")
	}
	successor, _, err := s.store.RefreshToken(ctx, row.Successor)
	if err != nil {
		return "", err
	}
	return s.sameRefreshToken(ctx, c, g, successor)
}

// keepSession counts a refresh as use of the login session that the grant depends on. If the session is over, so is the grant,
// unless the person agreed to offline access and the client is still registered for it.
func (s *Server) keepSession(ctx context.Context, c *client.Client, g *store.Grant) error {
	if g.Offline && slices.Contains(c.Scopes(), "offline_access") {
		return nil
	}
	err := s.store.ContinueSession(ctx, g.SessionID)
	if errors.Is(err, store.ErrNotFound) {
		return refuse(fosite.ErrInvalidGrant, "the login session has ended; let the person log in again")
	}
	return err
}
