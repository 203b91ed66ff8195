package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Defaults of DPoPConfig.
const (
	DefaultProofAge       = time.Minute
	DefaultMaxProofs      = 1 << 17
	DefaultMaxNonceProofs = 1 << 19 // with RequireNonce
)

const (
	maxProofAge     = 10 * time.Minute
	maxProofBytes   = 4 << 10 // room for an RSA key of maxProofRSABits and its signature
	maxProofRSABits = 4096    // anybody may choose the key; longer ones cost too much
	maxProofID      = 256     // bytes of a jti
	nonceStep       = 2 * time.Minute
)

// DPoPConfig says which proofs of possession a [DPoP] accepts.
type DPoPConfig struct {
	// BaseURL is where clients reach what the Guard sees as the path "/", such
	// as "https://api.example", or "https://example.org/notes" behind a
	// gateway that takes "/notes" off. A proof names the URL of its request,
	// which is compared with this and never with the Host, Forwarded or
	// X-Forwarded-* header: a caller could choose those. Required.
	BaseURL string
	// Required refuses bearer tokens.
	Required bool

	// Algorithms that a proof may be signed with. Nil: ES256, EdDSA, Ed25519,
	// PS256 and RS256. A token may narrow that: see [DPoP].
	Algorithms []string
	// MaxAge is how long a proof is good after it was made. Zero: 1 minute. At
	// most 10 minutes. With RequireNonce, the nonce's age counts instead.
	MaxAge time.Duration
	// Leeway is how far the clocks of client and service may differ. Zero:
	// DefaultLeeway. Negative: none. At most 5 minutes. With RequireNonce, the
	// client's clock does not matter.
	Leeway time.Duration
	// MaxProofs is how many proofs are remembered in each of two periods of
	// MaxAge and twice Leeway, so that none is good twice; some 40 bytes each.
	// With RequireNonce, a period is 6 minutes.
	// When there are more, requests are refused with ErrTooManyProofs. A key
	// gets no more of that room than it leaves free, so that one client, which
	// has half of it at most, does not shut out others. Zero: 131072, which is
	// 1600 proofs a second, or with RequireNonce 524288, which is 1450.
	MaxProofs int

	// RequireNonce demands that proofs name a nonce that this service gave out
	// in the last 2 to 4 minutes, which the refusal of one without tells: a
	// proof cannot be made in advance then, and may have any iat (RFC 9449
	// §4.3, number 11). It costs clients a request more now and then.
	RequireNonce bool
	// NonceKey is what nonces are made with: 32 secret bytes or more, the same
	// for all replicas behind one address. Nil: random, for this process alone.
	NonceKey []byte
}

// A DPoP checks that who sends an access token has the key that it is bound to
// (RFC 9449), and that each proof is used once. Give it to a Guard; several
// Guards may share it. Many goroutines may use it at once.
//
// A token with the claim dpop_alg, a string, takes proofs by that algorithm
// alone. An issuer that knows its clients can so hold one to a profile, such as
// FAPI 2.0, which forbids RS256, at services that do not know it: the key
// alone does not say by which algorithm an RSA key signs.
//
// The memory of proofs used is that of the process. Behind a load balancer a
// proof could be used once at each replica, within MaxAge; where that matters,
// keep a client at one replica, or require nonces without a shared NonceKey
// and the same stickiness.
type DPoP struct {
	base       string // scheme, host and path prefix, normalized
	required   bool
	algorithms []string
	names      string // of the algorithms, for challenges
	maxAge     time.Duration
	leeway     time.Duration
	used       usedProofs
	nonceKey   []byte // nil: none is required
}

