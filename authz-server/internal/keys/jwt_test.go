package keys

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// published is the kids of the key set as it is served.
func published(t testing.TB, ring *Ring) []string {
	t.Helper()
	var kids []string
	for _, one := range keySet(t, ring).Keys {
		kids = append(kids, one.KeyID)
	}
	return kids
}

func keySet(t testing.TB, ring *Ring) jose.JSONWebKeySet {
	t.Helper()
	w := httptest.NewRecorder()
	ring.ServeJWKS(w, httptest.NewRequest(http.MethodGet, "/", nil))
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil {
		t.Fatal(err)
	}
	return set
}

func TestOthersVerifyWhatIsSigned(t *testing.T) {
	p := newPlace(t, sqldbtest.SQLite(t))
	ring := p.ring(t)
	const claims = `{"sub":"누구","exp":1700000000}`
	jwt, kid, err := ring.Sign(t.Context(), "at+jwt", []byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jose.ParseSigned(jwt, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	header := parsed.Signatures[0].Header
	if header.KeyID != kid || header.Algorithm != "RS256" || header.ExtraHeaders[jose.HeaderType] != "at+jwt" {
		t.Errorf("%+v", header)
	}
	set := keySet(t, ring)
	found := set.Key(kid)
	if len(set.Keys) != 1 || len(found) != 1 || found[0].Use != "sig" || found[0].Algorithm != "RS256" || !found[0].IsPublic() {
		t.Fatalf("%+v", set)
	}
	if payload, err := parsed.Verify(found[0]); string(payload) != claims || err != nil {
		t.Errorf("%s, %v", payload, err)
	}
	thumbprint, err := found[0].Thumbprint(crypto.SHA256) // RFC 7638, as another implements it
	if err != nil || base64.RawURLEncoding.EncodeToString(thumbprint) != kid {
		t.Errorf("kid %s, %v", kid, err)
	}
	if again, err := ring.SignWith(t.Context(), kid, "at+jwt", []byte(claims)); again != jwt || err != nil {
		t.Errorf("the same claims give another token: %v", err)
	}
	if _, err := ring.SignWith(t.Context(), "no such key", "at+jwt", nil); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
}

func TestVerifyComparesTypesAsMediaTypes(t *testing.T) {
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
	p := newPlace(t, sqldbtest.SQLite(t))
	elsewhere := newPlace(t, sqldbtest.SQLite(t))
	ring, other := p.ring(t), elsewhere.ring(t)
	good, kid := sign(t, ring)
	parts := strings.Split(good, ".")
	foreign, _ := sign(t, other)
	enc := base64.RawURLEncoding.EncodeToString
	own := ring.snapshot.Load().keys[0].private
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

// loosen changes bits of the last character that carry nothing: the signature decodes to the same bytes.
func loosen(jwt string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, jwt[len(jwt)-1])
	return jwt[:len(jwt)-1] + alphabet[last^1:last^1+1]
}

func TestKeySetIsServedToBeCached(t *testing.T) {
	p := newPlace(t, sqldbtest.SQLite(t))
	ring := p.ring(t)
	ask := func(method string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/.well-known/jwks.json", nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Add(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		ring.ServeJWKS(w, r)
		return w
	}
	got := ask(http.MethodGet)
	etag := got.Header().Get("ETag")
	for name, want := range map[string]string{
		"Cache-Control": "public, max-age=300", "Content-Type": "application/json", "Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "ETag",
	} {
		if got.Header().Get(name) != want {
			t.Errorf("%s: %q", name, got.Header().Get(name))
		}
	}
	if strings.Contains(got.Body.String(), `"d"`) || strings.Contains(got.Body.String(), `"p"`) {
		t.Error("a private part is published")
	}
	for _, value := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
		if w := ask(http.MethodGet, "If-None-Match", value); w.Code != http.StatusNotModified || w.Body.Len() != 0 || w.Header().Get("Cache-Control") == "" || w.Header().Get("ETag") != etag {
			t.Errorf("If-None-Match %s: %d", value, w.Code)
		}
	}
	if w := ask(http.MethodGet, "If-None-Match", `"other"`); w.Code != http.StatusOK {
		t.Error(w.Code)
	}
	if w := ask(http.MethodHead); w.Code != http.StatusOK || w.Body.Len() != 0 || w.Header().Get("ETag") != etag {
		t.Errorf("HEAD: %d", w.Code)
	}
	if w := ask(http.MethodOptions); w.Code != http.StatusNoContent || w.Header().Get("Access-Control-Allow-Methods") == "" {
		t.Errorf("OPTIONS: %d", w.Code)
	}
	if w := ask(http.MethodPost); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
		t.Errorf("POST: %d", w.Code)
	}
	if err := ring.Rotate(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if w := ask(http.MethodGet, "If-None-Match", etag); w.Code != http.StatusOK || w.Header().Get("ETag") == etag {
		t.Errorf("after a rotation: %d", w.Code)
	}
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
