package mail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/mail/smtp"
	"github.com/maru-auth/maru/authz-server/internal/queue"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
)

// ErrNotConfigured says that this server sends no mail.
var ErrNotConfigured = errors.New("mail is not configured: set --mail-smtp-url and --mail-from")

// Kind is the kind of letters in the queue.
const Kind = outbox.KindMail

// Config is what [New] needs. All fields but Now are required, and Sender unless no mail is sent.
type Config struct {
	Outbox  *outbox.Queue
	KEK     *keys.KEK
	Letters *Letters
	Sender  *smtp.Sender     // nil: mail is not configured
	Now     func() time.Time // nil: time.Now
}

// Mailer queues letters and delivers them. A nil Mailer is one that is not configured. It is safe
// for concurrent use.
type Mailer struct{ cfg Config }

// New returns nil if cfg has no sender.
func New(cfg Config) *Mailer {
	if cfg.Sender == nil {
		return nil
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Mailer{cfg}
}

// Enabled tells whether mail is configured.
func (m *Mailer) Enabled() bool { return m != nil }

// stored is a letter in the queue.
type stored struct {
	To      string    `json:"to"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	HTML    string    `json:"html"`
	Until   time.Time `json:"until,omitzero"` // when it is pointless; zero: never
}

// To is whom a letter is for.
type To struct {
	Address  string // empty: nobody; see [Mailer.Queue]
	Language string // a BCP 47 tag; an unknown one is English
	// UserID is the account that the letter is about: what is still queued goes with it. Empty: it is
	// about none, or that is gone already.
	UserID string
}

// ToUser is an account's person, at its address.
func ToUser(u accounts.User) To { return To{Address: u.Email, Language: u.Locale, UserID: u.ID} }

// Queue queues a letter. Call it in the transaction of the letter's cause: the letter leaves after
// the commit, and not without it. An address that no mail can be sent to is no error, which would
// undo the cause: the delivery is given up, and operators see it.
//
// A letter to nobody is a decoy, which costs the same and goes nowhere: a page that must not tell who
// has an account queues one for an address without an account.
//
// Errors are ErrNotConfigured and those of the database; a letter without its link is a mistake in
// the program, and an error too.
func (m *Mailer) Queue(ctx context.Context, to To, letter Letter) error {
	if m == nil {
		return ErrNotConfigured
	}
	c, err := m.cfg.Letters.compose(to.Language, letter)
	if err != nil {
		return err
	}
	s := stored{To: to.Address, Subject: c.Subject, Text: c.Text, HTML: c.HTML}
	if c.lifetime > 0 {
		s.Until = m.cfg.Now().Add(c.lifetime)
	}
	plain, err := json.Marshal(s)
	if err != nil {
		return err
	}
	// A lane for each kind of letter: many sign-ups do not delay somebody who forgot a password.
	item, err := queue.Seal(m.cfg.KEK, outbox.Item{
		Kind: Kind, Lane: letter.kind(), Topic: letter.kind(), UserID: to.UserID,
	}, plain)
	if err != nil {
		return err
	}
	return m.cfg.Outbox.Add(ctx, item)
}

// slots is how many letters are handed to the mail server at once.
const slots = 8

// Handler is how the queue delivers letters.
func (m *Mailer) Handler() queue.Handler {
	return queue.Handler{Kind: Kind, Deliver: m.deliver, Slots: slots, PerLane: slots / 2}
}

func (m *Mailer) deliver(ctx context.Context, item outbox.Item) error {
	s, err := open(m.cfg.KEK, item)
	if err != nil {
		return err
	}
	if s.To == "" {
		return queue.ErrUnwanted
	}
	if !s.Until.IsZero() && !m.cfg.Now().Before(s.Until) {
		return queue.GiveUp(fmt.Errorf("its link has expired%s", after(item.LastError)))
	}
	_, err = m.cfg.Sender.Send(ctx, smtp.Message{
		ID: item.ID, To: s.To, Subject: s.Subject, Text: s.Text, HTML: s.HTML, At: item.CreatedAt,
	})
	if errors.Is(err, smtp.ErrRefused) {
		return queue.GiveUp(err)
	}
	return err
}

// after keeps the reason of earlier attempts.
func after(reason string) string {
	if reason == "" || strings.HasPrefix(reason, "its link has expired") {
		return ""
	}
	return "; before that: " + reason
}

func open(kek *keys.KEK, item outbox.Item) (s stored, err error) {
	plain, err := queue.Open(kek, item)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(plain, &s); err != nil {
		return s, queue.GiveUp(fmt.Errorf("the letter cannot be read: %w", err))
	}
	return s, nil
}

// Recipient returns whom a queued letter is to, for operators. The error is that of [queue.Open].
func Recipient(kek *keys.KEK, item outbox.Item) (string, error) {
	s, err := open(kek, item)
	return s.To, err
}

// SendNow sends a letter without the queue, and returns what the mail server answered.
func SendNow(
	ctx context.Context, sender *smtp.Sender, letters *Letters, to, language string, letter Letter, now time.Time,
) (answer string, err error) {
	c, err := letters.compose(language, letter)
	if err != nil {
		return "", err
	}
	return sender.Send(ctx, smtp.Message{ID: outbox.NewID(), To: to, Subject: c.Subject, Text: c.Text, HTML: c.HTML, At: now})
}