// NewDPoP returns a DPoP, or an error that says what is wrong with the
// configuration.
func NewDPoP(cfg DPoPConfig) (*DPoP, error) {
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || !isWebURL(base) || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("jwks: DPoPConfig needs a BaseURL: an http or https URL without user, query or fragment")
	}
	switch {
	case cfg.MaxAge < 0 || cfg.MaxAge > maxProofAge:
		return nil, fmt.Errorf("jwks: a MaxAge of %v is negative or more than %v", cfg.MaxAge, maxProofAge)
	case cfg.Leeway > maxLeeway:
		return nil, fmt.Errorf("jwks: a leeway of %v is more than %v", cfg.Leeway, maxLeeway)
	case cfg.MaxProofs < 0:
		return nil, errors.New("jwks: MaxProofs is negative")
	case cfg.NonceKey != nil && len(cfg.NonceKey) < 32:
		return nil, errors.New("jwks: a NonceKey must have 32 bytes or more")
	}
	d := &DPoP{
		base:     strings.TrimSuffix(normalURL(base, ""), "/"),
		required: cfg.Required,
		maxAge:   cfg.MaxAge,
		leeway:   max(cfg.Leeway, 0),
	}
	if d.maxAge == 0 {
		d.maxAge = DefaultProofAge
	}
	if cfg.Leeway == 0 {
		d.leeway = DefaultLeeway
	}
	d.used.limit = cfg.MaxProofs
	if d.used.limit == 0 {
		d.used.limit = DefaultMaxProofs
	}
	// From the earliest moment that a proof is good to the last.
	d.used.period = d.maxAge + 2*d.leeway
	allowed := cfg.Algorithms
	if len(allowed) == 0 {
		allowed = []string{"ES256", "EdDSA", "Ed25519", "PS256", "RS256"}
	}
	for _, name := range allowed {
		if _, ok := algorithms[name]; !ok {
			return nil, fmt.Errorf("jwks: algorithm %q is unknown, or no signature by a private key", name)
		}
	}
	d.algorithms = slices.Clone(allowed)
	d.names = strings.Join(allowed, " ")
	if cfg.RequireNonce {
		d.used.period = 3 * nonceStep // see checkTime
		if cfg.MaxProofs == 0 {
			d.used.limit = DefaultMaxNonceProofs
		}
		d.nonceKey = slices.Clone(cfg.NonceKey)
		if d.nonceKey == nil {
			d.nonceKey = make([]byte, 32)
			_, _ = rand.Read(d.nonceKey) // never fails
		}
	}
	return d, nil
}

// Algorithms returns the algorithms that a proof may be signed with, for
// metadata (RFC 9728 §2, dpop_signing_alg_values_supported).
func (d *DPoP) Algorithms() []string { return slices.Clone(d.algorithms) }

// proofError is ErrInvalidProof with what is wrong, which names no part of the
// proof and so may be told.
type proofError string

func (e proofError) Error() string { return ErrInvalidProof.Error() + ": " + string(e) }

func (proofError) Unwrap() error { return ErrInvalidProof }

// The reasons for which a proof is refused.
const (
	errProofMissing   = proofError("the header is missing")
	errProofTwice     = proofError("there are several headers")
	errProofSize      = proofError("it is too long")
	errProofMalformed = proofError("it is malformed")
	errProofType      = proofError("typ is not dpop+jwt")
	errProofAlgorithm = proofError("alg is not accepted")
	errProofKey       = proofError("jwk is not a public key that fits alg")
	errProofBinding   = proofError("jwk is not the key that the access token is bound to")
	errProofBoundAlg  = proofError("alg is not the one that the access token is bound to")
	errProofSignature = proofError("the signature is wrong")
	errProofClaims    = proofError("a claim is missing or malformed")
	errProofMethod    = proofError("htm is not the request's method")
	errProofURL       = proofError("htu is not the request's URL")
	errProofAge       = proofError("iat is too long ago or in the future")
	errProofToken     = proofError("ath is not the access token's hash")
)

// binding is what a token is bound to.
type binding struct {
	thumbprint string // cnf.jkt
	algorithm  string // dpop_alg; empty: any
}

