package flow

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	discoveryFresh = time.Hour       // after which the document is read again
	discoveryRetry = 2 * time.Second // least time between two tries
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

// discovery keeps the document. The zero value has none yet.
type discovery struct {
	mu      sync.Mutex
	current *issuer
	next    time.Time // when to read it (again)
	lastErr error
	reading chan struct{} // not nil: someone reads it now; closed when done
}

// issuer returns what is known of the issuer, reading it first when it is not known or old. When reading fails, an old
// document stays good; without one the error is ErrIssuerDown.
func (c *Client) issuer(ctx context.Context) (*issuer, error) {
	d := &c.provider
	d.mu.Lock()
	for {
		if c.now().Before(d.next) {
			defer d.mu.Unlock()
			if d.current == nil {
				return nil, d.lastErr
			}
			return d.current, nil
		}
		if d.reading == nil {
			break
		}
		if d.current != nil { // while another reads it anew
			defer d.mu.Unlock()
			return d.current, nil
		}
		wait := d.reading
		d.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		d.mu.Lock()
	}
	done := make(chan struct{})
	d.reading = done
	d.mu.Unlock()

	// The person who asks may leave; others wait for the answer.
	found, err := c.discover(context.WithoutCancel(ctx))

	d.mu.Lock()
	defer d.mu.Unlock()
	d.reading = nil
	close(done)
	if err != nil {
		err = briefly(err)
		c.log.Warn("cannot read the issuer's discovery document", "issuer", c.cfg.Issuer, "error", err)
		d.next, d.lastErr = c.now().Add(discoveryRetry), fmt.Errorf("%w: %w", ErrIssuerDown, err)
		if d.current == nil {
			return nil, d.lastErr
		}
		return d.current, nil
	}
	d.current, d.next, d.lastErr = found, c.now().Add(discoveryFresh), nil
	return found, nil
}

func (c *Client) discover(ctx context.Context) (*issuer, error) {
	ctx, cancel := c.issuerContext(ctx)
	defer cancel()
	provider, err := oidc.NewProvider(ctx, c.cfg.Issuer) // checks that the document names this very issuer
	if err != nil {
		return nil, err
	}
	var m metadata
	if err := provider.Claims(&m); err != nil {
		return nil, err
	}
	endpoint := provider.Endpoint()
	// Not found out by trying: a first try that is refused would spend the code.
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if c.cfg.ClientSecret == "" {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &issuer{
		oauth: oauth2.Config{
			ClientID: c.cfg.ClientID, ClientSecret: c.cfg.ClientSecret, Endpoint: endpoint,
			RedirectURL: c.cfg.Origin + "/callback", Scopes: c.cfg.Scopes,
		},
		verifier: oidc.NewVerifier(c.cfg.Issuer, &keySet{client: c, url: m.JWKSURI},
			&oidc.Config{ClientID: c.cfg.ClientID, SupportedSigningAlgs: []string{oidc.RS256}, Now: c.now}),
		metadata: m,
	}, nil
}

// Reachable returns nil once the issuer's discovery document is known, else ErrIssuerDown. It asks at most every two seconds.
func (c *Client) Reachable(ctx context.Context) error {
	_, err := c.issuer(ctx)
	return err
}

// JWKSOrigin is the origin of the issuer's key set, which a browser must be let fetch; empty while it is not known.
func (c *Client) JWKSOrigin() string {
	c.provider.mu.Lock()
	defer c.provider.mu.Unlock()
	if c.provider.current == nil {
		return ""
	}
	u, err := url.Parse(c.provider.current.JWKSURI)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
