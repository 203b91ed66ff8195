package provider

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// respond sends the person back to the client with the answer, in the mode that the request asked for (RFC 6749 §4.1.2,
// OAuth 2.0 Multiple Response Types, OAuth 2.0 Form Post Response Mode, JARM, RFC 9207 §2).
func (s *Server) respond(w http.ResponseWriter, r *http.Request, a *authorization, parameters url.Values) {
	to, fields, err := s.compose(w, r, a, parameters)
	switch {
	case err != nil:
		s.errorPage(w, r, err)
	case fields != nil:
		s.pages.Render(w, r, http.StatusOK, pages.FormPostPage{Action: to, Fields: fields})
	default:
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusSeeOther)
	}
}

// refuseAfterAsking shows a refusal on a page that names the client, and leaves it to the person to go back with it.
func (s *Server) refuseAfterAsking(w http.ResponseWriter, r *http.Request, a *authorization, e *fosite.RFC6749Error) {
	to, fields, err := s.compose(w, r, a, refusalParameters(e))
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	app, err := s.login.App(r, a.Client.ID, a.RedirectURI)
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	status := http.StatusBadRequest
	if e.CodeField >= http.StatusInternalServerError {
		status = e.CodeField
	}
	s.pages.Render(w, r, status, pages.ErrorReturnPage{
		Code: e.ErrorField, Detail: describe(e), App: app, To: to, Fields: fields,
	})
}

// refusalParameters tell a client of a refusal (RFC 6749 §4.1.2.1).
func refusalParameters(e *fosite.RFC6749Error) url.Values {
	return url.Values{"error": {e.ErrorField}, "error_description": {describe(e)}}
}

// redirectsRefusal tells whether the refusal of a request may send the browser on unasked. Whoever makes a client of their
// own could otherwise lead people from this server's address to any other, by a request that is wrong on purpose: RFC 9700
// §4.11.2 has only clients that are trusted told at once. A client that nobody vouched for is when the person is logged in,
// and either agreed to it before, or has just acted on a page for this very request, or is to be asked nothing (prompt=none).
func (s *Server) redirectsRefusal(r *http.Request, a *authorization) (bool, error) {
	if s.vouched(&a.Client) {
		return true, nil
	}
	current := a.Login
	if !a.LoginKnown {
		var err error
		if current, err = s.login.Session(r); err != nil {
			return false, err
		}
	}
	switch {
	case current == nil:
		return false, nil
	case a.Waiting != nil && (a.Waiting.ConsentSID == current.ID || !current.CreatedAt.Before(a.Waiting.CreatedAt)):
		return true, nil
	case slices.Contains(strings.Fields(a.Form.Get("prompt")), "none"): // it may not be read yet
		return true, nil
	}
	_, err := s.store.Consent(r.Context(), current.UserID, a.Client.ID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// compose makes the answer: the address to go to, and what is posted there; nil: the answer is in the address.
func (s *Server) compose(w http.ResponseWriter, r *http.Request, a *authorization, parameters url.Values) (to string, fields url.Values, err error) {
	if a.State != "" {
		parameters.Set("state", a.State)
	}
	state, err := s.sessionState(w, r, a)
	if err != nil {
		return "", nil, err
	}
	if state != "" {
		parameters.Set("session_state", state)
	}
	mode, signed := strings.CutSuffix(a.ResponseMode, ".jwt")
	if signed {
		token, err := s.signedResponse(r, a, parameters)
		if err != nil {
			return "", nil, err
		}
		parameters = url.Values{"response": {token}}
	} else {
		parameters.Set("iss", s.issuer)
	}
	if mode == "form_post" {
		return a.RedirectURI, parameters, nil
	}
	// The registered URI is kept as it is, its query too.
	separator := "?"
	switch {
	case mode == "fragment":
		separator = "#"
	case strings.Contains(a.RedirectURI, "?"):
		separator = "&"
	}
	return a.RedirectURI + separator + parameters.Encode(), nil, nil
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
