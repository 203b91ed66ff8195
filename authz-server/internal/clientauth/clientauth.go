// Package clientauth finds out who sent a request: which client, by its secret or an assertion (RFC
// 6749 §2.3, OIDC Core §9), and which key its DPoP proof is of (RFC 9449).
package clientauth

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks/jose"
)

// Config is what an [Authenticator] needs. All fields are required but those with a default.
type Config struct {
	Issuer  issuer.URL
	Clients *directory.Clients
	Store   *store.Store     // remembers what may be used once
	Now     func() time.Time // nil: time.Now

	// StrictMethod takes a client's secret only by the method that it registered for, and not in
	// the Authorization header and in the body alike.
	StrictMethod bool

	// DPoPNonces asks clients for a nonce of this server in every DPoP proof (RFC 9449 §8).
	DPoPNonces bool
	// NonceSecret is what the key of the nonces is derived from, the same in every replica.
	NonceSecret []byte
}

// Authenticator authenticates clients and checks their proofs. It is safe for concurrent use.
type Authenticator struct {
	Config
	proofs *jose.ProofRule
	nonces *jose.Nonces
	used   jose.ProofMemory
}

// New makes an authenticator.
func New(cfg Config) (*Authenticator, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	proofs, nonces, err := newProofRule(cfg.DPoPNonces, cfg.NonceSecret)
	if err != nil {
		return nil, fmt.Errorf("the key of DPoP nonces: %w", err)
	}
	return &Authenticator{Config: cfg, proofs: proofs, nonces: nonces, used: usedProofs{cfg.Store}}, nil
}

// Authenticate finds the client that a request comes from. A request authenticates one client in
// one way (RFC 6749 §2.3): Basic for one client beside the client_id of another is refused.
func (a *Authenticator) Authenticate(ctx context.Context, r *http.Request, form url.Values) (*client.Client, error) {
	return a.authenticate(ctx, r, form, a.Clients.Client)
}

// AuthenticateRemembered is Authenticate, but a client that authenticates by a secret, or by nothing,
// may be remembered: see [directory.Clients.Remembered].
func (a *Authenticator) AuthenticateRemembered(ctx context.Context, r *http.Request, form url.Values) (c *client.Client, remembered bool, err error) {
	c, err = a.authenticate(ctx, r, form, func(ctx context.Context, id string) (found client.Client, hashes [][]byte, err error) {
		found, hashes, remembered, err = a.Clients.Remembered(ctx, id)
		return found, hashes, err
	})
	return c, remembered, err
}

// A finder finds a client and the hashes of its secrets.
type finder func(ctx context.Context, id string) (client.Client, [][]byte, error)

func (a *Authenticator) authenticate(ctx context.Context, r *http.Request, form url.Values, find finder) (*client.Client, error) {
	shown := credentials{id: form.Get("client_id"), secret: form.Get("client_secret"), method: client.AuthPost}
	basic := len(r.Header.Values("Authorization")) > 0
	if basic {
		var err error
		if shown, err = basicCredentials(r); err != nil {
			return nil, err
		}
		if form.Has("client_id") && form.Get("client_id") != shown.id {
			return nil, oauth.InvalidRequest.Because("client_id in the body names another client than the Authorization header")
		}
	}
	asserted := form.Has("client_assertion") || form.Has("client_assertion_type")
	switch {
	case basic && (form.Has("client_secret") || asserted), asserted && form.Has("client_secret"):
		return nil, oauth.InvalidRequest.Because("authenticate the client in one way: by the Authorization header, by client_secret or by client_assertion")
	case asserted:
		return a.authenticateByAssertion(ctx, r, form)
	case shown.id == "":
		return nil, oauth.InvalidClient.Because("the request does not say which client it comes from: send the Authorization header, client_assertion or client_id")
	}
	return a.authenticateBySecret(ctx, shown, find)
}

// credentials are a client's id and secret, and the method by which a request shows them.
type credentials struct{ id, secret, method string }

// basicCredentials reads the Authorization header (RFC 6749 §2.3.1). Any number of spaces may
// follow the scheme (RFC 9110 §11.4), of which [http.Request.BasicAuth] takes one.
func basicCredentials(r *http.Request) (credentials, error) {
	switch {
	case len(r.Header.Values("Authorization")) > 1:
		return credentials{}, oauth.InvalidRequest.Because("the request has more than one Authorization header")
	case !oauth.UsesBasic(r):
		return credentials{}, oauth.InvalidClient.Because("the Authorization header of this endpoint takes the Basic scheme alone")
	}
	_, encoded, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	text, err := base64.StdEncoding.DecodeString(strings.Trim(encoded, " "))
	id, secret, ok := strings.Cut(string(text), ":")
	if err != nil || !ok {
		return credentials{}, oauth.InvalidClient.Because("the Authorization header must hold client_id:client_secret in base64 after Basic")
	}
	id, err = url.QueryUnescape(id)
	if err == nil {
		secret, err = url.QueryUnescape(secret)
	}
	if err != nil || !httpd.IsText(id) {
		return credentials{}, oauth.InvalidRequest.Because("the Authorization header must hold client_id and secret as RFC 6749, section 2.3.1, encodes them, in UTF-8 without U+0000")
	}
	return credentials{id, secret, client.AuthBasic}, nil
}

// authenticateBySecret takes a client's secret, or none from a public client.
func (a *Authenticator) authenticateBySecret(ctx context.Context, shown credentials, find finder) (*client.Client, error) {
	found, hashes, err := find(ctx, shown.id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	known := err == nil
	switch {
	case known && found.Public() && shown.secret == "":
		return &found, nil
	case known && shown.secret != "" && !a.takesSecret(&found, shown.method):
		return nil, oauth.InvalidClient.Because("the client is registered for the authentication method " + found.TokenEndpointAuthMethod + ", and the request uses " + shown.method)
	case known && slices.ContainsFunc(hashes, func(hash []byte) bool {
		return subtle.ConstantTimeCompare(hash, opaque.Hash(shown.secret)) == 1
	}):
		return &found, nil
	}
	return nil, oauth.InvalidClient.Because("client authentication failed: the client is unknown, or its secret is wrong")
}

// takesSecret reports whether a client may send its secret by a method. Many libraries try the
// header and the body in turn, so the registered method binds only clients with a profile, unless
// the operator is strict.
func (a *Authenticator) takesSecret(c *client.Client, method string) bool {
	return c.TokenEndpointAuthMethod == method || c.HasSecret() && c.Profile == "" && !a.StrictMethod
}

// Claimed returns the client that a request says it is from, or "". Nothing is verified. A name in
// the Authorization header counts only if a client has it, because people paste secrets there.
func (a *Authenticator) Claimed(r *http.Request) string {
	id := Named(r)
	if user, _, ok := r.BasicAuth(); ok && id != "" && r.Form.Get("client_id") == "" {
		if name, _ := url.QueryUnescape(user); name == id {
			if _, err := a.Store.Clients.Client(r.Context(), id); err != nil {
				id = ""
			}
		}
	}
	return id
}

// Named returns what a request gives for its client, whether there is one or not: it may be a password
// that somebody put in its place, and so must not be kept unless there is such a client.
func Named(r *http.Request) string {
	form := r.Form // nil if the request could not be read
	id := form.Get("client_id")
	if user, _, ok := r.BasicAuth(); id == "" && ok {
		id, _ = url.QueryUnescape(user)
	}
	if id == "" && form.Has("client_assertion") {
		id, _ = assertedClient(form.Get("client_assertion")) // then it is unknown
	}
	return id
}
