package directory_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
)

// Keys of a client, made once.
var (
	rsaKey  = must(rsa.GenerateKey(rand.Reader, 2048))
	rsaKey2 = must(rsa.GenerateKey(rand.Reader, 2048))
	ecKey   = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	edKey   = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// sign makes a JWT with any header.
func sign(t testing.TB, alg string, key any, header map[string]any, claims string) string {
	t.Helper()
	if alg == "Ed25519" { // RFC 9864; go-jose knows EdDSA alone
		header = maps.Clone(header)
		header["alg"] = alg
		message := strings.TrimSuffix(jwt(string(must(json.Marshal(header))), claims, nil), ".")
		return message + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key.(ed25519.PrivateKey), []byte(message)))
	}
	options := &jose.SignerOptions{}
	for name, value := range header {
		options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// jwt joins parts as they are, for what no library signs.
func jwt(header, claims string, signature []byte) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode([]byte(claims)) + "." + encode(signature)
}

func set(t testing.TB, keys ...jose.JSONWebKey) string {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func jwk(kid, alg string, key crypto.Signer) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key.Public(), KeyID: kid, Algorithm: alg, Use: "sig"}
}

type (
	header = map[string]any
	rule   = directory.Rule
)

func TestVerifyTakesWhatAKeyOfTheClientSigned(t *testing.T) {
	t.Parallel()
	f := one(t)
	c := &client.Client{ID: "app", JWKS: json.RawMessage(set(t,
		jwk("r", "", rsaKey), jwk("e", "", ecKey), jwk("d", "", edKey), jwk("", "", rsaKey2),
		jwk("named EdDSA", "EdDSA", edKey), jwk("named Ed25519", "Ed25519", edKey)))}
	const claims = `{"iss":"app","n":1.50}`
	for _, test := range []struct {
		alg    string
		key    any
		header header
		rule   rule
	}{
		{"RS256", rsaKey, header{"kid": "r"}, rule{}},
		{"PS256", rsaKey, header{"kid": "r"}, rule{}},
		{"ES256", ecKey, header{"kid": "e"}, rule{}},
		{"EdDSA", edKey, header{"kid": "d"}, rule{Algs: []string{"EdDSA"}}},
		{"Ed25519", edKey, header{"kid": "d"}, rule{}},
		{"Ed25519", edKey, header{"kid": "named EdDSA"}, rule{Algs: []string{"EdDSA"}}},
		{"EdDSA", edKey, header{"kid": "named Ed25519"}, rule{Algs: []string{"Ed25519"}}},
		{"RS256", rsaKey2, nil, rule{}}, // without kid every key that fits
		{"RS256", rsaKey, nil, rule{}},
		{"RS256", rsaKey, header{"kid": "r", "typ": "JWT"}, rule{Types: []string{"", "JWT"}}},
		{"RS256", rsaKey, header{"kid": "r"}, rule{Types: []string{"", "JWT"}}},
		{"RS256", rsaKey, header{"kid": "r", "typ": "application/OAuth-authz-req+jwt"}, rule{Types: []string{"oauth-authz-req+jwt"}}},
		{"RS256", rsaKey, header{"kid": "r", "typ": "anything"}, rule{}},
	} {
		got, alg, err := f.Verify(t.Context(), c, sign(t, test.alg, test.key, test.header, claims), test.rule)
		if err != nil || string(got) != claims || alg != test.alg {
			t.Errorf("%s %v: %s %s %v", test.alg, test.header, got, alg, err)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	f := one(t)
	var (
		good        = sign(t, "RS256", rsaKey, header{"kid": "r"}, `{}`)
		stranger    = must(rsa.GenerateKey(rand.Reader, 2048))
		attacker    = jose.JSONWebKey{Key: stranger.Public(), KeyID: "r"}
		certificate = base64.StdEncoding.EncodeToString(f.site.Certificate().Raw)
		public      = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(rsaKey.Public()))})
		weak        = func() *rsa.PrivateKey {
			t.Setenv("GODEBUG", "rsa1024min=0")
			return must(rsa.GenerateKey(rand.Reader, 1024))
		}()
	)
	hs256 := func(key []byte) string {
		head := jwt(`{"alg":"HS256","kid":"r"}`, `{}`, nil)
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(strings.TrimSuffix(head, ".")))
		return head + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	parts, changed := strings.Split(good, "."), base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"x"}`))
	inJSON := fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, parts[1], parts[0], parts[2])
	c := &client.Client{ID: "app", JWKS: json.RawMessage(set(t,
		jwk("r", "RS256", rsaKey), jwk("e", "", ecKey), jwk("weak", "", weak), jose.JSONWebKey{Key: rsaKey2.Public(), KeyID: "enc", Use: "enc"}))}
	signed := func(alg string, key any, head header) string { t.Helper(); return sign(t, alg, key, head, `{}`) }
	another := signed("RS256", rsaKey, header{"kid": "r", "typ": "at+jwt"})
	for name, test := range map[string]struct {
		jwt  string
		says string
		rule rule
	}{
		"nothing":                       {jwt: "", says: "header"},
		"no JWT":                        {jwt: "abc", says: "header"},
		"two parts":                     {jwt: parts[0] + "." + parts[1], says: "compact form"},
		"four parts":                    {jwt: good + ".x", says: "compact form"},
		"JSON form":                     {jwt: inJSON, says: "compact form"},
		"no signature":                  {jwt: parts[0] + "." + parts[1] + ".", says: "signature"},
		"changed claims":                {jwt: parts[0] + "." + changed + "." + parts[2], says: "signature"},
		"alg none":                      {jwt: jwt(`{"alg":"none"}`, `{}`, nil), says: "alg"},
		"alg None":                      {jwt: jwt(`{"alg":"None"}`, `{}`, nil), says: "alg"},
		"alg none by a careless rule":   {jwt: jwt(`{"alg":"none"}`, `{}`, nil), says: "alg", rule: rule{Algs: []string{"none"}}},
		"no alg":                        {jwt: jwt(`{"kid":"r"}`, `{}`, nil), says: "alg"},
		"alg in capitals":               {jwt: jwt(`{"ALG":"RS256","kid":"r"}`, `{}`, nil), says: "alg"},
		"alg a number":                  {jwt: jwt(`{"alg":1}`, `{}`, nil), says: "string"},
		"alg twice":                     {jwt: jwt(`{"alg":"none","alg":"RS256","kid":"r"}`, `{}`, nil), says: ""},
		"HMAC with the public key":      {jwt: hs256(public), says: "alg"},
		"HMAC by a careless rule":       {jwt: hs256(public), says: "alg", rule: rule{Algs: []string{"HS256", "RS256"}}},
		"HMAC with the modulus":         {jwt: hs256(rsaKey.N.Bytes()), says: "alg"},
		"an alg that is not asked for":  {jwt: good, says: "PS256, ES256", rule: rule{Algs: []string{"PS256", "ES256"}}},
		"an alg that is the server's":   {jwt: signed("RS512", rsaKey, header{"kid": "r"}), says: "alg", rule: rule{Algs: []string{"RS512"}}},
		"an alg that is not the key's":  {jwt: signed("PS256", rsaKey, header{"kid": "r"}), says: "signature"},
		"a key of another kind":         {jwt: signed("RS256", rsaKey, header{"kid": "e"}), says: "signature"},
		"an unknown kid":                {jwt: signed("RS256", rsaKey, header{"kid": "x"}), says: "kid"},
		"another's key":                 {jwt: signed("RS256", stranger, header{"kid": "r"}), says: "signature"},
		"a key of its own in jwk":       {jwt: signed("RS256", stranger, header{"kid": "r", "jwk": attacker}), says: "signature"},
		"a key of its own at jku":       {jwt: signed("RS256", stranger, header{"kid": "r", "jku": f.site.URL + "/jwks"}), says: "signature"},
		"a key of its own at x5u":       {jwt: signed("RS256", stranger, header{"kid": "r", "x5u": f.site.URL + "/cert"}), says: "signature"},
		"a certificate of its own":      {jwt: signed("RS256", stranger, header{"kid": "r", "x5c": []string{certificate}}), says: ""},
		"a key that is too short":       {jwt: signed("RS256", weak, header{"kid": "weak"}), says: "kid"},
		"a key for encryption":          {jwt: signed("RS256", rsaKey2, header{"kid": "enc"}), says: "kid"},
		"crit":                          {jwt: signed("RS256", rsaKey, header{"kid": "r", "crit": []string{"exp"}, "exp": 1}), says: "crit"},
		"crit with b64":                 {jwt: signed("RS256", rsaKey, header{"kid": "r", "crit": []string{"b64"}, "b64": true}), says: "crit"},
		"another type":                  {jwt: another, says: "typ", rule: rule{Types: []string{"", "JWT"}}},
		"no type where one must be":     {jwt: good, says: "typ", rule: rule{Types: []string{"dpop+jwt"}}},
		"too long":                      {jwt: good, says: "bytes", rule: rule{MaxBytes: len(good) - 1}},
		"too long for anything":         {jwt: good + strings.Repeat("a", 16<<10), says: "bytes"},
		"a signature in another base64": {jwt: parts[0] + "." + parts[1] + "." + parts[2] + "==", says: ""},
		"a line break":                  {jwt: parts[0] + "\n." + parts[1] + "." + parts[2], says: "compact form"},
		"a header that is an array":     {jwt: jwt(`[]`, `{}`, nil), says: "JSON object"},
		"a header that is null":         {jwt: jwt(`null`, `{}`, nil), says: "JSON object"},
	} {
		claims, _, err := f.Verify(t.Context(), c, test.jwt, test.rule)
		if !errors.Is(err, directory.ErrInvalid) || claims != nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %s, %v", name, claims, err)
		}
	}
	_, _, err := f.Verify(t.Context(), &client.Client{}, good, rule{})
	if !errors.Is(err, directory.ErrInvalid) || !strings.Contains(err.Error(), "jwks_uri") {
		t.Errorf("without keys: %v", err)
	}
	if f.requests.Load() > 0 {
		t.Error("an address in a header was visited")
	}
}

func TestRotatedKeysAreReadAgain(t *testing.T) {
	t.Parallel()
	f := one(t)
	f.pages.CacheControl("max-age=86400")
	c := &client.Client{ID: "app", JWKSURI: f.site.URL + "/jwks"}
	oldJWT := sign(t, "RS256", rsaKey, header{"kid": "old"}, `{}`)
	newJWT := sign(t, "RS256", rsaKey2, header{"kid": "new"}, `{}`)
	sameKid := sign(t, "RS256", rsaKey2, header{"kid": "old"}, `{}`)
	unknown := sign(t, "RS256", rsaKey2, header{"kid": "unknown"}, `{}`)
	verify := func(jwt string, good bool, reads int) {
		t.Helper()
		before := f.pages.Hits("/jwks")
		_, _, err := f.Verify(t.Context(), c, jwt, rule{})
		if good && err != nil || !good && !errors.Is(err, directory.ErrInvalid) {
			t.Errorf("verified: %v", err)
		}
		if got := f.pages.Hits("/jwks") - before; got != reads {
			t.Errorf("read %d times, not %d", got, reads)
		}
	}
	f.pages.Set("/jwks", set(t, jwk("old", "", rsaKey)))
	verify(oldJWT, true, 1)
	verify(oldJWT, true, 0)
	f.pages.Set("/jwks", set(t, jwk("new", "", rsaKey2)))
	verify(oldJWT, true, 0)
	verify(newJWT, true, 1)   // at once, though what was read is fresh
	verify(oldJWT, false, 0)  // the old key is gone with its set
	verify(unknown, false, 0) // a flood of unknown ones reads once a minute
	f.clock.Advance(59 * time.Second)
	verify(unknown, false, 0)
	verify(newJWT, true, 0)
	f.clock.Advance(time.Second)
	verify(unknown, false, 1)
	verify(unknown, false, 0)
	f.pages.Set("/jwks", set(t, jwk("old", "", rsaKey2))) // another key under a kid of before
	f.clock.Advance(time.Minute)
	verify(sameKid, true, 1)
	f.clock.Advance(time.Hour) // the longest that a set counts
	verify(sameKid, true, 1)
}

func TestAnOutageOfAKeySet(t *testing.T) {
	t.Parallel()
	f := one(t)
	c := &client.Client{ID: "app", JWKSURI: f.site.URL + "/jwks"}
	jwt := sign(t, "RS256", rsaKey, header{"kid": "k"}, `{}`)
	good := func(want bool, reads int) {
		t.Helper()
		before := f.pages.Hits("/jwks")
		_, _, err := f.Verify(t.Context(), c, jwt, rule{})
		if (err == nil) != want || err != nil && !errors.Is(err, directory.ErrInvalid) {
			t.Errorf("%v", err)
		}
		if got := f.pages.Hits("/jwks") - before; got != reads {
			t.Errorf("read %d times, not %d", got, reads)
		}
	}
	good(false, 1) // there is none yet
	good(false, 0)
	f.clock.Advance(10 * time.Second)
	f.pages.Set("/jwks", set(t, jwk("k", "", rsaKey)))
	good(true, 1)
	f.pages.Set("/jwks", `{"keys":[{"kty":"oct","k":"AAAA"}]}`) // a set that must not be
	f.clock.Advance(time.Minute)
	good(true, 1) // the last good keys
	good(true, 0)
	f.clock.Advance(time.Hour)
	good(false, 1)
	f.pages.Set("/jwks", set(t, jwk("k", "", rsaKey)))
	f.clock.Advance(10 * time.Second)
	good(true, 1)
}

func TestManyVerifyAtOnceAndTheKeysAreReadOnce(t *testing.T) {
	t.Parallel()
	f := one(t)
	f.pages.Set("/jwks", set(t, jwk("k", "", rsaKey)))
	c := &client.Client{ID: "app", JWKSURI: f.site.URL + "/jwks"}
	jwt := sign(t, "RS256", rsaKey, header{"kid": "k"}, `{}`)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			if _, _, err := f.Verify(t.Context(), c, jwt, rule{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if f.pages.Hits("/jwks") != 1 {
		t.Error(f.pages.Hits("/jwks"))
	}
}

func TestWhoGaveUpDoesNotSpoilTheKeysForOthers(t *testing.T) {
	t.Parallel()
	f := one(t)
	f.pages.Set("/jwks", set(t, jwk("k", "", rsaKey)))
	c := &client.Client{ID: "app", JWKSURI: f.site.URL + "/jwks"}
	jwt := sign(t, "RS256", rsaKey, header{"kid": "k"}, `{}`)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := f.Verify(gone, c, jwt, rule{}); errors.Is(err, directory.ErrInvalid) { // nil if the keys were faster
		t.Errorf("%v", err)
	}
	if _, _, err := f.Verify(t.Context(), c, jwt, rule{}); err != nil {
		t.Error(err)
	}
}

// Whatever is sent as a JWT is refused as the client's fault, or was signed by its key.
func FuzzVerify(f *testing.F) {
	d, err := directory.New(directory.Config{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	good := sign(f, "ES256", ecKey, header{"kid": "e"}, `{"iss":"app"}`)
	c := &client.Client{JWKS: json.RawMessage(set(f, jwk("e", "", ecKey), jwk("d", "", edKey)))}
	f.Add(good)
	f.Add(jwt(`{"alg":"none"}`, `{}`, nil))
	f.Add(jwt(`{"alg":"EdDSA","crit":[],"jwk":{}}`, `{}`, make([]byte, 64)))
	f.Fuzz(func(t *testing.T, text string) {
		claims, _, err := d.Verify(t.Context(), c, text, rule{})
		switch {
		case err == nil && string(claims) != `{"iss":"app"}`:
			t.Fatalf("%q: forged %s", text, claims)
		case err != nil && !errors.Is(err, directory.ErrInvalid):
			t.Fatalf("%q: %v", text, err)
		}
	})
}
