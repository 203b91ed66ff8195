package jwks_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	issuerURL = "https://issuer.example" // where no issuer is asked
	audience  = "https://api.example/notes"
)

func TestEveryBadTokenIsRefusedForItsReason(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	v := iss.Verifier(t, audience)
	if _, err := v.Verify(t.Context(), iss.AccessToken(t, jwkstest.Token{Audience: audience})); err != nil {
		t.Fatalf("good token: %v", err)
	}
	for _, bad := range iss.BadTokens(audience) {
		t.Run(bad.Name, func(t *testing.T) {
			claims, err := v.Verify(t.Context(), bad.Token)
			if !errors.Is(err, bad.Want) {
				t.Errorf("error is %v, want %v", err, bad.Want)
			}
			if claims != nil {
				t.Error("claims of a bad token were handed out")
			}
			for part := range strings.SplitSeq(bad.Token, ".") {
				if len(part) > 10 && strings.Contains(err.Error(), part) {
					t.Errorf("the error shows the token: %v", err)
				}
			}
		})
	}
}

// No single character of a token can be changed, nor can any be left out.
func TestEveryCharacterCounts(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	v := iss.Verifier(t, audience)
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience})
	for i := range token {
		for _, c := range []string{"", "A", "B", ".", "=", "\n", "\r", " ", "+", "/", "\x00", "é"} {
			altered := token[:i] + c + token[i+1:]
			if altered == token {
				continue
			}
			if _, err := v.Verify(t.Context(), altered); err == nil {
				t.Fatalf("accepted with %q at %d", c, i)
			}
		}
		if _, err := v.Verify(t.Context(), token[:i]+"\n"+token[i:]); !errors.Is(err, jwks.ErrMalformed) {
			t.Fatalf("with a line break at %d: %v", i, err)
		}
	}
}

func TestTimesCountToTheSecondAndWithLeeway(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	start := time.Unix(1_800_000_000, 0)
	iss.SetNow(func() time.Time { return start })
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience, Lifetime: time.Minute, Mutate: func(_, c map[string]any) {
		c["nbf"] = start.Add(10 * time.Second).Unix()
	}})
	for _, tc := range []struct {
		leeway time.Duration
		at     time.Duration // from the issue
		want   error
	}{
		{0, -1, jwks.ErrNotYetValid}, {0, 0, nil}, // FAPI 2.0 Security Profile §5.3.2.1
		{0, 70*time.Second - 1, nil}, {0, 70 * time.Second, jwks.ErrExpired},
		{-1, 10*time.Second - 1, jwks.ErrNotYetValid}, {-1, 10 * time.Second, nil},
		{-1, time.Minute - 1, nil}, {-1, time.Minute, jwks.ErrExpired},
		{time.Minute, -50*time.Second - 1, jwks.ErrNotYetValid}, {time.Minute, -50 * time.Second, nil},
		{time.Minute, 2*time.Minute - 1, nil}, {time.Minute, 2 * time.Minute, jwks.ErrExpired},
	} {
		v, err := jwks.NewVerifier(jwks.VerifierConfig{
			Issuer: iss.URL(), Audience: audience, Keys: iss.KeySet(), Leeway: tc.leeway,
			Now: func() time.Time { return start.Add(tc.at) },
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, tc.want) {
			t.Errorf("leeway %v, after %v: error is %v, want %v", tc.leeway, tc.at, err, tc.want)
		}
	}
}

