package provider

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks"
)

// Ways in which clients authenticate (RFC 6749 §2.3, OIDC Core §9). client_secret_jwt is not offered: it needs secrets that the server can read.
var authMethods = []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Limits of a client assertion.
const (
	maxAssertion       = 8 << 10   // bytes
	assertionMostAhead = time.Hour // of exp: so long a used jti must be remembered
)

// authenticateClient finds the client that a request comes from. One way of authentication a request, and one client (RFC
// 6749 §2.3): fosite would take Basic for one client beside the client_id of another.
func (s *Server) authenticateClient(ctx context.Context, r *http.Request, form url.Values) (fosite.Client, error) {
	shown := credentials{id: form.Get("client_id"), secret: form.Get("client_secret"), method: client.AuthPost}
	basic := len(r.Header.Values("Authorization")) > 0
	if basic {
		var err error
		if shown, err = basicCredentials(r); err != nil {
			return nil, err
		}
		if form.Has("client_id") && form.Get("client_id") != shown.id {
			return nil, refuse(fosite.ErrInvalidRequest, "client_id in the body names another client than the Authorization header")
		}
	}
	asserted := form.Has("client_assertion") || form.Has("client_assertion_type")
	switch {
	case basic && (form.Has("client_secret") || asserted), asserted && form.Has("client_secret"):
		return nil, refuse(fosite.ErrInvalidRequest, "authenticate the client in one way: by the Authorization header, by client_secret or by client_assertion")
	case asserted:
		return s.authenticateByAssertion(ctx, r, form)
	case shown.id == "":
		return nil, refuse(fosite.ErrInvalidClient, "the request does not say which client it comes from: send the Authorization header, client_assertion or client_id")
	}
	return s.authenticateBySecret(ctx, shown)
}

// credentials are a client's id and secret, and the method by which a request shows them.
type credentials struct{ id, secret, method string }

// usesBasic tells whether a request has the Authorization header of HTTP Basic authentication.
func usesBasic(r *http.Request) bool {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Basic")
}

// basicCredentials reads the Authorization header (RFC 6749 §2.3.1). Any number of spaces may follow
// the scheme (RFC 9110 §11.4), of which [http.Request.BasicAuth] takes one.
func basicCredentials(r *http.Request) (credentials, error) {
	switch {
	case len(r.Header.Values("Authorization")) > 1:
		return credentials{}, refuse(fosite.ErrInvalidRequest, "the request has more than one Authorization header")
	case !usesBasic(r):
		return credentials{}, refuse(fosite.ErrInvalidClient, "the Authorization header of this endpoint takes the Basic scheme alone")
	}
	_, encoded, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	text, err := base64.StdEncoding.DecodeString(strings.Trim(encoded, " "))
	id, secret, ok := strings.Cut(string(text), ":")
	if err != nil || !ok {
		return credentials{}, refuse(fosite.ErrInvalidClient, "the Authorization header must hold client_id:client_secret in base64 after Basic")
	}
	id, err = url.QueryUnescape(id)
	if err == nil {
		secret, err = url.QueryUnescape(secret)
	}
	if err != nil || !httpd.IsText(id) {
		return credentials{}, refuse(fosite.ErrInvalidRequest, "the Authorization header must hold client_id and secret as RFC 6749, section 2.3.1, encodes them, in UTF-8 without U+0000")
	}
	return credentials{id, secret, client.AuthBasic}, nil
}

