package service_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/service"
	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestTokensAreTakenByTheAlgorithmsThatAreSet(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"keys": []any{
			map[string]string{"kty": "EC", "crv": "a curve of tomorrow", "kid": "new", "x": "AA", "y": "AA"},
			map[string]string{"kty": "OKP", "crv": "Ed25519", "kid": "k", "alg": "Ed25519", "x": encode(public)},
		}})
	}))
	defer server.Close()
	const audience = "https://api.example/notes"
	claims, err := json.Marshal(map[string]any{
		"iss": server.URL, "aud": audience, "sub": "mina", "client_id": "bank", "jti": "j",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	})
	if err != nil {
		t.Fatal(err)
	}
	message := encode([]byte(`{"alg":"Ed25519","typ":"at+jwt","kid":"k"}`)) + "." + encode(claims)
	token := message + "." + encode(ed25519.Sign(private, []byte(message)))
	verifier := func(algs ...string) (*jwks.Verifier, error) {
		settings := service.Settings{Issuer: server.URL, JWKSURL: server.URL, Audience: audience, TokenAlgs: algs}
		v, _, _, err := settings.Verifier(t.Context(), slog.New(slog.DiscardHandler))
		return v, err
	}
	for _, tc := range []struct {
		algs []string
		want error
	}{
		{nil, jwks.ErrAlgorithm},
		{[]string{"RS256"}, jwks.ErrAlgorithm},
		{[]string{"RS256", "PS256"}, jwks.ErrAlgorithm},
		{[]string{"RS256", "Ed25519"}, nil},
	} {
		v, err := verifier(tc.algs...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, tc.want) {
			t.Errorf("%v: %v", tc.algs, err)
		}
	}
	for _, wrong := range []string{"none", "HS256", "rs256"} {
		_, err := verifier("RS256", wrong)
		if err == nil || !strings.Contains(err.Error(), "--token-algs") || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

func TestRevokedTokensAreRefusedUnlessTheSettingSaysOtherwise(t *testing.T) {
	const audience = "https://api.example/notes"
	issuer := jwkstest.NewIssuer(t)
	issuer.PublishStatusLists()
	token := issuer.AccessToken(t, jwkstest.Token{Audience: audience})
	issuer.Revoke(t, token)
	for _, tc := range []struct {
		ignore bool
		want   error
	}{{false, jwks.ErrRevoked}, {true, nil}} {
		settings := service.Settings{Issuer: issuer.URL(), Audience: audience, IgnoreStatus: tc.ignore}
		v, _, keys, err := settings.Verifier(t.Context(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, tc.want) || tc.want == nil && err != nil {
			t.Errorf("%v: %v, want %v", tc.ignore, err, tc.want)
		}
		if _, err := keys.Keys(t.Context(), issuer.KeyID()); err != nil {
			t.Error(err)
		}
	}
	settings := service.Settings{Issuer: issuer.URL(), Audience: audience, StatusCache: "/does/not/exist"}
	if _, _, _, err := settings.Verifier(t.Context(), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "--status-cache-file") {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// Zero is for who wants to know of every revocation, and no default.
func TestFailOpenForNothing(t *testing.T) {
	issuer := jwkstest.NewIssuer(t)
	for _, tc := range []struct{ set, want time.Duration }{{0, 0}, {time.Minute, time.Minute}} {
		settings := service.Settings{Issuer: issuer.URL(), Audience: "https://api.example", StatusFailOpen: tc.set}
		v, _, _, err := settings.Verifier(t.Context(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Status().Stats().FailOpenFor; got != tc.want {
			t.Errorf("%v: %v", tc.set, got)
		}
	}
}
