package flow

import "strings"

// maxText is how many bytes of what others chose are logged: of an error that repeats a whole answer
// or token, of what an address says.
const maxText = 300

func brief(text string) string {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return text
}

// briefError is an error whose text is cut.
type briefError struct{ error }

func briefly(err error) error { return briefError{err} }

func (e briefError) Error() string { return brief(e.error.Error()) }

func (e briefError) Unwrap() error { return e.error }
