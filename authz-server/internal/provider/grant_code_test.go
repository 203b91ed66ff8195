package provider_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

func TestACodeBecomesTokensAsDesigned(t *testing.T) {
	f := one(t)
	b := f.browser().logIn(f.user)
	request := parameters("scope", "openid profile email board:read board:moderate")
	a := b.authorize(request)
	if a.status != http.StatusSeeOther || !strings.HasPrefix(a.location.String(), callback+"&") {
		t.Fatalf("redirect: %d %v", a.status, a.location)
	}
	if a.parameter("state") != request.Get("state") || a.parameter("iss") != f.issuer || a.location.Query().Has("scope") {
		t.Errorf("redirect: %v", a.location)
	}
	got := f.tokens(f.exchange(a.parameter("code")))

	header, access := decode(t, got.access)
	if header["typ"] != "at+jwt" || header["alg"] != "RS256" || header["kid"] == "" {
		t.Errorf("access token's header: %v", header)
	}
	for name, want := range map[string]any{"iss": f.issuer, "sub": f.user.ID, "aud": apiOrigin + "/board", "client_id": "app",
		"scope": "openid profile email board:read board:moderate", "acr": "1", "sid": b.sid} {
		if access[name] != want {
			t.Errorf("access token: %s is %v, want %v", name, access[name], want)
		}
	}
	if roles, _ := access["roles"].([]any); len(roles) != 1 || roles[0] != "moderator" {
		t.Errorf("access token: roles are %v", access["roles"])
	}
	if access["exp"].(float64)-access["iat"].(float64) != 600 || access["auth_time"] == nil || access["jti"] == "" {
		t.Errorf("access token: %v", access)
	}

	header, refresh := decode(t, got.refresh)
	if header["typ"] != "rt+jwt" || header["kid"] == "" || refresh["aud"] != f.issuer || refresh["sub"] != f.user.ID || refresh["client_id"] != "app" || refresh["scope"] != nil {
		t.Errorf("refresh token: %v %v", header, refresh)
	}

	header, id := decode(t, got.id)
	if header["typ"] != "JWT" || header["kid"] == "" || id["aud"] != "app" || id["azp"] != "app" || id["nonce"] != "n-1" || id["sid"] != b.sid || id["email"] != nil {
		t.Errorf("ID token: %v %v", header, id)
	}
	if want := challenge(got.access)[:22]; !strings.HasPrefix(id["at_hash"].(string), want[:21]) {
		t.Errorf("at_hash is %v, want the left half of the hash: %s", id["at_hash"], want)
	}
}

func TestScopesDecideTheAudience(t *testing.T) {
	f := one(t)
	b := f.browser().logIn(f.user)
	for scope, want := range map[string][]any{
		"openid":                      {f.issuer},
		"openid user:read board:read": {apiOrigin + "/user", apiOrigin + "/board"},
	} {
		_, claims := decode(t, f.tokens(f.exchange(b.code("scope", scope))).access)
		aud, ok := claims["aud"].([]any)
		if !ok {
			aud = []any{claims["aud"]}
		}
		if !slices.Equal(aud, want) {
			t.Errorf("scope %q: audience %v, want %v", scope, aud, want)
		}
		if claims["roles"] != nil {
			t.Errorf("scope %q brought roles", scope)
		}
	}
}

func TestWithoutStateAndNonceTheFlowSucceeds(t *testing.T) {
	f := one(t)
	a := f.browser().logIn(f.user).authorize(parameters("state", "", "nonce", ""))
	if a.location.Query().Has("state") {
		t.Errorf("a state came back that was never sent: %v", a.location)
	}
	if _, id := decode(t, f.tokens(f.exchange(a.parameter("code"))).id); id["nonce"] != nil {
		t.Errorf("nonce: %v", id)
	}
}

func TestWithoutOpenidThereIsNoIDToken(t *testing.T) {
	f := one(t)
	if got := f.tokens(f.exchange(f.browser().logIn(f.user).code("scope", "board:read"))); got.id != "" {
		t.Error("an ID token was issued")
	}
}

func TestACodeIsRefused(t *testing.T) {
	f := one(t)
	f.addClient("other", nil)
	f.addClient("no-pkce", func(c *client.Client) { c.RequirePKCE = false })
	b := f.browser().logIn(f.user)
	for name, attempt := range map[string]func() answer{
		"unknown":                func() answer { return f.exchange("unknown") },
		"no verifier":            func() answer { return f.exchange(b.code(), "code_verifier", "") },
		"wrong verifier":         func() answer { return f.exchange(b.code(), "code_verifier", verifier+"x") },
		"the challenge itself":   func() answer { return f.exchange(b.code(), "code_verifier", challenge(verifier)) },
		"other redirect_uri":     func() answer { return f.exchange(b.code(), "redirect_uri", "https://app.example/other") },
		"redirect_uri left away": func() answer { return f.exchange(b.code(), "redirect_uri", "") },
		"expired": func() answer {
			code := b.code()
			f.clock.advance(61 * time.Second)
			return f.exchange(code)
		},
		"of another client": func() answer {
			return f.token("other", secret, url.Values{"grant_type": {"authorization_code"}, "code": {b.code()}, "redirect_uri": {callback}, "code_verifier": {verifier}})
		},
		// The downgrade that fosite allows: a wrong verifier must not use up the challenge.
		"downgrade after a wrong verifier": func() answer {
			code := b.code()
			f.exchange(code, "code_verifier", "wrong")
			return f.exchange(code, "code_verifier", "")
		},
		// RFC 9700 §4.8.2: the challenge was taken out of the request on its way.
		"a verifier without a challenge": func() answer {
			code := b.code("client_id", "no-pkce", "code_challenge", "", "code_challenge_method", "")
			return f.token("no-pkce", secret, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}})
		},
		"the session's log-out": func() answer {
			b := f.browser().logIn(f.user)
			code := b.code()
			if err := f.store.Sessions.EndSession(t.Context(), b.sid); err != nil {
				t.Fatal(err)
			}
			return f.exchange(code)
		},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, attempt(), http.StatusBadRequest, "invalid_grant") })
	}
}

