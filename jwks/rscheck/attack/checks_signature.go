package attack

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"strings"
)

const refused401 = "401"

var algorithmChecks = []Check{
	{"alg-none", Must, "RFC 8725 §3.2", "unsigned tokens, with alg none in any spelling, without alg, and with the right one", refused401, refuses(algNone)},
	{"alg-hmac-public-key", Must, "RFC 8725 §2.1, §3.1", "HMAC with the public key as secret, in every form that it has", refused401, refuses(algHMAC)},
	{"alg-other-key", Must, "RFC 8725 §3.1", "an attacker's signature by RS256, PS256, ES256 and EdDSA, under the kid of the issuer's key", refused401, refuses(algOtherKey)},
	{"alg-header-lies", Should, "RFC 8725 §3.1", "the issuer's good signature, and in the header another algorithm, none, or no algorithm", refused401, refuses(algHeaderLies)},
	{"alg-not-the-keys", Should, "RFC 8725 §3.1", "the issuer's key, which names its algorithm, used with another one", refused401, refuses(algNotTheKeys)},
}

func algNone(r *run) []variant {
	list := map[string]string{}
	for _, alg := range []any{"none", "None", "NONE", "nOnE", "", "null", nil, 0, r.issuer.alg} {
		header, claims := r.parts(setHeader("alg", alg))
		list[fmt.Sprintf("alg %v", string(mustJSON(alg)))] = encoded(header, claims) + "."
	}
	header, claims := r.parts()
	delete(header, "alg")
	list["without alg"] = encoded(header, claims) + "."
	return tokens(list)
}

func algHMAC(r *run) []variant {
	list := map[string]string{}
	for form, secret := range r.issuer.signer().publicForms() {
		for _, alg := range []string{"HS256", "HS384", "HS512"} {
			header, claims := r.parts(setHeader("alg", alg))
			list[alg+" with "+form] = hmacSigned(alg, header, claims, secret)
		}
		header, claims := r.parts()
		list["HMAC as "+r.issuer.alg+" with "+form] = hmacSigned("HS256", header, claims, secret)
	}
	return tokens(list)
}

func algOtherKey(r *run) []variant {
	list := map[string]string{}
	for _, alg := range Algorithms {
		k := r.issuer.foreign
		if alg != k.alg {
			var err error
			if k, err = newKey(alg); err != nil {
				continue
			}
			defer giveBack([]*key{k})
		}
		list[alg] = r.tokenBy(k, setHeader("kid", r.issuer.signer().id))
		// Another algorithm's key with the name of the right one.
		list[alg+", as "+r.issuer.alg] = r.tokenBy(k, setHeader("kid", r.issuer.signer().id), setHeader("alg", r.issuer.alg))
	}
	return tokens(list)
}

func algHeaderLies(r *run) []variant {
	list := map[string]string{}
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA", "HS256", "RSA1_5", "A128KW"} {
		if alg != r.issuer.alg {
			list[alg] = r.token(setHeader("alg", alg))
		}
	}
	list["none"], list["null"] = r.token(setHeader("alg", "none")), r.token(setHeader("alg", nil))
	list["a list"] = r.token(setHeader("alg", []string{r.issuer.alg}))
	list["missing"] = r.token(withoutAlg)
	return tokens(list)
}

func withoutAlg(h, _ map[string]any) { delete(h, "alg") }

func algNotTheKeys(r *run) []variant {
	if !strings.HasSuffix(r.issuer.alg, "S256") || r.issuer.alg == "ES256" {
		return nil // the key has no other algorithm
	}
	list := map[string]string{}
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
		if alg != r.issuer.alg {
			header, claims := r.parts(setHeader("alg", alg))
			message := encoded(header, claims)
			list[alg] = message + "." + base64url(r.issuer.signer().signature(alg, message))
		}
	}
	return tokens(list)
}

