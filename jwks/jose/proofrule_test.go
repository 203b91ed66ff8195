package jose_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/testenv/testkey"
	"github.com/maru-auth/maru/jwks/jose"
)

// proofOf signs a DPoP proof with the test's Ed25519 key.
func proofOf(t testing.TB, claims map[string]any) string {
	t.Helper()
	private := testkey.ByAlgorithm()["EdDSA"].(ed25519.PrivateKey)
	encode := base64.RawURLEncoding.EncodeToString
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	message := strings.TrimSuffix(compact(`{"alg":"EdDSA","typ":"dpop+jwt","jwk":{"kty":"OKP","crv":"Ed25519","x":"`+
		encode(private.Public().(ed25519.PublicKey))+`"}}`, string(text), ""), ".")
	return message + "." + encode(ed25519.Sign(private, []byte(message)))
}

// A token endpoint has no access token yet: then ath makes no difference, and all else counts.
func TestAProofIsJudgedWithoutAnAccessToken(t *testing.T) {
	t.Parallel()
	const at = 1_800_000_000
	now := time.Unix(at, 0)
	rule := jose.ProofRule{Algorithms: []string{"EdDSA"}, MaxAge: time.Minute, Leeway: 10 * time.Second}
	target := jose.ProofTarget{Method: "POST", URLs: []string{"https://login.example/oauth2/token"}}
	claims := func(changes ...any) map[string]any {
		all := map[string]any{"jti": "j", "htm": "POST", "htu": "https://LOGIN.example:443/oauth2/token?x#y", "iat": at}
		for i := 0; i < len(changes); i += 2 {
			all[changes[i].(string)] = changes[i+1]
		}
		return all
	}
	for _, good := range []map[string]any{claims(), claims("ath", "anything"), claims("iat", at+10), claims("iat", at-69)} {
		p, err := rule.Check([]string{proofOf(t, good)}, target, now)
		if err != nil || p.ID != "j" || p.NextNonce != "" || !p.Until.Equal(p.IssuedAt.Add(70*time.Second)) {
			t.Errorf("%v: %+v, %v", good, p, err)
		}
	}
	for _, tc := range []struct {
		claims map[string]any
		why    string
	}{
		{claims("htm", "post"), "htm"}, {claims("htm", "GET"), "htm"},
		{claims("htu", "https://login.example/oauth2/par"), "htu"}, {claims("htu", "http://login.example/oauth2/token"), "htu"},
		{claims("iat", at+11), "iat"}, {claims("iat", at-70), "iat"},
		{claims("jti", ""), "claim"}, {claims("jti", strings.Repeat("x", 257)), "claim"}, {claims("iat", "now"), "claim"},
	} {
		var why jose.ProofError
		p, err := rule.Check([]string{proofOf(t, tc.claims)}, target, now)
		if !errors.As(err, &why) || !errors.Is(err, jose.ErrInvalidProof) || !strings.Contains(string(why), tc.why) || p != nil {
			t.Errorf("%v: %+v, %v", tc.claims, p, err)
		}
	}
	good := proofOf(t, claims())
	for _, headers := range [][]string{nil, {good, good}, {""}} {
		if p, err := rule.Check(headers, target, now); !errors.Is(err, jose.ErrInvalidProof) {
			t.Errorf("%d headers: %+v, %v", len(headers), p, err)
		}
	}
}

func TestANonceIsGoodForItsStepsAtEveryReplica(t *testing.T) {
	t.Parallel()
	key := []byte(strings.Repeat("k", 32))
	nonces := &jose.Nonces{Key: key, Step: time.Minute, Steps: 5}
	rule := jose.ProofRule{Algorithms: []string{"EdDSA"}, Nonces: &jose.Nonces{Key: key, Step: time.Minute, Steps: 5}}
	target := jose.ProofTarget{Method: "POST", URLs: []string{"https://login.example/"}}
	made := time.Unix(1_800_000_000, 0) // the first moment of a step
	check := func(nonce string, now time.Time) (*jose.Proof, error) {
		claims := map[string]any{"jti": "j", "htm": "POST", "htu": "https://login.example", "iat": 1, "nonce": nonce}
		return rule.Check([]string{proofOf(t, claims)}, target, now)
	}
	nonce := nonces.At(made)
	for after, want := range map[time.Duration]bool{
		-61 * time.Second: false, -60 * time.Second: true, 0: true, 6*time.Minute - 1: true, 6 * time.Minute: false,
	} {
		p, err := check(nonce, made.Add(after))
		if want != (err == nil) || !want && !errors.Is(err, jose.ErrProofNonce) {
			t.Errorf("%v after it was made: %v", after, err)
		}
		if want && !p.Until.Equal(made.Add(6*time.Minute)) {
			t.Errorf("good until %v, made at %v", p.Until, made)
		}
		if latest := nonces.At(made.Add(after)); want && p.NextNonce != strings.TrimPrefix(latest, nonce) {
			t.Errorf("%v after it was made, the next is %q", after, p.NextNonce)
		}
	}
	if nonces.Lifetime() != 7*time.Minute {
		t.Errorf("lifetime %v", nonces.Lifetime())
	}
	foreign := &jose.Nonces{Key: make([]byte, 32), Step: time.Minute, Steps: 5}
	for _, wrong := range []string{"", "x", nonce + "A", nonce[1:], foreign.At(made)} {
		if _, err := check(wrong, made); !errors.Is(err, jose.ErrProofNonce) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}
