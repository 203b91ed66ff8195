package api

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestTexts(t *testing.T) {
	syllables := strings.Repeat("가", 80)
	decomposed := strings.Repeat("\u1100\u1161", 80) // as some keyboards send it
	for _, tc := range []struct {
		name     string
		clean    func(string) (string, error)
		in, want string // an empty want: refused, but for texts that may be empty
	}{
		{"display name", displayName, "  Jisu Kim\n", "Jisu Kim"},
		{"display name", displayName, syllables, syllables},
		{"display name", displayName, decomposed, syllables},
		{"display name", displayName, syllables + "가", ""},
		{"display name", displayName, "👩‍👩‍👧", "👩‍👩‍👧"},
		{"display name", displayName, "a\nb", ""},
		{"display name", displayName, "a\u2028b", ""},
		{"display name", displayName, "admin\u202egnp.exe", ""},
		{"display name", displayName, "\u3164\u3164", ""},
		{"display name", displayName, "\u200b\u200d", ""},
		{"display name", displayName, "\u0301", ""},
		{"bio", bio, " one\r\n\ttwo ", "one\n\ttwo"},
		{"bio", bio, "bell\a", ""},
		{"bio", bio, "a\rb", ""},
		{"bio", bio, strings.Repeat("가", 501), ""},
		{"URL", webURL, " https://a.example ", "https://a.example"},
		{"URL", webURL, "https://A.Example:8443/B?c=d#e", "https://a.example:8443/B?c=d#e"},
		{"URL", webURL, "https://한글.kr/한글?q=한글", "https://xn--bj0bj06e.kr/%ED%95%9C%EA%B8%80?q=한글"},
		{"URL", webURL, "https://a.example/\"'<b>`?\"'<b>`#\"'<b>`", "https://a.example/%22%27%3Cb%3E%60?%22%27%3Cb%3E%60#%22%27%3Cb%3E%60"},
		{"URL", webURL, "javascript:alert(1)", ""},
		{"URL", webURL, "JaVaScRiPt://a.example/%0aalert(1)", ""},
		{"URL", webURL, "data:text/html,x", ""},
		{"URL", webURL, "//a.example", ""},
		{"URL", webURL, "https:a.example", ""},
		{"URL", webURL, "https:///path", ""},
		{"URL", webURL, "https://:80/", ""},
		{"URL", webURL, "https://user@a.example/", ""},
		{"URL", webURL, "https://a.example\\@b.example", ""},
		{"URL", webURL, "https://a.example/\u202ex", ""},
		{"URL", webURL, "https://a b.example/", ""},
		{"URL", webURL, "https://[fe80::1%25eth0]/", ""},
		{"URL", webURL, "https://a_b.example:x/", ""},
		{"URL", webURL, "https://a.example/" + strings.Repeat("x", 483), ""},
		{"locale", locale, "KO-kr", "ko-KR"},
		{"locale", locale, "zh-Hant-TW", "zh-Hant-TW"},
		{"locale", locale, "korean", ""},
		{"locale", locale, "ko;q=1", ""},
		{"locale", locale, "x" + strings.Repeat("-a", 50), ""},
		{"time zone", timeZone, "Asia/Seoul", "Asia/Seoul"},
		{"time zone", timeZone, "UTC", "UTC"},
		{"time zone", timeZone, "Etc/GMT+9", "Etc/GMT+9"},
		{"time zone", timeZone, "Local", ""},
		{"time zone", timeZone, "posix/Asia/Seoul", ""},
		{"time zone", timeZone, "/etc/localtime", ""},
		{"time zone", timeZone, "Asia/../Asia/Seoul", ""},
		{"time zone", timeZone, "Asia/Seoul\x00", ""},
		{"time zone", timeZone, "Asia", ""},
	} {
		got, err := tc.clean(tc.in)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%s %q: %q %v, want %q", tc.name, tc.in, got, err, tc.want)
		}
	}
	for _, clean := range []func(string) (string, error){bio, webURL, locale, timeZone} {
		if got, err := clean(""); got != "" || err != nil {
			t.Errorf("an empty text: %q %v", got, err)
		}
	}
}

func TestTagsCountOnceWhateverTheirCase(t *testing.T) {
	got, err := tags([]string{"Straße", "STRASSE", " é ", "e\u0301", "Go", "go"})
	if err != nil || strings.Join(got, " ") != "Straße é Go" {
		t.Errorf("%q %v", got, err)
	}
	many := make([]string, 60)
	for i := range many {
		many[i] = fmt.Sprint("tag ", i/2)
	}
	if got, err := tags(many); err != nil || len(got) != 30 {
		t.Errorf("30 tags, each twice: %d %v", len(got), err)
	}
	if _, err := tags(append(many, "one more")); err == nil {
		t.Error("31 tags were accepted")
	}
}

func FuzzTexts(f *testing.F) {
	for _, seed := range []string{
		"지수", "\u1100\u1161", "a\r\nb", "https://한글.kr/", "http://[::1]:80", "ko-KR", "Asia/Seoul", "\x00", "\u202e",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, clean := range map[string]func(string) (string, error){
			"display name": displayName, "bio": bio, "URL": webURL, "locale": locale, "time zone": timeZone,
		} {
			kept, err := clean(text)
			if err != nil {
				if kept != "" {
					t.Fatalf("%s: %q came with the error", name, kept)
				}
				continue
			}
			// What is kept is clean: sent again, it stays as it is.
			if again, err := clean(kept); err != nil || again != kept {
				t.Fatalf("%s: %q became %q, and then %q: %v", name, text, kept, again, err)
			}
			if strings.ContainsRune(kept, 0) {
				t.Fatalf("%s: a NUL is left in %q", name, kept)
			}
			if name == "URL" && kept != "" {
				if u, err := url.Parse(kept); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") ||
					strings.ContainsAny(u.Host, "@\\/ ") {
					t.Fatalf("%q became %q: %v", text, kept, err)
				}
			}
		}
	})
}
