package jwkstest

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"
)

// A SET describes a Security Event Token (RFC 8417) to sign. What is zero is
// filled in.
type SET struct {
	Audience string         // DefaultAudience
	ID       string         // jti; a new one
	Type     string         // the event's URI; that of account-purged (RISC)
	Subject  string         // the sub of a subject of this issuer; "user-1"
	Event    map[string]any // the event's members; none
	IssuedAt time.Time      // now
	// Mutate may change, add or delete anything before it is signed.
	Mutate func(header, claims map[string]any)
}

// SET signs an event as a transmitter of the OpenID Shared Signals Framework
// 1.0 does.
func (i *Issuer) SET(tb testing.TB, s SET) string {
	tb.Helper()
	header, claims := i.set(s)
	return i.Sign(header, claims)
}

func (i *Issuer) set(s SET) (header, claims map[string]any) {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&s.Audience, DefaultAudience)
	set(&s.ID, rand.Text())
	set(&s.Type, "https://schemas.openid.net/secevent/risc/event-type/account-purged")
	set(&s.Subject, "user-1")
	if s.Event == nil {
		s.Event = map[string]any{}
	}
	if s.IssuedAt.IsZero() {
		s.IssuedAt = i.Now()
	}
	header = map[string]any{"alg": "RS256", "typ": "secevent+jwt", "kid": i.KeyID()}
	claims = map[string]any{
		"iss": i.URL(), "aud": s.Audience, "jti": s.ID, "iat": s.IssuedAt.Unix(),
		"sub_id": map[string]any{"format": "iss_sub", "iss": i.URL(), "sub": s.Subject},
		"events": map[string]any{s.Type: s.Event},
	}
	if s.Mutate != nil {
		s.Mutate(header, claims)
	}
	return header, claims
}

// A BadSET is a token that every receiver of events must refuse.
type BadSET struct {
	Name  string // what is wrong with it
	Token string
	// Code is the err that RFC 8935 §2.4 has for it.
	Code string
}

// BadSETs signs every kind of token that a receiver must refuse whose audience
// is aud. Each would be accepted except for what its name says.
func (i *Issuer) BadSETs(tb testing.TB, aud string) []BadSET {
	tb.Helper()
	i.mu.Lock()
	key := i.current
	i.mu.Unlock()
	c := setCatalogue{i: i, aud: aud, key: key}
	c.otherJWTs(tb)
	c.signatures()
	c.claims()
	c.events()
	return c.list
}

// setCatalogue collects bad tokens.
type setCatalogue struct {
	i    *Issuer
	aud  string
	key  *signingKey
	list []BadSET
}

func (c *setCatalogue) add(name, token, code string) {
	c.list = append(c.list, BadSET{name, token, code})
}

// with adds a token that is good except for the change.
func (c *setCatalogue) with(name, code string, change func(header, claims map[string]any)) {
	header, claims := c.i.set(SET{Audience: c.aud})
	change(header, claims)
	c.add(name, c.key.sign(header, claims), code)
}

func (c *setCatalogue) claim(name, code, claim string, value any) {
	c.with(name, code, func(_, claims map[string]any) { claims[claim] = value })
}

// otherJWTs has tokens for something else.
func (c *setCatalogue) otherJWTs(tb testing.TB) {
	t := Token{Audience: c.aud}
	c.add("access token", c.i.AccessToken(tb, t), "invalid_request")
	c.add("ID token", c.i.IDToken(tb, Token{ClientID: c.aud}), "invalid_request")
	c.add("refresh token", c.i.RefreshToken(tb, t), "invalid_request")
	for _, typ := range []string{"JWT", "at+jwt", "logout+jwt", "secevent", ""} {
		c.with("an event with the typ "+typ, "invalid_request", func(header, _ map[string]any) { header["typ"] = typ })
	}
	c.with("without typ", "invalid_request", func(header, _ map[string]any) { delete(header, "typ") })
	c.claim("with exp", "invalid_request", "exp", c.i.Now().Add(time.Hour).Unix())
	c.claim("with sub", "invalid_request", "sub", "user-1")
}

