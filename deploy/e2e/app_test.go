package e2e

import (
	"context"
	"crypto/rand"
	"net/http"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// app is the sample app: an ordinary OAuth client that knows the issuer's address and nothing else
// of Maru.
type app struct {
	oauth2.Config
	provider *oidc.Provider
	ctx      context.Context // by which HTTP client it calls
	stack    *running
}

// sampleApp finds everything by discovery.
func sampleApp(t *testing.T, r *running, scopes ...string) app {
	t.Helper()
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Transport: r.Transport()})
	provider, err := oidc.NewProvider(ctx, r.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := provider.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams // a public client
	return app{oauth2.Config{ClientID: "sample-app", Endpoint: endpoint, RedirectURL: callback, Scopes: scopes}, provider, ctx, r}
}

// request starts an authorization in the person's browser and returns the page that it ends on, the
// nonce and the verifier.
func (a app) request(p *person, options ...oauth2.AuthCodeOption) (shown page, state, nonce, verifier string) {
	p.t.Helper()
	state, nonce, verifier = rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	options = append(options, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))
	return p.open(a.AuthCodeURL(state, options...)), state, nonce, verifier
}

// grant is what the app gets by one authorization.
type grant struct {
	*oauth2.Token
	ID *oidc.IDToken
}

// signUp makes the person's account on the way to the app, agrees, and exchanges the code.
func (a app) signUp(p *person) grant {
	p.t.Helper()
	shown, state, nonce, verifier := a.request(p)
	shown = shown.follow("/signup").signUp(a.stack)
	return a.exchange(p, agree(shown), state, nonce, verifier)
}

// logIn logs the person in if the page asks for it, agrees, and exchanges the code.
func (a app) logIn(p *person) grant {
	p.t.Helper()
	shown, state, nonce, verifier := a.request(p)
	if shown.byID("login") != nil {
		shown = shown.press("login", "email", p.Email, "password", p.Password)
	}
	return a.exchange(p, agree(shown), state, nonce, verifier)
}

func agree(shown page) page {
	shown.person.t.Helper()
	if shown.byID("allow") != nil {
		shown = shown.press("allow")
	}
	return shown
}

// code checks that the browser came back to the app, and returns the code.
func code(shown page, state string) string {
	t := shown.person.t
	t.Helper()
	if shown.Callback == nil {
		t.Fatalf("the browser is not at the app but on %s (%d): %s", shown.URL, shown.Status, shown.text())
	}
	if shown.Callback.Get("error") != "" || shown.Callback.Get("state") != state || shown.Callback.Get("code") == "" {
		t.Fatalf("the app got %v", shown.Callback)
	}
	return shown.Callback.Get("code")
}

func (a app) exchange(p *person, shown page, state, nonce, verifier string) grant {
	p.t.Helper()
	token, err := a.Exchange(a.ctx, code(shown, state), oauth2.VerifierOption(verifier))
	if err != nil {
		p.t.Fatal(err)
	}
	return a.check(p.t, token, nonce)
}

// check verifies the ID token, as go-oidc does for everybody.
func (a app) check(t *testing.T, token *oauth2.Token, nonce string) grant {
	t.Helper()
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		t.Fatal("no ID token")
	}
	id, err := a.provider.Verifier(&oidc.Config{ClientID: a.ClientID}).Verify(context.Background(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if id.Nonce != nonce {
		t.Fatalf("nonce %q, want %q", id.Nonce, nonce)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		t.Fatal(err)
	}
	return grant{token, id}
}

// everything that the sample app may ask for.
var everyScope = []string{"openid", "profile", "email", "offline_access", "user:read", "board:read", "board:write"}
