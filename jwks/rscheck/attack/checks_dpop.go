package attack

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

var dpopChecks = []Check{
	{"dpop", Info, "RFC 9449 §7.1", "a token that is bound to a key, with a good proof", "accepted", func(r *run) outcome {
		if r.hasDPoP() {
			return pass("accepted")
		}
		return skip("the server does not know DPoP")
	}},
	{"dpop-bound-as-bearer", Must, "RFC 9449 §7.1, §7.2", "a token that is bound to a key, as Bearer, with and without its proof", refused401, func(r *run) outcome {
		d := r.newDPoP()
		token := r.bound(d)
		o := r.refused([]variant{
			{"without a proof", bearer(token)},
			{"with a proof", request{authorization: []string{"Bearer " + token}, header: http.Header{dpopHeader: {d.proof(token)}}}},
			{"bound to a certificate", bearer(r.token(set("cnf", map[string]any{"x5t#S256": d.thumbprint()})))},
		})
		// RFC 9449 §7.2 forgives a server that never heard of DPoP.
		o.lower = o.lower || o.verdict == Fail && !r.hasDPoP()
		return o
	}},
	{"dpop-replay", Must, "RFC 9449 §11.1", "a proof that was used, again", refused401, dpopReplay},
	{"dpop-other-request", Must, "RFC 9449 §4.3", "proofs for another method, host, port, path and scheme", refused401, ifDPoP(dpopOtherRequest)},
	{"dpop-other-token", Must, "RFC 9449 §4.3, §7.1", "proofs with another token's ath, none, an empty one and one in hexadecimal", refused401, ifDPoP(dpopOtherToken)},
	{"dpop-other-key", Must, "RFC 9449 §6, §7.1", "proofs by another key than the token's, under each key's jwk", refused401, ifDPoP(dpopOtherKey)},
	{"dpop-unbound", Must, "RFC 9449 §7.1", "a token that is not bound, or bound in another way, under the scheme DPoP, with a proof", refused401, ifDPoP(dpopUnbound)},
	{"dpop-bad-key", Must, "RFC 9449 §4.3", "proofs with a private key, a symmetric one, none, and with alg none or HS256", refused401, ifDPoP(dpopBadKey)},
	{"dpop-time", Must, "RFC 9449 §11.1", "proofs that were made an hour ago, in an hour, without iat and with a text", refused401, ifDPoP(dpopTime)},
	{"dpop-form", Must, "RFC 9449 §4.2, §4.3", "no proof, two, one of another typ, with a bad signature, without jti, htm or htu", refused401, ifDPoP(dpopForm)},
	{"dpop-challenge", Should, "RFC 9449 §7.1", "a bad proof, and no token", "401 with WWW-Authenticate: DPoP", dpopChallenge},
}

const dpopHeader = "Dpop" // as net/http writes it; names have no case

// A dpopClient has a key, and makes proofs with it.
type dpopClient struct {
	r     *run
	key   *key
	nonce string // that the server asked for
}

// newDPoP is a client with the nonce that the server gave last.
func (r *run) newDPoP() *dpopClient {
	k, err := newKey("ES256")
	if err != nil {
		panic("attack: " + err.Error()) // not for this algorithm
	}
	d := &dpopClient{r: r, key: k}
	if r.dpop != nil {
		d.nonce = r.dpop.nonce
	}
	return d
}

func (d *dpopClient) thumbprint() string { return d.key.id }

// hasDPoP says whether the server accepts a bound token with its proof.
func (r *run) hasDPoP() bool {
	if supported, known := r.memo["dpop"]; known {
		return supported
	}
	d := r.newDPoP()
	token := r.bound(d)
	a := r.send(d.request(token, d.proof(token)))
	if nonce := a.header.Get("DPoP-Nonce"); nonce != "" {
		d.nonce = nonce
		if !a.accepted() { // §9: once more, with the nonce
			a = r.send(d.request(token, d.proof(token)))
		}
	}
	r.memo["dpop"], r.dpop = a.accepted(), d
	return a.accepted()
}

// client is the run's client, with a fresh nonce if the server uses them.
func (r *run) client() *dpopClient {
	if r.dpop.nonce != "" {
		token := r.bound(r.dpop)
		if nonce := r.send(r.dpop.request(token, r.dpop.proof(token))).header.Get("DPoP-Nonce"); nonce != "" {
			r.dpop.nonce = nonce
		}
	}
	return r.dpop
}

// bound is a token that is bound to the client's key.
func (r *run) bound(d *dpopClient, changes ...change) string {
	return r.token(append([]change{set("cnf", map[string]any{"jkt": d.thumbprint()})}, changes...)...)
}

func (d *dpopClient) request(token string, proofs ...string) request {
	q := request{authorization: []string{"DPoP " + token}}
	if proofs != nil {
		q.header = http.Header{dpopHeader: proofs}
	}
	return q
}