var keyHeaderChecks = []Check{
	{"header-key", Must, "RFC 8725 §3.10; RFC 7515 §4.1", "an attacker's key in the header, as jwk, x5c, jku or x5u, with every kid", refused401, refuses(headerKey)},
	{"header-url-not-fetched", Must, "RFC 8725 §3.10", "URLs of the attacker in the header (jku, x5u, kid) and in iss", "no request to them", urlNotFetched},
	{"kid-path", Must, "RFC 8725 §3.10", "a kid that is a path, SQL, a command, very long or no text, with HMAC of nothing and with an attacker's key", refused401, refuses(kidPath)},
	{"kid-missing", Must, "RFC 7515 §4.1.4", "an attacker's signature, without a kid", refused401, refuses(func(r *run) []variant {
		return []variant{{"attacker's key", bearer(r.tokenBy(r.issuer.foreign, func(h, _ map[string]any) { delete(h, "kid") }))}}
	})},
	{"kid-unknown", Must, "RFC 7515 §4.1.4", "an attacker's signature, under the attacker's kid", refused401, refuses(func(r *run) []variant {
		return []variant{{"attacker's key", bearer(r.tokenBy(r.issuer.foreign))}}
	})},
	{"kid-ignored", Info, "RFC 7515 §4.1.4", "the issuer's signature, under a kid that it does not publish", refused401, refuses(func(r *run) []variant {
		return []variant{{"another kid", bearer(r.token(setHeader("kid", randomText())))}}
	})},
}

func headerKey(r *run) []variant {
	k := r.issuer.foreign
	chain := []string{base64.StdEncoding.EncodeToString(r.issuer.certificate)}
	list := map[string]string{}
	for label, c := range map[string]change{
		"jwk": setHeader("jwk", k.jwk()),
		"x5c": setHeader("x5c", chain),
		"jku": setHeader("jku", r.issuer.trap("jku")+"/jwks.json"),
		"x5u": setHeader("x5u", r.issuer.trap("x5u")+"/key.der"),
		"all": func(h, _ map[string]any) {
			jwk := k.jwk()
			jwk["x5c"], jwk["kid"] = chain, h["kid"]
			h["jwk"], h["x5c"], h["jku"] = jwk, chain, r.issuer.trap("jku")+"/jwks.json"
		},
	} {
		list[label+", own kid"] = r.tokenBy(k, c)
		list[label+", the issuer's kid"] = r.tokenBy(k, setHeader("kid", r.issuer.signer().id), c)
		list[label+", no kid"] = r.tokenBy(k, func(h, _ map[string]any) { delete(h, "kid") }, c)
	}
	return tokens(list)
}

func urlNotFetched(r *run) outcome {
	k := r.issuer.foreign
	requests := headerKey(r)
	kid := r.issuer.trap("kid") + "/jwks.json"
	requests = append(requests,
		variant{"kid", bearer(r.tokenBy(k, setHeader("kid", kid)))},
		variant{"iss", bearer(r.tokenBy(k, set("iss", r.issuer.trap("iss"))))},
		variant{"iss and jku", bearer(r.tokenBy(k, set("iss", r.issuer.trap("iss")), setHeader("jku", r.issuer.trap("jku")+"/jwks.json")))})
	o := r.refused(requests)
	var fetched []string
	for _, name := range []string{"jku", "x5u", "kid", "iss"} {
		if n := r.issuer.trapped(name); n > 0 {
			fetched = append(fetched, fmt.Sprintf("%s %d times", name, n))
		}
	}
	if len(fetched) > 0 {
		return fail("fetched: %s", strings.Join(fetched, ", "))
	}
	if o.verdict == Fail && !o.lower {
		return o
	}
	return pass("none was fetched")
}

func kidPath(r *run) []variant {
	list := map[string]string{}
	for label, kid := range map[string]any{
		"/dev/null": "../../../../../../../../dev/null", "a file": "/etc/passwd", "SQL": "x' UNION SELECT 'secret' -- ",
		"a command": "x|/bin/true", "a NUL": r.issuer.signer().id + "\x00", "long": strings.Repeat("k", 4000), "empty": "",
		"a number": 1, "null": nil, "a list": []string{r.issuer.signer().id}, "an object": map[string]any{"kid": r.issuer.signer().id},
	} {
		header, claims := r.parts(setHeader("kid", kid), setHeader("alg", "HS256"))
		list[label+", HMAC of nothing"] = hmacSigned("HS256", header, claims, nil)
		list[label+", HMAC of secret"] = hmacSigned("HS256", header, claims, []byte("secret"))
		list[label+", attacker's key"] = r.tokenBy(r.issuer.foreign, setHeader("kid", kid))
	}
	return tokens(list)
}

