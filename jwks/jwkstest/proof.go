package jwkstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks"
)

// A ProofKey is a client's key for DPoP (RFC 9449). It is immutable.
type ProofKey struct {
	alg     string
	private crypto.Signer
	jwk     map[string]string // as published
	now     func() time.Time
}

// ProofKey makes a key for the algorithm: ES256 (also for the empty string),
// EdDSA, Ed25519, PS256 or RS256. Proofs are dated by the issuer's clock.
func (i *Issuer) ProofKey(tb testing.TB, alg string) *ProofKey {
	tb.Helper()
	if alg == "" {
		alg = "ES256"
	}
	k := &ProofKey{alg: alg, now: i.Now}
	switch alg {
	case "ES256":
		k.setEC(tb, elliptic.P256(), "P-256")
	case "EdDSA", "Ed25519":
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			tb.Fatalf("jwkstest: %v", err)
		}
		k.private = private
		k.jwk = map[string]string{"kty": "OKP", "crv": "Ed25519", "x": base64url(public)}
	case "PS256", "RS256":
		rsaKey := takeKey(tb)
		k.private = rsaKey.private
		jwk := rsaKey.jwk()
		k.jwk = map[string]string{"kty": "RSA", "n": jwk["n"], "e": jwk["e"]}
	default:
		tb.Fatalf("jwkstest: no proof keys for %s", alg)
	}
	return k
}

func (k *ProofKey) setEC(tb testing.TB, curve elliptic.Curve, name string) {
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		tb.Fatalf("jwkstest: %v", err)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		tb.Fatalf("jwkstest: %v", err)
	}
	half := (len(point) - 1) / 2
	k.private = private
	k.jwk = map[string]string{"kty": "EC", "crv": name, "x": base64url(point[1 : 1+half]), "y": base64url(point[1+half:])}
}

// Thumbprint returns the key's RFC 7638 thumbprint, which a token that is
// bound to it has as cnf.jkt.
func (k *ProofKey) Thumbprint() string {
	// Encoded as JSON, a map has its members in order and no spaces.
	sum := sha256.Sum256(mustJSON(k.jwk))
	return base64url(sum[:])
}

// Proof describes a proof to make.
type Proof struct {
	Method   string    // "GET" if empty
	URL      string    // of the request; absolute
	Token    string    // the access token
	Nonce    string    // none if empty
	IssuedAt time.Time // now if zero
	// Mutate may change, add or delete anything before it is signed.
	Mutate func(header, claims map[string]any)
}

// Proof makes a proof, for the DPoP header of one request.
func (k *ProofKey) Proof(tb testing.TB, p Proof) string {
	tb.Helper()
	header, claims := k.parts(p)
	if p.Mutate != nil {
		p.Mutate(header, claims)
	}
	return k.sign(header, mustJSON(claims))
}

// Authorize sets a request's headers: the token, and a proof for it.
func (k *ProofKey) Authorize(tb testing.TB, h http.Header, p Proof) {
	tb.Helper()
	h.Set("Authorization", "DPoP "+p.Token)
	h.Set("DPoP", k.Proof(tb, p))
}

func (k *ProofKey) parts(p Proof) (header, claims map[string]any) {
	if p.Method == "" {
		p.Method = http.MethodGet
	}
	if p.IssuedAt.IsZero() {
		p.IssuedAt = k.now()
	}
	ath := sha256.Sum256([]byte(p.Token))
	header = map[string]any{"alg": k.alg, "typ": "dpop+jwt", "jwk": maps.Clone(k.jwk)}
	claims = map[string]any{"jti": rand.Text(), "htm": p.Method, "htu": p.URL, "iat": p.IssuedAt.Unix(), "ath": base64url(ath[:])}
	if p.Nonce != "" {
		claims["nonce"] = p.Nonce
	}
	return header, claims
}

func (k *ProofKey) sign(header map[string]any, payload []byte) string {
	return k.signRaw(mustJSON(header), payload)
}

