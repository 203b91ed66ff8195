package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

// A recorder is a TokenMemory without bounds that counts.
type recorder struct {
	mu         sync.Mutex
	tokens     map[jwks.TokenKey]*jwks.GenuineToken
	hits, puts int
}

func (m *recorder) Get(key jwks.TokenKey) *jwks.GenuineToken {
	m.mu.Lock()
	defer m.mu.Unlock()
	token := m.tokens[key]
	if token != nil {
		m.hits++
	}
	return token
}

func (m *recorder) Put(key jwks.TokenKey, token *jwks.GenuineToken, _ time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tokens == nil {
		m.tokens = make(map[jwks.TokenKey]*jwks.GenuineToken)
	}
	m.tokens[key] = token
	m.puts++
}

// counted returns the numbers since the last call.
func (m *recorder) counted() (hits, puts int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	hits, puts = m.hits, m.puts
	m.hits, m.puts = 0, 0
	return hits, puts
}

// want fails the test unless the memory was of that use since the last call.
func (m *recorder) want(t *testing.T, hits, puts int) {
	t.Helper()
	if h, p := m.counted(); h != hits || p != puts {
		t.Errorf("%d hits and %d puts, not %d and %d", h, p, hits, puts)
	}
}

// changingKeys is a source whose answer changes.
type changingKeys struct {
	mu     sync.Mutex
	source jwks.KeySource
	err    error
}

func (k *changingKeys) set(source jwks.KeySource, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.source, k.err = source, err
}

func (k *changingKeys) Keys(ctx context.Context, id string) ([]jwks.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return nil, k.err
	}
	return k.source.Keys(ctx, id)
}

func newVerifier(t testing.TB, cfg jwks.VerifierConfig) *jwks.Verifier {
	t.Helper()
	v, err := jwks.NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestATokensTimesAreCheckedOnEachUse(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	memory := &recorder{}
	now := iss.Now()
	v := newVerifier(t, jwks.VerifierConfig{
		Issuer: iss.URL(), Audience: audience, Keys: iss.KeySet(), Memory: memory, Now: func() time.Time { return now },
	})
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience, Lifetime: time.Minute})
	claims, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	memory.want(t, 0, 1)
	for _, step := range []struct {
		now  time.Time
		want error
	}{
		{claims.Expiry.Add(jwks.DefaultLeeway - 1), nil},
		{claims.Expiry.Add(jwks.DefaultLeeway), jwks.ErrExpired},
		{claims.IssuedAt.Add(-jwks.DefaultLeeway), nil},
		{claims.IssuedAt.Add(-jwks.DefaultLeeway - 1), jwks.ErrNotYetValid},
	} {
		now = step.now
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, step.want) {
			t.Errorf("at %v: %v, want %v", now, err, step.want)
		}
		memory.want(t, 1, 0)
	}
}

// A token is good for as long as the very key that signed it is the issuer's.
func TestTheEndOfAKeyEndsItsRememberedTokens(t *testing.T) {
	t.Parallel()
	iss, other := jwkstest.NewIssuer(t), jwkstest.NewIssuer(t)
	ctx := t.Context()
	keys := &changingKeys{source: iss.KeySet()}
	memory := &recorder{}
	v := newVerifier(t, jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: keys, Memory: memory, Now: iss.Now})
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience})
	verify := func(name string, want error) {
		t.Helper()
		if _, err := v.Verify(ctx, token); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	verify("at first", nil)
	keys.set(iss.KeySet(), nil)
	verify("fetched again, the same", nil)
	memory.want(t, 1, 1)

	// The same id, on another's key, and on this key for another algorithm.
	own, _ := iss.KeySet().Keys(ctx, "")
	foreign, _ := other.KeySet().Keys(ctx, "")
	keys.set(renamed(t, foreign[0], own[0].ID(), "RS256"), nil)
	verify("another key by that id", jwks.ErrSignature)
	keys.set(renamed(t, own[0], own[0].ID(), "PS256"), nil)
	verify("a key for another algorithm", jwks.ErrAlgorithm)
	keys.set(other.KeySet(), nil)
	verify("withdrawn", jwks.ErrUnknownKey)
	keys.set(nil, jwks.ErrKeysUnavailable)
	verify("too old a set", jwks.ErrKeysUnavailable)
	keys.set(iss.KeySet(), nil)
	verify("published again", nil)
	if _, puts := memory.counted(); puts != 0 {
		t.Errorf("a refused token was remembered %d times", puts)
	}
}

// A refresh of a real Cache ends them just so.
func TestARefreshThatDropsAKeyEndsItsRememberedTokens(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	v := iss.Verifier(t, audience)
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience})
	for range 2 {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	iss.Rotate()
	iss.Withdraw()
	// A token with the new key makes the cache fetch the set.
	if _, err := v.Verify(t.Context(), iss.AccessToken(t, jwkstest.Token{Audience: audience})); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, jwks.ErrUnknownKey) {
		t.Errorf("%v", err)
	}
}

