package jwks

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// openKeys is a source with one key for every id; with fuzzVerifier's algorithms
// it accepts every signature, so that fuzzing gets beyond it.
type openKeys struct{}

func (openKeys) Keys(context.Context, string) ([]Key, error) { return []Key{{}}, nil }

// fuzzVerifier accepts any signature; everything else is as ever.
func fuzzVerifier(f *testing.F) *Verifier {
	f.Helper()
	v, err := NewVerifier(VerifierConfig{
		Issuer: "https://issuer.example", Audience: "api", Keys: openKeys{},
		Now: func() time.Time { return time.Unix(1_800_000_000, 0) },
	})
	if err != nil {
		f.Fatal(err)
	}
	for name := range v.algorithms {
		v.algorithms[name] = algorithm{
			fits:   func(crypto.PublicKey) bool { return true },
			verify: func(crypto.PublicKey, crypto.Hash, []byte, []byte) bool { return true },
		}
	}
	return v
}

// reasons are all errors that a refused token may have.
var reasons = []error{
	ErrNoToken, ErrTooLarge, ErrMalformed, ErrAlgorithm, ErrType, ErrUnknownKey, ErrSignature,
	ErrClaims, ErrIssuer, ErrAudience, ErrExpired, ErrNotYetValid, ErrSenderConstrained,
}

func FuzzVerify(f *testing.F) {
	token := func(header, claims, signature string) string {
		e := base64.RawURLEncoding.EncodeToString
		return e([]byte(header)) + "." + e([]byte(claims)) + "." + e([]byte(signature))
	}
	const (
		header = `{"alg":"RS256","typ":"at+jwt","kid":"k"}`
		claims = `{"iss":"https://issuer.example","aud":"api","sub":"u","client_id":"c","jti":"j","iat":1800000000,"exp":1800000600}`
	)
	good := token(header, claims, "s")
	f.Add(good)
	f.Add(token(header, strings.Replace(claims, `"api"`, `["a","api"]`, 1), "s"))
	f.Add(token(header, strings.Replace(claims, `{`, `{"cnf":{"jkt":"x"},`, 1), "s"))
	f.Add(token(header, strings.Replace(claims, `1800000600`, `1.8000006e9`, 1), "s"))
	f.Add(token(header, `{"iss":"a","iss":"b"}`, ""))
	f.Add(token(`{"alg":"none"}`, claims, ""))
	f.Add(token(`{"alg":"RS256","typ":"at+jwt","crit":["b64"],"b64":false}`, claims, "s"))
	f.Add(token(`{"alg":"RS256","typ":"application/AT+JWT"}`, `[]`, "s"))
	f.Add(token(`{"\u0061lg":"RS256","typ":"at\u002bjwt"}`, `{"exp":1e999}`, "s"))
	f.Add("..")
	f.Add(good + "=")
	f.Add(good + "\n")
	v := fuzzVerifier(f)
	if _, err := v.Verify(f.Context(), good); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, token string) {
		c, err := v.Verify(t.Context(), token)
		if err != nil {
			if c != nil {
				t.Error("claims beside an error")
			}
			for _, reason := range reasons {
				if errors.Is(err, reason) {
					return
				}
			}
			t.Fatalf("unknown error %v", err)
		}
		// What was accepted has one spelling only, and encoding/json reads the
		// same in it, as far as that is as strict.
		parts := strings.Split(token, ".")
		if len(parts) != 3 {
			t.Fatalf("accepted %d parts", len(parts))
		}
		for _, part := range parts {
			raw, err := base64.RawURLEncoding.DecodeString(part)
			if err != nil || base64.RawURLEncoding.EncodeToString(raw) != part {
				t.Fatalf("accepted the spelling %q", part)
			}
		}
		var m map[string]any
		if err := json.Unmarshal(c.Raw, &m); err != nil {
			t.Fatalf("accepted %q: %v", c.Raw, err)
		}
		if m["iss"] != "https://issuer.example" || m["sub"] != c.Subject || m["client_id"] != c.ClientID || m["jti"] != c.ID {
			t.Errorf("read %+v from %s", c, c.Raw)
		}
		if _, bound := m["cnf"]; bound {
			t.Error("accepted a sender-constrained token")
		}
		if exp, ok := m["exp"].(float64); !ok || exp+DefaultLeeway.Seconds() <= 1_800_000_000-1 {
			t.Errorf("accepted the expiry %v", m["exp"])
		}
	})
}

