package jwkstest

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// Token describes a token to mint. What is zero is filled in, so that the zero
// Token but for its audience is one that a service accepts.
type Token struct {
	Subject  string // "user-1"
	ClientID string // "client-1"
	// Audience of an access token; "https://api.example/test" if empty. An ID
	// token's is always the client, a refresh token's the issuer.
	Audience string
	// MoreAudiences follow Audience.
	MoreAudiences []string
	Scope         string // space-separated; none
	Roles         []string
	SessionID     string // "session-1"
	// When and how the person logged in: "1", ["pwd"], and a minute ago. A
	// client's own token has none of these.
	ACR      string
	AMR      []string
	AuthTime time.Time
	Lifetime time.Duration // 10 minutes; negative: expired that long ago
	// ProofKey is the key that an access token is bound to (cnf.jkt, RFC 9449
	// §6.1). Nil: it is a bearer token.
	ProofKey *ProofKey
	// Mutate may change, add or delete anything before it is signed.
	Mutate func(header, claims map[string]any)
}

// DefaultAudience is the audience of a Token that names none.
const DefaultAudience = "https://api.example/test"

func (t Token) withDefaults() Token {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&t.Subject, "user-1")
	set(&t.ClientID, "client-1")
	set(&t.Audience, DefaultAudience)
	set(&t.SessionID, "session-1")
	set(&t.ACR, "1")
	if t.AMR == nil {
		t.AMR = []string{"pwd"}
	}
	if t.Lifetime == 0 {
		t.Lifetime = 10 * time.Minute
	}
	return t
}

// AccessToken mints a person's access token (RFC 9068).
func (i *Issuer) AccessToken(tb testing.TB, t Token) string {
	tb.Helper()
	return i.mint(t, i.accessToken)
}

// ClientToken mints the access token of a client that acts for itself (client
// credentials): its subject is the client, and it has no session or login.
func (i *Issuer) ClientToken(tb testing.TB, t Token) string {
	tb.Helper()
	if t.ClientID == "" {
		t.ClientID = "client-1"
	}
	t.Subject = t.ClientID
	return i.mint(t, func(t Token) (header, claims map[string]any) {
		header, claims = i.accessToken(t)
		for _, name := range []string{"sid", "auth_time", "acr", "amr"} {
			delete(claims, name)
		}
		return header, claims
	})
}

// IDToken mints an ID token (OpenID Connect Core §2), for the client.
func (i *Issuer) IDToken(tb testing.TB, t Token) string {
	tb.Helper()
	return i.mint(t, i.idToken)
}

// RefreshToken mints a refresh token, for the issuer itself.
func (i *Issuer) RefreshToken(tb testing.TB, t Token) string {
	tb.Helper()
	return i.mint(t, i.refreshToken)
}

func (i *Issuer) mint(t Token, build func(Token) (header, claims map[string]any)) string {
	t = t.withDefaults()
	header, claims := build(t)
	if t.Mutate != nil {
		t.Mutate(header, claims)
	}
	return i.Sign(header, claims)
}

// Sign signs any header and claims with the current key, as RS256 whatever
// the header says.
func (i *Issuer) Sign(header, claims map[string]any) string {
	i.mu.Lock()
	key := i.current
	i.mu.Unlock()
	return key.sign(header, claims)
}

func (i *Issuer) accessToken(t Token) (header, claims map[string]any) {
	audience := any(t.Audience)
	if len(t.MoreAudiences) > 0 {
		audience = append([]string{t.Audience}, t.MoreAudiences...)
	}
	header, claims = i.common("at+jwt", t)
	claims["aud"] = audience
	claims["client_id"] = t.ClientID
	claims["sid"] = t.SessionID
	claims["auth_time"] = i.authTime(t)
	claims["acr"] = t.ACR
	claims["amr"] = t.AMR
	if t.Scope != "" {
		claims["scope"] = t.Scope
	}
	if t.ProofKey != nil {
		claims["cnf"] = map[string]any{"jkt": t.ProofKey.Thumbprint()}
	}
	if t.Roles != nil {
		claims["roles"] = t.Roles
	}
	if status := i.takeStatus(); status != nil {
		claims["status"] = status
	}
	return header, claims
}

