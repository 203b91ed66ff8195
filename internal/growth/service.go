package growth

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net"
	"net/http"
	"strings"
	"time"
)

// An Issuer signs the tokens that a service is asked with, by RS256 as an issuer does by default, and
// serves its key.
type Issuer struct {
	url    string
	key    *rsa.PrivateKey
	server *http.Server
	tokens map[string]string // that were signed, by what they say
}

// NewIssuer makes a key and serves it until [Issuer.Close].
func NewIssuer() (*Issuer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i := &Issuer{url: "http://" + listener.Addr().String(), key: key, tokens: map[string]string{}}
	i.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []map[string]string{{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": keyID,
			"n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes()),
		}}})
	})}
	go i.server.Serve(listener) //nolint:errcheck // until Close
	return i, nil
}

const keyID = "growth"

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// Close stops serving the key.
func (i *Issuer) Close() error { return i.server.Close() }

// Bearer returns the value of Authorization with a token of the person for the service, with the
// scope. It is the same each time, as people keep theirs.
func (i *Issuer) Bearer(service, subject, scope string) (string, error) {
	name := service + " " + subject + " " + scope
	if token, ok := i.tokens[name]; ok {
		return token, nil
	}
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": i.url, "aud": audience(service), "sub": subject, "client_id": "growth", "scope": scope, "jti": Text(name),
		"iat": now.Unix(), "exp": now.Add(12 * time.Hour).Unix(),
	})
	if err != nil {
		return "", err
	}
	message := encode([]byte(`{"alg":"RS256","typ":"at+jwt","kid":"`+keyID+`"}`)) + "." + encode(claims)
	sum := sha256.Sum256([]byte(message))
	signature, err := rsa.SignPKCS1v15(nil, i.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	i.tokens[name] = "Bearer " + message + "." + encode(signature)
	return i.tokens[name], nil
}

func audience(service string) string { return "http://localhost:8000/" + service }

// StartService starts the service of that name on the database. It trusts the issuer.
func (d *Database) StartService(ctx context.Context, service string, issuer *Issuer) (*Server, error) {
	return d.Start(ctx, func(address string) []string {
		prefix := strings.ToUpper(service) + "_"
		return []string{
			prefix + "DATABASE_URL=" + d.URL, prefix + "LISTEN=" + address, prefix + "ISSUER=" + issuer.url,
			prefix + "JWKS_URL=" + issuer.url, prefix + "AUDIENCE=" + audience(service), prefix + "INSECURE_IGNORE_STATUS=true",
			prefix + "LOG_LEVEL=warn", prefix + "SHUTDOWN_DELAY=0s",
		}
	})
}
