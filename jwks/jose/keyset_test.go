package jose_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	gojose "github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/internal/testenv/testkey"
	"github.com/maru-auth/maru/jwks/jose"
)

func joseSet(t testing.TB, keys ...gojose.JSONWebKey) []byte {
	t.Helper()
	data, err := json.Marshal(gojose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAKeyVerifiesByTheAlgorithmsThatItFits(t *testing.T) {
	t.Parallel()
	message := []byte("message")
	for _, tc := range []struct {
		key, named string
		fits       string
	}{
		{"EdDSA", "", "EdDSA Ed25519"}, {"EdDSA", "EdDSA", "EdDSA Ed25519"}, {"EdDSA", "Ed25519", "EdDSA Ed25519"},
		{"RS256", "", "PS256 PS384 PS512 RS256 RS384 RS512"}, {"RS256", "PS256", "PS256"},
		{"ES256", "", "ES256"}, {"ES384", "ES384", "ES384"},
	} {
		set, err := jose.ParseKeySet(joseSet(t, gojose.JSONWebKey{Key: testkey.ByAlgorithm()[tc.key].Public(), Algorithm: tc.named}))
		if err != nil || set.Len() != 1 {
			t.Fatal(set, err)
		}
		keys, err := set.Keys(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		var fits []string
		for _, alg := range []string{"", "none", "EdDSA", "ES256", "ES384", "ES512", "Ed25519", "HS256", "PS256", "PS384", "PS512",
			"RS256", "RS384", "RS512"} {
			if keys[0].Fits(alg) {
				fits = append(fits, alg)
			}
		}
		slices.Sort(fits)
		want := strings.Fields(tc.fits)
		slices.Sort(want)
		if !slices.Equal(fits, want) {
			t.Errorf("a key for %q that names %q fits %v", tc.key, tc.named, fits)
		}
		if private, ok := testkey.ByAlgorithm()[tc.key].(ed25519.PrivateKey); ok {
			signature := ed25519.Sign(private, message)
			if !keys[0].Verifies("Ed25519", message, signature) || keys[0].Verifies("Ed25519", message[1:], signature) ||
				keys[0].Verifies("ES256", message, signature) {
				t.Error("verifies wrongly")
			}
		}
	}
}

// One bad key does not spoil the set.
func TestUnusableKeysAreLeftOut(t *testing.T) {
	t.Parallel()
	good := gojose.JSONWebKey{Key: testkey.ByAlgorithm()["RS256"].Public(), KeyID: "good", Use: "sig"}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	encoded := func(k gojose.JSONWebKey) map[string]any {
		data, err := k.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	rsaWith := func(member string, value any) map[string]any {
		m := encoded(good)
		m["kid"] = "bad"
		m[member] = value
		return m
	}
	ecWith := func(member string, value any) map[string]any {
		m := encoded(gojose.JSONWebKey{Key: testkey.ByAlgorithm()["ES256"].Public(), KeyID: "bad"})
		m[member] = value
		return m
	}
	zeros := func(n int) string { return base64.RawURLEncoding.EncodeToString(make([]byte, n)) }
	x := ecWith("", "")["x"].(string)
	for name, bad := range map[string]any{
		"a number":                 1,
		"an array":                 []int{1},
		"null":                     nil,
		"empty":                    map[string]any{},
		"of unknown type":          rsaWith("kty", "LATTICE"),
		"of type in lower case":    rsaWith("kty", "rsa"),
		"symmetric":                map[string]any{"kty": "oct", "kid": "bad", "k": "c2VjcmV0"},
		"symmetric for HS256":      map[string]any{"kty": "oct", "kid": "bad", "k": "c2VjcmV0", "alg": "HS256"},
		"for encryption":           rsaWith("use", "enc"),
		"for an unknown use":       rsaWith("use", "dance"),
		"for signing only":         rsaWith("key_ops", []string{"sign"}),
		"with malformed ops":       rsaWith("key_ops", "verify"),
		"for RSA-OAEP":             rsaWith("alg", "RSA-OAEP"),
		"for HS256":                rsaWith("alg", "HS256"),
		"for none":                 rsaWith("alg", "none"),
		"for ES256, but RSA":       rsaWith("alg", "ES256"),
		"for RS256, but EC":        ecWith("alg", "RS256"),
		"for ES384, but P-256":     ecWith("alg", "ES384"),
		"of 1024 bits":             encoded(gojose.JSONWebKey{Key: weak.Public(), KeyID: "bad"}),
		"of 16384 bits":            rsaWith("n", base64.RawURLEncoding.EncodeToString(append([]byte{0xff}, append(make([]byte, 2046), 1)...))),
		"without n":                rsaWith("n", ""),
		"with padded n":            rsaWith("n", "AQAB="),
		"with even n":              rsaWith("n", base64.RawURLEncoding.EncodeToString(append([]byte{0x80}, make([]byte, 255)...))),
		"with n broken up":         rsaWith("n", encoded(good)["n"].(string)[:20]+"\n"+encoded(good)["n"].(string)[20:]),
		"with n a number":          rsaWith("n", 12345),
		"with e 0":                 rsaWith("e", ""),
		"with e 1":                 rsaWith("e", "AQ"),
		"with e 2":                 rsaWith("e", "Ag"),
		"with huge e":              rsaWith("e", "__________8"),
		"with its private half":    encoded(gojose.JSONWebKey{Key: testkey.ByAlgorithm()["RS256"], KeyID: "bad"}),
		"EC with its private half": encoded(gojose.JSONWebKey{Key: testkey.ByAlgorithm()["ES256"], KeyID: "bad"}),
		"on an unknown curve":      ecWith("crv", "secp256k1"),
		"on another curve":         ecWith("crv", "P-384"),
		"off its curve":            ecWith("y", x),
		"at infinity":              map[string]any{"kty": "EC", "kid": "bad", "crv": "P-256", "x": zeros(32), "y": zeros(32)},
		"with short x":             ecWith("x", zeros(31)),
		"with y cut":               ecWith("y", zeros(31)),
		"on a brainpool curve":     ecWith("crv", "brainpoolP256r1"),
		"Ed448":                    map[string]any{"kty": "OKP", "kid": "bad", "crv": "Ed448", "x": zeros(57)},
		"of ML-DSA":                map[string]any{"kty": "AKP", "kid": "bad", "alg": "ML-DSA-44", "pub": zeros(1312)},
		"X25519":                   map[string]any{"kty": "OKP", "kid": "bad", "crv": "X25519", "x": zeros(32)},
		"short Ed25519":            map[string]any{"kty": "OKP", "kid": "bad", "crv": "Ed25519", "x": zeros(31)},
		"with a numeric kid":       rsaWith("kid", 7),
		"with members twice":       json.RawMessage(`{"kty":"RSA","kty":"RSA"}`),
	} {
		t.Run(name, func(t *testing.T) {
			data, err := json.Marshal(map[string]any{"keys": []any{bad, encoded(good)}})
			if err != nil {
				t.Fatal(err)
			}
			set, err := jose.ParseKeySet(data)
			if err != nil {
				t.Fatal(err)
			}
			if set.Len() != 1 || len(set.Skipped()) != 1 {
				t.Errorf("%d keys usable, left out: %v", set.Len(), set.Skipped())
			}
			if keys, err := set.Keys(t.Context(), "good"); err != nil || len(keys) != 1 {
				t.Errorf("the good key: %v, %v", keys, err)
			}
			if _, err := set.Keys(t.Context(), "bad"); !errors.Is(err, jose.ErrUnknownKey) {
				t.Errorf("the bad key: %v", err)
			}
		})
	}
}

func TestMalformedKeySets(t *testing.T) {
	t.Parallel()
	for _, data := range []string{
		"", "null", "1", `"keys"`, "[]", "{}", `{"Keys":[]}`, `{"keys":null}`, `{"keys":{}}`, `{"keys":[]`,
		`{"keys":[]}{}`, `{"keys":[],"keys":[]}`, `{"keys":[],"k\u0065ys":[]}`, "{\"keys\":[],\"\xff\":1}",
		"\xef\xbb\xbf" + `{"keys":[]}`,
	} {
		if set, err := jose.ParseKeySet([]byte(data)); err == nil {
			t.Errorf("%q gives %v", data, set)
		}
	}
}
