package jose_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/testenv/testkey"
	"github.com/maru-auth/maru/jwks/jose"
)

// compact is a JWT in compact form.
func compact(header, claims, signature string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode([]byte(claims)) + "." + encode([]byte(signature))
}

func TestAJWTGivesItsPayloadToTheKeyThatSignedIt(t *testing.T) {
	t.Parallel()
	private := testkey.ByAlgorithm()["EdDSA"].(ed25519.PrivateKey)
	key, err := jose.NewKey("EdDSA", private.Public())
	if err != nil {
		t.Fatal(err)
	}
	message := strings.TrimSuffix(compact(`{"alg":"Ed25519","kid":"k","typ":"application/AT+jwt"}`, `{"sub":"u"}`, ""), ".")
	text := message + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(private, []byte(message)))
	jwt, err := jose.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if jwt.Algorithm != "Ed25519" || jwt.KeyID != "k" || jwt.Type != "at+jwt" || string(jwt.UnverifiedPayload()) != `{"sub":"u"}` {
		t.Errorf("%+v %s", jwt, jwt.UnverifiedPayload())
	}
	if payload, ok := jwt.VerifiedBy(key); !ok || string(payload) != `{"sub":"u"}` {
		t.Errorf("%s %v", payload, ok)
	}
	_, other, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := jose.NewKey("EdDSA", other.Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string]jose.Key{"another key": stranger, "no key": {}} {
		if payload, ok := jwt.VerifiedBy(wrong); ok || payload != nil {
			t.Errorf("%s: %s", name, payload)
		}
	}
}

func TestAKeyIsForAnAlgorithmThatItFits(t *testing.T) {
	t.Parallel()
	for alg, private := range testkey.ByAlgorithm() {
		if key, err := jose.NewKey(alg, private.Public()); err != nil || key.ID() != key.Thumbprint() || key.Algorithm() != alg {
			t.Errorf("%s: %+v %v", alg, key, err)
		}
		if key, err := jose.NewKey("HS256", private.Public()); err == nil || key.Public() != nil {
			t.Errorf("%s as HS256: %+v", alg, key)
		}
	}
	if _, err := jose.NewKey("ES256", testkey.ByAlgorithm()["ES384"].Public()); err == nil {
		t.Error("a key of P-384 is taken for ES256")
	}
}

func TestTypesAreComparedAsMediaTypes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		header string
		types  []string
		want   bool
	}{
		{`{"typ":"AT+jwt"}`, []string{"JWT", "application/at+JWT"}, true},
		{`{"typ":"application/JWT"}`, []string{"jwt"}, true},
		{`{"typ":"text/jwt"}`, []string{"jwt"}, false},
		{`{}`, []string{"", "JWT"}, true},
		{`{}`, []string{"JWT"}, false},
		{`{"TYP":"JWT"}`, []string{"JWT"}, false},
		{`{"typ":"JWT"}`, nil, false},
	} {
		jwt, err := jose.Parse(compact(tc.header, `{}`, ""))
		if err != nil || jwt.HasType(tc.types...) != tc.want {
			t.Errorf("%s for %q: %+v, %v", tc.header, tc.types, jwt, err)
		}
	}
}

func TestAJWTHasOneSpelling(t *testing.T) {
	t.Parallel()
	good := compact(`{"alg":"RS256"}`, `{"a":"??>>"}`, "signature")
	if _, err := jose.Parse(good); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	for name, text := range map[string]string{
		"nothing": "", "dots": "..", "no header": "." + parts[1] + "." + parts[2], "no payload": parts[0] + ".." + parts[2],
		"two parts": parts[0] + "." + parts[1], "four parts": good + ".", "encrypted": good + "..", "padding": good +
			"=", "line break": good + "\n",
		"line break in the header": parts[0][:4] + "\r\n" + parts[0][4:] + "." + parts[1] + "." + parts[2], "space": " " + good,
		"standard alphabet": strings.NewReplacer("-", "+", "_", "/").Replace(good), "stray bits": parts[0] + "." + parts[1] + ".c2lnbmF0dXJ",
		"a header that is null": compact(`null`, `{}`, ""), "a header that is an array": compact(`[]`, `{}`,
			""), "no JSON": compact(`{`, `{}`, ""),
		"alg twice": compact(`{"alg":"none","alg":"RS256"}`, `{}`, ""), "alg a number": compact(`{"alg":1}`, `{}`,
			""), "a tail": compact(`{}{}`, `{}`, ""),
		"crit": compact(`{"alg":"RS256","crit":["exp"]}`, `{}`, ""), "crit of nothing": compact(`{"crit":null}`, `{}`, ""),
	} {
		if jwt, err := jose.Parse(text); err == nil {
			t.Errorf("%s: %+v", name, jwt)
		}
	}
}

// A malformed member must not hide that a key was published with its private half.
func TestASecretKeyIsToldFromOthers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		`{"kty":"oct","k":"AA"}`:                jose.ErrSecretKey,
		`{"kid":1,"n":[],"kty":"RSA","d":"AA"}`: jose.ErrSecretKey,
		`{"use":"enc","kty":"OKP","d":"AA"}`:    jose.ErrSecretKey,
		`{"kty":"LATTICE","oth":[]}`:            jose.ErrSecretKey,
		`[]`:                                    jose.ErrMalformedKey,
		`{"kty":"RSA","kty":"EC"}`:              jose.ErrMalformedKey,
	} {
		if key, err := jose.ParseKey([]byte(text)); !errors.Is(err, want) || key.Public() != nil {
			t.Errorf("%s: %+v, %v", text, key, err)
		}
	}
	for _, other := range []string{`{}`, `{"kty":"RSA"}`, `{"kty":7}`, `{"kty":"EC","D":"AA"}`} {
		if _, err := jose.ParseKey([]byte(other)); err == nil || errors.Is(err, jose.ErrSecretKey) || errors.Is(err, jose.ErrMalformedKey) {
			t.Errorf("%s: %v", other, err)
		}
	}
}

func TestTimesOfAJWT(t *testing.T) {
	t.Parallel()
	var claims struct {
		Time jose.NumericDate `json:"t"`
	}
	for text, want := range map[string]time.Time{
		"null": {}, "0": time.Unix(0, 0), "1800000000": time.Unix(1_800_000_000, 0), "1.8e9": time.Unix(1_800_000_000, 0),
		"1800000000.25": time.Unix(1_800_000_000, 250_000_000), "253402300799": time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		claims.Time = jose.NumericDate{}
		if err := jose.UnmarshalExact([]byte(`{"t":`+text+`}`), &claims); err != nil || !claims.Time.Equal(want) {
			t.Errorf("%s: %v, %v", text, claims.Time, err)
		}
	}
	for _, text := range []string{"-1", `"1800000000"`, "253402300800", "1e300", "true", "[]", "{}"} {
		if err := jose.UnmarshalExact([]byte(`{"t":`+text+`}`), &claims); err == nil {
			t.Errorf("%s: %v", text, claims.Time)
		}
	}
	at := jose.NumericDate{Time: time.Unix(1_800_000_000, 0)}
	if at.Ahead(at.Add(-10*time.Second)) || !at.Ahead(at.Add(-11*time.Second)) {
		t.Error("ahead")
	}
	if at.Past(at.Add(10*time.Second-1)) || !at.Past(at.Add(10*time.Second)) || !(jose.NumericDate{}).Past(at.Time) {
		t.Error("past")
	}
}
