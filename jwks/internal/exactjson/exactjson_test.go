package exactjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// The walk over an object sees what encoding/json sees.
func FuzzMembers(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":1}`, ` { "a" : [ 1 , {"b":"}"} ] , "c" : "\"" } `, `{"a":1,"a":2}`, `{"\u0061":1,"a":2}`,
		`[]`, `"`, `{"a":-0.1e+5,"b":true,"c":null,"":""}`, "{\"\xff\":1}", `{"a":"\ud800"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := map[string]any{}
		err := Members(string(data), func(name, value string) error {
			var v any
			if err := json.Unmarshal([]byte(value), &v); err != nil {
				t.Fatalf("value %q: %v", value, err)
			}
			if len(value) > 0 && value[0] == '"' {
				if s, err := String(value); err != nil || s != v {
					t.Errorf("text %q: %q, %v", value, s, err)
				}
			}
			if list, ok := v.([]any); ok {
				n := 0
				err := Elements(value, func(e string) error {
					var v any
					if err := json.Unmarshal([]byte(e), &v); err != nil || !reflect.DeepEqual(v, list[n]) {
						t.Errorf("element %q: %v", e, err)
					}
					n++
					return nil
				})
				if err != nil || n != len(list) {
					t.Errorf("%d elements of %d: %v", n, len(list), err)
				}
			}
			if _, twice := got[name]; twice {
				t.Errorf("%q twice", name)
			}
			got[name] = v
			return nil
		})
		var want map[string]any
		wantErr := json.Unmarshal(data, &want)
		switch {
		case err == nil && (wantErr != nil || !reflect.DeepEqual(got, want)):
			t.Errorf("%q: got %v, want %v, %v", data, got, want, wantErr)
		case err == nil, errors.Is(err, errRepeated), errors.Is(err, errMembers):
		case wantErr == nil && want != nil && utf8.Valid(data) && depth(data) <= maxDepth:
			t.Errorf("%q: refused: %v", data, err)
		}
	})
}

func TestObjectsOfTooManyMembersAreRefused(t *testing.T) {
	t.Parallel()
	object := func(n int) string {
		var b strings.Builder
		b.WriteByte('{')
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`"m` + strings.Repeat("x", i) + `":1`)
		}
		b.WriteByte('}')
		return b.String()
	}
	nothing := func(_, _ string) error { return nil }
	if err := Members(object(maxMembers), nothing); err != nil {
		t.Error(err)
	}
	if err := Members(object(maxMembers+1), nothing); !errors.Is(err, errMembers) {
		t.Errorf("error %v", err)
	}
}

// depth is more than how deep data is nested, or the same.
func depth(data []byte) int { return bytes.Count(data, []byte("[")) + bytes.Count(data, []byte("{")) }

// What one takes for JSON, the other does too, but for bytes that are no text and for nesting.
func FuzzValid(f *testing.F) {
	for _, s := range []string{
		` {"a":[1,-0.5e+7,{}, [ ] ],"b":{"c":null} } `, `[1,]`, `{"a":1,}`, `{"a"}`, `{1:2}`, `[}`, `{]`, `01`, `-`, `1.`, `1e`, `1e+`, `.5`, `+1`,
		`"\u12G4"`, `"\u00e9\ud83d"`, `"\x"`, "\"\t\"", "\"\xc3\x28\"", `"é"`, `tru`, `nullx`, `truefalse`, `[1 2]`, `{"a":1 "b":2}`, `{"a" "b"}`, "\u00a01", "[1]\x00", `"`, `"\`, `"\u12`,
		`[[[[{"a":[{"b":[[]]}]}]]]]`, `{"a":{"b":{}},"c":[{},{}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		want := json.Valid(data) && utf8.Valid(data)
		if got := Valid(string(data)); got != want && !(want && depth(data) > maxDepth) {
			t.Errorf("%q: %v", data, got)
		}
	})
}

func TestDeeplyNestedTextsAreRefused(t *testing.T) {
	t.Parallel()
	for _, pair := range []string{"[]", `{}`} {
		open, end := pair[:1], pair[1:]
		if open == "{" {
			open = `{"a":`
		}
		nested := func(n int) string { return strings.Repeat(open, n) + "1" + strings.Repeat(end, n) }
		if !Valid(nested(maxDepth)) || Valid(nested(maxDepth+1)) {
			t.Errorf("%s: not %d deep", pair, maxDepth)
		}
		// The bits of levels that have ended must not be taken for those of others.
		if mixed := "[" + nested(100) + `,{"a":[` + nested(70) + `,{}]},[1,2]]`; !Valid(mixed) || Valid(mixed[:len(mixed)-1]+"}") {
			t.Errorf("%s: wrong about what is open", pair)
		}
	}
}
