package jwkstest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const audience = "https://api.example/notes"

func TestTheZeroTokenIsGood(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	v := iss.Verifier(t, jwkstest.DefaultAudience)
	c, err := v.Verify(t.Context(), iss.AccessToken(t, jwkstest.Token{}))
	if err != nil {
		t.Fatal(err)
	}
	if c.Subject != "user-1" || c.ClientID != "client-1" || c.SessionID != "session-1" || c.IsClient() {
		t.Errorf("%+v", c)
	}
	c, err = v.Verify(t.Context(), iss.ClientToken(t, jwkstest.Token{}))
	if err != nil || !c.IsClient() {
		t.Errorf("%+v, %v", c, err)
	}
}

// Each bad token has exactly one fault: a lax verifier that overlooks its kind
// of fault accepts it. This holds the catalogue to its word where it can be
// tried.
func TestBadTokensAreGoodButForOneThing(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	lax := map[string]jwks.VerifierConfig{
		"typ JWT":                         {Types: []string{"JWT"}},
		"ID token for this audience":      {Types: []string{"JWT"}},
		"refresh token for this audience": {Types: []string{"rt+jwt"}},
		"wrong issuer":                    {Issuer: "https://elsewhere.example"},
		"wrong audience":                  {Audience: "https://api.example/other"},
		"several wrong audiences":         {Audience: "https://api.example/b"},
		"expired":                         {Now: func() time.Time { return iss.Now().Add(-45 * time.Minute) }},
		"too long":                        {MaxTokenBytes: 1 << 20},
	}
	for _, bad := range iss.BadTokens(audience) {
		cfg, ok := lax[bad.Name]
		if !ok {
			continue
		}
		delete(lax, bad.Name)
		cfg.Keys = iss.KeySet()
		if cfg.Issuer == "" {
			cfg.Issuer = iss.URL()
		}
		if cfg.Audience == "" {
			cfg.Audience = audience
		}
		v, err := jwks.NewVerifier(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), bad.Token); err != nil {
			t.Errorf("%s: has another fault too: %v", bad.Name, err)
		}
	}
	for name := range lax {
		t.Errorf("no token %q", name)
	}
}

func TestBadTokensHaveNamesOfTheirOwnAndTheGrantsAskedFor(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	seen := map[string]bool{}
	for _, bad := range iss.BadTokens(audience, jwkstest.Token{Scope: "notes:read", Roles: []string{"moderator"}}) {
		if seen[bad.Name] {
			t.Errorf("two tokens %q", bad.Name)
		}
		seen[bad.Name] = true
		if bad.Name != "typ JWT" {
			continue
		}
		v, err := jwks.NewVerifier(jwks.VerifierConfig{
			Issuer: iss.URL(), Audience: audience, Keys: iss.KeySet(), Types: []string{"JWT"},
		})
		if err != nil {
			t.Fatal(err)
		}
		c, err := v.Verify(t.Context(), bad.Token)
		if err != nil || !c.HasScope("notes:read") || !c.HasRole("moderator") {
			t.Errorf("%+v, %v", c, err)
		}
	}
	if len(seen) < 60 {
		t.Errorf("only %d bad tokens", len(seen))
	}
}

func TestAFixedClock(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	now := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	iss.SetNow(func() time.Time { return now })
	v := iss.Verifier(t, audience)
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience, Lifetime: time.Hour})
	c, err := v.Verify(t.Context(), token)
	if err != nil || !c.Expiry.Equal(now.Add(time.Hour)) {
		t.Fatalf("%+v, %v", c, err)
	}
	iss.SetNow(func() time.Time { return now.Add(2 * time.Hour) })
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, jwks.ErrExpired) {
		t.Errorf("error %v", err)
	}
	expired := iss.AccessToken(t, jwkstest.Token{Audience: audience, Lifetime: -time.Minute})
	if _, err := v.Verify(t.Context(), expired); !errors.Is(err, jwks.ErrExpired) {
		t.Errorf("error %v", err)
	}
}

func TestTheServer(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	iss.Handle("GET /oauth2/userinfo", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "mina") }))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(at string, header http.Header) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequest("GET", at, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(body)
	}
	_, body := get(iss.URL()+"/.well-known/openid-configuration", nil)
	var doc map[string]any
	if err := json.Unmarshal([]byte(body), &doc); err != nil || doc["issuer"] != iss.URL() || doc["jwks_uri"] != iss.JWKSURL() {
		t.Errorf("%s: %v", body, err)
	}
	if _, body := get(doc["userinfo_endpoint"].(string), nil); body != "mina" {
		t.Errorf("userinfo %q", body)
	}
	if resp, _ := get(doc["token_endpoint"].(string), nil); resp.StatusCode != 404 {
		t.Errorf("token endpoint: status %d", resp.StatusCode)
	}

	iss.SetMaxAge(time.Minute)
	resp, _ := get(iss.JWKSURL(), nil)
	if resp.Header.Get("Cache-Control") != "public, max-age=60" {
		t.Errorf("Cache-Control %q", resp.Header.Get("Cache-Control"))
	}
	known := http.Header{"If-None-Match": {resp.Header.Get("ETag")}}
	if resp, _ := get(iss.JWKSURL(), known); resp.StatusCode != 304 {
		t.Errorf("status %d", resp.StatusCode)
	}
	iss.Rotate()
	if resp, _ := get(iss.JWKSURL(), known); resp.StatusCode != 200 {
		t.Errorf("after a rotation: status %d", resp.StatusCode)
	}
	if iss.KeySet().Len() != 2 {
		t.Error("the old key is not published any more")
	}
	iss.Withdraw()
	if iss.KeySet().Len() != 1 {
		t.Error("the old key is still published")
	}
	if iss.Fetches() != 3 || iss.DiscoveryFetches() != 1 {
		t.Errorf("%d fetches, %d discoveries", iss.Fetches(), iss.DiscoveryFetches())
	}
	iss.SetDown(true)
	if _, err := client.Get(iss.JWKSURL()); err == nil {
		t.Error("it answers though it is down")
	}
	if iss.Fetches() != 3 {
		t.Error("a fetch was counted while it was down")
	}
}

// Two issuers at once have different keys, or foreign would not be foreign.
func TestIssuersShareNoKeys(t *testing.T) {
	t.Parallel()
	one, two := jwkstest.NewIssuer(t), jwkstest.NewIssuer(t)
	if one.KeyID() == two.KeyID() {
		t.Fatal("they do")
	}
	v := one.Verifier(t, audience)
	token := two.AccessToken(t, jwkstest.Token{Audience: audience, Mutate: func(_, claims map[string]any) {
		claims["iss"] = one.URL()
	}})
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, jwks.ErrUnknownKey) {
		t.Errorf("error %v", err)
	}
}

func TestAnIssuerThatIsDownAtFirst(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	iss.SetDown(true)
	cache, err := jwks.NewCache(t.Context(), jwks.CacheConfig{Issuer: iss.URL()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cache.Keys(t.Context(), iss.KeyID()); !errors.Is(err, jwks.ErrKeysUnavailable) {
		t.Errorf("error %v", err)
	}
	iss.SetDown(false)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := cache.Ready(ctx); err != nil {
		t.Error(err)
	}
}
