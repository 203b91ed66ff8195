package scim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"
)

// mediaType is that of SCIM's messages (RFC 7644 §8.1).
const mediaType = "application/scim+json"

// MaxGroup is how large the body of a request about groups can be, in bytes: some 10,000 members.
const MaxGroup = 1 << 20

// maxUser is how large other bodies can be.
const maxUser = 64 << 10

// maxNesting is how deep objects and lists in a body can be: of a message, five.
const maxNesting = 8

// readBody reads a message: a JSON object whose names are unique, whatever their case.
func readBody(w http.ResponseWriter, r *http.Request, most int64) (map[string]any, error) {
	if sent := r.Header.Get("Content-Type"); sent != "" {
		if media, _, err := mime.ParseMediaType(sent); err != nil || media != mediaType && media != "application/json" {
			return nil, &problem{Status: http.StatusUnsupportedMediaType, Detail: "The body must be application/scim+json or application/json."}
		}
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			return nil, &problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("The body is larger than %d bytes.", most)}
		}
		return nil, bad(invalidSyntax, "The body did not arrive.")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	value, err := decode(decoder, 0)
	if err != nil {
		return nil, bad(invalidSyntax, "The body is no JSON object with unique names: "+err.Error()+".")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, bad(invalidSyntax, "The body goes on after the JSON object.")
	}
	body, ok := value.(map[string]any)
	if !ok {
		return nil, bad(invalidSyntax, "The body is no JSON object.")
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
	if text, ok := token.(string); ok && !storable(text) {
		return nil, errors.New("a text has the character U+0000")
	}
	return token, nil
}

// storable tells whether a database can have a text: Postgres refuses some.
func storable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

func decodeObject(d *json.Decoder, depth int) (any, error) {
	object, seen := map[string]any{}, map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, errors.New("it is not well-formed")
		}
		name := token.(string) //nolint:forcetypeassert // the decoder returns nothing else here
		if seen[lower(name)] {
			return nil, fmt.Errorf("%q is there twice", name)
		}
		seen[lower(name)] = true
		if object[name], err = decode(d, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return object, err
}

// member returns an object's member, whatever the case of its name.
func member(object map[string]any, name string) any {
	for key, value := range object {
		if sameName(key, name) {
			return value
		}
	}
	return nil
}

// checkSchemas checks that a message says what it is (RFC 7643 §3). Other schemas beside it, such as
// an extension's, are as unknown here as their attributes, and ignored.
func checkSchemas(body map[string]any, want string) error {
	list, ok := member(body, "schemas").([]any)
	for _, one := range list {
		text, is := one.(string)
		if !is {
			break
		}
		if sameName(text, want) {
			return nil
		}
	}
	if !ok {
		return bad(invalidSyntax, "The body has no schemas, a list with "+want+".")
	}
	return bad(invalidValue, "schemas must have "+want+".")
}

// write answers with a message.
func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.Encode(body) //nolint:errcheck // the client is gone
}

// canonical is an object with the attributes' own names, and without what is unknown. An attribute
// whose value is null or an empty list has none (RFC 7643 §2.5), and is left out.
func canonical(all []*attribute, schema string, object map[string]any) map[string]any {
	known := map[string]any{}
	for name, value := range object {
		of, ok, _ := resolve(all, schema, name)
		if !ok || value == nil {
			continue
		}
		if of.sub != nil { // "name.givenName" as a name, which some directories send
			parts, _ := known[of.attr.Name].(map[string]any)
			if parts == nil {
				parts = map[string]any{}
			}
			parts[of.sub.Name] = value
			known[of.attr.Name] = parts
			continue
		}
		value = canonicalValue(of.attr, value)
		if list, is := value.([]any); is && len(list) == 0 {
			continue
		}
		if parts, is := known[of.attr.Name].(map[string]any); is {
			if more, is := value.(map[string]any); is {
				for part, value := range more {
					parts[part] = value
				}
				continue
			}
		}
		known[of.attr.Name] = value
	}
	return known
}

func canonicalValue(a *attribute, value any) any {
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
