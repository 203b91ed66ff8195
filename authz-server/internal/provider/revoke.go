package provider

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// revoke ends a token of the client that asks (RFC 7009): a refresh token with its grant and all the grant's access tokens, an
// access token by itself. A token that is unknown or has expired is no error (§2.2); a failure to revoke always is.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	caller, err := s.authenticate(r)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	token := r.PostForm.Get("token")
	if token == "" {
		s.writeError(w, r, refuse(fosite.ErrInvalidRequest, "the parameter token is missing"))
		return
	}
	// token_type_hint only saves time (RFC 7009 §2.1): the token itself says of which type it is.
	err = s.revokeAccessToken(r.Context(), caller, token)
	if errors.Is(err, errNotOurs) {
		err = s.revokeRefreshToken(r.Context(), caller, token)
	}
	if err != nil && !errors.Is(err, errNotOurs) {
		s.writeError(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

var errForeignToken = refuse(fosite.ErrUnauthorizedClient, "the token was issued to another client")

func (s *Server) revokeAccessToken(ctx context.Context, caller *client.Client, token string) error {
	var claims accessClaims
	if err := s.verify(ctx, token, typeAccess, &claims); err != nil {
		return err
	}
	if claims.ClientID != caller.ID {
		return errForeignToken
	}
	return s.store.RevokeToken(ctx, claims.ID, time.Unix(claims.Expiry, 0))
}

func (s *Server) revokeRefreshToken(ctx context.Context, caller *client.Client, token string) error {
	_, g, err := s.findRefreshToken(ctx, token)
	if err != nil {
		return err
	}
	if g.ClientID != caller.ID {
		return errForeignToken
	}
	_, err = s.store.RevokeGrant(ctx, g.ID)
	return err
}
