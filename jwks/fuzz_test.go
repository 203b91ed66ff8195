package jwks

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/maru-auth/maru/jwks/jose"
)

// openKeys is a source with one key for every id.
type openKeys struct{}

func (openKeys) Keys(context.Context, string) ([]Key, error) { return []Key{{}}, nil }

// fuzzVerifier accepts any signature, so that fuzzing gets beyond it;
// everything else is as ever.
func fuzzVerifier(f *testing.F) *Verifier {
	f.Helper()
	v, err := NewVerifier(VerifierConfig{
		Issuer: "https://issuer.example", Audience: "api", Keys: openKeys{},
		Now: func() time.Time { return time.Unix(1_800_000_000, 0) },
	})
	if err != nil {
		f.Fatal(err)
	}
	v.signed = func(t *jose.JWT, _ []Key) ([]byte, Key, error) { return t.UnverifiedPayload(), Key{}, nil }
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
		// Whether it is remembered makes no difference.
		if again, err2 := v.Verify(t.Context(), token); !reflect.DeepEqual(again, c) || fmt.Sprint(err2) != fmt.Sprint(err) {
			t.Errorf("%+v, %v, and then %+v, %v", c, err, again, err2)
		}
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
		written := (&Guard{cfg: GuardConfig{Realm: value}}).challenges(dpop,
			challenge{code: "invalid_token", description: value, scope: value, acrValues: value, maxAge: value})
		if strings.ContainsFunc(written, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("challenge %q", written)
		}
	})
}
