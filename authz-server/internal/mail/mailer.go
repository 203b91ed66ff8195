package mail

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/mail/smtp"
)

// ErrNotConfigured says that this server sends no mail.
var ErrNotConfigured = errors.New("mail is not configured: set --mail-smtp-url and --mail-from")

// SendNow sends a letter without the queue, and returns what the mail server answered.
func SendNow(
	ctx context.Context, sender *smtp.Sender, letters *Letters, to, language string, letter Letter, now time.Time,
) (answer string, err error) {
	c, err := letters.compose(language, letter)
	if err != nil {
		return "", err
	}
	return sender.Send(ctx, smtp.Message{ID: rand.Text(), To: to, Subject: c.Subject, Text: c.Text, HTML: c.HTML, At: now})
}
