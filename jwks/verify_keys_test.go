package jwks_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/internal/testenv/testkey"
	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

// verifierOf makes a verifier by a fixed set of keys, for the tokens of
// claimsFor.
func verifierOf(t testing.TB, keySet []byte, algorithms ...string) *jwks.Verifier {
	t.Helper()
	set, err := jwks.ParseKeySet(keySet)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jwks.NewVerifier(jwks.VerifierConfig{
		Issuer: issuerURL, Audience: audience, Keys: set, Algorithms: algorithms,
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func claimsFor(t testing.TB) []byte {
	t.Helper()
	claims, err := json.Marshal(map[string]any{
		"iss": issuerURL, "aud": audience, "sub": "u", "client_id": "c", "jti": "j",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

// joseToken has an independent library sign.
func joseToken(t testing.TB, alg, kid string, key any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("at+jwt")
	if kid != "" {
		options = options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(claimsFor(t))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func joseSet(t testing.TB, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	data, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Each algorithm's tokens, signed by another library, are accepted under that
// algorithm, and under no other.
func TestAlgorithmsAgreeWithAnotherLibrary(t *testing.T) {
	t.Parallel()
	names := slices.Sorted(maps.Keys(testkey.ByAlgorithm()))
	for _, alg := range names {
		public := jose.JSONWebKey{Key: testkey.ByAlgorithm()[alg].Public(), KeyID: "k", Use: "sig"}
		token := joseToken(t, alg, "k", testkey.ByAlgorithm()[alg])
		_, rest, _ := strings.Cut(token, ".")
		for _, allowed := range names {
			v := verifierOf(t, joseSet(t, public), allowed)
			_, err := v.Verify(t.Context(), token)
			if allowed == alg && err != nil {
				t.Errorf("%s: %v", alg, err)
			}
			if allowed != alg && !errors.Is(err, jwks.ErrAlgorithm) {
				t.Errorf("%s where %s is allowed: %v", alg, allowed, err)
			}
			if allowed == alg {
				continue
			}
			// The signature of one algorithm is none of another, and a key is for
			// the algorithms of its type.
			renamed := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":%q,"kid":"k","typ":"at+jwt"}`, allowed))
			_, err = v.Verify(t.Context(), renamed+"."+rest)
			if !errors.Is(err, jwks.ErrSignature) && !errors.Is(err, jwks.ErrAlgorithm) {
				t.Errorf("%s called %s: %v", alg, allowed, err)
			}
		}
		// A key for one algorithm is for no other.
		for _, named := range names {
			public.Algorithm = named
			set, err := jwks.ParseKeySet(joseSet(t, public))
			if err != nil {
				t.Fatal(err)
			}
			if set.Len() == 0 {
				continue // does not fit the key's type
			}
			_, err = verifierOf(t, joseSet(t, public), names...).Verify(t.Context(), token)
			if named == alg && err != nil || named != alg && !errors.Is(err, jwks.ErrAlgorithm) {
				t.Errorf("%s with a key for %s: %v", alg, named, err)
			}
		}
		// Altered tokens.
		v := verifierOf(t, joseSet(t, jose.JSONWebKey{Key: testkey.ByAlgorithm()[alg].Public(), KeyID: "k"}), alg)
		dot := strings.LastIndexByte(token, '.')
		for i := range 3 {
			signature, _ := base64.RawURLEncoding.DecodeString(token[dot+1:])
			at := []int{0, len(signature) / 2, len(signature) - 1}[i]
			signature[at] ^= 1
			if _, err := v.Verify(t.Context(), token[:dot+1]+base64.RawURLEncoding.EncodeToString(signature)); !errors.Is(err, jwks.ErrSignature) {
				t.Errorf("%s with byte %d altered: %v", alg, at, err)
			}
			for _, cut := range [][]byte{signature[:len(signature)-1], append(signature, 0), nil, make([]byte, len(signature))} {
				if _, err := v.Verify(t.Context(), token[:dot+1]+base64.RawURLEncoding.EncodeToString(cut)); !errors.Is(err, jwks.ErrSignature) {
					t.Errorf("%s with a signature of %d bytes: %v", alg, len(cut), err)
				}
			}
		}
	}
}

// RFC 9864 gives EdDSA with Ed25519 a name of its own. What a key and the tokens
// that it signs call it need not be the same; what the verifier allows counts.
func TestEd25519ByEitherName(t *testing.T) {
	t.Parallel()
	key := testkey.ByAlgorithm()["EdDSA"].(ed25519.PrivateKey)
	for _, inKey := range []string{"", "EdDSA", "Ed25519"} {
		set := joseSet(t, jose.JSONWebKey{Key: key.Public(), KeyID: "k", Algorithm: inKey})
		for _, alg := range []string{"EdDSA", "Ed25519"} {
			message := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"`+alg+`","kid":"k","typ":"application/AT+jwt"}`)) +
				"." + base64.RawURLEncoding.EncodeToString(claimsFor(t))
			token := message + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(message)))
			if _, err := verifierOf(t, set, alg).Verify(t.Context(), token); err != nil {
				t.Errorf("%s by a key for %q: %v", alg, inKey, err)
			}
			if _, err := verifierOf(t, set, "RS256").Verify(t.Context(), token); !errors.Is(err, jwks.ErrAlgorithm) {
				t.Errorf("%s where it is not allowed: %v", alg, err)
			}
		}
	}
}

func TestKeysOfOneID(t *testing.T) {
	t.Parallel()
	other := testkey.RSA(t, "other")
	first := jose.JSONWebKey{Key: testkey.ByAlgorithm()["RS256"].Public(), KeyID: "k"}
	second := jose.JSONWebKey{Key: other.Public(), KeyID: "k"}
	ec := jose.JSONWebKey{Key: testkey.ByAlgorithm()["ES256"].Public(), KeyID: "k"}
	v := verifierOf(t, joseSet(t, ec, first, second, first), "RS256", "ES256")
	for alg, key := range map[string]any{"RS256": testkey.ByAlgorithm()["RS256"], "ES256": testkey.ByAlgorithm()["ES256"]} {
		if _, err := v.Verify(t.Context(), joseToken(t, alg, "k", key)); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
	if _, err := v.Verify(t.Context(), joseToken(t, "RS256", "k", other)); err != nil {
		t.Errorf("the second key: %v", err)
	}
	foreign, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), joseToken(t, "ES256", "k", foreign)); !errors.Is(err, jwks.ErrSignature) {
		t.Errorf("a foreign key: %v", err)
	}
}

// A token need not name its key if only one can be meant.
func TestTokensWithoutKeyID(t *testing.T) {
	t.Parallel()
	rsaKey := jose.JSONWebKey{Key: testkey.ByAlgorithm()["RS256"].Public()}
	ec := jose.JSONWebKey{Key: testkey.ByAlgorithm()["ES256"].Public(), KeyID: "ec"}
	other := testkey.RSA(t, "other")
	token := joseToken(t, "RS256", "", testkey.ByAlgorithm()["RS256"])
	if _, err := verifierOf(t, joseSet(t, rsaKey, ec)).Verify(t.Context(), token); err != nil {
		t.Errorf("one key fits: %v", err)
	}
	two := joseSet(t, rsaKey, ec, jose.JSONWebKey{Key: other.Public(), KeyID: "x"})
	if _, err := verifierOf(t, two).Verify(t.Context(), token); !errors.Is(err, jwks.ErrUnknownKey) {
		t.Errorf("two keys fit: %v", err)
	}
	if _, err := verifierOf(t, joseSet(t, ec)).Verify(t.Context(), token); !errors.Is(err, jwks.ErrAlgorithm) {
		t.Errorf("none fits: %v", err)
	}
	if _, err := verifierOf(t, []byte(`{"keys":[]}`)).Verify(t.Context(), token); !errors.Is(err, jwks.ErrUnknownKey) {
		t.Errorf("no keys: %v", err)
	}
	if _, err := verifierOf(t, joseSet(t, rsaKey)).Verify(t.Context(), joseToken(t, "RS256", "", other)); !errors.Is(err, jwks.ErrSignature) {
		t.Errorf("forged: %v", err)
	}
}

// The test issuer's tokens and key set are what another library takes them
// for.
func TestTheTestIssuerAgreesWithAnotherLibrary(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	signed, err := jose.ParseSignedCompact(iss.AccessToken(t, jwkstest.Token{}), []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := iss.KeySet().Keys(t.Context(), iss.KeyID())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signed.Verify(keys[0].Public()); err != nil {
		t.Error(err)
	}
	if keys[0].Algorithm() != "RS256" {
		t.Errorf("algorithm %q", keys[0].Algorithm())
	}
	thumbprint, err := (&jose.JSONWebKey{Key: keys[0].Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if id := base64.RawURLEncoding.EncodeToString(thumbprint); id != iss.KeyID() {
		t.Errorf("kid %s, thumbprint %s", iss.KeyID(), id)
	}
}
