// Package service is the program around a resource service: its command line and settings, and a
// run from the opening of the database to the last request. The interface that it serves is made
// with package rest.
package service

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/internal/libcrypto"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/jwks"
)

// Settings are those that every resource service has. The tags are kong's; embed it.
type Settings struct {
	httpd.Config   `embed:""`
	Issuer         string        `help:"Issuer of the access tokens, as in their iss. Required." required:"" placeholder:"URL"`
	JWKSURL        string        `name:"jwks-url" help:"URL of the issuer's keys. Empty: the issuer's discovery document names it." placeholder:"URL"`
	JWKSCache      string        `name:"jwks-cache-file" help:"File in which to keep the issuer's last keys too, so that the service can start while the issuer is down. Only this program may be able to write to it: anybody else who can can forge tokens. Its folder must exist. Empty: keys are kept in memory only." placeholder:"PATH"`
	StatusFailOpen time.Duration `name:"status-fail-open-for" help:"How long after a status list of the issuer was last confirmed its tokens are still accepted while it cannot be fetched. Then they are refused with status 503. 0s: not at all." default:"2m"`
	StatusCache    string        `name:"status-cache-file" help:"File in which to keep the issuer's last status lists too, so that the service knows what was revoked if it starts while the issuer is down. Only this program may be able to write to it: anybody else who can can bring revoked tokens back. Its folder must exist. Empty: lists are kept in memory only." placeholder:"PATH"`
	IgnoreStatus   bool          `name:"insecure-ignore-status" help:"Do not look at the issuer's status lists: a revoked token is accepted until it expires, and what a withdrawn key signed until the keys are fetched again. For an issuer whose lists this service cannot reach."`
	Audience       string        `help:"This service's identifier in the aud of tokens, and its public address. Required." required:"" placeholder:"URL"`
	TokenAlgs      []string      `name:"token-algs" help:"Algorithms that may sign tokens: RS256, PS256, ES256, EdDSA, Ed25519. Add to RS256 if the issuer signs some clients' tokens with another (--fapi2-token-alg)." default:"RS256" placeholder:"ALG,…"`
	DocsClientID   string        `name:"docs-client-id" help:"A public client at the issuer, with which people try this interface in its reference at /docs; its redirect URI is the audience with /docs/oauth2-redirect.html. Empty: there is no /docs." placeholder:"ID"`
	sqldb.Options  `embed:""`

	// Serving is told the address once the service listens. Nil: nobody is told.
	Serving func(net.Addr) `kong:"-"`
}

// Clock is Options.Now, and time.Now if that is nil.
func (s Settings) Clock() func() time.Time {
	if s.Now != nil {
		return s.Now
	}
	return time.Now
}

// Database says how a service opens its database: it makes the file of a new one, and compares its
// clock.
func (s Settings) Database() sqldb.Options {
	opts := s.Options
	opts.Create, opts.Now = true, s.Clock()
	return opts
}

// Verifier returns the verifier of the service's tokens, the cache of the issuer's keys, and these
// but for those that it withdrew. Keys and status lists are kept fresh until ctx ends; the issuer need not be up.
func (s Settings) Verifier(ctx context.Context, log *slog.Logger) (*jwks.Verifier, *jwks.Cache, jwks.KeySource, error) {
	keys, err := jwks.NewCache(ctx, jwks.CacheConfig{Issuer: s.Issuer, JWKSURL: s.JWKSURL, File: s.JWKSCache, RSA: libcrypto.Verification, Log: log})
	if err != nil {
		return nil, nil, nil, fmt.Errorf("settings --issuer, --jwks-url and --jwks-cache-file: %w", err)
	}
	config := jwks.VerifierConfig{Issuer: s.Issuer, Audience: s.Audience, Keys: keys, Algorithms: s.TokenAlgs}
	trusted := jwks.KeySource(keys)
	if !s.IgnoreStatus {
		failOpenFor := s.StatusFailOpen
		if failOpenFor == 0 {
			failOpenFor = -1 // zero means a default there
		}
		lists, err := jwks.NewStatusLists(ctx, jwks.StatusConfig{
			Issuer: s.Issuer, Keys: keys, Algorithms: s.TokenAlgs, FailOpenFor: failOpenFor, File: s.StatusCache, Log: log,
		})
		if err != nil {
			return nil, nil, nil, fmt.Errorf("settings --issuer, --token-algs and --status-cache-file: %w", err)
		}
		config.Status, trusted = lists, lists
	}
	verifier, err := jwks.NewVerifier(config)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("settings --issuer, --audience and --token-algs: %w", err)
	}
	return verifier, keys, trusted, nil
}
