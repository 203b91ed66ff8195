package passwords

import (
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

func TestWeakPasswordsAreRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	const email, name = "mina.kim@example.org", "김민아"
	for password, want := range map[string]messages.Problem{
		"":                         messages.PasswordMissing,
		"a1b2c3!":                  messages.PasswordTooShort,
		"가나다라마바사":                  messages.PasswordTooShort,
		strings.Repeat("ab1 ", 33): messages.PasswordTooLong,
		"password1":                messages.PasswordMostCommon,
		"PassWord1":                messages.PasswordMostCommon, // whatever the case
		"blairsville":              messages.PasswordMostCommon, // the last of the list
		"ㅇㅏㄴㄴㅕㅇ12":                 messages.PasswordMostCommon, // dkssud12 in Hangul mode
		"P@ssw0rd123":              messages.PasswordCommon,
		"Summer2024!":              messages.PasswordCommon,
		"iloveyou1":                messages.PasswordMostCommon,
		"tkfkdgo1":                 messages.PasswordCommon,  // 사랑해1
		"qlalfqjsgh":               messages.PasswordCommon,  // 비밀번호
		"QlalfQjsgh1!":             messages.PasswordCommon,  // the same, dressed up
		"dkssudgktpdy":             messages.PasswordCommon,  // 안녕하세요
		"사랑해사랑해사랑해":                messages.PasswordRepeats, // three different characters
		"비밀번호비밀번호":                 messages.PasswordCommon,  // in Hangul
		"sarang1004":               messages.PasswordCommon,  // 천사
		"zpvlzpvlzpvl1":            messages.PasswordCommon,  // 커피 three times
		"mina.kim1":                messages.PasswordPersonal,
		"mina.kim@example.org":     messages.PasswordPersonal,
		"rlaalsdk1!":               messages.PasswordPersonal, // 김민아
		"01012345678":              messages.PasswordDigits,
		"010-1234-5678":            messages.PasswordDigits,
		"k01012345678":             messages.PasswordDigits,
		"19990101":                 messages.PasswordDigits,
		"990101-2345678":           messages.PasswordDigits,
		"aaaaaaaaaaaa":             messages.PasswordRepeats,
		"abcdefgh":                 messages.PasswordMostCommon,
		"five wooden words here":   "",
		"호랑이 담배 피던 시절 이야기": "",
		"xK9#mQ2$vL":      "",
		"Maru-demo-2026!": "",
	} {
		if got := Weakness(password, email, name); got != want {
			t.Errorf("%q: %q, not %q", password, got, want)
		}
	}
	if got := Weakness("jungle river 9", "jungle@river.example", "x"); got == "" {
		t.Error("a password made of the address was accepted")
	}
}

func TestHangulIsTheKeysThatTypeIt(t *testing.T) {
	t.Parallel()
	for hangul, keys := range map[string]string{
		"사랑해": "tkfkdgo", "비밀번호": "qlalfqjsgh", "안녕하세요": "dkssudgktpdy", "값싼 닭": "rkqtTks ekfr", "왜": "dho", "의": "dml", "ㅋㅋㅠㅄ": "zzbqt",
		"abc 1": "abc 1",
	} {
		if got := toKeys(hangul); got != keys {
			t.Errorf("%s: %s, not %s", hangul, got, keys)
		}
	}
	for _, key := range koreanKeys {
		for _, c := range key {
			if c < '0' || c > 'z' {
				t.Errorf("the list has %q, which no estimate can find", key)
			}
		}
	}
	if len(koreanKeys) < 250 {
		t.Errorf("only %d words", len(koreanKeys))
	}
}

// costly are passwords in which the estimate finds very many words.
var costly = []struct{ password, email, name string }{
	{"password", "mina@example.org", "Mina"},
	{"ab4@8({[<369!1/|0$5+7%2zZ" + strings.Repeat("@", 72), "", ""},
	{"4a8b({c3e69g!i1l|/0o$s5+t7x%2z4@8({[<369!1/|0$5+7%24@8({[<369!1/|0$5+7%2", "", ""},
	{strings.Repeat("1l|!i7", 21), "@", "\xff"},
	{"İİİİİİİİİİ", "İ@İ", "İ İ"},
	{"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7", "a@b@c", "가"},
}

func TestTheWorkForOnePasswordIsBounded(t *testing.T) {
	for _, one := range costly {
		const bound = 2 * time.Second
		took := time.Hour
		for range 5 { // a busy machine may take longer once
			start := time.Now()
			Weakness(one.password, one.email, one.name)
			if took = min(took, time.Since(start)); took <= bound {
				break
			}
		}
		if took > bound {
			t.Errorf("%s for %q", took, one.password)
		}
	}
}

// What the estimate sees is short and printable, whatever the password is: its own time is bounded
// by that. The estimate takes too long to be part of a fuzz target.
func FuzzPlain(f *testing.F) {
	for _, one := range costly {
		f.Add(one.password)
	}
	f.Fuzz(func(t *testing.T, password string) {
		seen := plain(password)
		if len(seen) > estimated {
			t.Errorf("%q: %d characters", password, len(seen))
		}
		for _, c := range seen {
			if c < ' ' || c > '~' {
				t.Errorf("%q has %q", seen, c)
			}
		}
	})
}
