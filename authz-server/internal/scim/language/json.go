package language

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxNesting is how deep objects and lists in a message can be: of what there is, five.
const maxNesting = 8

// Decode reads a message: a JSON object whose names are unique, whatever their case. Errors are of the
// type [InvalidSyntax].
func Decode(text []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	value, err := decode(decoder, 0)
	if err != nil {
		return nil, bad(InvalidSyntax, "The body is no JSON object with unique names: "+err.Error()+".")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, bad(InvalidSyntax, "The body goes on after the JSON object.")
	}
	body, ok := value.(map[string]any)
	if !ok {
		return nil, bad(InvalidSyntax, "The body is no JSON object.")
	}
	return body, nil
}

// decode reads a value.
func decode(d *json.Decoder, depth int) (any, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("it is nested more deeply than %d levels", maxNesting)
	}
	token, err := d.Token()
	if err != nil {
		return nil, errors.New("it is not well-formed")
	}
	switch token {
	case json.Delim('{'):
		return decodeObject(d, depth)
	case json.Delim('['):
		list := []any{}
		for d.More() {
			one, err := decode(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, one)
		}
		_, err := d.Token()
		return list, err
	}
	if text, ok := token.(string); ok && !Storable(text) {
		return nil, errors.New("a text has the character U+0000")
	}
	return token, nil
}

// Storable tells whether a database can have a text: Postgres refuses some.
func Storable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

func decodeObject(d *json.Decoder, depth int) (any, error) {
	object, seen := map[string]any{}, map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, errors.New("it is not well-formed")
		}
		name := token.(string) //nolint:forcetypeassert // the decoder returns nothing else here
		if seen[Lower(name)] {
			return nil, fmt.Errorf("%q is there twice", name)
		}
		seen[Lower(name)] = true
		if object[name], err = decode(d, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return object, err
}

// Member returns an object's member, whatever the case of its name.
func Member(object map[string]any, name string) any {
	for key, value := range object {
		if SameName(key, name) {
			return value
		}
	}
	return nil
}

// CheckSchemas checks that a message says what it is (RFC 7643 §3). Other schemas beside it, such as
// an extension's, are as unknown here as their attributes, and ignored.
func CheckSchemas(body map[string]any, want string) error {
	list, ok := Member(body, "schemas").([]any)
	for _, one := range list {
		text, is := one.(string)
		if !is {
			break
		}
		if SameName(text, want) {
			return nil
		}
	}
	if !ok {
		return bad(InvalidSyntax, "The body has no schemas, a list with "+want+".")
	}
	return bad(InvalidValue, "schemas must have "+want+".")
}

// canonical is an object with the attributes' own names, and without what is unknown. An attribute
// whose value is null or an empty list has none (RFC 7643 §2.5), and is left out.
func canonical(all []*Attribute, schema string, object map[string]any) map[string]any {
	known := map[string]any{}
	for name, value := range object {
		of, ok, _ := resolve(all, schema, name)
		if !ok || value == nil {
			continue
		}
		if of.Sub != nil { // "name.givenName" as a name, which some directories send
			parts, _ := known[of.Attr.Name].(map[string]any)
			if parts == nil {
				parts = map[string]any{}
			}
			parts[of.Sub.Name] = value
			known[of.Attr.Name] = parts
			continue
		}
		value = canonicalValue(of.Attr, value)
		if list, is := value.([]any); is && len(list) == 0 {
			continue
		}
		if parts, is := known[of.Attr.Name].(map[string]any); is {
			if more, is := value.(map[string]any); is {
				for part, value := range more {
					parts[part] = value
				}
				continue
			}
		}
		known[of.Attr.Name] = value
	}
	return known
}

func canonicalValue(a *Attribute, value any) any {
	switch v := value.(type) {
	case map[string]any:
		if a.Type == typeComplex {
			return canonical(a.Sub, "", v)
		}
	case []any:
		list := make([]any, len(v))
		for i, one := range v {
			list[i] = canonicalValue(a, one)
		}
		return list
	}
	return value
}

// Replaced is a resource as a client sends the whole of it: without what is read-only (RFC 7644
// §3.5.1).
func (k *Kind) Replaced(body map[string]any) (map[string]any, error) {
	if err := CheckSchemas(body, k.Schema); err != nil {
		return nil, err
	}
	doc := canonical(k.all, k.Schema, body)
	for _, a := range k.all {
		if a.Mutability == readOnly {
			delete(doc, a.Name)
		}
	}
	return doc, nil
}
