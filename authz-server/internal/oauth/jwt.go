package oauth

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/maru-auth/maru/jwks/jose"
)

// Audiences is the claim "aud": one string, or an array of several (RFC 7519 §4.1.3).
type Audiences []string

func (a Audiences) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

func (a *Audiences) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = Audiences{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

// NumericDate is a time in a JWT that a client made (RFC 7519 §2): seconds since 1970, perhaps with a fraction. The zero value
// means that there is none. Clocks may differ by [jose.DefaultLeeway], here as at resource services.
type NumericDate struct{ time.Time }

func (d *NumericDate) UnmarshalJSON(text []byte) error {
	var seconds *float64
	if err := json.Unmarshal(text, &seconds); err != nil {
		return errors.New("a time must be a number of seconds since 1970")
	}
	if seconds == nil {
		return nil
	}
	const year10000 = 253402300800
	if *seconds < 0 || *seconds >= year10000 {
		return errors.New("a time must be between the years 1970 and 9999")
	}
	d.Time = time.UnixMilli(int64(*seconds * 1000))
	return nil
}

// Ahead tells whether d, an iat or nbf, is still to come.
func (d NumericDate) Ahead(now time.Time) bool { return d.After(now.Add(jose.DefaultLeeway)) }

// Past tells whether d, an exp, is over. So is one that is missing.
func (d NumericDate) Past(now time.Time) bool { return !now.Before(d.Add(jose.DefaultLeeway)) }
