package provider

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/maru-auth/maru/jwks"
)

// numericDate is a time in a JWT that a client made (RFC 7519 §2): seconds since 1970, perhaps with a fraction. The zero value
// means that there is none. Clocks may differ by [jwks.DefaultLeeway], here as at resource services.
type numericDate struct{ time.Time }

func (d *numericDate) UnmarshalJSON(text []byte) error {
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

// ahead tells whether d, an iat or nbf, is still to come.
func (d numericDate) ahead(now time.Time) bool { return d.After(now.Add(jwks.DefaultLeeway)) }

// past tells whether d, an exp, is over. So is one that is missing.
func (d numericDate) past(now time.Time) bool { return !now.Before(d.Add(jwks.DefaultLeeway)) }