func (d *dpopClient) parts(token string, changes ...change) (header, claims map[string]any) {
	hash := sha256.Sum256([]byte(token))
	htu, _, _ := strings.Cut(d.r.cfg.HTU, "?")
	header = map[string]any{"alg": d.key.alg, "typ": "dpop+jwt", "jwk": d.key.jwk()}
	claims = map[string]any{"jti": randomText(), "htm": d.r.cfg.Method, "htu": htu, "iat": time.Now().Unix(), "ath": base64url(hash[:])}
	if d.nonce != "" {
		claims["nonce"] = d.nonce
	}
	for _, change := range changes {
		change(header, claims)
	}
	return header, claims
}

func (d *dpopClient) proof(token string, changes ...change) string {
	header, claims := d.parts(token, changes...)
	return d.key.signed(mustJSON(header), mustJSON(claims))
}

// ifDPoP is a check of servers with DPoP: all proofs are refused.
func ifDPoP(proofs func(r *run, d *dpopClient, token string) map[string]request) func(*run) outcome {
	return func(r *run) outcome {
		if !r.hasDPoP() {
			return skip("the server does not know DPoP")
		}
		d := r.client()
		token := r.bound(d)
		var list []variant
		all := proofs(r, d, token)
		for _, label := range sortedKeys(all) {
			list = append(list, variant{label, all[label]})
		}
		return r.refused(list)
	}
}

func dpopReplay(r *run) outcome {
	if !r.hasDPoP() {
		return skip("the server does not know DPoP")
	}
	d := r.client()
	token := r.bound(d)
	q := d.request(token, d.proof(token))
	if a := r.send(q); !a.accepted() {
		return unclear("the first time it got %v", a)
	}
	if a := r.send(q); a.accepted() {
		return fail("accepted the second time")
	}
	// The same jti, signed anew: another text, and the same proof.
	jti := set("jti", randomText())
	if a := r.send(d.request(token, d.proof(token, jti))); !a.accepted() {
		return unclear("the first time it got %v", a)
	}
	if a := r.send(d.request(token, d.proof(token, jti))); a.accepted() {
		return fail("accepted the second time, signed anew with the same jti")
	}
	return pass("refused the second time")
}

func dpopOtherRequest(r *run, d *dpopClient, token string) map[string]request {
	list := map[string]request{}
	claim := func(label, name string, value any) { list[label] = d.request(token, d.proof(token, set(name, value))) }
	claim("another method", "htm", "TRACE")
	claim("the method in a list", "htm", []string{r.cfg.Method})
	u, err := url.Parse(r.cfg.HTU)
	if err != nil {
		return list
	}
	u.RawQuery, u.Fragment = "", ""
	with := func(label string, c func(*url.URL)) {
		other := *u
		c(&other)
		claim(label, "htu", other.String())
	}
	with("another scheme", func(o *url.URL) { o.Scheme = map[string]string{"http": "https", "https": "http"}[u.Scheme] })
	with("another host", func(o *url.URL) { o.Host = "rscheck.example" })
	with("a host that begins so", func(o *url.URL) { o.Host = u.Hostname() + ".rscheck.example" })
	with("as the user of a host", func(o *url.URL) { o.Host = u.Hostname() + "@rscheck.example" })
	with("another port", func(o *url.URL) { o.Host = u.Hostname() + ":1" })
	with("another path", func(o *url.URL) { o.Path = "/rscheck" + u.Path })
	with("a longer path", func(o *url.URL) { o.Path += "/rscheck" })
	with("no path", func(o *url.URL) { o.Path = "" })
	if u.Path == "" || u.Path == "/" {
		delete(list, "no path") // is the same
	}
	claim("a path alone", "htu", u.Path)
	return list
}

func dpopOtherToken(r *run, d *dpopClient, token string) map[string]request {
	other := r.bound(d)
	hash := sha256.Sum256([]byte(token))
	return map[string]request{
		"another token's":   d.request(token, d.proof(other)),
		"missing":           d.request(token, d.proof(token, unset("ath"))),
		"empty":             d.request(token, d.proof(token, set("ath", ""))),
		"null":              d.request(token, d.proof(token, set("ath", nil))),
		"in hexadecimal":    d.request(token, d.proof(token, set("ath", hex.EncodeToString(hash[:])))),
		"the token itself":  d.request(token, d.proof(token, set("ath", token))),
		"of the token less": d.request(token, d.proof(token[:len(token)-1])),
	}
}

func dpopOtherKey(r *run, d *dpopClient, token string) map[string]request {
	thief := r.newDPoP()
	thief.nonce = d.nonce
	return map[string]request{
		"another key's proof":     d.request(token, thief.proof(token)),
		"another key's signature": d.request(token, thief.proof(token, setHeader("jwk", d.key.jwk()))),
		"another key's jwk":       d.request(token, d.proof(token, setHeader("jwk", thief.key.jwk()))),
	}
}

