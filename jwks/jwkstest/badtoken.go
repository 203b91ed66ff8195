package jwkstest

import (
	"strings"
	"time"

	"github.com/maru-auth/maru/jwks"
)

// A BadToken is one that every service must refuse.
type BadToken struct {
	Name  string // what is wrong with it
	Token string
	// Want is the error of package jwks that a Verifier returns.
	Want error
}

// BadTokens mints every kind of token that a service must refuse whose
// audience is aud. Each would be accepted, and have the scopes and roles asked
// for, except for what its name says. So one loop proves a service's front door:
// with RFC 6750 each gets status 401. After PublishStatusLists there are tokens
// whose status is wrong, too.
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
	c := tokenCatalogue{i: i, base: base.withDefaults(), key: key}
	c.algorithms()
	c.foreignKeys()
	c.signatures()
	c.form()
	c.purposes()
	c.times()
	c.claims()
	if i.takeStatus() != nil {
		c.statuses()
	}
	return c.list
}

// tokenCatalogue collects bad tokens.
type tokenCatalogue struct {
	i    *Issuer
	base Token // what would be accepted
	key  *signingKey
	list []BadToken
}

func (c *tokenCatalogue) add(name, token string, want error) {
	c.list = append(c.list, BadToken{name, token, want})
}

// with adds a token that is good except for the change.
func (c *tokenCatalogue) with(name string, want error, change func(header, claims map[string]any)) {
	header, claims := c.i.accessToken(c.base)
	change(header, claims)
	c.add(name, c.key.sign(header, claims), want)
}

func (c *tokenCatalogue) claim(name string, want error, claim string, value any) {
	c.with(name, want, func(_, claims map[string]any) { claims[claim] = value })
}

func (c *tokenCatalogue) lacking(claim string, want error) {
	c.with("without "+claim, want, func(_, claims map[string]any) { delete(claims, claim) })
}

// parts are those of a good token.
func (c *tokenCatalogue) parts() (head, body, signature string) {
	head, rest, _ := strings.Cut(c.key.sign(c.i.accessToken(c.base)), ".")
	body, signature, _ = strings.Cut(rest, ".")
	return head, body, signature
}

// algorithms has tokens that try to choose how they are verified.
func (c *tokenCatalogue) algorithms() {
	header, claims := c.i.accessToken(c.base)
	for _, alg := range []string{"none", "None", "NONE", "nOnE"} {
		header["alg"] = alg
		c.add("alg "+alg+", no signature", encode(header, claims)+".", jwks.ErrAlgorithm)
		c.add("alg "+alg+", signed", c.key.sign(header, claims), jwks.ErrAlgorithm)
	}
	header["alg"] = "HS256"
	for name, secret := range c.key.publicForms() {
		c.add("HMAC with the public key as "+name, signHMAC(header, claims, secret), jwks.ErrAlgorithm)
	}
	c.add("HMAC with an empty key", signHMAC(header, claims, nil), jwks.ErrAlgorithm)
	header["alg"] = "RS256"
	c.add("HMAC as RS256", signHMAC(header, claims, c.key.publicForms()["PEM"]), jwks.ErrSignature)
	c.add("foreign key under the right kid", c.i.foreign.sign(header, claims), jwks.ErrSignature)
	c.with("another algorithm in the header", jwks.ErrAlgorithm, func(h, _ map[string]any) { h["alg"] = "RS512" })
	c.with("without alg", jwks.ErrAlgorithm, func(h, _ map[string]any) { delete(h, "alg") })
}

// foreignKeys has tokens by keys that the issuer does not publish.
func (c *tokenCatalogue) foreignKeys() {
	header, claims := c.i.accessToken(c.base)
	header["kid"] = c.i.foreign.id
	c.add("foreign key under its own kid", c.i.foreign.sign(header, claims), jwks.ErrUnknownKey)
	header["jwk"] = c.i.foreign.jwk()
	c.add("foreign key carried along", c.i.foreign.sign(header, claims), jwks.ErrUnknownKey)
	delete(header, "jwk")
	header["jku"] = "http://127.0.0.1:1/jwks.json"
	c.add("foreign key by its own URL", c.i.foreign.sign(header, claims), jwks.ErrUnknownKey)
	delete(header, "jku")
	for _, kid := range []string{"unknown", "../../dev/null", "' OR '1'='1", strings.Repeat("k", 1000)} {
		header["kid"] = kid
		c.add("unknown kid "+kid[:min(len(kid), 20)], c.key.sign(header, claims), jwks.ErrUnknownKey)
	}
}

// signatures has tokens that were altered.
func (c *tokenCatalogue) signatures() {
	header, claims := c.i.accessToken(c.base)
	head, body, signature := c.parts()
	other := mapClone(claims)
	other["sub"] = "somebody-else"
	c.add("claims exchanged", strings.Join([]string{head, encodePart(other), signature}, "."), jwks.ErrSignature)
	c.add("signature of another token", strings.Join([]string{head, body, lastPart(c.key.sign(header, other))}, "."),
		jwks.ErrSignature)
	c.add("signature altered", strings.Join([]string{head, body, flip(signature)}, "."), jwks.ErrSignature)
	c.add("signature cut short", strings.Join([]string{head, body, signature[:len(signature)/2/4*4]}, "."), jwks.ErrSignature)
	c.add("signature left out", head+"."+body+".", jwks.ErrSignature)
}

