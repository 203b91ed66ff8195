package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The limits of what people write, in code points. The tags of the request types repeat them, for the OpenAPI document.
const (
	maxTitle            = 200
	maxPostBody         = 20000
	maxCommentBody      = 2000
	maxBoardTitle       = 100
	maxBoardDescription = 500
	maxQuery            = 100
)

// Each returns the text as it is kept, or an error that says what is wrong with it.
func boardTitle(text string) (string, error)       { return line(text, 1, maxBoardTitle) }
func boardDescription(text string) (string, error) { return lines(text, 0, maxBoardDescription) }
func postTitle(text string) (string, error)        { return line(text, 1, maxTitle) }
func postBody(text string) (string, error)         { return lines(text, 1, maxPostBody) }
func commentBody(text string) (string, error)      { return lines(text, 1, maxCommentBody) }

// asItIs is for members that huma has checked wholly.
func asItIs[T any](value T) (T, error) { return value, nil }

var (
	errUTF8      = errors.New("must be in UTF-8")
	errControl   = errors.New("must not contain control characters")
	errInvisible = errors.New("must contain a character that can be seen")
)

// normalize is the form in which texts are counted and kept: NFC, so that a Hangul syllable is one character however it
// was typed, with \n between lines, which forms send as \r\n.
func normalize(text string) string {
	return norm.NFC.String(strings.ReplaceAll(text, "\r\n", "\n"))
}

// unmarshal is json.Unmarshal for request bodies. It refuses what is not UTF-8, which json would silently alter (RFC 8259
// §8.1), and normalizes the texts in the generic form, by which huma counts.
func unmarshal(data []byte, v any) error {
	if !utf8.Valid(data) {
		return errUTF8
	}
	if err := json.Unmarshal(data, v); err != nil {
		return err
	}
	if generic, ok := v.(*any); ok {
		if object, ok := (*generic).(map[string]any); ok {
			for name, value := range object {
				if text, ok := value.(string); ok {
					object[name] = normalize(text)
				}
			}
		}
	}
	return nil
}

// line returns a text of one line as it is kept, or an error that says what is wrong with it. With least 0 it may be empty.
func line(text string, least, most int) (string, error) {
	return clean(text, least, most, misleading)
}

// lines is line for a text that may have several, with tabs.
func lines(text string, least, most int) (string, error) {
	return clean(text, least, most, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' })
}

func clean(text string, least, most int, refused func(rune) bool) (string, error) {
	if !utf8.ValidString(text) {
		return "", errUTF8
	}
	text = strings.TrimSpace(normalize(text))
	switch n := utf8.RuneCountInString(text); {
	case n < least || n > most:
		return "", fmt.Errorf("must be %d to %d characters long", least, most)
	case strings.ContainsFunc(text, refused):
		return "", errControl
	case least > 0 && !strings.ContainsFunc(text, visible):
		return "", errInvisible
	}
	return text, nil
}

// misleading tells whether r, in a line, could break it or make what follows look like something else (Unicode TR 36 §2.6).
func misleading(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// visible tells whether r leaves a mark: some letters do not, U+3164 HANGUL FILLER for one.
func visible(r rune) bool {
	return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// validSlug tells whether a board could have the slug.
func validSlug(slug string) bool {
	for i := range len(slug) {
		if c := slug[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return slug != "" && len(slug) <= 40
}
