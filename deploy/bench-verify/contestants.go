package main

import (
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/maru-auth/maru/internal/libcrypto"
	"github.com/maru-auth/maru/jwks"
)

const leeway = 10 * time.Second

var (
	errType   = errors.New("not an access token")
	errClaims = errors.New("wrong issuer, audience or time")
)

// access is what a service wants to know of a token. Every contestant finds it
// out.
type access struct {
	Subject  string   `json:"sub"`
	ClientID string   `json:"client_id"`
	Scope    string   `json:"scope"`
	Roles    []string `json:"roles"`
}

// A contestant verifies tokens with one library: the RS256 signature by the
// issuer's key with the token's kid, which is held in memory, iss, aud, exp, and
// typ if the library shows it.
type contestant struct {
	Name    string // with a %s for the version of each of Modules
	Modules []string
	Type    bool // typ is checked
	Memory  bool // verified tokens are remembered

	// verifier returns what verifies a token. The verifier knows no token yet.
	verifier func() (func(token string) error, error)
}

func contestants(ctx context.Context, iss *issuer) []contestant {
	ours := []contestant{{"Maru's jwks", nil, true, true, newMaru(ctx, iss, nil)}}
	if name := libcrypto.Name(); name != "go" { // built with -tags libcrypto
		ours = append(ours, contestant{"Maru's jwks, RSA by " + name, nil, true, true, newMaru(ctx, iss, libcrypto.Verification)})
	}
	return append(ours, []contestant{
		{"go-jose %s", []string{"github.com/go-jose/go-jose/v4"}, true, false, newGoJose(iss)},
		{"go-oidc %s", []string{"github.com/coreos/go-oidc/v3"}, false, false, newGoOIDC(ctx, iss)},
		{"golang-jwt %s with keyfunc %s", []string{"github.com/golang-jwt/jwt/v5", "github.com/MicahParks/keyfunc/v3"}, true, false, newGolangJWT(ctx, iss)},
		{"jwx %s, `jwt.Parse`", []string{"github.com/lestrrat-go/jwx/v3"}, false, false, newJWX(iss)},
		{"jwx %s, `jws.Verify` and a struct", []string{"github.com/lestrrat-go/jwx/v3"}, false, false, newJWXStruct(iss)},
	}...)
}

// newMaru verifies by the RSA library; nil: by Go.
func newMaru(ctx context.Context, iss *issuer, library func(*rsa.PublicKey, crypto.Hash, bool) func(digest, signature []byte) bool) func() (func(string) error, error) {
	var cache *jwks.Cache
	var memory jwks.TokenMemory
	others := 0
	return func() (func(string) error, error) {
		if cache == nil {
			var err error
			if cache, err = jwks.NewCache(ctx, jwks.CacheConfig{JWKSURL: iss.url, RSA: library}); err != nil {
				return nil, err
			}
			if err := cache.Ready(ctx); err != nil {
				return nil, err
			}
			if memory, err = jwks.NewTokenMemory(jwks.TokenMemoryConfig{}); err != nil {
				return nil, err
			}
		}
		// A leeway of its own makes the verifier know none of the tokens, while
		// the memory stays as full as one of the default size gets.
		others++
		v, err := jwks.NewVerifier(jwks.VerifierConfig{
			Issuer: iss.url, Audience: audience, Keys: cache, Memory: memory, Leeway: leeway + time.Duration(others),
		})
		if err != nil {
			return nil, err
		}
		return func(token string) error {
			claims, err := v.Verify(ctx, token)
			if err != nil {
				return err
			}
			return use(claims.Subject, claims.ClientID, claims.HasScope("openid"), claims.Roles)
		}, nil
	}
}

func newGoJose(iss *issuer) func() (func(string) error, error) {
	return func() (func(string) error, error) {
		var set jose.JSONWebKeySet
		if err := json.Unmarshal(iss.keySet(), &set); err != nil {
			return nil, err
		}
		algorithms := []jose.SignatureAlgorithm{jose.RS256}
		return func(text string) error {
			token, err := josejwt.ParseSigned(text, algorithms)
			if err != nil {
				return err
			}
			if typ, _ := token.Headers[0].ExtraHeaders[jose.HeaderType].(string); typ != "at+jwt" {
				return errType
			}
			keys := set.Key(token.Headers[0].KeyID)
			if len(keys) != 1 {
				return errClaims
			}
			var claims josejwt.Claims
			var rest access
			if err := token.Claims(keys[0].Key, &claims, &rest); err != nil {
				return err
			}
			expected := josejwt.Expected{Issuer: iss.url, AnyAudience: josejwt.Audience{audience}}
			if err := claims.ValidateWithLeeway(expected, leeway); err != nil {
				return err
			}
			return rest.use()
		}, nil
	}
}

