package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

// statusIssuer is an issuer with status lists that are refreshed every second.
func statusIssuer(t *testing.T) *jwkstest.Issuer {
	t.Helper()
	iss := jwkstest.NewIssuer(t)
	iss.PublishStatusLists()
	iss.SetStatusTTL(time.Second)
	return iss
}

// eventually waits until a token is refused with an error.
func eventually(t *testing.T, v *jwks.Verifier, token string, want error) {
	t.Helper()
	for {
		_, err := v.Verify(t.Context(), token)
		if errors.Is(err, want) {
			return
		}
		if err != nil {
			t.Fatalf("refused with %v, want %v", err, want)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestARevokedTokenIsRefused(t *testing.T) {
	t.Parallel()
	iss := statusIssuer(t)
	v := iss.Verifier(t, audience)
	one, other := iss.AccessToken(t, jwkstest.Token{Audience: audience}), iss.AccessToken(t, jwkstest.Token{Audience: audience})
	for _, token := range []string{one, other} {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	iss.Revoke(t, one)
	eventually(t, v, one, jwks.ErrRevoked)
	if _, err := v.Verify(t.Context(), other); err != nil {
		t.Error(err)
	}
}

func TestAnswersByStatus(t *testing.T) {
	t.Parallel()
	iss := statusIssuer(t)
	guard := jwks.NewGuard(iss.Verifier(t, audience), jwks.GuardConfig{})
	handler := guard.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	answer := func(token string) *http.Response {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		return w.Result()
	}
	iss.SetStatusDown(true)
	good := iss.AccessToken(t, jwkstest.Token{Audience: audience})
	resp := answer(good)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || resp.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("without a list: status %d, %v", resp.StatusCode, resp.Header)
	}
	revoked := iss.AccessToken(t, jwkstest.Token{Audience: audience})
	iss.Revoke(t, revoked) // before a list can be fetched that does not say so
	iss.SetStatusDown(false)
	for resp = answer(good); resp.StatusCode != http.StatusOK; resp = answer(good) {
		time.Sleep(10 * time.Millisecond)
	}
	resp = answer(revoked)
	if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(resp.Header.Get("WWW-Authenticate"), `error="invalid_token", error_description="The access token has been revoked."`) {
		t.Errorf("revoked: status %d, %v", resp.StatusCode, resp.Header)
	}
}

func TestWhatAWithdrawnKeySignedIsRefused(t *testing.T) {
	t.Parallel()
	iss := statusIssuer(t)
	keys := iss.Cache(t)
	lists := iss.StatusLists(t, keys)
	v, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: keys, Status: lists})
	if err != nil {
		t.Fatal(err)
	}
	// Keys that never change: only the list speaks of the withdrawal.
	fixed, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: iss.KeySet(), Status: lists})
	if err != nil {
		t.Fatal(err)
	}
	stolen := iss.KeyID()
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience})
	nameless := iss.AccessToken(t, jwkstest.Token{Audience: audience, Mutate: func(header, _ map[string]any) { delete(header, "kid") }})
	for _, text := range []string{token, nameless} {
		for _, one := range []*jwks.Verifier{v, fixed} {
			if _, err := one.Verify(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := iss.Fetches()
	iss.WithdrawKey(stolen)
	eventually(t, fixed, token, jwks.ErrKeyWithdrawn)
	eventually(t, fixed, nameless, jwks.ErrKeyWithdrawn)
	if !lists.Withdrawn(stolen) || lists.Withdrawn(iss.KeyID()) {
		t.Error("the stolen key, and it alone, is withdrawn")
	}
	if _, err := lists.Keys(t.Context(), stolen); !errors.Is(err, jwks.ErrUnknownKey) {
		t.Errorf("the key itself: %v", err)
	}
	if keys, err := lists.Keys(t.Context(), ""); err != nil || slices.ContainsFunc(keys, func(k jwks.Key) bool { return k.ID() == stolen }) {
		t.Errorf("all keys: %v", err)
	}
	// The key set is fetched again, and has it no longer.
	for iss.Fetches() == before {
		time.Sleep(10 * time.Millisecond)
	}
	for _, err = v.Verify(t.Context(), token); !errors.Is(err, jwks.ErrUnknownKey); _, err = v.Verify(t.Context(), token) {
		if !errors.Is(err, jwks.ErrKeyWithdrawn) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := v.Verify(t.Context(), iss.AccessToken(t, jwkstest.Token{Audience: audience})); err != nil {
		t.Errorf("a token by the new key: %v", err)
	}
}

// A verifier without traffic follows no list. The first one that it fetches may withdraw the key of
// the token for which it does.
func TestTheFirstTokenByAWithdrawnKeyIsRefused(t *testing.T) {
	t.Parallel()
	iss := statusIssuer(t)
	v, err := jwks.NewVerifier(jwks.VerifierConfig{
		Issuer: iss.URL(), Audience: audience, Keys: iss.KeySet(), Status: iss.StatusLists(t, iss.Cache(t)),
	})
	if err != nil {
		t.Fatal(err)
	}
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience})
	iss.WithdrawKey(iss.KeyID())
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, jwks.ErrKeyWithdrawn) {
		t.Errorf("%v", err)
	}
}

