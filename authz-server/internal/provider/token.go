package provider

import (
	"context"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// token is the token endpoint (RFC 6749 §3.2). fosite authenticates the client and calls the handler of the grant.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if err := s.checkTokenRequest(r); err != nil {
		s.writeError(w, r, err)
		return
	}
	ctx, given := r.Context(), &session{}
	var err error
	if given.proof, err = s.readProof(r, ""); err != nil {
		s.writeError(w, r, err)
		return
	}
	request, err := s.provider.NewAccessRequest(ctx, r, given)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	if given.proof != nil {
		given.access.Thumbprint, given.access.ProofAlg = given.proof.thumbprint, given.proof.boundAlg()
	} else if clientOf(request).DPoPBound {
		s.writeError(w, r, refuse(errInvalidDPoPProof, "this client's tokens are bound to a key: send a DPoP proof"))
		return
	}
	if err := s.spendProof(ctx, clientOf(request), given.proof); err != nil {
		s.writeError(w, r, err)
		return
	}
	response, err := s.provider.NewAccessResponse(ctx, request)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, response.ToMap())
}

// checkTokenRequest refuses what fosite would take, or would refuse by another name.
func (s *Server) checkTokenRequest(r *http.Request) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return refuse(fosite.ErrInvalidRequest, "send the parameters as application/x-www-form-urlencoded")
	}
	if err := parseForm(r); err != nil {
		return err
	}
	switch grant := r.PostForm.Get("grant_type"); {
	case grant == "":
		return refuse(fosite.ErrInvalidRequest, "the parameter grant_type is missing")
	case !slices.Contains(tokenGrants, grant):
		return refuse(fosite.ErrUnsupportedGrantType, "grant_type must be one of "+strings.Join(tokenGrants, ", "))
	}
	return nil
}

// tokenGrants are those that have a handler.
var tokenGrants = []string{"authorization_code", "refresh_token", "client_credentials", client.DeviceCode, client.TokenExchange}

// grantTypes are those that a client can register for.
func (s *Server) grantTypes() []string {
	if s.legacyResponseTypes { // which has no token endpoint
		return append(slices.Clone(tokenGrants), "implicit")
	}
	return tokenGrants
}

// requireGrant refuses a client that is not registered for a grant (RFC 6749 §5.2).
func requireGrant(c fosite.Client, grant string) error {
	if !slices.Contains(c.GetGrantTypes(), grant) {
		return refuse(fosite.ErrUnauthorizedClient, "the client is not registered for the grant "+grant)
	}
	return nil
}

// requireKey refuses a request without a proof of the key that what it redeems is bound to; empty: to none.
func requireKey(given *session, thumbprint string) error {
	if thumbprint != "" && (given.proof == nil || given.proof.thumbprint != thumbprint) {
		return refuse(fosite.ErrInvalidGrant, "this is bound to a key that the DPoP header does not prove")
	}
	return nil
}

// clientOf is the client that a token request comes from.
func clientOf(request fosite.AccessRequester) *client.Client {
	return &request.GetClient().(*oauthClient).Client // clientStorage returns nothing else
}

// narrowAccess is what an access token of a grant is good for: a part of the grant's scope, without what its client has lost
// the registration for since, and of its audience what belongs to that scope and, if resources are named, to these (RFC 8707 §2.2).
func (s *Server) narrowAccess(c *client.Client, g *store.Grant, scope, resources []string) (accessRequest, error) {
	registered := intersect(scope, c.Scopes())
	if len(registered) == 0 && len(scope) > 0 {
		return accessRequest{}, refuse(fosite.ErrInvalidScope, "the client is registered for no scope of the grant any more")
	}
	scope = registered
	audience, err := s.narrowAudience(scope, resources)
	if err != nil {
		return accessRequest{}, err
	}
	if audience = intersect(audience, g.Audience); len(audience) == 0 {
		return accessRequest{}, refuse(errInvalidTarget, "the grant is for other resources")
	}
	return accessRequest{Scope: scope, Audience: audience}, nil
}

// answer fills in what every grant answers alike (RFC 6749 §5.1, RFC 9449 §5).
func (s *Server) answer(response fosite.AccessResponder, token string, of accessRequest) {
	response.SetAccessToken(token)
	response.SetTokenType("Bearer")
	if of.Thumbprint != "" {
		response.SetTokenType("DPoP")
	}
	response.SetExpiresIn(s.lifetimes.AccessToken)
	response.SetScopes(of.Scope)
}

// redeem answers with the first tokens of a grant. They are made before spend spends what they are given for, so that it is not
// lost to a failing signature. Of several calls at once one wins, as spend decides.
func (s *Server) redeem(ctx context.Context, request fosite.AccessRequester, response fosite.AccessResponder, g *store.Grant, nonce string,
	spend func(ctx context.Context, first *store.RefreshToken) (won bool, err error)) (won bool, err error) {
	given := request.GetSession().(*session) // the token endpoint makes no other
	c, now := clientOf(request), s.now()
	access, err := s.accessToken(ctx, c, g, given.access, now)
	if err != nil {
		return false, err
	}
	if slices.Contains(given.access.Scope, "openid") {
		id, err := s.idToken(ctx, c, g, idTokenParts{Nonce: nonce, AccessToken: access}, now)
		if err != nil {
			return false, err
		}
		response.SetExtra("id_token", id)
	}
	var first *store.RefreshToken
	if c.HasGrantType("refresh_token") {
		token, row, err := s.newRefreshToken(ctx, c, g, now)
		if err != nil {
			return false, err
		}
		first = &row
		response.SetExtra("refresh_token", token)
	}
	err = s.store.Tx(ctx, func(ctx context.Context) error {
		if won, err = spend(ctx, first); err != nil || !won {
			return err
		}
		// RFC 9449 §5: a public client has nothing else that its refresh tokens could be bound to.
		if first != nil && c.Public() && given.proof != nil {
			return s.store.BindGrant(ctx, g.ID, given.proof.thumbprint)
		}
		return nil
	})
	if err != nil || !won {
		return false, err
	}
	s.answer(response, access, given.access)
	return true, nil
}
