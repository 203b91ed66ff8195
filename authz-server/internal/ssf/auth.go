package ssf

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/ssf/delivery"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
	"github.com/maru-auth/maru/internal/httpd"
)

// receiver finds the client that a request comes from, by its access token in the header alone (RFC
// 6750 §2.1), which must have one of the scopes. If there is none, it answers the request, and ok is
// false.
func (e *Endpoints) receiver(w http.ResponseWriter, r *http.Request, scopes ...string) (c client.Client, ok bool) {
	endpoint.NoStore(w)
	scheme, token, err := tokenOf(r)
	if err != nil {
		e.challenge(w, scheme, http.StatusBadRequest, "invalid_request", err.Error(), nil)
		return c, false
	}
	if token == "" {
		e.challenge(w, scheme, http.StatusUnauthorized, "", "", nil)
		return c, false
	}
	claims, err := e.Tokens.Live(r.Context(), token)
	if err == nil && (claims.GrantID() != "" || claims.ClientID != claims.Subject || !slices.Contains(claims.Audience, e.Issuer.URL(Path))) {
		err = tokens.ErrInvalid // a person's token, or one for somebody else
	}
	if errors.Is(err, tokens.ErrInvalid) {
		e.challenge(w, scheme, http.StatusUnauthorized, "invalid_token", "the access token is not valid here, has expired or was revoked", nil)
		return c, false
	}
	if err == nil {
		err = e.checkBinding(r, scheme, token, &claims)
		var known *oauth.Error
		if errors.As(err, &known) {
			refused := e.Refusal(r.Context(), err)
			e.OfferNonce(w, refused)
			e.challenge(w, scheme, http.StatusUnauthorized, refused.Code, refused.Text(), nil)
			return c, false
		}
	}
	if err != nil {
		e.Error(w, r, err)
		return c, false
	}
	httpd.NoteClient(w, claims.ClientID)
	if len(oauth.Intersect(strings.Fields(claims.Scope), scopes)) == 0 {
		e.challenge(w, scheme, http.StatusForbidden, "insufficient_scope", "the access token lacks the scope "+scopes[0], scopes[:1])
		return c, false
	}
	c, err = e.Store.Clients.Client(r.Context(), claims.ClientID)
	if errors.Is(err, store.ErrNotFound) {
		e.challenge(w, scheme, http.StatusUnauthorized, "invalid_token", "the client is gone", nil)
		return c, false
	}
	if err == nil && !delivery.MayReceive(&c) {
		err = oauth.AccessDenied.Because("the client may not have a stream any more; ask the server's operator")
	}
	if err != nil {
		e.Error(w, r, err)
		return c, false
	}
	return c, true
}

// checkBinding makes sure that a token is used as it was issued (RFC 9449 §7.1, §7.2).
func (e *Endpoints) checkBinding(r *http.Request, scheme, token string, claims *tokens.AccessClaims) error {
	if claims.Confirmation == nil && scheme == "bearer" {
		return nil
	}
	if claims.Confirmation == nil || scheme != "dpop" {
		return oauth.InvalidToken.Because("a token that is bound to a key is used by the scheme DPoP, and any other by Bearer")
	}
	return e.Auth.Prove(r, token, claims.Confirmation.Thumbprint, claims.ProofAlg)
}

// tokenOf returns the token in the request's header, or "" when there is none, and the scheme in
// lower case.
func tokenOf(r *http.Request) (scheme, token string, err error) {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return "", "", nil
	}
	name, rest, _ := strings.Cut(headers[0], " ")
	scheme, token = strings.ToLower(name), strings.TrimLeft(rest, " ")
	if len(headers) > 1 || scheme != "bearer" && scheme != "dpop" || token == "" {
		return scheme, "", errors.New("send one Authorization header, with an access token by the scheme Bearer or DPoP")
	}
	return scheme, token, nil
}

// challenge refuses a request in the challenge of its scheme (RFC 6750 §3, RFC 9449 §7.1, RFC 9728
// §5.1).
func (e *Endpoints) challenge(w http.ResponseWriter, scheme string, status int, code, description string, scopes []string) {
	why := `realm="` + e.Issuer.String() + `", resource_metadata="` + e.Issuer.WellKnown("oauth-protected-resource", Path) + `"`
	if code != "" {
		why += `, error="` + code + `", error_description="` + description + `"`
	}
	if len(scopes) > 0 {
		why += `, scope="` + strings.Join(scopes, " ") + `"`
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