func TestWrongVerifierConfigurations(t *testing.T) {
	t.Parallel()
	set, err := jwks.ParseKeySet([]byte(`{"keys":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	good := jwks.VerifierConfig{Issuer: issuerURL, Audience: audience, Keys: set}
	if _, err := jwks.NewVerifier(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*jwks.VerifierConfig){
		"no issuer":      func(c *jwks.VerifierConfig) { c.Issuer = "" },
		"no audience":    func(c *jwks.VerifierConfig) { c.Audience = "" },
		"no keys":        func(c *jwks.VerifierConfig) { c.Keys = nil },
		"none":           func(c *jwks.VerifierConfig) { c.Algorithms = []string{"RS256", "none"} },
		"HS256":          func(c *jwks.VerifierConfig) { c.Algorithms = []string{"HS256"} },
		"HS512":          func(c *jwks.VerifierConfig) { c.Algorithms = []string{"HS512"} },
		"RSA1_5":         func(c *jwks.VerifierConfig) { c.Algorithms = []string{"RSA1_5"} },
		"lower case":     func(c *jwks.VerifierConfig) { c.Algorithms = []string{"rs256"} },
		"empty alg":      func(c *jwks.VerifierConfig) { c.Algorithms = []string{""} },
		"any type":       func(c *jwks.VerifierConfig) { c.Types = []string{""} },
		"any media type": func(c *jwks.VerifierConfig) { c.Types = []string{"application/"} },
		"much leeway":    func(c *jwks.VerifierConfig) { c.Leeway = 6 * time.Minute },
		"negative size":  func(c *jwks.VerifierConfig) { c.MaxTokenBytes = -1 },
	} {
		cfg := good
		change(&cfg)
		if v, err := jwks.NewVerifier(cfg); err == nil || v != nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestTypesCanBeConfigured(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	verify := func(types []string, typ string) error {
		v, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: iss.KeySet(), Types: types})
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Verify(t.Context(), iss.AccessToken(t, jwkstest.Token{Audience: audience, Mutate: func(h, c map[string]any) {
			h["typ"] = typ
			if typ == "JWT" { // from before RFC 9068
				delete(c, "jti")
				delete(c, "client_id")
			}
		}}))
		return err
	}
	for _, tc := range []struct {
		types []string
		typ   string
		want  error
	}{
		{nil, "at+jwt", nil}, {nil, "AT+JWT", nil}, {nil, "application/at+jwt", nil}, {nil, "Application/At+Jwt", nil},
		{nil, "JWT", jwks.ErrType}, {nil, "rt+jwt", jwks.ErrType}, {nil, "", jwks.ErrType}, {nil, "at+jwt ", jwks.ErrType},
		{nil, "application/application/at+jwt", jwks.ErrType}, {nil, "text/at+jwt", jwks.ErrType},
		{[]string{"JWT"}, "JWT", nil}, {[]string{"JWT"}, "at+jwt", jwks.ErrType},
		{[]string{"application/logout+jwt", "at+jwt"}, "logout+jwt", nil},
	} {
		if err := verify(tc.types, tc.typ); !errors.Is(err, tc.want) {
			t.Errorf("%q where %q is allowed: error is %v, want %v", tc.typ, tc.types, err, tc.want)
		}
	}
}

// What a hostile header may hold.
func TestHeaders(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	v := iss.Verifier(t, audience)
	kid := iss.KeyID()
	for header, want := range map[string]error{
		`{"alg":"RS256","typ":"at+jwt","kid":"` + kid + `","x":{"alg":"none"}}`: jwks.ErrSignature, // well-formed
		`{"alg":"RS256","typ":"at+jwt","kid":"` + kid + `"} `:                   jwks.ErrSignature,
		`{"alg":"RS256","typ":"at+jwt","kid":"` + kid + `"}{}`:                  jwks.ErrMalformed,
		`{"alg":"RS256","typ":"at+jwt","kid":"` + kid + `","kid":"x"}`:          jwks.ErrMalformed,
		`{"alg":"RS256","\u0061lg":"none","typ":"at+jwt"}`:                      jwks.ErrMalformed,
		`{"Alg":"RS256","typ":"at+jwt"}`:                                        jwks.ErrAlgorithm,
		`{"alg":["RS256"],"typ":"at+jwt"}`:                                      jwks.ErrMalformed,
		`{"alg":null,"typ":"at+jwt"}`:                                           jwks.ErrMalformed,
		`{"alg":"RS256","typ":1}`:                                               jwks.ErrMalformed,
		`{"alg":"RS256","typ":"at+jwt","kid":1}`:                                jwks.ErrMalformed,
		`{"alg":"RS256","typ":"at+jwt","crit":[]}`:                              jwks.ErrMalformed,
		`{"alg":"RS256","typ":"at+jwt","crit":null}`:                            jwks.ErrMalformed,
		"{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"x\":\"\xff\"}":                 jwks.ErrMalformed,
		`{"alg":"RS256","typ":"at+jwt"` + strings.Repeat(`,"":1`, 2) + `}`:      jwks.ErrMalformed,
		`{"alg":"RS256","typ":"at+jwt","x":` + strings.Repeat("[", 20_000):      jwks.ErrTooLarge,
		`{"alg":"RS256","typ":"at+jwt","x":` + strings.Repeat("[", 2000):        jwks.ErrMalformed,
		``:     jwks.ErrMalformed,
		`null`: jwks.ErrMalformed,
		`{}`:   jwks.ErrAlgorithm,
		` `:    jwks.ErrMalformed,
	} {
		token := base64.RawURLEncoding.EncodeToString([]byte(header)) + ".e30.AAAA"
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, want) {
			t.Errorf("%.100s: error is %v, want %v", header, err, want)
		}
	}
}

func TestTheSizeLimit(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience})
	for limit, want := range map[int]error{len(token): nil, len(token) - 1: jwks.ErrTooLarge, 1: jwks.ErrTooLarge} {
		v, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: iss.KeySet(), MaxTokenBytes: limit})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, want) {
			t.Errorf("limit %d: error is %v, want %v", limit, err, want)
		}
	}
	if _, err := iss.Verifier(t, audience).Verify(t.Context(), ""); !errors.Is(err, jwks.ErrNoToken) {
		t.Errorf("no token: %v", err)
	}
}

// The whole way: over the network, through a rotation, a withdrawal and an
// outage.
func TestTokensOutliveRotationAndOutage(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	v := iss.Verifier(t, audience)
	mint := func() string { return iss.AccessToken(t, jwkstest.Token{Audience: audience}) }
	accepted := func(token string) {
		t.Helper()
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	old := mint()
	accepted(old)
	iss.Rotate()
	accepted(mint())
	accepted(old)
	iss.SetDown(true)
	accepted(mint())
	accepted(old)
	iss.Rotate() // unseen
	if _, err := v.Verify(t.Context(), mint()); !errors.Is(err, jwks.ErrKeysUnavailable) {
		t.Errorf("a key that cannot be fetched: %v", err)
	}
	iss.SetDown(false)
	iss.Withdraw()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for { // until the cache has seen it
		_, err := v.Verify(ctx, mint())
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	if _, err := v.Verify(t.Context(), old); !errors.Is(err, jwks.ErrUnknownKey) {
		t.Errorf("a withdrawn key: %v", err)
	}
}
