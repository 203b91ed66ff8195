package clientauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks/jose"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Limits of a client assertion.
const (
	MaxAssertion       = 8 << 10   // bytes
	assertionMostAhead = time.Hour // of exp: so long a used jti must be remembered
)

// authenticateByAssertion takes a JWT that the client signed with its own key (RFC 7523 §3, OIDC
// Core §9). It is used once.
func (a *Authenticator) authenticateByAssertion(ctx context.Context, r *http.Request, form url.Values) (*client.Client, error) {
	if form.Get("client_assertion_type") != assertionType {
		return nil, oauth.InvalidClient.Because("client_assertion_type must be " + assertionType)
	}
	token := form.Get("client_assertion")
	id, err := assertedClient(token)
	if err != nil || !httpd.IsText(id) || (form.Has("client_id") && form.Get("client_id") != id) {
		return nil, oauth.InvalidClient.Because("client_assertion must be a JWT whose sub is the client_id")
	}
	found, _, err := a.Clients.Client(ctx, id)
	if errors.Is(err, store.ErrNotFound) || (err == nil && found.TokenEndpointAuthMethod != client.AuthPrivateKeyJWT) {
		return nil, oauth.InvalidClient.Because("client authentication failed: the client is unknown, or not registered for private_key_jwt")
	}
	if err != nil {
		return nil, err
	}
	rule := directory.Rule{Algs: found.Algorithms(), Types: []string{"", "JWT", "client-authentication+jwt"}, MaxBytes: MaxAssertion}
	if alg := found.TokenEndpointAuthSigningAlg; alg != "" {
		rule.Algs = oauth.Intersect(rule.Algs, []string{alg})
	}
	text, _, err := a.Clients.Verify(ctx, &found, token, rule)
	if errors.Is(err, directory.ErrInvalid) {
		return nil, oauth.InvalidClient.Because("client_assertion is refused: " + err.Error())
	}
	if err != nil {
		return nil, err
	}
	if err := a.checkAssertion(ctx, r, &found, text); err != nil {
		return nil, err
	}
	return &found, nil
}

// assertedClient returns the client that an assertion claims to be from. Nothing is verified yet.
func assertedClient(token string) (string, error) {
	if len(token) > MaxAssertion {
		return "", errors.New("too long")
	}
	jwt, err := jose.Parse(token)
	if err != nil {
		return "", err
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	err = jose.UnmarshalExact(jwt.UnverifiedPayload(), &claims)
	return claims.Subject, err
}

// checkAssertion checks the claims of a verified assertion, and spends its jti.
func (a *Authenticator) checkAssertion(ctx context.Context, r *http.Request, c *client.Client, text []byte) error {
	var claims struct {
		Issuer    string           `json:"iss"`
		Subject   string           `json:"sub"`
		Audience  json.RawMessage  `json:"aud"`
		ID        string           `json:"jti"`
		Expiry    jose.NumericDate `json:"exp"`
		NotBefore jose.NumericDate `json:"nbf"`
		IssuedAt  jose.NumericDate `json:"iat"`
	}
	if err := jose.UnmarshalExact(text, &claims); err != nil {
		return oauth.InvalidClient.Because("the claims of client_assertion cannot be read: " + err.Error())
	}
	now := a.Now()
	switch {
	case claims.Issuer != c.ID || claims.Subject != c.ID:
		return oauth.InvalidClient.Because("iss and sub of client_assertion must be the client_id")
	case !a.audienceOfAssertion(r, c, claims.Audience):
		return oauth.InvalidClient.Because("aud of client_assertion must be " + a.Issuer.String())
	case claims.ID == "" || len(claims.ID) > oauth.MaxParameter:
		return oauth.InvalidClient.Because("client_assertion needs a jti")
	case claims.Expiry.Past(now):
		return oauth.InvalidClient.Because("client_assertion has expired, or has no exp")
	case claims.NotBefore.Ahead(now) || claims.IssuedAt.Ahead(now):
		return oauth.InvalidClient.Because("nbf or iat of client_assertion is ahead; set the client's clock right")
	case claims.Expiry.After(now.Add(assertionMostAhead)):
		return oauth.InvalidClient.Because("exp of client_assertion must be within an hour")
	}
	err := a.Store.UsedIDs.UseID(ctx, "assertion", c.ID, claims.ID, claims.Expiry.Add(jose.DefaultLeeway+time.Second))
	if errors.Is(err, store.ErrExists) {
		return oauth.InvalidClient.Because("client_assertion was used before; make a new one for each request")
	}
	return err
}

// audienceOfAssertion tells whether an assertion was made for this server. Clients name the issuer,
// the token endpoint or the endpoint that they call; a fapi2 client the issuer alone, and as a
// string (FAPI 2.0 Security Profile §5.3.2.1), so that no other server can be the audience as well.
func (a *Authenticator) audienceOfAssertion(r *http.Request, c *client.Client, raw json.RawMessage) bool {
	var one string
	if json.Unmarshal(raw, &one) == nil && one == a.Issuer.String() {
		return true
	}
	if c.Profile == client.ProfileFAPI2 {
		return false
	}
	var named oauth.Audiences
	if json.Unmarshal(raw, &named) != nil {
		return false
	}
	return len(oauth.Intersect(named, []string{a.Issuer.String(), a.Issuer.URL("/oauth2/token"), a.Issuer.URL(r.URL.Path)})) > 0
}
