package provider

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/httpd"
)

// userinfo tells a client what it may know of the person (OIDC Core §5.3). The token comes in the Authorization header, or
// in the form of a POST (RFC 6750 §2.1, §2.2), and in one of them alone.
func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	scheme, token, err := accessTokenOf(r)
	if err != nil {
		s.challenge(w, scheme, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	if token == "" {
		s.challenge(w, scheme, http.StatusUnauthorized, "", "")
		return
	}
	claims, err := s.liveAccessToken(r.Context(), token)
	if errors.Is(err, errNotOurs) {
		s.challenge(w, scheme, http.StatusUnauthorized, "invalid_token", "the access token is not valid here, has expired or was revoked")
		return
	}
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	if err := s.checkBinding(r, scheme, token, &claims); err != nil {
		var known *fosite.RFC6749Error
		if !errors.As(err, &known) { // nothing is wrong with the token
			s.writeError(w, r, err)
			return
		}
		e := s.refusal(r.Context(), err)
		if e.ErrorField == errUseDPoPNonce.ErrorField {
			w.Header().Set("DPoP-Nonce", s.nonce(s.now()))
		}
		s.challenge(w, scheme, http.StatusUnauthorized, e.ErrorField, describe(e))
		return
	}
	httpd.NoteClient(w, claims.ClientID)
	scope := strings.Fields(claims.Scope)
	if !slices.Contains(scope, "openid") {
		s.challenge(w, scheme, http.StatusForbidden, "insufficient_scope", "the access token lacks the scope openid")
		return
	}
	user, err := s.personOf(r.Context(), &claims)
	if errors.Is(err, store.ErrNotFound) || (err == nil && user.Disabled) {
		s.challenge(w, scheme, http.StatusUnauthorized, "invalid_token", "the token is not a person's, or their account is gone")
		return
	}
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	if err := s.answerUserinfo(w, r, claims, user); err != nil {
		s.writeError(w, r, err)
	}
}

// answerUserinfo tells what scope and the claims parameter asked for, as JSON or, if the client registered for it, as a signed JWT (OIDC Core §5.3.2).
func (s *Server) answerUserinfo(w http.ResponseWriter, r *http.Request, token accessClaims, user store.User) error {
	c, _, err := s.clients.Client(r.Context(), token.ClientID)
	if err != nil {
		return err
	}
	g, err := s.store.Grant(r.Context(), token.grantID())
	if err != nil {
		return err
	}
	requested, err := readClaimsRequest(g.Claims)
	if err != nil {
		return err
	}
	claims, err := claimsAbout(user, strings.Fields(token.Scope), requested.Userinfo)
	if err != nil {
		return err
	}
	claims["sub"] = token.Subject
	if c.UserinfoSignedResponseAlg == "" {
		writeJSON(w, http.StatusOK, claims)
		return nil
	}
	claims["iss"], claims["aud"] = s.issuer, c.ID
	signed, err := s.signAs(r.Context(), c.UserinfoSignedResponseAlg, "JWT", claims)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/jwt")
	w.Write([]byte(signed)) //nolint:errcheck,gosec // nobody is left to tell; G705: a JWT, and said to be one
	return nil
}

// checkBinding makes sure that a token is used as it was issued: one that is bound to a key with a proof of it, and no other
// with one (RFC 9449 §7.1, §7.2).
func (s *Server) checkBinding(r *http.Request, scheme, token string, claims *accessClaims) error {
	if claims.Confirmation == nil && scheme == "bearer" {
		return nil
	}
	if claims.Confirmation == nil || scheme != "dpop" {
		return refuse(errInvalidToken, "a token that is bound to a key is used by the scheme DPoP, and any other by Bearer")
	}
	p, err := s.readProof(r, token)
	if err != nil {
		return err
	}
	if p == nil || p.thumbprint != claims.Confirmation.Thumbprint {
		return refuse(errInvalidDPoPProof, "the DPoP header must prove the key that the token is bound to")
	}
	if claims.ProofAlg != "" && p.alg != claims.ProofAlg {
		return refuse(errInvalidDPoPProof, "the DPoP proof must be signed by "+claims.ProofAlg+", as the one was that the token was issued for")
	}
	return s.useProof(r.Context(), p)
}

// errInvalidToken is RFC 6750 §3.1's error.
var errInvalidToken = &fosite.RFC6749Error{ErrorField: "invalid_token", CodeField: http.StatusUnauthorized}

// accessTokenOf returns the request's token, or "" when there is none, and the scheme that it came by in lower case.
func accessTokenOf(r *http.Request) (scheme, token string, err error) {
	headers := r.Header.Values("Authorization")
	if len(headers) > 1 {
		return "", "", errors.New("more than one Authorization header")
	}
	if len(headers) == 1 {
		name, rest, _ := strings.Cut(headers[0], " ")
		scheme, token = strings.ToLower(name), strings.TrimLeft(rest, " ")
		if scheme != "bearer" && scheme != "dpop" {
			return "", "", errors.New("the Authorization header must use the scheme Bearer or DPoP")
		}
	}
	if r.Method == http.MethodPost && r.Header.Get("Content-Type") != "" {
		if err := readForm(r); err != nil {
			return "", "", errors.New("the form cannot be read")
		}
		if posted := r.PostForm["access_token"]; len(posted) > 0 {
			if token != "" || len(posted) > 1 {
				return "", "", errors.New("more than one access token")
			}
			scheme, token = "bearer", posted[0]
		}
	}
	return scheme, token, nil
}

// challenge refuses a request for a person's claims. The error is told in the challenge of the scheme that the token came by
// (RFC 6750 §3, RFC 9449 §7.1), where clients look for it. A request without any authentication gets no error code, and both.
func (s *Server) challenge(w http.ResponseWriter, scheme string, status int, code, description string) {
	why := `realm="` + s.issuer + `"`
	if code != "" {
		why += `, error="` + code + `", error_description="` + description + `"`
	}
	algs := `algs="` + strings.Join(client.Algorithms, " ") + `"`
	if scheme == "dpop" {
		w.Header().Set("WWW-Authenticate", "DPoP "+why+", "+algs)
	} else {
		w.Header().Set("WWW-Authenticate", "Bearer "+why)
		w.Header().Add("WWW-Authenticate", "DPoP "+algs)
	}
	body := map[string]string{"error": code, "error_description": description}
	if code == "" {
		body = map[string]string{"error": "invalid_request", "error_description": "send an access token in the Authorization header"}
	}
	writeRefusal(w, status, body["error"], body["error_description"])
}
