package oauth

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/pages"
)

// respond sends the person back to the client with the answer, in the mode that the request asked for (RFC 6749 §4.1.2,
// OAuth 2.0 Multiple Response Types, OAuth 2.0 Form Post Response Mode, JARM, RFC 9207 §2).
func (s *Server) respond(w http.ResponseWriter, r *http.Request, a *authorization, parameters url.Values) {
	if a.State != "" {
		parameters.Set("state", a.State)
	}
	state, err := s.sessionState(w, r, a)
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	if state != "" {
		parameters.Set("session_state", state)
	}
	mode, signed := strings.CutSuffix(a.ResponseMode, ".jwt")
	if signed {
		token, err := s.signedResponse(r, a, parameters)
		if err != nil {
			s.errorPage(w, r, err)
			return
		}
		parameters = url.Values{"response": {token}}
	} else {
		parameters.Set("iss", s.issuer)
	}
	if mode == "form_post" {
		s.pages.Render(w, r, http.StatusOK, "form_post", pages.FormPost{Action: a.RedirectURI, Fields: parameters})
		return
	}
	// The registered URI is kept as it is, its query too.
	separator := "?"
	switch {
	case mode == "fragment":
		separator = "#"
	case strings.Contains(a.RedirectURI, "?"):
		separator = "&"
	}
	w.Header().Set("Location", a.RedirectURI+separator+parameters.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

// signedResponse is the answer as a JWT (JARM §4.1). It has iss and aud of its own, and lives ten minutes at most.
func (s *Server) signedResponse(r *http.Request, a *authorization, parameters url.Values) (string, error) {
	claims := map[string]any{"iss": s.issuer, "aud": a.Client.ID, "exp": s.now().Add(s.lifetimes.Code).Unix()}
	for name := range parameters {
		claims[name] = parameters.Get(name)
	}
	if text, ok := claims["expires_in"].(string); ok {
		claims["expires_in"] = json.Number(text)
	}
	return s.signAs(r.Context(), a.Client.AuthorizationSignedResponseAlg, "JWT", claims)
}

// seconds is d in whole seconds, as text.
func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }
