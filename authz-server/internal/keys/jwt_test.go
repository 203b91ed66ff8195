package keys

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestOthersVerifyWhatIsSigned(t *testing.T) {
	t.Parallel()
	p := newPlace(t, sqldbtest.SQLite(t))
	ring := p.ring(t)
	set := keySet(t, ring)
	if len(set.Keys) != len(algorithms) {
		t.Fatalf("%d keys are published", len(set.Keys))
	}
	const claims = `{"sub":"누구","exp":1700000000}`
	kids := map[string]bool{}
	for _, alg := range algorithms {
		jwt, kid, err := ring.SignAs(t.Context(), alg, "at+jwt", []byte(claims))
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := jose.ParseSignedCompact(jwt, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
		if err != nil {
			t.Fatal(err)
		}
		header := parsed.Signatures[0].Header
		if header.KeyID != kid || header.Algorithm != alg || header.ExtraHeaders[jose.HeaderType] != "at+jwt" {
			t.Errorf("%s: %+v", alg, header)
		}
		found := set.Key(kid)
		if len(found) != 1 || found[0].Use != "sig" || found[0].Algorithm != alg || !found[0].IsPublic() || !found[0].Valid() {
			t.Fatalf("%s: %+v", alg, found)
		}
		if alg == Ed25519 { // another library knows EdDSA alone
			parts := strings.LastIndexByte(jwt, '.')
			if !ed25519.Verify(found[0].Key.(ed25519.PublicKey), []byte(jwt[:parts]), parsed.Signatures[0].Signature) {
				t.Error("Ed25519: the signature is wrong")
			}
		} else if payload, err := parsed.Verify(found[0]); string(payload) != claims || err != nil {
			t.Errorf("%s: %s, %v", alg, payload, err)
		}
		thumbprint, err := found[0].Thumbprint(crypto.SHA256) // RFC 7638, as another implements it
		if err != nil || base64.RawURLEncoding.EncodeToString(thumbprint) != kid {
			t.Errorf("%s: kid %s, %v", alg, kid, err)
		}
		if got, by, err := ring.Verify(t.Context(), jwt, "at+jwt"); string(got) != claims || by != kid || err != nil {
			t.Errorf("%s: verified by %q: %v", alg, by, err)
		}
		again, err := ring.SignWith(t.Context(), kid, "at+jwt", []byte(claims))
		if alg == RS256 && (again != jwt || err != nil) {
			t.Errorf("the same claims give another token: %v", err)
		}
		if alg != RS256 && !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: signed again: %v", alg, err)
		}
		kids[kid] = true
	}
	if len(kids) != len(algorithms) { // above all, PS256 and RS256 have two keys
		t.Error("two algorithms share a key")
	}
	if jwt, kid, err := ring.Sign(t.Context(), "at+jwt", []byte(claims)); !strings.HasPrefix(jwt, "ey") ||
		set.Key(kid)[0].Algorithm != RS256 || err != nil {
		t.Errorf("Sign: %v", err)
	}
	for _, alg := range []string{"", "none", "HS256", "ES384", "rs256"} {
		if jwt, _, err := ring.SignAs(t.Context(), alg, "at+jwt", []byte(claims)); err == nil || jwt != "" {
			t.Errorf("signed as %q", alg)
		}
	}
	if _, err := ring.SignWith(t.Context(), "no such key", "at+jwt", nil); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
}

// The coordinates and both halves of an ECDSA signature keep their leading zeros: one in 128 has
// one, so many are tried.
func TestES256SignaturesHaveTheirFullLength(t *testing.T) {
	t.Parallel()
	for range 300 {
		key, err := generate(ES256, 0)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := key.signature([]byte("message"))
		if err != nil || len(signature) != 64 || !key.public.Verifies(ES256, []byte("message"), signature) {
			t.Fatalf("%d bytes, %v", len(signature), err)
		}
		var jwk jose.JSONWebKey
		if err := json.Unmarshal(key.jwk, &jwk); err != nil { // go-jose holds coordinates to their full length
			t.Fatal(err)
		}
		for _, wrong := range [][]byte{signature[:63], append(signature, 0), make([]byte, 64), nil} {
			if key.public.Verifies(ES256, []byte("message"), wrong) {
				t.Errorf("%x is taken", wrong)
			}
		}
	}
}

