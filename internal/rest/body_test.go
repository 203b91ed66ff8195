package rest

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func TestABodyOfPlainTextsHasNoNUL(t *testing.T) {
	for body, fine := range map[string]bool{
		`{"a":"b"}`: true, `["\\u0000"]`: true, `null`: true, `7`: true,
		`"\u0000"`: false, `{"a":"b\u0000"}`: false, `{"a\u0000":1}`: false, `[{"a":["b",{"c":"\u0000"}]}]`: false, `{`: false,
	} {
		var generic any
		if err := unmarshalText([]byte(body), &generic); (err == nil) != fine {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"title":"a\r\nb","body":"\u1112\u1161\u11ab"}`))
	f.Add([]byte(`[1]`))
	f.Add([]byte("\"\xff\""))
	f.Fuzz(func(t *testing.T, data []byte) {
		var generic any
		if unmarshal(data, &generic) != nil {
			return
		}
		if !json.Valid(data) || !utf8.Valid(data) {
			t.Errorf("%q was taken", data)
		}
		if object, ok := generic.(map[string]any); ok {
			for _, value := range object {
				if text, ok := value.(string); ok && (!norm.NFC.IsNormalString(text) || strings.Contains(text, "\r\n")) {
					t.Errorf("%q is not normalized", text)
				}
			}
		}
	})
}
