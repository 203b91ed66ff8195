package oauth

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/store"
)

// userinfo tells a client what it may know of the person (OIDC Core §5.3). The token comes in the Authorization header, or
// in the form of a POST (RFC 6750 §2.1, §2.2), and in one of them alone.
func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	token, err := bearerToken(r)
	if err != nil {
		s.challenge(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	if token == "" {
		s.challenge(w, http.StatusUnauthorized, "", "")
		return
	}
	claims, err := s.liveAccessToken(r.Context(), token)
	if errors.Is(err, errNotOurs) {
		s.challenge(w, http.StatusUnauthorized, "invalid_token", "the access token is not valid here, has expired or was revoked")
		return
	}
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	scope := strings.Fields(claims.Scope)
	if !slices.Contains(scope, "openid") {
		s.challenge(w, http.StatusForbidden, "insufficient_scope", "the access token lacks the scope openid")
		return
	}
	user, err := s.store.User(r.Context(), claims.Subject)
	if errors.Is(err, store.ErrNotFound) || (err == nil && user.Disabled) {
		s.challenge(w, http.StatusUnauthorized, "invalid_token", "the account is gone")
		return
	}
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, userClaims(user, scope))
}

// userClaims are the claims about a person that scopes ask for (OIDC Core §5.4). Claims without a value are left out.
func userClaims(user store.User, scope []string) map[string]any {
	claims := map[string]any{"sub": user.ID}
	if slices.Contains(scope, "profile") {
		claims["name"] = user.Name
		if user.Locale != "" {
			claims["locale"] = user.Locale
		}
		claims["updated_at"] = user.UpdatedAt.Unix()
	}
	if slices.Contains(scope, "email") {
		claims["email"] = user.Email
		claims["email_verified"] = user.EmailVerified
	}
	return claims
}

// bearerToken returns the request's token, or "" when there is none.
func bearerToken(r *http.Request) (string, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) > 1 {
		return "", errors.New("more than one Authorization header")
	}
	var token string
	if len(headers) == 1 {
		scheme, rest, _ := strings.Cut(headers[0], " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", errors.New("the Authorization header must use the Bearer scheme")
		}
		token = strings.TrimLeft(rest, " ")
	}
	if r.Method == http.MethodPost && r.Header.Get("Content-Type") != "" {
		if err := r.ParseForm(); err != nil {
			return "", errors.New("the form cannot be read")
		}
		if posted := r.PostForm["access_token"]; len(posted) > 0 {
			if token != "" || len(posted) > 1 {
				return "", errors.New("more than one access token")
			}
			token = posted[0]
		}
	}
	return token, nil
}

// challenge refuses a bearer token (RFC 6750 §3). A request without any authentication gets no error code.
func (s *Server) challenge(w http.ResponseWriter, status int, code, description string) {
	value := `Bearer realm="` + s.issuer + `"`
	if code != "" {
		value += `, error="` + code + `", error_description="` + description + `"`
	}
	w.Header().Set("WWW-Authenticate", value)
	body := map[string]string{"error": code, "error_description": description}
	if code == "" {
		body = map[string]string{"error": "invalid_request", "error_description": "send an access token in the Authorization header"}
	}
	writeJSON(w, status, body)
}
