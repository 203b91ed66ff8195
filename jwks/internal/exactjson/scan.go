package exactjson

import (
	"math/bits"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds how deep arrays and objects may be nested, so that a hostile
// text costs neither stack nor heap.
const maxDepth = 128

// scanSpace returns the index after the white space at i.
func scanSpace(text string, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		i++
	}
	return i
}

// scanValue returns the index after the JSON value at i (RFC 8259 §3), or -1 if
// there is none in UTF-8, or one nested too deeply.
func scanValue(text string, i int) int {
	var objects [maxDepth / 64]uint64 // a bit for each level: an object, no array
	depth := 0
	for {
		// A value begins here.
		i = scanSpace(text, i)
		if i >= len(text) {
			return -1
		}
		switch c := text[i]; c {
		case '{', '[':
			if depth == maxDepth {
				return -1
			}
			i = scanSpace(text, i+1)
			if i < len(text) && text[i] == c+2 { // closed at once: ASCII has } and ] there
				i++
				break
			}
			bit := uint64(1) << (depth % 64)
			if c == '{' {
				objects[depth/64] |= bit
				i, _ = scanName(text, i)
			} else {
				objects[depth/64] &^= bit
			}
			depth++
			if i < 0 {
				return -1
			}
			continue
		case '"':
			i = scanString(text, i)
		default:
			i = scanWord(text, i)
		}
		// A value has ended here, and what contains it may end as well.
		for {
			if i < 0 || depth == 0 {
				return i
			}
			i = scanSpace(text, i)
			if i >= len(text) {
				return -1
			}
			object := objects[(depth-1)/64]>>((depth-1)%64)&1 == 1
			if text[i] == ',' {
				i++
				if object {
					i, _ = scanName(text, scanSpace(text, i))
				}
				if i < 0 {
					return -1
				}
				break
			}
			if object != (text[i] == '}') || !object && text[i] != ']' {
				return -1
			}
			depth--
			i++
		}
	}
}

// scanName returns the index after the member's name at i and its colon, or -1,
// and the name, still with its quotation marks.
func scanName(text string, i int) (end int, name string) {
	end = scanString(text, i)
	if end < 0 {
		return -1, ""
	}
	name = text[i:end]
	end = scanSpace(text, end)
	if end >= len(text) || text[end] != ':' {
		return -1, ""
	}
	return end + 1, name
}

// skipPlain returns the index of the first byte from i on that does not stand
// for itself in a string, or is not ASCII.
func skipPlain(text string, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(text); i += 8 {
		s := text[i : i+8]
		x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		// The lowest high bit is of the first byte that is over 7F, under 20, a
		// quotation mark or a backslash: a subtraction borrows from the next
		// byte only in such a one.
		if special := (x | (x - ' '*ones) | ((x ^ '"'*ones) - ones) | ((x ^ '\\'*ones) - ones)) & highs; special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	for i < len(text) && text[i] >= ' ' && text[i] < utf8.RuneSelf && text[i] != '"' && text[i] != '\\' {
		i++
	}
	return i
}

// scanString returns the index after the string at i, or -1.
func scanString(text string, i int) int {
	if i >= len(text) || text[i] != '"' {
		return -1
	}
	start, ascii := i, true
	for i = skipPlain(text, i+1); i < len(text); i = skipPlain(text, i+1) {
		switch c := text[i]; {
		case c == '"':
			if !ascii && !utf8.ValidString(text[start:i]) {
				return -1
			}
			return i + 1
		case c >= utf8.RuneSelf:
			ascii = false
		case c == '\\':
			if i = scanEscape(text, i+1); i < 0 {
				return -1
			}
		default: // a control character
			return -1
		}
	}
	return -1
}

// scanEscape returns the index of the last byte of an escape, whose backslash
// is before i, or -1.
func scanEscape(text string, i int) int {
	switch {
	case i >= len(text):
		return -1
	case text[i] != 'u':
		if strings.IndexByte(`"\/bfnrt`, text[i]) < 0 {
			return -1
		}
		return i
	case i+4 >= len(text):
		return -1
	}
	for _, c := range []byte(text[i+1 : i+5]) {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return -1
		}
	}
	return i + 4
}

// scanWord returns the index after the number, true, false or null at i, or -1.
func scanWord(text string, i int) int {
	word := ""
	switch text[i] {
	case 't':
		word = "true"
	case 'f':
		word = "false"
	case 'n':
		word = "null"
	default:
		return scanNumber(text, i)
	}
	if !strings.HasPrefix(text[i:], word) {
		return -1
	}
	return i + len(word)
}

func scanNumber(text string, i int) int {
	if text[i] == '-' {
		i++
	}
	switch {
	case i >= len(text):
		return -1
	case text[i] == '0':
		i++
	default:
		if i = scanDigits(text, i); i < 0 {
			return -1
		}
	}
	if i < len(text) && text[i] == '.' {
		if i = scanDigits(text, i+1); i < 0 {
			return -1
		}
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		i = scanDigits(text, i)
	}
	return i
}

// scanDigits returns the index after the digits at i, or -1 if there is none.
func scanDigits(text string, i int) int {
	start := i
	for i < len(text) && '0' <= text[i] && text[i] <= '9' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}
