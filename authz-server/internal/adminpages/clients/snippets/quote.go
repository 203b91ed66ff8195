package snippets

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
)

// quoting writes any text as a literal of one language, so that it stays a text there whatever it
// has: quotes, backslashes, line ends, and what a language would put values in for.
type quoting func(string) string

// goQuote is for Go.
func goQuote(s string) string { return strconv.Quote(s) }

// jsonQuote is for JavaScript, where it can stand in a page's <script> too, and for Python. Both
// have all the escapes of JSON, and Go writes no others.
func jsonQuote(s string) string {
	text, err := json.Marshal(s)
	if err != nil { // which a text never has
		panic(err)
	}
	return string(text)
}

// javaQuote is for Java. Its compiler reads \uXXXX before it knows what is a text, so that none may
// stand for a quote, a backslash or a line end (JLS §3.3).
func javaQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		default:
			for _, unit := range utf16.AppendRune(nil, r) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}

// springQuote is for a value in YAML that Spring reads. Spring puts properties in for ${…}, unless a
// backslash is before it. A double-quoted text of YAML has all the escapes of JSON.
func springQuote(s string) string {
	return jsonQuote(strings.ReplaceAll(s, "${", `\${`))
}

// shellQuote is for bash. What a terminal would act on when it is pasted, such as Control-C, is
// written as an escape. There is no way to write a zero byte.
func shellQuote(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for _, r := range s {
		switch {
		case r == '\'' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			for _, one := range []byte(string(r)) {
				fmt.Fprintf(&b, `\x%02x`, one)
			}
		}
	}
	b.WriteByte('\'')
	return b.String()
}
