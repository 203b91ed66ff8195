package jwks_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

const differentLevel, moreRecent = "A different authentication level is required.", "More recent authentication is required."

// insufficient is the challenge of RFC 9470 §3.
func insufficient(detail, parameters string) string {
	return `Bearer error="insufficient_user_authentication", error_description="` + detail + `", ` + parameters
}

func TestAPersonMustBeAuthenticatedSurelyAndRecentlyEnough(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	iss := jwkstest.NewIssuer(t)
	iss.SetNow(func() time.Time { return now })
	guard := jwks.NewGuard(iss.Verifier(t, audience), jwks.GuardConfig{})
	acr, within := jwks.RequireACR("2", "phr"), jwks.RequireAuthWithin(10*time.Minute)
	without := func(claim string, value any) func(_, claims map[string]any) {
		return func(_, claims map[string]any) {
			if claims[claim] = value; value == nil {
				delete(claims, claim)
			}
		}
	}
	const acrValues, maxAge = `acr_values="2 phr"`, `max_age="600"`
	both := func(next http.Handler) http.Handler { return acr(within(next)) }
	for _, tc := range []struct {
		name      string
		require   func(http.Handler) http.Handler
		token     jwkstest.Token
		challenge string // empty: it passes
	}{
		{"one of the classes", acr, jwkstest.Token{ACR: "2"}, ""},
		{"the other", acr, jwkstest.Token{ACR: "phr", AuthTime: now.Add(-time.Hour)}, ""},
		{"a lower class", acr, jwkstest.Token{ACR: "1"}, insufficient(differentLevel, acrValues)},
		{"a class in another case", acr, jwkstest.Token{ACR: "PHR"}, insufficient(differentLevel, acrValues)},
		{"two classes at once", acr, jwkstest.Token{ACR: "2 phr"}, insufficient(differentLevel, acrValues)},
		{"no class", acr, jwkstest.Token{Mutate: without("acr", nil)}, insufficient(differentLevel, acrValues)},
		{"an empty class", acr, jwkstest.Token{Mutate: without("acr", "")}, insufficient(differentLevel, acrValues)},
		{"a class that is no text", acr, jwkstest.Token{Mutate: without("acr", 2)}, insufficient(differentLevel, acrValues)},
		{"a list of classes", acr, jwkstest.Token{Mutate: without("acr", []string{"2"})}, insufficient(differentLevel, acrValues)},

		{"a minute ago", within, jwkstest.Token{}, ""},
		{"just within, with the leeway", within, jwkstest.Token{AuthTime: now.Add(-10*time.Minute - 10*time.Second)}, ""},
		{"a second too long ago", within, jwkstest.Token{AuthTime: now.Add(-10*time.Minute - 11*time.Second)}, insufficient(moreRecent, maxAge)},
		{"in a future that clocks explain", within, jwkstest.Token{AuthTime: now.Add(10 * time.Second)}, ""},
		{"in the future", within, jwkstest.Token{AuthTime: now.Add(11 * time.Second)}, insufficient(moreRecent, maxAge)},
		{"no time", within, jwkstest.Token{Mutate: without("auth_time", nil)}, insufficient(moreRecent, maxAge)},
		{"the epoch", within, jwkstest.Token{Mutate: without("auth_time", 0)}, insufficient(moreRecent, maxAge)},
		{"a time that is text", within, jwkstest.Token{Mutate: without("auth_time", "1772366400")}, insufficient(moreRecent, maxAge)},

		{"both", both, jwkstest.Token{ACR: "phr"}, ""},
		{"both, the class too low", both, jwkstest.Token{}, insufficient(differentLevel, acrValues+", "+maxAge)},
		{"both, too long ago", both, jwkstest.Token{ACR: "2", AuthTime: now.Add(-time.Hour)}, insufficient(moreRecent, acrValues+", "+maxAge)},
		{"both the other way round", func(next http.Handler) http.Handler { return within(acr(next)) }, jwkstest.Token{},
			insufficient(differentLevel, acrValues+", "+maxAge)},
		{"the shorter of two times", func(next http.Handler) http.Handler { return within(jwks.RequireAuthWithin(time.Minute)(next)) },
			jwkstest.Token{AuthTime: now.Add(-2 * time.Minute)}, insufficient(moreRecent, `max_age="60"`)},
		{"what two lists share", func(next http.Handler) http.Handler { return acr(jwks.RequireACR("phr", "phrh")(next)) },
			jwkstest.Token{ACR: "2"}, insufficient(differentLevel, `acr_values="phr"`)},
		{"two lists that share nothing", func(next http.Handler) http.Handler { return acr(jwks.RequireACR("1")(next)) },
			jwkstest.Token{ACR: "1"}, insufficient(differentLevel, acrValues)},
	} {
		passed := false
		api := guard.Middleware(tc.require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = true })))
		tc.token.Audience = audience
		resp := call(api, "GET", "/notes", "Bearer "+iss.AccessToken(t, tc.token))
		if passed != (tc.challenge == "") || resp.Header.Get("WWW-Authenticate") != tc.challenge {
			t.Errorf("%s: passed %t, challenge %s, want %s", tc.name, passed, resp.Header.Get("WWW-Authenticate"), tc.challenge)
		}
		if tc.challenge == "" {
			continue
		}
		if detail := problem(t, resp); resp.StatusCode != 401 || !strings.Contains(tc.challenge, detail) {
			t.Errorf("%s: status %d, detail %q", tc.name, resp.StatusCode, detail)
		}
	}
}

