package jose

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/maru-auth/maru/jwks/internal/exactjson"
)

// maxDepth bounds how deep values may be nested in JSON of strangers.
const maxDepth = 32

var (
	errNotJSON = errors.New("not JSON in UTF-8")
	errDepth   = errors.New("nested too deeply")
)

// UnmarshalExact is json.Unmarshal for JSON that a stranger wrote: the claims
// of a JWT before or after its signature was verified, the metadata of a
// client, a key set. It differs where two readers could understand such a text
// in two ways:
//
//   - a member's name must be that of a field to the letter, at every depth:
//     json.Unmarshal takes "AUD" for "aud";
//   - a name must not come twice in one object, at any depth: json.Unmarshal
//     takes the last;
//   - the text must be UTF-8: json.Unmarshal replaces what is not.
//
// Nothing may be nested more than 32 deep, and no object may have more than
// 128 members. Members without a field are ignored, and what a type decodes by
// an UnmarshalJSON of its own is that method's business. The error says what
// is wrong without repeating a value; it may name a member.
func UnmarshalExact(data []byte, v any) error {
	if err := CheckExact(data); err != nil {
		return err
	}
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return &json.InvalidUnmarshalError{Type: reflect.TypeOf(v)}
	}
	return decodeExact(strings.TrimSpace(string(data)), target.Elem())
}

// CheckExact is the part of [UnmarshalExact] that needs no value to decode
// into: one JSON value in UTF-8, names unique in every object.
func CheckExact(data []byte) error {
	text := string(data)
	if !exactjson.Valid(text) {
		return errNotJSON
	}
	return checkValue(strings.TrimSpace(text), maxDepth)
}

// checkValue checks the names in a value and in all within it.
func checkValue(value string, depth int) error {
	if depth == 0 {
		return errDepth
	}
	switch value[0] {
	case '{':
		return exactjson.Members(value, func(_, member string) error { return checkValue(member, depth-1) })
	case '[':
		return exactjson.Elements(value, func(element string) error { return checkValue(element, depth-1) })
	}
	return nil
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// decodeExact decodes checked JSON.
func decodeExact(value string, to reflect.Value) error {
	if to.CanAddr() && to.Addr().Type().Implements(unmarshaler) {
		return json.Unmarshal([]byte(value), to.Addr().Interface())
	}
	null := value[0] == 'n'
	switch to.Kind() {
	case reflect.Pointer:
		if null {
			to.SetZero()
			return nil
		}
		if to.IsNil() {
			to.Set(reflect.New(to.Type().Elem()))
		}
		return decodeExact(value, to.Elem())
	case reflect.Struct:
		if null {
			return nil
		}
		return decodeStruct(value, to)
	case reflect.Map:
		if null || to.Type().Key().Kind() != reflect.String {
			break
		}
		return decodeMap(value, to)
	case reflect.Slice:
		if null || to.Type().Elem().Kind() == reflect.Uint8 {
			break
		}
		return decodeSlice(value, to)
	}
	return json.Unmarshal([]byte(value), to.Addr().Interface())
}

func decodeStruct(value string, to reflect.Value) error {
	kind := to.Type()
	return exactjson.Members(value, func(name, member string) error {
		for i := range kind.NumField() {
			field := kind.Field(i)
			tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if tag == "" {
				tag = field.Name
			}
			if field.IsExported() && tag == name && tag != "-" {
				if err := decodeExact(member, to.Field(i)); err != nil {
					return fmt.Errorf("the member %s: %w", tag, err)
				}
			}
		}
		return nil
	})
}

func decodeMap(value string, to reflect.Value) error {
	decoded := reflect.MakeMap(to.Type())
	err := exactjson.Members(value, func(name, member string) error {
		element := reflect.New(to.Type().Elem()).Elem()
		if err := decodeExact(member, element); err != nil {
			return err
		}
		decoded.SetMapIndex(reflect.ValueOf(name).Convert(to.Type().Key()), element)
		return nil
	})
	if err == nil {
		to.Set(decoded)
	}
	return err
}

func decodeSlice(value string, to reflect.Value) error {
	decoded := reflect.MakeSlice(to.Type(), 0, 4)
	err := exactjson.Elements(value, func(member string) error {
		element := reflect.New(to.Type().Elem()).Elem()
		if err := decodeExact(member, element); err != nil {
			return err
		}
		decoded = reflect.Append(decoded, element)
		return nil
	})
	if err == nil {
		to.Set(decoded)
	}
	return err
}