// authenticateBySecret takes a client's secret, or none from a public client.
func (s *Server) authenticateBySecret(ctx context.Context, shown credentials) (fosite.Client, error) {
	found, hashes, err := s.clients.Client(ctx, shown.id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	known := err == nil
	switch {
	case known && found.Public() && shown.secret == "":
		return &oauthClient{found}, nil
	case known && shown.secret != "" && !s.takesSecret(&found, shown.method):
		return nil, refuse(fosite.ErrInvalidClient, "the client is registered for the authentication method "+found.TokenEndpointAuthMethod+", and the request uses "+shown.method)
	case known && slices.ContainsFunc(hashes, func(hash []byte) bool {
		return subtle.ConstantTimeCompare(hash, store.Hash(shown.secret)) == 1
	}):
		return &oauthClient{found}, nil
	}
	return nil, refuse(fosite.ErrInvalidClient, "client authentication failed: the client is unknown, or its secret is wrong")
}

// takesSecret tells whether a client may show its secret by a method. A secret is as good in the header
// as in the body, and many libraries try one after the other, so the method that the client
// registered for binds only those that a profile binds, and all where the operator says so.
func (s *Server) takesSecret(c *client.Client, method string) bool {
	return c.TokenEndpointAuthMethod == method || c.HasSecret() && c.Profile == "" && !s.strictAuthMethod
}

// authenticateByAssertion takes a JWT that the client signed with its own key (RFC 7523 §3, OIDC Core §9). It is used once.
func (s *Server) authenticateByAssertion(ctx context.Context, r *http.Request, form url.Values) (fosite.Client, error) {
	if form.Get("client_assertion_type") != assertionType {
		return nil, refuse(fosite.ErrInvalidClient, "client_assertion_type must be "+assertionType)
	}
	token := form.Get("client_assertion")
	id, err := assertedClient(token)
	if err != nil || !httpd.IsText(id) || (form.Has("client_id") && form.Get("client_id") != id) {
		return nil, refuse(fosite.ErrInvalidClient, "client_assertion must be a JWT whose sub is the client_id")
	}
	found, _, err := s.clients.Client(ctx, id)
	if errors.Is(err, store.ErrNotFound) || (err == nil && found.TokenEndpointAuthMethod != "private_key_jwt") {
		return nil, refuse(fosite.ErrInvalidClient, "client authentication failed: the client is unknown, or not registered for private_key_jwt")
	}
	if err != nil {
		return nil, err
	}
	rule := directory.Rule{Algs: found.Algorithms(), Types: []string{"", "JWT", "client-authentication+jwt"}, MaxBytes: maxAssertion}
	if alg := found.TokenEndpointAuthSigningAlg; alg != "" {
		rule.Algs = intersect(rule.Algs, []string{alg})
	}
	text, _, err := s.clients.Verify(ctx, &found, token, rule)
	if errors.Is(err, directory.ErrInvalid) {
		return nil, refuse(fosite.ErrInvalidClient, "client_assertion is refused: "+err.Error())
	}
	if err != nil {
		return nil, err
	}
	if err := s.checkAssertion(ctx, r, &found, text); err != nil {
		return nil, err
	}
	return &oauthClient{found}, nil
}

// assertedClient is whom an assertion says that it is of. Nothing of it is verified yet.
func assertedClient(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > maxAssertion {
		return "", errors.New("no JWT")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	return claims.Subject, jwks.UnmarshalExact(text, &claims)
}

// checkAssertion checks the claims of a verified assertion, and spends its jti.
func (s *Server) checkAssertion(ctx context.Context, r *http.Request, c *client.Client, text []byte) error {
	var claims struct {
		Issuer    string          `json:"iss"`
		Subject   string          `json:"sub"`
		Audience  json.RawMessage `json:"aud"`
		ID        string          `json:"jti"`
		Expiry    numericDate     `json:"exp"`
		NotBefore numericDate     `json:"nbf"`
		IssuedAt  numericDate     `json:"iat"`
	}
	if err := jwks.UnmarshalExact(text, &claims); err != nil {
		return refuse(fosite.ErrInvalidClient, "the claims of client_assertion cannot be read: "+err.Error())
	}
	now := s.now()
	switch {
	case claims.Issuer != c.ID || claims.Subject != c.ID:
		return refuse(fosite.ErrInvalidClient, "iss and sub of client_assertion must be the client_id")
	case !s.audienceOfAssertion(r, c, claims.Audience):
		return refuse(fosite.ErrInvalidClient, "aud of client_assertion must be "+s.issuer)
	case claims.ID == "" || len(claims.ID) > maxParameter:
		return refuse(fosite.ErrInvalidClient, "client_assertion needs a jti")
	case claims.Expiry.past(now):
		return refuse(fosite.ErrInvalidClient, "client_assertion has expired, or has no exp")
	case claims.NotBefore.ahead(now) || claims.IssuedAt.ahead(now):
		return refuse(fosite.ErrInvalidClient, "nbf or iat of client_assertion is ahead; set the client's clock right")
	case claims.Expiry.After(now.Add(assertionMostAhead)):
		return refuse(fosite.ErrInvalidClient, "exp of client_assertion must be within an hour")
	}
	err := s.store.UseID(ctx, "assertion", c.ID, claims.ID, claims.Expiry.Add(jwks.DefaultLeeway+time.Second))
	if errors.Is(err, store.ErrExists) {
		return refuse(fosite.ErrInvalidClient, "client_assertion was used before; make a new one for each request")
	}
	return err
}

// audienceOfAssertion tells whether an assertion was made for this server. Clients name the issuer, the token endpoint or the
// endpoint that they call; a fapi2 client the issuer alone, and as a string (FAPI 2.0 Security Profile §5.3.2.1), so that no
// other server can be the audience as well.
func (s *Server) audienceOfAssertion(r *http.Request, c *client.Client, raw json.RawMessage) bool {
	var one string
	if json.Unmarshal(raw, &one) == nil && one == s.issuer {
		return true
	}
	if c.Profile == client.ProfileFAPI2 {
		return false
	}
	var named audiences
	if json.Unmarshal(raw, &named) != nil {
		return false
	}
	return len(intersect(named, []string{s.issuer, s.at.URL("/oauth2/token"), s.at.URL(r.URL.Path)})) > 0
}

// methodsWithout is authMethods but one.
func methodsWithout(method string) []string {
	return slices.DeleteFunc(slices.Clone(authMethods), func(one string) bool { return one == method })
}
