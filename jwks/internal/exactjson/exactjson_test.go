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
		err := Members(data, func(name, value []byte) error {
			var v any
			if err := json.Unmarshal(value, &v); err != nil {
				t.Fatalf("value %q: %v", value, err)
			}
			if len(value) > 0 && value[0] == '"' {
				if s, err := String(value); err != nil || s != v {
					t.Errorf("text %q: %q, %v", value, s, err)
				}
			}
			if list, ok := v.([]any); ok {
				n := 0
				err := Elements(value, func(e []byte) error {
					var v any
					if err := json.Unmarshal(e, &v); err != nil || !reflect.DeepEqual(v, list[n]) {
						t.Errorf("element %q: %v", e, err)
					}
					n++
					return nil
				})
				if err != nil || n != len(list) {
					t.Errorf("%d elements of %d: %v", n, len(list), err)
				}
			}
			if _, twice := got[string(name)]; twice {
				t.Errorf("%q twice", name)
			}
			got[string(name)] = v
			return nil
		})
		var want map[string]any
		wantErr := json.Unmarshal(data, &want)
		switch {
		case err == nil && (wantErr != nil || !reflect.DeepEqual(got, want)):
			t.Errorf("%q: got %v, want %v, %v", data, got, want, wantErr)
		case err == nil, errors.Is(err, errRepeated), errors.Is(err, errMembers):
		case wantErr == nil && want != nil && utf8.Valid(data):
			t.Errorf("%q: refused: %v", data, err)
		}
	})
}

func TestObjectsOfTooManyMembersAreRefused(t *testing.T) {
	t.Parallel()
	object := func(n int) []byte {
		var b bytes.Buffer
		b.WriteByte('{')
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`"m` + strings.Repeat("x", i) + `":1`)
		}
		b.WriteByte('}')
		return b.Bytes()
	}
	nothing := func(_, _ []byte) error { return nil }
	if err := Members(object(maxMembers), nothing); err != nil {
		t.Error(err)
	}
	if err := Members(object(maxMembers+1), nothing); !errors.Is(err, errMembers) {
		t.Errorf("error %v", err)
	}
}
