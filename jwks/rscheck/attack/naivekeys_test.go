package attack_test

import (
	"bytes"
	"compress/zlib"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"
)

// naiveKeys holds the issuer's keys, and fetches them when one is unknown.
type naiveKeys struct {
	n       *naive
	mu      sync.Mutex
	keys    map[string]*naiveKey
	fetched time.Time

	fetching sync.Mutex
}

const naiveCooldown = 400 * time.Millisecond

func (s *naiveKeys) get(kid string) (*naiveKey, error) {
	if s.n.has("locks while fetching") {
		s.fetching.Lock()
		defer s.fetching.Unlock()
	}
	s.mu.Lock()
	k, known := s.keys[kid]
	first := s.keys == nil
	fresh := time.Since(s.fetched) < naiveCooldown && !s.n.has("fetches every time")
	if !first && !known && !fresh {
		s.fetched = time.Now()
	}
	old := time.Since(s.fetched) > time.Second && !s.n.has("keys for ever")
	s.mu.Unlock()
	if known && old && !s.n.has("never fetches again") {
		s.mu.Lock()
		s.fetched = time.Now()
		s.mu.Unlock()
		go s.fetch()
	}
	if known {
		return k, nil
	}
	if !first && (s.n.has("never fetches again") || fresh) {
		return nil, errors.New("kid")
	}
	s.fetch()
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.keys[kid]; k != nil {
		return k, nil
	}
	return nil, errors.New("kid")
}