func newGoOIDC(ctx context.Context, iss *issuer) func() (func(string) error, error) {
	verifier := oidc.NewVerifier(iss.url, oidc.NewRemoteKeySet(ctx, iss.url), &oidc.Config{ClientID: audience})
	return func() (func(string) error, error) {
		return func(text string) error {
			token, err := verifier.Verify(ctx, text)
			if err != nil {
				return err
			}
			var claims access
			if err := token.Claims(&claims); err != nil {
				return err
			}
			return claims.use()
		}, nil
	}
}

func newGolangJWT(ctx context.Context, iss *issuer) func() (func(string) error, error) {
	type accessClaims struct {
		jwt.RegisteredClaims
		ClientID string   `json:"client_id"`
		Scope    string   `json:"scope"`
		Roles    []string `json:"roles"`
	}
	var keys keyfunc.Keyfunc
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(iss.url), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway))
	return func() (func(string) error, error) {
		if keys == nil {
			var err error
			if keys, err = keyfunc.NewDefaultCtx(ctx, []string{iss.url}); err != nil {
				return nil, err
			}
		}
		return func(text string) error {
			var claims accessClaims
			token, err := parser.ParseWithClaims(text, &claims, keys.Keyfunc)
			if err != nil {
				return err
			}
			if typ, _ := token.Header["typ"].(string); typ != "at+jwt" {
				return errType
			}
			return access{claims.Subject, claims.ClientID, claims.Scope, claims.Roles}.use()
		}, nil
	}
}

func newJWX(iss *issuer) func() (func(string) error, error) {
	return func() (func(string) error, error) {
		set, err := jwk.Parse(iss.keySet())
		if err != nil {
			return nil, err
		}
		options := []jwxjwt.ParseOption{
			jwxjwt.WithKeySet(set), jwxjwt.WithIssuer(iss.url), jwxjwt.WithAudience(audience), jwxjwt.WithAcceptableSkew(leeway),
		}
		return func(text string) error {
			token, err := jwxjwt.ParseString(text, options...)
			if err != nil {
				return err
			}
			if _, ok := token.Expiration(); !ok {
				return errClaims
			}
			var claims access
			var roles []any
			claims.Subject, _ = token.Subject()
			err = errors.Join(token.Get("client_id", &claims.ClientID), token.Get("scope", &claims.Scope), token.Get("roles", &roles))
			for _, role := range roles {
				if role, ok := role.(string); ok {
					claims.Roles = append(claims.Roles, role)
				}
			}
			if err != nil {
				return err
			}
			return claims.use()
		}, nil
	}
}

// newJWXStruct does what jwx's documentation recommends where speed matters.
func newJWXStruct(iss *issuer) func() (func(string) error, error) {
	return func() (func(string) error, error) {
		set, err := jwk.Parse(iss.keySet())
		if err != nil {
			return nil, err
		}
		keys := jws.WithKeySet(set)
		return func(text string) error {
			payload, err := jws.Verify([]byte(text), keys)
			if err != nil {
				return err
			}
			var claims struct {
				access
				Issuer   string   `json:"iss"`
				Audience []string `json:"aud"`
				Expiry   int64    `json:"exp"`
				IssuedAt int64    `json:"iat"`
			}
			if err := json.Unmarshal(payload, &claims); err != nil {
				return err
			}
			now, skew := time.Now().Unix(), int64(leeway/time.Second)
			if claims.Issuer != iss.url || !slices.Contains(claims.Audience, audience) || now >= claims.Expiry+skew || claims.IssuedAt > now+skew {
				return errClaims
			}
			return claims.use()
		}, nil
	}
}

// use looks at what was found out, which the compiler then cannot leave away.
func use(subject, clientID string, scope bool, roles []string) error {
	if subject == "" || clientID != "demo-web" || !scope || len(roles) != 1 {
		return errClaims
	}
	return nil
}

func (a access) use() error {
	return use(a.Subject, a.ClientID, strings.HasPrefix(a.Scope, "openid "), a.Roles)
}
