package login

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEmailAddresses(t *testing.T) {
	for in, want := range map[string]string{
		" Mina@Example.org\n": "Mina@Example.org", "mina+maru@mail.example.org": "mina+maru@mail.example.org", "민아@예시.한국": "민아@예시.한국", "a@localhost": "a@localhost",
		"o'brien@example.org": "o'brien@example.org",
	} {
		if got, problem := cleanEmail(in); got != want || problem != "" {
			t.Errorf("%q: %q %s", in, got, problem)
		}
	}
	for _, in := range []string{"", "mina", "@example.org", "mina@", "a@b@c", "a b@example.org", `"a b"@example.org`, "<a@example.org>", "Mina <a@example.org>", "a@example.org, b@example.org",
		"a@[127.0.0.1]", "a\x00@example.org", "a@example.org\r\nBcc: x@y", "a\u202e@example.org", strings.Repeat("a", 250) + "@example.org"} {
		if got, problem := cleanEmail(in); problem == "" {
			t.Errorf("%q was accepted as %q", in, got)
		}
	}
}

func FuzzCleanEmailAndName(f *testing.F) {
	for _, seed := range []string{"mina@example.org", "\"a\"@b", "a@b\r\n", "가@나", "\xff@\xff", "  x  y  ", "a\u202eb", "\u200d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if email, problem := cleanEmail(s); problem == "" {
			if again, problem := cleanEmail(email); problem != "" || again != email {
				t.Errorf("%q is not stable: %q %s", email, again, problem)
			}
			if strings.ContainsAny(email, " \r\n\t<>\",\x00") || strings.Count(email, "@") != 1 || len(email) > maxEmail || !utf8.ValidString(email) {
				t.Errorf("%q was accepted", email)
			}
		}
		if name, problem := cleanName(s); problem == "" {
			if again, problem := cleanName(name); problem != "" || again != name {
				t.Errorf("%q is not stable: %q %s", name, again, problem)
			}
			if strings.ContainsAny(name, "\r\n\t\x00\u202e") || name == "" || utf8.RuneCountInString(name) > maxName || !utf8.ValidString(name) {
				t.Errorf("%q was accepted", name)
			}
		}
	})
}

func FuzzParseForm(f *testing.F) {
	f.Add("email=a%40b&password=x", "application/x-www-form-urlencoded; charset=utf-8")
	f.Add("a=%ff", "application/x-www-form-urlencoded")
	f.Add("a=%00&;", "application/x-www-form-urlencoded")
	f.Add("--x\r\n\r\n--x--", "multipart/form-data; boundary=x")
	f.Fuzz(func(t *testing.T, body, kind string) {
		r := httptest.NewRequest(http.MethodPost, "/login?q=1", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		if parseForm(r) != nil {
			return
		}
		for name, values := range r.PostForm {
			for _, s := range append(values, name) {
				if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
					t.Errorf("%q passed", s)
				}
			}
		}
	})
}

func TestDevices(t *testing.T) {
	for agent, want := range map[string][2]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36 Edg/130.0":           {"Edge", "Windows"},
		"Mozilla/5.0 (Linux; Android 14; SM-S921N) AppleWebKit/537.36 SamsungBrowser/25.0 Chrome/121.0 Mobile Safari/537": {"Samsung Internet", "Android"},
		"Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/120.0 Whale/3.24 Safari/537.36":                          {"Whale", "Windows"},
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1 KAKAOTALK 10.4":                         {"KakaoTalk", "iPhone"},
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:130.0) Gecko/20100101 Firefox/130.0":                            {"Firefox", "Mac"},
		"": {"", ""}, "\x00<script>": {"", ""},
	} {
		if browser, system := device(agent); browser != want[0] || system != want[1] {
			t.Errorf("%q: %q on %q", agent, browser, system)
		}
	}
}

func TestCutKeepsTextWhole(t *testing.T) {
	if got := cut("가나\x00\r\n\x7f다", 8); got != "가나" || !utf8.ValidString(got) {
		t.Errorf("%q", got)
	}
	if got := cut("가나", 4); got != "가" {
		t.Errorf("%q", got)
	}
}