// fetch replaces the keys, and leaves them if it fails.
func (s *naiveKeys) fetch() {
	limit := int64(1 << 20)
	if s.n.has("reads everything") {
		limit = 1 << 40
	}
	body, err := fetch(s.n.issuer.JWKSURL(), limit)
	keys := map[string]*naiveKey{}
	if err == nil {
		keys, err = s.parse(body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetched = time.Now()
	switch {
	case err != nil && s.n.has("forgets at a fault"):
		s.keys = map[string]*naiveKey{}
	case err != nil:
	case s.n.has("keeps removed keys"):
		for kid, k := range s.keys {
			keys[kid] = k
		}
		s.keys = keys
	default:
		s.keys = keys
	}
}

func (s *naiveKeys) parse(body []byte) (map[string]*naiveKey, error) {
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(body, &set); err != nil || set.Keys == nil {
		return nil, errors.New("not a key set")
	}
	keys := map[string]*naiveKey{}
	for _, jwk := range set.Keys {
		k, err := parseNaive(jwk, s.n.has("any purpose"))
		if err != nil && s.n.has("one bad key spoils all") {
			return nil, err
		}
		if err == nil {
			keys[fmt.Sprint(jwk["kid"])] = k
		}
	}
	return keys, nil
}

// first returns the first key of another set.
func (s *naiveKeys) first(address string) (*naiveKey, error) {
	body, err := fetch(address, 1<<20)
	if err != nil {
		return nil, err
	}
	keys, err := s.parse(body)
	for _, k := range keys {
		return k, nil
	}
	return nil, errors.Join(err, errors.New("no key"))
}

func parseNaive(jwk map[string]any, lax bool) (*naiveKey, error) {
	bytes := func(name string) []byte {
		text, _ := jwk[name].(string)
		b, _ := base64.RawURLEncoding.DecodeString(text)
		return b
	}
	if secret := bytes("k"); len(secret) > 0 && lax {
		return &naiveKey{secret: secret}, nil
	}
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(bytes("n")), E: int(new(big.Int).SetBytes(bytes("e")).Int64())}
	if public.N.Sign() == 0 || public.E == 0 {
		return nil, errors.New("not an RSA key")
	}
	use, named := jwk["use"].(string)
	if !lax && (public.N.BitLen() < 2048 || named && use != "sig" || jwk["key_ops"] != nil) {
		return nil, errors.New("not for signatures")
	}
	return &naiveKey{public: public}, nil
}

// proof checks a DPoP proof (RFC 9449 §4.3).
func (n *naive) proof(r *http.Request, token string, claims map[string]any) error {
	proofs := r.Header.Values("DPoP")
	if err := n.unless("two proofs", len(proofs) != 1); err != nil || len(proofs) == 0 {
		return errors.Join(err, errors.New("no proof"))
	}
	parts := strings.Split(proofs[0], ".")
	if len(parts) != 3 {
		return errors.New("not a proof")
	}
	decode := func(part string) []byte { b, _ := base64.RawURLEncoding.DecodeString(part); return b }
	var header struct {
		Alg, Typ string
		Crit     any
		JWK      map[string]string
	}
	var body map[string]any
	if json.Unmarshal(decode(parts[0]), &header) != nil || json.Unmarshal(decode(parts[1]), &body) != nil {
		return errors.New("not JSON")
	}
	point := append(append([]byte{4}, decode(header.JWK["x"])...), decode(header.JWK["y"])...)
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	signature := decode(parts[2])
	valid := false
	if err == nil && len(signature) == 64 && header.Alg == "ES256" {
		digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		valid = ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
	}
	if n.has("proof alg none") && header.Alg == "none" {
		valid = true
	}
	text, _ := json.Marshal(map[string]string{"crv": header.JWK["crv"], "kty": header.JWK["kty"], "x": header.JWK["x"], "y": header.JWK["y"]})
	thumbprint := sha256.Sum256(text)
	cnf, _ := claims["cnf"].(map[string]any)
	ath := sha256.Sum256([]byte(token))
	iat, _ := body["iat"].(float64)
	now := float64(time.Now().Unix())
	jti, _ := body["jti"].(string)
	if err := errors.Join(
		n.unless("proof signature", !valid),
		n.unless("proof typ", header.Typ != "dpop+jwt"),
		n.unless("proof crit", header.Crit != nil),
		n.unless("private keys", header.JWK["d"] != ""),
		n.unless("jkt", cnf["jkt"] != base64.RawURLEncoding.EncodeToString(thumbprint[:]) && (!n.has("unbound by DPoP") || claims["cnf"] != nil)),
		n.unless("htm", body["htm"] != r.Method),
		n.unless("htu", body["htu"] != n.url+r.URL.Path),
		n.unless("ath", body["ath"] != base64.RawURLEncoding.EncodeToString(ath[:])),
		n.unless("proof iat", iat < now-60 || iat > now+60),
		n.unless("jti", jti == ""),
	); err != nil {
		return err
	}
	_, used := n.proofs.LoadOrStore(jti, true)
	return n.unless("replay", used)
}

// naiveList follows the issuer's status list.
type naiveList struct {
	n       *naive
	mu      sync.Mutex
	bits    []byte
	iat     float64
	fetched time.Time
}

const naiveTTL = 300 * time.Millisecond

func (l *naiveList) check(claims map[string]any) error {
	status, _ := claims["status"].(map[string]any)
	reference, _ := status["status_list"].(map[string]any)
	uri, ok := reference["uri"].(string)
	if !ok || !l.n.has("status") {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.fetched) > naiveTTL && !(l.n.has("fetches the list once") && l.bits != nil) {
		l.fetched = time.Now()
		if err := l.fetch(uri); err != nil && l.n.has("a bad list frees") {
			l.bits = make([]byte, 1024)
		}
	}
	index, _ := reference["idx"].(float64)
	if index < 0 || int(index/8) >= len(l.bits) {
		return l.n.unless("indices beyond the list", true)
	}
	if l.bits[int(index)/8]&(1<<(int(index)%8)) != 0 {
		return l.n.unless("revoked", true)
	}
	return nil
}

func (l *naiveList) fetch(uri string) error {
	text, err := fetch(uri, 1<<20)
	parts := strings.Split(string(text), ".")
	if err != nil || len(parts) != 3 {
		return errors.Join(err, errors.New("not a list"))
	}
	decode := func(part string) []byte { b, _ := base64.RawURLEncoding.DecodeString(part); return b }
	var header map[string]any
	var claims struct {
		Sub  string
		Iat  float64
		List struct{ Lst string } `json:"status_list"`
	}
	if err := errors.Join(json.Unmarshal(decode(parts[0]), &header), json.Unmarshal(decode(parts[1]), &claims)); err != nil {
		return err
	}
	signed := l.n.signed(header, nil, parts[0]+"."+parts[1], decode(parts[2]))
	if err := errors.Join(
		l.n.unless("forged lists", signed != nil),
		l.n.unless("lists of another type", header["typ"] != "statuslist+jwt"),
		l.n.unless("other lists", claims.Sub != uri),
		l.n.unless("old lists", claims.Iat < l.iat),
	); err != nil {
		return err
	}
	z, err := zlib.NewReader(bytes.NewReader(decode(claims.List.Lst)))
	if err != nil {
		return err
	}
	bits, err := io.ReadAll(io.LimitReader(z, 1<<20))
	if err != nil || len(bits) == 1<<20 && !l.n.has("bombs") {
		return errors.Join(err, errors.New("too large"))
	}
	l.bits, l.iat = bits, claims.Iat
	return nil
}