// signatures has tokens that somebody else signed.
func (c *setCatalogue) signatures() {
	header, claims := c.i.set(SET{Audience: c.aud})
	c.add("foreign key under the right kid", c.i.foreign.sign(header, claims), "authentication_failed")
	head, rest, _ := strings.Cut(c.key.sign(header, claims), ".")
	body, signature, _ := strings.Cut(rest, ".")
	c.add("signature altered", head+"."+body+"."+flip(signature), "authentication_failed")
	c.add("signature left out", head+"."+body+".", "authentication_failed")
	c.add("two parts", head+"."+body, "invalid_request")
	c.add("stray bits at the end", head+"."+body+"."+strayBits(signature), "invalid_request")
	c.add("no token", "", "invalid_request")
	c.add("JSON", `{"events":{}}`, "invalid_request")
	for _, alg := range []string{"none", "NONE"} {
		header["alg"] = alg
		c.add("alg "+alg, encode(header, claims)+".", "invalid_key")
	}
	header["alg"] = "HS256"
	for name, secret := range c.key.publicForms() {
		c.add("HMAC with the public key as "+name, signHMAC(header, claims, secret), "invalid_key")
	}
	header["alg"] = "RS256"
	header["kid"] = c.i.foreign.id
	c.add("foreign key under its own kid", c.i.foreign.sign(header, claims), "invalid_key")
	header["jwk"] = c.i.foreign.jwk()
	c.add("foreign key carried along", c.i.foreign.sign(header, claims), "invalid_key")
	c.with("critical extension", "invalid_request", func(h, _ map[string]any) { h["crit"] = []string{"b64"}; h["b64"] = true })
}

// claims has tokens of others, or whose claims are missing or malformed.
func (c *setCatalogue) claims() {
	c.claim("wrong issuer", "invalid_issuer", "iss", "https://elsewhere.example")
	c.claim("issuer with a slash more", "invalid_issuer", "iss", c.i.URL()+"/")
	c.claim("wrong audience", "invalid_audience", "aud", "https://api.example/other")
	c.claim("audience with more to it", "invalid_audience", "aud", c.aud+"/admin")
	for _, name := range []string{"iss", "aud", "jti", "iat", "events"} {
		c.with("without "+name, "invalid_request", func(_, claims map[string]any) { delete(claims, name) })
	}
	c.claim("too old", "invalid_request", "iat", c.i.Now().Add(-40*24*time.Hour).Unix())
	c.claim("iat as text", "invalid_request", "iat", "now")
	c.claim("jti too long", "invalid_request", "jti", strings.Repeat("j", 256))
	c.claim("jti with U+0000", "invalid_request", "jti", "a\x00b")
	c.claim("aud as a number", "invalid_request", "aud", 1)
	c.claim("no events", "invalid_request", "events", map[string]any{})
	c.claim("events as an array", "invalid_request", "events", []any{"a"})
	c.claim("event as text", "invalid_request", "events", map[string]any{"https://example.com/event": "a"})
	header, claims := c.i.set(SET{Audience: c.aud})
	c.add("repeated claim", c.key.signRaw(header, []byte(`{"aud":"a",`+string(mustJSON(claims))[1:])), "invalid_request")
	c.add("claims are no object", c.key.signRaw(header, []byte(`[]`)), "invalid_request")
}

// events has those that are not as they are defined.
func (c *setCatalogue) events() {
	const caep, risc, ssf = "https://schemas.openid.net/secevent/caep/event-type/",
		"https://schemas.openid.net/secevent/risc/event-type/", "https://schemas.openid.net/secevent/ssf/event-type/"
	c.claim("two events", "invalid_request", "events",
		map[string]any{risc + "account-purged": map[string]any{}, risc + "account-disabled": map[string]any{}})
	for name, event := range map[string]map[string]any{
		"token-claims-change without claims":       {caep + "token-claims-change": map[string]any{}},
		"token-claims-change with claims as text":  {caep + "token-claims-change": map[string]any{"claims": "name"}},
		"credential-change without a type":         {caep + "credential-change": map[string]any{"change_type": "update"}},
		"account-purged with other content":        {risc + "account-purged": map[string]any{"content": "everything"}},
		"stream-updated without a status":          {ssf + "stream-updated": map[string]any{}},
		"account-purged with a time that is none":  {risc + "account-purged": map[string]any{"event_timestamp": "now"}},
		"verification whose state is not a string": {ssf + "verification": map[string]any{"state": 1}},
	} {
		c.claim(name, "invalid_request", "events", event)
	}
	for name, subject := range map[string]any{
		"subject without a format":      map[string]any{"iss": c.i.URL(), "sub": "user-1"},
		"subject that is a text":        "user-1",
		"iss_sub without iss":           map[string]any{"format": "iss_sub", "sub": "user-1"},
		"aliases in aliases":            map[string]any{"format": "aliases", "identifiers": []any{map[string]any{"format": "aliases", "identifiers": []any{map[string]any{"format": "opaque", "id": "a"}}}}},
		"complex within complex":        map[string]any{"format": "complex", "user": map[string]any{"format": "complex"}},
		"a member that is not a format": map[string]any{"format": "complex", "user": "user-1"},
	} {
		c.claim(name, "invalid_request", "sub_id", subject)
	}
}