func TestAClientWithoutPKCEMayLeaveItAwayOnlyIfRegisteredSo(t *testing.T) {
	f := one(t)
	f.addClient("no-pkce", func(c *client.Client) { c.RequirePKCE = false })
	f.addClient("pkce", func(c *client.Client) { c.RequirePKCE = true })
	f.addClient("public", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes, c.RequirePKCE = "none", []string{"authorization_code"}, false
	})
	b := f.browser().logIn(f.user)
	for id, wantCode := range map[string]bool{"no-pkce": true, "pkce": false, "public": false} {
		a := b.authorize(parameters("client_id", id, "code_challenge", "", "code_challenge_method", ""))
		if (a.parameter("code") != "") != wantCode || (a.parameter("error") == "invalid_request") == wantCode {
			t.Errorf("%s: %v", id, a.location)
		}
	}
	code := b.code("client_id", "no-pkce", "code_challenge", "", "code_challenge_method", "")
	f.tokens(f.token("no-pkce", secret, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}}))
}

func TestAReplayedCodeEndsWhatWasIssuedFromIt(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		code := f.browser().logIn(f.user).code()
		got := f.tokens(f.exchange(code))
		if a := f.userinfo(got.access); a.status != http.StatusOK {
			t.Fatalf("before the replay: %d %s", a.status, a.body)
		}
		wantError(t, f.exchange(code), http.StatusBadRequest, "invalid_grant")
		if a := f.userinfo(got.access); a.status != http.StatusUnauthorized {
			t.Errorf("the access token still works: %d", a.status)
		}
		wantError(t, f.refresh(got.refresh), http.StatusBadRequest, "invalid_grant")
	})
}

// A thief who saw a code of another client must not be able to end that client's grant with it.
func TestAReplayByAnotherClientEndsNothing(t *testing.T) {
	f := one(t)
	f.addClient("other", nil)
	code := f.browser().logIn(f.user).code()
	got := f.tokens(f.exchange(code))
	wantError(t, f.token("other", secret, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}), 400, "invalid_grant")
	if a := f.userinfo(got.access); a.status != http.StatusOK {
		t.Errorf("the grant was ended: %d", a.status)
	}
}

func TestACodeHasOneWinnerInARace(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		code := f.browser().logIn(f.user).code()
		var won, refused atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				switch a := f.exchange(code); {
				case a.status == http.StatusOK:
					won.Add(1)
				case a.status == http.StatusBadRequest && a.json(t)["error"] == "invalid_grant":
					refused.Add(1)
				default:
					t.Errorf("%d %s", a.status, a.body)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || refused.Load() != 15 {
			t.Errorf("%d won, %d were refused", won.Load(), refused.Load())
		}
	})
}

func TestAPublicClientGetsTokensWithItsVerifierAlone(t *testing.T) {
	f := one(t)
	f.addClient("public", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code", "refresh_token"}
		c.RedirectURIs = []string{"http://127.0.0.1/cb"}
	})
	redirect := "http://127.0.0.1:51234/cb"
	code := f.browser().logIn(f.user).code("client_id", "public", "redirect_uri", redirect)
	got := f.tokens(f.token("public", "", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier}}))
	next := f.tokens(f.token("public", "", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.refresh}}))
	if next.refresh == got.refresh {
		t.Error("the refresh token was not rotated")
	}
	wantError(t, f.token("public", "", url.Values{"grant_type": {"client_credentials"}}), http.StatusBadRequest, "unauthorized_client")
}

func TestADisabledAccountGetsNothingMore(t *testing.T) {
	f := one(t)
	b := f.browser().logIn(f.user)
	got := f.tokens(f.exchange(b.code("scope", "openid offline_access")))
	if err := f.store.Users.SetDisabled(t.Context(), f.user.ID, true); err != nil {
		t.Fatal(err)
	}
	wantError(t, f.refresh(got.refresh), http.StatusBadRequest, "invalid_grant")
	if a := f.userinfo(got.access); a.status != http.StatusUnauthorized {
		t.Errorf("userinfo: %d", a.status)
	}
	if a := b.authorize(parameters("prompt", "none")); a.parameter("error") != "login_required" {
		t.Errorf("authorize: %v", a.location)
	}
}
