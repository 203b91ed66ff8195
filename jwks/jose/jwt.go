package jose

import (
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/jwks/internal/exactjson"
)

// DefaultLeeway is how far clocks may differ, for every time in a JWT that
// comes from elsewhere: exp counts for so long after it, nbf and iat so long
// before. FAPI 2.0 Security Profile §5.3.2.1 demands that 10 seconds ahead are
// taken, and more than 60 refused.
const DefaultLeeway = 10 * time.Second

// A JWT is a signed JWT in compact form (RFC 7519 §3, RFC 7515 §3.1), taken
// apart. Nothing of it is verified: its payload comes from [JWT.VerifiedBy].
// The slices belong to it.
type JWT struct {
	Algorithm string // alg of the header
	KeyID     string // kid; empty: none
	Type      string // typ, normalized by [NormalType]; empty: none

	jwk                string // of the header; empty: none
	message            string // what is signed
	payload, signature []byte
	digest             *[sha256.Size]byte // SHA-256 of message; nil: not known
}

var (
	errCompact  = errors.New("not three parts in base64url, apart by dots")
	errCritical = errors.New("critical extensions are not supported")
)

// Parse takes a JWT in compact form apart. There must be three parts in
// base64url without padding, line breaks or stray bits, so that a JWT has one
// spelling, and the header must be one JSON object with unique names and
// without crit. The error says what is wrong, and shows no part of the JWT. The
// caller bounds the length.
func Parse(text string) (*JWT, error) {
	head, body, signature, ok := cut(text)
	if !ok {
		return nil, errCompact
	}
	t := &JWT{message: text[:len(text)-len(signature)-1]}
	header, err := decodeBase64(head)
	if err != nil {
		return nil, errCompact
	}
	if err := t.parseHeader(string(header)); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if t.payload, err = decodeBase64(body); err != nil {
		return nil, errCompact
	}
	if t.signature, err = decodeBase64(signature); err != nil {
		return nil, errCompact
	}
	return t, nil
}

// cut returns the three parts of a JWT. The last may have a dot, which is not
// base64.
func cut(text string) (head, body, signature string, ok bool) {
	head, rest, _ := strings.Cut(text, ".")
	body, signature, ok = strings.Cut(rest, ".")
	return head, body, signature, ok && head != "" && body != ""
}

func (t *JWT) parseHeader(header string) error {
	return exactjson.Members(header, func(name, value string) (err error) {
		switch name {
		case "alg":
			t.Algorithm, err = exactjson.String(value)
		case "kid":
			t.KeyID, err = exactjson.String(value)
		case "typ":
			t.Type, err = exactjson.String(value)
			t.Type = NormalType(t.Type)
		case "jwk":
			t.jwk = value
		case "crit":
			// RFC 7515 §4.1.11: what is critical and not understood must be
			// refused, and no extension is understood here.
			err = errCritical
		}
		return err
	})
}

// VerifiedBy returns the payload if the signature is the key's, by the header's
// algorithm, which the key must fit. Whether that algorithm is allowed is for
// the caller to decide before.
func (t *JWT) VerifiedBy(key Key) (payload []byte, ok bool) {
	if !key.Fits(t.Algorithm) {
		return nil, false
	}
	var digest []byte
	if algo := algorithms[t.Algorithm]; algo.hash == crypto.SHA256 && t.digest != nil {
		digest = t.digest[:]
	} else {
		digest = algo.digest([]byte(t.message))
	}
	if !key.verifies(t.Algorithm, digest, t.signature) {
		return nil, false
	}
	return t.payload, true
}

// UnverifiedPayload returns the payload, which anybody may have written. It is
// for finding out whose keys can verify the JWT.
func (t *JWT) UnverifiedPayload() []byte { return t.payload }

// HasType says whether the type is one of those given, in any spelling of
// [NormalType]; the empty one stands for a header without typ.
func (t *JWT) HasType(types ...string) bool {
	return slices.ContainsFunc(types, func(one string) bool { return NormalType(one) == t.Type })
}

// NormalType normalizes a typ header (RFC 7515 §4.1.9): a media type, whose
// case means nothing and whose "application/" may be left out.
func NormalType(typ string) string {
	return strings.TrimPrefix(strings.ToLower(typ), "application/")
}

// A NumericDate is a time in a JWT (RFC 7519 §2): in JSON, seconds since 1970,
// perhaps with a fraction, up to the year 9999. The zero value, or null, means
// that there is none.
type NumericDate struct{ time.Time }

// UnmarshalJSON is that of [json.Unmarshaler].
func (d *NumericDate) UnmarshalJSON(text []byte) (err error) {
	if string(text) != "null" {
		d.Time, err = exactjson.NumericDate(string(text))
	}
	return err
}

// Ahead says whether d, an iat or nbf, is still to come, by [DefaultLeeway].
func (d NumericDate) Ahead(now time.Time) bool { return d.After(now.Add(DefaultLeeway)) }

// Past says whether d, an exp, is over, by [DefaultLeeway]. So is the zero value.
func (d NumericDate) Past(now time.Time) bool { return !now.Before(d.Add(DefaultLeeway)) }