func TestVerifyPinsTheAlgorithmByTheKey(t *testing.T) {
	t.Parallel()
	p := newPlace(t, sqldbtest.SQLite(t))
	ring := p.ring(t)
	encode := base64.RawURLEncoding.EncodeToString
	for _, alg := range algorithms {
		own := ring.snapshot.Load().lines[alg][0]
		for _, claimed := range append(algorithms, "none", "HS256", "ES384", "Ed25519") {
			message := encode([]byte(`{"alg":"`+claimed+`","kid":"`+own.kid+`","typ":"at+jwt"}`)) + "." + encode([]byte(`{}`))
			for _, signing := range algorithms {
				// As the key would sign, were it one for that algorithm; other types cannot.
				if _, ok := own.private.(*rsa.PrivateKey); ok != (signing == RS256 || signing == PS256) || !ok && signing != alg {
					continue
				}
				forged, err := newKey(signing, own.private)
				if err != nil {
					t.Fatal(err)
				}
				signature, err := forged.signature([]byte(message))
				if err != nil {
					t.Fatal(err)
				}
				_, _, err = ring.Verify(t.Context(), message+"."+encode(signature), "at+jwt")
				if good := claimed == alg && signing == alg; good != (err == nil) || err != nil && !errors.Is(err, ErrInvalid) {
					t.Errorf("key for %s, header says %s, signed as %s: %v", alg, claimed, signing, err)
				}
			}
		}
	}
}

