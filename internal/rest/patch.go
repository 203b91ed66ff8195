package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// Patch is a member of a merge patch (RFC 7396) that can be changed but not removed: absent it
// changes nothing, and null is an error, which huma would let pass for absent.
type Patch[T any] struct {
	sent, null bool
	value      T
}

// RemovablePatch is a [Patch] that null removes: it sets the zero value.
type RemovablePatch[T any] struct{ Patch[T] }

var (
	_ json.Unmarshaler    = (*Patch[string])(nil)
	_ huma.SchemaProvider = Patch[string]{}
	_ huma.SchemaProvider = RemovablePatch[string]{}
)

// UnmarshalJSON is called for members that are present, null included.
func (p *Patch[T]) UnmarshalJSON(data []byte) error {
	*p = Patch[T]{sent: true, null: bytes.Equal(data, []byte("null"))}
	if p.null {
		return nil
	}
	return json.Unmarshal(data, &p.value)
}

// Schema is the member's type, for huma.
func (Patch[T]) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}

// Schema is the member's type or null, for huma.
func (RemovablePatch[T]) Schema(r huma.Registry) *huma.Schema {
	schema := *r.Schema(reflect.TypeFor[T](), true, "")
	schema.Nullable = true
	return &schema
}

// Value returns the new value, as clean makes it; nil: the member is absent. Location is such as
// "body.title". Error: a [Problem].
func (p Patch[T]) Value(location string, clean func(T) (T, error)) (*T, error) {
	switch {
	case !p.sent:
		return nil, nil
	case p.null:
		return nil, Invalid(location, errors.New("must not be null: it cannot be removed"))
	}
	value, err := clean(p.value)
	if err != nil {
		return nil, Invalid(location, err)
	}
	return &value, nil
}

// Value is [Patch.Value]; null is the zero value.
func (p RemovablePatch[T]) Value(location string, clean func(T) (T, error)) (*T, error) {
	p.null = false
	return p.Patch.Value(location, clean)
}

// Apply puts the new value ([Patch.Value]), if there is one, in the place of the old.
func (p Patch[T]) Apply(location string, to *T, clean func(T) (T, error)) error {
	value, err := p.Value(location, clean)
	if value != nil {
		*to = *value
	}
	return err
}

// Apply is [Patch.Apply]; null is the zero value.
func (p RemovablePatch[T]) Apply(location string, to *T, clean func(T) (T, error)) error {
	p.null = false
	return p.Patch.Apply(location, to, clean)
}
