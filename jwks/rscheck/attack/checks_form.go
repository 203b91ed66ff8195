package attack

import (
	"encoding/base64"
	"fmt"
	"strings"
)

var formChecks = []Check{
	{"malformed", Must, "RFC 7519 §7.2", "what is not a signed JWT in compact form: two, four, five parts, empty parts, text", refused401, refuses(malformed)},
	{"json-serialization", Should, "RFC 7519 §1, §7.2", "a good token in the JSON serialization of JWS, plain and in base64url", refused401, refuses(jsonSerialization)},
	{"base64-padding", Should, "RFC 7515 §2", "a good token with = at the end of a part", refused401, refuses(padded)},
	{"base64-trailing-bits", Should, "RFC 4648 §3.5", "a good signature with stray bits in its last character", refused401, refuses(strayBits)},
	{"base64-whitespace", Should, "RFC 7515 §2", "a good token with a space, a tab or a folded line inside", refused401, whitespace},
	{"base64-alphabet", Should, "RFC 7515 §2", "a good signature with + and / in place of - and _", refused401, refuses(alphabet)},
	{"oversized-token", Must, "CWE-400", "garbage of 48 KiB and 2 MiB, and a token with a claim of 48 KiB", "a refusal, and good tokens go on working", oversizedToken},
}

func malformed(r *run) []variant {
	head, body, signature := r.split()
	k := r.issuer.signer()
	claims := mustJSON(second(r.parts()))
	none, _ := r.parts(setHeader("alg", "none"))
	return tokens(map[string]string{
		"text":             "opaque-token",
		"one part":         head,
		"two parts":        head + "." + body,
		"two, alg none":    base64url(mustJSON(none)) + "." + body,
		"four parts":       head + "." + body + "." + signature + "." + signature,
		"an empty part":    head + "." + body + "." + signature + ".",
		"five parts":       head + ".." + body + "." + signature + ".x",
		"dots":             "..",
		"no header":        "." + body + "." + signature,
		"no claims":        head + ".." + signature,
		"header a list":    k.signed([]byte(`["`+k.alg+`"]`), claims),
		"header null":      k.signed([]byte(`null`), claims),
		"header cut short": k.signed([]byte(`{"alg":"`+k.alg+`"`), claims),
		"claims a list":    k.signed(mustJSON(first(r.parts())), []byte(`[]`)),
		"claims null":      k.signed(mustJSON(first(r.parts())), []byte(`null`)),
		"claims a text":    k.signed(mustJSON(first(r.parts())), []byte(`"x"`)),
		"claims twice":     k.signed(mustJSON(first(r.parts())), append(claims, claims...)),
		"deep nesting":     k.signed(mustJSON(first(r.parts())), []byte(strings.Repeat("[", 20000))),
	})
}

func jsonSerialization(r *run) []variant {
	head, body, signature := r.split()
	flattened := fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, head, body, signature)
	general := fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, body, head, signature)
	return tokens(map[string]string{"flattened": flattened, "general": general, "in base64url": base64url([]byte(flattened))})
}

func first(header, _ map[string]any) map[string]any { return header }

