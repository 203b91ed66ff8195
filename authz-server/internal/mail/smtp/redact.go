package smtp

import (
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
)

// secrets matches what could be a link's secret, or a code, in what a server says: the query of an
// address, a long random word, six digits.
var secrets = regexp.MustCompile(`\?[^\s]*|\b[A-Za-z0-9_-]{32,}\b|\b[0-9]{6}\b`)

// redact returns an error whose text has no secret. Only the text is kept.
func (s *Sender) redact(err error, m Message) error {
	text, _, _ := strings.Cut(err.Error(), ", affected recipient(s): ")
	text, _, _ = strings.Cut(text, ", affected message ID: ")
	return errors.New(s.hide(text, m))
}

// hide leaves out the recipient, the password, and what could be a secret of the letter.
func (s *Sender) hide(text string, m Message) string {
	for _, secret := range []string{s.password, m.To} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
			text = strings.ReplaceAll(text, base64.StdEncoding.EncodeToString([]byte(secret)), "…")
		}
	}
	text = strings.Join(strings.Fields(secrets.ReplaceAllString(text, "…")), " ")
	if letters := []rune(text); len(letters) > maxAnswer {
		text = string(letters[:maxAnswer]) + "…"
	}
	return text
}

// maxAnswer is how much of an answer is kept, in characters.
const maxAnswer = 300
