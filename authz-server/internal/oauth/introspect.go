package oauth

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// introspection is the answer about an active token (RFC 7662 §2.2).
type introspection struct {
	Active    bool      `json:"active"`
	Scope     string    `json:"scope,omitempty"`
	ClientID  string    `json:"client_id,omitempty"`
	TokenType string    `json:"token_type,omitempty"`
	Expiry    int64     `json:"exp,omitempty"`
	IssuedAt  int64     `json:"iat,omitempty"`
	Subject   string    `json:"sub,omitempty"`
	Audience  audiences `json:"aud,omitempty"`
	Issuer    string    `json:"iss,omitempty"`
	ID        string    `json:"jti,omitempty"`
	AuthTime  int64     `json:"auth_time,omitempty"`
	ACR       string    `json:"acr,omitempty"`
	AMR       []string  `json:"amr,omitempty"`
	SessionID string    `json:"sid,omitempty"`
	Roles     []string  `json:"roles,omitempty"`
}

// introspect tells a client about a token that it may know of: its own, or an access token for a resource that it serves.
// About every other token, and every invalid one, it says the same: not active (RFC 7662 §2.2, §4).
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	if err := parseForm(r); err != nil {
		s.writeError(w, r, err)
		return
	}
	caller, err := s.authenticate(r)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	// RFC 7662 §2.1: the endpoint must be protected; whoever knows a client_id could use it to try tokens.
	if caller.Public() {
		s.writeError(w, r, refuse(fosite.ErrInvalidClient, "a public client cannot use introspection: it does not authenticate"))
		return
	}
	token := r.PostForm.Get("token")
	if token == "" {
		s.writeError(w, r, refuse(fosite.ErrInvalidRequest, "the parameter token is missing"))
		return
	}
	found, err := s.introspectAccessToken(r, caller, token)
	if errors.Is(err, errNotOurs) {
		found, err = s.introspectRefreshToken(r, caller, token)
	}
	if errors.Is(err, errNotOurs) {
		found, err = introspection{}, nil
	}
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, found)
}

func (s *Server) introspectAccessToken(r *http.Request, caller *client.Client, token string) (introspection, error) {
	claims, err := s.liveAccessToken(r.Context(), token)
	if err != nil {
		return introspection{}, err
	}
	if claims.ClientID != caller.ID && !slices.ContainsFunc(caller.Audiences, func(id string) bool { return slices.Contains(claims.Audience, id) }) {
		return introspection{}, errNotOurs
	}
	return introspection{
		Active: true, Scope: claims.Scope, ClientID: claims.ClientID, TokenType: "Bearer", Expiry: claims.Expiry, IssuedAt: claims.IssuedAt,
		Subject: claims.Subject, Audience: claims.Audience, Issuer: claims.Issuer, ID: claims.ID,
		AuthTime: claims.AuthTime, ACR: claims.ACR, AMR: claims.AMR, SessionID: claims.SessionID, Roles: claims.Roles,
	}, nil
}

func (s *Server) introspectRefreshToken(r *http.Request, caller *client.Client, token string) (introspection, error) {
	row, g, err := s.findRefreshToken(r.Context(), token)
	if err != nil {
		return introspection{}, err
	}
	now := s.now()
	if g.ClientID != caller.ID || !row.UsedAt.IsZero() || !g.Live(now) || !now.Before(row.ExpiresAt) {
		return introspection{}, errNotOurs
	}
	claims := s.refreshClaims(caller, &g, row)
	return introspection{
		Active: true, Scope: strings.Join(g.Scope, " "), ClientID: g.ClientID, Expiry: claims.Expiry, IssuedAt: claims.IssuedAt,
		Subject: claims.Subject, Audience: audiences{claims.Audience}, Issuer: claims.Issuer, ID: claims.ID,
	}, nil
}