func TestKeysThatAreKnownAsWithdrawnCountOnce(t *testing.T) {
	t.Parallel()
	iss := statusIssuer(t)
	keys := iss.Cache(t)
	lists := iss.StatusLists(t, keys)
	v, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: keys, Status: lists})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 700 {
		iss.WithdrawKey(fmt.Sprint("leaked ", i))
	}
	if _, err := v.Verify(t.Context(), iss.AccessToken(t, jwkstest.Token{Audience: audience})); err != nil {
		t.Fatal(err)
	}
	stolen := iss.KeyID()
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience})
	iss.WithdrawKey(stolen)
	testenv.Eventually(t, "the lists say so", func() bool { return lists.Withdrawn(stolen) })
	if _, err := v.Verify(t.Context(), token); err == nil {
		t.Error("accepted")
	}
}

func TestAFloodOfUnknownKeysDelaysNoWithdrawal(t *testing.T) {
	t.Parallel()
	iss := statusIssuer(t)
	keys, err := jwks.NewCache(t.Context(), jwks.CacheConfig{Issuer: iss.URL(), Cooldown: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	v, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: keys, Status: iss.StatusLists(t, keys)})
	if err != nil {
		t.Fatal(err)
	}
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience})
	forged := iss.AccessToken(t, jwkstest.Token{Audience: audience, Mutate: func(header, _ map[string]any) { header["kid"] = "unknown" }})
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	// It has the key set fetched, which no token can for the next hour.
	if _, err := v.Verify(t.Context(), forged); !errors.Is(err, jwks.ErrUnknownKey) {
		t.Fatal(err)
	}
	iss.WithdrawKey(iss.KeyID())
	testenv.Eventually(t, "the withdrawn key's token is refused", func() bool {
		_, err := v.Verify(t.Context(), token)
		return err != nil
	})
}