func (i *Issuer) idToken(t Token) (header, claims map[string]any) {
	header, claims = i.common("JWT", t)
	claims["aud"] = t.ClientID
	claims["azp"] = t.ClientID
	claims["sid"] = t.SessionID
	claims["auth_time"] = i.authTime(t)
	claims["nonce"] = rand.Text()
	return header, claims
}

func (i *Issuer) authTime(t Token) int64 {
	if t.AuthTime.IsZero() {
		return i.Now().Add(-time.Minute).Unix()
	}
	return t.AuthTime.Unix()
}

func (i *Issuer) refreshToken(t Token) (header, claims map[string]any) {
	header, claims = i.common("rt+jwt", t)
	claims["aud"] = i.URL()
	claims["client_id"] = t.ClientID
	return header, claims
}

func (i *Issuer) common(typ string, t Token) (header, claims map[string]any) {
	now := i.Now()
	issued := now
	if t.Lifetime < 0 {
		issued = now.Add(t.Lifetime - 10*time.Minute)
	}
	header = map[string]any{"alg": "RS256", "typ": typ, "kid": i.KeyID()}
	claims = map[string]any{
		"iss": i.URL(),
		"sub": t.Subject,
		"iat": issued.Unix(),
		"exp": now.Add(t.Lifetime).Unix(),
		"jti": rand.Text(),
	}
	return header, claims
}

// A signingKey is an RSA key and its id, which is its RFC 7638 thumbprint.
type signingKey struct {
	id      string
	private *rsa.PrivateKey
}

func newSigningKey(private *rsa.PrivateKey) *signingKey {
	k := &signingKey{private: private}
	jwk := k.jwk()
	sum := sha256.Sum256([]byte(`{"e":"` + jwk["e"] + `","kty":"RSA","n":"` + jwk["n"] + `"}`))
	k.id = base64url(sum[:])
	return k
}

func (k *signingKey) jwk() map[string]string {
	return map[string]string{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": k.id,
		"n": base64url(k.private.N.Bytes()),
		"e": base64url(big.NewInt(int64(k.private.E)).Bytes()),
	}
}

// publicForms are the forms of the public key that an attacker would try as an
// HMAC secret.
func (k *signingKey) publicForms() map[string][]byte {
	pkix, err := x509.MarshalPKIXPublicKey(&k.private.PublicKey)
	if err != nil {
		panic("jwkstest: " + err.Error()) // not for an RSA key
	}
	return map[string][]byte{
		"PEM":     pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix}),
		"DER":     pkix,
		"JSON":    mustJSON(k.jwk()),
		"modulus": k.private.N.Bytes(),
	}
}

func (k *signingKey) sign(header, claims map[string]any) string {
	return k.signRaw(header, mustJSON(claims))
}

func (k *signingKey) signRaw(header map[string]any, payload []byte) string {
	message := encodePart(header) + "." + base64url(payload)
	digest := sha256.Sum256([]byte(message))
	signature, err := rsa.SignPKCS1v15(nil, k.private, crypto.SHA256, digest[:])
	if err != nil {
		panic("jwkstest: " + err.Error()) // not with a key of 2048 bits
	}
	return message + "." + base64url(signature)
}

func signHMAC(header, claims map[string]any, secret []byte) string {
	message := encode(header, claims)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(message))
	return message + "." + base64url(mac.Sum(nil))
}

func encode(header, claims map[string]any) string {
	return encodePart(header) + "." + encodePart(claims)
}

func encodePart(part map[string]any) string { return base64url(mustJSON(part)) }

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