// check checks the request's proof for its token (RFC 9449 §4.3, in this order
// but for what is cheap). fresh is a nonce that the client should use from now
// on, or empty.
func (d *DPoP) check(r *http.Request, token string, bound binding, now time.Time) (fresh string, err error) {
	values := r.Header.Values("DPoP")
	switch {
	case len(values) == 0:
		return "", errProofMissing
	case len(values) > 1:
		return "", errProofTwice
	}
	p, err := ParseProof(values[0], d.algorithms)
	if err != nil {
		return "", err
	}
	switch {
	case p.TokenHash == "":
		return "", errProofClaims
	case p.Thumbprint != bound.thumbprint:
		return "", errProofBinding
	case bound.algorithm != "" && !SameAlgorithm(p.Algorithm, bound.algorithm):
		return "", errProofBoundAlg
	case p.Method != r.Method:
		return "", errProofMethod
	case !d.isFor(p.URL, r.URL):
		return "", errProofURL
	case !p.IsForToken(token):
		return "", errProofToken
	}
	if fresh, err = d.checkTime(p, now); err != nil {
		return "", err
	}
	return fresh, d.used.use(p.Thumbprint, p.ID, now)
}

// checkTime checks when a proof was made: by its nonce, which this service
// dated itself, or else by iat (RFC 9449 §4.3, number 11).
func (d *DPoP) checkTime(p *Proof, now time.Time) (fresh string, err error) {
	if d.nonceKey == nil {
		if p.IssuedAt.After(now.Add(d.leeway)) || !now.Before(p.IssuedAt.Add(d.maxAge+d.leeway)) {
			return "", errProofAge
		}
		return "", nil
	}
	latest := d.nonce(now)
	switch p.Nonce {
	case latest:
		return "", nil
	// A nonce is good in the step after its own too, and a replica's clock may
	// be ahead.
	case d.nonce(now.Add(-nonceStep)), d.nonce(now.Add(nonceStep)):
		return latest, nil
	}
	return "", ErrProofNonce
}

// A Proof is a DPoP proof (RFC 9449 §4.2) of the right form, whose signature is
// that of the key that it carries. What it says may still be anything.
type Proof struct {
	Thumbprint string // RFC 7638 with SHA-256, of the key
	Algorithm  string // alg

	ID        string    // jti
	Method    string    // htm
	URL       string    // htu
	IssuedAt  time.Time // iat
	TokenHash string    // ath; empty: none
	Nonce     string    // nonce; empty: none
}

// ParseProof reads the value of a DPoP header, for servers that no [Guard] is
// made for, such as a token endpoint. The proof may be signed with one of the
// algorithms. It has jti, htm, htu and iat, and a jti of at most 256 bytes. It
// is for the caller to compare them with the request, and to make sure that it
// is used once. The error is ErrInvalidProof, and its text may be told.
func ParseProof(text string, algorithms []string) (*Proof, error) {
	return parseProof(text, algorithms, Key.Verifies)
}

func parseProof(text string, algorithms []string, verifies func(key Key, alg string, message, signature []byte) bool) (*Proof, error) {
	if len(text) > maxProofBytes {
		return nil, errProofSize
	}
	head, rest, ok := strings.Cut(text, ".")
	if !ok {
		return nil, errProofMalformed
	}
	body, sig, ok := strings.Cut(rest, ".")
	if !ok || strings.IndexByte(sig, '.') >= 0 {
		return nil, errProofMalformed
	}
	header, err := decodeBase64(nil, head)
	if err != nil {
		return nil, errProofMalformed
	}
	payload, err := decodeBase64(nil, body)
	if err != nil {
		return nil, errProofMalformed
	}
	signature, err := decodeBase64(nil, sig)
	if err != nil {
		return nil, errProofMalformed
	}
	key, alg, err := parseProofHeader(header, algorithms)
	if err != nil {
		return nil, err
	}
	if !verifies(key, alg, []byte(text[:len(head)+1+len(body)]), signature) {
		return nil, errProofSignature
	}
	p := &Proof{Thumbprint: thumbprint(key.public), Algorithm: alg}
	err = eachMember(payload, func(name, value []byte) (err error) {
		switch string(name) {
		case "jti":
			p.ID, err = stringValue(value)
		case "htm":
			p.Method, err = stringValue(value)
		case "htu":
			p.URL, err = stringValue(value)
		case "ath":
			p.TokenHash, err = stringValue(value)
		case "nonce":
			p.Nonce, err = stringValue(value)
		case "iat":
			p.IssuedAt, err = timeValue(value)
		}
		return err
	})
	if err != nil || p.ID == "" || len(p.ID) > maxProofID || p.Method == "" || p.URL == "" || p.IssuedAt.IsZero() {
		return nil, errProofClaims
	}
	return p, nil
}

