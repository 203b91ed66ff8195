package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"
)

const (
	audience = "https://api.example/board"
	keyID    = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" // as long as a thumbprint
)

// An issuer signs tokens with an RSA-2048 key, and serves its key set.
type issuer struct {
	key    *rsa.PrivateKey
	server *httptest.Server
	url    string
}

func newIssuer() (*issuer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	iss := &issuer{key: key}
	iss.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		w.Header().Set("Content-Type", "application/jwk-set+json")
		if _, err := w.Write(iss.keySet()); err != nil {
			log.Print(err)
		}
	}))
	iss.url = iss.server.URL
	return iss, nil
}

func (iss *issuer) keySet() []byte {
	encode := base64.RawURLEncoding.EncodeToString
	return fmt.Appendf(nil, `{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":%q,"n":%q,"e":%q}]}`,
		keyID, encode(iss.key.N.Bytes()), encode(big.NewInt(int64(iss.key.E)).Bytes()))
}

// token signs a person's access token, as Maru's are, but for the changes.
func (iss *issuer) token(change func(header, claims map[string]any)) string {
	now := time.Now()
	header := map[string]any{"alg": "RS256", "typ": "at+jwt", "kid": keyID}
	claims := map[string]any{
		"iss": iss.url, "sub": rand.Text(), "aud": []string{audience}, "client_id": "demo-web", "jti": rand.Text(),
		"scope": "openid profile board:read board:write", "roles": []string{"moderator"},
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"auth_time": now.Unix() - 60, "acr": "1", "amr": []string{"pwd"}, "sid": rand.Text(),
	}
	if change != nil {
		change(header, claims)
	}
	message := encodeJSON(header) + "." + encodeJSON(claims)
	hash := crypto.SHA256
	if header["alg"] == "RS512" {
		hash = crypto.SHA512
	}
	digest := hash.New()
	digest.Write([]byte(message))
	signature, err := rsa.SignPKCS1v15(nil, iss.key, hash, digest.Sum(nil))
	if err != nil {
		log.Fatal(err)
	}
	return message + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func encodeJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		log.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// bare returns what every verifier has to do about a token, and nothing else:
// one RSA verification of a digest that is known.
func (iss *issuer) bare(token string) func() error {
	dot := strings.LastIndexByte(token, '.')
	digest := sha256.Sum256([]byte(token[:dot]))
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		log.Fatal(err)
	}
	return func() error { return rsa.VerifyPKCS1v15(&iss.key.PublicKey, crypto.SHA256, digest[:], signature) }
}

// badTokens are refused by every contestant, for the checks that all make. The
// last has another type, which some cannot see.
func (iss *issuer) badTokens() (bad map[string]string, otherType string) {
	claim := func(name string, value any) string {
		return iss.token(func(_, claims map[string]any) { claims[name] = value })
	}
	good := iss.token(nil)
	head, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	_, another, _ := strings.Cut(iss.token(nil), ".")
	another, _, _ = strings.Cut(another, ".")
	bad = map[string]string{
		"altered":          head + "." + another + "." + signature,
		"unsigned":         encodeJSON(map[string]any{"alg": "none", "typ": "at+jwt", "kid": keyID}) + "." + payload + ".",
		"another issuer":   claim("iss", "https://other.example"),
		"another audience": claim("aud", []string{"https://api.example/other"}),
		"expired":          claim("exp", time.Now().Add(-time.Hour).Unix()),
		"another algorithm": iss.token(func(header, _ map[string]any) {
			header["alg"] = "RS512"
		}),
	}
	return bad, iss.token(func(header, _ map[string]any) { header["typ"] = "JWT" })
}
