package jwks_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestActorsAreRead(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	v := iss.Verifier(t, audience)
	verify := func(act any) (*jwks.Claims, error) {
		return v.Verify(t.Context(), iss.AccessToken(t, jwkstest.Token{Audience: audience, Mutate: func(_, claims map[string]any) {
			claims["act"] = act
		}}))
	}
	claims, err := verify(map[string]any{"sub": "agent", "iss": "https://agents.example", "act": map[string]any{"sub": "service"}})
	if err != nil || claims.Actor == nil || claims.Actor.Subject != "agent" || claims.Actor.Issuer != "https://agents.example" ||
		claims.Actor.Actor == nil || claims.Actor.Actor.Subject != "service" || claims.Actor.Actor.Actor != nil {
		t.Errorf("%+v, %v", claims, err)
	}
	deep := map[string]any{}
	for range 30 {
		deep = map[string]any{"act": deep}
	}
	for _, bad := range []any{nil, "agent", []any{}, 1, map[string]any{"sub": 1}, map[string]any{"act": "x"}, deep} {
		if claims, err := verify(bad); !errors.Is(err, jwks.ErrClaims) || claims != nil {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if claims, err := v.Verify(t.Context(), iss.AccessToken(t, jwkstest.Token{Audience: audience})); err != nil || claims.Actor != nil {
		t.Errorf("%+v, %v", claims, err)
	}
}

func TestClaimsOfAPerson(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	iss.SetNow(func() time.Time { return now })
	token := iss.AccessToken(t, jwkstest.Token{
		Subject: "마루", ClientID: "app", Audience: audience, MoreAudiences: []string{"https://api.example/other"},
		Scope: "board:read board:write", Roles: []string{"moderator"}, SessionID: "s-1",
		Mutate: func(_, claims map[string]any) {
			claims["jti"] = "id-1"
			claims["nbf"] = now.Unix() - 1
			claims["tenant"] = map[string]any{"name": "a"}
		},
	})
	c, err := iss.Verifier(t, audience).Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	got := *c
	got.Raw = nil
	want := jwks.Claims{
		Issuer: iss.URL(), Subject: "마루", ClientID: "app", ID: "id-1", SessionID: "s-1",
		Audience: []string{audience, "https://api.example/other"},
		Scope:    []string{"board:read", "board:write"}, Roles: []string{"moderator"},
		IssuedAt: now.Local(), Expiry: now.Add(10 * time.Minute).Local(), NotBefore: now.Add(-time.Second).Local(),
		AuthTime: now.Add(-time.Minute).Local(), ACR: "1", AMR: []string{"pwd"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	var more struct{ Tenant struct{ Name string } }
	if err := c.Decode(&more); err != nil || more.Tenant.Name != "a" {
		t.Errorf("further claims: %+v, %v", more, err)
	}
	if !c.HasScope("board:read") || c.HasScope("board") || c.HasScope("board:read board:write") || c.HasScope("") {
		t.Error("HasScope is wrong")
	}
	if !c.HasRole("moderator") || c.HasRole("mod") {
		t.Error("HasRole is wrong")
	}
	if c.IsClient() {
		t.Error("a person is taken for a client")
	}
	if err := c.RequireScope("board:read", "board:write"); err != nil {
		t.Error(err)
	}
	if err := c.RequireScope("board:read", "board:moderate"); !errors.Is(err, jwks.ErrInsufficientScope) {
		t.Error(err)
	}
	if err := c.RequireScope(); err != nil {
		t.Error(err)
	}
}

func TestClaimsOfAClient(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	token := iss.ClientToken(t, jwkstest.Token{ClientID: "service", Audience: audience, Scope: "user:lookup"})
	c, err := iss.Verifier(t, audience).Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if !c.IsClient() || c.Subject != "service" || c.SessionID != "" || !c.AuthTime.IsZero() {
		t.Errorf("%+v", c)
	}
	if (&jwks.Claims{}).IsClient() {
		t.Error("nobody is taken for a client")
	}
}

// How claims may be written, and how not.
func TestFormsOfClaims(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	v := iss.Verifier(t, audience)
	soon := float64(time.Now().Add(time.Minute).Unix())
	for _, tc := range []struct {
		name, claim string
		value       any
		want        error
		check       func(*jwks.Claims) bool
	}{
		{"one audience", "aud", audience, nil, nil},
		{"one audience in an array", "aud", []string{audience}, nil, nil},
		{"audience by number", "aud", 1, jwks.ErrClaims, nil},
		{"audience null", "aud", nil, jwks.ErrClaims, nil},
		{"audiences not all text", "aud", []any{audience, 1}, jwks.ErrClaims, nil},
		{"audience in an object", "aud", map[string]any{audience: true}, jwks.ErrClaims, nil},
		{"audience in a list in a list", "aud", []any{[]string{audience}}, jwks.ErrClaims, nil},
		{"audience in another case", "aud", strings.ToUpper(audience), jwks.ErrAudience, nil},
		{"expiry with a fraction", "exp", soon + 0.5, nil, func(c *jwks.Claims) bool { return c.Expiry.Nanosecond() != 0 }},
		{"expiry by exponent", "exp", json.RawMessage("4e9"), nil, func(c *jwks.Claims) bool { return c.Expiry.Unix() == 4e9 }},
		{"expiry too far", "exp", 253402300800, jwks.ErrClaims, nil},
		{"expiry negative", "exp", -1, jwks.ErrClaims, nil},
		{"expiry overflowing", "exp", json.RawMessage("18446744073709551617"), jwks.ErrClaims, nil},
		{"expiry endless", "exp", json.RawMessage("1e999"), jwks.ErrClaims, nil},
		{"expiry null", "exp", nil, jwks.ErrClaims, nil},
		{"expiry true", "exp", true, jwks.ErrClaims, nil},
		{"expiry in quotes", "exp", "4000000000", jwks.ErrClaims, nil},
		{"expiry zero", "exp", 0, jwks.ErrExpired, nil},
		{"nbf null", "nbf", nil, jwks.ErrClaims, nil},
		{"iat in quotes", "iat", "1", jwks.ErrClaims, nil},
		{"issuer in an array", "iss", []string{iss.URL()}, jwks.ErrClaims, nil},
		{"subject empty", "sub", "", jwks.ErrClaims, nil},
		{"subject null", "sub", nil, jwks.ErrClaims, nil},
		{"confirmation null", "cnf", nil, jwks.ErrSenderConstrained, nil},
		{"confirmation false", "cnf", false, jwks.ErrSenderConstrained, nil},
		{"confirmation in another case", "CNF", "x", nil, nil},
		{"scope array", "scope", []string{"a", "b"}, nil, func(c *jwks.Claims) bool { return c.HasScope("b") }},
		{"scope with many spaces", "scope", " a  b ", nil, func(c *jwks.Claims) bool { return len(c.Scope) == 2 }},
		{"scope with other white space", "scope", "x\u00a0a\tb\n", nil,
			func(c *jwks.Claims) bool { return !c.HasScope("a") && !c.HasScope("b") }},
		{"scope empty", "scope", "", nil, func(c *jwks.Claims) bool { return len(c.Scope) == 0 && !c.HasScope("") }},
		{"scope number", "scope", 1, jwks.ErrClaims, nil},
		{"escaped text", "scope", json.RawMessage(`"b\u006fard\u003aread"`), nil, func(c *jwks.Claims) bool { return c.HasScope("board:read") }},
		{"roles that are objects", "roles", []any{map[string]any{"value": "moderator"}}, nil,
			func(c *jwks.Claims) bool { return c.Roles == nil }},
		{"roles partly text", "roles", []any{"moderator", 1}, nil, func(c *jwks.Claims) bool { return c.Roles == nil }},
		{"roles as text", "roles", "moderator", nil, func(c *jwks.Claims) bool { return !c.HasRole("moderator") }},
		{"role in another case", "Roles", []string{"moderator"}, nil, func(c *jwks.Claims) bool { return !c.HasRole("moderator") }},
		{"claims that mean nothing", "deep", json.RawMessage(`[{"a":[{"\"]}":"\\"}]},[],{},-0.1e-5,null," "]`), nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			token := iss.AccessToken(t, jwkstest.Token{Audience: audience, Mutate: func(_, claims map[string]any) {
				claims[tc.claim] = tc.value
			}})
			c, err := v.Verify(t.Context(), token)
			if !errors.Is(err, tc.want) {
				t.Fatalf("error is %v, want %v", err, tc.want)
			}
			if err == nil && tc.check != nil && !tc.check(c) {
				t.Errorf("claims: %+v", c)
			}
		})
	}
}