func TestVerifyComparesTypesAsMediaTypes(t *testing.T) {
	t.Parallel()
	p := newPlace(t, sqldbtest.SQLite(t))
	ring := p.ring(t)
	for _, test := range []struct {
		typ   string
		types []string
		want  bool
	}{
		{"at+jwt", []string{"at+jwt"}, true},
		{"AT+JWT", []string{"at+jwt"}, true},
		{"application/at+jwt", []string{"at+jwt"}, true},
		{"at+jwt", []string{"application/at+jwt"}, true},
		{"JWT", []string{"rt+jwt", "jwt"}, true},
		{"rt+jwt", []string{"at+jwt"}, false},
		{"JWT", []string{"at+jwt"}, false},
		{"", []string{"at+jwt"}, false},
		{"", []string{""}, false},
		{"at+jwt", nil, false},
	} {
		jwt, kid, err := ring.Sign(t.Context(), test.typ, []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		claims, by, err := ring.Verify(t.Context(), jwt, test.types...)
		if test.want && (string(claims) != `{}` || by != kid || err != nil) || !test.want && (!errors.Is(err, ErrInvalid) || claims != nil) {
			t.Errorf("%q for %q: %s, %v", test.typ, test.types, claims, err)
		}
	}
}

func TestVerifyRefusesForgeries(t *testing.T) {
	t.Parallel()
	p := newPlace(t, sqldbtest.SQLite(t))
	elsewhere := newPlace(t, sqldbtest.SQLite(t))
	ring, other := p.ring(t), elsewhere.ring(t)
	good, kid := sign(t, ring)
	parts := strings.Split(good, ".")
	foreign, _ := sign(t, other)
	enc := base64.RawURLEncoding.EncodeToString
	own := ring.snapshot.Load().lines[RS256][0].private.(*rsa.PrivateKey)
	// withHeader signs rightly under a header of the caller's making.
	withHeader := func(header string) string {
		text := enc([]byte(header)) + "." + parts[1]
		digest := sha256.Sum256([]byte(text))
		signature, err := rsa.SignPKCS1v15(nil, own, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return text + "." + enc(signature)
	}
	if _, _, err := ring.Verify(t.Context(), withHeader(`{"alg":"RS256","kid":"`+kid+`","typ":"at+jwt"}`), "at+jwt"); err != nil {
		t.Fatalf("the test's own signature: %v", err)
	}
	hmacHeader := enc([]byte(`{"alg":"HS256","kid":"` + kid + `","typ":"at+jwt"}`))
	mac := hmac.New(sha256.New, own.N.Bytes())
	mac.Write([]byte(hmacHeader + "." + parts[1]))
	for name, jwt := range map[string]string{
		"nothing":             "",
		"dots":                "..",
		"two parts":           parts[0] + "." + parts[1],
		"four parts":          good + ".",
		"no signature":        parts[0] + "." + parts[1] + ".",
		"another's key":       foreign,
		"another's signature": parts[0] + "." + parts[1] + "." + strings.Split(foreign, ".")[2],
		"other claims":        parts[0] + "." + enc([]byte(`{"sub":"you"}`)) + "." + parts[2],
		"alg none":            enc([]byte(`{"alg":"none","kid":"`+kid+`","typ":"at+jwt"}`)) + "." + parts[1] + ".",
		"alg HS256":           hmacHeader + "." + parts[1] + "." + enc(mac.Sum(nil)),
		"alg PS256":           withHeader(`{"alg":"PS256","kid":"` + kid + `","typ":"at+jwt"}`),
		"alg rs256":           withHeader(`{"alg":"rs256","kid":"` + kid + `","typ":"at+jwt"}`),
		"no alg":              withHeader(`{"kid":"` + kid + `","typ":"at+jwt"}`),
		"no kid":              withHeader(`{"alg":"RS256","typ":"at+jwt"}`),
		"no typ":              withHeader(`{"alg":"RS256","kid":"` + kid + `"}`),
		"crit":                withHeader(`{"alg":"RS256","kid":"` + kid + `","typ":"at+jwt","crit":["b64"],"b64":false}`),
		"header array":        withHeader(`[]`),
		"header with a tail":  withHeader(`{"alg":"RS256","kid":"` + kid + `","typ":"at+jwt"}{}`),
		"padding":             good + "==",
		"line break":          good[:10] + "\n" + good[10:],
		"line break at end":   good + "\r\n",
		"space":               " " + good,
		"standard alphabet":   parts[0] + "." + parts[1] + "." + strings.NewReplacer("-", "+", "_", "/").Replace(parts[2]) + "+/",
		"loose last bits":     loosen(good),
		"shortened":           good[:len(good)-4],
		"too large":           parts[0] + "." + strings.Repeat("A", maxJWT) + "." + parts[2],
	} {
		if claims, _, err := ring.Verify(t.Context(), jwt, "at+jwt"); !errors.Is(err, ErrInvalid) || claims != nil {
			t.Errorf("%s: %s, %v", name, claims, err)
		}
	}
}

// loosen changes bits of the last character that carry nothing: the signature decodes to the same
// bytes.
func loosen(jwt string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, jwt[len(jwt)-1])
	return jwt[:len(jwt)-1] + alphabet[last^1:last^1+1]
}

func FuzzVerify(f *testing.F) {
	p := newPlace(f, sqldbtest.SQLite(f))
	ring := p.ring(f)
	good, kid := sign(f, ring)
	parts := strings.Split(good, ".")
	f.Add(good)
	f.Add(parts[0] + "." + parts[1] + ".")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"`+kid+`","typ":"at+jwt"}`)) + "." + parts[1] + ".")
	f.Fuzz(func(t *testing.T, jwt string) {
		claims, _, err := ring.Verify(t.Context(), jwt, "at+jwt")
		if (err == nil) != (jwt == good) || err != nil && (claims != nil || !errors.Is(err, ErrInvalid)) {
			t.Fatalf("%q: %s, %v", jwt, claims, err)
		}
	})
}
