package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maru-auth/maru/internal/rest"
)

// patch is a member of a merge patch (RFC 7396) that can be changed but not removed: absent it changes nothing, and null is
// an error, which huma would let pass for absent.
type patch[T any] struct {
	sent, null bool
	value      T
}

var (
	_ json.Unmarshaler    = (*patch[string])(nil)
	_ huma.SchemaProvider = patch[string]{}
)

// UnmarshalJSON is called for members that are present, null included.
func (p *patch[T]) UnmarshalJSON(data []byte) error {
	p.sent = true
	if bytes.Equal(data, []byte("null")) {
		p.null = true
		return nil
	}
	return json.Unmarshal(data, &p.value)
}

// Schema is the member's type, for huma.
func (patch[T]) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}

// apply puts the value, cleaned, in its place if there is one.
func (p patch[T]) apply(location string, to *T, clean func(T) (T, error)) error {
	if !p.sent {
		return nil
	}
	if p.null {
		return rest.Invalid(location, errors.New("must not be null: it cannot be removed"))
	}
	value, err := clean(p.value)
	if err != nil {
		return rest.Invalid(location, err)
	}
	*to = value
	return nil
}
