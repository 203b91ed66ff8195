package profile

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEmailAddresses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		" Mina@Example.org\n": "Mina@Example.org", "mina+maru@mail.example.org": "mina+maru@mail.example.org", "민아@예시.한국": "민아@예시.한국", "mina@예시。한국": "mina@예시。한국",
		"a@localhost":         "a@localhost",
		"o'brien@example.org": "o'brien@example.org",
	} {
		if got, problem := Email(in); got != want || problem != "" {
			t.Errorf("%q: %q %s", in, got, problem)
		}
	}
	for _, in := range []string{"", "mina", "@example.org", "mina@", "a@b@c", "a b@example.org", `"a b"@example.org`, "<a@example.org>",
		"Mina <a@example.org>", "a@example.org, b@example.org",
		"a@example.org。", "a@example.org．", "a@。example.org", "a@example。。org", "mina@example.org＠evil.example", "a@example.org＞", "a@b＜c.example",
		"a@[127.0.0.1]", "a\x00@example.org", "a@example.org\r\nBcc: x@y", "a\u202e@example.org", strings.Repeat("a", 250) + "@example.org"} {
		if got, problem := Email(in); problem == "" {
			t.Errorf("%q was accepted as %q", in, got)
		}
	}
}

func FuzzEmailAndName(f *testing.F) {
	for _, seed := range []string{"mina@example.org", "\"a\"@b", "a@b\r\n", "가@나", "\xff@\xff", "  x  y  ", "a\u202eb", "\u200d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if email, problem := Email(s); problem == "" {
			if again, problem := Email(email); problem != "" || again != email {
				t.Errorf("%q is not stable: %q %s", email, again, problem)
			}
			if strings.ContainsAny(email, " \r\n\t<>\",\x00") || strings.Count(email, "@") != 1 || len(email) > MaxEmail ||
				!utf8.ValidString(email) {
				t.Errorf("%q was accepted", email)
			}
		}
		if name, problem := Name(s); problem == "" {
			if again, problem := Name(name); problem != "" || again != name {
				t.Errorf("%q is not stable: %q %s", name, again, problem)
			}
			if strings.ContainsAny(name, "\r\n\t\x00\u202e") || name == "" || utf8.RuneCountInString(name) > maxName || !utf8.ValidString(name) {
				t.Errorf("%q was accepted", name)
			}
		}
	})
}