func padded(r *run) []variant {
	head, body, signature := r.split()
	return tokens(map[string]string{
		"signature": head + "." + body + "." + signature + strings.Repeat("=", (4-len(signature)%4)%4+boolInt(len(signature)%4 == 0)),
		"claims":    signedOver(r, head+"."+body+strings.Repeat("=", max((4-len(body)%4)%4, 1))),
	})
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// signedOver signs a text as it is.
func signedOver(r *run, message string) string {
	k := r.issuer.signer()
	return message + "." + base64url(k.signature(k.alg, message))
}

// strayBits is another spelling of the same bytes, which a lax decoder takes:
// the unused bits of the last character are set.
func strayBits(r *run) []variant {
	head, body, signature := r.split()
	if len(signature)%4 == 0 {
		return nil // no unused bits
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, signature[len(signature)-1])
	return tokens(map[string]string{
		"signature": head + "." + body + "." + signature[:len(signature)-1] + alphabet[last|1:last|1+1],
	})
}

// alphabet takes a token whose signature has one of the two characters.
func alphabet(r *run) []variant {
	for range 20 {
		head, body, signature := r.split()
		raw, _ := base64.RawURLEncoding.DecodeString(signature) // made here
		if standard := base64.RawStdEncoding.EncodeToString(raw); standard != signature {
			return tokens(map[string]string{"signature": head + "." + body + "." + standard})
		}
	}
	return nil
}

func whitespace(r *run) outcome {
	head, body, signature := r.split()
	half := len(body) / 2
	inside := func(s string) string { return head + "." + body[:half] + s + body[half:] + "." + signature }
	o := r.refused(tokens(map[string]string{"a space": inside(" "), "a tab": inside("\t"), "a space before the signature": head + "." + body + ". " + signature}))
	if o.verdict == Fail {
		return o
	}
	folded := r.target.raw(r.ctx, "Authorization: Bearer "+head+"."+body[:half]+"\r\n "+body[half:]+"."+signature+"\r\n")
	if folded.accepted() {
		return fail("accepted: a folded line")
	}
	return o
}

func oversizedToken(r *run) outcome {
	huge := strings.Repeat("a", 2<<20)
	o := r.refused([]variant{
		{"garbage of 48 KiB", bearer(strings.Repeat("a", oversizedTokenBytes))},
		{"dots", bearer(strings.Repeat(".", oversizedTokenBytes))},
	})
	if o.verdict == Fail {
		return o
	}
	large := r.send(bearer(r.token(set("padding", strings.Repeat("x", oversizedTokenBytes)))))
	// A server may break the connection off in the middle of so much.
	if a := r.send(bearer(huge)); a.accepted() {
		return fail("accepted: garbage of 2 MiB")
	}
	if a := r.send(r.good()); !a.accepted() {
		return fail("afterwards a good token got %v", a)
	}
	note := "a good token with a claim of 48 KiB was refused"
	if large.accepted() {
		note = "a good token with a claim of 48 KiB was accepted"
	}
	return pass("%s; %s (%v)", o.got, note, large)
}

var jsonChecks = []Check{
	{"duplicate-claims", Must, "RFC 7519 §4", "the right claim first and a wrong one of the same name last (aud, iss, exp), signed by the issuer", "401: reject, or take the last", refuses(duplicateClaims)},
	{"duplicate-header", Must, "RFC 7515 §4", "the right alg first and none last", "401: reject, or take the last", refuses(duplicateHeader)},
	{"case-claims", Must, "RFC 7519 §7.3", "wrong or missing claims, and right ones in capitals (AUD, ISS, EXP)", "401: names are compared exactly", refuses(caseClaims)},
	{"case-header", Must, "RFC 7515 §5.3", "ALG, KID and TYP in place of alg, kid and typ", "401: names are compared exactly", refuses(caseHeader)},
}

// appended is a token with further members at the end of its claims.
func (r *run) appended(members string, changes ...change) string {
	header, claims := r.parts(changes...)
	text := mustJSON(claims)
	return r.issuer.signer().signed(mustJSON(header), append(text[:len(text)-1], ","+members+"}"...))
}

// disguises are the claims that a token can lie about, each with a wrong value
// and the right one as JSON.
func (r *run) disguises() map[string]struct{ wrong, right string } {
	list := map[string]struct{ wrong, right string }{}
	_, good := r.parts()
	for name, wrong := range map[string]any{"aud": wrongAudience, "iss": wrongIssuer, "exp": int64(1e9)} {
		// If the plain lie passes, its disguise says nothing.
		if r.checks(name, set(name, wrong)) {
			list[name] = struct{ wrong, right string }{string(mustJSON(wrong)), string(mustJSON(good[name]))}
		}
	}
	return list
}

func duplicateClaims(r *run) []variant {
	list := map[string]string{}
	for name, d := range r.disguises() {
		list[name] = r.appended(fmt.Sprintf("%q:%s", name, d.wrong))
	}
	return tokens(list)
}

func duplicateHeader(r *run) []variant {
	k := r.issuer.signer()
	header := mustJSON(first(r.parts()))
	claims := mustJSON(second(r.parts()))
	none := append(header[:len(header)-1:len(header)-1], `,"alg":"none"}`...)
	list := map[string]string{"unsigned": base64url(none) + "." + base64url(claims) + "."}
	// If the header's algorithm does not count anyway, it says nothing.
	if r.checks("alg", setHeader("alg", "none")) {
		list["signed"] = k.signed(none, claims)
	}
	return tokens(list)
}

func caseClaims(r *run) []variant {
	list := map[string]string{}
	for name, d := range r.disguises() {
		upper, title := strings.ToUpper(name), strings.ToUpper(name[:1])+name[1:]
		for _, other := range []string{upper, title} {
			list[other+" beside a wrong "+name] = r.appended(fmt.Sprintf("%q:%s", other, d.right), func(_, c map[string]any) {
				c[name] = rawJSON(d.wrong)
			})
			list[other+" before a wrong "+name] = r.token(func(_, c map[string]any) { c[name], c[other] = rawJSON(d.wrong), rawJSON(d.right) })
		}
		if r.checks("no "+name, unset(name)) {
			list[upper+" alone"] = r.appended(fmt.Sprintf("%q:%s", upper, d.right), unset(name))
		}
	}
	return tokens(list)
}

// rawJSON is a text that is JSON already.
type rawJSON string

func (j rawJSON) MarshalJSON() ([]byte, error) { return []byte(j), nil }

func caseHeader(r *run) []variant {
	list := map[string]string{}
	rename := func(name, other string) change {
		return func(h, _ map[string]any) { h[other] = h[name]; delete(h, name) }
	}
	if r.checks("no alg", withoutAlg) {
		list["ALG alone"] = r.token(rename("alg", "ALG"))
	}
	if r.checks("typ", setHeader("typ", wrongType)) {
		list["TYP beside a wrong typ"] = r.token(func(h, _ map[string]any) { h["TYP"] = h["typ"]; h["typ"] = wrongType })
		list["Typ beside a wrong typ, last"] = r.issuer.signer().signed(
			fmt.Appendf(nil, `{"alg":%q,"kid":%q,"typ":%q,"Typ":%q}`, r.issuer.alg, r.issuer.signer().id, wrongType, r.cfg.Type),
			mustJSON(second(r.parts())))
	}
	return tokens(list)
}