// Verifiers that share a memory decide as they would with one of their own.
func TestVerifiersWithDifferentRulesShareAMemory(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	now := iss.Now()
	base := jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: iss.KeySet(), Now: func() time.Time { return now }}
	rules := map[string]func(cfg *jwks.VerifierConfig){
		"none":              func(*jwks.VerifierConfig) {},
		"another issuer":    func(cfg *jwks.VerifierConfig) { cfg.Issuer = issuerURL },
		"another audience":  func(cfg *jwks.VerifierConfig) { cfg.Audience = "https://api.example/other" },
		"another algorithm": func(cfg *jwks.VerifierConfig) { cfg.Algorithms = []string{"PS256"} },
		"more algorithms":   func(cfg *jwks.VerifierConfig) { cfg.Algorithms = []string{"RS256", "PS256"} },
		"another type":      func(cfg *jwks.VerifierConfig) { cfg.Types = []string{"JWT"} },
		"more types":        func(cfg *jwks.VerifierConfig) { cfg.Types = []string{"JWT", "at+jwt"} },
		"no leeway":         func(cfg *jwks.VerifierConfig) { cfg.Leeway = -1 },
		"much leeway":       func(cfg *jwks.VerifierConfig) { cfg.Leeway = time.Minute },
		// Parts of rules must not be taken for others.
		"joined": func(cfg *jwks.VerifierConfig) { cfg.Issuer, cfg.Audience = iss.URL()+audience, audience },
		"moved": func(cfg *jwks.VerifierConfig) {
			cfg.Algorithms, cfg.Types = []string{"RS256"}, []string{"PS256", "at+jwt"}
		},
	}
	tokens := []string{
		iss.AccessToken(t, jwkstest.Token{Audience: audience}),
		iss.AccessToken(t, jwkstest.Token{Audience: audience, MoreAudiences: []string{"https://api.example/other"}}),
		iss.AccessToken(t, jwkstest.Token{Audience: audience, Lifetime: -5 * time.Second}),
		iss.AccessToken(t, jwkstest.Token{Audience: audience, Lifetime: -30 * time.Second}),
		iss.AccessToken(t, jwkstest.Token{Audience: audience, Mutate: func(header, _ map[string]any) { header["typ"] = "JWT" }}),
	}
	memory := &recorder{}
	for range 2 {
		for name, change := range rules {
			shared, own := base, base
			change(&shared)
			change(&own)
			shared.Memory, own.VerifyEveryTime = memory, true
			for i, token := range tokens {
				got, gotErr := newVerifier(t, shared).Verify(t.Context(), token)
				want, wantErr := newVerifier(t, own).Verify(t.Context(), token)
				if !reflect.DeepEqual(got, want) || fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
					t.Errorf("%s, token %d: %v, want %v", name, i, gotErr, wantErr)
				}
			}
		}
	}
	if hits, puts := memory.counted(); puts < 10 || hits != puts {
		t.Errorf("%d hits and %d puts", hits, puts)
	}
	// The order of a list, and the spelling of a type, are no other rules.
	for _, types := range [][]string{{"at+jwt", "JWT"}, {"application/JWT", "AT+jwt", "jwt"}} {
		cfg := base
		cfg.Types, cfg.Memory = types, memory
		if _, err := newVerifier(t, cfg).Verify(t.Context(), tokens[0]); err != nil {
			t.Error(err)
		}
		memory.want(t, 1, 0)
	}
}

func TestOnlyGoodTokensAreRemembered(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	memory := &recorder{}
	v := newVerifier(t, jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: iss.Cache(t), Now: iss.Now, Memory: memory})
	good := iss.AccessToken(t, jwkstest.Token{Audience: audience})
	for range 2 {
		if _, err := v.Verify(t.Context(), good); err != nil {
			t.Fatal(err)
		}
	}
	memory.want(t, 1, 1)
	for _, bad := range iss.BadTokens(audience) {
		for range 2 {
			if _, err := v.Verify(t.Context(), bad.Token); !errors.Is(err, bad.Want) {
				t.Errorf("%s: %v", bad.Name, err)
			}
		}
		// The signature of a bound token is right; it is bad without a proof.
		if _, puts := memory.counted(); puts != 0 && !errors.Is(bad.Want, jwks.ErrSenderConstrained) {
			t.Errorf("%s: remembered", bad.Name)
		}
	}
	// Which key signed this one is not for sure tomorrow.
	unnamed := iss.AccessToken(t, jwkstest.Token{Audience: audience, Mutate: func(header, _ map[string]any) { delete(header, "kid") }})
	for range 2 {
		if _, err := v.Verify(t.Context(), unnamed); err != nil {
			t.Error(err)
		}
	}
	memory.want(t, 0, 0)
}

