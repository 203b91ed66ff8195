package rest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestWhatATokenNeedsForAnOperation(t *testing.T) {
	const person, client = "a person", "a client"
	issuer := jwkstest.NewIssuer(t)
	verifier := issuer.Verifier(t, audience)
	role := Access{Scopes: []string{"moderate"}, Role: "moderator"}
	for _, tc := range []struct {
		name    string
		access  Access
		who     string
		scope   string
		roles   []string
		refused string // the reason; empty: it passes
	}{
		{"the scope", Access{Scopes: []string{"read"}}, client, "other read", nil, ""},
		{"no scope", Access{Scopes: []string{"read"}}, client, "reader", nil, "insufficient_scope"},
		{"the first of two scopes", Access{Scopes: []string{"read", "lookup"}}, client, "read", nil, ""},
		{"the second of two scopes", Access{Scopes: []string{"read", "lookup"}}, client, "lookup", nil, ""},
		{"neither of two scopes", Access{Scopes: []string{"read", "lookup"}}, client, "write", nil, "insufficient_scope"},
		{"a person", Access{Scopes: []string{"read"}, Person: true}, person, "read", nil, ""},
		{"a client for a person", Access{Scopes: []string{"read"}, Person: true}, client, "read", nil, "client_token"},
		{"a client without scope for a person", Access{Scopes: []string{"read"}, Person: true}, client, "", nil, "insufficient_scope"},
		{"a client where a log-in counts", Access{Scopes: []string{"read"}, Authentication: &jwks.Authentication{}}, client, "read", nil, "client_token"},
		{"the role", role, person, "moderate", []string{"member", "moderator"}, ""},
		{"the role without the scope", role, person, "read", []string{"moderator"}, "insufficient_scope"},
		{"the scope without the role", role, person, "moderate", []string{"member"}, "not_moderator"},
		{"a client with the role", role, client, "moderate", []string{"moderator"}, "client_token"},
		{"the other way in", Access{Scopes: []string{"write"}, Or: &role}, person, "moderate", []string{"moderator"}, ""},
		{"neither way in", Access{Scopes: []string{"write"}, Or: &role}, person, "moderate", nil, "insufficient_scope"},
	} {
		mint := issuer.AccessToken
		if tc.who == client {
			mint = issuer.ClientToken
		}
		token := mint(t, jwkstest.Token{Audience: audience, Scope: tc.scope, Roles: tc.roles})
		claims, err := verifier.Verify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		reason := ""
		if err := tc.access.Check(claims); err != nil {
			reason = refusalReason(err)
		}
		if reason != tc.refused {
			t.Errorf("%s: refused for %q, want %q", tc.name, reason, tc.refused)
		}
	}
}

func TestAnOperationMayDoWithoutAToken(t *testing.T) {
	issuer := jwkstest.NewIssuer(t)
	api, err := New(Config{Issuer: issuer.URL(), Audience: audience, Verifier: issuer.Verifier(t, audience)}, Resource{Name: "Test"})
	if err != nil {
		t.Fatal(err)
	}
	allowed := true
	access := Access{Scopes: []string{"test:read"}, Anonymous: func(ctx huma.Context) bool {
		if !allowed {
			ctx.SetStatus(http.StatusTooManyRequests)
		}
		return allowed
	}}
	Route(api, access, huma.Operation{Method: http.MethodGet, Path: "/v1/things"}, func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		if caller := CallerOf(ctx); caller.Claims == nil && caller.Subject == "" {
			return nil, nil
		}
		return nil, &Problem{Status: http.StatusTeapot}
	})
	Route(api, access, huma.Operation{Method: http.MethodGet, Path: "/v1/secrets"}, func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		return nil, api.NoToken()
	})
	handler, err := api.Handler()
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string, header http.Header) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header = header
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	if w := get("/v1/things", nil); w.Code != http.StatusNoContent ||
		!slices.Contains(w.Header().Values("Vary"), "Authorization, DPoP") {
		t.Errorf("nobody: %d %v", w.Code, w.Header())
	}
	if w := get("/v1/secrets", nil); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("nobody, where a token is needed after all: %d %v", w.Code, w.Header())
	}
	token := issuer.AccessToken(t, jwkstest.Token{Audience: audience, Scope: "test:read"})
	if w := get("/v1/things", http.Header{"Authorization": {"Bearer " + token}}); w.Code != http.StatusTeapot ||
		w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("somebody: %d %v", w.Code, w.Header())
	}
	for name, header := range map[string]http.Header{
		"empty": {"Authorization": {""}}, "a proof alone": {"Dpop": {"x"}}, "nonsense": {"Authorization": {"Bearer x"}},
	} {
		if w := get("/v1/things", header); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	allowed = false
	if w := get("/v1/things", nil); w.Code != http.StatusTooManyRequests {
		t.Errorf("nobody, too often: %d", w.Code)
	}
}

func TestAnOperationMayNeedARecentLogIn(t *testing.T) {
	issuer, metrics := jwkstest.NewIssuer(t), prometheus.NewRegistry()
	api, err := New(Config{Issuer: issuer.URL(), Audience: audience, Verifier: issuer.Verifier(t, audience), Metrics: metrics}, Resource{Name: "Test"})
	if err != nil {
		t.Fatal(err)
	}
	access := Access{Scopes: []string{"test:read"}, Authentication: &jwks.Authentication{ACR: []string{"2", "phr"}, Within: time.Hour}}
	access.Or = &Access{Scopes: []string{"test:all"}}
	Route(api, access, huma.Operation{Method: http.MethodGet, Path: "/v1/secrets"},
		func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	document, err := api.Document()
	if err != nil || !strings.Contains(string(document), "insufficient_user_authentication") {
		t.Errorf("the document does not describe the challenge: %v", err)
	}
	handler, err := api.Handler()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		token  jwkstest.Token
		detail string // empty: it passes
	}{
		"recent and sure enough":            {jwkstest.Token{Scope: "test:read", ACR: "phr"}, ""},
		"too long ago":                      {jwkstest.Token{Scope: "test:read", ACR: "phr", AuthTime: time.Now().Add(-2 * time.Hour)}, "More recent"},
		"not sure enough":                   {jwkstest.Token{Scope: "test:read"}, "A different"},
		"not sure enough, by the other way": {jwkstest.Token{Scope: "test:all"}, "A different"},
	} {
		tc.token.Audience = audience
		r := httptest.NewRequest(http.MethodGet, "/v1/secrets", nil)
		r.Header.Set("Authorization", "Bearer "+issuer.AccessToken(t, tc.token))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		challenge := w.Header().Get("WWW-Authenticate")
		switch {
		case tc.detail == "" && w.Code != http.StatusNoContent:
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		case tc.detail != "" && (w.Code != http.StatusUnauthorized || !strings.Contains(challenge, tc.detail) ||
			!strings.Contains(challenge, `acr_values="2 phr", max_age="3600"`)):
			t.Errorf("%s: %d, challenge %s", name, w.Code, challenge)
		}
	}
}
