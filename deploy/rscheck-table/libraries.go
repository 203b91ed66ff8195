package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	jwtmiddleware "github.com/auth0/go-jwt-middleware/v2"
	auth0jwks "github.com/auth0/go-jwt-middleware/v2/jwks"
	"github.com/auth0/go-jwt-middleware/v2/validator"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/httprc/v3"
	"github.com/lestrrat-go/jwx/v3/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	zitadel "github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/maru-auth/maru/jwks"
)

// A library protects a handler as its documentation shows, and with every check
// that it offers an option for: issuer, audience, algorithm, expiry.
type library struct {
	name, module string // as the table names it; whose version is told
	protect      func(ctx context.Context, issuer, keys string, next http.Handler) (http.Handler, error)
}

var libraries = []library{
	{"Maru `jwks`", "github.com/maru-auth/maru", maru},
	{"go-oidc", "github.com/coreos/go-oidc/v3", goOIDC},
	{"golang-jwt + keyfunc", "github.com/golang-jwt/jwt/v5", golangJWT},
	{"lestrrat-go/jwx", "github.com/lestrrat-go/jwx/v3", jwx},
	{"auth0 go-jwt-middleware", "github.com/auth0/go-jwt-middleware/v2", auth0},
	{"zitadel/oidc", "github.com/zitadel/oidc/v3", zitadelOIDC},
}

func maru(ctx context.Context, issuer, _ string, next http.Handler) (http.Handler, error) {
	cache, err := jwks.NewCache(ctx, jwks.CacheConfig{Issuer: issuer})
	if err != nil {
		return nil, err
	}
	verifier, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: issuer, Audience: audience, Keys: cache})
	if err != nil {
		return nil, err
	}
	return jwks.Middleware(verifier, jwks.GuardConfig{})(next), nil
}

// byHand is the handler that everybody writes around a library that verifies
// tokens.
func byHand(next http.Handler, verify func(ctx context.Context, token string) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := jwtmiddleware.AuthHeaderTokenExtractor(r)
		if err == nil && token == "" {
			err = errors.New("no token")
		}
		if err == nil {
			err = verify(r.Context(), token)
		}
		if err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "The access token is not good.", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func goOIDC(ctx context.Context, issuer, _ string, next http.Handler) (http.Handler, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	verifier := provider.VerifierContext(ctx, &oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{oidc.RS256}})
	return byHand(next, func(ctx context.Context, token string) error {
		_, err := verifier.Verify(ctx, token)
		return err
	}), nil
}

func golangJWT(ctx context.Context, issuer, keys string, next http.Handler) (http.Handler, error) {
	k, err := keyfunc.NewDefaultCtx(ctx, []string{keys})
	if err != nil {
		return nil, err
	}
	return byHand(next, func(_ context.Context, token string) error {
		_, err := jwt.Parse(token, k.Keyfunc, jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithStrictDecoding())
		return err
	}), nil
}

func jwx(ctx context.Context, issuer, keys string, next http.Handler) (http.Handler, error) {
	cache, err := jwk.NewCache(ctx, httprc.NewClient())
	if err != nil {
		return nil, err
	}
	// Without waiting for the keys: the issuer may serve nonsense at the time.
	if err := cache.Register(ctx, keys, jwk.WithWaitReady(false)); err != nil {
		return nil, err
	}
	set, err := cache.CachedSet(keys)
	if err != nil {
		return nil, err
	}
	return byHand(next, func(_ context.Context, token string) error {
		_, err := jwxjwt.ParseString(token, jwxjwt.WithKeySet(set), jwxjwt.WithIssuer(issuer), jwxjwt.WithAudience(audience),
			jwxjwt.WithRequiredClaim("exp"), jwxjwt.WithValidate(true))
		return err
	}), nil
}

func auth0(_ context.Context, issuer, _ string, next http.Handler) (http.Handler, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	provider := auth0jwks.NewCachingProvider(u, 5*time.Minute)
	v, err := validator.New(provider.KeyFunc, validator.RS256, issuer, []string{audience})
	if err != nil {
		return nil, err
	}
	return jwtmiddleware.New(v.ValidateToken).CheckJWT(next), nil
}

// zitadelOIDC checks the audience by hand: the library's verifier of access
// tokens does not.
func zitadelOIDC(_ context.Context, issuer, keys string, next http.Handler) (http.Handler, error) {
	verifier := op.NewAccessTokenVerifier(issuer, rp.NewRemoteKeySet(http.DefaultClient, keys), op.WithSupportedAccessTokenSigningAlgorithms("RS256"))
	return byHand(next, func(ctx context.Context, token string) error {
		claims, err := op.VerifyAccessToken[*zitadel.AccessTokenClaims](ctx, token, verifier)
		if err != nil {
			return err
		}
		if !slices.Contains(claims.Audience, audience) {
			return errors.New("another audience")
		}
		return nil
	}), nil
}
