package tokeninfo

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
)

// introspection is the answer about an active token (RFC 7662 §2.2).
type introspection struct {
	Active    bool            `json:"active"`
	Scope     string          `json:"scope,omitempty"`
	ClientID  string          `json:"client_id,omitempty"`
	TokenType string          `json:"token_type,omitempty"`
	Expiry    int64           `json:"exp,omitempty"`
	IssuedAt  int64           `json:"iat,omitempty"`
	Subject   string          `json:"sub,omitempty"`
	Audience  oauth.Audiences `json:"aud,omitempty"`
	Issuer    string          `json:"iss,omitempty"`
	ID        string          `json:"jti,omitempty"`
	AuthTime  int64           `json:"auth_time,omitempty"`
	ACR       string          `json:"acr,omitempty"`
	AMR       []string        `json:"amr,omitempty"`
	SessionID string          `json:"sid,omitempty"`
	Roles     []string        `json:"roles,omitempty"`

	Confirmation *tokens.Confirmation `json:"cnf,omitempty"` // RFC 9449 §6.2
	ProofAlg     string               `json:"dpop_alg,omitempty"`
	Actor        *tokens.Actor        `json:"act,omitempty"` // RFC 8693 §4.1
}

// typeIntrospection is the media type of a signed answer without "application/", and the type of
// its JWT (RFC 9701 §4, §5).
const typeIntrospection = "token-introspection+jwt"

// signedIntrospection is a signed answer (RFC 9701 §5). It has neither sub nor exp, so that it
// cannot pass for a token.
type signedIntrospection struct {
	Issuer   string        `json:"iss"`
	Audience string        `json:"aud"`
	IssuedAt int64         `json:"iat"`
	About    introspection `json:"token_introspection"`
}

// maxAccept is the longest Accept header that is read, in bytes: each part costs work.
const maxAccept = 1 << 10

// wantsSigned tells whether the Accept header prefers a signed answer: it must name its type (RFC
// 9701 §4), and JSON, by name or by a wildcard, with no larger weight (RFC 9110 §12.5.1).
func wantsSigned(r *http.Request) bool {
	const unnamed = -1
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if len(accept) > maxAccept {
		return false
	}
	weights := make(map[string]float64)
	for _, one := range strings.Split(accept, ",") {
		kind, parameters, err := mime.ParseMediaType(one)
		if err != nil {
			continue
		}
		weight := 1.0
		if q, ok := parameters["q"]; ok {
			if weight, err = strconv.ParseFloat(q, 64); err != nil || weight < 0 || weight > 1 {
				continue
			}
		}
		weights[kind] = weight
	}
	of := func(kinds ...string) float64 {
		for _, kind := range kinds {
			if weight, ok := weights[kind]; ok {
				return weight
			}
		}
		return unnamed
	}
	signed := of("application/" + typeIntrospection)
	return signed > 0 && signed >= of("application/json", "application/*", "*/*")
}

// Introspect tells a client about a token that it may know of: its own, or an access token for a
// resource that it serves. About every other token, and every invalid one, it says the same: not
// active (RFC 7662 §2.2, §4).
func (e *Endpoints) Introspect(w http.ResponseWriter, r *http.Request) {
	endpoint.NoStore(w)
	caller, err := e.authenticate(r)
	if err != nil {
		e.Error(w, r, err)
		return
	}
	// RFC 7662 §2.1: the endpoint must be protected; otherwise anybody who knows a client_id could
	// try tokens.
	if caller.Public() {
		e.Error(w, r, oauth.InvalidClient.Because("a public client cannot use introspection: it does not authenticate"))
		return
	}
	token := r.PostForm.Get("token")
	if token == "" {
		e.Error(w, r, oauth.InvalidRequest.Because("the parameter token is missing"))
		return
	}
	found, err := e.introspectAccessToken(r, caller, token)
	if errors.Is(err, tokens.ErrInvalid) {
		found, err = e.introspectRefreshToken(r, caller, token)
	}
	if errors.Is(err, tokens.ErrInvalid) {
		found, err = introspection{}, nil
	}
	if err != nil {
		e.Error(w, r, err)
		return
	}
	w.Header().Add("Vary", "Accept")
	if !wantsSigned(r) {
		endpoint.WriteJSON(w, http.StatusOK, found)
		return
	}
	signed, err := e.Tokens.Sign(r.Context(), caller.IntrospectionSignedResponseAlg, typeIntrospection, signedIntrospection{e.Issuer.String(), caller.ID, e.Now().Unix(), found})
	if err != nil {
		e.Error(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/"+typeIntrospection)
	io.WriteString(w, signed) //nolint:errcheck // the client is gone
}

func (e *Endpoints) introspectAccessToken(r *http.Request, caller *client.Client, token string) (introspection, error) {
	claims, err := e.Tokens.Live(r.Context(), token)
	if err != nil {
		return introspection{}, err
	}
	if claims.ClientID != caller.ID && len(oauth.Intersect(caller.Audiences, claims.Audience)) == 0 {
		return introspection{}, tokens.ErrInvalid
	}
	kind := "Bearer"
	if claims.Confirmation != nil {
		kind = "DPoP"
	}
	return introspection{
		Active: true, Scope: claims.Scope, ClientID: claims.ClientID, TokenType: kind, Expiry: claims.Expiry, IssuedAt: claims.IssuedAt,
		Subject: claims.Subject, Audience: claims.Audience, Issuer: claims.Issuer, ID: claims.ID,
		AuthTime: claims.AuthTime, ACR: claims.ACR, AMR: claims.AMR, SessionID: claims.SessionID, Roles: claims.Roles,
		Confirmation: claims.Confirmation, ProofAlg: claims.ProofAlg, Actor: claims.Actor,
	}, nil
}

func (e *Endpoints) introspectRefreshToken(r *http.Request, caller *client.Client, token string) (introspection, error) {
	p, err := e.Tokens.FindRefresh(r.Context(), token)
	if err != nil {
		return introspection{}, err
	}
	if p.Grant.ClientID != caller.ID || !p.UsedAt.IsZero() || !p.Live(e.Now()) {
		return introspection{}, tokens.ErrInvalid
	}
	return introspection{
		Active: true, Scope: strings.Join(oauth.Intersect(p.Grant.Scope, caller.Scopes()), " "), ClientID: p.ClientID, Expiry: p.Expiry,
		IssuedAt: p.IssuedAt, Subject: p.Subject, Audience: oauth.Audiences{p.Audience}, Issuer: p.Issuer, ID: p.ID,
	}, nil
}
