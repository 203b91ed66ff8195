package flow

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	discoveryFresh = time.Hour       // after which the document is read again
	discoveryRetry = 2 * time.Second // the same after a failure
)

// issuer is what the issuer's discovery document says (OpenID Connect Discovery 1.0 §3).
type issuer struct {
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
	metadata
}

type metadata struct {
	JWKSURI            string `json:"jwks_uri"`
	EndSessionEndpoint string `json:"end_session_endpoint"`
	RevocationEndpoint string `json:"revocation_endpoint"`
	ISSParameter       bool   `json:"authorization_response_iss_parameter_supported"` // RFC 9207 §3
}

// issuer returns what is known of the issuer, and first reads it if it is unknown or old. When that
// fails, an old document stays good; without one the error is ErrIssuerDown or ctx's.
func (c *Client) issuer(ctx context.Context) (*issuer, error) {
	pause, wait := discoveryFresh, fetchWait
	known, err := c.provider.held()
	if err != nil {
		pause = discoveryRetry
	}
	switch {
	case known == nil:
		wait = callTimeout
	case c.provider.flying():
		return known, nil // one who waits for the new document is enough
	}
	known, err = c.provider.again(ctx, pause, wait)
	switch {
	case known != nil:
		return known, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, fmt.Errorf("%w: %w", ErrIssuerDown, err)
}

func (c *Client) discover(ctx context.Context) (*issuer, error) {
	provider, err := oidc.NewProvider(ctx, c.cfg.Issuer) // checks that the document names this very issuer
	if err != nil {
		return nil, err
	}
	var m metadata
	if err := provider.Claims(&m); err != nil {
		return nil, err
	}
	endpoint := provider.Endpoint()
	// Set, so that x/oauth2 does not find it out by trying: a refused try would spend the code.
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if c.cfg.ClientSecret == "" {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &issuer{
		oauth: oauth2.Config{
			ClientID: c.cfg.ClientID, ClientSecret: c.cfg.ClientSecret, Endpoint: endpoint,
			RedirectURL: c.cfg.Origin + "/callback", Scopes: c.cfg.Scopes,
		},
		verifier: oidc.NewVerifier(c.cfg.Issuer, newKeySet(c, m.JWKSURI),
			&oidc.Config{ClientID: c.cfg.ClientID, SupportedSigningAlgs: []string{oidc.RS256}, Now: c.now}),
		metadata: m,
	}, nil
}

// Reachable returns nil once the issuer's discovery document is known, else ErrIssuerDown. It asks
// the issuer every two seconds at most.
func (c *Client) Reachable(ctx context.Context) error {
	_, err := c.issuer(ctx)
	return err
}

// JWKSOrigin is the origin of the issuer's key set, which browsers fetch; empty while unknown.
func (c *Client) JWKSOrigin() string {
	known, _ := c.provider.held()
	if known == nil {
		return ""
	}
	u, err := url.Parse(known.JWKSURI)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
