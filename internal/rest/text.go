package rest

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Length bounds a text, in code points of its cleaned form.
type Length struct{ Least, Most int }

// Errors of [Length.Line] and [Length.Lines].
var (
	ErrControl   = errors.New("must not contain control characters")
	errUTF8      = errors.New("must be in UTF-8")
	errInvisible = errors.New("must contain a character that can be seen")
)

// Line returns the cleaned form of a text of one line, in which it is kept, or an error that says
// what is wrong with it.
func (l Length) Line(text string) (string, error) { return l.clean(text, Misleading) }

// Lines is Line for a text that may have several, with tabs.
func (l Length) Lines(text string) (string, error) {
	return l.clean(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' })
}

func (l Length) clean(text string, refused func(rune) bool) (string, error) {
	if !utf8.ValidString(text) {
		return "", errUTF8
	}
	text = strings.TrimSpace(normalize(text))
	switch n := utf8.RuneCountInString(text); {
	case n < l.Least || n > l.Most:
		return "", fmt.Errorf("must be %d to %d characters long", l.Least, l.Most)
	case strings.ContainsFunc(text, refused):
		return "", ErrControl
	case l.Least > 0 && !strings.ContainsFunc(text, visible):
		return "", errInvisible
	}
	return text, nil
}

// normalize returns a text in the form in which it is counted and kept: in NFC, so that a Hangul
// syllable is one character however it was typed, and with \n between lines, where forms send \r\n.
func normalize(text string) string {
	return norm.NFC.String(strings.ReplaceAll(text, "\r\n", "\n"))
}

// Misleading tells whether r could break a line, or make what follows it look like something else
// (Unicode TR 36 §2.6).
func Misleading(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// visible tells whether r leaves a mark. Some letters do not, such as U+3164 HANGUL FILLER.
func visible(r rune) bool {
	return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}
