package sender

import (
	"testing"
	"unicode/utf8"
)

func TestBrowsersAreCalledByTheirNames(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string][2]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36 Edg/130.0": {"Edge", "Windows"},
		"Mozilla/5.0 (Linux; Android 14; SM-S921N) AppleWebKit/537.36 SamsungBrowser/25.0 Chrome/121.0 Mobile Safari/537": {"Samsung Internet",
			"Android"},
		"Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/120.0 Whale/3.24 Safari/537.36": {"Whale", "Windows"},
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1 KAKAOTALK 10.4": {"KakaoTalk",
			"iPhone"},
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:130.0) Gecko/20100101 Firefox/130.0": {"Firefox", "Mac"},
		"": {"", ""}, "\x00<script>": {"", ""},
	} {
		if browser, system := Browser(agent); browser != want[0] || system != want[1] {
			t.Errorf("%q: %q on %q", agent, browser, system)
		}
	}
}

func TestCutKeepsTextWhole(t *testing.T) {
	t.Parallel()
	if got := cut("가나\x00\r\n\x7f다", 8); got != "가나" || !utf8.ValidString(got) {
		t.Errorf("%q", got)
	}
	if got := cut("가나", 4); got != "가" {
		t.Errorf("%q", got)
	}
}