// IsForURL says whether the proof names a URL, both without query and
// fragment, and normalized (RFC 9449 §4.3).
func (p *Proof) IsForURL(target string) bool {
	u, err := url.Parse(p.URL)
	if err != nil || !isWebURL(u) {
		return false
	}
	want, err := url.Parse(target)
	return err == nil && normalURL(u, "/") == normalURL(want, "/")
}

// IsForToken says whether the proof has the hash of an access token.
func (p *Proof) IsForToken(token string) bool {
	ath := sha256.Sum256([]byte(token))
	return p.TokenHash == base64url.EncodeToString(ath[:])
}

// parseProofHeader returns the key that the proof carries, which fits its
// algorithm, one of those that are allowed.
func parseProofHeader(header []byte, allowed []string) (key Key, alg string, err error) {
	var typ string
	var jwk []byte
	err = eachMember(header, func(name, value []byte) (err error) {
		switch string(name) {
		case "alg":
			alg, err = stringValue(value)
		case "typ":
			typ, err = stringValue(value)
		case "jwk":
			jwk = slices.Clone(value)
		case "crit":
			err = errCritical
		}
		return err
	})
	if err != nil {
		return Key{}, "", errProofMalformed
	}
	if tokenType(typ) != "dpop+jwt" {
		return Key{}, "", errProofType
	}
	if !slices.Contains(allowed, alg) {
		return Key{}, "", errProofAlgorithm
	}
	if jwk == nil {
		return Key{}, "", errProofKey
	}
	// parseKey refuses symmetric and private keys.
	key, err = parseKey(jwk)
	if err != nil || !key.Fits(alg) {
		return Key{}, "", errProofKey
	}
	if public, ok := key.public.(*rsa.PublicKey); ok && public.N.BitLen() > maxProofRSABits {
		return Key{}, "", errProofKey
	}
	return key, alg, nil
}

// thumbprint is RFC 7638 with SHA-256, of a key as parseKey makes it: the
// members that are required, in the order of their names.
func thumbprint(public crypto.PublicKey) string {
	var canonical string
	switch key := public.(type) {
	case *rsa.PublicKey:
		e := big.NewInt(int64(key.E)).Bytes()
		canonical = `{"e":"` + base64url.EncodeToString(e) + `","kty":"RSA","n":"` + base64url.EncodeToString(key.N.Bytes()) + `"}`
	case *ecdsa.PublicKey:
		point, err := key.Bytes() // 4, x and y
		if err != nil {
			return ""
		}
		size := (len(point) - 1) / 2
		canonical = `{"crv":"` + key.Params().Name + `","kty":"EC","x":"` + base64url.EncodeToString(point[1:1+size]) +
			`","y":"` + base64url.EncodeToString(point[1+size:]) + `"}`
	case ed25519.PublicKey:
		canonical = `{"crv":"Ed25519","kty":"OKP","x":"` + base64url.EncodeToString(key) + `"}`
	default:
		return ""
	}
	sum := sha256.Sum256([]byte(canonical))
	return base64url.EncodeToString(sum[:])
}

