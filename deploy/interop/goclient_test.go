package interop

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// callback is where no client listens: the browser stops there.
const callback = "http://127.0.0.1:1/callback"

func TestGoOIDCAndOAuth2(t *testing.T) {
	t.Parallel()
	m := start(t)
	for _, one := range []struct {
		name       string
		authMethod string
		style      oauth2.AuthStyle
		pkce       bool
	}{
		{"client_secret_basic with PKCE", "client_secret_basic", oauth2.AuthStyleInHeader, true},
		{"client_secret_post without PKCE", "client_secret_post", oauth2.AuthStyleInParams, false},
		{"whatever discovery leads the library to", "client_secret_basic", oauth2.AuthStyleAutoDetect, true},
		{"public client", "none", oauth2.AuthStyleInParams, true},
	} {
		t.Run(one.name, func(t *testing.T) {
			m, ctx := m.in(t), bounded(t)
			provider, err := oidc.NewProvider(ctx, m.issuer)
			if err != nil {
				t.Fatal(err)
			}
			client := metadata{
				"client_id": strings.ToLower(rand.Text()), "client_name": one.name, "redirect_uris": []string{callback},
				"token_endpoint_auth_method": one.authMethod, "grant_types": []string{"authorization_code", "refresh_token"},
				"scope": "openid profile email offline_access", "require_pkce": one.pkce,
			}
			cfg := oauth2.Config{
				ClientID: client["client_id"].(string), Endpoint: provider.Endpoint(), RedirectURL: callback,
				Scopes: []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess},
			}
			cfg.Endpoint.AuthStyle = one.style
			if one.authMethod != "none" {
				cfg.ClientSecret = secret()
				client["client_secret"] = cfg.ClientSecret
			}
			m.register(client)

			state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
			ask, redeem := []oauth2.AuthCodeOption{oidc.Nonce(nonce)}, []oauth2.AuthCodeOption{}
			if one.pkce {
				ask, redeem = append(ask, oauth2.S256ChallengeOption(verifier)), append(redeem, oauth2.VerifierOption(verifier))
			}
			b := m.browser(callback)
			answer := b.callback(cfg.AuthCodeURL(state, ask...)).Query()
			if answer.Get("state") != state || answer.Get("iss") != m.issuer || answer.Get("code") == "" { // iss: RFC 9207
				t.Fatalf("the client got %v", answer)
			}
			token, err := cfg.Exchange(ctx, answer.Get("code"), redeem...)
			if err != nil {
				t.Fatal(err)
			}
			first := checkID(ctx, t, provider, cfg.ClientID, token)
			if first.Nonce != nonce {
				t.Errorf("nonce %q, want %q", first.Nonce, nonce)
			}
			checkUserinfo(ctx, t, m, provider, token, first.Subject)

			// A token source refreshes by itself what has expired.
			expired := *token
			expired.Expiry = time.Now().Add(-time.Hour)
			refreshed, err := cfg.TokenSource(ctx, &expired).Token()
			if err != nil {
				t.Fatal(err)
			}
			if refreshed.AccessToken == token.AccessToken || refreshed.RefreshToken == "" {
				t.Error("the refresh brought no new tokens")
			}
			if again := checkID(ctx, t, provider, cfg.ClientID, refreshed); again.Subject != first.Subject ||
				again.Nonce != "" && again.Nonce != nonce {
				t.Errorf("the refreshed ID token is about %s with the nonce %q", again.Subject, again.Nonce)
			}
			checkUserinfo(ctx, t, m, provider, refreshed, first.Subject)

			// Revocation (RFC 7009), for which x/oauth2 has no function.
			var extra struct {
				Revocation string `json:"revocation_endpoint"`
			}
			if err := provider.Claims(&extra); err != nil {
				t.Fatal(err)
			}
			form := url.Values{"token": {refreshed.RefreshToken}, "token_type_hint": {"refresh_token"}}
			if one.style == oauth2.AuthStyleInParams {
				form.Set("client_id", cfg.ClientID)
				if cfg.ClientSecret != "" {
					form.Set("client_secret", cfg.ClientSecret)
				}
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, extra.Revocation, strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if one.style != oauth2.AuthStyleInParams {
				req.SetBasicAuth(url.QueryEscape(cfg.ClientID), url.QueryEscape(cfg.ClientSecret))
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Fatalf("revocation: %s", resp.Status)
			}
			expired = *refreshed
			expired.Expiry = time.Now().Add(-time.Hour)
			refuses(t, "invalid_grant", func() error { _, err := cfg.TokenSource(ctx, &expired).Token(); return err })
			if _, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(refreshed)); err == nil {
				t.Error("userinfo for a revoked grant")
			}

			// A code is good once, and consent is asked once: a second log-in asks for nothing.
			state = rand.Text()
			answer = b.callback(cfg.AuthCodeURL(state, ask...)).Query()
			if answer.Get("state") != state || b.logins != 1 {
				t.Errorf("the person logged in %d times; the client got %v", b.logins, answer)
			}
			if _, err := cfg.Exchange(ctx, answer.Get("code"), redeem...); err != nil {
				t.Error(err)
			}
			refuses(t, "invalid_grant", func() error { _, err := cfg.Exchange(ctx, answer.Get("code"), redeem...); return err })
		})
	}

	t.Run("consent refused", func(t *testing.T) {
		m := m.in(t)
		m.register(metadata{"client_id": "refused", "client_name": "Refused",
			"redirect_uris": []string{callback}, "token_endpoint_auth_method": "none"})
		b := m.browser(callback)
		b.denies = true
		cfg := oauth2.Config{ClientID: "refused", RedirectURL: callback, Scopes: []string{"openid"},
			Endpoint: oauth2.Endpoint{AuthURL: m.issuer + "/oauth2/authorize"}}
		answer := b.callback(cfg.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))).Query()
		if answer.Get("error") != "access_denied" || answer.Get("state") != "s" || answer.Has("code") {
			t.Errorf("the client got %v", answer)
		}
	})

	t.Run("client credentials", func(t *testing.T) {
		m, ctx := m.in(t), bounded(t)
		provider, err := oidc.NewProvider(ctx, m.issuer)
		if err != nil {
			t.Fatal(err)
		}
		s := secret()
		m.register(metadata{"client_id": "machine", "client_name": "Machine", "client_secret": s,
			"grant_types": []string{"client_credentials"}, "token_endpoint_auth_method": "client_secret_basic",
			"scope": "user:lookup"})
		cfg := clientcredentials.Config{ClientID: "machine", ClientSecret: s,
			TokenURL: provider.Endpoint().TokenURL, Scopes: []string{"user:lookup"}}
		token, err := cfg.Token(ctx)
		if err != nil {
			t.Fatal(err)
		}
		// Access tokens are JWTs signed by the same keys (RFC 9068), for the resource service and
		// not for the client.
		verified, err := provider.Verifier(&oidc.Config{SkipClientIDCheck: true}).Verify(ctx, token.AccessToken)
		if err != nil {
			t.Fatal(err)
		}
		if verified.Subject != "machine" || len(verified.Audience) != 1 || verified.Audience[0] != "http://localhost:8000/user" {
			t.Errorf("an access token about %s for %q", verified.Subject, verified.Audience)
		}
		cfg.ClientSecret += "!"
		refuses(t, "invalid_client", func() error { _, err := cfg.Token(ctx); return err })
	})
}

// refuses fails the test unless the token endpoint answered with that error.
func refuses(t *testing.T, code string, call func() error) {
	t.Helper()
	err := call()
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.ErrorCode != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

func checkID(ctx context.Context, t *testing.T, provider *oidc.Provider, client string, token *oauth2.Token) *oidc.IDToken {
	t.Helper()
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		t.Fatal("no ID token")
	}
	id, err := provider.Verifier(&oidc.Config{ClientID: client}).Verify(ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		t.Fatal(err)
	}
	return id
}

func checkUserinfo(ctx context.Context, t *testing.T, m *maru, provider *oidc.Provider, token *oauth2.Token, subject string) {
	t.Helper()
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Name string `json:"name"`
	}
	if err := info.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if info.Subject != subject || info.Email != m.email || claims.Name != personName {
		t.Errorf("userinfo says %+v, %+v", info, claims)
	}
}
