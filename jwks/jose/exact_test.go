package jose

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

type exactTarget struct {
	Audience string                 `json:"aud"`
	Expiry   *float64               `json:"exp"`
	Nested   map[string]*exactInner `json:"nested"`
	List     []exactInner           `json:"list"`
	Raw      json.RawMessage        `json:"raw"`
	Any      map[string]any         `json:"any"`
	Strings  []string               `json:"strings"`
}

type exactInner struct {
	Value string `json:"value"`
}

func TestUnmarshalExactKnowsNamesToTheLetter(t *testing.T) {
	t.Parallel()
	var got exactTarget
	text := ` {"AUD":"x","Exp":1,"nested":{"a":{"Value":"x","value":"v"},"b":null},"list":[{"VALUE":"x"},{"value":"w"}],
		"raw":{"A":[1]},"any":{"a":1,"A":2},"strings":["s\\u0000"],"unknown":[{}]} `
	if err := UnmarshalExact([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	want := exactTarget{
		Nested: map[string]*exactInner{"a": {"v"}, "b": nil}, List: []exactInner{{}, {"w"}},
		Raw: json.RawMessage(`{"A":[1]}`), Any: map[string]any{"a": 1.0, "A": 2.0}, Strings: []string{`s\u0000`},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestUnmarshalExactRefusesWhatTwoReadersCouldReadInTwoWays(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a doubled name":         `{"aud":"a","aud":"b"}`,
		"one of them escaped":    `{"aud":"a","\u0061ud":"b"}`,
		"a doubled name within":  `{"unknown":[{"deep":{"x":1,"x":2}}]}`,
		"bytes that are no text": "{\"aud\":\"\xff\"}",
		"nesting":                `{"raw":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
		"another type":           `{"aud":["a"]}`,
		"an array":               `[]`,
		"two values":             `{} {}`,
		"nothing":                ``,
	} {
		var got exactTarget
		if err := UnmarshalExact([]byte(text), &got); err == nil {
			t.Errorf("%s: taken as %+v", name, got)
		}
	}
}

// Whatever UnmarshalExact takes, json.Unmarshal reads alike, but for names that differ in case.
func FuzzUnmarshalExact(f *testing.F) {
	for _, seed := range []string{
		`{"aud":"a","exp":1,"nested":{"a":{"value":"v"}},"list":[{"value":"w"}],"raw":[1],"any":{"a":[null]},"strings":["x"]}`,
		`null`, `[1,2]`, `"\u0000"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var exact, loose any
		if err := UnmarshalExact(data, &exact); err != nil {
			return
		}
		if err := json.Unmarshal(data, &loose); err != nil || !reflect.DeepEqual(exact, loose) {
			t.Fatalf("%v: %v and %v", err, exact, loose)
		}
		var target exactTarget
		_ = UnmarshalExact(data, &target) // it must not panic
	})
}