func TestTokensWithoutAStatus(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		announced bool
		cache     func(*jwks.CacheConfig)
		lists     func(*jwks.StatusConfig)
		want      error
	}{
		"announced":                 {announced: true, want: jwks.ErrNoStatus},
		"not announced":             {},
		"no discovery":              {announced: true, cache: func(cfg *jwks.CacheConfig) { cfg.JWKSURL = cfg.Issuer + "/.well-known/jwks.json" }},
		"announced, but optional":   {announced: true, lists: func(cfg *jwks.StatusConfig) { cfg.InsecureOptional = true }},
		"not announced, yet needed": {lists: func(cfg *jwks.StatusConfig) { cfg.Required = true }, want: jwks.ErrNoStatus},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			iss := jwkstest.NewIssuer(t)
			if test.announced {
				iss.PublishStatusLists()
			}
			cacheConfig := jwks.CacheConfig{Issuer: iss.URL()}
			if test.cache != nil {
				test.cache(&cacheConfig)
			}
			keys, err := jwks.NewCache(t.Context(), cacheConfig)
			if err != nil {
				t.Fatal(err)
			}
			cfg := jwks.StatusConfig{Issuer: iss.URL(), Keys: keys}
			if test.lists != nil {
				test.lists(&cfg)
			}
			lists, err := jwks.NewStatusLists(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			v, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: keys, Status: lists})
			if err != nil {
				t.Fatal(err)
			}
			if v.Status() != lists {
				t.Error("the verifier has other lists")
			}
			without := iss.AccessToken(t, jwkstest.Token{Audience: audience, Mutate: func(_, claims map[string]any) { delete(claims, "status") }})
			if _, err := v.Verify(t.Context(), without); !errors.Is(err, test.want) || test.want == nil && err != nil {
				t.Errorf("without: %v, want %v", err, test.want)
			}
			other := iss.AccessToken(t, jwkstest.Token{Audience: audience, Mutate: func(_, claims map[string]any) {
				claims["status"] = map[string]any{"other_mechanism": map[string]any{"idx": 1}}
			}})
			if _, err := v.Verify(t.Context(), other); !errors.Is(err, test.want) || test.want == nil && err != nil {
				t.Errorf("another mechanism: %v, want %v", err, test.want)
			}
		})
	}
}

// documents is a transport that answers with what is stored under a path.
type documents map[string]*atomic.Pointer[string]

func (d documents) RoundTrip(req *http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: http.StatusNotFound, Header: http.Header{}, Body: http.NoBody, Request: req}
	if stored := d[req.URL.Path]; stored != nil {
		resp.StatusCode, resp.Body = http.StatusOK, io.NopCloser(strings.NewReader(*stored.Load()))
	}
	return resp, nil
}

func TestAnAnnouncementTakesEffectWhenOlderTokensHaveExpired(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	resp, err := http.Get(iss.JWKSURL()) //nolint:noctx // of a test
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	keySet, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		iss.SetNow(time.Now)
		defer iss.SetNow(func() time.Time { return time.Time{} })
		var metadata, keys atomic.Pointer[string]
		store := func(at *atomic.Pointer[string], text string) { at.Store(&text) }
		before := `{"issuer":"` + iss.URL() + `","jwks_uri":"` + iss.JWKSURL() + `"}`
		after := strings.TrimSuffix(before, "}") + `,"status_list_aggregation_endpoint":"` + iss.URL() + `/oauth2/status"}`
		store(&metadata, before)
		store(&keys, string(keySet))
		client := &http.Client{Transport: documents{"/.well-known/openid-configuration": &metadata, "/.well-known/jwks.json": &keys}}

		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		cache, err := jwks.NewCache(ctx, jwks.CacheConfig{Issuer: iss.URL(), Client: client})
		if err != nil {
			t.Fatal(err)
		}
		lists, err := jwks.NewStatusLists(ctx, jwks.StatusConfig{Issuer: iss.URL(), Keys: cache, Client: client})
		if err != nil {
			t.Fatal(err)
		}
		v, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: cache, Status: lists})
		if err != nil {
			t.Fatal(err)
		}
		want := func(want error) {
			t.Helper()
			if _, err := v.Verify(ctx, iss.AccessToken(t, jwkstest.Token{Audience: audience})); !errors.Is(err, want) || want == nil && err != nil {
				t.Errorf("%v, want %v", err, want)
			}
		}
		want(nil)
		time.Sleep(30 * time.Minute)
		store(&metadata, after)
		for begin := time.Now(); time.Since(begin) < 45*time.Minute-10*time.Second; time.Sleep(time.Minute) {
			want(nil) // the metadata are read again after an hour
		}
		time.Sleep(15 * time.Minute)
		want(jwks.ErrNoStatus)
		store(&metadata, before) // the operator goes back
		time.Sleep(time.Hour)
		want(nil)
	})
}

