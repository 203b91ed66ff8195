package attack_test

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks/rscheck/attack"
)

// naive is a resource server as somebody would write it by hand, without flaws
// or with those of a test. It knows RS256 alone.
type naive struct {
	issuer *attack.Issuer
	url    string
	flaws  []string

	keys   naiveKeys
	proofs sync.Map // jti of used ones
	lists  naiveList
	fell   atomic.Int64 // when a token was too long for it, in unix microseconds
}

func startNaive(t *testing.T, issuer *attack.Issuer, flaws ...string) *naive {
	t.Helper()
	n := &naive{issuer: issuer, flaws: flaws}
	n.keys.n, n.lists.n = n, n
	server := httptest.NewServer(n)
	t.Cleanup(server.Close)
	n.url = server.URL
	return n
}

func (n *naive) has(flaw string) bool { return slices.Contains(n.flaws, flaw) }

// unless is an error, unless the server has a flaw by which it does not see it.
func (n *naive) unless(flaw string, wrong bool) error {
	if wrong && !n.has(flaw) {
		return errors.New(flaw)
	}
	return nil
}

func (n *naive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/.well-known/") {
		resource := n.url + "/notes"
		if n.has("metadata of another") {
			resource = "https://elsewhere.example/notes"
		}
		fmt.Fprintf(w, `{"resource":%q,"authorization_servers":[%q]}`, resource, n.issuer.URL())
		return
	}
	token, dpop, err := n.token(r)
	if len(token) > 8<<10 && n.has("falls over") {
		n.fell.Store(time.Now().UnixMicro())
	}
	if time.Since(time.UnixMicro(n.fell.Load())) < time.Second {
		panic(http.ErrAbortHandler)
	}
	if token == "" && err == nil {
		n.challenge(w, http.StatusUnauthorized, "")
		return
	}
	var claims map[string]any
	if err == nil {
		claims, err = n.verify(token, dpop)
	}
	if err == nil && dpop {
		err = n.proof(r, token, claims)
	}
	if err != nil {
		if n.has("traces") {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, "goroutine 1 [running]:\nmain.go:17 %v", err)
			return
		}
		if n.has("fails") {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if n.has("repeats the token") {
			w.Header().Set("X-Token", token)
		}
		n.challenge(w, http.StatusUnauthorized, "invalid_token")
		return
	}
	granted, _ := claims["scope"].(string)
	has := slices.Contains(strings.Fields(granted), scope)
	if n.has("scope by substring") {
		has = strings.Contains(granted, scope)
	}
	if !has && !n.has("scope") {
		n.challenge(w, http.StatusForbidden, "insufficient_scope")
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (n *naive) challenge(w http.ResponseWriter, status int, code string) {
	switch {
	case n.has("redirects"):
		w.Header().Set("Location", "/login")
		w.WriteHeader(http.StatusFound)
		return
	case n.has("no challenge"):
		w.WriteHeader(status)
		return
	case n.has("error without token") && code == "":
		code = "invalid_token"
	case n.has("other codes") && code != "":
		code, status = "bad", http.StatusForbidden
	}
	if n.has("cacheable") {
		w.Header().Set("Cache-Control", "public, max-age=60")
	}
	text := fmt.Sprintf(`resource_metadata="%s/.well-known/oauth-protected-resource/notes"`, n.url)
	if code != "" {
		text += fmt.Sprintf(`, error=%q, scope=%q`, code, scope)
	}
	w.Header().Add("WWW-Authenticate", "Bearer "+text)
	if n.has("DPoP") && !n.has("no DPoP challenge") {
		w.Header().Add("WWW-Authenticate", `DPoP algs="ES256"`)
	}
	w.WriteHeader(status)
}

// token finds the token, and says whether it came by DPoP.
func (n *naive) token(r *http.Request) (token string, dpop bool, err error) {
	values := r.Header.Values("Authorization")
	query := r.URL.Query().Get("access_token")
	if n.has("query") && len(values) == 0 && query != "" {
		return query, false, nil
	}
	if cookie, err := r.Cookie("access_token"); err == nil && n.has("cookie") && len(values) == 0 {
		return cookie.Value, false, nil
	}
	if err := n.unless("two ways", query != "" && len(values) > 0); err != nil {
		return "", false, err
	}
	if err := n.unless("two headers", len(values) > 1); err != nil || len(values) == 0 {
		return "", false, err
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if n.has("many") {
		token, _, _ = strings.Cut(token, ",")
	}
	switch {
	case strings.EqualFold(scheme, "Bearer"), n.has("any scheme"):
		return token, false, nil
	case strings.EqualFold(scheme, "DPoP") && n.has("DPoP"):
		return token, true, nil
	}
	return "", false, nil
}

func (n *naive) decode(part string) ([]byte, error) {
	if n.has("padding") {
		part = strings.TrimRight(part, "=")
	}
	if n.has("whitespace") {
		part = strings.NewReplacer(" ", "", "\t", "").Replace(part)
	}
	if n.has("alphabet") {
		part = strings.NewReplacer("+", "-", "/", "_").Replace(part)
	}
	if n.has("trailing bits") {
		return base64.RawURLEncoding.DecodeString(part)
	}
	return base64.RawURLEncoding.Strict().DecodeString(part)
}

// object reads a JSON object as the flaws have it.
func (n *naive) object(text []byte) (map[string]any, error) {
	object := map[string]any{}
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return nil, fmt.Errorf("not an object: %w", err)
	}
	if n.has("names in any case") {
		folded := map[string]any{}
		n.inOrder(text, func(name string, value any) { folded[strings.ToLower(name)] = value })
		return folded, nil
	}
	if n.has("first of duplicates") {
		first := map[string]any{}
		n.inOrder(text, func(name string, value any) {
			if _, found := first[name]; !found {
				first[name] = value
			}
		})
		return first, nil
	}
	return object, nil
}

func (*naive) inOrder(text []byte, member func(name string, value any)) {
	d := json.NewDecoder(bytes.NewReader(text))
	_, _ = d.Token()
	for d.More() {
		name, _ := d.Token()
		var value any
		_ = d.Decode(&value)
		member(fmt.Sprint(name), value)
	}
}

func (n *naive) verify(token string, dpop bool) (map[string]any, error) {
	if len(token) > 8<<10 {
		return nil, errors.New("too long")
	}
	var flattened struct{ Protected, Payload, Signature string }
	if n.has("JSON") && json.Unmarshal([]byte(token), &flattened) == nil {
		token = flattened.Protected + "." + flattened.Payload + "." + flattened.Signature
	}
	parts := strings.Split(token, ".")
	if n.has("two parts") && len(parts) == 2 {
		parts = append(parts, "")
	}
	if len(parts) != 3 {
		return nil, errors.New("not three parts")
	}
	head, err := n.decode(parts[0])
	if err != nil {
		return nil, err
	}
	header, err := n.object(head)
	if err != nil {
		return nil, err
	}
	body, err := n.decode(parts[1])
	if err != nil {
		return nil, err
	}
	signature, err := n.decode(parts[2])
	if err != nil {
		return nil, err
	}
	claims, err := n.object(body)
	if err != nil {
		return nil, err
	}
	message := parts[0] + "." + parts[1]
	if header["b64"] == false && n.has("b64") {
		delete(header, "crit")
		message = parts[0] + "." + string(body)
	}
	if err := n.signed(header, claims, message, signature); err != nil {
		return nil, err
	}
	return claims, n.claims(header, claims, dpop)
}

func (n *naive) signed(header, claims map[string]any, message string, signature []byte) error {
	alg, _ := header["alg"].(string)
	if _, critical := header["crit"]; critical && !n.has("crit") {
		return errors.New("crit")
	}
	if n.has("alg none") && (strings.EqualFold(alg, "none") || alg == "") {
		return nil
	}
	if n.has("signature") {
		return n.unless("", alg != "RS256")
	}
	k, err := n.key(header, claims)
	if err != nil {
		return err
	}
	if n.has("HMAC") && alg == "HS256" {
		mac := hmac.New(sha256.New, k.pem())
		mac.Write([]byte(message))
		return n.unless("", !hmac.Equal(mac.Sum(nil), signature))
	}
	if n.has("HMAC of nothing") && alg == "HS256" {
		mac := hmac.New(sha256.New, nil)
		mac.Write([]byte(message))
		return n.unless("", !hmac.Equal(mac.Sum(nil), signature))
	}
	if n.has("symmetric keys") && alg == "HS256" && k.secret != nil {
		mac := hmac.New(sha256.New, k.secret)
		mac.Write([]byte(message))
		return n.unless("", !hmac.Equal(mac.Sum(nil), signature))
	}
	hashes := map[string]crypto.Hash{"RS256": crypto.SHA256}
	if n.has("any RSA") {
		hashes["RS384"], hashes["RS512"] = crypto.SHA384, crypto.SHA512
	}
	if n.has("header ignored") {
		hashes[alg] = crypto.SHA256
	}
	hash, known := hashes[alg]
	if !known || k.public == nil {
		return errors.New("alg")
	}
	h := hash.New()
	h.Write([]byte(message))
	if n.has("short signatures") && len(signature) < 256 {
		return nil
	}
	return rsa.VerifyPKCS1v15(k.public, hash, h.Sum(nil), signature)
}

// key finds the key of a token.
func (n *naive) key(header, claims map[string]any) (*naiveKey, error) {
	if jwk, ok := header["jwk"].(map[string]any); ok && n.has("jwk") {
		return parseNaive(jwk, true)
	}
	if jku, ok := header["jku"].(string); ok && n.has("jku") {
		return n.keys.first(jku)
	}
	if jku, ok := header["jku"].(string); ok && n.has("jku looked at") {
		_, _ = n.keys.first(jku)
	}
	if iss, ok := claims["iss"].(string); ok && n.has("any issuer's keys") && iss != n.issuer.URL() {
		return n.keys.first(iss + "/jwks.json")
	}
	kid, ok := header["kid"].(string)
	if n.has("HMAC of nothing") && strings.Contains(kid, "/dev/null") {
		return &naiveKey{}, nil
	}
	if !ok {
		return nil, errors.New("kid")
	}
	return n.keys.get(kid)
}

func (n *naive) claims(header, claims map[string]any, dpop bool) error {
	now := float64(time.Now().Unix())
	typ, _ := header["typ"].(string)
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	audience := audience
	aud := list(claims["aud"])
	holds := slices.Contains(aud, audience)
	if n.has("aud prefix") {
		holds = slices.ContainsFunc(aud, func(a string) bool { return strings.HasPrefix(a, audience) })
	}
	if n.has("aud missing") && claims["aud"] == nil {
		holds = true
	}
	iss, _ := claims["iss"].(string)
	if n.has("iss slash") {
		iss = strings.TrimRight(iss, "/")
	}
	exp, number := claims["exp"].(float64)
	if n.has("exp missing") && claims["exp"] == nil || n.has("exp text") && !number && claims["exp"] != nil {
		exp = now + 60
	}
	if text, ok := claims["exp"].(string); ok && n.has("exp as text") {
		_, _ = fmt.Sscan(text, &exp)
	}
	leeway := 10.0
	if n.has("leeway") {
		leeway = 1800
	}
	nbf, _ := claims["nbf"].(float64)
	iat, _ := claims["iat"].(float64)
	_, bound := claims["cnf"]
	text := func(name string) bool { s, ok := claims[name].(string); return ok && s != "" }
	return errors.Join(
		n.unless("typ", typ != "at+jwt" && (!n.has("typ missing") || typ != "") && (!n.has("typ JWT") || typ != "jwt")),
		n.unless("aud", !holds),
		n.unless("iss", iss != n.issuer.URL()),
		n.unless("exp", exp < now-leeway || exp > 1e11 && !n.has("exp huge")),
		n.unless("nbf", nbf > now+leeway),
		n.unless("iat", iat > now+leeway),
		n.unless("required claims", !text("sub") || !text("client_id") || iat == 0 || !text("jti")),
		n.unless("bound as bearer", bound && !dpop),
		n.lists.check(claims),
	)
}

func list(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var texts []string
		for _, x := range v {
			if s, ok := x.(string); ok {
				texts = append(texts, s)
			}
		}
		return texts
	}
	return nil
}

type naiveKey struct {
	public *rsa.PublicKey
	secret []byte
}

func (k *naiveKey) pem() []byte {
	der, _ := x509.MarshalPKIXPublicKey(k.public)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func fetch(address string, limit int64) ([]byte, error) {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(address)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, limit))
	if err != nil {
		return nil, err
	}
	return body, nil
}
