package oauth

import (
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"
)

// token is the token endpoint (RFC 6749 §3.2). fosite authenticates the client and calls the handler of the grant.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if err := s.checkTokenRequest(r); err != nil {
		s.writeError(w, r, err)
		return
	}
	ctx := r.Context()
	request, err := s.provider.NewAccessRequest(ctx, r, &session{})
	if err != nil {
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
	case !slices.Contains(grantTypes, grant):
		return refuse(fosite.ErrUnsupportedGrantType, "grant_type must be one of "+strings.Join(grantTypes, ", "))
	}
	return nil
}

// grantTypes are those that have a handler.
var grantTypes = []string{"authorization_code", "refresh_token", "client_credentials"}

// requireGrant refuses a client that is not registered for a grant (RFC 6749 §5.2).
func requireGrant(c fosite.Client, grant string) error {
	if !slices.Contains(c.GetGrantTypes(), grant) {
		return refuse(fosite.ErrUnauthorizedClient, "the client is not registered for the grant "+grant)
	}
	return nil
}

// answer fills in what every grant answers alike (RFC 6749 §5.1).
func answer(response fosite.AccessResponder, accessToken string, scope []string, lifetime time.Duration) {
	response.SetAccessToken(accessToken)
	response.SetTokenType("Bearer")
	response.SetExpiresIn(lifetime)
	response.SetScopes(scope)
}