// isFor says whether a proof's htu is the URL of the request, both without
// query and fragment, and normalized (RFC 9449 §4.3).
func (d *DPoP) isFor(htu string, request *url.URL) bool {
	u, err := url.Parse(htu)
	if err != nil || !isWebURL(u) {
		return false
	}
	path := request.EscapedPath()
	if !strings.HasPrefix(path, "/") {
		return false
	}
	want := d.base + normalPath(path)
	return normalURL(u, "/") == want || path == "/" && normalURL(u, "") == d.base
}

// isWebURL says whether u is absolute, and http or https, and names no user.
func isWebURL(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil && u.Opaque == ""
}

// normalURL is u without query and fragment, by RFC 3986 §6.2.2 and §6.2.3,
// and empty stands for an empty path. Dot segments stay: a router might not
// take them out, so a URL with them is not the one without.
func normalURL(u *url.URL, empty string) string {
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" && !(u.Scheme == "http" && port == "80") && !(u.Scheme == "https" && port == "443") {
		host += ":" + port
	}
	path := normalPath(u.EscapedPath())
	if path == "" {
		path = empty
	}
	return u.Scheme + "://" + host + path
}

// normalPath decodes the escapes of characters that need none, and writes the
// others in upper case. The path is validly escaped.
func normalPath(path string) string {
	if strings.IndexByte(path, '%') < 0 {
		return path
	}
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' || i+2 >= len(path) {
			b.WriteByte(path[i])
			continue
		}
		var c [1]byte
		if _, err := hex.Decode(c[:], []byte(path[i+1:i+3])); err != nil {
			b.WriteByte(path[i])
			continue
		}
		if isUnreserved(c[0]) {
			b.WriteByte(c[0])
		} else {
			b.WriteString(strings.ToUpper(path[i : i+3]))
		}
		i += 2
	}
	return b.String()
}

// isUnreserved is RFC 3986 §2.3.
func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// nonce is the nonce of a moment: a keyed hash of the step of time that it is
// in, so that nothing need be kept.
func (d *DPoP) nonce(now time.Time) string {
	mac := hmac.New(sha256.New, d.nonceKey)
	mac.Write(binary.BigEndian.AppendUint64([]byte("DPoP-Nonce"), uint64(now.UnixNano()/int64(nonceStep))))
	return base64url.EncodeToString(mac.Sum(nil)[:18])
}

// usedProofs is the memory of proofs used. There are two periods: when the
// current one is over, what was used in the one before is forgotten, by when
// it is too old to be good. So nothing need be searched for what is old.
type usedProofs struct {
	limit  int
	period time.Duration

	mu               sync.Mutex
	started          time.Time // the current period
	current, earlier map[[16]byte]struct{}
	byKey            map[[16]byte]int // how many of current are of a key
}

// use remembers a proof by its key and id. It returns ErrReplayedProof for one
// that was used, and ErrTooManyProofs if no more can be remembered.
func (u *usedProofs) use(thumbprint, id string, now time.Time) error {
	// The thumbprint's length is always the same.
	hash, key := shortHash(thumbprint+id), shortHash(thumbprint)
	u.mu.Lock()
	defer u.mu.Unlock()
	if passed := now.Sub(u.started); u.current == nil || passed >= u.period {
		u.earlier = u.current
		if passed >= 2*u.period {
			u.earlier = nil
		}
		u.started, u.current, u.byKey = now, make(map[[16]byte]struct{}), make(map[[16]byte]int)
	}
	if _, ok := u.current[hash]; ok {
		return ErrReplayedProof
	}
	if _, ok := u.earlier[hash]; ok {
		return ErrReplayedProof
	}
	if u.byKey[key] >= u.limit-len(u.current) {
		return ErrTooManyProofs
	}
	u.current[hash] = struct{}{}
	u.byKey[key]++
	return nil
}

func shortHash(s string) [16]byte {
	sum := sha256.Sum256([]byte(s))
	return [16]byte(sum[:16])
}
