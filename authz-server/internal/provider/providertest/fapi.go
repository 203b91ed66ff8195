package providertest

import (
	"net/http"
	"net/url"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// FAPIClient is a client with the profile fapi2, and its key.
type FAPIClient struct {
	fixture *Fixture
	ID      string
	Key     *Signer
}

// AddFAPIClient registers a client with the profile fapi2 that authenticates with a key, and what
// change says.
func (f *Fixture) AddFAPIClient(id string, key *Signer, change func(c *client.Client)) FAPIClient {
	f.T.Helper()
	f.AddClient(id, func(c *client.Client) {
		c.Profile, c.JWKS, c.TokenEndpointAuthMethod = client.ProfileFAPI2, key.JWKS(), "private_key_jwt"
		c.GrantTypes = []string{client.AuthorizationCode, client.RefreshToken}
		if change != nil {
			change(c)
		}
	})
	return FAPIClient{f, id, key}
}

// SigningBy returns the client with another key.
func (c FAPIClient) SigningBy(key *Signer) FAPIClient {
	c.Key = key
	return c
}

// Push pushes a request. The changes are those of the assertion.
func (c FAPIClient) Push(form url.Values, changes ...any) Answer {
	c.fixture.T.Helper()
	return c.fixture.PostForm("/oauth2/par", Merge(form, c.Key.Assertion(c.fixture, c.ID, changes...)))
}

// Authorize pushes the request of [Parameters], with these changes, and has it answered.
func (c FAPIClient) Authorize(b *Browser, changes ...string) Answer {
	c.fixture.T.Helper()
	a := c.Push(Parameters(append([]string{"client_id", c.ID}, changes...)...))
	uri, _ := a.JSON(c.fixture.T)["request_uri"].(string)
	if a.Status != http.StatusCreated || uri == "" {
		c.fixture.T.Fatalf("%d %s", a.Status, a.Body)
	}
	return b.AuthorizeForm(url.Values{"client_id": {c.ID}, "request_uri": {uri}})
}

// Token calls the token endpoint with a DPoP proof of a new key.
func (c FAPIClient) Token(form url.Values) Answer {
	c.fixture.T.Helper()
	proof := NewSigner(c.fixture.T, "").Proof(c.fixture, "POST", "/oauth2/token")
	return c.fixture.PostForm("/oauth2/token", Merge(form, c.Key.Assertion(c.fixture, c.ID)), "DPoP", proof)
}

// Redeem exchanges a code for tokens.
func (c FAPIClient) Redeem(code string) Answer {
	c.fixture.T.Helper()
	return c.Token(CodeGrant(code))
}
