package authors

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func FuzzParseNames(f *testing.F) {
	f.Add(`{"items":[{"id":"u1","display_name":"안나"}]}`)
	f.Add(`{"items":[{"id":"u2","display_name":"\u0000\ud800"}]}`)
	f.Add(`{"items":[]}`)
	f.Add(`{"items":null}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, body string) {
		names, err := parseNames([]byte(body), []string{"u1"})
		if err != nil && names != nil {
			t.Fatal("names with an error")
		}
		for id, name := range names {
			if id != "u1" {
				t.Errorf("believed it about %q", id)
			}
			if !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxName ||
				strings.ContainsFunc(name, unicode.IsControl) || name != strings.TrimSpace(name) {
				t.Errorf("name %q", name)
			}
		}
	})
}

func FuzzAskable(f *testing.F) {
	f.Add("7f0c1c1e-6a3e-4a55-9d2f-0e7b4a6c1d11")
	f.Add("a,b")
	f.Add("")
	f.Fuzz(func(t *testing.T, id string) {
		if askable(id) && (id == "" || strings.ContainsAny(id, ", \x00\n") || !utf8.ValidString(id) || len(id) > maxID) {
			t.Errorf("%q would be asked for", id)
		}
	})
}