func TestStatusClaimsThatAreMalformed(t *testing.T) {
	t.Parallel()
	iss := statusIssuer(t)
	v := iss.Verifier(t, audience)
	uri := iss.StatusListURL()
	for name, list := range map[string]any{
		"null": nil, "text": "x", "array": []int{1}, "empty": map[string]any{},
		"no idx": map[string]any{"uri": uri}, "no uri": map[string]any{"idx": 1}, "empty uri": map[string]any{"idx": 1, "uri": ""},
		"negative": map[string]any{"idx": -1, "uri": uri}, "fraction": map[string]any{"idx": 1.5, "uri": uri},
		"idx is text": map[string]any{"idx": "1", "uri": uri}, "huge": map[string]any{"idx": 1e30, "uri": uri},
		"uri is a number": map[string]any{"idx": 1, "uri": 1},
	} {
		token := iss.AccessToken(t, jwkstest.Token{Audience: audience, Mutate: func(_, claims map[string]any) {
			claims["status"] = map[string]any{"status_list": list}
		}})
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, jwks.ErrClaims) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, ref := range map[string]map[string]any{
		"elsewhere":    {"idx": 1, "uri": "https://evil.example/list"},
		"out of range": {"idx": 1 << 30, "uri": uri},
	} {
		token := iss.AccessToken(t, jwkstest.Token{Audience: audience, Mutate: func(_, claims map[string]any) {
			claims["status"] = map[string]any{"status_list": ref}
		}})
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, jwks.ErrNoStatus) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A Verifier without lists looks at none of this.
	blind, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: iss.KeySet()})
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []any{"active", 1, map[string]any{"status_list": map[string]any{"idx": 1, "uri": "https://evil.example/"}}} {
		token := iss.AccessToken(t, jwkstest.Token{Audience: audience, Mutate: func(_, claims map[string]any) { claims["status"] = status }})
		if _, err := blind.Verify(t.Context(), token); err != nil {
			t.Errorf("%v: %v", status, err)
		}
	}
}

func TestAnExpiredTokenAsksForNoList(t *testing.T) {
	t.Parallel()
	iss := statusIssuer(t)
	v := iss.Verifier(t, audience)
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience, Lifetime: -time.Minute})
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, jwks.ErrExpired) || iss.StatusFetches() != 0 {
		t.Errorf("%v, %d fetches", err, iss.StatusFetches())
	}
}

func TestVerifiersShareTheirLists(t *testing.T) {
	t.Parallel()
	iss := statusIssuer(t)
	iss.SetStatusTTL(time.Minute)
	keys := iss.Cache(t)
	lists := iss.StatusLists(t, keys)
	for _, audience := range []string{"https://one.example", "https://two.example"} {
		v, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: keys, Status: lists})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), iss.AccessToken(t, jwkstest.Token{Audience: audience})); err != nil {
			t.Error(err)
		}
	}
	if n := iss.StatusFetches(); n != 1 || lists.Stats().Lists != 1 {
		t.Errorf("%d fetches, %+v", n, lists.Stats())
	}
}

func TestBothWaysAtOnceAreNoConfiguration(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	_, err := jwks.NewStatusLists(t.Context(), jwks.StatusConfig{Issuer: iss.URL(), Keys: iss.KeySet(), Required: true, InsecureOptional: true})
	if err == nil {
		t.Error("no error")
	}
}

func TestBadStatusesAreRefused(t *testing.T) {
	t.Parallel()
	iss := statusIssuer(t)
	v := iss.Verifier(t, audience)
	found := false
	for _, bad := range iss.BadTokens(audience) {
		found = found || bad.Want == jwks.ErrRevoked //nolint:errorlint // the sentinel itself
		if _, err := v.Verify(t.Context(), bad.Token); !errors.Is(err, bad.Want) {
			t.Errorf("%s: %v, want %v", bad.Name, err, bad.Want)
		}
	}
	if !found {
		t.Error("no token is revoked")
	}
}
