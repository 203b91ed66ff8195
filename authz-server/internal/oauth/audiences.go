package oauth

import (
	"encoding/json"
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
