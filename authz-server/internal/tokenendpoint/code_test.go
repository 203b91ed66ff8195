package tokenendpoint_test

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
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

func TestACodeBecomesTokensAsDesigned(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	request := providertest.Parameters("scope", "openid profile email board:read board:moderate")
	a := b.AuthorizeForm(request)
	if a.Status != http.StatusSeeOther || !strings.HasPrefix(a.Location.String(), providertest.Callback+"&") {
		t.Fatalf("redirect: %d %v", a.Status, a.Location)
	}
	if a.Parameter("state") != request.Get("state") || a.Parameter("iss") != f.Issuer || a.Location.Query().Has("scope") {
		t.Errorf("redirect: %v", a.Location)
	}
	got := f.Tokens(f.Redeem(a.Parameter("code")))

	header, access := providertest.Decode(t, got.Access)
	if header["typ"] != "at+jwt" || header["alg"] != "RS256" || header["kid"] == "" {
		t.Errorf("access token's header: %v", header)
	}
	for name, want := range map[string]any{"iss": f.Issuer, "sub": f.User.ID, "aud": providertest.APIOrigin + "/board", "client_id": "app",
		"scope": "openid profile email board:read board:moderate", "acr": "1", "sid": b.SID} {
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

	header, refresh := providertest.Decode(t, got.Refresh)
	if header["typ"] != "rt+jwt" || header["kid"] == "" || refresh["aud"] != f.Issuer || refresh["sub"] != f.User.ID ||
		refresh["client_id"] != "app" || refresh["scope"] != nil {
		t.Errorf("refresh token: %v %v", header, refresh)
	}

	header, id := providertest.Decode(t, got.ID)
	if header["typ"] != "JWT" || header["kid"] == "" || id["aud"] != "app" || id["azp"] != "app" || id["nonce"] != "n-1" ||
		id["sid"] != b.SID || id["email"] != nil {
		t.Errorf("ID token: %v %v", header, id)
	}
	if want := providertest.Challenge(got.Access)[:22]; !strings.HasPrefix(id["at_hash"].(string), want[:21]) {
		t.Errorf("at_hash is %v, want the left half of the hash: %s", id["at_hash"], want)
	}
}

func TestScopesDecideTheAudience(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	for scope, want := range map[string][]any{
		"openid":                      {f.Issuer},
		"openid user:read board:read": {providertest.APIOrigin + "/user", providertest.APIOrigin + "/board"},
	} {
		_, claims := providertest.Decode(t, f.Tokens(f.Redeem(b.Code("scope", scope))).Access)
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
	t.Parallel()
	f := providertest.One(t)
	a := f.Browser().LogIn(f.User).Authorize("state", "", "nonce", "")
	if a.Location.Query().Has("state") {
		t.Errorf("a state came back that was never sent: %v", a.Location)
	}
	if _, id := providertest.Decode(t, f.Tokens(f.Redeem(a.Parameter("code"))).ID); id["nonce"] != nil {
		t.Errorf("nonce: %v", id)
	}
}

func TestWithoutOpenidThereIsNoIDToken(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	if got := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code("scope", "board:read"))); got.ID != "" {
		t.Error("an ID token was issued")
	}
}

func TestACodeIsRefused(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("other", nil)
	f.AddClient("no-pkce", func(c *client.Client) { c.RequirePKCE = false })
	b := f.Browser().LogIn(f.User)
	for name, attempt := range map[string]func() providertest.Answer{
		"unknown":        func() providertest.Answer { return f.Redeem("unknown") },
		"no verifier":    func() providertest.Answer { return f.Redeem(b.Code(), "code_verifier", "") },
		"wrong verifier": func() providertest.Answer { return f.Redeem(b.Code(), "code_verifier", providertest.Verifier+"x") },
		"the challenge itself": func() providertest.Answer {
			return f.Redeem(b.Code(), "code_verifier", providertest.Challenge(providertest.Verifier))
		},
		"other redirect_uri":     func() providertest.Answer { return f.Redeem(b.Code(), "redirect_uri", "https://app.example/other") },
		"redirect_uri left away": func() providertest.Answer { return f.Redeem(b.Code(), "redirect_uri", "") },
		"expired": func() providertest.Answer {
			code := b.Code()
			f.Clock.Advance(61 * time.Second)
			return f.Redeem(code)
		},
		"of another client": func() providertest.Answer {
			return f.Token("other", providertest.CodeGrant(b.Code()))
		},
		// The downgrade that fosite allows: a wrong verifier must not use up the challenge.
		"downgrade after a wrong verifier": func() providertest.Answer {
			code := b.Code()
			f.Redeem(code, "code_verifier", "wrong")
			return f.Redeem(code, "code_verifier", "")
		},
		// RFC 9700 §4.8.2: the challenge was taken out of the request on its way.
		"a verifier without a challenge": func() providertest.Answer {
			code := b.Code("client_id", "no-pkce", "code_challenge", "", "code_challenge_method", "")
			return f.Token("no-pkce", providertest.CodeGrant(code))
		},
		"the session's log-out": func() providertest.Answer {
			b := f.Browser().LogIn(f.User)
			code := b.Code()
			if err := f.Store.Sessions.EndSession(t.Context(), b.SID); err != nil {
				t.Fatal(err)
			}
			return f.Redeem(code)
		},
	} {
		t.Run(name, func(t *testing.T) { attempt().WantError(t, http.StatusBadRequest, "invalid_grant") })
	}
}

