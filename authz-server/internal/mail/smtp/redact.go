package smtp

import (
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
	"unicode"
)

// couldBeSecret matches what could be a link's secret, or a code, in what a server says: the query of an
// address, a long random word, six digits.
var couldBeSecret = regexp.MustCompile(`\?[^\s]*|\b[A-Za-z0-9_-]{32,}\b|\b[0-9]{6}\b`)

// redact returns an error whose text has no secret. Only the text is kept.
func (s *Sender) redact(err error, m Message) error {
	text, _, _ := strings.Cut(err.Error(), ", affected recipient(s): ")
	text, _, _ = strings.Cut(text, ", affected message ID: ")
	return errors.New(s.hide(text, m))
}

// hide leaves out the recipient, the password, what could be a secret of the letter, and what would
// move an operator's terminal.
func (s *Sender) hide(text string, m Message) string {
	if s.password != "" {
		// Alone, and as a log-in says it (RFC 4616).
		for _, secret := range []string{s.password, "\x00" + s.user + "\x00" + s.password} {
			text = strings.ReplaceAll(text, base64.StdEncoding.EncodeToString([]byte(secret)), "…")
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	recipient := []string{m.To}
	if to, _, err := deliverable(m.To); err == nil {
		recipient = append(recipient, to) // with the domain as DNS has it
	}
	for _, address := range recipient {
		if address != "" {
			text = insensitive(address).ReplaceAllLiteralString(text, "…")
		}
	}
	text = strings.Join(strings.Fields(couldBeSecret.ReplaceAllLiteralString(text, "…")), " ")
	text = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return unicode.ReplacementChar
		}
		return c
	}, text)
	if letters := []rune(text); len(letters) > maxAnswer {
		text = string(letters[:maxAnswer]) + "…"
	}
	return text
}

// insensitive matches a text in upper and lower case: servers repeat addresses as they like.
func insensitive(text string) *regexp.Regexp {
	return regexp.MustCompile("(?i)" + regexp.QuoteMeta(strings.ToValidUTF8(text, "")))
}

// maxAnswer is how much of an answer is kept, in characters.
const maxAnswer = 300
