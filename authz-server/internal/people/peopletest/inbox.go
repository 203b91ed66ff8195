package peopletest

import (
	"context"
	"net/url"
	"sync"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/notices"
)

// Inbox takes the letters of a site that sends mail: see [NewWithMail].
type Inbox struct {
	mu      sync.Mutex
	letters []Letter // the oldest first
}

var _ notices.Mailer = (*Inbox)(nil)

// Letter is one that was sent, or that was queued to nobody.
type Letter struct {
	To, Language string
	Letter       mail.Letter
	Link         string // of its button, without the site's origin; empty: it has none of its own
	Code         string
}

// Enabled is true.
func (*Inbox) Enabled() bool { return true }

// Queue keeps a letter, even if the transaction of its cause fails later.
func (i *Inbox) Queue(_ context.Context, to mail.To, letter mail.Letter) error {
	l := Letter{To: to.Address, Language: to.Language, Letter: letter}
	switch letter := letter.(type) {
	case mail.ConfirmSignup:
		l.Link, l.Code = letter.Link, letter.Code
	case mail.ConfirmAddress:
		l.Link, l.Code = letter.Link, letter.Code
	case mail.ResetPassword:
		l.Link, l.Code = letter.Link, letter.Code
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.letters = append(i.letters, l)
	return nil
}

// All returns all letters, the oldest first, also those to nobody.
func (i *Inbox) All() []Letter {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]Letter(nil), i.letters...)
}

// To returns the letters to an address, the oldest first.
func (i *Inbox) To(to string) (letters []Letter) {
	for _, l := range i.All() {
		if l.To == to {
			letters = append(letters, l)
		}
	}
	return letters
}

// Last returns the last letter to an address, and fails if there is none.
func (i *Inbox) Last(t testing.TB, to string) Letter {
	t.Helper()
	letters := i.To(to)
	if len(letters) == 0 {
		t.Fatalf("no mail to %s", to)
	}
	return letters[len(letters)-1]
}

// Path is the letter's link as [Browser.Get] takes it.
func (l Letter) Path(t testing.TB) string {
	t.Helper()
	u, err := url.Parse(l.Link)
	if err != nil || l.Link == "" {
		t.Fatalf("the link %q of %T: %v", l.Link, l.Letter, err)
	}
	return u.RequestURI()
}