// Nobody can log in for a client, so there is nothing to challenge it to.
func TestAClientsOwnTokenIsNotAskedToLogIn(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	guard := jwks.NewGuard(iss.Verifier(t, audience), jwks.GuardConfig{})
	for name, token := range map[string]string{
		"plain": iss.ClientToken(t, jwkstest.Token{Audience: audience}),
		"that says more": iss.ClientToken(t, jwkstest.Token{Audience: audience, Mutate: func(_, claims map[string]any) {
			claims["acr"], claims["auth_time"] = "phr", time.Now().Unix()
		}}),
	} {
		for _, require := range []func(http.Handler) http.Handler{jwks.RequireACR("phr"), jwks.RequireAuthWithin(time.Minute)} {
			resp := call(guard.Middleware(require(http.NotFoundHandler())), "GET", "/notes", "Bearer "+token)
			if resp.StatusCode != 403 || resp.Header.Get("WWW-Authenticate") != "" {
				t.Errorf("%s: status %d, challenge %s", name, resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
			}
			problem(t, resp)
		}
	}
}

func TestABoundTokenIsChallengedUnderItsScheme(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	guard := jwks.NewGuard(iss.Verifier(t, audience), jwks.GuardConfig{DPoP: newDPoP(t, jwks.DPoPConfig{})})
	api := guard.Middleware(jwks.RequireACR("phr")(jwks.RequireAuthWithin(time.Minute)(http.NotFoundHandler())))
	key := iss.ProofKey(t, "ES256")
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience, ProofKey: key})
	got := send(t, api, key, "/notes", jwkstest.Proof{URL: baseURL + "/notes", Token: token}).Header.Get("WWW-Authenticate")
	want := strings.Replace(insufficient(differentLevel, `acr_values="phr", max_age="60", algs="ES256 EdDSA Ed25519 PS256 RS256"`), "Bearer", "DPoP", 1)
	if got != want {
		t.Errorf("challenge %s\nwant      %s", got, want)
	}
	bearer := call(api, "GET", "/notes", "Bearer "+iss.AccessToken(t, jwkstest.Token{Audience: audience})).Header.Get("WWW-Authenticate")
	want = insufficient(differentLevel, `acr_values="phr", max_age="60"`) + `, DPoP algs="ES256 EdDSA Ed25519 PS256 RS256"`
	if bearer != want {
		t.Errorf("challenge %s\nwant      %s", bearer, want)
	}
}

func TestWithoutClaimsNoAuthenticationIsEnough(t *testing.T) {
	t.Parallel()
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("passed") })
	for _, h := range []http.Handler{jwks.RequireACR("1")(next), jwks.RequireAuthWithin(time.Hour)(next)} {
		resp := call(h, "GET", "/", "Bearer x")
		if resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("status %d, challenge %q", resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
		}
		problem(t, resp)
	}
}

// Claims that an adapter or a test puts into a context are judged by the
// ordinary clock.
func TestAuthenticationWithoutAGuard(t *testing.T) {
	t.Parallel()
	var guard *jwks.Guard
	claims := &jwks.Claims{Subject: "mina", ClientID: "app", ACR: "2", AuthTime: time.Now().Add(-time.Minute)}
	for _, tc := range []struct {
		need jwks.Authentication
		want error
	}{
		{jwks.Authentication{}, nil},
		{jwks.Authentication{ACR: []string{"2"}, Within: time.Hour}, nil},
		{jwks.Authentication{ACR: []string{"2"}, Within: time.Second}, jwks.ErrInsufficientAuthentication},
		{jwks.Authentication{ACR: []string{"phr"}, Within: time.Hour}, jwks.ErrInsufficientAuthentication},
	} {
		if err := guard.RequireAuthentication(claims, tc.need); !errors.Is(err, tc.want) {
			t.Errorf("%+v: %v, want %v", tc.need, err, tc.want)
		}
		passed := false
		h := http.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = true }))
		if tc.need.Within > 0 {
			h = jwks.RequireACR(tc.need.ACR...)(jwks.RequireAuthWithin(tc.need.Within)(h))
		}
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(jwks.NewContext(t.Context(), claims)))
		if passed != (tc.want == nil) {
			t.Errorf("%+v: passed %t", tc.need, passed)
		}
	}
}

// A service that asks for nothing, or for what no challenge can say, is wrong.
func TestARequirementThatCannotBeMetIsAMistake(t *testing.T) {
	t.Parallel()
	for name, require := range map[string]func(){
		"no class":      func() { jwks.RequireACR() },
		"an empty one":  func() { jwks.RequireACR("1", "") },
		"two in one":    func() { jwks.RequireACR("1 2") },
		"no time":       func() { jwks.RequireAuthWithin(0) },
		"a time before": func() { jwks.RequireAuthWithin(-time.Hour) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s was accepted", name)
				}
			}()
			require()
		}()
	}
}