// signRaw signs by the key's own algorithm, whatever the header says.
func (k *ProofKey) signRaw(header, payload []byte) string {
	message := base64url(header) + "." + base64url(payload)
	digest := sha256.Sum256([]byte(message))
	var signature []byte
	var err error
	switch private := k.private.(type) {
	case ed25519.PrivateKey:
		signature = ed25519.Sign(private, []byte(message))
	case *ecdsa.PrivateKey:
		var r, s *big.Int
		if r, s, err = ecdsa.Sign(rand.Reader, private, digest[:]); err == nil {
			size := (private.Params().BitSize + 7) / 8
			signature = make([]byte, 2*size)
			r.FillBytes(signature[:size])
			s.FillBytes(signature[size:])
		}
	case *rsa.PrivateKey:
		if k.alg == "PS256" {
			signature, err = rsa.SignPSS(rand.Reader, private, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			signature, err = rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
		}
	}
	if err != nil {
		panic("jwkstest: " + err.Error()) // not with keys that were made here
	}
	return message + "." + base64url(signature)
}

// A BadProof is a request's headers that every service with DPoP must refuse.
type BadProof struct {
	Name          string   // what is wrong
	Authorization string   // value of the Authorization header
	DPoP          []string // values of the DPoP header
	// Want is the error of package jwks that a Guard returns.
	Want error
}

// Set sets a request's headers.
func (b BadProof) Set(h http.Header) {
	h.Set("Authorization", b.Authorization)
	h.Del("DPoP")
	for _, value := range b.DPoP {
		h.Add("DPoP", value)
	}
}

// BadProofs makes every kind of DPoP request that a service must refuse whose
// audience is aud, for a request with the method and the absolute URL. Each
// would be accepted, and have the scopes and roles asked for, except for what its
// name says. That a proof is refused the second time is left to the test.
func (i *Issuer) BadProofs(method, url, aud string, grants ...Token) []BadProof {
	i.tb.Helper()
	base := Token{}
	if len(grants) > 0 {
		base = grants[0]
	}
	base.Audience = aud
	c := proofCatalogue{i: i, key: i.ProofKey(i.tb, ""), base: base}
	c.base.ProofKey = c.key
	c.token = i.AccessToken(i.tb, c.base)
	c.request = Proof{Method: method, URL: url, Token: c.token}
	c.form()
	c.keys()
	c.claims()
	c.tokens()
	return c.list
}

// proofCatalogue is a catalogue in the making.
type proofCatalogue struct {
	i       *Issuer
	key     *ProofKey
	base    Token
	token   string // bound to key
	request Proof
	list    []BadProof
}

func (c *proofCatalogue) add(name string, want error, proofs ...string) {
	c.list = append(c.list, BadProof{name, "DPoP " + c.token, proofs, want})
}

// with adds a proof that is good except for the change.
func (c *proofCatalogue) with(name string, change func(header, claims map[string]any)) {
	p := c.request
	p.Mutate = change
	c.add(name, jwks.ErrInvalidProof, c.key.Proof(c.i.tb, p))
}

func (c *proofCatalogue) good() string { return c.key.Proof(c.i.tb, c.request) }

// form has what is no proof.
func (c *proofCatalogue) form() {
	bad := jwks.ErrInvalidProof
	good := c.good()
	head, rest, _ := strings.Cut(good, ".")
	body, signature, _ := strings.Cut(rest, ".")
	c.add("without a proof", bad)
	c.add("an empty proof", bad, "")
	c.add("one proof twice", bad, good, good)
	c.add("two proofs", bad, c.good(), c.good())
	c.add("two proofs in a list", bad, c.good()+", "+c.good())
	c.add("no proof at all", bad, "proof")
	c.add("two parts", bad, head+"."+body)
	c.add("four parts", bad, good+"."+signature)
	c.add("padded", bad, good+"=")
	c.add("signature left out", bad, head+"."+body+".")
	c.add("signature altered", bad, strings.Join([]string{head, body, flip(signature)}, "."))
	c.add("signature cut short", bad, strings.Join([]string{head, body, signature[:len(signature)/2/4*4]}, "."))
	c.add("signature of another proof", bad, strings.Join([]string{head, body, lastPart(c.good())}, "."))
	c.with("too long", func(_, claims map[string]any) { claims["padding"] = strings.Repeat("x", 16<<10) })
	header, claims := c.key.parts(c.request)
	c.add("header is no object", bad, c.key.signRaw([]byte(`["ES256"]`), mustJSON(claims)))
	c.add("repeated member in the header", bad, c.key.signRaw([]byte(`{"typ":"dpop+jwt",`+string(mustJSON(header))[1:]), mustJSON(claims)))
	c.add("claims are no object", bad, c.key.sign(header, []byte(`[]`)))
	c.add("repeated claim", bad, c.key.sign(header, []byte(`{"jti":"a",`+string(mustJSON(claims))[1:])))
	c.with("critical extension", func(h, _ map[string]any) { h["crit"] = []string{"b64"}; h["b64"] = true })
	for _, typ := range []string{"JWT", "at+jwt", "dpop", ""} {
		c.with("typ "+typ, func(h, _ map[string]any) { h["typ"] = typ })
	}
	c.with("without typ", func(h, _ map[string]any) { delete(h, "typ") })
}

// keys has proofs with wrong algorithms and keys.
func (c *proofCatalogue) keys() {
	bad := jwks.ErrInvalidProof
	header, claims := c.key.parts(c.request)
	for _, alg := range []string{"none", "None", "HS256", "ES384", "RS256", "EdDSA", ""} {
		c.with("alg "+alg+" in the header", func(h, _ map[string]any) { h["alg"] = alg })
	}
	c.with("without alg", func(h, _ map[string]any) { delete(h, "alg") })
	header["alg"] = "none"
	c.add("alg none, no signature", bad, encode(header, claims)+".")
	header["alg"] = "HS256"
	header["jwk"] = map[string]string{"kty": "oct", "k": base64url([]byte("secret"))}
	c.add("HMAC with a key carried along", bad, signHMAC(header, claims, []byte("secret")))

	jwk := func(name, member string, value any) {
		c.with(name, func(h, _ map[string]any) {
			changed := map[string]any{}
			for k, v := range c.key.jwk {
				changed[k] = v
			}
			changed[member] = value
			h["jwk"] = changed
		})
	}
	private, err := c.key.private.(*ecdsa.PrivateKey).Bytes()
	if err != nil {
		panic("jwkstest: " + err.Error()) // not with a key that was made here
	}
	jwk("private key carried along", "d", base64url(private))
	jwk("private member of another type", "p", "AQAB")
	jwk("symmetric member", "k", "AQAB")
	jwk("key for encryption", "use", "enc")
	jwk("key for deriving", "key_ops", []string{"deriveBits"})
	jwk("key for another algorithm", "alg", "ES512")
	jwk("point that is not on the curve", "x", base64url(make([]byte, 32)))
	jwk("coordinate without its first byte", "x", c.key.jwk["x"][4:])
	jwk("unknown curve", "crv", "secp256k1")
	jwk("another curve", "crv", "P-384")
	c.with("without jwk", func(h, _ map[string]any) { delete(h, "jwk") })
	c.with("jwk by reference", func(h, _ map[string]any) {
		delete(h, "jwk")
		h["kid"], h["jku"] = c.key.Thumbprint(), "http://127.0.0.1:1/jwks.json"
	})
	for _, value := range []any{nil, "jwk", []any{}, map[string]any{}} {
		c.with("jwk is "+string(mustJSON(value)), func(h, _ map[string]any) { h["jwk"] = value })
	}

	foreign := c.i.ProofKey(c.i.tb, "")
	c.add("another key's proof", bad, foreign.Proof(c.i.tb, c.request))
	c.with("another key's jwk", func(h, _ map[string]any) { h["jwk"] = foreign.jwk })
	stolen := c.request
	stolen.Mutate = func(h, _ map[string]any) { h["jwk"] = c.key.jwk }
	c.add("another key's signature", bad, foreign.Proof(c.i.tb, stolen))
	curve := &ProofKey{alg: "ES256", now: c.key.now}
	curve.setEC(c.i.tb, elliptic.P384(), "P-384")
	c.add("key on another curve", bad, curve.Proof(c.i.tb, c.request))
}

// claims has proofs for another request, token or time.
func (c *proofCatalogue) claims() {
	claim := func(name, claim string, value any) {
		c.with(name, func(_, claims map[string]any) { claims[claim] = value })
	}
	for _, name := range []string{"jti", "htm", "htu", "iat", "ath"} {
		c.with("without "+name, func(_, claims map[string]any) { delete(claims, name) })
	}
	claim("jti is empty", "jti", "")
	claim("jti is a number", "jti", 1)
	claim("jti is very long", "jti", strings.Repeat("x", 1000))
	claim("another method", "htm", "TRACE")
	claim("the method in lower case", "htm", strings.ToLower(c.request.Method))
	claim("the method in a list", "htm", []string{c.request.Method})

	scheme, rest, _ := strings.Cut(strings.FieldsFunc(c.request.URL, func(r rune) bool { return r == '?' || r == '#' })[0], "://")
	host, path, _ := strings.Cut(rest, "/")
	rest = host + "/" + path
	other := map[string]string{"http": "https", "https": "http"}[scheme]
	for name, htu := range map[string]string{
		"another scheme":        other + "://" + rest,
		"another host":          scheme + "://elsewhere.example/" + path,
		"a host that ends so":   scheme + "://x." + rest,
		"a host that begins so": scheme + "://" + host + ".elsewhere.example/" + path,
		"another port":          scheme + "://" + strings.Split(host, ":")[0] + ":1/" + path,
		"as user of a host":     scheme + "://" + host + "@elsewhere.example/" + path,
		"with a user":           scheme + "://user@" + rest,
		"another path":          scheme + "://" + host + "/elsewhere/" + path,
		"more of a path":        scheme + "://" + rest + "/more",
		"dot segments":          scheme + "://" + host + "/x/../" + path,
		"an escaped slash":      scheme + "://" + host + "/x%2F..%2F" + path,
		"path alone":            "/" + path,
		"no scheme":             "//" + rest,
		"no URL":                "://",
		"another kind of URL":   "urn:" + rest,
	} {
		claim("htu: "+name, "htu", htu)
	}
	if path != "" {
		claim("htu: less of a path", "htu", scheme+"://"+rest[:len(rest)-1])
	}
	if upper := strings.ToUpper(path); upper != path {
		claim("htu: a path in upper case", "htu", scheme+"://"+host+"/"+upper)
	}

	now := c.i.Now()
	claim("made an hour ago", "iat", now.Add(-time.Hour).Unix())
	claim("made in an hour", "iat", now.Add(time.Hour).Unix())
	claim("time as text", "iat", now.Format(time.RFC3339))
	claim("time before all times", "iat", -1)

	elsewhere := sha256.Sum256([]byte(c.token + "x"))
	own := sha256.Sum256([]byte(c.token))
	claim("hash of another token", "ath", base64url(elsewhere[:]))
	claim("hash in hexadecimal", "ath", hex.EncodeToString(own[:]))
	claim("hash of nothing", "ath", "")
	claim("the token itself", "ath", c.token)
}

// tokens has tokens that do not go with their good proofs.
func (c *proofCatalogue) tokens() {
	add := func(name, scheme string, t Token, want error) {
		p := c.request
		p.Token = c.i.AccessToken(c.i.tb, t)
		c.list = append(c.list, BadProof{name, scheme + " " + p.Token, []string{c.key.Proof(c.i.tb, p)}, want})
	}
	with := func(name string, want error, change func(header, claims map[string]any)) {
		t := c.base
		t.Mutate = change
		add(name, "DPoP", t, want)
	}
	confirmed := func(name string, want error, value any) {
		with(name, want, func(_, claims map[string]any) { claims["cnf"] = value })
	}
	c.list = append(c.list, BadProof{"bound token as bearer token", "Bearer " + c.token, nil, jwks.ErrSenderConstrained})
	add("bound token as bearer token, with a proof", "Bearer", c.base, jwks.ErrSenderConstrained)
	unbound := c.base
	unbound.ProofKey = nil
	add("bearer token under the scheme DPoP", "DPoP", unbound, jwks.ErrNotBound)
	other := c.base
	other.ProofKey = c.i.ProofKey(c.i.tb, "")
	add("token bound to another key", "DPoP", other, jwks.ErrInvalidProof)
	jkt := c.key.Thumbprint()
	confirmed("token bound to a certificate", jwks.ErrSenderConstrained, map[string]any{"x5t#S256": jkt})
	confirmed("token bound to a certificate too", jwks.ErrSenderConstrained, map[string]any{"jkt": jkt, "x5t#S256": jkt})
	confirmed("token bound by a list", jwks.ErrSenderConstrained, []string{jkt})
	confirmed("token bound to nothing", jwks.ErrSenderConstrained, nil)
	confirmed("token bound to an empty key", jwks.ErrSenderConstrained, map[string]any{"jkt": ""})
	confirmed("token bound to a number", jwks.ErrSenderConstrained, map[string]any{"jkt": 1})
	with("token for another audience", jwks.ErrAudience, func(_, claims map[string]any) { claims["aud"] = "https://api.example/other" })
	with("token of another issuer", jwks.ErrIssuer, func(_, claims map[string]any) { claims["iss"] = "https://elsewhere.example" })
	expired := c.base
	expired.Lifetime = -time.Hour
	add("expired token", "DPoP", expired, jwks.ErrExpired)
}
