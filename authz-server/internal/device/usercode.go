package device

import (
	"crypto/rand"
	"strings"
	"unicode"
)

// userCodeLetters are consonants alone, so that no code is a word (RFC 8628 §6.1). Eight of them
// are 34 bits: with so few guesses as a session has, and so short a life, nobody finds a code by
// chance.
const (
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength  = 8
)

// newUserCode makes a user code, without separators.
func newUserCode() string {
	code := make([]byte, 0, userCodeLength)
	for len(code) < userCodeLength {
		var b [1]byte
		rand.Read(b[:])
		if int(b[0]) < 256-256%len(userCodeLetters) { // keeps all letters equally likely
			code = append(code, userCodeLetters[int(b[0])%len(userCodeLetters)])
		}
	}
	return string(code)
}

// showUserCode is a user code as people see it: XXXX-XXXX. Empty stays empty.
func showUserCode(code string) string {
	if len(code) != userCodeLength {
		return ""
	}
	return code[:userCodeLength/2] + "-" + code[userCodeLength/2:]
}

// readUserCode is what a person typed, in any case and with separators or without, as it is stored.
// Empty: it cannot be a code.
func readUserCode(typed string) string {
	if len(typed) > 64 {
		return ""
	}
	code := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || r == '.' {
			return -1
		}
		return unicode.ToUpper(r)
	}, typed)
	if len(code) != userCodeLength || strings.Trim(code, userCodeLetters) != "" {
		return ""
	}
	return code
}

// Link is the path of the page where a person decides on a device, with the code filled in if it
// can be one.
func Link(userCode string) string {
	if userCode = showUserCode(readUserCode(userCode)); userCode == "" {
		return "/device"
	}
	return "/device?user_code=" + userCode
}