func TestAClientWithoutPKCEMayLeaveItAwayOnlyIfRegisteredSo(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("no-pkce", func(c *client.Client) { c.RequirePKCE = false })
	f.AddClient("pkce", func(c *client.Client) { c.RequirePKCE = true })
	f.AddClient("public", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes, c.RequirePKCE = "none", []string{"authorization_code"}, false
	})
	b := f.Browser().LogIn(f.User)
	for id, wantCode := range map[string]bool{"no-pkce": true, "pkce": false, "public": false} {
		a := b.Authorize("client_id", id, "code_challenge", "", "code_challenge_method", "")
		if (a.Parameter("code") != "") != wantCode || (a.Parameter("error") == "invalid_request") == wantCode {
			t.Errorf("%s: %v", id, a.Location)
		}
	}
	code := b.Code("client_id", "no-pkce", "code_challenge", "", "code_challenge_method", "")
	f.Tokens(f.Token("no-pkce", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {providertest.Callback}}))
}

func TestAReplayedCodeEndsWhatWasIssuedFromIt(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		code := f.Browser().LogIn(f.User).Code()
		got := f.Tokens(f.Redeem(code))
		if a := f.Userinfo(got.Access); a.Status != http.StatusOK {
			t.Fatalf("before the replay: %d %s", a.Status, a.Body)
		}
		f.Redeem(code).WantError(t, http.StatusBadRequest, "invalid_grant")
		if a := f.Userinfo(got.Access); a.Status != http.StatusUnauthorized {
			t.Errorf("the access token still works: %d", a.Status)
		}
		f.Refresh(got.Refresh).WantError(t, http.StatusBadRequest, "invalid_grant")
	})
}

// A thief who saw a code of another client must not be able to end that client's grant with it.
func TestAReplayByAnotherClientEndsNothing(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("other", nil)
	code := f.Browser().LogIn(f.User).Code()
	got := f.Tokens(f.Redeem(code))
	f.Token("other", providertest.CodeGrant(code)).WantError(t, 400, "invalid_grant")
	if a := f.Userinfo(got.Access); a.Status != http.StatusOK {
		t.Errorf("the grant was ended: %d", a.Status)
	}
}

func TestACodeHasOneWinnerInARace(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		code := f.Browser().LogIn(f.User).Code()
		var won, refused atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				switch a := f.Redeem(code); {
				case a.Status == http.StatusOK:
					won.Add(1)
				case a.Status == http.StatusBadRequest && a.JSON(t)["error"] == "invalid_grant":
					refused.Add(1)
				default:
					t.Errorf("%d %s", a.Status, a.Body)
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
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("public", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code", "refresh_token"}
		c.RedirectURIs = []string{"http://127.0.0.1/cb"}
	})
	redirect := "http://127.0.0.1:51234/cb"
	code := f.Browser().LogIn(f.User).Code("client_id", "public", "redirect_uri", redirect)
	got := f.Tokens(f.TokenWith("public", "", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {providertest.Verifier},
	}))
	next := f.Tokens(f.TokenWith("public", "", providertest.RefreshGrant(got.Refresh)))
	if next.Refresh == got.Refresh {
		t.Error("the refresh token was not rotated")
	}
	f.TokenWith("public", "", url.Values{"grant_type": {"client_credentials"}}).WantError(t, http.StatusBadRequest, "unauthorized_client")
}

func TestADisabledAccountGetsNothingMore(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	got := f.Tokens(f.Redeem(b.Code("scope", "openid offline_access")))
	if err := f.Store.Users.SetDisabled(t.Context(), f.User.ID, true); err != nil {
		t.Fatal(err)
	}
	f.Refresh(got.Refresh).WantError(t, http.StatusBadRequest, "invalid_grant")
	if a := f.Userinfo(got.Access); a.Status != http.StatusUnauthorized {
		t.Errorf("userinfo: %d", a.Status)
	}
	if a := b.Authorize("prompt", "none"); a.Parameter("error") != "login_required" {
		t.Errorf("authorize: %v", a.Location)
	}
}
