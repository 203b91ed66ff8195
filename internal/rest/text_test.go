package rest

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func FuzzText(f *testing.F) {
	for _, text := range []string{
		"", " a ", "a\r\nb", "a\rb", norm.NFD.String("한글"), "\u3164", "\u202e", "\x00", "\xff", "e\u0301",
		"👩‍👩‍👧", "\r\r\n\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, clean := range map[string]func(string) (string, error){"line": Length{1, 50}.Line, "lines": Length{1, 50}.Lines} {
			got, err := clean(text)
			if err != nil {
				if got != "" {
					t.Errorf("%s: text with an error", name)
				}
				continue
			}
			n := utf8.RuneCountInString(got)
			control := strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) && (name == "line" || r != '\n' && r != '\t') })
			if !utf8.ValidString(got) || !norm.NFC.IsNormalString(got) || control || n < 1 || n > 50 || got != strings.TrimSpace(got) {
				t.Errorf("%s(%q) = %q", name, text, got)
			}
			if again, err := clean(got); again != got || err != nil {
				t.Errorf("%s: %q becomes %q when cleaned again: %v", name, got, again, err)
			}
		}
	})
}
