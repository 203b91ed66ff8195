package passwords

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ccojocar/zxcvbn-go"
	"github.com/ccojocar/zxcvbn-go/matching"
	"github.com/ccojocar/zxcvbn-go/scoring"

	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/passwords/mostcommon"
)

// How long a password may be, in characters (NIST SP 800-63B §5.1.1.1).
const (
	minPassword = 8
	maxPassword = 128
)

// Obvious is [Weakness] as far as it costs next to nothing to find out.
func Obvious(password string) messages.Problem {
	if len(password) > maxPasswordBytes {
		return messages.PasswordTooLong
	}
	text := string(normal(password))
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		return messages.PasswordMissing
	case n < minPassword:
		return messages.PasswordTooShort
	case n > maxPassword:
		return messages.PasswordTooLong
	}
	if problem := pattern(text); problem != "" {
		return problem
	}
	if mostcommon.Contains(text) || !ascii(text) && mostcommon.Contains(toKeys(text)) {
		return messages.PasswordMostCommon
	}
	return ""
}

// ascii tells whether text has no Hangul, or anything else that no list has.
func ascii(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c > unicode.MaxASCII })
}

// Weakness tells why a password should not be used by the person with this e-mail address and name,
// or "" when it may be.
func Weakness(password, email, name string) messages.Problem {
	if problem := Obvious(password); problem != "" {
		return problem
	}
	text := string(normal(password))
	personal := personalWords(email, name)
	strength := estimate(plain(text), slices.Concat(personal, koreanKeys))
	if strength.Score >= 2 {
		return ""
	}
	// The longest known piece is what makes it weak.
	reason, longest := messages.PasswordGuessable, 0
	for _, match := range strength.MatchSequence {
		length := match.J - match.I + 1
		if length <= longest {
			continue
		}
		switch match.Pattern {
		case "dictionary":
			reason = messages.PasswordCommon
			if contains(personal, match.Token) {
				reason = messages.PasswordPersonal
			}
		case "spatial":
			reason = messages.PasswordKeyboard
		case "repeat", "sequence":
			reason = messages.PasswordRepeats
		case "date":
			reason = messages.PasswordDate
		default:
			continue
		}
		longest = length
	}
	return reason
}

// estimated is how many characters of a password are estimated: the time grows with their cube.
const estimated = 48

// plain is text in printable ASCII, as the estimate reads it. Hangul becomes the keys that type it,
// since 사랑해 and tkfkdgo are the same to type, and every other character becomes a sign that is in
// no dictionary.
func plain(text string) string {
	var keys []byte
	for _, c := range toKeys(text) {
		if c < ' ' || c > '~' {
			c = []rune("~^{}<>;:?`")[c%10]
		}
		keys = append(keys, byte(c)) //nolint:gosec // G115: c is printable ASCII
	}
	return string(keys[:min(len(keys), estimated)])
}

// The signs that people write for letters. The library's own search for them tries every combination of what they can stand
// for, and takes seconds for a password that has them all.
var leet = []*strings.Replacer{
	strings.NewReplacer("4", "a", "@", "a", "8", "b", "(", "c", "3", "e", "6", "g", "9", "g", "1", "i", "!", "i", "|", "i", "0", "o", "$", "s", "5", "s", "7", "t", "+", "t", "2", "z"),
	strings.NewReplacer("4", "a", "@", "a", "3", "e", "1", "l", "!", "i", "0", "o", "$", "s", "5", "s", "7", "l"),
}

// once keeps one of the repetitions that s begins with: tkfkdtkfkd1 is hardly harder to guess than tkfkd1.
func once(s string) string {
	for n := 2; n <= len(s)/2; n++ {
		block := s[:n]
		if rest := s[n:]; strings.HasPrefix(rest, block) {
			for strings.HasPrefix(rest, block) {
				rest = rest[n:]
			}
			return block + rest
		}
	}
	return s
}

// estimate is how hard the password is to guess, as it stands or with signs read as letters, whichever is easier.
func estimate(password string, words []string) scoring.MinEntropyMatch {
	password = once(password)
	least := zxcvbn.PasswordStrength(password, words, matching.FilterL33tMatcher)
	for _, letters := range leet {
		read := letters.Replace(password)
		if read == password {
			continue
		}
		if one := zxcvbn.PasswordStrength(read, words, matching.FilterL33tMatcher); one.Entropy < least.Entropy {
			least = one
		}
	}
	return least
}

func contains(words []string, token string) bool {
	for _, word := range words {
		if strings.EqualFold(word, token) {
			return true
		}
	}
	return false
}

// pattern finds what the estimate, which looks at pieces, misses: mere digits, telephone numbers with little around them, and
// few different characters.
func pattern(text string) messages.Problem {
	digits, others := 0, 0
	different := make(map[rune]bool)
	for _, c := range text {
		different[c] = true
		switch {
		case unicode.IsDigit(c):
			digits++
		case unicode.IsLetter(c) || unicode.IsSymbol(c):
			others++
		}
	}
	switch {
	case others == 0 && digits > 0 && digits < 20, digits >= 8 && others <= 2:
		return messages.PasswordDigits
	case len(different) < 4:
		return messages.PasswordRepeats
	}
	return ""
}

// personalWords are the pieces of an e-mail address and a name that a guesser would begin with.
func personalWords(email, name string) []string {
	pieces := func(s string) []string {
		return strings.FieldsFunc(s, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
	}
	local, domain, _ := strings.Cut(email, "@")
	words := []string{email, local, domain, name, strings.ReplaceAll(name, " ", "")}
	words = append(append(append(words, pieces(local)...), pieces(domain)...), pieces(name)...)
	var known []string
	for _, word := range words {
		word = strings.ToLower(plain(word))
		if len(word) >= 3 && len(word) <= estimated {
			known = append(known, word)
		}
	}
	return known
}
