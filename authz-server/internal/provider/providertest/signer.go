package providertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/internal/testenv/testkey"
)

// Signer is a key of a client, which signs what the client sends.
type Signer struct {
	t   testing.TB
	Key jose.JSONWebKey
}

// NewSigner returns a new key for ES256.
func NewSigner(t testing.TB, kid string) *Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &Signer{t, jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: "ES256", Use: "sig"}}
}

// NewRSASigner returns a key for RS256 or PS256: the same one for the same owner, kid and alg.
func NewRSASigner(t testing.TB, owner, kid, alg string) *Signer {
	t.Helper()
	return &Signer{t, jose.JSONWebKey{Key: testkey.RSA(t, owner+" "+kid+" "+alg), KeyID: kid, Algorithm: alg, Use: "sig"}}
}

// NewEd25519Signer returns a new key whose algorithm bears the name EdDSA or Ed25519.
func NewEd25519Signer(t testing.TB, kid, alg string) *Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &Signer{t, jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: alg, Use: "sig"}}
}

// SignerFor returns a key for an algorithm of the server.
func SignerFor(t testing.TB, owner, kid, alg string) *Signer {
	t.Helper()
	switch alg {
	case "RS256", "PS256":
		return NewRSASigner(t, owner, kid, alg)
	case "ES256":
		return NewSigner(t, kid)
	}
	return NewEd25519Signer(t, kid, alg)
}

// As returns the key with another name of its algorithm, in it and in what it signs.
func (s *Signer) As(alg string) *Signer {
	other := *s
	other.Key.Algorithm = alg
	return &other
}

// JWKS is the public key set, as a client registers it.
func (s *Signer) JWKS() json.RawMessage {
	s.t.Helper()
	return s.marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.Key.Public()}})
}

// Thumbprint is the key's jkt (RFC 7638).
func (s *Signer) Thumbprint() string {
	s.t.Helper()
	sum, err := s.Key.Thumbprint(crypto.SHA256)
	if err != nil {
		s.t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

func (s *Signer) marshal(value any) []byte {
	s.t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// Sign makes a JWT.
func (s *Signer) Sign(header map[jose.HeaderKey]any, claims map[string]any) string {
	s.t.Helper()
	return s.SignText(header, string(s.marshal(claims)))
}

// SignText makes a JWT of claims as they are written.
func (s *Signer) SignText(header map[jose.HeaderKey]any, claims string) string {
	s.t.Helper()
	if s.Key.Algorithm == "Ed25519" { // RFC 9864; go-jose knows EdDSA alone
		whole := map[jose.HeaderKey]any{"alg": "Ed25519", "kid": s.Key.KeyID}
		maps.Copy(whole, header)
		encode := base64.RawURLEncoding.EncodeToString
		message := encode(s.marshal(whole)) + "." + encode([]byte(claims))
		return message + "." + encode(ed25519.Sign(s.Key.Key.(ed25519.PrivateKey), []byte(message)))
	}
	key := jose.SigningKey{Algorithm: jose.SignatureAlgorithm(s.Key.Algorithm), Key: s.Key}
	made, err := jose.NewSigner(key, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		s.t.Fatal(err)
	}
	signed, err := made.Sign([]byte(claims))
	if err != nil {
		s.t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

// change sets pairs of names and values among claims; nil takes one out.
func change(claims map[string]any, changes []any) map[string]any {
	for i := 0; i < len(changes); i += 2 {
		name := changes[i].(string)
		claims[name] = changes[i+1]
		if changes[i+1] == nil {
			delete(claims, name)
		}
	}
	return claims
}

// Proof makes a DPoP proof for a request, with claims changed, or the members typ and jwk of the
// header; nil takes a claim out.
func (s *Signer) Proof(f *Fixture, method, path string, changes ...any) string {
	s.t.Helper()
	header := map[jose.HeaderKey]any{"typ": "dpop+jwt", "jwk": s.Key.Public()}
	var claims []any
	for i := 0; i < len(changes); i += 2 {
		if name := changes[i].(string); name == "typ" || name == "jwk" {
			header[jose.HeaderKey(name)] = changes[i+1]
		} else {
			claims = append(claims, name, changes[i+1])
		}
	}
	return s.Sign(header, change(map[string]any{
		"htm": method, "htu": f.Issuer + path, "iat": f.Clock.Now().Unix(), "jti": rand.Text(),
	}, claims))
}

// ATH is the claim ath of a proof that goes with a token.
func ATH(token string) string { return hash(token) }

// Assertion makes a client assertion (RFC 7523), with claims changed; nil takes one out.
func (s *Signer) Assertion(f *Fixture, id string, changes ...any) url.Values {
	s.t.Helper()
	now := f.Clock.Now()
	assertion := s.Sign(map[jose.HeaderKey]any{"typ": "JWT"}, change(map[string]any{
		"iss": id, "sub": id, "aud": f.Issuer, "jti": rand.Text(), "exp": now.Add(time.Minute).Unix(), "iat": now.Unix(),
	}, changes))
	return url.Values{
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
	}
}

// ClientCredentials asks for a client's own token, with an assertion (whose claims are changed) and
// a proof.
func (f *Fixture) ClientCredentials(id string, key *Signer, proof string, changes ...any) Answer {
	f.T.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}
	return f.PostForm("/oauth2/token", Merge(form, key.Assertion(f, id, changes...)), "DPoP", proof)
}

// RequestObject makes a request object (RFC 9101) of the client "signer", with claims changed; nil
// takes one out.
func (s *Signer) RequestObject(f *Fixture, form url.Values, changes ...any) string {
	s.t.Helper()
	now := f.Clock.Now()
	claims := map[string]any{"iss": "signer", "aud": f.Issuer, "exp": now.Add(time.Minute).Unix(), "nbf": now.Unix()}
	for name := range form {
		claims[name] = form.Get(name)
	}
	return s.Sign(map[jose.HeaderKey]any{"typ": "oauth-authz-req+jwt"}, change(claims, changes))
}

// Merge adds more parameters to a form, which it returns.
func Merge(form, more url.Values) url.Values {
	maps.Copy(form, more)
	return form
}
