package jose

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
)

// A key set never breaks the parser, and every key that comes out of it can be
// verified with.
func FuzzParseKeySet(f *testing.F) {
	f.Add([]byte(`{"keys":[]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"a","use":"sig","alg":"RS256","n":"` + strings.Repeat("v", 342) + `w","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",` +
		`"y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`))
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
				if algo.fits(key.public) && key.verifies(name, algo.digest([]byte("message")), make([]byte, 256)) {
					t.Errorf("%s verifies nothing", name)
				}
			}
		}
	})
}

// A proof never breaks the parser. What it accepts is signed by the key that it
// carries, has one spelling, and encoding/json reads the same in it.
func FuzzProof(f *testing.F) {
	parse := func(text string) (*Proof, error) {
		anything := func(t *JWT, _ Key) ([]byte, bool) { return t.payload, true } // so that fuzzing gets beyond it
		return parseProof(text, []string{"ES256", "EdDSA", "RS256"}, anything)
	}
	proof := func(header, claims string) string {
		e := base64.RawURLEncoding.EncodeToString
		return e([]byte(header)) + "." + e([]byte(claims)) + "." + e([]byte("s"))
	}
	const (
		header = `{"alg":"ES256","typ":"dpop+jwt","jwk":{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",` +
			`"y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}}`
		okp    = `{"alg":"EdDSA","typ":"dpop+jwt","jwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}`
		claims = `{"jti":"j","htm":"GET","htu":"https://api.example/notes","iat":1800000000,"ath":"a"}`
	)
	for _, good := range []string{proof(header, claims), proof(okp, claims),
		proof(`{"alg":"RS256","typ":"DPoP+JWT","jwk":{"kty":"RSA","n":"`+strings.Repeat("v", 341)+`w","e":"AQAB"}}`, claims)} {
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
		if c := read[1]; c["jti"] != p.ID || c["htm"] != p.Method || c["htu"] != p.URL || c["ath"] != any(p.TokenHash) &&
			c["ath"] != nil || p.ID == "" {
			t.Errorf("read %+v from %v", p, c)
		}
		// The comparison holds for any URL, and knows its own kind again.
		if u, err := url.Parse(p.URL); err == nil && strings.HasPrefix(u.EscapedPath(), "/") && isWebURL(u) && !p.IsForURL(p.URL) {
			t.Errorf("%q is not for itself", p.URL)
		}
	})
}