func TestARememberedTokenThatIsBoundIsNoBearerToken(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	memory := &recorder{}
	v := newVerifier(t, jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: iss.KeySet(), Now: iss.Now, Memory: memory})
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience, ProofKey: iss.ProofKey(t, "ES256")})
	for range 3 {
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, jwks.ErrSenderConstrained) {
			t.Error(err)
		}
	}
	memory.want(t, 2, 1)
}

// A confused memory answers with any token that it has.
type confused struct{ recorder }

func (m *confused) Get(jwks.TokenKey) *jwks.GenuineToken {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, token := range m.tokens {
		return token
	}
	return nil
}

func TestAMemoryThatTakesOneTokenForAnotherIsNotBelieved(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	v := newVerifier(t, jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: iss.KeySet(), Now: iss.Now, Memory: &confused{}})
	if _, err := v.Verify(t.Context(), iss.AccessToken(t, jwkstest.Token{Audience: audience, Subject: "first"})); err != nil {
		t.Fatal(err)
	}
	claims, err := v.Verify(t.Context(), iss.AccessToken(t, jwkstest.Token{Audience: audience, Subject: "second"}))
	if err != nil || claims.Subject != "second" {
		t.Errorf("%+v, %v", claims, err)
	}
	if _, err := v.Verify(t.Context(), "forged"); !errors.Is(err, jwks.ErrMalformed) {
		t.Error(err)
	}
}

// What one caller does to its claims is nothing to others.
func TestClaimsAreTheCallersOwn(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	for _, scope := range []string{"a b", strings.TrimSpace(strings.Repeat("scope ", 40))} {
		v := iss.Verifier(t, audience)
		token := iss.AccessToken(t, jwkstest.Token{
			Audience: audience, Scope: scope, Roles: []string{"r"}, AMR: []string{"pwd", "otp"},
			Mutate: func(_, claims map[string]any) {
				claims["act"] = map[string]any{"sub": "agent", "act": map[string]any{"sub": "service"}}
			},
		})
		read := func() *jwks.Claims {
			t.Helper()
			claims, err := v.Verify(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			return claims
		}
		first, second := read(), read()
		if !reflect.DeepEqual(first, second) || first == second {
			t.Fatalf("%+v and then %+v", first, second)
		}
		for _, claims := range []*jwks.Claims{first, read()} {
			claims.Subject, claims.KeyThumbprint = "x", "x"
			for _, list := range [][]string{claims.Audience, claims.Scope, claims.Roles, claims.AMR} {
				_ = append(list, "x")
				list[0] = "x"
			}
			claims.Raw[0] = 'x'
			claims.Actor.Actor.Subject = "x"
			claims.Actor.Subject = "x"
		}
		if got := read(); !reflect.DeepEqual(got, second) {
			t.Errorf("%+v, not %+v", got, second)
		}
	}
}

func TestVerifyEveryTimeRemembersNothing(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	cfg := jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: iss.KeySet(), Now: iss.Now, VerifyEveryTime: true}
	v := newVerifier(t, cfg)
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience})
	for range 2 {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Error(err)
		}
	}
	cfg.Memory = &recorder{}
	if _, err := jwks.NewVerifier(cfg); err == nil {
		t.Error("a Memory besides was accepted")
	}
	for _, bounds := range []jwks.TokenMemoryConfig{{MaxTokens: -1}, {MaxBytes: -1}} {
		if memory, err := jwks.NewTokenMemory(bounds); err == nil || memory != nil {
			t.Errorf("%+v was accepted", bounds)
		}
	}
}

// The aim is two allocations: the claims, and their JSON.
func TestARememberedTokenTakesTwoAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes buffers be allocated anew")
	}
	iss := jwkstest.NewIssuer(t)
	token := iss.AccessToken(t, jwkstest.Token{
		Audience: audience, Scope: "openid profile board:read board:write", Roles: []string{"moderator"},
	})
	for name, v := range map[string]*jwks.Verifier{
		"fixed keys":    newVerifier(t, jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: iss.KeySet()}),
		"keys of Cache": newVerifier(t, jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: iss.Cache(t)}),
	} {
		allocations := testing.AllocsPerRun(1000, func() {
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		})
		if allocations > 2 {
			t.Errorf("%s: %v allocations", name, allocations)
		}
	}
}

// renamed is a set of one key, by another id and for one algorithm.
func renamed(t *testing.T, key jwks.Key, id, algorithm string) *jwks.KeySet {
	t.Helper()
	set, err := jwks.ParseKeySet(joseSet(t, jose.JSONWebKey{Key: key.Public(), KeyID: id, Algorithm: algorithm}))
	if err != nil {
		t.Fatal(err)
	}
	return set
}
