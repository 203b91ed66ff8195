package flow

import "strings"

// maxText is how many bytes of another program's error are logged: some repeat a whole answer.
const maxText = 300

// briefError is an error whose text is cut.
type briefError struct{ error }

func briefly(err error) error { return briefError{err} }

func (e briefError) Error() string {
	text := e.error.Error()
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return text
}

func (e briefError) Unwrap() error { return e.error }
