package jwks

import "github.com/maru-auth/maru/jwks/jose"

// UnmarshalExact is [jose.UnmarshalExact].
func UnmarshalExact(data []byte, v any) error { return jose.UnmarshalExact(data, v) }

// CheckExact is [jose.CheckExact].
func CheckExact(data []byte) error { return jose.CheckExact(data) }

// SameAlgorithm is [jose.SameAlgorithm].
func SameAlgorithm(a, b string) bool { return jose.SameAlgorithm(a, b) }
