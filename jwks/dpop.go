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
	DefaultProofAge    = time.Minute
	DefaultProofLeeway = 10 * time.Second
	DefaultMaxProofs   = 1 << 17
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
	// PS256 and RS256.
	Algorithms []string
	// MaxAge is how long a proof is good after it was made. Zero: 1 minute. At
	// most 10 minutes.
	MaxAge time.Duration
	// Leeway is how far the clocks of client and service may differ. Zero: 10
	// seconds. Negative: none. At most 5 minutes.
	Leeway time.Duration
	// MaxProofs is how many proofs are remembered in each of two periods of
	// MaxAge and twice Leeway, so that none is good twice; some 40 bytes each.
	// When there are more, requests are refused with ErrTooManyProofs. A key
	// gets no more of that room than it leaves free, so that one client, which
	// has half of it at most, does not shut out others. Zero: 131072, which is
	// 1600 proofs a second.
	MaxProofs int

	// RequireNonce demands that proofs name a recent nonce of this service,
	// which the refusal of one without tells: a proof cannot be made in
	// advance then. It costs clients a request more now and then.
	RequireNonce bool
	// NonceKey is what nonces are made with: 32 secret bytes or more, the same
	// for all replicas behind one address. Nil: random, for this process alone.
	NonceKey []byte
}

// A DPoP checks that who sends an access token has the key that it is bound to
// (RFC 9449), and that each proof is used once. Give it to a Guard; several
// Guards may share it. Many goroutines may use it at once.
//
// The memory of proofs used is that of the process. Behind a load balancer a
// proof could be used once at each replica, within MaxAge; where that matters,
// keep a client at one replica, or require nonces without a shared NonceKey
// and the same stickiness.
type DPoP struct {
	base       string // scheme, host and path prefix, normalized
	required   bool
	algorithms map[string]algorithm
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
		base:       strings.TrimSuffix(normalURL(base, ""), "/"),
		required:   cfg.Required,
		algorithms: make(map[string]algorithm),
		maxAge:     cfg.MaxAge,
		leeway:     max(cfg.Leeway, 0),
	}
	if d.maxAge == 0 {
		d.maxAge = DefaultProofAge
	}
	if cfg.Leeway == 0 {
		d.leeway = DefaultProofLeeway
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
		algo, ok := algorithms[name]
		if !ok {
			return nil, fmt.Errorf("jwks: algorithm %q is unknown, or no signature by a private key", name)
		}
		d.algorithms[name] = algo
	}
	d.names = strings.Join(allowed, " ")
	if cfg.RequireNonce {
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
func (d *DPoP) Algorithms() []string { return strings.Fields(d.names) }

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
	errProofSignature = proofError("the signature is wrong")
	errProofClaims    = proofError("a claim is missing or malformed")
	errProofMethod    = proofError("htm is not the request's method")
	errProofURL       = proofError("htu is not the request's URL")
	errProofAge       = proofError("iat is too long ago or in the future")
	errProofToken     = proofError("ath is not the access token's hash")
)

// check checks the request's proof for its token, which is bound to the key
// with the thumbprint (RFC 9449 §4.3, in this order but for what is cheap).
// fresh is a nonce that the client should use from now on, or empty.
func (d *DPoP) check(r *http.Request, token, thumbprint string, now time.Time) (fresh string, err error) {
	values := r.Header.Values("DPoP")
	switch {
	case len(values) == 0:
		return "", errProofMissing
	case len(values) > 1:
		return "", errProofTwice
	}
	p, err := d.parse(values[0])
	if err != nil {
		return "", err
	}
	ath := sha256.Sum256([]byte(token))
	switch {
	case p.thumbprint != thumbprint:
		return "", errProofBinding
	case p.method != r.Method:
		return "", errProofMethod
	case !d.isFor(p.url, r.URL):
		return "", errProofURL
	case p.issuedAt.After(now.Add(d.leeway)) || !now.Before(p.issuedAt.Add(d.maxAge+d.leeway)):
		return "", errProofAge
	case p.tokenHash != base64url.EncodeToString(ath[:]):
		return "", errProofToken
	}
	if d.nonceKey != nil {
		latest := d.nonce(now)
		if p.nonce != latest {
			fresh = latest
			// A nonce is good in the step after its own too, and a replica's
			// clock may be ahead.
			if p.nonce != d.nonce(now.Add(-nonceStep)) && p.nonce != d.nonce(now.Add(nonceStep)) {
				return "", ErrProofNonce
			}
		}
	}
	return fresh, d.used.use(p.thumbprint, p.id, now)
}

// proof is a proof whose signature is right.
type proof struct {
	thumbprint      string // of the key that it carries and is signed with
	id, method, url string
	tokenHash       string
	nonce           string
	issuedAt        time.Time
}

// parse reads a proof and checks all that does not depend on the request.
func (d *DPoP) parse(text string) (p proof, err error) {
	if len(text) > maxProofBytes {
		return proof{}, errProofSize
	}
	head, rest, ok := strings.Cut(text, ".")
	if !ok {
		return proof{}, errProofMalformed
	}
	body, sig, ok := strings.Cut(rest, ".")
	if !ok || strings.IndexByte(sig, '.') >= 0 {
		return proof{}, errProofMalformed
	}
	header, err := decodeBase64(nil, head)
	if err != nil {
		return proof{}, errProofMalformed
	}
	payload, err := decodeBase64(nil, body)
	if err != nil {
		return proof{}, errProofMalformed
	}
	signature, err := decodeBase64(nil, sig)
	if err != nil {
		return proof{}, errProofMalformed
	}
	key, algo, err := d.parseProofHeader(header)
	if err != nil {
		return proof{}, err
	}
	if !algo.verifies(key, []byte(text[:len(head)+1+len(body)]), signature) {
		return proof{}, errProofSignature
	}
	p.thumbprint = thumbprint(key.public)
	err = eachMember(payload, func(name, value []byte) (err error) {
		switch string(name) {
		case "jti":
			p.id, err = stringValue(value)
		case "htm":
			p.method, err = stringValue(value)
		case "htu":
			p.url, err = stringValue(value)
		case "ath":
			p.tokenHash, err = stringValue(value)
		case "nonce":
			p.nonce, err = stringValue(value)
		case "iat":
			p.issuedAt, err = timeValue(value)
		}
		return err
	})
	if err != nil || p.id == "" || len(p.id) > maxProofID || p.method == "" || p.url == "" || p.tokenHash == "" || p.issuedAt.IsZero() {
		return proof{}, errProofClaims
	}
	return p, nil
}

// parseProofHeader returns the key that the proof carries, and its algorithm.
func (d *DPoP) parseProofHeader(header []byte) (key Key, algo algorithm, err error) {
	var alg, typ string
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
		return Key{}, algorithm{}, errProofMalformed
	}
	if tokenType(typ) != "dpop+jwt" {
		return Key{}, algorithm{}, errProofType
	}
	algo, ok := d.algorithms[alg]
	if !ok {
		return Key{}, algorithm{}, errProofAlgorithm
	}
	if jwk == nil {
		return Key{}, algorithm{}, errProofKey
	}
	// parseKey refuses symmetric and private keys.
	key, err = parseKey(jwk)
	if err != nil || !algo.fits(key.public) || key.algorithm != "" && key.algorithm != alg {
		return Key{}, algorithm{}, errProofKey
	}
	if public, ok := key.public.(*rsa.PublicKey); ok && public.N.BitLen() > maxProofRSABits {
		return Key{}, algorithm{}, errProofKey
	}
	return key, algo, nil
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
