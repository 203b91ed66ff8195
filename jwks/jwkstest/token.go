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
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks"
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
	SessionID     string        // "session-1"
	Lifetime      time.Duration // 10 minutes; negative: expired that long ago
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
	claims["auth_time"] = i.Now().Add(-time.Minute).Unix()
	claims["acr"] = "1"
	claims["amr"] = []string{"pwd"}
	if t.Scope != "" {
		claims["scope"] = t.Scope
	}
	if t.ProofKey != nil {
		claims["cnf"] = map[string]any{"jkt": t.ProofKey.Thumbprint()}
	}
	if t.Roles != nil {
		claims["roles"] = t.Roles
	}
	return header, claims
}

func (i *Issuer) idToken(t Token) (header, claims map[string]any) {
	header, claims = i.common("JWT", t)
	claims["aud"] = t.ClientID
	claims["azp"] = t.ClientID
	claims["sid"] = t.SessionID
	claims["auth_time"] = i.Now().Add(-time.Minute).Unix()
	claims["nonce"] = rand.Text()
	return header, claims
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

// A BadToken is one that every service must refuse.
type BadToken struct {
	Name  string // what is wrong with it
	Token string
	// Want is the error of package jwks that a Verifier returns.
	Want error
}

// BadTokens mints every kind of token that a service must refuse whose
// audience is aud. Each would be accepted, and have the scopes and roles asked
// for, but for what its name says. So one loop proves a service's front door:
// with RFC 6750 each gets status 401.
func (i *Issuer) BadTokens(aud string, grants ...Token) []BadToken {
	i.tb.Helper()
	base := Token{}
	if len(grants) > 0 {
		base = grants[0]
	}
	base.Audience = aud
	i.mu.Lock()
	key := i.current
	i.mu.Unlock()
	return i.catalogue(base.withDefaults(), key)
}

func (i *Issuer) catalogue(base Token, key *signingKey) []BadToken {
	var list []BadToken
	add := func(name, token string, want error) {
		list = append(list, BadToken{name, token, want})
	}
	// with is a good token but for the change.
	with := func(name string, want error, change func(header, claims map[string]any)) {
		header, claims := i.accessToken(base)
		change(header, claims)
		add(name, key.sign(header, claims), want)
	}
	claim := func(name string, want error, claim string, value any) {
		with(name, want, func(_, claims map[string]any) { claims[claim] = value })
	}
	lacking := func(claim string, want error) {
		with("without "+claim, want, func(_, claims map[string]any) { delete(claims, claim) })
	}
	header, claims := i.accessToken(base)
	good := key.sign(header, claims)
	head, rest, _ := strings.Cut(good, ".")
	body, signature, _ := strings.Cut(rest, ".")

	// Forged.
	for _, alg := range []string{"none", "None", "NONE", "nOnE"} {
		header["alg"] = alg
		add("alg "+alg+", no signature", encode(header, claims)+".", jwks.ErrAlgorithm)
		add("alg "+alg+", signed", key.sign(header, claims), jwks.ErrAlgorithm)
	}
	header["alg"] = "HS256"
	for name, secret := range key.publicForms() {
		add("HMAC with the public key as "+name, signHMAC(header, claims, secret), jwks.ErrAlgorithm)
	}
	add("HMAC with an empty key", signHMAC(header, claims, nil), jwks.ErrAlgorithm)
	header["alg"] = "RS256"
	add("HMAC as RS256", signHMAC(header, claims, key.publicForms()["PEM"]), jwks.ErrSignature)
	add("foreign key under the right kid", i.foreign.sign(header, claims), jwks.ErrSignature)
	with("another algorithm in the header", jwks.ErrAlgorithm, func(h, _ map[string]any) { h["alg"] = "RS512" })
	with("without alg", jwks.ErrAlgorithm, func(h, _ map[string]any) { delete(h, "alg") })
	header["kid"] = i.foreign.id
	add("foreign key under its own kid", i.foreign.sign(header, claims), jwks.ErrUnknownKey)
	header["jwk"] = i.foreign.jwk()
	add("foreign key carried along", i.foreign.sign(header, claims), jwks.ErrUnknownKey)
	delete(header, "jwk")
	header["jku"] = "http://127.0.0.1:1/jwks.json"
	add("foreign key by its own URL", i.foreign.sign(header, claims), jwks.ErrUnknownKey)
	delete(header, "jku")
	for _, kid := range []string{"unknown", "../../dev/null", "' OR '1'='1", strings.Repeat("k", 1000)} {
		header["kid"] = kid
		add("unknown kid "+kid[:min(len(kid), 20)], key.sign(header, claims), jwks.ErrUnknownKey)
	}
	header["kid"] = key.id
	other := mapClone(claims)
	other["sub"] = "somebody-else"
	add("claims exchanged", strings.Join([]string{head, encodePart(other), signature}, "."), jwks.ErrSignature)
	add("signature of another token", strings.Join([]string{head, body, lastPart(key.sign(header, other))}, "."), jwks.ErrSignature)
	add("signature altered", strings.Join([]string{head, body, flip(signature)}, "."), jwks.ErrSignature)
	add("signature cut short", strings.Join([]string{head, body, signature[:len(signature)/2/4*4]}, "."), jwks.ErrSignature)
	add("signature left out", head+"."+body+".", jwks.ErrSignature)

	// Not a token.
	add("not a token", "opaque-token", jwks.ErrMalformed)
	add("two parts", head+"."+body, jwks.ErrMalformed)
	add("four parts", good+"."+signature, jwks.ErrMalformed)
	add("five parts, as if encrypted", head+".."+body+"."+signature+".x", jwks.ErrMalformed)
	add("padded", good+"=", jwks.ErrMalformed)
	add("stray bits at the end", head+"."+body+"."+strayBits(signature), jwks.ErrMalformed)
	add("header is no object", base64url([]byte(`["RS256"]`))+"."+body+"."+signature, jwks.ErrMalformed)
	add("repeated alg", base64url([]byte(`{"alg":"none","alg":"RS256","typ":"at+jwt","kid":"`+key.id+`"}`))+"."+body+"."+signature,
		jwks.ErrMalformed)
	with("critical extension", jwks.ErrMalformed, func(h, _ map[string]any) { h["crit"] = []string{"b64"}; h["b64"] = true })
	with("too long", jwks.ErrTooLarge, func(_, c map[string]any) { c["padding"] = strings.Repeat("x", 64<<10) })

	// For something else.
	base.Mutate = nil
	idHeader, idClaims := i.idToken(base)
	add("ID token", key.sign(idHeader, idClaims), jwks.ErrType)
	idClaims["aud"] = base.Audience
	add("ID token for this audience", key.sign(idHeader, idClaims), jwks.ErrType)
	rtHeader, rtClaims := i.refreshToken(base)
	add("refresh token", key.sign(rtHeader, rtClaims), jwks.ErrType)
	rtClaims["aud"] = base.Audience
	add("refresh token for this audience", key.sign(rtHeader, rtClaims), jwks.ErrType)
	with("without typ", jwks.ErrType, func(h, _ map[string]any) { delete(h, "typ") })
	with("typ JWT", jwks.ErrType, func(h, _ map[string]any) { h["typ"] = "JWT" })
	claim("wrong issuer", jwks.ErrIssuer, "iss", "https://elsewhere.example")
	claim("issuer with a slash more", jwks.ErrIssuer, "iss", i.URL()+"/")
	lacking("iss", jwks.ErrIssuer)
	claim("wrong audience", jwks.ErrAudience, "aud", "https://api.example/other")
	claim("audience with more to it", jwks.ErrAudience, "aud", base.Audience+"/admin")
	claim("several wrong audiences", jwks.ErrAudience, "aud", []string{"https://api.example/a", "https://api.example/b"})
	claim("empty audiences", jwks.ErrAudience, "aud", []string{})
	lacking("aud", jwks.ErrAudience)
	claim("bound to a key by DPoP", jwks.ErrSenderConstrained, "cnf", map[string]any{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})
	claim("bound to a certificate", jwks.ErrSenderConstrained, "cnf",
		map[string]any{"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"})

	// Out of time.
	now := i.Now()
	with("expired", jwks.ErrExpired, func(_, c map[string]any) {
		c["iat"] = now.Add(-time.Hour).Unix()
		c["exp"] = now.Add(-30 * time.Minute).Unix()
	})
	claim("not valid before an hour has passed", jwks.ErrNotYetValid, "nbf", now.Add(time.Hour).Unix())
	claim("issued in the future", jwks.ErrNotYetValid, "iat", now.Add(time.Hour).Unix())

	// Incomplete.
	for _, name := range []string{"exp", "iat", "sub", "client_id", "jti"} {
		lacking(name, jwks.ErrClaims)
	}
	claim("expiry as text", jwks.ErrClaims, "exp", "never")
	claim("expiry beyond all times", jwks.ErrClaims, "exp", 1e300)
	claim("subject is a number", jwks.ErrClaims, "sub", 1)
	add("repeated claim", key.signRaw(header, []byte(`{"sub":"a",`+string(mustJSON(claims))[1:])), jwks.ErrClaims)
	add("claims are no object", key.signRaw(header, []byte(`[]`)), jwks.ErrClaims)
	return list
}

func mapClone(m map[string]any) map[string]any {
	clone := make(map[string]any, len(m))
	for k, v := range m {
		clone[k] = v
	}
	return clone
}

func lastPart(token string) string { return token[strings.LastIndexByte(token, '.')+1:] }

// flip changes a character in the middle of base64url text.
func flip(s string) string {
	middle := []byte(s)
	if c := &middle[len(s)/2]; *c == 'A' {
		*c = 'B'
	} else {
		*c = 'A'
	}
	return string(middle)
}

// strayBits returns another spelling of the same bytes, which a lax decoder
// would accept: the last character's unused bits are set.
func strayBits(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + alphabet[last|1:last|1+1]
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