var signatureChecks = []Check{
	{"signature-altered", Must, "RFC 7515 §5.2", "a signature that is altered, cut short, lengthened, empty, all zeros, or another token's", refused401, refuses(signatureAltered)},
	{"claims-exchanged", Must, "RFC 7515 §5.2", "a good signature under other claims or another header", refused401, refuses(claimsExchanged)},
	{"crit", Must, "RFC 7515 §4.1.11", "a critical extension that nobody knows", refused401, refuses(critical)},
	{"crit-b64", Should, "RFC 7797 §7", "the extension b64, which JWTs must not use, with a signature as it demands", refused401, refuses(unencoded)},
}

// split returns the three parts of a good token.
func (r *run) split(changes ...change) (head, body, signature string) {
	parts := strings.Split(r.token(changes...), ".")
	return parts[0], parts[1], parts[2]
}

func signatureAltered(r *run) []variant {
	head, body, signature := r.split()
	start := head + "." + body + "."
	raw, _ := base64.RawURLEncoding.DecodeString(signature) // made here
	flipped := append([]byte(nil), raw...)
	flipped[len(flipped)/2] ^= 1
	last := append([]byte(nil), raw...)
	last[len(last)-1] ^= 1
	_, _, other := r.split(set("sub", "somebody-else"))
	random := make([]byte, len(raw))
	_, _ = rand.Read(random)
	return tokens(map[string]string{
		"a bit in the middle": start + base64url(flipped),
		"the last bit":        start + base64url(last),
		"half of it":          start + base64url(raw[:len(raw)/2]),
		"a byte less":         start + base64url(raw[:len(raw)-1]),
		"a byte more":         start + base64url(append(append([]byte(nil), raw...), 0)),
		"a zero before it":    start + base64url(append([]byte{0}, raw...)),
		"empty":               start,
		"zeros":               start + base64url(make([]byte, len(raw))),
		"one":                 start + base64url(append(make([]byte, len(raw)-1), 1)),
		"random":              start + base64url(random),
		"another token's":     start + other,
	})
}

func claimsExchanged(r *run) []variant {
	header, claims := r.parts()
	list := map[string]string{}
	for label, c := range map[string]change{
		"sub": set("sub", "somebody-else"), "scope": set("scope", "admin everything"), "a header more": setHeader("x", "y"),
	} {
		h, cl := maps.Clone(header), maps.Clone(claims)
		signed := r.issuer.signer().signed(mustJSON(h), mustJSON(cl))
		signature := signed[strings.LastIndexByte(signed, '.')+1:]
		c(h, cl)
		list[label] = encoded(h, cl) + "." + signature
	}
	return tokens(list)
}

func critical(r *run) []variant {
	const extension = "https://rscheck.example/unknown"
	return tokens(map[string]string{
		"unknown":     r.token(setHeader("crit", []string{extension}), setHeader(extension, true)),
		"and missing": r.token(setHeader("crit", []string{extension})),
		"of two":      r.token(setHeader("crit", []string{"exp", extension}), setHeader("exp", 1), setHeader(extension, 1)),
	})
}

// unencoded is a token whose signature is of the claims themselves (RFC 7797
// §3); in the token they stand encoded.
func unencoded(r *run) []variant {
	header, claims := r.parts(setHeader("crit", []string{"b64"}), setHeader("b64", false))
	k, payload, head := r.issuer.signer(), mustJSON(claims), base64url(mustJSON(header))
	signature := base64url(k.signature(k.alg, head+"."+string(payload)))
	return tokens(map[string]string{"b64 false": head + "." + base64url(payload) + "." + signature})
}

func second(_, claims map[string]any) map[string]any { return claims }

func randomText() string { return rand.Text() }
