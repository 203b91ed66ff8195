package jwks_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

// sharedMemory stands for a database that several replicas have.
type sharedMemory struct {
	mu   sync.Mutex
	used map[string]time.Time
	fail error
}

func (m *sharedMemory) Use(_ context.Context, p *jwks.Proof, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	id := p.Thumbprint + " " + p.ID
	if now.Before(m.used[id]) {
		return jwks.ErrReplayedProof
	}
	m.used[id] = p.Until
	return nil
}

func TestReplicasThatShareAMemoryTakeAProofOnce(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	start := time.Unix(1_800_000_000, 0)
	now := start
	iss.SetNow(func() time.Time { return now })
	key := iss.ProofKey(t, "")
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience, ProofKey: key})
	for name, cfg := range map[string]jwks.DPoPConfig{
		"by iat":   {},
		"by nonce": {RequireNonce: true, NonceKey: make([]byte, 32)},
	} {
		now = start
		memory := &sharedMemory{used: map[string]time.Time{}}
		cfg.Memory = memory
		one := jwks.NewGuard(iss.Verifier(t, audience), jwks.GuardConfig{DPoP: newDPoP(t, cfg)})
		other := jwks.NewGuard(iss.Verifier(t, audience), jwks.GuardConfig{DPoP: newDPoP(t, cfg)})
		r := httptest.NewRequest("GET", "/notes", nil)
		p := jwkstest.Proof{URL: baseURL + "/notes", Token: token, IssuedAt: now}
		key.Authorize(t, r.Header, p)
		_, err := one.Authenticate(r)
		if cfg.RequireNonce {
			nonce := one.Refuse(err).Nonce
			p.Mutate = func(_, claims map[string]any) { claims["nonce"] = nonce }
			key.Authorize(t, r.Header, p)
			_, err = one.Authenticate(r)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		// It is remembered until it is too old anyway.
		for ; now.Before(start.Add(10 * time.Minute)); now = now.Add(time.Second) {
			_, err := other.Authenticate(r)
			if errors.Is(err, jwks.ErrInvalidProof) || errors.Is(err, jwks.ErrProofNonce) {
				break
			}
			if !errors.Is(err, jwks.ErrReplayedProof) {
				t.Fatalf("%s, at the other replica after %v: %v", name, now.Sub(start), err)
			}
		}
		if now.Sub(start) < time.Minute {
			t.Errorf("%s: too old after %v", name, now.Sub(start))
		}
	}
}

func TestAMemoryThatFailsIsNoFaultOfTheProof(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	key := iss.ProofKey(t, "")
	memory := &sharedMemory{fail: errors.New("the database is away")}
	api := notes(t, iss, jwks.GuardConfig{DPoP: newDPoP(t, jwks.DPoPConfig{Memory: memory})})
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience, Scope: "notes:read", ProofKey: key})
	resp := send(t, api, key, "/notes", jwkstest.Proof{URL: baseURL + "/notes", Token: token})
	if resp.StatusCode != 500 || resp.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("%s, %v", resp.Status, resp.Header)
	}
}

func TestAServerWithoutAGuardReadsAProof(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	key := iss.ProofKey(t, "ES256")
	text := key.Proof(t, jwkstest.Proof{Method: "POST", URL: "https://login.example/oauth2/token"})
	p, err := jwks.ParseProof(text, []string{"ES256"})
	if err != nil || p.Thumbprint != key.Thumbprint() || !p.IsForURL("https://login.example/oauth2/token") || p.Method != "POST" {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := jwks.ParseProof(text, []string{"EdDSA"}); !errors.Is(err, jwks.ErrInvalidProof) || p != nil {
		t.Errorf("by an algorithm that is not accepted: %+v, %v", p, err)
	}
}
