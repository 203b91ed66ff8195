package provider

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v3"
	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/login"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

var (
	_ fosite.Storage             = clientStorage{}
	_ fosite.OpenIDConnectClient = (*oauthClient)(nil)
	_ fosite.Session             = (*session)(nil)
	_ fosite.Hasher              = noHasher{}
)

// newProvider sets fosite up with our grants. Nothing of its configuration is left to lazy defaults, which race.
func (s *Server) newProvider() *fosite.Fosite {
	config := &fosite.Config{
		AccessTokenIssuer:              s.issuer,
		IDTokenIssuer:                  s.issuer,
		ClientSecretsHasher:            noHasher{},
		ScopeStrategy:                  fosite.ExactScopeStrategy,
		AudienceMatchingStrategy:       fosite.ExactAudienceMatchingStrategy,
		OmitRedirectScopeParam:         true,
		MinParameterEntropy:            1,
		TokenURL:                       s.at.URL("/oauth2/token"),
		AuthorizeEndpointHandlers:      fosite.AuthorizeEndpointHandlers{&flow{s}},
		TokenEndpointHandlers:          fosite.TokenEndpointHandlers{&codeGrant{s}, &refreshGrant{s}, &clientCredentialsGrant{s}, &deviceGrant{s}, &exchangeGrant{s}},
		SendDebugMessagesToClients:     false,
		EnablePKCEPlainChallengeMethod: false,
	}
	config.ClientAuthenticationStrategy = s.authenticateClient
	return fosite.NewOAuth2Provider(clientStorage{s.clients}, config)
}

// authenticate reads the form of a request to a back-channel endpoint other than the token endpoint, and finds the client
// that it comes from.
func (s *Server) authenticate(r *http.Request) (*client.Client, error) {
	if err := parseForm(r); err != nil {
		return nil, err
	}
	authenticated, err := s.provider.AuthenticateClient(r.Context(), r, r.PostForm)
	if err != nil {
		return nil, err
	}
	return &authenticated.(*oauthClient).Client, nil // clientStorage returns nothing else
}

// clientStorage is what fosite may ask of the database.
type clientStorage struct{ clients *directory.Clients }

func (c clientStorage) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	found, _, err := c.clients.Client(ctx, id)
	if err != nil {
		return nil, err
	}
	return &oauthClient{found}, nil
}

// fosite never sees a client assertion.

func (clientStorage) ClientAssertionJWTValid(context.Context, string) error {
	return fosite.ErrJTIKnown
}

func (clientStorage) SetClientAssertionJWT(context.Context, string, time.Time) error {
	return fosite.ErrJTIKnown
}

// oauthClient is a client as fosite sees it.
type oauthClient struct{ client.Client }

func (c *oauthClient) GetID() string                      { return c.ID }
func (c *oauthClient) GetRedirectURIs() []string          { return c.RedirectURIs }
func (c *oauthClient) GetGrantTypes() fosite.Arguments    { return fosite.Arguments(c.GrantTypes) }
func (c *oauthClient) GetResponseTypes() fosite.Arguments { return fosite.Arguments(c.ResponseTypes) }
func (c *oauthClient) GetScopes() fosite.Arguments        { return c.Scopes() }
func (c *oauthClient) GetAudience() fosite.Arguments      { return nil }
func (c *oauthClient) IsPublic() bool                     { return c.Public() }

func (c *oauthClient) GetHashedSecret() []byte                      { return nil } // see authenticateBySecret
func (c *oauthClient) GetTokenEndpointAuthMethod() string           { return c.TokenEndpointAuthMethod }
func (c *oauthClient) GetTokenEndpointAuthSigningAlgorithm() string { return "" }
func (c *oauthClient) GetRequestObjectSigningAlgorithm() string     { return "" }
func (c *oauthClient) GetRequestURIs() []string                     { return nil }
func (c *oauthClient) GetJSONWebKeys() *jose.JSONWebKeySet          { return nil }
func (c *oauthClient) GetJSONWebKeysURI() string                    { return "" }

// noHasher keeps fosite from its own hasher: authenticateBySecret compares secrets. Those are 256 random
// bits and need no slow hash; bcrypt would cost 190 signatures.
type noHasher struct{}

func (noHasher) Compare(context.Context, []byte, []byte) error { return errors.ErrUnsupported }

func (noHasher) Hash(context.Context, []byte) ([]byte, error) { return nil, errors.ErrUnsupported }

// session carries what one request needs from one of fosite's calls to the next. Nothing of it is stored.
type session struct {
	authorization *authorization // at the authorization endpoint: what is being granted
	login         *login.Session // and who grants it
	code          *store.Code    // at the token endpoint: the code being redeemed
	codeHash      []byte         // and its key
	device        *devicePoll    // at the token endpoint: the device code being redeemed
	refresh       *refreshing    // at the token endpoint: the refresh token being exchanged
	subject       *exchanging    // at the token endpoint: the person's access token being exchanged
	proof         *proof         // at the token endpoint: the DPoP proof, or nil
	access        accessRequest  // at the token endpoint: what the access token is to be good for
}

func (*session) SetExpiresAt(fosite.TokenType, time.Time)    {}
func (*session) GetExpiresAt(fosite.TokenType) (t time.Time) { return t }
func (*session) GetUsername() string                         { return "" }
func (*session) GetSubject() string                          { return "" }
func (s *session) Clone() fosite.Session                     { clone := *s; return &clone }