func dpopUnbound(r *run, d *dpopClient, _ string) map[string]request {
	list := map[string]request{}
	for label, c := range map[string]change{
		"not bound": unset("rscheck"), "cnf is null": set("cnf", nil), "cnf is empty": set("cnf", map[string]any{}),
		"jkt is empty": set("cnf", map[string]any{"jkt": ""}), "bound to a certificate": set("cnf", map[string]any{"x5t#S256": d.thumbprint()}),
		"bound by another member": set("cnf", map[string]any{"JKT": d.thumbprint()}), "bound to a list": set("cnf", map[string]any{"jkt": []string{d.thumbprint()}}),
	} {
		token := r.token(c)
		list[label] = d.request(token, d.proof(token))
	}
	return list
}

func dpopBadKey(r *run, d *dpopClient, token string) map[string]request {
	list := map[string]request{}
	jwk := func(label string, change func(map[string]any)) {
		list[label] = d.request(token, d.proof(token, func(h, _ map[string]any) {
			jwk := maps.Clone(d.key.jwk())
			change(jwk)
			h["jwk"] = jwk
		}))
	}
	jwk("with its private half", func(m map[string]any) { m["d"] = d.key.jwk()["x"] })
	jwk("off the curve", func(m map[string]any) { m["x"] = base64url(make([]byte, 32)) })
	header, claims := d.parts(token, setHeader("alg", "none"))
	list["alg none"] = d.request(token, encoded(header, claims)+".")
	header, claims = d.parts(token, setHeader("alg", "HS256"), setHeader("jwk", map[string]any{"kty": "oct", "k": base64url([]byte("secret"))}))
	list["a symmetric key"] = d.request(token, hmacSigned("HS256", header, claims, []byte("secret")))
	// The token would have to be bound to it too.
	symmetric := map[string]any{"kty": "oct", "k": base64url([]byte("secret"))}
	other := r.token(set("cnf", map[string]any{"jkt": thumbprint(map[string]any{"k": symmetric["k"], "kty": "oct"})}))
	header, claims = d.parts(other, setHeader("alg", "HS256"), setHeader("jwk", symmetric))
	list["a symmetric key that the token is bound to"] = d.request(other, hmacSigned("HS256", header, claims, []byte("secret")))
	list["without jwk"] = d.request(token, d.proof(token, func(h, _ map[string]any) { delete(h, "jwk") }))
	list["jwk by jku"] = d.request(token, d.proof(token, func(h, _ map[string]any) {
		delete(h, "jwk")
		h["jku"], h["kid"] = r.issuer.trap("dpop")+"/jwks.json", d.key.id
	}))
	return list
}

func dpopTime(_ *run, d *dpopClient, token string) map[string]request {
	now := time.Now()
	list := map[string]request{
		"without iat": d.request(token, d.proof(token, unset("iat"))),
		"a text":      d.request(token, d.proof(token, set("iat", fmt.Sprint(now.Unix())))),
	}
	if d.nonce == "" { // §11.1: a nonce may stand in for the time
		list["an hour ago"] = d.request(token, d.proof(token, set("iat", now.Add(-time.Hour).Unix())))
		list["in an hour"] = d.request(token, d.proof(token, set("iat", now.Add(time.Hour).Unix())))
		list["zero"] = d.request(token, d.proof(token, set("iat", 0)))
	}
	return list
}

func dpopForm(r *run, d *dpopClient, token string) map[string]request {
	proof := d.proof(token)
	head, rest, _ := strings.Cut(proof, ".")
	body, _, _ := strings.Cut(rest, ".")
	list := map[string]request{
		"none":                      d.request(token),
		"an empty one":              d.request(token, ""),
		"two":                       d.request(token, d.proof(token), d.proof(token)),
		"two in one header":         d.request(token, d.proof(token)+", "+d.proof(token)),
		"the token":                 d.request(token, token),
		"no signature":              d.request(token, head+"."+body+"."),
		"another proof's signature": d.request(token, head+"."+body+"."+d.proof(token)[strings.LastIndexByte(proof, '.')+1:]),
		"typ JWT":                   d.request(token, d.proof(token, setHeader("typ", "JWT"))),
		"without typ":               d.request(token, d.proof(token, func(h, _ map[string]any) { delete(h, "typ") })),
		"a critical extension":      d.request(token, d.proof(token, setHeader("crit", []string{"x"}), setHeader("x", 1))),
	}
	for _, name := range []string{"jti", "htm", "htu"} {
		list["without "+name] = d.request(token, d.proof(token, unset(name)))
	}
	if r.dpop.nonce != "" {
		list["a nonce that is made up"] = d.request(token, d.proof(token, set("nonce", randomText())))
	}
	return list
}

func dpopChallenge(r *run) outcome {
	if !r.hasDPoP() {
		return skip("the server does not know DPoP")
	}
	d := r.client()
	token := r.bound(d)
	for label, q := range map[string]request{"a bad proof": d.request(token, d.proof(token, set("htm", "TRACE"))), "no token": {}} {
		if a := r.send(q); a.status != http.StatusUnauthorized || !hasScheme(a, "DPoP") {
			return fail("%s got %v, %q", label, a, a.challenges())
		}
	}
	return pass("401, DPoP")
}
