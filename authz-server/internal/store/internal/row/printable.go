package row

import (
	"strings"
	"unicode"
)

// maxError is how much of an error is kept, in characters.
const maxError = 500

// Printable makes an error of others safe for the database and for an operator's terminal.
func Printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if r := []rune(text); len(r) > maxError {
		return string(r[:maxError]) + "…"
	}
	return text
}
