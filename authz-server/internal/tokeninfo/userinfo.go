package tokeninfo

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
	"github.com/maru-auth/maru/internal/httpd"
)

// Userinfo tells a client what it may know of the person (OIDC Core §5.3). The token comes in the
// Authorization header, or in the form of a POST (RFC 6750 §2.1, §2.2), and in one of them alone.
func (e *Endpoints) Userinfo(w http.ResponseWriter, r *http.Request) {
	endpoint.NoStore(w)
	scheme, token, err := accessTokenOf(r)
	if err != nil {
		e.challenge(w, scheme, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	if token == "" {
		e.challenge(w, scheme, http.StatusUnauthorized, "", "")
		return
	}
	claims, err := e.Tokens.Live(r.Context(), token)
	if errors.Is(err, tokens.ErrInvalid) {
		e.challenge(w, scheme, http.StatusUnauthorized, "invalid_token", "the access token is not valid here, has expired or was revoked")
		return
	}
	if err != nil {
		e.Error(w, r, err)
		return
	}
	if err := e.checkBinding(r, scheme, token, &claims); err != nil {
		var known *oauth.Error
		if !errors.As(err, &known) { // the token is fine
			e.Error(w, r, err)
			return
		}
		refused := e.Refusal(r.Context(), err)
		e.OfferNonce(w, refused)
		e.challenge(w, scheme, http.StatusUnauthorized, refused.Code, refused.Text())
		return
	}
	httpd.NoteClient(w, claims.ClientID)
	scope := strings.Fields(claims.Scope)
	if !slices.Contains(scope, "openid") {
		e.challenge(w, scheme, http.StatusForbidden, "insufficient_scope", "the access token lacks the scope openid")
		return
	}
	user, err := e.Tokens.Person(r.Context(), &claims)
	if errors.Is(err, store.ErrNotFound) || (err == nil && user.Disabled) {
		e.challenge(w, scheme, http.StatusUnauthorized, "invalid_token", "the token is not a person's, or their account is gone")
		return
	}
	if err != nil {
		e.Error(w, r, err)
		return
	}
	if err := e.answerUserinfo(w, r, claims, user); err != nil {
		e.Error(w, r, err)
	}
}

// answerUserinfo tells what scope and the claims parameter asked for, as JSON or, if the client
// registered for it, as a signed JWT (OIDC Core §5.3.2).
func (e *Endpoints) answerUserinfo(w http.ResponseWriter, r *http.Request, token tokens.AccessClaims, user accounts.User) error {
	c, _, err := e.Clients.Client(r.Context(), token.ClientID)
	if err != nil {
		return err
	}
	g, err := e.Store.Grants.Grant(r.Context(), token.GrantID())
	if err != nil {
		return err
	}
	requested, err := tokens.ReadClaimsRequest(g.Claims)
	if err != nil {
		return err
	}
	claims, err := tokens.About(user, strings.Fields(token.Scope), requested.Userinfo)
	if err != nil {
		return err
	}
	claims["sub"] = token.Subject
	if c.UserinfoSignedResponseAlg == "" {
		endpoint.WriteJSON(w, http.StatusOK, claims)
		return nil
	}
	claims["iss"], claims["aud"] = e.Issuer.String(), c.ID
	signed, err := e.Tokens.Sign(r.Context(), c.UserinfoSignedResponseAlg, "JWT", claims)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/jwt")
	w.Write([]byte(signed)) //nolint:errcheck,gosec // the client is gone; G705: a JWT, labeled as one
	return nil
}

// checkBinding makes sure that a token is used as it was issued: one that is bound to a key with a
// proof of it, and no other with one (RFC 9449 §7.1, §7.2).
func (e *Endpoints) checkBinding(r *http.Request, scheme, token string, claims *tokens.AccessClaims) error {
	if claims.Confirmation == nil && scheme == "bearer" {
		return nil
	}
	if claims.Confirmation == nil || scheme != "dpop" {
		return oauth.InvalidToken.Because("a token that is bound to a key is used by the scheme DPoP, and any other by Bearer")
	}
	return e.Auth.Prove(r, token, claims.Confirmation.Thumbprint, claims.ProofAlg)
}

// accessTokenOf returns the request's token, or "" when there is none, and the scheme that it came
// by in lower case.
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
		if err := oauth.ReadForm(r); err != nil {
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

// challenge refuses a request for a person's claims. The error is told in the challenge of the
// scheme that the token came by (RFC 6750 §3, RFC 9449 §7.1), where clients look for it. A request
// without any authentication gets both challenges, and no error code.
func (e *Endpoints) challenge(w http.ResponseWriter, scheme string, status int, code, description string) {
	why := `realm="` + e.Issuer.String() + `"`
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
	if code == "" {
		code, description = "invalid_request", "send an access token in the Authorization header"
	}
	endpoint.WriteRefusal(w, status, code, description)
}