// form has what is not a token.
func (c *tokenCatalogue) form() {
	head, body, signature := c.parts()
	c.add("not a token", "opaque-token", jwks.ErrMalformed)
	c.add("two parts", head+"."+body, jwks.ErrMalformed)
	c.add("four parts", head+"."+body+"."+signature+"."+signature, jwks.ErrMalformed)
	c.add("five parts, as if encrypted", head+".."+body+"."+signature+".x", jwks.ErrMalformed)
	c.add("padded", head+"."+body+"."+signature+"=", jwks.ErrMalformed)
	c.add("stray bits at the end", head+"."+body+"."+strayBits(signature), jwks.ErrMalformed)
	c.add("header is no object", base64url([]byte(`["RS256"]`))+"."+body+"."+signature, jwks.ErrMalformed)
	c.add("repeated alg", base64url([]byte(`{"alg":"none","alg":"RS256","typ":"at+jwt","kid":"`+c.key.id+`"}`))+"."+body+"."+signature,
		jwks.ErrMalformed)
	c.with("critical extension", jwks.ErrMalformed, func(h, _ map[string]any) { h["crit"] = []string{"b64"}; h["b64"] = true })
	c.with("too long", jwks.ErrTooLarge, func(_, claims map[string]any) { claims["padding"] = strings.Repeat("x", 64<<10) })
}

// purposes has tokens for something else.
func (c *tokenCatalogue) purposes() {
	plain := c.base
	plain.Mutate = nil
	idHeader, idClaims := c.i.idToken(plain)
	c.add("ID token", c.key.sign(idHeader, idClaims), jwks.ErrType)
	idClaims["aud"] = c.base.Audience
	c.add("ID token for this audience", c.key.sign(idHeader, idClaims), jwks.ErrType)
	rtHeader, rtClaims := c.i.refreshToken(plain)
	c.add("refresh token", c.key.sign(rtHeader, rtClaims), jwks.ErrType)
	rtClaims["aud"] = c.base.Audience
	c.add("refresh token for this audience", c.key.sign(rtHeader, rtClaims), jwks.ErrType)
	c.with("without typ", jwks.ErrType, func(h, _ map[string]any) { delete(h, "typ") })
	c.with("typ JWT", jwks.ErrType, func(h, _ map[string]any) { h["typ"] = "JWT" })
	c.claim("wrong issuer", jwks.ErrIssuer, "iss", "https://elsewhere.example")
	c.claim("issuer with a slash more", jwks.ErrIssuer, "iss", c.i.URL()+"/")
	c.lacking("iss", jwks.ErrIssuer)
	c.claim("wrong audience", jwks.ErrAudience, "aud", "https://api.example/other")
	c.claim("audience with more to it", jwks.ErrAudience, "aud", c.base.Audience+"/admin")
	c.claim("several wrong audiences", jwks.ErrAudience, "aud", []string{"https://api.example/a", "https://api.example/b"})
	c.claim("empty audiences", jwks.ErrAudience, "aud", []string{})
	c.lacking("aud", jwks.ErrAudience)
	c.claim("bound to a key by DPoP", jwks.ErrSenderConstrained, "cnf",
		map[string]any{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})
	c.claim("bound to a certificate", jwks.ErrSenderConstrained, "cnf",
		map[string]any{"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"})
}

// times has tokens whose time is over, or has not come.
func (c *tokenCatalogue) times() {
	now := c.i.Now()
	c.with("expired", jwks.ErrExpired, func(_, claims map[string]any) {
		claims["iat"] = now.Add(-time.Hour).Unix()
		claims["exp"] = now.Add(-30 * time.Minute).Unix()
	})
	c.claim("not valid before an hour has passed", jwks.ErrNotYetValid, "nbf", now.Add(time.Hour).Unix())
	c.claim("issued in the future", jwks.ErrNotYetValid, "iat", now.Add(time.Hour).Unix())
}

// claims has tokens whose claims are missing or malformed.
func (c *tokenCatalogue) claims() {
	header, claims := c.i.accessToken(c.base)
	for _, name := range []string{"exp", "iat", "sub", "client_id", "jti"} {
		c.lacking(name, jwks.ErrClaims)
	}
	c.claim("expiry as text", jwks.ErrClaims, "exp", "never")
	c.claim("expiry beyond all times", jwks.ErrClaims, "exp", 1e300)
	c.claim("subject is a number", jwks.ErrClaims, "sub", 1)
	c.add("repeated claim", c.key.signRaw(header, []byte(`{"sub":"a",`+string(mustJSON(claims))[1:])), jwks.ErrClaims)
	c.add("claims are no object", c.key.signRaw(header, []byte(`[]`)), jwks.ErrClaims)
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

// statuses has tokens that were revoked, or whose status cannot be known.
func (c *tokenCatalogue) statuses() {
	ref := func(index, uri any) map[string]any {
		return map[string]any{"status_list": map[string]any{"idx": index, "uri": uri}}
	}
	uri := c.i.StatusListURL()
	c.claim("revoked", jwks.ErrRevoked, "status", ref(revokedIndex, uri))
	c.claim("status elsewhere", jwks.ErrNoStatus, "status", ref(1, "https://other.example/status"))
	c.claim("status out of range", jwks.ErrNoStatus, "status", ref(statusSize, uri))
	c.claim("status without idx", jwks.ErrClaims, "status", ref(nil, uri))
	c.claim("status with a negative idx", jwks.ErrClaims, "status", ref(-1, uri))
	c.claim("status of another kind", jwks.ErrNoStatus, "status", map[string]any{"other": map[string]any{}})
	c.lacking("status", jwks.ErrNoStatus)
}
