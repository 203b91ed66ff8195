package jose

import (
	"encoding/base64"
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

	jwk                         []byte // of the header; nil: none
	payload, signature, message []byte
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
	head, rest, _ := strings.Cut(text, ".")
	body, sig, ok := strings.Cut(rest, ".")
	if !ok || head == "" || body == "" {
		return nil, errCompact
	}
	t := &JWT{message: []byte(text[:len(head)+1+len(body)])}
	header, err := decodeBase64(head)
	if err != nil {
		return nil, errCompact
	}
	if err := t.parseHeader(header); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if t.payload, err = decodeBase64(body); err != nil {
		return nil, errCompact
	}
	if t.signature, err = decodeBase64(sig); err != nil { // has no dot either
		return nil, errCompact
	}
	return t, nil
}

func (t *JWT) parseHeader(header []byte) error {
	return exactjson.Members(header, func(name, value []byte) (err error) {
		switch string(name) {
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
	if !key.Verifies(t.Algorithm, t.message, t.signature) {
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
		d.Time, err = exactjson.NumericDate(text)
	}
	return err
}

// Ahead says whether d, an iat or nbf, is still to come, by [DefaultLeeway].
func (d NumericDate) Ahead(now time.Time) bool { return d.After(now.Add(DefaultLeeway)) }

// Past says whether d, an exp, is over, by [DefaultLeeway]. So is the zero value.
func (d NumericDate) Past(now time.Time) bool { return !now.Before(d.Add(DefaultLeeway)) }

// base64url as RFC 7515 wants it: no padding, and no stray bits at the end,
// so that a JWT has one spelling only. See decodeBase64.
var base64url = base64.RawURLEncoding.Strict()

var errBase64 = errors.New("not base64url")

// decodeBase64 decodes text. Unlike the decoder of encoding/base64 it does not
// read over line breaks.
func decodeBase64(text string) ([]byte, error) {
	if strings.IndexByte(text, '\n') >= 0 || strings.IndexByte(text, '\r') >= 0 {
		return nil, errBase64
	}
	decoded := make([]byte, base64url.DecodedLen(len(text)))
	if n, err := base64url.Decode(decoded, []byte(text)); err != nil || n != len(decoded) {
		return nil, errBase64
	}
	return decoded, nil
}