// A key set never breaks the parser, and every key that comes out of it can be
// verified with.
func FuzzParseKeySet(f *testing.F) {
	f.Add([]byte(`{"keys":[]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"a","use":"sig","alg":"RS256","n":"` + strings.Repeat("v", 342) + `w","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"},1,null,[],{"kty":"RSA","key_ops":["verify"]}],"x":"\"]}"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := ParseKeySet(data)
		if err != nil {
			if set != nil {
				t.Error("a set beside an error")
			}
			return
		}
		var loose struct{ Keys []json.RawMessage }
		if err := json.Unmarshal(data, &loose); err != nil {
			t.Fatalf("accepted what is no JSON: %v", err)
		}
		if set.Len() != 0 && set.Len()+len(set.Skipped()) != len(loose.Keys) {
			t.Errorf("%d keys and %d left out, of %d", set.Len(), len(set.Skipped()), len(loose.Keys))
		}
		keys, _ := set.Keys(t.Context(), "")
		for _, key := range keys {
			for name, algo := range algorithms {
				if algo.fits(key.public) && algo.verifies(key, []byte("message"), make([]byte, 256)) {
					t.Errorf("%s verifies nothing", name)
				}
			}
		}
	})
}

func FuzzAuthorizationHeader(f *testing.F) {
	for _, value := range []string{
		"Bearer abc", "bearer abc.def.ghi", "Bearer", "Bearer ", "Bearer a b", "Bearer a,Bearer b", "Basic dTpw",
		"DPoP abc", "dpop x.y.z", "DPoP", "DPoP a,b", "Bearer\tabc", "Bearer  abc==", "Bearer =", " Bearer x ", "Bearer x\r\nY: z", "",
	} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		token, dpop, err := credentials([]string{value}, true)
		if err != nil {
			if token != "" || !errors.Is(err, ErrNoToken) && !errors.Is(err, ErrInvalidRequest) {
				t.Errorf("token %q, error %v", token, err)
			}
			return
		}
		if token == "" || strings.ContainsAny(token, " \t\r\n,\"\\") || !utf8.ValidString(token) {
			t.Errorf("token %q", token)
		}
		want := "Bearer"
		if dpop {
			want = "DPoP"
		}
		if scheme := strings.TrimLeft(value, " \t")[:len(want)]; !strings.EqualFold(scheme, want) {
			t.Errorf("token %q by scheme %q", token, scheme)
		}
		// And its answer cannot be broken out of, whatever comes of it.
		challenge := (&Guard{cfg: GuardConfig{Realm: value}}).challenges(dpop, "invalid_token", value, value)
		if strings.ContainsFunc(challenge, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("challenge %q", challenge)
		}
	})
}

// The walk over an object sees what encoding/json sees.
func FuzzEachMember(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":1}`, ` { "a" : [ 1 , {"b":"}"} ] , "c" : "\"" } `, `{"a":1,"a":2}`, `{"\u0061":1,"a":2}`,
		`[]`, `"`, `{"a":-0.1e+5,"b":true,"c":null,"":""}`, "{\"\xff\":1}", `{"a":"\ud800"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := map[string]any{}
		err := eachMember(data, func(name, value []byte) error {
			var v any
			if err := json.Unmarshal(value, &v); err != nil {
				t.Fatalf("value %q: %v", value, err)
			}
			if len(value) > 0 && value[0] == '"' {
				if s, err := stringValue(value); err != nil || s != v {
					t.Errorf("text %q: %q, %v", value, s, err)
				}
			}
			if list, ok := v.([]any); ok {
				n := 0
				err := eachElement(value, func(e []byte) error {
					var v any
					if err := json.Unmarshal(e, &v); err != nil || !reflect.DeepEqual(v, list[n]) {
						t.Errorf("element %q: %v", e, err)
					}
					n++
					return nil
				})
				if err != nil || n != len(list) {
					t.Errorf("%d elements of %d: %v", n, len(list), err)
				}
			}
			if _, twice := got[string(name)]; twice {
				t.Errorf("%q twice", name)
			}
			got[string(name)] = v
			return nil
		})
		var want map[string]any
		wantErr := json.Unmarshal(data, &want)
		switch {
		case err == nil && (wantErr != nil || !reflect.DeepEqual(got, want)):
			t.Errorf("%q: got %v, want %v, %v", data, got, want, wantErr)
		case err == nil, errors.Is(err, errRepeated), errors.Is(err, errMembers):
		case wantErr == nil && want != nil && utf8.Valid(data):
			t.Errorf("%q: refused: %v", data, err)
		}
	})
}

func TestObjectsOfTooManyMembersAreRefused(t *testing.T) {
	object := func(n int) []byte {
		var b bytes.Buffer
		b.WriteByte('{')
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`"m` + strings.Repeat("x", i) + `":1`)
		}
		b.WriteByte('}')
		return b.Bytes()
	}
	nothing := func(_, _ []byte) error { return nil }
	if err := eachMember(object(maxMembers), nothing); err != nil {
		t.Error(err)
	}
	if err := eachMember(object(maxMembers+1), nothing); !errors.Is(err, errMembers) {
		t.Errorf("error %v", err)
	}
}

func TestTheMemoryOfMissingKeysIsBounded(t *testing.T) {
	m := newMissingKeys()
	now := time.Unix(1000, 0)
	for i := range 10 * maxMissing {
		m.remember(strings.Repeat("x", i), now, time.Second)
	}
	if len(m.ids) != maxMissing {
		t.Errorf("%d remembered", len(m.ids))
	}
	last := strings.Repeat("x", 10*maxMissing-1)
	if !m.remembered(last, now) || m.remembered(last, now.Add(time.Second)) || m.remembered("another", now) {
		t.Error("remembers wrongly")
	}
	for range 10 {
		m.remember(last, now, time.Second)
	}
	if !m.remembered(last, now.Add(maxMissingPause*time.Second-1)) || m.remembered(last, now.Add(maxMissingPause*time.Second)) {
		t.Error("the pause is not bounded")
	}
}

// A proof never breaks the parser. What it accepts is signed by the key that it
// carries, has one spelling, and encoding/json reads the same in it.
func FuzzProof(f *testing.F) {
	parse := func(text string) (*Proof, error) {
		anything := func(Key, string, []byte, []byte) bool { return true } // so that fuzzing gets beyond it
		return parseProof(text, []string{"ES256", "EdDSA", "RS256"}, anything)
	}
	proof := func(header, claims string) string {
		e := base64.RawURLEncoding.EncodeToString
		return e([]byte(header)) + "." + e([]byte(claims)) + "." + e([]byte("s"))
	}
	const (
		header = `{"alg":"ES256","typ":"dpop+jwt","jwk":{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}}`
		okp    = `{"alg":"EdDSA","typ":"dpop+jwt","jwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}`
		claims = `{"jti":"j","htm":"GET","htu":"https://api.example/notes","iat":1800000000,"ath":"a"}`
	)
	for _, good := range []string{proof(header, claims), proof(okp, claims), proof(`{"alg":"RS256","typ":"DPoP+JWT","jwk":{"kty":"RSA","n":"`+strings.Repeat("v", 341)+`w","e":"AQAB"}}`, claims)} {
		if _, err := parse(good); err != nil {
			f.Fatal(err)
		}
		f.Add(good)
		f.Add(good + "=")
	}
	f.Add(proof(strings.Replace(header, `"x"`, `"d":"AA","x"`, 1), claims))
	f.Add(proof(strings.Replace(header, `"ES256"`, `"none"`, 1), claims))
	f.Add(proof(header, `{"jti":"a","jti":"b"}`))
	f.Add(proof(header, strings.Replace(claims, `/notes`, `/../%zz`, 1)))
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parse(text)
		if err != nil {
			if p != nil || !errors.Is(err, ErrInvalidProof) {
				t.Fatalf("%+v, %v", p, err)
			}
			return
		}
		parts := strings.Split(text, ".")
		if len(parts) != 3 || len(text) > maxProofBytes {
			t.Fatalf("accepted %d parts, %d bytes", len(parts), len(text))
		}
		var read [2]map[string]any
		for i := range read {
			raw, err := base64.RawURLEncoding.DecodeString(parts[i])
			if err != nil || base64.RawURLEncoding.EncodeToString(raw) != parts[i] || json.Unmarshal(raw, &read[i]) != nil {
				t.Fatalf("accepted the spelling %q", parts[i])
			}
		}
		jwk, ok := read[0]["jwk"].(map[string]any)
		if !ok || jwk["d"] != nil || jwk["k"] != nil || read[0]["crit"] != nil || len(p.Thumbprint) != thumbprintLength {
			t.Errorf("accepted the header %v", read[0])
		}
		if c := read[1]; c["jti"] != p.ID || c["htm"] != p.Method || c["htu"] != p.URL || c["ath"] != any(p.TokenHash) && c["ath"] != nil || p.ID == "" {
			t.Errorf("read %+v from %v", p, c)
		}
		// The comparison holds for any URL, and knows its own kind again.
		if u, err := url.Parse(p.URL); err == nil && strings.HasPrefix(u.EscapedPath(), "/") && isWebURL(u) {
			own := &DPoP{base: normalURL(&url.URL{Scheme: u.Scheme, Host: u.Host}, "")}
			if !own.isFor(p.URL, u) {
				t.Errorf("%q is not for itself", p.URL)
			}
		}
	})
}
